"""MicroPython's raw REPL: code in, what it printed out. No I/O of its own: a `Port` is handed in.

The protocol (docs.micropython.org, "The MicroPython Interactive Interpreter Mode (aka REPL)"): Ctrl-C interrupts, Ctrl-A
enters the raw REPL, which ends each prompt with `>`. Code ends with Ctrl-D; the answer is `OK`, what was printed, Ctrl-D,
a traceback, Ctrl-D. *Raw paste* (Ctrl-E A Ctrl-A) is the same with flow control: the board says how many bytes it takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from firmware.provision.errors import BoardFailed, BoardSilent
from firmware.provision.port import Port

_INTERRUPT, _RAW, _END, _FRIENDLY = b"\r\x03\x03", b"\r\x01", b"\x04", b"\r\x02"
_BANNER = b"raw REPL; CTRL-B to exit\r\n>"
_PASTE, _PASTE_YES = b"\x05A\x01", b"R\x01"
ENTER_S, ANSWER_S = 10.0, 20.0


class Repl:
    """A board that listens. Every method raises PortLost where it is gone, and BoardSilent where it does not answer."""

    def __init__(self, port: Port, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._port = port
        self._now_s = now_s
        self._buffer = b""

    def enter(self, timeout_s: float = ENTER_S) -> None:
        """Interrupt whatever runs, and enter the raw REPL."""
        deadline = self._now_s() + timeout_s
        while True:
            self._port.write(_INTERRUPT)
            self._quiet()
            self._port.write(_RAW)
            if self._until(_BANNER, min(deadline, self._now_s() + 2.0)) is not None:
                return
            if self._now_s() > deadline:
                raise BoardSilent(
                    "the board does not answer as MicroPython does: is MicroPython on it, and no other program at its port?"
                )

    def leave(self) -> None:
        """Back to the friendly REPL."""
        self._port.write(_FRIENDLY)

    def run(self, code: str, timeout_s: float = ANSWER_S, said: Callable[[str], None] | None = None) -> str:
        """Run this; what it printed. said: told each whole line as it comes. Raises BoardFailed with its traceback."""
        self._send(code.encode(), timeout_s)
        printed = self._need(_END, timeout_s, said)
        failed = self._need(_END + b">", timeout_s)
        if failed.strip():
            raise BoardFailed(failed.decode("utf-8", "replace"))
        return printed.decode("utf-8", "replace").replace("\r\n", "\n")

    def begin(self, code: str) -> None:
        """Run this, and wait for no answer: the board restarts."""
        self._send(code.encode(), ANSWER_S)

    def _send(self, code: bytes, timeout_s: float) -> None:
        self._port.write(_PASTE)
        deadline = self._now_s() + timeout_s
        while len(self._buffer) < 2:
            self._more(deadline)
        head, self._buffer = self._buffer[:2], self._buffer[2:]
        if head != _PASTE_YES:
            raise BoardSilent("the board's MicroPython is too old (no raw paste mode): put 1.27 or newer on it")
        while len(self._buffer) < 2:
            self._more(deadline)
        window = int.from_bytes(self._buffer[:2], "little")
        self._buffer = self._buffer[2:]
        room = window
        while code:
            while room == 0 or self._buffer:
                if not self._buffer:
                    self._more(deadline)
                sign, self._buffer = self._buffer[:1], self._buffer[1:]
                if sign == _END:
                    # It wants no more: what it has cannot be run, and the answer says why.
                    self._port.write(_END)
                    return
                room += window
            self._port.write(code[:room])
            code, room = code[room:], max(0, room - len(code))
        self._port.write(_END)
        while _END not in self._buffer:
            self._more(deadline)
        self._buffer = self._buffer.partition(_END)[2]

    def _need(self, mark: bytes, timeout_s: float, said: Callable[[str], None] | None = None) -> bytes:
        found = self._until(mark, self._now_s() + timeout_s, said)
        if found is None:
            raise BoardSilent(f"the board did not answer within {timeout_s:.0f} s: unplug it, plug it in, do it again")
        return found

    def _until(self, mark: bytes, deadline_s: float, said: Callable[[str], None] | None = None) -> bytes | None:
        """What comes before the mark, which is taken too; None: it did not come."""
        told = 0
        while mark not in self._buffer:
            if self._now_s() > deadline_s:
                return None
            self._buffer += self._port.read()
            if said is not None:
                *lines, _ = self._buffer.partition(mark)[0].split(b"\n")
                for line in lines[told:]:
                    said(line.decode("utf-8", "replace").strip())
                told = len(lines)
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _more(self, deadline_s: float) -> None:
        if self._now_s() > deadline_s:
            raise BoardSilent("the board stopped listening: unplug it, plug it in, do it again")
        self._buffer += self._port.read()

    def _quiet(self) -> None:
        """Until nothing comes any more: what the program before printed is nobody's answer."""
        deadline = self._now_s() + 1.0
        while self._port.read() and self._now_s() < deadline:
            pass
        self._buffer = b""
