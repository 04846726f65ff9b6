"""A board at the end of a USB cable: the unix port behind a pseudo-terminal that can be unplugged and plugged in again.

What a technician's program opens is `port`, a symlink as udev makes them: it leads to a new pseudo-terminal each time the
board is plugged in. A board that restarts itself stays plugged in. Power comes through the cable: unplugged, the board
dies at once (SIGKILL), and its flash is as it was at that moment.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import select
import signal
import subprocess
import termios
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path

from simulator.unixport.runner import HEAPSIZE, program

_PASTE = b"\x05A\x01"


class Cable:
    """One board and its cable. built: from `runner.build`. flash: the board's image, kept while it is unplugged.

    files_bytes: the files' part of the flash. on_code: told the number of each piece of code that comes over the cable,
    before the board has it; where it answers True, the cable is pulled there.
    """

    def __init__(
        self,
        *,
        built: Path,
        flash: Path,
        port: Path,
        files_bytes: int,
        environment: dict[str, str] | None = None,
        on_code: Callable[[int], bool] = lambda number: False,
    ) -> None:
        self.port = port
        self.flash = flash
        #: how many pieces of code came over the cable since it was made
        self.codes = 0
        self._on_code = on_code
        self._environment = {
            **os.environ,
            "MUSTER_FLASH": str(flash.resolve()),
            "MUSTER_FILES_BYTES": str(files_bytes),
            "MUSTER_ISIG": str(termios.ISIG),
            "MUSTER_BUILT_IN": str((built / "board").resolve()),
            "MUSTER_BOARD_ID": hashlib.sha256(str(flash).encode()).hexdigest()[:16],
            "MICROPYPATH": f"{(built / 'board').resolve()}:.frozen",
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._pulled = threading.Event()
        #: what the board said that nobody asked for is kept for whoever looks at a failure
        self.said = b""

    @property
    def plugged(self) -> bool:
        """Whether the cable is in."""
        return self._thread is not None and self._thread.is_alive()

    def plug(self) -> None:
        """Power, and a port."""
        assert not self.plugged, "this cable is in already"
        self._join()
        self._pulled.clear()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._carry, args=(ready,), name="cable", daemon=True)
        self._thread.start()
        ready.wait(10)

    def unplug(self) -> None:
        """No power, no port."""
        self._pulled.set()
        self._join()

    def _join(self) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(10)
            self._thread = None

    def _carry(self, ready: threading.Event) -> None:
        outer, slave = os.openpty()
        tty.setraw(slave)
        inner = self._start()
        self._name(os.ttyname(slave))
        ready.set()
        try:
            while not self._pulled.is_set():
                heard, _, _ = select.select([outer, inner], [], [], 0.02)
                if outer in heard and not self._down(os.read(outer, 4096), inner):
                    return
                if inner in heard:
                    try:
                        data = os.read(inner, 4096)
                    except OSError:
                        data = b""
                    if data:
                        self.said = (self.said + data)[-4000:]
                        os.write(outer, data)
                    else:
                        # It restarted itself: the port stays.
                        os.close(inner)
                        self._end()
                        inner = self._start()
        finally:
            self._end()
            with contextlib.suppress(OSError):
                self.port.unlink()
            for one in (inner, outer, slave):
                os.close(one)

    def _down(self, data: bytes, inner: int) -> bool:
        """Pass on what the technician's program sent; False: the cable was pulled in the middle of it."""
        head, *more = data.split(_PASTE)
        os.write(inner, head)
        for part in more:
            self.codes += 1
            if self._on_code(self.codes):
                return False
            os.write(inner, _PASTE + part)
        return True

    def _name(self, path: str) -> None:
        new = self.port.with_name(self.port.name + ".new")
        new.symlink_to(path)
        new.replace(self.port)

    def _start(self) -> int:
        """A process on a terminal of its own; the end to speak to it."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        # Ctrl-C reaches what runs, as it does through USB, as soon as prompt.py has mounted the flash.
        self._process = subprocess.Popen(
            [program("micropython"), "-X", f"heapsize={HEAPSIZE}", "-i", "-m", "prompt"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=self._environment,
            preexec_fn=_own_terminal,
        )
        os.close(theirs)
        return ours

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.wait()


def _own_terminal() -> None:
    """In the child, before it is MicroPython: the terminal is its own, so that Ctrl-C on it is a signal."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def wait_for_port(cable: Cable, timeout_s: float = 10.0) -> None:
    """Until the port is there. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not cable.port.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{cable.port} is not there")
        time.sleep(0.01)
