"""What approved absences do to registers: fill them, also those of sessions made later, and take back what no longer holds.

The rule is server/policy/leave.py's. A tap wins: where a card was tapped, and where a person set a mark of their own,
nothing is overwritten; a proposal asks whoever marks the register. LOUGH-19 to 22, PORT-13, STEP-23.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from server.policy import leave
from server.policy.marking import Decision
from server.policy.profile import Profile, Profiles
from server.policy.sections import Transition
from server.policy.tiers import people
from server.scope import Scope
from server.store import absence_kinds, absences, attachments, covered, derivations, due, registers, standing
from server.store.absences import Absence
from server.store.covered import Covered
from server.store.engine import Connection

#: what becomes of one session: filled; a proposal asks; it is so already; the mark stays
FILLS, ASKS, SO, STAYS = "fills", "asks", "so", "stays"


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What an absence does, or would do, to one session's register."""

    session: Covered
    #: one of FILLS, ASKS, SO, STAYS
    kind: str
    #: the mark that it is about; None: there is none
    code: str | None
    rule: str
    #: why, and what is left to do
    text: str


def effects(
    connection: Connection,
    profiles: Profiles,
    found: Absence,
    *,
    decider: Scope | None,
    now_ms: int,
) -> list[Effect]:
    """What the absence does to each register that it covers, as if approved now by the decider, or as it was approved.

    decider: whoever decides, for what only a session's lecturer may (LOUGH-22); None: nobody.
    """
    institution_id = absences.institution_of(connection, found.id)
    files = attachments.of(connection, institution_id, attachments.ABSENCE, [found.id])
    facts = leave.Absence(
        kind=found.kind,
        state=absence_kinds.APPROVED,
        from_ms=found.from_ms,
        to_ms=found.to_ms,
        reported_ms=found.reported_ms,
        decided_ms=found.decided_ms if found.decided_ms is not None else now_ms,
        # What came after the approval nobody has looked at: it changes no mark by itself (LOUGH-22).
        has_evidence=any(
            one.erased_ms is None and (found.decided_ms is None or one.created_ms <= found.decided_ms) for one in files
        ),
        sessions=frozenset(found.session_ids) or None,
    )
    rows = covered.between(connection, [found.person_id], found.from_ms, found.to_ms, found.session_ids)
    zone = standing.zone_of(connection, institution_id)
    final = standing.final(connection, profiles, zone, rows, now_ms)
    judge = _Judge(connection, facts, decider, zone)
    made = []
    for one in rows:
        if one.id in final:
            made.append(
                Effect(session=one, kind=STAYS, code=None, rule="", text="the records of this course are final")
            )
        else:
            made.append(judge.effect(standing.profile_of(profiles, one), one))
    return made


