"""The roster's shelf: two files on littlefs, the newest roster that was kept whole and the one before it.

`keep` only takes the roster; `step`, called between taps, writes it in small pieces, because a whole one takes the flash
for a third of a second. Power that fails before it is done costs nothing: the broker retains the roster, and says it
again at the next connect. A half-written file never has the name of a whole one.
"""

import os

from firmware.contract import roster
from firmware.contract.errors import Malformed

NOW = "roster.now"
BEFORE = "roster.before"
_WRITING = "roster.writing"
PIECE = 2048  #: bytes written in one step


class Shelf:
    """folder: where the files stand, with a slash at its end."""

    def __init__(self, folder: str):
        self._folder = folder
        self._blob = None
        self._file = None
        self._done = 0
        #: writes that failed: for the health report
        self.faults = 0

    def load(self):
        """The newest roster that was kept whole, as bytes, or None. What does not pass its checksum is not returned."""
        for name in (NOW, BEFORE):
            try:
                with open(self._folder + name, "rb") as file:
                    blob = file.read()
                roster.decode(blob)
                return blob
            except (OSError, Malformed):
                continue
        return None

    def keep(self, blob: bytes) -> None:
        """Keep this roster from now on. It is on flash when `step` has nothing more to do."""
        self._drop()
        self._blob = blob

    @property
    def waits(self) -> bool:
        """Whether a roster is not on flash yet."""
        return self._blob is not None

    def step(self) -> bool:
        """One piece of writing, if there is something to write. Whether it did one."""
        if self._blob is None:
            return False
        try:
            self._write(self._blob)
        except OSError:
            # The roster is in use all the same. The next one is tried again.
            self.faults += 1
            self._drop()
        return True

    def _write(self, blob):
        if self._file is None:
            self._file = open(self._folder + _WRITING, "wb")  # noqa: SIM115  open over several steps
            self._done = 0
        piece = memoryview(blob)[self._done : self._done + PIECE]
        if len(piece):
            self._file.write(piece)
            self._done += len(piece)
            return
        self._file.flush()
        self._file.close()
        self._file = None
        try:
            os.rename(self._folder + NOW, self._folder + BEFORE)
        except OSError:
            pass  # there was none yet
        os.rename(self._folder + _WRITING, self._folder + NOW)
        self._blob = None

    def _drop(self):
        self._blob = None
        if self._file is not None:
            file = self._file
            self._file = None
            try:
                file.close()
            except OSError:
                self.faults += 1
