"""A release in one file, read where it lies: checked whole, and mounted so that the program is imported out of it.

Two folders of single files would not fit beside each other: littlefs takes 4 KB for each. The format is told in
firmware/contract/release.py. Nothing here verifies a signature: that was done before the pack got its name (update.py).
"""

import hashlib
import os

from firmware.contract import release
from firmware.contract.errors import Malformed

_PIECE = 1024
_FOLDER = (0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
_ENOENT = 2


class Pack:
    """The pack at `path`. Raises OSError where there is none, Malformed where it is no pack."""

    def __init__(self, path: str):
        #: where it stands
        self.path = path
        with open(path, "rb") as file:
            manifest, signature = release.lengths(file.read(release.PACK_BYTES))
            #: the manifest as it stands; dropped by `rest`, read again when it is needed
            self._text = file.read(manifest)
        said = release.read(self._text)
        self.board = said.board
        self.version = said.version
        self.counter = said.counter
        self._manifest = manifest
        self._body = release.PACK_BYTES + manifest + signature
        self._size = self._body + release.size(said)

    def whole(self) -> bool:
        """Whether every file in it is as its manifest says, and nothing follows: 64 KB take an RP2040 a fifth of a second."""
        if os.stat(self.path)[6] != self._size:
            return False
        buffer = bytearray(_PIECE)
        view = memoryview(buffer)
        with open(self.path, "rb") as file:
            file.seek(self._body)
            for entry in release.read(self._manifest_text()).entries:
                made = hashlib.sha256()
                left = entry.size
                while left:
                    got = file.readinto(view[: min(left, _PIECE)])
                    if not got:
                        return False
                    made.update(view[:got])
                    left -= got
                if made.digest() != entry.sha256:
                    return False
        return True

    def rest(self) -> None:
        """The program has been imported: give the manifest's memory back."""
        self._text = None

    # --- what `vfs.mount` and `import` ask for ------------------------------------------------------------------------

    def mount(self, readonly, mkfs) -> None:
        """Nothing to do."""

    def umount(self) -> None:
        """Nothing to do."""

    def stat(self, path: str) -> tuple:
        """As `os.stat`, for files and folders of the pack. Raises OSError."""
        name = path.strip("/")
        text = self._manifest_text()
        if text.find((" %s/" % name).encode()) >= 0:
            return _FOLDER
        return (0x8000, 0, 0, 0, 0, 0, self._find(name)[1], 0, 0, 0)

    def open(self, path: str, mode: str):
        """The pack's file, at the first byte of the one that is asked for: bytecode knows where it ends."""
        offset, _ = self._find(path.strip("/"))
        file = open(self.path, "rb")  # noqa: SIM115  whoever imports closes it
        file.seek(offset)
        return file

    def _find(self, name):
        """(offset in the pack, size) of a file. Raises OSError(ENOENT)."""
        text = self._manifest_text()
        wanted = (" %s\n" % name).encode()
        if text.find(wanted) < 0:
            raise OSError(_ENOENT)
        offset = self._body
        # The files' lines begin after the eighth; each is 64 digits, a space, the size, a space, the name.
        at = 0
        for _ in range(8):
            at = text.find(b"\n", at) + 1
        while at < len(text):
            end = text.find(b"\n", at) + 1
            middle = text.find(b" ", at + 65)
            size = int(text[at + 65 : middle])
            if text[middle:end] == wanted:
                return offset, size
            offset += size
            at = end
        raise OSError(_ENOENT)

    def _manifest_text(self):
        if self._text is None:
            with open(self.path, "rb") as file:
                file.seek(release.PACK_BYTES)
                self._text = file.read(self._manifest)
        return self._text


def whole(path: str) -> "Pack | None":
    """The pack at `path`, or None where there is none that is whole."""
    try:
        pack = Pack(path)
        return pack if pack.whole() else None
    except (OSError, Malformed):
        return None
