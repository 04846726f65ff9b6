"""The declared saboteurs: small broken variants of the real code, as data (table/*.toml), and how one is put into a copy.

A change is text that must stand in its file exactly once, and what stands there instead. Where it no longer does, the
saboteur is not applied, and that is a failure: the code has moved and its saboteur must move along.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("table")

#: what issue 3 asks for at least; each stands as `issue` at one saboteur or more
ASKED = (
    "no fsync",
    "ack before commit",
    "no unique key",
    "green before sync",
    "delete on PUBACK",
    "delete on a 4xx",
    "seq reset within a journal",
    "overwrite when full",
    "trust the wall clock",
    "retry after EIO",
    "journal id not random",
    "half-written roster",
    "skip the MAC",
    "believe a forged receipt",
    "free past the receipt",
    "absence before the doors are known",
)


class NotApplied(Exception):
    """A saboteur's text does not stand in its file exactly once; the message says which and where."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One replacement in one file, whose path is from the repository's root."""

    file: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """`text` with the change made. Raises NotApplied."""
        found = text.count(self.old)
        if found != 1:
            raise NotApplied(f"its text stands {found} times in {self.file}, not once: move the saboteur along")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, kw_only=True)
class Saboteur:
    """One broken variant and the test that is meant to catch it."""

    name: str
    #: what goes wrong for a person with this variant
    why: str
    #: `file::test[parameters]`: one test, exactly
    test: str
    #: the first is the one that the table names
    changes: tuple[Change, ...]
    #: which of `ASKED` it is; empty: the promise has this leg as well
    issue: str = ""

    @property
    def file(self) -> str:
        """What is broken."""
        return self.changes[0].file


def read(path: Path) -> list[Saboteur]:
    """The saboteurs in one TOML file: [[saboteur]] with name, why, test, file, old, new; further changes as `also`."""
    return [
        Saboteur(
            name=row["name"],
            why=row["why"],
            test=row["test"],
            issue=row.get("issue", ""),
            changes=tuple(
                Change(file=one["file"], old=one["old"], new=one["new"]) for one in (row, *row.get("also", ()))
            ),
        )
        for row in tomllib.loads(path.read_text())["saboteur"]
    ]


def every() -> list[Saboteur]:
    """All that are declared: those that the issue asks for first, in its order."""
    found = [saboteur for path in sorted(TABLE.glob("*.toml")) for saboteur in read(path)]
    return sorted(found, key=lambda one: ASKED.index(one.issue) if one.issue in ASKED else len(ASKED))
