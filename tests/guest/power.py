"""A machine whose power can be cut: User-Mode Linux, a kernel that is a process, with an ext4 disk that is a file.

Its root is the host's file system, read-only (hostfs), so that it runs this repository with this Python. Its disk is
a file with ext4 in it. What the guest's kernel has handed to its disk is in the file; what it has only in
its page cache is gone when its processes are killed, as it is when a plug is pulled.
"""

import contextlib
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MEMORY_MB = 128
DISK_MB = 96
SHARED_MEMORY = "/dev/shm"
#: a boot takes some 2 s on a calm machine
PATIENCE_S = 120.0
#: what a guest says that is for us begins so; the rest is its kernel's
MARK = "@"
FAILED = " failed "  #: in what a part of the guest says as it ends by an exception
# Whoever started the guest may be killed itself: then the guard's standard input ends, and it ends the guest. All of a
# guest's processes are one group: its kernel makes a session of its own, as `start_new_session` has done already.
_GUARD = 'read -r gone; kill -KILL -- "-$1"'


class GuestFailed(RuntimeError):
    """The guest did not do what it must; the text ends with what its console said last."""


class Machine:
    """One disk, and guests that are booted on it one after the other. `program`: the path of `linux.uml`."""

    def __init__(self, program: str, folder: Path, disk: Path) -> None:
        self._program = program
        self._folder = folder
        self._disk = disk
        #: where the guest mounts its disk: a folder of the host's that stays empty there
        self.mount = folder / "disk"
        self.mount.mkdir()
        #: where this file is made, a guest that waits for it kills its reader and its gateway
        self.order = folder / "disk.kill"
        with self._disk.open("wb") as file:
            file.truncate(DISK_MB << 20)
        mke2fs = shutil.which("mke2fs", path=os.environ.get("PATH", os.defpath) + ":/sbin:/usr/sbin")
        if mke2fs is None:
            raise GuestFailed("mke2fs is missing: install Debian's e2fsprogs")
        subprocess.run([mke2fs, "-q", "-F", "-t", "ext4", str(self._disk)], check=True, stdin=subprocess.DEVNULL)

    @contextlib.contextmanager
    def boot(self, *arguments: str) -> "Iterator[Guest]":
        """A guest whose first process is inside.py with these arguments. Its power is cut at the end at the latest."""
        init = self._folder / "init"
        inside = Path(__file__).with_name("inside.py")
        command = [sys.executable, "-B", str(inside), str(self.mount), *arguments]
        init.write_text(f"#!/bin/sh\nexec {shlex.join(command)}\n")
        init.chmod(0o755)
        guest = Guest(
            [
                self._program,
                f"mem={MEMORY_MB}M",
                f"ubd0={self._disk}",  # without `s`: a sync of the guest need not be one of the host, which lives on
                f"uml_dir={self._folder}/uml/",
                "root=/dev/root",
                "rootfstype=hostfs",
                "rootflags=/",
                "ro",
                "quiet",
                "con=null",
                "con0=null,fd:1",
                f"init={init}",
            ],
            self._folder,
        )
        try:
            yield guest
        finally:
            guest.cut()
            shutil.rmtree(self._folder / "uml", ignore_errors=True)


@contextlib.contextmanager
def machine(program: str) -> Iterator[Machine]:
    """A machine with an empty disk, in a folder that is removed at the end."""
    # In memory where there is room: the host's own disk has no part in this, and would only make it slow.
    place = SHARED_MEMORY if "TMPDIR" not in os.environ and _roomy(SHARED_MEMORY) else None
    # Only the disk: what the guest itself sees under /dev is its own, and so it could not see its folder there.
    seen = "/var/tmp" if tempfile.gettempdir().startswith("/dev/") else None
    with (
        tempfile.TemporaryDirectory(prefix="muster-guest-", dir=seen) as folder,
        tempfile.TemporaryDirectory(prefix="muster-guest-", dir=place) as disk,
    ):
        yield Machine(program, Path(folder), Path(disk) / "disk.ext4")


class Guest:
    """A running guest: `lines` and `wait` read its console, `cut` takes its power away."""

    def __init__(self, command: list[str], folder: Path) -> None:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder)}
        if not _roomy(SHARED_MEMORY):
            environment["TMPDIR"] = str(folder)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
            cwd=folder,
        )
        guard = ["/bin/sh", "-c", _GUARD, "guard", str(self._process.pid)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)
        assert self._process.stdout is not None
        self._console = self._process.stdout.fileno()
        self._rest = b""
        self._said: list[str] = []
        self._kernel: list[str] = []
        self._failed = False
        self.off = False

    def wait(self, until: Callable[[list[str]], bool], patience_s: float = PATIENCE_S) -> None:
        """Read the console until `until(all that was said)`. Raises GuestFailed where it ends, or is silent for long."""
        end = time.monotonic() + patience_s
        while not until(self._said):
            if (not self._read(end - time.monotonic()) and not self.off) or time.monotonic() > end:
                raise GuestFailed(f"the guest hangs:\n{self.last_words()}")
            self._check()

    def listen(self, seconds: float) -> None:
        """Read the console for so long. Raises GuestFailed where it ends."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(left)
            self._check()

    def cut(self) -> list[str]:
        """Cut the power: SIGKILL to all processes of the guest at once. Returns all whole lines that it had said."""
        if self._process.returncode is not None:
            return self._said
        self._guard.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        # The console ends as the last process that can write to the disk is gone: they share their open files.
        while not self.off:
            if not self._read(PATIENCE_S) and not self.off:
                raise GuestFailed("the guest's processes do not die")
        for process in (self._process, self._guard):
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
        end = time.monotonic() + PATIENCE_S
        while _group(self._process.pid):
            if time.monotonic() > end:
                raise GuestFailed("the guest's processes do not die")
            time.sleep(0.01)
        return self._said

    def last_words(self) -> str:
        """What the console said last, for a person."""
        return "\n".join([*self._kernel[-30:], *self._said[-5:]])

    def _check(self) -> None:
        if self.off or self._failed:
            how = "a part of the guest failed" if self._failed else "the guest ended by itself"
            raise GuestFailed(f"{how}:\n{self.last_words()}")

    def _read(self, seconds: float) -> bool:
        """Read what comes within that time. False: nothing came, or it has ended (`off`)."""
        if self.off or not select.select([self._console], [], [], max(0.0, seconds))[0]:
            return False
        chunk = os.read(self._console, 1 << 16)
        if not chunk:
            self.off = True
            return False
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            text = line.decode("ascii", "replace").strip("\r")
            if text.startswith(MARK):
                self._said.append(text[len(MARK) :])
                self._failed = self._failed or FAILED in text
            else:
                self._kernel.append(text)
        return True


def _roomy(folder: str) -> bool:
    """Whether the guest's memory can stand there, as it does by default. A container often has 64 MB, and no programs."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize > (2 * MEMORY_MB + DISK_MB) << 20 and not disk.f_flag & os.ST_NOEXEC


def _group(leader: int) -> list[int]:
    """The processes of a group that still run. Dead ones wait for their parent, which may be anybody."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, group = path.read_text().rpartition(")")[2].split()[:3]
            if int(group) == leader and state not in "ZX":
                found.append(int(path.parent.name))
    return found
