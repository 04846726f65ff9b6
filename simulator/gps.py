"""An NMEA receiver on a pseudo-terminal: where somebody carried it, what it sees of the sky, and what its line does.

It writes RMC and GGA once a second (of its own time, `pace` seconds of ours), as receivers do from the moment they have
power, whether or not they know where they are. Its sentences are written here from the standard's fields, without any
library, so that it shares no mistake with the firmware that reads them.
"""

import asyncio
import contextlib
import math
import os
import pty
import random
import tty
from dataclasses import dataclass
from pathlib import Path

#: Metres of a degree of latitude.
DEGREE_M = 111_195.0


@dataclass(kw_only=True)
class Sky:
    """What the receiver makes of what it sees. Change it at any time."""

    #: whether it knows where it is
    fix: bool = True
    #: GGA's quality where it does
    quality: int = 1
    hdop: float = 1.1
    #: the fix wanders by about so many metres from second to second, as one among walls does
    wander_m: float = 2.0
    #: how often a fix is somewhere else altogether, 0 to 1, and how far
    jump: float = 0.0
    jump_m: float = 5_000.0
    #: how often a sentence has a wrong sum, and how often it lacks its end, 0 to 1
    bad_sum: float = 0.0
    cut: float = 0.0
    #: without a fix it writes zeros instead of nothing, as some do
    zeros: bool = False


class Receiver:
    """What a receiver writes. Time is its own: whole seconds since its start."""

    def __init__(self, latitude: float, longitude: float, *, seed: int = 0, talker: str = "GP") -> None:
        #: where it really is, degrees; whoever carries it changes them
        self.latitude, self.longitude = latitude, longitude
        #: carried so many metres to the north and to the east in each second
        self.north_ms = self.east_ms = 0.0
        self.sky = Sky()
        self._talker = talker
        self._draw = random.Random(f"gps/{seed}")
        self._second = 0

    def move(self, north_m: float, east_m: float) -> None:
        """Carry it so many metres."""
        self.latitude, self.longitude = self._beside(north_m, east_m)

    def next(self) -> bytes:
        """The sentences of the next second."""
        self._second += 1
        self.move(self.north_ms, self.east_ms)
        sky = self.sky
        clock = f"{self._second // 3600 % 24:02d}{self._second // 60 % 60:02d}{self._second % 60:02d}.00"
        if not sky.fix:
            blank = "0000.0000,N,00000.0000,E" if sky.zeros else ",,,"
            said = [f"RMC,{clock},V,{blank},,,010126,,,N", f"GGA,{clock},{blank},0,00,99.9,,,,,,"]
        else:
            away_m = sky.jump_m if self._draw.random() < sky.jump else sky.wander_m * self._draw.random()
            angle = self._draw.random() * math.tau
            at = _fields(*self._beside(away_m * math.cos(angle), away_m * math.sin(angle)))
            said = [
                f"RMC,{clock},A,{at},0.02,,010126,,,A",
                f"GGA,{clock},{at},{sky.quality},08,{sky.hdop:.2f},35.0,M,47.0,M,,",
            ]
        return b"".join(self._spoilt(_sentence(self._talker + each)) for each in said)

    def _beside(self, north_m: float, east_m: float) -> tuple[float, float]:
        east_degree_m = DEGREE_M * math.cos(math.radians(self.latitude))
        return self.latitude + north_m / DEGREE_M, self.longitude + east_m / east_degree_m

    def _spoilt(self, line: bytes) -> bytes:
        if self._draw.random() < self.sky.bad_sum:
            line = line[:-5] + b"*%02X\r\n" % (int(line[-4:-2], 16) ^ 0x5A)
        if self._draw.random() < self.sky.cut:
            line = line[: self._draw.randrange(len(line))]
        return line


class ReceiverPort:
    """A `Receiver` on a pseudo-terminal, which may be unplugged. `path` is a link in *folder* that leads to it."""

    def __init__(self, receiver: Receiver, folder: Path, *, pace: float = 1.0, name: str = "gps") -> None:
        self._receiver = receiver
        self._pace = pace
        self._link = folder / name
        self.path = str(self._link)
        #: it has power and says nothing
        self.silent = False
        self._master = self._slave = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def attach(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Write from *loop* (the running one), from now on."""
        self._loop = loop or asyncio.get_running_loop()
        self.plug()

    def plug(self) -> None:
        """Plug it in: another terminal under the same name."""
        assert self._loop is not None
        self.unplug()
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._link.symlink_to(os.ttyname(self._slave))
        self._tick()

    def unplug(self) -> None:
        """Pull the plug: the terminal is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._master >= 0:
            self._link.unlink(missing_ok=True)
            os.close(self._slave)
            os.close(self._master)
            self._master = self._slave = -1

    def close(self) -> None:
        """Hang up for good."""
        self.unplug()

    def write(self, data: bytes) -> None:
        """Bytes of somebody's choice on its line: noise, or a receiver's log."""
        with contextlib.suppress(BlockingIOError):  # nobody reads: a UART drops too
            os.write(self._master, data)

    def _tick(self) -> None:
        assert self._loop is not None
        said = self._receiver.next()
        if not self.silent:
            self.write(said)
        self._timer = self._loop.call_later(self._pace, self._tick)


def _sentence(body: str) -> bytes:
    total = 0
    for octet in body.encode():
        total ^= octet
    return b"$%s*%02X\r\n" % (body.encode(), total)


def _fields(latitude: float, longitude: float) -> str:
    north, east = round(abs(latitude) * 60, 4), round(abs(longitude) * 60, 4)
    return (
        f"{int(north // 60):02d}{north % 60:07.4f},{'S' if latitude < 0 else 'N'},"
        f"{int(east // 60):03d}{east % 60:07.4f},{'W' if longitude < 0 else 'E'}"
    )
