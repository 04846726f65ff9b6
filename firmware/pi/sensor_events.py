"""What the sensor's thread reports: what became of the sensor, and of each order."""

from dataclasses import dataclass

from firmware.pi.finger import Check, Expected, Outcome, Step


@dataclass(frozen=True, kw_only=True)
class SensorReady:
    """The sensor answers and is the one expected: for the first time, or again."""

    found: Expected
    #: the slots that hold a template
    slots: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class SensorLost:
    """The sensor does not answer (`port`, `silent`, `garbled`), forgot what it was told (`restarted`), or we failed (`fault`)."""

    why: str


@dataclass(frozen=True, kw_only=True)
class SensorOther:
    """A sensor answers that is not the one set up here: `password`, `capacity`, `system`, `changed`, `index`."""

    why: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """`verify` ended: MATCHED, NOT_MATCHED, POOR, NO_FINGER, COVERED, NO_TEMPLATE, CANCELLED or LOST."""

    order: int
    slot: int
    check: Check


@dataclass(frozen=True, kw_only=True)
class EnrolStep:
    """An enrolment asks for something."""

    order: int
    slot: int
    step: Step


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """`enrol` ended: STORED, DIFFER, POOR, NO_FINGER, HELD, FAILED, CANCELLED or LOST."""

    order: int
    slot: int
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Erased:
    """`erase` ended: ERASED, FAILED or LOST."""

    order: int
    slot: int
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class SlotsHeld:
    """`slots` ended; None: the sensor is lost."""

    order: int
    slots: frozenset[int] | None


@dataclass(frozen=True, kw_only=True)
class Glass:
    """`present` ended; None: the sensor is lost."""

    order: int
    present: bool | None


@dataclass(frozen=True, kw_only=True)
class GlassFree:
    """No finger lies on the glass, for the first time since `verify` or `enrol` ended, or began with `lift`."""


Event = SensorReady | SensorLost | SensorOther | Checked | EnrolStep | Enrolled | Erased | SlotsHeld | Glass | GlassFree
