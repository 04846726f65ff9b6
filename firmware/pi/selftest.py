"""`muster pi test`: the self-test of a Pi that is being provisioned, step by step as `muster provision --pi` asks for them.

It runs as the reader's own user, in the reader's own folder and with the reader's own journal, link and clock: so what
works here works at the door, and nothing that it leaves behind keeps the reader out. On standard input the settings
come as one line, then a line of JSON for each step; each is answered by lines of `{"step": ..., "ok": ...}` and an
`{"end": true}`. No card's number is said, and no swipe is recorded: the card is read by the chip alone.
"""

import argparse
import asyncio
import contextlib
import json
import os
import queue
import socket
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any, TextIO

from gpiozero.exc import GPIOZeroError
from gpiozero.pins import Factory
from gpiozero.pins.mock import MockFactory, MockPWMPin

from firmware.pi.board import Board
from firmware.pi.chip import CardArrived, CardUnreadable, Chip, ChipLost, ChipReady, Event, quiet
from firmware.pi.disk import takes_writes
from firmware.pi.journal import SqliteJournal
from firmware.pi.lamp import Lamp
from firmware.pi.shelf import RosterShelf
from firmware.pi.version import FIRMWARE
from firmware.pi.wiring import uptime
from firmware.reader import settings as reader_settings
from firmware.reader.errors import SettingsError, StorageFailed
from firmware.reader.reader import Reader

OK, FAILED, USAGE = 0, 1, 2
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "off": (0, 0, 0)}
#: what the line must say, in the order in which it can
LINE = ("storage", "network", "broker", "clock", "roster")
NETWORK_S, LOOK_S = 5.0, 0.05

Told = dict[str, Any]


def add_parser(commands: Any) -> None:
    """Make the sub-command known to `muster pi`."""
    one: argparse.ArgumentParser = commands.add_parser("test", help="what `muster provision --pi` speaks to")
    one.add_argument("--data", type=Path, required=True, help="folder of the journal and the roster")
    one.add_argument("--chip", required=True, help="serial port of the PN532, such as /dev/ttyAMA0")
    one.add_argument("--mock-pins", action="store_true", help="no GPIO: the light is emulated")


def command(arguments: argparse.Namespace) -> int:
    """`muster pi test`. 0: it was asked, and answered, until the end of its input. 1: no GPIO. 2: no settings."""
    try:
        settings = reader_settings.parse(sys.stdin.readline())
    except SettingsError as error:
        print(f"muster pi: {error}", file=sys.stderr)
        return USAGE
    factory = MockFactory(pin_class=MockPWMPin) if arguments.mock_pins else None
    try:
        bench = Bench(settings, arguments.data, arguments.chip, factory)
    except (GPIOZeroError, ImportError, OSError) as error:
        print(f"muster pi: no GPIO ({error}): install python3-lgpio", file=sys.stderr)
        return FAILED
    quiet()
    try:
        serve(bench, sys.stdin, sys.stdout)
    finally:
        bench.close()
    return OK


def serve(bench: "Bench", asked: TextIO, out: TextIO) -> None:
    """Answer each line until the input ends."""
    for line in asked:
        want = json.loads(line)
        for told in bench.step(want):
            print(json.dumps(told), file=out, flush=True)
        print(json.dumps({"end": True}), file=out, flush=True)


