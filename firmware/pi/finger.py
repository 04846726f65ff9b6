"""Fingers and slots: what the fingerprint sensor is asked to do, in the order in which it must be asked.

A template never leaves the sensor: a finger is compared there, with the one template in the slot that is named (1:1).
`Finger` blocks and belongs to one thread (see `sensor`); the line underneath is `finger_line`. Only these two modules
speak to the sensor.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from firmware.codecs import fingerprint as codec
from firmware.pi.finger_line import ANSWER_S, TRIES, Line, Other

#: Between two looks at the glass; a look takes the sensor some 0.2 s.
LOOK_S = 0.05
#: Pictures of one finger that may be poor in an enrolment.
POOR_MAX = 5


def _nothing() -> None:
    """Nobody asked to be told."""


class Outcome(StrEnum):
    """How an order ended."""

    MATCHED = "matched"
    NOT_MATCHED = "not-matched"
    #: the picture shows too little: clean the finger or the glass, press anew
    POOR = "poor"
    #: nobody laid a finger on the glass in time, or (in an enrolment) nobody took it off
    NO_FINGER = "no-finger"
    #: what lay on the glass before was not taken off in time
    COVERED = "covered"
    #: the sensor holds nothing in that slot
    NO_TEMPLATE = "no-template"
    #: two fingers were shown for one template
    DIFFER = "differ"
    STORED = "stored"
    #: the slot holds a template already: it must be erased first
    HELD = "held"
    ERASED = "erased"
    #: the sensor says that it could not
    FAILED = "failed"
    CANCELLED = "cancelled"
    #: the sensor was lost meanwhile: what it holds is unknown until it is found again
    LOST = "lost"


class Step(StrEnum):
    """What an enrolment asks of the person next."""

    PLACE = "place"
    POOR = "poor"
    REMOVE = "remove"
    AGAIN = "place-again"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the sensor that was set up here says of itself; None: anything will do."""

    #: templates that it can hold
    capacity: int | None = None
    #: the maker's number for this kind of sensor
    system: int | None = None


@dataclass(frozen=True, kw_only=True)
class Check:
    """What came of a comparison."""

    outcome: Outcome
    #: the sensor's own measure of likeness, 0 where there was no match; it goes into no record
    score: int = 0
    #: the sensor's own time, from the look that showed a finger to the result, seconds
    sensor_s: float = 0.0


