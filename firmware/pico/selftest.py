"""The self-test of a board that is being provisioned: what a technician looks at, and what the line says by itself.

Put on the board as a plain file and imported over the REPL, after `still.mount()`; each step prints lines of JSON, `{"step": ..., "ok": ...}`. The link, the clock and the list are
tried with the reader's own program, so what works here works at the door. No card's number is printed, and no swipe is
recorded: the card is read by the chip alone.
"""

import asyncio
import json
import os
import time

from firmware.codecs.pn532 import identifiable
from firmware.pico import chip as chips
from firmware.pico.board import Board
from firmware.pico.main import Program

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "off": (0, 0, 0)}
#: what the line must say, in the order in which it can
LINE = ("storage", "wifi", "broker", "clock", "roster")


def _say(step, ok, **more):
    more["step"] = step
    more["ok"] = ok
    print(json.dumps(more))


def _board():
    board = Board()
    here = os.getcwd()
    board.folder = here if here.endswith("/") else here + "/"
    return board


def light(colour: str) -> None:
    """Show one colour, until the next."""
    _board().rgb(COLOURS[colour])
    _say("light", True, colour=colour)


def ticks(ms: int) -> None:
    """Wait so long by the board's own count: the technician's machine compares it with its own clock."""
    began = time.ticks_ms()
    time.sleep_ms(ms)
    _say("ticks", True, ms=time.ticks_diff(time.ticks_ms(), began))


def card(timeout_ms: int) -> None:
    """Wait for the chip, then for a card. Says how long its number is, never the number."""
    board = _board()
    chip = chips.Chip(board.i2c, ticks_diff=board.ticks_diff)
    began = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), began) < timeout_ms:
        event = chip.poll(board.ticks_ms())
        if isinstance(event, chips.ChipReady):
            _say("chip", True)
        elif isinstance(event, chips.ChipLost):
            _say("chip", False, code=event.code)
            return
        elif isinstance(event, (chips.CardArrived, chips.CardSigned)):
            board.rgb(COLOURS["green"])
            _say("card", True, bytes=len(event.uid), identifies=bool(identifiable(event.uid)))
            return
        time.sleep_ms(5)
    _say("card", False, code="none")


def erase() -> None:
    """Take away all that a reader before this one kept: journal and rosters."""
    board = _board()
    flash = board.journal_flash()
    for block in range(flash.ioctl(4, 0) or 0):
        flash.ioctl(6, block)
    for name in os.listdir(board.folder):
        if name.startswith("roster."):
            os.remove(board.folder + name)
    _say("erase", True)


def journals() -> None:
    """How many journals the flash holds: records of a reader before this one, that the store may not have."""
    from firmware.pico.ring import Ring

    ring = Ring(_board().journal_flash())
    _say("journals", True, count=len(ring.journals()), damaged=ring.damaged)


def line(timeout_ms: int) -> None:
    """Run the reader's own link until all of LINE is reached, or the time is up."""
    try:
        asyncio.run(_watched(_Tried(_board()), timeout_ms))
    finally:
        # What the loop still holds must not run into what comes next.
        asyncio.new_event_loop()


class _Tried(Program):
    """The reader's program without chip and watchdog; remembers why its link is down."""

    why = ""

    def log(self, event: str, **fields) -> None:
        """Only why the link is not up; everything else is the reader's own affair."""
        if event == "link-down":
            self.why = fields.get("code", "")

    def begin(self) -> list:
        """Start what the line needs; the tasks."""
        return [asyncio.create_task(self._link.run()), asyncio.create_task(self._pump())]

    def reached(self, step: str) -> bool:
        """Whether this step of LINE is."""
        now_ms = self._board.uptime_ms()
        self._reader.tick(now_ms)
        if step == "storage":
            return self._reader.journal.trouble != "storage"
        if step == "wifi":
            return self._wifi is None or self._wifi.connected()
        if step == "broker":
            return self._link.connected
        if step == "clock":
            return self._reader.clock.read(now_ms).state == "sync"
        return self._reader.door.roster is not None

    def keep(self) -> None:
        """What the line brought, before the board restarts."""
        while self._shelf.step():
            pass


async def _watched(program, timeout_ms):
    tasks = program.begin()
    began = time.ticks_ms()
    missing = list(LINE)
    try:
        while missing and time.ticks_diff(time.ticks_ms(), began) < timeout_ms:
            while missing and program.reached(missing[0]):
                _say(missing.pop(0), True, ms=time.ticks_diff(time.ticks_ms(), began))
            await asyncio.sleep_ms(50)
    finally:
        for task in tasks:
            task.cancel()
    program.keep()
    for step in missing:
        _say(step, False, code=program.why)
