"""The emulated fingerprint sensor's serial line on a pseudo-terminal, which may be unplugged and plugged in again.

Served by an asyncio loop; whoever drives it from another thread (the firmware blocks) goes through
`loop.call_soon_threadsafe`. A pseudo-terminal carries bytes at any speed.
"""

import asyncio
import contextlib
import os
import pty
import tty
from pathlib import Path

from simulator.r30x import R30x


class R30xPort:
    """One sensor on one pseudo-terminal. `path` is a link in *folder* that leads to it while it is plugged in."""

    def __init__(self, sensor: R30x, folder: Path, *, name: str = "finger") -> None:
        self._sensor = sensor
        self._link = folder / name
        #: the terminal's name for the host; it stays the same when the sensor is plugged in again
        self.path = str(self._link)
        self._master = self._slave = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: bytes that nobody took off the line
        self.overrun = 0

    def attach(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Serve from *loop* (the running one), whose clock must be the sensor's (`loop.time`), and plug the sensor in."""
        self._loop = loop or asyncio.get_running_loop()
        self._sensor.on_change = self._arm
        self._connect()
        self._arm()

    def unplug(self) -> None:
        """Pull the plug: the sensor has no power, and its host's terminal is gone."""
        self._sensor.power_off()
        self._disconnect()

    def plug(self) -> None:
        """Plug it in again: another terminal under the same name, and a sensor that has forgotten what it was told."""
        self._connect()
        self._sensor.power_on()

    def close(self) -> None:
        """Hang up, and give the sensor's memory back. Raises TemplateAsked where a template was asked for."""
        if self._loop is None:
            return
        self._sensor.on_change = lambda: None
        self._disconnect()
        self._loop = None
        self._sensor.close()

    def _connect(self) -> None:
        assert self._loop is not None
        self._disconnect()
        self._master, self._slave = pty.openpty()
        # Kept open: the firmware closes and opens its end when it looks for the sensor, and the line must outlive that.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._link.symlink_to(os.ttyname(self._slave))
        self._loop.add_reader(self._master, self._readable)

    def _disconnect(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._master < 0 or self._loop is None:
            return
        self._link.unlink(missing_ok=True)
        self._loop.remove_reader(self._master)
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1

    def _readable(self) -> None:
        with contextlib.suppress(OSError):
            self._sensor.receive(os.read(self._master, 4096))

    def _arm(self) -> None:
        """Send what is due, and come back when the next may be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (data := self._sensor.take()) is not None:
            if self._master < 0:
                continue
            try:
                os.write(self._master, data)
            except BlockingIOError:  # nobody reads: a UART drops too
                self.overrun += len(data)
        due = self._sensor.due()
        if due is not None and self._loop is not None and self._master >= 0:
            self._timer = self._loop.call_at(due, self._arm)
