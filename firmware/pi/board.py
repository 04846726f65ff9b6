"""The Pi around the reader: chip events in, light out, journal housekeeping, and the link. One TaskGroup, named tasks.

The order of a tap is the promise's: `Reader.tap` appends and syncs, and the light is set in the same step, with no
await in between. Everything else waits.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from firmware.codecs import sun
from firmware.contract import topics
from firmware.pi import wireless
from firmware.pi.chip import CardArrived, CardUnreadable, Chip, ChipLost, ChipReady, Event
from firmware.pi.lamp import Lamp
from firmware.pi.link import Broker, Link
from firmware.pi.systemd import Systemd
from firmware.reader.errors import StorageFailed
from firmware.reader.lights import FLASHES
from firmware.reader.reader import Reader
from firmware.reader.update import Updates
from firmware.reader.uplink import OFFLINE

LAMP_S = 0.02
TICK_S = 0.2
#: The deliverer looks for what has come due at least so often; a tap wakes it at once.
LOOK_S = 0.1
#: An append that took longer than this has eaten into its flash.
SLOW_MS = 100
#: After a read of the journal failed.
READ_AGAIN_S = 5.0
#: While the journal is in trouble the disk is asked so often whether it is well again.
MEND_S = 4.0


class Keeper(Protocol):
    """What the board asks of the storage beyond docs/wire.md."""

    #: codes for the technician
    alarms: list[str]

    @property
    def failed(self) -> str | None:
        """What failed for good, or None."""


class Board:
    """One reader on a Pi. `log(event, **fields)` must not block; nothing about persons is handed to it.

    A kiosk's board stands on this one: `_jobs`, `_card`, `_unreadable`, `_show`, `_look`, `_trouble` and `_alarms` are its.
    """

    def __init__(
        self,
        *,
        reader: Reader,
        storage: Keeper,
        shelf_alarms: list[str],
        lamp: Lamp,
        chip_path: str,
        now_ms: Callable[[], int],
        log: Callable[..., None],
        on_light: Callable[[tuple[int, int, int], int], None] = lambda rgb, now_ms: None,
        systemd: Systemd | None = None,
        disk_well: Callable[[], bool] = lambda: False,
        updates: Updates | None = None,
    ) -> None:
        settings = reader.settings
        self._disk_well = disk_well
        self._anew = asyncio.Event()
        self._updates = updates
        self._leave = asyncio.Event()
        self._reader = reader
        self._storage = storage
        self._shelf_alarms = shelf_alarms
        self._lamp = lamp
        self._now_ms = now_ms
        self._log = log
        self._on_light = on_light
        self._systemd = systemd or Systemd("")
        self._chip_path = chip_path
        self._chip: Chip | None = None
        self._site, self._name = settings.site, settings.reader
        self._wake = asyncio.Event()
        self._link = Link(
            broker=Broker(
                host=settings.broker["host"],
                port=settings.broker["port"],
                client_id=f"{settings.site}-{settings.reader}",
                user=settings.broker.get("user"),
                password=settings.broker.get("password"),
                tls=settings.tls,
            ),
            will=(self._topic("status"), OFFLINE),
            subscriptions=[self._topic(kind) for kind in topics.DOWN],
            on_up=self._deliver,
            on_down=lambda code: log("link-down", code=code),
            on_message=self._received,
        )

    def backlog(self) -> int:
        """How many records wait for a receipt."""
        return self._reader.journal.backlog()

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, or until the disk of a journal that failed is well again: then all begins anew.

        Says goodbye to the broker, and puts the chip to sleep. disk_well (handed in) may take its time.
        """
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue()

        def report(event: Event) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended before the chip's thread
                loop.call_soon_threadsafe(events.put_nowait, event)

        chip = self._chip = Chip(self._chip_path, report)
        # Until the chip answers for the first time it is not able: a reader without a chip is red from the start.
        self._reader.chip(False, self._now_ms())
        chip.start()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(job, name=name) for name, job in self._jobs(events).items()]
                self._systemd.ready()
                ends = [group.create_task(one.wait(), name="end") for one in (stop, self._anew, self._leave)]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if self._leave.is_set():
                    stop.set()  # the process ends, and what starts it again chooses the release
                tasks += ends
                await self._link.leave()
                for task in tasks:
                    task.cancel()
        finally:
            await asyncio.to_thread(chip.stop)

    def _jobs(self, events: "asyncio.Queue[Event]") -> dict[str, Coroutine[Any, Any, None]]:
        """What runs side by side, by name."""
        return {
            "chip": self._taps(events),
            "lamp": self._light(),
            "tick": self._tick(),
            "housekeeping": self._idle(),
            "mend": self._mend(),
            "link": self._link.run(),
        }

    async def _taps(self, events: "asyncio.Queue[Event]") -> None:
        while True:
            event = await events.get()
            if isinstance(event, CardArrived):
                self._card(event.uid, event.said)
                self._wake.set()
            elif isinstance(event, CardUnreadable):
                self._unreadable()
                self._show()
                self._wake.set()
            elif isinstance(event, ChipLost):
                self._reader.chip(False, self._now_ms())
                self._log("chip-lost", why=event.why)
            elif isinstance(event, ChipReady):
                self._reader.chip(True, self._now_ms())
                self._log("chip-ready")

    def _card(self, uid: bytes, said: sun.Message | None = None) -> None:
        """A card came: the swipe is kept, and shown. said: what a card that signs said."""
        began_ms = self._now_ms()
        shown = self._reader.tap(uid, began_ms, said)
        if shown in FLASHES and self._now_ms() - began_ms > SLOW_MS:
            # An SD card may take longer to sync than a flash lasts: then it begins when the swipe is kept.
            self._reader.lights.flash(shown, self._now_ms())
        self._show()
        self._lamp.beep(shown, self._now_ms())

    def _unreadable(self) -> None:
        """A card came that identifies nobody: that it was there is kept, and shown."""
        self._card(b"")

    def _look(self) -> None:
        """Look at the time."""
        self._reader.tick(self._now_ms())

    def _trouble(self) -> str | None:
        """What failed for good, so that all is to begin anew once the disk is well."""
        return self._storage.failed

    def _alarms(self) -> list[str]:
        """Codes for the technician."""
        return [*self._storage.alarms, *self._shelf_alarms]

    async def _light(self) -> None:
        while True:
            self._show()
            self._lamp.tick(self._now_ms())
            await asyncio.sleep(LAMP_S)

    def _show(self) -> None:
        now_ms = self._now_ms()
        rgb = self._reader.light(now_ms)
        if self._lamp.show(rgb):
            self._on_light(rgb, now_ms)

    async def _tick(self) -> None:
        while True:
            self._look()
            for name in self._reader.commands:
                if name == "restart":
                    # As after a start: journal, link and chip are opened anew.
                    self._log("restart-commanded")
                    self._anew.set()
                else:
                    self._log("command-unknown", name=name)
            self._reader.commands.clear()
            self._systemd.alive()
            await asyncio.sleep(TICK_S)

    async def _idle(self) -> None:
        said = None
        while True:
            self._reader.idle()
            self._update()
            if self._storage.failed:
                # It may have failed between taps: the light must tell before the next card does.
                self._reader.journal.trouble = "storage"
            if self._reader.journal.trouble != said:
                said = self._reader.journal.trouble
                self._log("journal-trouble" if said else "journal-well", code=said, what=self._storage.failed)
            await asyncio.sleep(TICK_S)

    async def _mend(self) -> None:
        # What failed is final for the journal that is open. A new one begins from what the disk holds, as after a
        # start; it is tried only once the disk has taken something, so that until then the old one can be delivered.
        while True:
            await asyncio.sleep(MEND_S)
            if not (self._trouble() or self._reader.journal.trouble == "full"):
                continue
            if not await asyncio.to_thread(self._disk_well):
                continue
            if self._trouble():
                self._anew.set()
            else:
                self._reader.journal.room_again()

    async def _deliver(self) -> None:
        """Publish what the reader has to say, for as long as the link is up."""
        self._log("link-up")
        self._reader.linked(self._now_ms())
        try:
            while True:
                self._wake.clear()
                try:
                    out = self._reader.next(self._now_ms())
                except StorageFailed:
                    self._log("journal-unreadable", what=self._storage.failed)
                    await asyncio.sleep(READ_AGAIN_S)
                    continue
                if out is not None:
                    payload = self._with_alarms(out.payload) if out.kind == "health" else out.payload
                    await self._link.publish(self._topic(out.kind), payload, retain=out.retain)
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()
        finally:
            self._reader.unlinked(self._now_ms())

    def _received(self, topic: str, payload: bytes) -> None:
        kind = topics.parse(topic).kind
        if kind == "update":
            if self._updates is not None:
                self._updates.take(payload)
            return
        self._reader.received(kind, payload, self._now_ms())
        self._wake.set()

    def _update(self) -> None:
        """One step of an update, and the judgement of one on trial."""
        updates, now_ms = self._updates, self._now_ms()
        if updates is None:
            return
        well = self._reader.clock.read(now_ms).state == "sync" and not self._reader.broken()
        if updates.turn(well, now_ms, self._log):
            self._reader.health_due(now_ms)
            self._wake.set()
        if updates.restart:
            self._leave.set()

    def _with_alarms(self, payload: bytes) -> bytes:
        health: dict[str, Any] = json.loads(payload)
        health["alarms"] = self._alarms()
        health["unhandled"] = self._link.unhandled
        if self._updates is not None:
            health["update"] = self._updates.figures()
        health["link"] = {"connects": self._link.connects}
        health["chip"] = {"faults": self._chip.failures if self._chip is not None else 0}
        health["signal"] = wireless.signal()
        return json.dumps(health).encode()

    def _topic(self, kind: str) -> str:
        return topics.topic(self._site, self._name, kind)
