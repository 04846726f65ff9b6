"""What a profile says of the residence's evenings (DDU-12 to 14), read from its table `[residence]`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

from server.policy.parameters import Table


@dataclass(frozen=True, kw_only=True)
class Oddity:
    """From when on something is flagged to staff (DDU-12). Nothing is ever decided by it."""

    #: fingers refused at one kiosk, whoever's, within so many minutes
    fingers: int
    fingers_within_min: int
    #: fingers refused with one card on one evening
    card: int
    #: a check-in and a tap on another site so near in time
    elsewhere_within_min: int


@dataclass(frozen=True, kw_only=True)
class ResidenceRule:
    """When a check-in counts, what counts as one, and what the percentage is of."""

    #: wall time; where the evening closes at or before it opens, it closes on the next day (DDU-13)
    opens: time
    closes: time
    #: a check-in by PIN and witness counts as one by finger does
    alternative_counts: bool
    #: one on a witness's word alone counts, and is flagged: no PIN is set, it is locked, or the kiosk can judge none
    witness_alone_counts: bool
    #: a check-in that the receiver places outside the kiosk's registered place counts, and is flagged
    outside_counts: bool
    #: one at a kiosk whose receiver has no fix counts, and is flagged
    no_fix_counts: bool
    #: in percent: so much of the evenings is to have availed of the residence (DDU-14)
    threshold: int
    #: an evening on approved leave leaves the denominator; one that staff excused does
    leave_leaves: bool
    excused_leaves: bool
    #: where every kiosk of a house was down for so long, or longer, nobody is called missing
    outage_min: int
    odd: Oddity
    rule: str


def read(table: Table) -> ResidenceRule:
    """The table of the residence."""
    return ResidenceRule(
        opens=_time(table, "opens"),
        closes=_time(table, "closes"),
        alternative_counts=table.switch("alternative_counts"),
        witness_alone_counts=table.switch("witness_alone_counts"),
        outside_counts=table.switch("outside_counts"),
        no_fix_counts=table.switch("no_fix_counts"),
        threshold=table.number("threshold", "%"),
        leave_leaves=table.switch("leave_leaves"),
        excused_leaves=table.switch("excused_leaves"),
        outage_min=_at_least(table, "outage_min", 1, "min"),
        odd=Oddity(
            fingers=_at_least(table, "flag_fingers", 1, "fingers"),
            fingers_within_min=table.number("flag_fingers_within", "min"),
            card=_at_least(table, "flag_card", 1, "fingers"),
            elsewhere_within_min=table.number("flag_elsewhere_within", "min"),
        ),
        rule=table.rule,
    )


def _at_least(table: Table, name: str, least: int, unit: str) -> int:
    found = table.number(name, unit)
    if found < least:
        raise table.wrong(f"{table.path}.{name}", f"must be {least} or more")
    return found


def _time(table: Table, name: str) -> time:
    hours, minutes = divmod(table.number(name, "hhmm"), 100)
    if hours > 23 or minutes > 59:
        raise table.wrong(f"{table.path}.{name}", "must be a time of day such as 1800 or 2230")
    return time(hours, minutes)
