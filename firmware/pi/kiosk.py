"""The kiosk's board: a reader's board with a sensor, a keypad, a display, a lid and a receiver around the same link.

The sensor and the receiver have threads of their own; what they tell is handled in the loop, one thing after another, so
that the kiosk (`firmware/reader/kiosk.py`) is never in two minds. An enrolment's intent is asked for by the sensor's
thread, which waits until the loop has put it on stable storage.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from firmware.codecs import sun
from firmware.pi.board import SLOW_MS, Board
from firmware.pi.chip import Event as ChipEvent
from firmware.pi.display import Display
from firmware.pi.finger_ledger import FingerLedger
from firmware.pi.keypad import keypad
from firmware.pi.position import Event as PositionEvent
from firmware.pi.position import KioskMoved, KioskReturned, Position, ReceiverFound, ReceiverLost
from firmware.pi.sensor import Sensor
from firmware.pi.sensor_events import (
    Checked,
    Enrolled,
    EnrolStep,
    Erased,
    GlassFree,
    SensorLost,
    SensorOther,
    SensorReady,
    SlotsHeld,
)
from firmware.pi.sensor_events import Event as SensorEvent
from firmware.reader.kiosk import Kiosk
from firmware.reader.kiosk_table import ENROL_STEP_MS, FINGER_MS, Beep, Cancel, Enrol, Survey, Verify
from firmware.reader.slots import Erase

SCREEN_S = 0.05
#: How long the sensor's thread waits for the loop to write an intent.
INTEND_S = 10.0


class Lid(Protocol):
    """The switch under the lid."""

    def is_open(self) -> bool:
        """Now."""
        ...

    def close(self) -> None:
        """Give the switch back."""
        ...


class KioskBoard(Board):
    """One kiosk on a Pi. make_sensor(report) and make_position(report) begin nothing; on_screen(rows, now_ms) sees each change."""

    def __init__(
        self,
        *,
        kiosk: Kiosk,
        ledger: FingerLedger,
        make_sensor: Callable[[Callable[[SensorEvent], None]], Sensor],
        make_position: Callable[[Callable[[PositionEvent], None]], Position | None],
        display: Display,
        keypad_path: str,
        lid: Lid | None = None,
        on_screen: Callable[[list[str], int], None] = lambda rows, now_ms: None,
        **reader: Any,
    ) -> None:
        super().__init__(**reader)
        self._kiosk = kiosk
        self._ledger = ledger
        self._display = display
        self._keypad_path = keypad_path
        self._lid = lid
        self._on_screen = on_screen
        self._sensor = make_sensor(self._from_thread)
        self._position = make_position(self._from_thread)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heard: asyncio.Queue[SensorEvent | PositionEvent] = asyncio.Queue()
        #: the sensor's number of an order -> the kiosk's
        self._acts: dict[int, int] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """As a door's; the sensor and the receiver begin and end with it."""
        self._loop = asyncio.get_running_loop()
        self._sensor.start()
        if self._position is not None:
            self._position.start()
        try:
            await super().run(stop)
        finally:
            self._loop = None
            await asyncio.to_thread(self._sensor.stop)
            if self._position is not None:
                await asyncio.to_thread(self._position.stop)
            self._display.close()
            self._ledger.close()
            if self._lid is not None:
                self._lid.close()

    # -- what a door's board asks ----------------------------------------------------------------------------------

    def _jobs(self, events: "asyncio.Queue[ChipEvent]") -> dict[str, Coroutine[Any, Any, None]]:
        jobs = super()._jobs(events)
        jobs["sensor"] = self._hear()
        jobs["keypad"] = keypad(self._keypad_path, self._key, self._log)
        jobs["display"] = self._screens()
        return jobs

    def _card(self, uid: bytes, said: sun.Message | None = None) -> None:
        began_ms = self._now_ms()
        self._kiosk.card(uid, began_ms)
        self._carry_out(began_ms)

    def _unreadable(self) -> None:
        began_ms = self._now_ms()
        self._kiosk.unreadable(began_ms)
        self._carry_out(began_ms)

    def _look(self) -> None:
        super()._look()
        now_ms = self._now_ms()
        if self._lid is not None:
            self._kiosk.lid(self._lid.is_open(), now_ms)
        self._kiosk.tick(now_ms)
        self._carry_out(now_ms)

    def _trouble(self) -> str | None:
        return super()._trouble() or (self._ledger.failed if self._ledger.was_open else None)

    def _alarms(self) -> list[str]:
        return [*super()._alarms(), *self._ledger.alarms]

    # -- the kiosk's own -------------------------------------------------------------------------------------------

    def _key(self, char: str) -> None:
        began_ms = self._now_ms()
        self._kiosk.key(char, began_ms)
        self._carry_out(began_ms)

    async def _hear(self) -> None:
        while True:
            event = await self._heard.get()
            now_ms = self._now_ms()
            match event:
                case Checked():
                    self._kiosk.checked(self._acts.pop(event.order, 0), str(event.check.outcome), now_ms)
                case EnrolStep():
                    self._kiosk.step(self._acts.get(event.order, 0), str(event.step), now_ms)
                case Enrolled():
                    self._kiosk.enrolled(self._acts.pop(event.order, 0), str(event.outcome), now_ms)
                case Erased():
                    self._kiosk.erased(event.slot, str(event.outcome), now_ms)
                case GlassFree():
                    self._kiosk.glass_free()
                case SensorReady():
                    self._kiosk.sensor_found(event.slots, now_ms)
                    self._log("sensor-ready", capacity=event.found.capacity, held=len(event.slots))
                case SlotsHeld():
                    self._kiosk.sensor_holds(event.slots, now_ms)
                case SensorLost() | SensorOther():
                    self._kiosk.sensor_lost(event.why, now_ms, other=isinstance(event, SensorOther))
                    self._log("sensor-lost", why=event.why, fault=self._sensor.fault)
                case KioskMoved():
                    self._kiosk.place("moved", now_ms)
                case KioskReturned():
                    self._kiosk.place("returned", now_ms)
                case ReceiverFound():
                    self._log("receiver-found")
                case ReceiverLost():
                    self._log("receiver-lost", why=event.why)
            self._carry_out(now_ms)

    def _carry_out(self, began_ms: int) -> None:
        for action in self._kiosk.actions():
            match action:
                case Verify(act, slot, lift):
                    self._acts[self._sensor.verify(slot, wait_s=FINGER_MS / 1000, lift=lift)] = act
                case Enrol(act, slot):
                    intend = partial(self._intend, act)
                    self._acts[self._sensor.enrol(slot, intend=intend, wait_s=ENROL_STEP_MS / 1000)] = act
                case Erase(slot):
                    self._sensor.erase(slot)
                case Survey():
                    self._sensor.slots()
                case Cancel():
                    self._sensor.cancel()
                case Beep(verdict):
                    now_ms = self._now_ms()
                    if now_ms - began_ms > SLOW_MS:
                        # As at a door: the flash begins when the record is kept.
                        self._reader.lights.flash(verdict, now_ms)
                    self._lamp.beep(verdict, now_ms)
        self._show()
        self._wake.set()

    def _intend(self, act: int) -> bool:
        """Called in the sensor's thread: True once it is on stable storage what is about to be written."""
        loop = self._loop
        if loop is None:
            return False

        async def ask() -> bool:
            return self._kiosk.intend(act)

        with contextlib.suppress(RuntimeError, TimeoutError):
            return asyncio.run_coroutine_threadsafe(ask(), loop).result(INTEND_S)
        return False

    def _from_thread(self, event: SensorEvent | PositionEvent) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended before the thread
                loop.call_soon_threadsafe(self._heard.put_nowait, event)

    async def _screens(self) -> None:
        while True:
            now_ms = self._now_ms()
            changed = self._display.show(self._kiosk.screen(now_ms), now_ms)
            if changed is not None:
                self._on_screen(changed, now_ms)
            await asyncio.sleep(SCREEN_S)
