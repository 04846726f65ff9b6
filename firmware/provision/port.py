"""The serial port that a board is plugged in at: found, opened, lost and found again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import serial
from serial.tools import list_ports

from firmware.provision.errors import PortLost, ProvisionError

#: Raspberry Pi's USB vendor number, and MicroPython's product on it (ports/rp2/mpconfigport.h)
PICO = (0x2E8A, 0x0005)
#: one read or write waits no longer than this
PATIENCE_S = 0.05
WRITE_S = 10.0


class Port(Protocol):
    """What `Repl` speaks through. Every call raises PortLost where the board is gone."""

    def write(self, data: bytes) -> None:
        """All of it."""

    def read(self) -> bytes:
        """What has come, b'' if nothing has within PATIENCE_S."""
        ...

    def close(self) -> None:
        """Never raises."""


class SerialPort:
    """A port of pyserial's: a USB serial line, or a pseudo-terminal. Raises PortLost if it cannot be opened."""

    def __init__(self, path: str) -> None:
        try:
            self._serial = serial.Serial(path, 115200, timeout=PATIENCE_S, write_timeout=WRITE_S, exclusive=True)
        except (OSError, serial.SerialException) as error:
            raise PortLost(str(error)) from None

    def write(self, data: bytes) -> None:
        """All of it."""
        try:
            self._serial.write(data)
        except (OSError, serial.SerialException) as error:
            raise PortLost(str(error)) from None

    def read(self) -> bytes:
        """What has come."""
        try:
            return self._serial.read(max(1, self._serial.in_waiting))
        except (OSError, serial.SerialException) as error:
            raise PortLost(str(error)) from None

    def close(self) -> None:
        """Never raises."""
        try:
            self._serial.close()
        except (OSError, serial.SerialException):
            return


def find() -> str:
    """The path of the only board that is plugged in. Raises ProvisionError(`board-none`, `board-many`)."""
    found = [one.device for one in list_ports.comports() if (one.vid, one.pid) == PICO]
    if not found:
        raise ProvisionError(
            "board-none", "no board with MicroPython is plugged in: plug it in, or name its port with --port"
        )
    if len(found) > 1:
        raise ProvisionError("board-many", f"several boards are plugged in: say which with --port: {', '.join(found)}")
    return found[0]


def wait(
    path: str,
    timeout_s: float,
    *,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> SerialPort:
    """The port, as soon as it is there. Raises PortLost after the time."""
    deadline = now_s() + timeout_s
    while True:
        if Path(path).exists():
            try:
                return SerialPort(path)
            except PortLost:
                # It may be there before it can be opened.
                pass
        if now_s() > deadline:
            raise PortLost(f"{path} did not come back within {timeout_s:.0f} s")
        sleep(0.05)
