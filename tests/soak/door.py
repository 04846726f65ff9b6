"""A door of the soak: the Pico W firmware on MicroPython, an emulated chip, a lamp, and a person who holds a card.

What is reported of a hold is what the person knows: which card, from when to when, and what the lamp showed of its own
after the card came. Nothing is taken from what the reader says of itself.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simulator.doors import LAMP_PINS
from simulator.lamp import SEEN, Lamp
from simulator.pn532 import Pn532
from simulator.pn532_card import Card
from simulator.pn532_i2c import I2cPort
from simulator.pn532_tunnel import Tunnel
from simulator.unixport.runner import Board

#: how long somebody waits for a light before they take the card away and try again, s
PATIENCE_S = 2.0
#: a card stays for so long after its light, and the next one comes so long after it has gone, s
REACT_S, GAP_S = 0.02, 0.03
#: how a lamp in some blue and nothing else is said
_BLUE = "rgb(0, 0, "


@dataclass(frozen=True, kw_only=True)
class Hold:
    """One card held to one door once."""

    #: wall clock when the card came, when its light was seen (None: none was), and when it went, epoch ms
    in_ms: float
    lit_ms: float | None
    out_ms: float
    #: `green`, `red`, `blue`, or empty where the lamp flashed nothing
    light: str


class SoakDoor:
    """One reader with its chip and its lamp. make_board(pty, environment): the board, not yet started."""

    def __init__(self, name: str, make_board: Callable[[str, dict[str, str]], Board]) -> None:
        self.name = name
        self.lamp = Lamp(LAMP_PINS, on_change=self._changed)
        self.chip = Pn532(clock=time.monotonic)
        self._tunnel = Tunnel(I2cPort(self.chip), on_pin=self.lamp.pin)
        self._tunnel.attach()
        self._make_board = make_board
        self._board = make_board(self._tunnel.path, {})
        self._dark = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()
        self.powered = False
        self._blue = False

    async def hold(self, uid: bytes) -> Hold:
        """Hold a card to it until its lamp flashes, its power goes, or patience ends."""
        self._free.clear()
        began, in_ms = time.monotonic(), time.time() * 1000
        shown = self.chip.card_in(Card(uid=uid))
        looking = asyncio.create_task(self.lamp.verdict(began, PATIENCE_S), name="looking")
        leaving = asyncio.create_task(self._dark.wait(), name="power gone")
        try:
            await asyncio.wait({looking, leaving}, return_when=asyncio.FIRST_COMPLETED)
            # What stood on the lamp before its power went was seen.
            seen = looking.result() if looking.done() else None
            if seen is not None:
                await asyncio.sleep(REACT_S)
        finally:
            for task in (looking, leaving):
                task.cancel()
            await asyncio.gather(looking, leaving, return_exceptions=True)
            self.chip.card_out(shown)
            self.chip.presentations.clear()
            self._free.set()
        light, at_s = seen or ("", None)
        lit_ms = None if at_s is None else in_ms + (at_s - began) * 1000
        out_ms = time.time() * 1000
        await asyncio.sleep(GAP_S)
        return Hold(in_ms=in_ms, lit_ms=lit_ms, out_ms=out_ms, light=light)

    async def power_cut(self) -> None:
        """SIGKILL. Whoever holds a card takes it away."""
        self.powered = False
        await asyncio.to_thread(self._board.kill)
        await asyncio.sleep(0)  # what the board put on its wire before it died is still read
        self._dark.set()
        self.lamp.dark(time.monotonic())
        await self._free.wait()
        self.chip.revive()

    async def power_on(self, flash_cut: str = "") -> None:
        """Give it power (again). flash_cut: the power fails by itself in the middle of a flash operation (see rp2.py)."""
        self._dark.clear()
        self._blue = False
        self._tunnel.restart()
        self._board = self._make_board(self._tunnel.path, {"MUSTER_FLASH_CUT": flash_cut} if flash_cut else {})
        await asyncio.to_thread(self._board.start)
        self.powered = True

    @property
    def ready(self) -> bool:
        """Whether its lamp has been blue since it has power: before that it pulses red, and nobody holds a card to it."""
        return self.powered and self._blue

    @property
    def dead(self) -> bool:
        """Whether its process has ended by itself: its power failed in the middle of a flash operation."""
        return self.powered and self._board.pid is None

    @property
    def open(self) -> bool:
        """Whether its lamp is steady blue now: marking is open."""
        return self.lamp.css() == "rgb(0, 0, 255)"

    def _changed(self, css: str) -> None:
        if css.startswith(_BLUE) and int(css[len(_BLUE) : -1]) * 257 > SEEN:
            self._blue = True

    async def close(self) -> None:
        """End its process and hang up."""
        self.powered = False
        with contextlib.suppress(ProcessLookupError):
            await asyncio.to_thread(self._board.stop)
        self._tunnel.close()


def board_maker(*, built: Path, settings: Path, flash: Path, log: Path) -> Callable[[str, dict[str, str]], Board]:
    """How a door's board is made: its flash is a file, so it is found as it was after every kill."""
    return lambda pty, environment: Board(
        built=built, settings=settings, flash=flash, pty=pty, log=log, environment=environment
    )
