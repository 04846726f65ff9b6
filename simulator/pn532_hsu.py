"""The emulated chip's serial line (HSU) on a pseudo-terminal: good enough for nfcpy 1.0.4 as it is.

The line is served by an asyncio loop; whoever drives it from another thread (nfcpy blocks) goes through
`loop.call_soon_threadsafe`. A pseudo-terminal carries bytes at any speed; with `check_baud` the port compares the
speed set on it with the chip's, and loses what is sent at another, as a real line would.
"""

import asyncio
import contextlib
import os
import pty
import termios
import tty

from simulator.pn532 import WAKE_S, Pn532

#: A sleeping chip needs this many preamble bytes (00 or 55) to be awake for the frame that follows them.
WAKING_BYTES = 5
_SPEEDS = {getattr(termios, f"B{rate}"): rate for rate in (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)}


class HsuPort:
    """One chip on one pseudo-terminal, `path`. `attach` inside a loop, `close` at the end."""

    def __init__(self, chip: Pn532, *, check_baud: bool = False) -> None:
        self._chip = chip
        self._check_baud = check_baud
        self._master, self._slave = pty.openpty()
        # Kept open: nfcpy closes and opens its end when it changes the speed, and the line must outlive that.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        #: The terminal's name, for the host.
        self.path = os.ttyname(self._slave)
        #: Bytes lost because they came at another speed than the chip's.
        self.wrong_speed = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waking: bytearray | None = None

    def attach(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Serve from *loop* (the running one). Its clock must be the chip's (`loop.time`)."""
        self._loop = loop or asyncio.get_running_loop()
        self._loop.add_reader(self._master, self._readable)
        self._chip.on_change = self._arm

    def close(self) -> None:
        """Hang up."""
        if self._master < 0:
            return
        self._chip.on_change = lambda: None
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is not None:
            self._loop.remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._master, 4096)
            speed = _SPEEDS.get(termios.tcgetattr(self._slave)[5])
            if self._check_baud and speed == self._chip.next_baud:
                # The host's ACK came at the old speed, was overtaken by the change, or lost when nfcpy reopened the line.
                self._chip.switch_baud()
            if self._check_baud and speed != self._chip.baud:
                self.wrong_speed += len(data)
                return
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        assert self._loop is not None
        if self._waking is not None:
            self._waking += data
        elif self._chip.asleep:
            self._chip.wake()
            preamble = len(data) - len(data.lstrip(b"\x00\x55"))
            # Too short a preamble: the chip wakes, and has missed the frame.
            self._waking = bytearray(data if preamble >= WAKING_BYTES else b"")
            self._loop.call_later(2 * WAKE_S, self._woken)
        else:
            self._chip.receive(data)

    def _woken(self) -> None:
        data, self._waking = self._waking, None
        if data and self._master >= 0:
            self._chip.receive(bytes(data))

    def _arm(self) -> None:
        """Send what is due, and come back when the next may be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (frame := self._chip.take()) is not None:
            with contextlib.suppress(BlockingIOError):  # nobody reads: a UART drops too
                os.write(self._master, frame)
        due = self._chip.due()
        if due is not None and self._loop is not None and not self._chip.silent:
            self._timer = self._loop.call_at(due, self._arm)
