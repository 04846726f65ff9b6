"""An update: taken in pieces between taps, checked before it has a name, on trial before it is trusted.

A piece is 8 bytes of the manifest's SHA-256 (which release this is), 4 bytes of where in the pack it belongs, and the
pack's bytes from there on. The first piece is the whole head: nothing is written before its signature, its board and its
counters were found good. Each file's hash is looked at as it ends; the pack gets its slot's name when nothing is missing.
Who sends goes on from `have`, which the health report tells.
"""

import hashlib
import os

from firmware.contract import release
from firmware.contract.errors import Malformed
from firmware.reader.pack import Pack
from firmware.reader.releases import TRIES, State, nothing, other, path

TAG_BYTES = release.TAG_BYTES
HEAD_BYTES = TAG_BYTES + 4
WAITING_MAX = 4  #: pieces in memory that are not on flash yet; more are offered again
#: How often a release may begin to be written: a hostile broker that replays one must not wear the flash out.
BEGINS_AT_ONCE, BEGIN_EVERY_MS = 10, 3_600_000
#: A release on trial is confirmed when it was well this long after its start, and given up if it never was.
CONFIRM_AFTER_MS = 60_000
GIVE_UP_MS = 600_000


class Refused(Exception):
    """This release is not taken. `code` is stable and stands in the health report."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


class Updates:
    """What arrives, and what is on trial. folder: of the slots. keys: the settings' release keys. sync: as State's."""

    def __init__(self, folder: str, keys: tuple, board: str = "pico", sync=nothing):
        self._folder = folder
        self._keys = keys
        self._board = board
        self._sync = sync
        self._state = State(folder, sync)
        #: whether what runs now is on trial: its tries are counted down before it starts
        self.on_trial = self._state.trial is not None and self._state.tries < TRIES
        self._floor = max(self._state.counter, _counter(path(folder, self._state.active)))
        self._tag = None
        self._head = None
        self._waiting = []
        self._unused = False
        self._entries = ()
        self._file = None
        self._hash = None
        self._at = 0
        self._left = 0
        self._counter = 0
        self._begins = 0
        self.have = 0
        self.size = 0
        #: why the last one was refused, or None
        self.refused = None
        self._refused_tag = None
        self._ready = False
        self._gave_up = False
        self._remove(self._part())

    def figures(self) -> dict:
        """For the health report."""
        told = {
            "board": self._board,
            "counter": self._floor,
            "have": self.have,
            "size": self.size,
            "refused": self.refused,
        }
        told["tag"] = self._tag.hex() if self._tag else None
        told["refused_tag"] = self._refused_tag.hex() if self._refused_tag else None
        told["trial"] = self._state.trial_counter if self._state.trial else None
        told["failed"] = self._state.failed
        return told

    @property
    def restart(self) -> bool:
        """Whether the board should start anew: into the release that arrived, or away from the one that was given up."""
        return self._ready or self._gave_up

    def turn(self, well: bool, now_ms: int, log) -> bool:
        """One `step`, and `judge` on what is on trial; what changed is logged. Whether there is something to tell."""
        before = (self.have == 0, self.refused, self.on_trial, self._ready)
        worked = self.step(now_ms)
        judged = self.judge(well, now_ms)
        if judged or before != (self.have == 0, self.refused, self.on_trial, self._ready):
            log("update", judged=judged, **self.figures())
        return worked or judged is not None

    def take(self, piece: bytes) -> None:
        """A piece came. Returns at once: `step` looks at it."""
        if len(piece) <= HEAD_BYTES:
            return
        tag = bytes(piece[:TAG_BYTES])
        at = int.from_bytes(piece[TAG_BYTES:HEAD_BYTES], "big")
        if at == 0:
            if (self._file is None or tag != self._tag) and self._head is None:
                self._head = piece
            else:
                self._unused = True
            return
        waits = 0
        for one in self._waiting:
            waits += len(one) - HEAD_BYTES
        # What is not next in line, or of another release, is let fall: it is offered again from `have`.
        fits = tag == self._tag and at == self.have + waits and len(piece) <= HEAD_BYTES + release.PIECE_MAX
        if self._file is not None and fits and len(self._waiting) < WAITING_MAX:
            self._waiting.append(piece)
        else:
            self._unused = True

    def step(self, now_ms: int) -> bool:
        """One slow step, if there is one to take: a signature, or a piece onto flash. Whether there is something to tell.

        Who offers what is not next in line has not heard how far this is: a report was lost, and it is told again.
        """
        told, self._unused = self._unused, False
        if self._head is None and not self._waiting:
            return told
        try:
            if self._head is not None:
                piece, self._head = self._head, None
                tag, head = bytes(piece[:TAG_BYTES]), memoryview(piece)[HEAD_BYTES:]
                try:
                    said = self._judge_head(tag, head, now_ms)
                except (Refused, Malformed) as error:
                    # What is being taken goes on: whoever sends a bad head must not stop a good release.
                    self.refused, self._refused_tag = error.code, tag
                    return True
                except MemoryError:
                    # Not refused: it is offered again. No door restarts because a release was offered to it.
                    return True
                self._begin(tag, head, said)
            else:
                self._write(memoryview(self._waiting.pop(0))[HEAD_BYTES:])
        except Refused as error:
            self._drop(error.code)
        except OSError:
            self._drop("update-flash")
        return True

    def _judge_head(self, tag, head, now_ms):
        """The manifest in a pack's head. Raises Refused or Malformed; nothing has been written then."""
        manifest, signature = release.lengths(head)
        if len(head) != release.PACK_BYTES + manifest + signature:
            raise Refused("update-head")
        text = bytes(head[release.PACK_BYTES : release.PACK_BYTES + manifest])
        if hashlib.sha256(text).digest()[:TAG_BYTES] != tag:
            raise Refused("update-head")
        said = release.read(text)
        if not release.signed(text, bytes(head[release.PACK_BYTES + manifest :]), said.key, self._keys):
            raise Refused("update-unsigned")
        if said.board != self._board:
            raise Refused("update-board")
        if said.counter <= self._floor:
            raise Refused("update-older")
        if said.minimum > self._floor:
            raise Refused("update-too-far")
        if said.counter == self._state.failed:
            raise Refused("update-failed-before")
        if self._state.trial is not None or self._ready:
            raise Refused("update-on-trial")
        if self._begins >= BEGINS_AT_ONCE + now_ms // BEGIN_EVERY_MS:
            raise Refused("update-too-often")
        return said

    def _begin(self, tag, head, said):
        self._drop(None)
        self._begins += 1
        # The slot that is not running: what stood there goes first, or there would be no room.
        self._remove(path(self._folder, other(self._state.active)))
        self._file = open(self._part(), "wb")  # noqa: SIM115  open over many steps
        self._file.write(head)
        self._tag = tag
        self._entries = said.entries
        self._counter = said.counter
        self.have = len(head)
        self.size = len(head) + release.size(said)
        self._at = -1
        self._next_file()

    def _write(self, data):
        if self.have + len(data) > self.size:
            raise Refused("update-size")
        self._file.write(data)
        self.have += len(data)
        while len(data):
            part = data[: self._left]
            self._hash.update(part)
            self._left -= len(part)
            data = data[len(part) :]
            if not self._left:
                self._next_file()
        if self.have == self.size:
            self._arrived()

    def _next_file(self):
        """Looks at the file that ended, and goes on to the next one that is not empty."""
        while not self._left:
            if self._at >= 0 and self._hash.digest() != self._entries[self._at].sha256:
                raise Refused("update-hash")
            self._at += 1
            if self._at == len(self._entries):
                return
            self._hash = hashlib.sha256()
            self._left = self._entries[self._at].size

    def _arrived(self):
        """Whole and as it was signed: it gets its slot's name, and then its trial. A cut between leaves the old one."""
        self._file.flush()
        self._sync(self._file)
        self._file.close()
        self._file = None
        state = self._state
        slot = other(state.active)
        os.rename(self._part(), path(self._folder, slot))
        self._sync(None)
        state.trial, state.tries, state.trial_counter = slot, TRIES, self._counter
        state.keep()
        self._entries = ()
        self._ready = True

    def judge(self, well: bool, now_ms: int) -> "str | None":
        """Of a release on trial: `confirmed`, `given-up` (start anew, and the one before runs), or None: not yet.

        well: a card would be kept, and the store has answered.
        """
        if not self.on_trial:
            return None
        try:
            if well and now_ms >= CONFIRM_AFTER_MS:
                self.on_trial = False
                self._state.confirmed()
                self._floor = max(self._floor, self._state.counter)
                return "confirmed"
            if now_ms >= GIVE_UP_MS:
                self.on_trial = False
                self._state.gave_up()
                self._gave_up = True
                return "given-up"
        except OSError:
            self.refused = "update-flash"  # it stays on trial: the next start counts
        return None

    def _part(self):
        return self._folder + "slot.part"

    def _drop(self, code):
        """Nothing of it stays. code: why, or None where another one begins."""
        self.refused, self._refused_tag = code, self._tag
        self._tag = None
        self._waiting.clear()
        self._entries = ()
        self.have = self.size = self._left = 0
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError:
                pass
            self._remove(self._part())

    def _remove(self, name):
        try:
            os.remove(name)
        except OSError:
            pass  # there was none


def _counter(pack_path):
    try:
        return Pack(pack_path).counter
    except (OSError, Malformed):
        return 0
