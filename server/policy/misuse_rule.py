"""What a profile says of misuse of cards (PORT-9), read from its table `[misuse]`. Nothing is ever decided by it."""

from __future__ import annotations

from dataclasses import dataclass

from server.policy.parameters import Table


@dataclass(frozen=True, kw_only=True)
class MisuseRule:
    """From when on something is shown to a person."""

    #: one person's cards at two sites within so many minutes: nobody is there so soon
    far_within_min: int
    #: in two rooms of one site within so many seconds: nobody is in two places
    same_within_s: int
    #: two persons' cards at one reader within so many seconds, so many times, on so many days, in so many days, and never
    #: otherwise
    pair_within_s: int
    pair_times: int
    pair_on_days: int
    pair_in_days: int
    rule: str


def read(table: Table) -> MisuseRule:
    """The table of misuse. Raises BadSetting(`profile`)."""
    found = MisuseRule(
        far_within_min=table.number("far_within", "min"),
        same_within_s=table.number("same_within", "s"),
        pair_within_s=table.number("pair_within", "s"),
        pair_times=table.number("pair_times", "times"),
        pair_on_days=table.number("pair_on", "days"),
        pair_in_days=table.number("pair_in", "days"),
        rule=table.rule,
    )
    if found.pair_times < 2:
        raise table.wrong(f"{table.path}.pair_times", "must be 2 or more: once together is no habit")
    if not found.pair_on_days <= found.pair_in_days <= 60:
        raise table.wrong(
            f"{table.path}.pair_in", "must be at least pair_on, and 60 at most: longer is not looked back"
        )
    return found
