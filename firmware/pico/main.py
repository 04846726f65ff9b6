"""The Pico's program: its tasks, and nothing else. Chip, lights, link, pump, housekeeping; `run` watches over them.

One loop, no threads. A card's tap is handled in the chip's task without an await between the poll that found it and the
light. Each task that turns on its own says that it lives (`_beat`); the watchdog is fed only while all do, and a task
that ends is logged and the board restarts.
"""

import asyncio
import gc
import json

from firmware.codecs.pn532 import identifiable
from firmware.contract import topics
from firmware.contract.errors import Malformed
from firmware.pico import chip as chips
from firmware.pico.link import Link, LinkDown
from firmware.pico.no_storage import NoStorage
from firmware.pico.ring import Ring
from firmware.pico.shelf import Shelf
from firmware.pico.version import BUILT_S, FIRMWARE
from firmware.reader import settings as settings_file
from firmware.reader.errors import ReaderError, StorageFailed
from firmware.reader.lights import IDLE_BROKEN, Lights
from firmware.reader.reader import Reader
from firmware.reader.uplink import OFFLINE

CHIP_EVERY_MS = 5
LIGHT_EVERY_MS = 10
PUMP_EVERY_MS = 10
TICK_EVERY_MS = 100
#: after a tap the flash is left alone for this long: the next person's card may be coming
QUIET_MS = 1000
COLLECT_EVERY_MS = 2000
#: a task that has not turned for this long is taken for dead; below the watchdog's 8 s
STUCK_MS = 5000
#: Bytes taken between two collections. MicroPython goes on to fresh memory until it must collect; what lives long would
#: lie scattered between garbage, and a roster needs its bytes in one piece.
COLLECT_AFTER = 12_288


