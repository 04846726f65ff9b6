"""What a profile says of the residence's evenings (DDU-12 to 14), read from its table `[residence]`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

from server.policy.parameters import Table


@dataclass(frozen=True, kw_only=True)
class ResidenceRule:
    """When a check-in counts, what counts as one, and what the percentage is of."""

    #: wall time; where the evening closes at or before it opens, it closes on the next day (DDU-13)
    opens: time
    closes: time
    #: a check-in by PIN and witness counts as one by finger does
    alternative_counts: bool
    #: a check-in that the receiver places outside the kiosk's registered place counts, and is flagged
    outside_counts: bool
    #: one at a kiosk whose receiver has no fix counts, and is flagged
    no_fix_counts: bool
    #: in percent: so much of the evenings is to have availed of the residence (DDU-14)
    threshold: int
    #: an evening on approved leave leaves the denominator; one that staff excused does
    leave_leaves: bool
    excused_leaves: bool
    rule: str


def read(table: Table) -> ResidenceRule:
    """The table of the residence."""
    return ResidenceRule(
        opens=_time(table, "opens"),
        closes=_time(table, "closes"),
        alternative_counts=table.switch("alternative_counts"),
        outside_counts=table.switch("outside_counts"),
        no_fix_counts=table.switch("no_fix_counts"),
        threshold=table.number("threshold", "%"),
        leave_leaves=table.switch("leave_leaves"),
        excused_leaves=table.switch("excused_leaves"),
        rule=table.rule,
    )


def _time(table: Table, name: str) -> time:
    hours, minutes = divmod(table.number(name, "hhmm"), 100)
    if hours > 23 or minutes > 59:
        raise table.wrong(f"{table.path}.{name}", "must be a time of day such as 1800 or 2230")
    return time(hours, minutes)