class Finger:
    """The sensor at serial port `path`. Every method may raise `finger_line.Lost` and `finger_line.Other`.

    answer_s: the longest wait for one answer; the longer, the later a silent sensor is lost.
    """

    def __init__(
        self, path: str, *, password: int = 0, expected: Expected | None = None, answer_s: float = ANSWER_S
    ) -> None:
        self._line = Line(path, password, answer_s)
        self._expected = expected or Expected()

    @property
    def failures(self) -> int:
        """Damaged, wrong and missing answers since the start, for the health report."""
        return self._line.failures

    @property
    def found(self) -> Expected:
        """What the sensor says of itself; nothing before `open`."""
        found = self._line.parameters
        return Expected(capacity=found.capacity, system=found.system) if found else Expected()

    def open(self) -> set[int]:
        """Find the sensor and see that it is the one that was set up here. Returns the slots that it holds."""
        found = self._line.open()
        if self._expected.capacity not in (None, found.capacity):
            raise Other("capacity")
        if self._expected.system not in (None, found.system):
            raise Other("system")
        return self.slots()

    def close(self) -> None:
        """Give the port back."""
        self._line.close()

    def probe(self) -> None:
        """Is it still there, and still the same?"""
        self._line.align()

    def slots(self) -> set[int]:
        """The slots that hold a template, by the sensor's own index. Other("index") where its own count contradicts."""
        for _ in range(TRIES):
            held = self._line.settled(self._index)
            if self._line.settled(self._count) == len(held):
                return held
        raise Other("index")

    def erase(self, slot: int) -> Outcome:
        """Empty a slot: ERASED, also where nothing was in it, or FAILED where something is still there."""
        self._settled(codec.delete(slot))
        return Outcome.FAILED if slot in self.slots() else Outcome.ERASED

    def present(self) -> bool:
        """Whether a finger lies on the glass."""
        return self._look() != codec.NO_FINGER

    def verify(
        self, slot: int, *, wait_s: float, lift: bool, go_on: Callable[[], bool], lifted: Callable[[], None] = _nothing
    ) -> Check:
        """Compare the finger that comes onto the glass within *wait_s* with the template in *slot*.

        lift: the glass must be free first, so that a finger left lying is not taken for another try, nor for the next
        person's; lifted() is called once it is; COVERED where it never is.
        go_on() is asked all the while; CANCELLED once it says no.
        """
        if slot not in self._line.settled(self._index):
            return Check(outcome=Outcome.NO_TEMPLATE)
        until_s = time.monotonic() + wait_s
        if lift:
            if (ended := self._await(False, until_s, go_on)) is not None:
                return Check(outcome=Outcome.COVERED if ended == Outcome.NO_FINGER else ended)
            lifted()
        if (ended := self._await(True, until_s, go_on)) is not None:
            return Check(outcome=ended)
        seen_s = time.monotonic()
        outcome, score = self._line.settled(lambda: self._compare(slot))
        return Check(outcome=outcome, score=score, sensor_s=time.monotonic() - seen_s)

    def enrol(
        self,
        slot: int,
        *,
        step: Callable[[Step], None],
        intend: Callable[[], bool],
        wait_s: float,
        go_on: Callable[[], bool],
    ) -> Outcome:
        """Two pictures of one finger become the template in *slot*: STORED, or why not.

        step(Step) says what the person must do. intend() is called when the pictures agree and before the sensor writes
        anything: True when it is on stable storage what is about to be; False gives up (CANCELLED).
        wait_s: for each thing that the person must do.
        """
        if slot in self._line.settled(self._index):
            return Outcome.HELD
        for buffer, asked in ((1, Step.PLACE), (2, Step.AGAIN)):
            if buffer == 2:
                step(Step.REMOVE)
                if (ended := self._await(False, time.monotonic() + wait_s, go_on)) is not None:
                    return ended
            step(asked)
            if (ended := self._capture(buffer, step, wait_s, go_on)) is not None:
                return ended
        merged = self._settled(codec.merge())
        if merged != codec.OK:
            return Outcome.DIFFER if merged == codec.DIFFER else Outcome.FAILED
        if not intend():
            return Outcome.CANCELLED
        stored = self._settled(codec.store(slot)) == codec.OK and slot in self.slots()
        # In the index, and whole: a torn template stands in the index of some sensors as well.
        return Outcome.STORED if stored and self._settled(codec.load(slot, 2)) == codec.OK else Outcome.FAILED

    # -- inside --------------------------------------------------------------------------------------------------

    def _capture(
        self, buffer: int, step: Callable[[Step], None], wait_s: float, go_on: Callable[[], bool]
    ) -> Outcome | None:
        """A good picture's features into *buffer*: None, or how it ended without."""
        for _ in range(POOR_MAX):
            if (ended := self._await(True, time.monotonic() + wait_s, go_on)) is not None:
                return ended
            if self._settled(codec.extract(buffer)) == codec.OK:
                return None
            step(Step.POOR)
            if (ended := self._await(False, time.monotonic() + wait_s, go_on)) is not None:
                return ended
        return Outcome.POOR

    def _compare(self, slot: int) -> tuple[Outcome, int]:
        # Nothing of this may be believed by halves: an empty slot leaves in buffer 2 what was there before.
        if self._line.ask(codec.extract(1)).code != codec.OK:
            return Outcome.POOR, 0
        if self._line.ask(codec.load(slot, 2)).code != codec.OK:
            return Outcome.NO_TEMPLATE, 0
        score = codec.parse_score(self._line.ask(codec.match()))
        return (Outcome.NOT_MATCHED, 0) if score is None else (Outcome.MATCHED, score)

    def _index(self) -> set[int]:
        capacity = self.found.capacity or 0
        held: set[int] = set()
        for page in range((capacity + codec.PAGE_SLOTS - 1) // codec.PAGE_SLOTS):
            held |= codec.parse_index(self._line.ask(codec.read_index(page)), page)
        return {slot for slot in held if slot < capacity}

    def _count(self) -> int:
        return codec.parse_count(self._line.ask(codec.count()))

    def _settled(self, command: codec.Command) -> int:
        return self._line.settled(lambda: self._line.ask(command)).code

    def _look(self) -> int:
        # "No finger" is safe to believe even if it is an older look's: we look again.
        look = codec.generate_image()
        return self._line.settled(lambda: self._line.ask(look), harmless=codec.NO_FINGER).code

    def _await(self, wanted: bool, until_s: float, go_on: Callable[[], bool]) -> Outcome | None:
        """Until a finger was pictured (or, not *wanted*, the glass is free): None, or how the wait ended without."""
        while go_on():
            if self._look() == (codec.OK if wanted else codec.NO_FINGER):
                return None
            if time.monotonic() >= until_s:
                return Outcome.NO_FINGER
            time.sleep(LOOK_S)
        return Outcome.CANCELLED