class Program:
    """The tasks of one reader on one board."""

    def __init__(self, board):
        self._board = board
        self._beats = {}
        self._tapped_ms = -QUIET_MS
        self._collected_ms = 0
        self._heap_peak = 0
        self._heap_live = 0
        self._faults = {}
        settings = settings_file.parse(board.settings_text())
        self._settings = settings
        self._shelf = Shelf(board.folder)
        began = board.ticks_ms()
        storage, trouble = self._open_storage()
        self._storage = storage
        self._reader = Reader(
            settings=settings,
            storage=storage,
            shelf=self._shelf,
            random_bytes=board.random_bytes,
            firmware=FIRMWARE,
        )
        if trouble:
            self._reader.journal.trouble = trouble
            self._reader.tick(board.uptime_ms())
        self._chip = chips.Chip(board.i2c, ticks_diff=board.ticks_diff)
        # Until its chip has answered, a reader takes no cards, and does not look as if it did.
        self._reader.chip(False, board.uptime_ms())
        self._floor = None
        self._updates = None
        if settings.release:  # where no key is known, none would be taken
            self._updates = taking(board.folder, settings.release)
        self._link = self._make_link()
        gc.collect()
        self.log(
            "boot",
            firmware=FIRMWARE,
            board=board.unique_id(),
            cause=board.reset_cause(),
            recovery_ms=board.ticks_diff(board.ticks_ms(), began),
            journals=len(storage.journals()),
            room=storage.room(),
            damaged=storage.damaged,
            heap=gc.mem_alloc(),
        )

    def log(self, event: str, **fields) -> None:
        """One JSON line. No UID, no token, no secret goes in here."""
        fields["event"] = event
        fields["up_ms"] = self._board.uptime_ms()
        print(json.dumps(fields))

    def _open_storage(self):
        try:
            return Ring(self._board.journal_flash()), None
        except (ReaderError, OSError) as error:
            self.log("storage-failed", text=str(error))
            return NoStorage(), "storage"

    def _make_link(self):
        settings = self._settings
        broker = settings.broker
        down = [topics.topic(settings.site, settings.reader, kind) for kind in topics.DOWN]
        self._wifi = self._board.wifi(settings.wifi)
        ssl = tls_name = None
        if settings.tls is not None:
            from firmware.pico import trust  # where it is not asked for, it takes no heap

            self._floor = trust.Floor(self._board.folder, max(BUILT_S, settings.tls.floor_s))
            self._board.not_before(self._floor.seconds)
            ssl = trust.context(settings.tls.ca)
            tls_name = settings.tls.name
        return Link(
            wifi=self._wifi,
            host=broker["host"],
            port=broker["port"],
            client_id=settings.reader,
            user=broker.get("user"),
            password=broker.get("password"),
            will=(topics.topic(settings.site, settings.reader, "status"), OFFLINE),
            subscriptions=down,
            ticks_ms=self._board.ticks_ms,
            random=self._board.random,
            on_up=lambda: self._reader.linked(self._board.uptime_ms()),
            on_down=lambda code: self._reader.unlinked(self._board.uptime_ms()),
            on_message=self._message,
            log=self.log,
            ssl=ssl,
            tls_name=tls_name,
        )

    # --- tasks -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Starts the tasks and watches them. Returns when one has ended or got stuck: then the board must restart."""
        tasks = {
            "chip": asyncio.create_task(self._watch_chip()),
            "lights": asyncio.create_task(self._show_lights()),
            "link": asyncio.create_task(self._link.run()),
            "pump": asyncio.create_task(self._pump()),
            "house": asyncio.create_task(self._keep_house()),
        }
        for name in ("chip", "lights", "house"):
            self._beat(name)
        self._board.watch()
        while True:
            for name, task in tasks.items():
                if task.done():
                    await self._ended(name, task)
                    return
            now = self._board.ticks_ms()
            for name, at in self._beats.items():
                if self._board.ticks_diff(now, at) > STUCK_MS:
                    self.log("task-stuck", task=name)
                    return
            self._board.feed()
            await asyncio.sleep_ms(500)

    async def _ended(self, name, task):
        error = "returned"
        try:
            await task
        except Exception as e:  # noqa: BLE001  the program's top: whatever it was, it is logged and the board restarts
            error = repr(e)
        self.log("task-ended", task=name, error=error)

    def _beat(self, name):
        self._beats[name] = self._board.ticks_ms()

    async def _watch_chip(self):
        while True:
            self._beat("chip")
            event = self._chip.poll(self._board.ticks_ms())
            if event is not None:
                self._happened(event)
            # While a card's file is read somebody waits for the light.
            await asyncio.sleep_ms(1 if self._chip.talking else CHIP_EVERY_MS)

    def _happened(self, event):
        """What the chip saw. From here to the light nothing is awaited."""
        board = self._board
        now_ms = board.uptime_ms()
        if isinstance(event, (chips.CardArrived, chips.CardSigned)):
            began = board.ticks_ms()
            self._tapped_ms = began
            uid = event.uid if identifiable(event.uid) else b""
            shown = self._reader.tap(uid, now_ms, event.said if isinstance(event, chips.CardSigned) else None)
            board.rgb(self._reader.light(now_ms))
            self.log("tap", shown=shown, took_ms=board.ticks_diff(board.ticks_ms(), began))
        elif isinstance(event, chips.CardUnreadable):
            self._reader.unreadable(now_ms)
            board.rgb(self._reader.light(now_ms))
            self.log("card-unreadable", code=event.code)
        elif isinstance(event, chips.ChipLost):
            self._reader.chip(False, now_ms)
            self.log("chip-lost", code=event.code)
        elif isinstance(event, chips.ChipReady):
            self._reader.chip(True, now_ms)
            self.log("chip-ready")

    async def _show_lights(self):
        looked = None
        while True:
            self._beat("lights")
            now_ms = self._board.uptime_ms()
            if looked is None or now_ms - looked >= TICK_EVERY_MS:
                looked = now_ms
                self._reader.tick(now_ms)
            self._board.rgb(self._reader.light(now_ms))
            await asyncio.sleep_ms(LIGHT_EVERY_MS)

    async def _pump(self):
        """Publishes what the reader wants to say. What is lost on the way, the reader offers again."""
        while True:
            out = self._next() if self._link.connected else None
            if out is None:
                await asyncio.sleep_ms(PUMP_EVERY_MS)
                continue
            payload = self._with_figures(out.payload) if out.kind == "health" else out.payload
            topic = topics.topic(self._settings.site, self._settings.reader, out.kind)
            try:
                await self._link.publish(topic, payload, 1, out.retain)
            except LinkDown as error:
                self._count(error.code)

    def _next(self):
        try:
            return self._reader.next(self._board.uptime_ms())
        except StorageFailed:
            self._broken()
            return None

    async def _keep_house(self):
        while True:
            self._beat("house")
            board = self._board
            now = board.ticks_ms()
            if board.ticks_diff(now, self._tapped_ms) >= QUIET_MS:
                try:
                    # The roster first: it is soon done, and a board that starts anew would have none.
                    if self._shelf.step():
                        if not self._shelf.waits:
                            self.log("roster-kept", faults=self._shelf.faults)
                    elif not self._update():
                        self._reader.idle()
                except StorageFailed:
                    self._broken()
                self._raise_floor()
                if board.ticks_diff(now, self._collected_ms) >= COLLECT_EVERY_MS:
                    self._collected_ms = now
                    self._measure()
            self._obey()
            await asyncio.sleep_ms(TICK_EVERY_MS)

    # --- the rest ----------------------------------------------------------------------------------------------

    def _message(self, topic, payload):
        try:
            kind = topics.parse(topic).kind
        except Malformed:
            self._count("topic")
            return
        self._heap_peak = max(self._heap_peak, gc.mem_alloc())
        if kind == "update":
            if self._updates is not None:
                self._updates.take(payload)
            return
        self._reader.received(kind, payload, self._board.uptime_ms())

    def _update(self):
        """One step of an update, and the judgement of one on trial. Whether it took a slow step. May restart the board."""
        updates = self._updates
        if updates is None:
            return False
        now_ms = self._board.uptime_ms()
        well = self._link.connected and self._reader.clock.read(now_ms).state == "sync" and not self._reader.broken()
        on_trial = updates.on_trial
        worked = updates.turn(well, now_ms, self.log)
        if on_trial and not updates.on_trial and not updates.restart:
            from firmware.pico import slots

            slots.tidy(self._board.folder)
        if worked:
            self._reader.health_due(now_ms)
        if updates.restart:
            self._board.reset()
        return worked

    def _raise_floor(self):
        """What the store's clock says is kept, so that a board without a battery begins no earlier after a power cut."""
        if self._floor is None:
            return
        now_ms = self._board.uptime_ms()
        reading = self._reader.clock.read(now_ms)
        if reading.state == "sync" and self._floor.learned(reading.wall_ms // 1000, now_ms):
            self._board.not_before(self._floor.seconds)
            self.log("floor-raised", faults=self._floor.faults)

    def _obey(self):
        while self._reader.commands:
            name = self._reader.commands.pop(0)
            if name == "restart":
                self.log("restart-commanded")
                self._board.reset()
            else:
                self._count("command-unknown")
                self.log("command-unknown")

    def _broken(self):
        if self._reader.journal.trouble != "storage":
            self.log("storage-failed")
        self._reader.journal.trouble = "storage"
        self._count("storage")

    def _count(self, code):
        self._faults[code] = self._faults.get(code, 0) + 1

    def _measure(self):
        self._heap_peak = max(self._heap_peak, gc.mem_alloc())
        gc.collect()
        live = gc.mem_alloc()
        if live > self._heap_live:
            self._heap_live = live
            self.log("heap", live=live, peak=self._heap_peak, free=gc.mem_free())

    def _with_figures(self, payload):
        """The reader's health, and what only the board knows. Peak: the most that was ever taken, garbage included."""
        health = json.loads(payload)
        health["heap"] = {"live": self._heap_live, "peak": self._heap_peak, "free": gc.mem_free()}
        health["flash"] = {
            "erases": self._storage.erases,
            "late_erases": self._storage.late_erases,
            "damaged": self._storage.damaged,
            "shelf_faults": self._shelf.faults,
        }
        health["chip"] = {"faults": self._chip.faults, "last": self._chip.last_fault}
        health["link"] = self._link.health()
        health["signal"] = self._wifi.signal() if self._wifi is not None else None
        health["faults"] = self._faults
        health["cause"] = self._board.reset_cause()
        if self._updates is not None:
            health["update"] = self._updates.figures()
        return json.dumps(health).encode()


def run(board) -> None:
    """The whole reader on this board. Returns only where restarting the board does (on the unix port it raises)."""
    gc.collect()
    gc.threshold(COLLECT_AFTER)
    try:
        program = Program(board)
    except (ReaderError, OSError) as error:
        # Settings that cannot be used: a technician must come. The light says so, and the log says why.
        print(json.dumps({"event": "cannot-start", "text": str(error), "kind": error.__class__.__name__}))
        asyncio.run(_pulse(board))
        return
    asyncio.run(program.run())
    board.reset()


def taking(folder: str, keys: tuple):
    """What takes updates, and judges the one on trial only where that one runs (slots.py)."""
    from firmware.reader.update import Updates

    updates = Updates(folder, keys)
    if updates.on_trial:
        from firmware.pico import slots

        updates.on_trial = slots.runs_the_trial()
    return updates


async def _pulse(board):
    lamp = Lights()
    lamp.idle(IDLE_BROKEN)
    while True:
        board.rgb(lamp.rgb(board.uptime_ms()))
        await asyncio.sleep_ms(LIGHT_EVERY_MS)
