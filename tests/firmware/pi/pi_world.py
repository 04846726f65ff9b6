"""The Pi reader in its small world: an emulated PN532 on a pseudo-terminal, nfcpy, gpiozero's mock pins, SQLite.

The world (chip and cards) stands in a thread and loop of its own, as it would outside; the reader in the caller's.
"""

import asyncio
import json
import os
import threading
import time

from gpiozero.pins.mock import MockFactory, MockPWMPin

from firmware.pi.board import Board
from firmware.pi.journal import SqliteJournal
from firmware.pi.lamp import Lamp
from firmware.pi.main import FIRMWARE, uptime
from firmware.pi.shelf import RosterShelf
from firmware.reader import settings as reader_settings
from firmware.reader.reader import Reader
from simulator.pn532 import Pn532
from simulator.pn532_hsu import HsuPort
from tests.firmware.pi.tiny_store import settings

BLUE_RGB, GREEN_RGB = (0, 0, 255), (0, 255, 0)
#: how long anything that must come is waited for, s: it ends early, and a machine may be five times as slow
PATIENCE_S = 40.0


class World:
    """The chip and its cards, on a loop in a thread of its own; every call is carried out there."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="world")
        self._thread.start()
        self.chip = Pn532(clock=self._loop.time)
        self.port = HsuPort(self.chip)
        self._do(self.port.attach, self._loop)

    def _do(self, function, *args):
        async def call():
            return function(*args)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(PATIENCE_S)

    def card_in(self, uid):
        return self._do(self.chip.card_in, uid)

    def card_out(self):
        self._do(self.chip.card_out)

    def silence(self):
        self._do(self.chip.silence)

    def revive(self):
        self._do(self.chip.revive)

    def close(self):
        self._do(self.port.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Pi:
    """The reader in this process, with its pins to look at."""

    def __init__(self, port: int, folder, chip_path: str, scale: float = 1.0, journal=SqliteJournal) -> None:
        self.factory = MockFactory(pin_class=MockPWMPin)
        self.lamp = Lamp(self.factory, buzzer=23)
        self.now_ms = uptime(scale)
        self.storage = journal(folder, uptime_ms=self.now_ms)
        shelf = RosterShelf(folder)
        self.reader = Reader(
            settings=reader_settings.parse(json.dumps(settings(port))),
            storage=self.storage,
            shelf=shelf,
            random_bytes=os.urandom,
            firmware=FIRMWARE,
        )
        #: (colour, time.monotonic() when it was set)
        self.lights = []
        self.events = []
        self.board = Board(
            reader=self.reader,
            storage=self.storage,
            shelf_alarms=shelf.alarms,
            lamp=self.lamp,
            chip_path=chip_path,
            now_ms=self.now_ms,
            log=lambda event, **fields: self.events.append(event),
            on_light=lambda rgb, now_ms: self.lights.append((rgb, time.monotonic())),
        )
        self._stop = asyncio.Event()

    async def __aenter__(self):
        self._task = asyncio.create_task(self.board.run(self._stop))
        return self

    async def __aexit__(self, *error):
        self._stop.set()
        await asyncio.wait_for(self._task, PATIENCE_S)
        self.storage.close()
        self.lamp.close()

    async def until(self, what, timeout_s=PATIENCE_S):
        deadline = time.monotonic() + timeout_s
        while not what():
            assert time.monotonic() < deadline, (self.events, self.lights[-5:])
            assert not self._task.done(), self._task.result()
            await asyncio.sleep(0.005)

    async def open(self):
        """Until the lamp says that marking is open: chip, link, time and roster are all there."""
        reader = self.reader
        await self.until(lambda: reader.uplink.able == "ok" and reader.clock.pairing and reader.door.roster)
        # The light that waits breathes up to this blue as well: seen at the next tick.
        await asyncio.sleep(0.25)
        await self.until(lambda: self.lights and self.lights[-1][0] == BLUE_RGB)
