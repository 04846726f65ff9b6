"""The fingerprint sensor in a thread of its own: orders in, events out.

The sensor is slow and may fall silent, so it is asked beside the event loop; the thread touches nothing of ours but
`report` and an enrolment's `intend`, which are called in it. Orders are carried out one after another. An order that
comes while the sensor is away ends with LOST at once: nobody waits at a kiosk for a thing that is not there.

After a comparison or an enrolment the glass is looked at until it is free (`GlassFree`): what lies there until then is
not the next person's finger. A comparison that must not begin before that says so too, once it is. While nothing else is to be done the sensor is asked every PROBE_S whether it is still
there, so one that falls silent is lost within 2 s, and one that comes back is found within a second or two. It may then be another one, or an empty one:
`SensorReady` says which slots it holds, and its hearer compares.
"""

import itertools
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from firmware.pi.finger import LOOK_S, Check, Expected, Finger, Outcome, Step
from firmware.pi.finger_line import ANSWER_S, FingerError, Lost
from firmware.pi.sensor_events import (
    Checked,
    Enrolled,
    EnrolStep,
    Erased,
    Event,
    Glass,
    GlassFree,
    SensorLost,
    SensorOther,
    SensorReady,
    SlotsHeld,
)

PROBE_S = 1.0
#: Between two attempts to find it.
BACKOFF_FIRST_S = 0.1
BACKOFF_LAST_S = 1.0


@dataclass(frozen=True, kw_only=True)
class _Order:
    number: int
    #: carries it out
    run: Callable[[], Event]
    #: what is said where the sensor is away
    lost: Event


class Sensor:
    """Runs the sensor at serial port `path` until `stop`; report(event) is called in its thread."""

    def __init__(
        self,
        path: str,
        report: Callable[[Event], None],
        *,
        password: int = 0,
        expected: Expected | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._finger = Finger(path, password=password, expected=expected, answer_s=answer_s)
        self._report = report
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        #: orders up to this number are not waited for any more
        self._cancelled = 0
        self._last = 0
        #: a finger may lie on the glass still, since the last order that wanted one
        self._lying = False
        #: the class of the last exception that should not have been; it is said as SensorLost("fault")
        self.fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="sensor", daemon=True)

    def start(self) -> None:
        """Begin. The first event is SensorReady, SensorLost or SensorOther."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """End the thread, which may wait for an answer a little longer. Returns whether it ended."""
        self._stop.set()
        self._orders.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def failures(self) -> int:
        """Damaged, wrong and missing answers since the start, for the health report."""
        return self._finger.failures

    # -- orders: each returns its number at once, and its event comes later -----------------------------------------

    def verify(self, slot: int, *, wait_s: float = 10.0, lift: bool = False) -> int:
        """Compare the next finger with the template in *slot*; `Checked` follows, with lift after a `GlassFree`."""

        def run(order: int) -> Event:
            self._lying = True
            check = self._finger.verify(
                slot, wait_s=wait_s, lift=lift, go_on=self._wanted(order), lifted=lambda: self._report(GlassFree())
            )
            return Checked(order=order, slot=slot, check=check)

        return self._put(run, lambda order: Checked(order=order, slot=slot, check=Check(outcome=Outcome.LOST)))

    def enrol(self, slot: int, *, intend: Callable[[], bool], wait_s: float = 20.0) -> int:
        """Put a finger into *slot*; `EnrolStep`s and `Enrolled` follow. See `Finger.enrol`; intend() may block."""

        def run(order: int) -> Event:
            self._lying = True

            def step(asked: Step) -> None:
                self._report(EnrolStep(order=order, slot=slot, step=asked))

            outcome = self._finger.enrol(slot, step=step, intend=intend, wait_s=wait_s, go_on=self._wanted(order))
            return Enrolled(order=order, slot=slot, outcome=outcome)

        return self._put(run, lambda order: Enrolled(order=order, slot=slot, outcome=Outcome.LOST))

    def erase(self, slot: int) -> int:
        """Empty *slot*; `Erased` follows."""
        return self._put(
            lambda order: Erased(order=order, slot=slot, outcome=self._finger.erase(slot)),
            lambda order: Erased(order=order, slot=slot, outcome=Outcome.LOST),
        )

    def slots(self) -> int:
        """Which slots hold a template? `SlotsHeld` follows."""
        return self._put(
            lambda order: SlotsHeld(order=order, slots=frozenset(self._finger.slots())),
            lambda order: SlotsHeld(order=order, slots=None),
        )

    def present(self) -> int:
        """Is a finger on the glass? `Glass` follows."""
        return self._put(
            lambda order: Glass(order=order, present=self._finger.present()),
            lambda order: Glass(order=order, present=None),
        )

    def cancel(self) -> None:
        """Do not wait for fingers any more: every `verify` and `enrol` ordered so far ends, if not otherwise, CANCELLED."""
        self._cancelled = self._last

    # -- the thread ----------------------------------------------------------------------------------------------

    def _put(self, run: Callable[[int], Event], lost: Callable[[int], Event]) -> int:
        number = self._last = next(self._numbers)
        self._orders.put(_Order(number=number, run=lambda: run(number), lost=lost(number)))
        return number

    def _wanted(self, order: int) -> Callable[[], bool]:
        return lambda: not self._stop.is_set() and order > self._cancelled

    def _run(self) -> None:
        said: Event | None = None
        backoff_s = BACKOFF_FIRST_S
        while not self._stop.is_set():
            try:
                slots = self._finger.open()
                said = None
                backoff_s = BACKOFF_FIRST_S
                self._report(SensorReady(found=self._finger.found, slots=frozenset(slots)))
                self._serve()
            except FingerError as error:
                event = SensorLost(why=error.why) if isinstance(error, Lost) else SensorOther(why=error.why)
                if type(event) is not type(said) or (isinstance(event, SensorOther) and event != said):
                    self._report(event)
                    said = event
            except Exception as error:  # noqa: BLE001  a mistake of ours, or of intend(): the kiosk goes on without a sensor
                self.fault = type(error).__name__
                self._report(SensorLost(why="fault"))
                said = SensorLost(why="fault")
            finally:
                self._finger.close()
            self._refuse(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_LAST_S)

    def _serve(self) -> None:
        """Orders, until the sensor is lost (raises FingerError) or the thread is to end."""
        while not self._stop.is_set():
            try:
                order = self._orders.get(timeout=LOOK_S if self._lying else PROBE_S)
            except queue.Empty:
                self._rest()
                continue
            if order is None:
                return
            try:
                event = order.run()
            except BaseException:
                self._report(order.lost)
                raise
            self._report(event)

    def _rest(self) -> None:
        """Nothing is ordered."""
        if not self._lying:
            self._finger.probe()
        elif not self._finger.present():
            self._lying = False
            self._report(GlassFree())

    def _refuse(self, for_s: float) -> None:
        """While the sensor is away: every order ends at once."""
        until_s = time.monotonic() + for_s
        while not self._stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            try:
                order = self._orders.get(timeout=left_s)
            except queue.Empty:
                return
            if order is not None:
                self._report(order.lost)