class Bench:
    """A Pi on the technician's bench. factory: gpiozero's pins; None: the board's own."""

    def __init__(self, settings: reader_settings.Settings, data: Path, chip: str, factory: Factory | None) -> None:
        self._settings, self._data, self._chip = settings, data, chip
        self._lamp = Lamp(factory)
        self._chip_well = True

    def close(self) -> None:
        """Light out."""
        self._lamp.close()

    def step(self, want: Told) -> Iterator[Told]:
        """One step: `light` with a colour, `card` or `line` with milliseconds."""
        if want["do"] == "light":
            self._lamp.show(COLOURS[want["colour"]])
            yield {"step": "light", "ok": True}
        elif want["do"] == "card":
            yield from self._card(want["ms"])
        else:
            yield from asyncio.run(self._line(want["ms"]))

    def _card(self, timeout_ms: int) -> Iterator[Told]:
        """Wait for the chip, then for a card; says how long its number is, never the number."""
        events: queue.Queue[Event] = queue.Queue()
        chip = Chip(self._chip, events.put)
        chip.start()
        until_s = time.monotonic() + timeout_ms / 1000
        self._chip_well = False
        try:
            while (left_s := until_s - time.monotonic()) > 0:
                with contextlib.suppress(queue.Empty):
                    event = events.get(timeout=left_s)
                    if isinstance(event, ChipReady):
                        self._chip_well = True
                        yield {"step": "chip", "ok": True}
                    elif isinstance(event, ChipLost):
                        self._chip_well = False
                        yield {"step": "chip", "ok": False, "code": "chip-lost"}
                        return
                    elif isinstance(event, (CardArrived, CardUnreadable)):
                        if not self._chip_well:
                            # It lay there already: it is told before the chip is.
                            self._chip_well = True
                            yield {"step": "chip", "ok": True}
                        self._lamp.show(COLOURS["green"])
                        length = len(event.uid) if isinstance(event, CardArrived) else 0
                        yield {"step": "card", "ok": True, "bytes": length, "identifies": length > 0}
                        return
            yield {"step": "card", "ok": False, "code": "none"}
        finally:
            chip.stop()
            self._lamp.show(COLOURS["off"])

    async def _line(self, timeout_ms: int) -> list[Told]:
        found = []
        began_s = time.monotonic()
        try:
            storage = SqliteJournal(self._data, uptime_ms=uptime(1))
        except StorageFailed as error:
            return [{"step": "storage", "ok": False, "code": "storage", "text": str(error)}]
        try:
            tried = _Tried(self._settings, storage, self._data, self._lamp, chip_well=self._chip_well)
            reached = tried.reached(began_s + timeout_ms / 1000)
            async with contextlib.aclosing(reached):
                async for step in reached:
                    found.append({"step": step, "ok": True, "ms": int((time.monotonic() - began_s) * 1000)})
            if len(found) < len(LINE):
                found.append({"step": LINE[len(found)], "ok": False, "code": tried.why})
        finally:
            storage.close()
        return found


class _Tried(Board):
    """The reader's own board without its chip: what the line needs and no more."""

    def __init__(
        self, settings: reader_settings.Settings, storage: SqliteJournal, data: Path, lamp: Lamp, *, chip_well: bool
    ) -> None:
        shelf = RosterShelf(data)
        now_ms = uptime(1)
        reader = Reader(settings=settings, storage=storage, shelf=shelf, random_bytes=os.urandom, firmware=FIRMWARE)
        # What was found of the chip before; it is not run now.
        reader.chip(chip_well, now_ms())
        self.why = ""
        self._data = data
        super().__init__(
            reader=reader, storage=storage, shelf_alarms=shelf.alarms, lamp=lamp, chip_path="", now_ms=now_ms,
            log=self._logged,
        )  # fmt: skip

    def _logged(self, event: str, **fields: object) -> None:
        """Only why the link is not up; everything else is the reader's own affair."""
        if event == "link-down":
            self.why = str(fields.get("code", ""))

    async def reached(self, until_s: float) -> AsyncGenerator[str, None]:
        """Each step of LINE as it is reached; ends with the last, or with the time."""
        tasks = [asyncio.create_task(self._link.run()), asyncio.create_task(self._tick())]
        try:
            for step in LINE:
                while not await self._is(step):
                    if time.monotonic() >= until_s:
                        return
                    await asyncio.sleep(LOOK_S)
                yield step
        finally:
            await self._link.leave()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _is(self, step: str) -> bool:
        if step == "storage":
            return await asyncio.to_thread(takes_writes, self._data)
        if step == "network":
            return await asyncio.to_thread(self._network)
        if step == "broker":
            return self._link.connects > 0
        if step == "clock":
            return self._reader.clock.read(self._now_ms()).state == "sync"
        return self._reader.door.roster is not None

    def _network(self) -> bool:
        """Whether the broker's name leads somewhere, and somebody listens there."""
        broker = self._reader.settings.broker
        try:
            socket.create_connection((broker["host"], broker["port"]), NETWORK_S).close()
        except socket.gaierror:
            self.why = "network-name"
        except OSError:
            self.why = "link-unreachable"
        else:
            return True
        return False
