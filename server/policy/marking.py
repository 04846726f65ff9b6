"""What a register says of one student: from a credited swipe, or from none. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from server.policy import days
from server.policy.decision import Decision
from server.policy.profile import Profile

__all__ = ["Decision", "DoorFacts", "Evidence", "deadline_ms", "evidence", "from_silence", "from_tap"]

#: flags: what a person should look at
TIME_UNSURE = "time_unsure"


def from_tap(
    profile: Profile, *, starts_ms: int, at_ms: int, uncertainty_ms: int, ends_ms: int | None = None
) -> Decision:
    """The mark of somebody whose swipe at `at_ms` (give or take the uncertainty) was credited.

    Late with the whole minutes missed, from the profile's limit on (LOUGH-14). Where the uncertainty straddles the
    limit: present without minutes, flagged. Never a silent guess. ends_ms: for a programme, whose shifts are full,
    half or absent by what was missed (DDU-3, DDU-4).
    """
    if profile.programme is not None and ends_ms is not None:
        return _shift(profile, starts_ms, ends_ms, at_ms, uncertainty_ms)
    present = Decision(code=profile.present, rule=f"{profile.name}.present")
    if profile.late_from_min is None or profile.late is None:
        return present
    limit_ms = starts_ms + profile.late_from_min * 60_000
    if (at_ms - uncertainty_ms < limit_ms) != (at_ms + uncertainty_ms < limit_ms):
        return Decision(code=profile.present, rule=f"{profile.name}.late-unsure", flag=TIME_UNSURE)
    if at_ms < limit_ms:
        return present
    late_min = (_kindest(at_ms, uncertainty_ms) - starts_ms) // 60_000
    return Decision(code=profile.late, late_min=late_min, rule=f"{profile.name}.late")


def _kindest(at_ms: int, uncertainty_ms: int) -> int:
    """The time up to which minutes are counted: where they are not known to the minute, only those surely missed."""
    return at_ms if 2 * uncertainty_ms <= 60_000 else at_ms - uncertainty_ms


def _shift(profile: Profile, starts_ms: int, ends_ms: int, at_ms: int, uncertainty_ms: int) -> Decision:
    """A shift as its first swipe alone says: nobody has left early yet, and an occasion is left. Whoever verifies the
    day judges it with both sides and the occasions used (server/policy/days.py)."""
    kind = days.kind_of(profile, length_min=(ends_ms - starts_ms) // 60_000)

    def judged(moment_ms: int) -> Decision:
        late_min = max(0, moment_ms - starts_ms) // 60_000
        return days.judge(profile, days.Shift(kind=kind, late_min=late_min, early_min=0)).decision

    kind_one, harsh_one = judged(at_ms - uncertainty_ms), judged(at_ms + uncertainty_ms)
    if kind_one.code != harsh_one.code:
        return Decision(code=kind_one.code, rule=f"{profile.name}.shift.unsure", flag=TIME_UNSURE)
    found = judged(_kindest(at_ms, uncertainty_ms))
    late = found.late_min if found.late_min is not None and found.late_min > profile.shifts[kind].free_min else None
    return Decision(code=found.code, late_min=late, rule=found.rule)


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
    return profile.evidence_deadline.after(starts_ms=ends_ms, ends_ms=ends_ms, zone=zone)


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