@dataclass(frozen=True)
class _Judge:
    """One absence and who decides on it, against one session after another."""

    connection: Connection
    facts: leave.Absence
    decider: Scope | None
    zone: ZoneInfo

    def effect(self, profile: Profile, one: Covered) -> Effect:
        """What it does to this session's register."""
        facts = self.facts

        def said(kind: str, text: str, code: str | None = None, rule: str = "") -> Effect:
            return Effect(session=one, kind=kind, code=code, rule=rule, text=text)

        rule = profile.absences.get(facts.kind)
        if one.cancelled_ms is not None:
            return said(STAYS, "the class is cancelled: nobody is marked")
        if rule is None:
            return said(STAYS, f"the rules of this class ({profile.title}) have no mark for it")
        if one.code == rule.code:
            return said(SO, f"is marked {rule.code} already", rule.code)
        session = leave.Session(
            id=one.id,
            starts_ms=one.starts_ms,
            ends_ms=one.ends_ms,
            zone=self.zone,
            cancelled=False,
            current=one.code,
        )
        decision = leave.fills(profile, facts, session)
        if decision is not None:
            told = self._refused(profile, decision, one)
            if told is not None:
                return said(STAYS, told)
            return said(FILLS, f"becomes {decision.code}", decision.code, decision.rule)
        # As if nothing were marked yet: would it have filled that in?
        bare = leave.fills(profile, facts, replace(session, current=None))
        if one.code not in (None, profile.absent) and bare is not None:
            if one.tapped and not one.verified:
                return said(ASKS, "a card was tapped: the register asks whoever marks it", bare.code, bare.rule)
            return said(STAYS, f"is marked {one.code} by somebody: that stays")
        if facts.kind == leave.REPORTED and facts.reported_ms >= one.starts_ms:
            return said(STAYS, _afterwards(profile, rule.code, facts))
        return said(STAYS, "is not touched by it")

    def _refused(self, profile: Profile, decision: Decision, one: Covered) -> str | None:
        """Why the decision may not be entered here; None: it may.

        Told before: open as long as LOUGH-21 says. Told afterwards: for those roles alone that LOUGH-22 names.
        """
        facts = self.facts
        decided_ms = facts.decided_ms or 0
        if one.source == "person" and one.created_ms is not None and one.created_ms > decided_ms:
            return f"was marked {one.code} by somebody after the absence was approved: that stays"
        if facts.kind != leave.REPORTED or decision.code is None:
            return None
        told_before = facts.reported_ms < one.starts_ms
        way = _transition(profile, decision.code, told_before=told_before)
        if way is None:
            return None
        until = way.until and way.until.after(starts_ms=one.starts_ms, ends_ms=one.ends_ms, zone=self.zone)
        if until is not None and decided_ms >= until:
            return f"is too long ago to become {decision.code} by approval: by a change request"
        if told_before:
            return None
        here = standing.of(self.connection, self.decider, one.id) if self.decider is not None else None
        acting = frozenset[str]() if here is None else here.roles if here.staffs else here.roles - {"lecturer"}
        if acting & set(way.roles):
            return None
        return f"told afterwards, it becomes {decision.code} only where {people(way.roles)} of this class approves it"


def _afterwards(profile: Profile, code: str, facts: leave.Absence) -> str:
    way = _transition(profile, code, told_before=False)
    if way is None:
        return f"it was not told before the class began: stays {profile.absent}"
    if "evidence" in way.needs and not facts.has_evidence:
        return (
            f"it was not told before the class began: becomes {code} only with evidence that was there when it was "
            f"approved, once it is {profile.absent}"
        )
    return f"it was not told before the class began: {profile.absent} becomes {code} until the end of the next day"


