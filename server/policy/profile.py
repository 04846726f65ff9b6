"""Profiles: an institution's or programme's set of rules, read from `profiles/*.toml`, checked, frozen."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.errors import BadSetting

FOLDER = Path(__file__).parent / "profiles"
#: the profile where none is assigned
DEFAULT = "port"
EFFECTS = ("attended", "did-not-attend", "not-required")
LEDGERS = ("attendance", "bursary", "entitlement")
DAY_END = "day-end"


@dataclass(frozen=True, kw_only=True)
class Code:
    """One mark of a profile."""

    code: str
    #: as people say it
    meaning: str
    #: ledger -> one of EFFECTS
    effects: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A profile's parameters. Minutes are whole."""

    name: str
    #: the window: from the start less this to the end plus that (PORT-2)
    opens_before_min: int
    closes_after_min: int
    #: late from this many minutes after the start on (LOUGH-14); None: never late (PORT-5)
    late_from_min: int | None = None
    present: str
    late: str | None = None
    absent: str
    #: no tap is absence (PORT-7); otherwise staff mark it
    absent_by_itself: bool
    #: marks count only once a lecturer has verified them (STEP-18)
    verification_needed: bool
    #: when a register is released without complete evidence: minutes after the end, or None: the end of the local day
    evidence_deadline_min: int | None
    codes: Mapping[str, Code] = field(repr=False)

    def window(self, starts_ms: int, ends_ms: int) -> tuple[int, int]:
        """When the door takes swipes for a session: opens, closes."""
        return starts_ms - self.opens_before_min * 60_000, ends_ms + self.closes_after_min * 60_000

    def ledgers(self, code: str | None) -> str:
        """The ledgers that a mark counts for, joined by commas."""
        return ",".join(self.codes[code].effects) if code else ""


def read(path: Path) -> Profile:
    """The profile in a file. Raises BadSetting(`profile`) saying what is wrong with it."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        codes = {
            code: Code(code=code, meaning=about.pop("meaning"), effects=about)
            for code, about in table.pop("codes").items()
        }
        deadline = table.pop("evidence_deadline")
        profile = Profile(**table, codes=codes, evidence_deadline_min=None if deadline == DAY_END else int(deadline))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSetting("profile", f"{path.name} is not a profile: {error!r}") from error
    for code in codes.values():
        if set(code.effects) - set(LEDGERS) or set(code.effects.values()) - set(EFFECTS):
            raise BadSetting("profile", f"{path.name}: code {code.code} has an effect that is not known")
    used = {profile.present, profile.absent} | ({profile.late} if profile.late else set())
    if used - set(codes) or (profile.late_from_min is not None and profile.late is None):
        raise BadSetting("profile", f"{path.name} uses a code that it does not describe")
    return profile


def read_all(folder: Path = FOLDER) -> dict[str, Profile]:
    """Every profile by its name."""
    found = [read(path) for path in sorted(folder.glob("*.toml"))]
    return {profile.name: profile for profile in found}
