"""What an import would change, counted and told; and whether that is more than goes without asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: above this share of what is held, in percent, a person has to confirm
ASK_ABOVE_PERCENT = 5
WORDS = ("added", "changed", "moved", "ended", "assigned", "replaced")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One change. what: persons, sessions, …; how: one of WORDS. text: for the registrar, without names or UIDs."""

    what: str
    how: str
    text: str


class Summary:
    """The changes of one run, in the order they were found."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        #: what the registrar should know, and nothing is wrong with
        self.notes: list[str] = []
        #: what -> how many there were before
        self.before: dict[str, int] = {}
        #: what -> how many of them end or move
        self._risky: dict[str, int] = {}

    def add(self, what: str, how: str, text: str) -> None:
        """Keep one change."""
        self.items.append(Item(what=what, how=how, text=text))
        if how in ("ended", "moved", "replaced"):
            self._risky[what] = self._risky.get(what, 0) + 1

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """what -> how -> how many."""
        found: dict[str, dict[str, int]] = {}
        for item in self.items:
            of = found.setdefault(item.what, {})
            of[item.how] = of.get(item.how, 0) + 1
        return found

    @property
    def stops(self) -> list[str]:
        """Why this needs a person's word: more than 5 % of a kind would end or move."""
        return [
            f"{count} of {self.before[what]} {what} would end or move"
            for what, count in self._risky.items()
            if count * 100 > self.before.get(what, 0) * ASK_ABOVE_PERCENT and self.before.get(what, 0)
        ]
