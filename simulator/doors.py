"""Doors: a reader on the wall, to which a card can be held, and whose lamp can be looked at.

`BoardDoor` runs the Pico W firmware on real MicroPython with an emulated PN532 on its bus; `LightDoor` is one of many in
a light process without a board (`simulator/runner/light.py`).
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from simulator.lamp import Lamp
from simulator.pn532 import Pn532
from simulator.pn532_card import AnyCard
from simulator.pn532_i2c import I2cPort
from simulator.pn532_tunnel import Tunnel
from simulator.processes import ROOT
from simulator.unixport.runner import Board

#: how long a card is held on after the light, and how long at least, s
REACT_S = 0.08
HOLD_S = 0.12
#: a card is gone for so long before the next one comes, s
GAP_S = 0.05

#: the lamp's pins on the Pico W (hardware/pins.csv): red, green, blue
LAMP_PINS = {16: 0, 17: 1, 18: 2}


class Door(Protocol):
    """What a person can do with a door, and what a fault can."""

    room: str
    reader: str
    #: `MicroPython` or `light`
    kind: str
    lamp: Lamp
    powered: bool

    async def present(self, uid: bytes, patience_s: float) -> tuple[str, float | None]:
        """Hold a card to it until its lamp flashes, or patience ends. Returns (light, ms from chip's answer to light)."""
        ...

    async def power_cut(self) -> None:
        """Take its power away, at once."""
        ...

    async def power_on(self) -> None:
        """Give it power again."""
        ...

    def chip_fault(self, fault: str) -> None:
        """Make its card chip fail once (`simulator.pn532.FAULTS`)."""
        ...


class BoardDoor:
    """A door whose reader is the Pico W firmware on the MicroPython unix port."""

    kind = "MicroPython"

    def __init__(self, room: str, reader: str, board: Callable[[str], Board]) -> None:
        self.room = room
        self.reader = reader
        self.lamp = Lamp(LAMP_PINS)
        self.powered = False
        self.chip = Pn532(clock=time.monotonic)
        self._tunnel = Tunnel(I2cPort(self.chip), on_pin=self.lamp.pin)
        self._tunnel.attach()
        #: the board's process; its argument is the pseudo-terminal's path
        self.board = board(self._tunnel.path)
        self._one_at_a_time = asyncio.Lock()

    async def present(self, uid: bytes | AnyCard, patience_s: float) -> tuple[str, float | None]:
        """See `Door`. A card that is taken away without a light was not taken: the person tries again."""
        async with self._one_at_a_time:
            began = time.monotonic()
            shown = self.chip.card_in(uid)
            try:
                seen = await self.lamp.verdict(began, patience_s)
                await asyncio.sleep(max(REACT_S, HOLD_S - (time.monotonic() - began)))
            finally:
                self.chip.card_out(shown)
                await asyncio.sleep(GAP_S)
        if seen is None:
            return "", None
        light, at_s = seen
        # What the card took to compute is not the reader's.
        answered = None if shown.answered_at_s is None else shown.answered_at_s + shown.talked_s
        return light, (at_s - answered) * 1000 if answered is not None and at_s >= answered else None

    async def power_cut(self) -> None:
        """See `Door`."""
        self.powered = False
        await asyncio.to_thread(self.board.kill)
        self.lamp.dark(time.monotonic())
        self.chip.revive()

    async def power_on(self) -> None:
        """See `Door`."""
        self._tunnel.restart()
        await asyncio.to_thread(self.board.start)
        self.powered = True

    def chip_fault(self, fault: str) -> None:
        """See `Door`."""
        self.chip.inject(fault)

    async def close(self) -> None:
        """End the board's process and hang up."""
        await asyncio.to_thread(self.board.stop)
        self._tunnel.close()


class LightHouse:
    """The light process, and the doors it plays."""

    def __init__(self, folder: Path, rooms: dict[str, str], *, scale: int, log: Path) -> None:
        self._folder = folder
        self._scale = scale
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        #: room -> door; rooms: room -> reader's name
        self.doors = {room: LightDoor(room, reader, self) for room, reader in rooms.items()}

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process; all its doors get power."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "simulator.runner.light", "--readers", str(self._folder),
                "--scale", str(self._scale), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=log, cwd=ROOT, start_new_session=True,
            )  # fmt: skip
        self._listening = asyncio.create_task(self._listen(self._process), name="lamps of light doors")
        for door in self.doors.values():
            door.powered = True

    async def kill(self) -> None:
        """SIGKILL: all its doors lose their power."""
        for door in self.doors.values():
            door.powered = False
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        now = time.monotonic()
        for door in self.doors.values():
            door.lamp.dark(now)

    async def stop(self) -> None:
        """End it."""
        if self._process and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 5)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    def tap(self, reader: str, uid: bytes) -> None:
        """Hand a card to one of the readers."""
        if self._process is None or self._process.stdin is None or self._process.returncode is not None:
            return  # no power: nothing happens, as at a dead reader
        self._process.stdin.write(json.dumps({"reader": reader, "uid": uid.hex()}).encode() + b"\n")

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        by_reader = {door.reader: door for door in self.doors.values()}
        while line := await process.stdout.readline():
            told = json.loads(line)
            by_reader[told["reader"]].lamp.rgb(tuple(told["rgb"]), told["at_s"])


class LightDoor:
    """A door played by the light process. A fault in its power is one of the whole house."""

    kind = "light"

    def __init__(self, room: str, reader: str, house: LightHouse) -> None:
        self.room = room
        self.reader = reader
        self.lamp = Lamp({})
        self.powered = False
        self._house = house
        self._one_at_a_time = asyncio.Lock()

    async def present(self, uid: bytes, patience_s: float) -> tuple[str, float | None]:
        """See `Door`."""
        async with self._one_at_a_time:
            began = time.monotonic()
            self._house.tap(self.reader, uid)
            seen = await self.lamp.verdict(began, patience_s)
            await asyncio.sleep(GAP_S)
        return (seen[0], (seen[1] - began) * 1000) if seen else ("", None)

    async def power_cut(self) -> None:
        """See `Door`."""
        await self._house.kill()

    async def power_on(self) -> None:
        """See `Door`."""
        await self._house.start()

    def chip_fault(self, fault: str) -> None:
        """There is no chip here."""
