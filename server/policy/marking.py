"""What a register says of one student: from a credited swipe, or from none. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from server.policy.profile import Profile

#: flags: what a person should look at
TIME_UNSURE = "time_unsure"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A mark and why. code None: not marked."""

    code: str | None
    late_min: int | None = None
    #: the rule that decided, such as `lough.late`
    rule: str
    flag: str | None = None


def from_tap(profile: Profile, *, starts_ms: int, at_ms: int, uncertainty_ms: int) -> Decision:
    """The mark of somebody whose swipe at `at_ms` (give or take the uncertainty) was credited.

    Late with the whole minutes missed, from the profile's limit on (LOUGH-14). Where the uncertainty straddles the
    limit: present without minutes, flagged. Never a silent guess.
    """
    present = Decision(code=profile.present, rule=f"{profile.name}.present")
    if profile.late_from_min is None or profile.late is None:
        return present
    limit_ms = starts_ms + profile.late_from_min * 60_000
    if (at_ms - uncertainty_ms < limit_ms) != (at_ms + uncertainty_ms < limit_ms):
        return Decision(code=profile.present, rule=f"{profile.name}.late-unsure", flag=TIME_UNSURE)
    if at_ms < limit_ms:
        return present
    return Decision(code=profile.late, late_min=(at_ms - starts_ms) // 60_000, rule=f"{profile.name}.late")


@dataclass(frozen=True, kw_only=True)
class DoorFacts:
    """What is known of one door of a session: of one reader, for the time that it was placed there in the window."""

    reader_id: int
    #: the part of the window in which the reader was placed there
    from_ms: int
    to_ms: int
    #: everything it recorded is held up to here; None: nothing is known
    known_until_ms: int | None
    #: (from, to, why) in that part of the window in which it was dead or could not take swipes
    outages: tuple[tuple[int, int, str], ...] = ()


def deadline_ms(profile: Profile, ends_ms: int, zone: ZoneInfo) -> int:
    """When a session's register is released without complete evidence: minutes after its end, or at the end of the
    local day in which it ended."""
    if profile.evidence_deadline_min is not None:
        return ends_ms + profile.evidence_deadline_min * 60_000
    day = datetime.fromtimestamp(ends_ms / 1000, zone).date() + timedelta(days=1)
    return int(datetime.combine(day, time.min, zone).timestamp() * 1000)


PENDING, COMPLETE, INCOMPLETE = "pending", "complete", "incomplete"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Whether a session's evidence is complete: one of pending, complete, incomplete; and why."""

    state: str
    rule: str


def evidence(doors: list[DoorFacts], *, deadline_ms: int, now_ms: int) -> Evidence:
    """Whether absence may be derived from no tap.

    Complete only when every door of the session is known up to its end and had no outage. No door: never. Past the
    deadline what is not complete is released as incomplete: untapped students are then unmarked, not absent.
    """
    if doors and all(_known(door) for door in doors):
        if not any(door.outages for door in doors):
            return Evidence(state=COMPLETE, rule="evidence.known")
        return Evidence(state=INCOMPLETE, rule="evidence.outage")
    if now_ms > deadline_ms:
        return Evidence(state=INCOMPLETE, rule="evidence.deadline" if doors else "evidence.no-door")
    return Evidence(state=PENDING, rule="evidence.pending" if doors else "evidence.no-door")


def _known(door: DoorFacts) -> bool:
    return door.known_until_ms is not None and door.known_until_ms >= door.to_ms


def from_silence(profile: Profile, found: Evidence) -> Decision | None:
    """The mark of a listed student without a credited swipe; None: nothing can be said yet."""
    if found.state == PENDING:
        return None
    if found.state == INCOMPLETE:
        return Decision(code=None, rule=found.rule)
    if profile.absent_by_itself:
        return Decision(code=profile.absent, rule=f"{profile.name}.no-tap")
    return Decision(code=None, rule=f"{profile.name}.left-to-staff")
