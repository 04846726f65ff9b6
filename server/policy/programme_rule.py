"""A skills programme's part of a profile: how days are cut into shifts, what is counted in which time (DDU-2 to 11)."""

from __future__ import annotations

from dataclasses import dataclass

from server.policy.parameters import Table


@dataclass(frozen=True, kw_only=True)
class ShiftRule:
    """One of the ways a day may be cut into shifts, and what lateness makes of it (DDU-2 to 4)."""

    name: str
    #: a side of up to this many minutes counts as nothing
    free_min: int
    #: up to this many minutes in all are full, on so many occasions in a block
    full_min: int
    occasions: int
    #: more than this many minutes are absent
    absent_over_min: int
    rule: str


def read_shift(name: str, table: Table) -> ShiftRule:
    """A kind of day."""
    return ShiftRule(
        name=name,
        free_min=table.number("free", "min"),
        full_min=table.number("full_up_to", "min"),
        occasions=table.number("occasions", "times"),
        absent_over_min=table.number("absent_over", "min"),
        rule=table.rule,
    )


@dataclass(frozen=True, kw_only=True)
class Programme:
    """The rest of a skills programme's rules."""

    #: a session longer than this is a day of one shift; shorter, one of two
    one_shift_over_min: int
    #: occasions are counted in blocks of so many days from the batch's start
    block_days: int
    #: in a double shift each shift is half a day, and half halves that
    shift_is_half_a_day: bool
    #: marks of which one in a day pays the whole day (DDU-11)
    pays: tuple[str, ...]
    #: late submissions that the state body approves, and in how many months (DDU-6)
    late_submissions: int
    late_submission_months: int
    #: corrections after the fortnight, in how many months (DDU-8)
    corrections: int
    correction_months: int
    #: footage is kept so many months after completion (DDU-9)
    footage_months: int
    rule: str


def read_programme(table: Table, codes: tuple[str, ...]) -> Programme:
    """A programme."""
    return Programme(
        one_shift_over_min=table.number("one_shift_over", "min"),
        block_days=table.number("block", "days"),
        shift_is_half_a_day=table.switch("shift_is_half_a_day"),
        pays=table.words("pays", "marks", codes),
        late_submissions=table.number("late_submissions", "times"),
        late_submission_months=table.number("late_submission_period", "months"),
        corrections=table.number("corrections", "times"),
        correction_months=table.number("correction_period", "calendar months"),
        footage_months=table.number("footage", "months"),
        rule=table.rule,
    )
