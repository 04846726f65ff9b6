"""What a power cut leaves on a disk, worked out from a trace of one process's system calls.

SIGKILL spares the page cache, so a program that never syncs passes every kill. Here the trace (strace, with all bytes)
is played again on a model of file and cache in which only a sync that succeeded moves bytes to the medium:

- bytes written and not yet synced may be on the medium or not, each write for itself, and torn at a 512-byte sector;
- a sync that FAILED drops them for good, as Linux does: they read well from the cache, the next sync says that all is
  well, and they never reach the medium, unless the program writes them anew;
- a name made, renamed or removed is on the medium after a sync of its folder, and perhaps before.

A SIGKILL between two traces changes nothing: feed one after the other. Memory-mapped writes are not seen (SQLite maps
only its `-shm`, which is made anew at each recovery).
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path

#: system calls that must be in the trace
CALLS = "openat,pwrite64,write,fdatasync,fsync,ftruncate,unlink,rename,close"
SECTOR = 512
MANNERS = ("none", "all", "some")

_LINE = re.compile(r"(\d+)\s+(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$", re.DOTALL)
_DONE = re.compile(r"^(.*)\)\s*= (-?\d+)(.*)$", re.DOTALL)
_HEX = re.compile(r"((?:\\x[0-9a-f]{2})*)")


class Call:
    """One finished system call: its name, arguments as strace wrote them, and result."""

    __slots__ = ("name", "arguments", "result", "opened")

    def __init__(self, name: str, arguments: str, result: int, opened: str) -> None:
        self.name, self.arguments, self.result, self.opened = name, arguments, result, opened

    def strings(self) -> list[bytes]:
        """The quoted arguments."""
        return [_bytes(text) for text in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', self.arguments)]

    def fd(self) -> int:
        """The first argument's number."""
        return int(self.arguments[: self.arguments.index("<")]) if "<" in self.arguments[:12] else -1

    def path(self) -> str:
        """The first argument's path."""
        found = re.match(r"\d+<((?:\\x[0-9a-f]{2})*)>", self.arguments)
        return _bytes(found[1]).decode() if found else ""


def calls(log: str) -> Iterator[Call]:
    """The finished calls of a trace, in the order in which they ended."""
    begun: dict[str, str] = {}
    for line in log.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        pid, name, rest, resumed, tail = found.groups()
        if resumed:
            name, rest = resumed, begun.pop(pid, "") + tail
        elif rest.endswith("<unfinished ...>"):
            begun[pid] = rest.removesuffix("<unfinished ...>").rstrip()
            continue
        done = _DONE.match(rest)
        if done is not None:
            yield Call(name, done[1], int(done[2]), done[3])


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


class _File:
    """An inode: what the medium holds, and what was written since the last sync."""

    def __init__(self, content: bytes = b"") -> None:
        self.disk = bytearray(content)
        self.pending: list[tuple[int, bytes | None]] = []  # (offset, bytes), or (size, None): a truncation
        self.orphans = 0  #: writes that a failed sync dropped

    def synced(self) -> None:
        for change in self.pending:
            _change(self.disk, change)
        self.pending.clear()

    def dropped(self) -> None:
        self.orphans += len(self.pending)
        self.pending.clear()


def _change(content: bytearray, change: tuple[int, bytes | None]) -> None:
    at, data = change
    if data is None:
        del content[at:]
        content.extend(bytes(at - len(content)))
        return
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


class Disk:
    """The files under `root`, as one process and the page cache see them, and as the medium holds them."""

    def __init__(self, root: Path, content: dict[str, bytes] | None = None) -> None:
        self._root = str(root)
        self._here = {name: _File(data) for name, data in (content or {}).items()}
        self._there = dict(self._here)
        self._open: dict[int, tuple[_File, int]] = {}
        self._offsets: dict[int, int] = {}
        self.said: list[str] = []
        self.failed_syncs = 0

    def play(self, call: Call) -> bool:
        """One call. Whether it changed what a power cut would leave, or was something said."""
        if call.name == "write" and call.arguments.startswith("1<"):
            self.said += call.strings()[-1].decode().splitlines()
            return True
        if call.name == "openat":
            return self._opened(call)
        if call.name in ("unlink", "rename"):
            return self._named(call)
        if call.name == "close":
            self._open.pop(call.fd(), None)
            return False
        if call.path() == self._root and call.name in ("fsync", "fdatasync"):
            if call.result == 0:
                self._there = dict(self._here)
            return True
        if call.fd() not in self._open or not call.path().startswith(self._root + "/"):
            return False
        file, offset = self._open[call.fd()]
        if call.name in ("fsync", "fdatasync"):
            if call.result == 0:
                file.synced()
            else:
                self.failed_syncs += 1
                file.dropped()
            return True
        if call.result < 0:
            return False
        if call.name == "ftruncate":
            file.pending.append((int(call.arguments.rpartition(",")[2]), None))
        elif call.name == "pwrite64":
            at = int(call.arguments.rpartition(",")[2])
            file.pending.append((at, call.strings()[-1][: call.result]))
        elif call.name == "write":
            file.pending.append((offset, call.strings()[-1][: call.result]))
            self._open[call.fd()] = (file, offset + call.result)
        return True

    def left(self, manner: str, rng: random.Random) -> dict[str, bytes]:
        """The files that a power cut leaves now: with none, all or some of what was not synced."""
        names = self._there if manner == "none" or (manner == "some" and rng.random() < 0.5) else self._here
        content: dict[str, bytes] = {}
        for name, file in names.items():
            disk = bytearray(file.disk)
            for at, data in file.pending if manner != "none" else ():
                if manner == "some":
                    chance = rng.random()
                    if chance < 0.4:
                        continue
                    if chance < 0.6 and data is not None:
                        data = data[: rng.randrange(0, len(data) + 1) // SECTOR * SECTOR]
                _change(disk, (at, data))
            content[name] = bytes(disk)
        return content

    def waits(self) -> bool:
        """Whether a power cut may leave more than one thing now."""
        return self._here != self._there or any(file.pending for file in self._here.values())

    def _opened(self, call: Call) -> bool:
        found = re.search(r"<((?:\\x[0-9a-f]{2})*)>", call.opened)
        path = _bytes(found[1]).decode() if found and call.result >= 0 else ""
        if not path.startswith(self._root + "/"):
            self._open.pop(call.result, None)
            return False
        name = path.removeprefix(self._root + "/")
        made = name not in self._here
        if made:
            self._here[name] = _File()
        file = self._here[name]
        if "O_TRUNC" in call.arguments and not made:
            file.pending.append((0, None))
        self._open[call.result] = (file, 0)
        return made

    def _named(self, call: Call) -> bool:
        names = [path.decode().removeprefix(self._root + "/") for path in call.strings()]
        if call.result < 0 or names[0] not in self._here:
            return False
        file = self._here.pop(names[0])
        if call.name == "rename":
            self._here[names[1]] = file
        return True
