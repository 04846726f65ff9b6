"""One pseudo-terminal per emulated board: its I2C bus and its lights, as bytes.

The MicroPython unix port has no I2C, PWM or pins, so `simulator/unixport/machine.py` (the board's side) puts each
bus transaction and each pin change on a pseudo-terminal, and this module (the world's side) plays the parts.

The definition (all integers unsigned, big-endian; one request at a time, the board waits for the reply):

| board sends | bytes | world replies |
|---|---|---|
| write to a bus address | `W` addr:1 len:2 data:len | `A` (every byte acknowledged) or `N` (nobody there, asleep or silent) |
| read from a bus address | `R` addr:1 len:2 | `A` data:len, or `N` |
| a PWM pin's duty changed | `P` pin:1 duty:2 (0..65535) | nothing |
| a GPIO output changed | `G` pin:1 value:1 (0 or 1) | nothing |

`len` is at most MAX_TRANSFER (1024); a longer request is answered `N` and its data skipped. An unknown first byte is
skipped and counted in `Tunnel.skipped`. A request of which no byte came for STALE_S is forgotten (its board died
half-way); whoever restarts a board calls `Tunnel.restart()`, which empties both directions of the line. `P` and `G`
reach the `on_pin` callback with the monotonic time (s) at which they were read. The terminal is raw, both ends.
"""

import asyncio
import contextlib
import os
import pty
import termios
import time
import tty
from collections.abc import Callable

from simulator.pn532_i2c import I2cPort

#: Longest transaction, bytes.
MAX_TRANSFER = 1024
#: After this long a request that stays incomplete is forgotten, s.
STALE_S = 0.5

#: What `on_pin` is called with: "pwm" or "gpio", pin number, duty (0..65535) or value (0, 1), monotonic seconds.
PinChanged = Callable[[str, int, int, float], None]


def _nobody(kind: str, pin: int, value: int, at_s: float) -> None:
    """For a board whose lights nobody watches."""


class Tunnel:
    """The world's end of one board's pseudo-terminal. Give `path` to the board as MUSTER_BOARD_PTY.

    Use it inside an asyncio loop: `attach` once, `close` at the end. Many share a process and a loop.
    """

    def __init__(
        self, bus: I2cPort, *, on_pin: PinChanged = _nobody, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus = bus
        self._on_pin = on_pin
        self._clock = clock
        self._master, self._slave = pty.openpty()
        # Our own descriptor of the board's end stays open: the line then outlives the board's process.
        tty.setraw(self._slave)
        tty.setraw(self._master)
        os.set_blocking(self._master, False)
        #: The terminal's name, for the board.
        self.path = os.ttyname(self._slave)
        #: Transactions served.
        self.transactions = 0
        #: Bytes that began no request.
        self.skipped = 0
        self._pending = bytearray()
        self._read_at_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Serve from *loop* (the running one)."""
        self._loop = loop or asyncio.get_running_loop()
        self._loop.add_reader(self._master, self._readable)

    def close(self) -> None:
        """Hang up."""
        if self._master < 0:
            return
        if self._loop is not None:
            self._loop.remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def restart(self) -> None:
        """The board's process has ended and another will come: forget what is on the line."""
        termios.tcflush(self._slave, termios.TCIOFLUSH)
        with contextlib.suppress(BlockingIOError):
            os.read(self._master, 65536)
        self._pending.clear()

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except BlockingIOError:
            return
        self.feed(data)

    def feed(self, data: bytes) -> None:
        """Bytes from the board; replies are written to the line."""
        pending = self._pending
        now = self._clock()
        if pending and now - self._read_at_s > STALE_S:
            self.skipped += len(pending)
            pending.clear()
        self._read_at_s = now
        pending += data
        while pending:
            used = self._serve(pending, now)
            if not used:
                return
            del pending[:used]

    def _serve(self, pending: bytearray, now: float) -> int:
        """Serve the first request in *pending*; how many bytes it took, 0: it is not whole yet."""
        op, have = pending[0], len(pending)
        if op == 0x47:  # G
            if have < 3:
                return 0
            self._on_pin("gpio", pending[1], pending[2], now)
            return 3
        if op not in (0x50, 0x52, 0x57):
            self.skipped += 1
            return 1
        if have < 4:
            return 0
        if op == 0x50:  # P
            self._on_pin("pwm", pending[1], pending[2] << 8 | pending[3], now)
            return 4
        address, length = pending[1], pending[2] << 8 | pending[3]
        if op == 0x52:  # R
            data = self._bus.read(address, length) if length <= MAX_TRANSFER else None
            self._reply(b"N" if data is None else b"A" + data)
            return 4
        if have < 4 + length:
            return 0
        taken = length <= MAX_TRANSFER and self._bus.write(address, bytes(pending[4 : 4 + length]))
        self._reply(b"A" if taken else b"N")
        return 4 + length

    def _reply(self, data: bytes) -> None:
        self.transactions += 1
        # A board that has died does not read; its line is full then, and it will miss this too.
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, data)