def _transition(profile: Profile, code: str, *, told_before: bool) -> Transition | None:
    return next((one for one in profile.transitions if one.to == code and one.told_before == told_before), None)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What is to be done for one absence."""

    found: Absence
    institution_id: int
    fills: tuple[Effect, ...]
    asks: tuple[Effect, ...]
    gone: tuple[Covered, ...]

    def __bool__(self) -> bool:
        return bool(self.fills or self.asks or self.gone)


def _plan(connection: Connection, profiles: Profiles, absence_id: int, now_ms: int) -> _Plan:
    found = absences.one(connection, absence_id)
    institution_id = absences.institution_of(connection, absence_id)
    wanted: list[Effect] = []
    if found.state == absence_kinds.APPROVED and found.decided_by_account_id is not None:
        decider = absences.scope_of(connection, institution_id, found.decided_by_account_id, now_ms)
        wanted = effects(connection, profiles, found, decider=decider, now_ms=now_ms)
    keeps = {one.session.id for one in wanted if one.kind in (FILLS, SO)}
    held = covered.set_by(connection, [found.person_id], covered.LEAVE, authority_of(absence_id))
    final = standing.final(connection, profiles, standing.zone_of(connection, institution_id), held, now_ms)
    asks = [one for one in wanted if one.kind == ASKS]
    return _Plan(
        found=found,
        institution_id=institution_id,
        fills=tuple(one for one in wanted if one.kind == FILLS),
        asks=tuple(one for one in asks if not covered.proposed(connection, one.session.id, found.person_id, one.rule)),
        # What is past stays as it was: it is corrected by a change request.
        gone=tuple(one for one in held if one.id not in keeps | final and one.starts_ms > now_ms),
    )


def authority_of(absence_id: int) -> str:
    """How a mark names the absence that it rests on."""
    return f"absence/{absence_id}"


def pending(connection: Connection, profiles: Profiles, absence_id: int, *, now_ms: int) -> bool:
    """Whether `fill` would do anything: a look that locks nothing."""
    return bool(_plan(connection, profiles, absence_id, now_ms))


def fill(connection: Connection, profiles: Profiles, absence_id: int, *, now_ms: int) -> int:
    """Bring every register to what an absence says: fill in, ask, take back what it no longer covers. Idempotent.

    Returns how many marks were set or taken back.
    """
    first = _plan(connection, profiles, absence_id, now_ms)
    concerned = {one.session.id for one in (*first.fills, *first.asks)} | {one.id for one in first.gone}
    if not concerned:
        return 0
    # Looked at again under the lock: a tap or a hand that came meanwhile is seen.
    derivations.lock_registers(connection, first.institution_id, concerned)
    plan = _plan(connection, profiles, absence_id, now_ms)
    for one in plan.fills:
        if one.session.id not in concerned:
            continue
        registers.record(
            connection,
            plan.institution_id,
            one.session.id,
            [registers.Wanted(person_id=plan.found.person_id, code=one.code)],
            source=covered.LEAVE,
            rule=one.rule,
            authority=authority_of(absence_id),
            by_account_id=plan.found.decided_by_account_id,
            now_ms=now_ms,
            profiles=profiles,
        )
    for one in plan.asks:
        if one.session.id in concerned:
            ask(connection, plan.institution_id, one.session, one.code, one.rule, now_ms)
    gone = [one for one in plan.gone if one.id in concerned]
    take_back(connection, plan.institution_id, gone, covered.LEAVE, authority_of(absence_id), now_ms)
    return len(plan.fills) + len(gone)


def fill_person(connection: Connection, profiles: Profiles, absence_id: int, *, now_ms: int) -> int:
    """`fill`, and then the student's other approved absences: they may cover what this one gave up."""
    changed = fill(connection, profiles, absence_id, now_ms=now_ms)
    found = absences.one(connection, absence_id)
    for other in absences.approved_of(connection, found.person_id, now_ms - covered.RECENT_MS):
        if other != absence_id:
            changed += fill(connection, profiles, other, now_ms=now_ms)
    return changed


def ask(connection: Connection, institution_id: int, one: Covered, code: str | None, rule: str, now_ms: int) -> int:
    """Raise a proposal beside a mark that a tap set, once; an open one of derivation's own goes before. Returns 0 or 1."""
    if one.mark_id is None or covered.proposed(connection, one.id, one.person_id, rule):
        return 0
    if (one.id, one.person_id) in derivations.open_proposals(connection, [one.id]):
        return 0
    derivations.add_proposals(
        connection,
        [
            {
                "institution_id": institution_id,
                "session_id": one.id,
                "person_id": one.person_id,
                "mark_id": one.mark_id,
                "code": code,
                "rule": rule,
                "created_ms": now_ms,
            }
        ],
    )
    derivations.touch(connection, [one.id])
    return 1


def take_back(
    connection: Connection, institution_id: int, marks: Iterable[Covered], source: str, authority: str, now_ms: int
) -> None:
    """These marks of an absence or trip do not hold any more: with its history each goes back to what the doors say.

    The registers are locked by the caller.
    """
    rows = list(marks)
    if not rows:
        return
    derivations.add_marks(
        connection,
        [
            {
                "institution_id": institution_id,
                "session_id": one.id,
                "person_id": one.person_id,
                "code": None,
                # Derived again from now on: a person's hand is no longer on it.
                "source": "absence",
                "authority": authority,
                "verified": False,
                "rule": f"{source}.taken-back",
                "ledgers": "",
                "created_ms": now_ms,
            }
            for one in rows
        ],
    )
    derivations.touch(connection, {one.id for one in rows})
    for one in rows:
        due.persons(connection, institution_id, [one.person_id], one.opens_ms, one.ends_ms, now_ms)
