"""By which tier a change may be asked for now, who may ask, what is needed, and who decides (LOUGH-31 to 35, STEP-2 to 22).

Facts are gathered here and the profile judges them (server/policy/). Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from server.errors import NotAllowed, Refused, StoreError
from server.policy import allowed, deadlines, moments, tiers
from server.policy import requests as rules
from server.policy.profile import Profile, Profiles
from server.policy.sections import TierRule
from server.scope import ACTS, Scope
from server.store import derivations, sessions, standing
from server.store.schema import session_class
from server.store.schema_work import walk_in

MARKS, BURSARY, REMOVAL, TRANSFER, CANCELLATION, RESTORATION, SUBMISSION = KINDS = (
    "marks",
    "bursary",
    "removal",
    "transfer",
    #: the class is cancelled, where that goes by request only (LOUGH-11 with LOUGH-32 to 34)
    "cancellation",
    #: it takes place after all, where that goes by request only
    "restoration",
    #: a programme's day is submitted after its deadline (DDU-6)
    "submission",
)
#: these are about the whole register: nobody is chosen
WHOLE = (CANCELLATION, RESTORATION, SUBMISSION)
#: who takes learners off lists and puts them on others, and by which rule
_LIST = TierRule(
    name="list",
    until=None,
    roles=("lecturer", "head", "registry", "admin"),
    by_request=True,
    needs=("reason",),
    copies=(),
    approvers=("registry", "admin"),
    evidence_later=True,
    rule="LOUGH-18",
)
#: who submits a programme's day late: the state body approves, with proofs; its decision is entered by the approvers
_LATE = TierRule(
    name="late-submission",
    until=None,
    roles=("lecturer", "head", "registry", "admin"),
    by_request=True,
    needs=("reason", "evidence"),
    copies=(),
    approvers=("registry", "admin"),
    evidence_later=False,
    rule="DDU-6",
)
#: the act by which a role decides, where it is not `request.decide`
_DECIDES = {"finance": "bursary.grant", "curriculum": "unknown.approve"}


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A session as somebody who asks for a change stands to it now."""

    session: Any
    profile: Profile
    zone: ZoneInfo
    times: standing.CourseTimes
    stands: standing.Standing
    now_ms: int
    #: of marks
    tier: tiers.Tier
    #: of bursary alone (LOUGH-35); None: not at this age, or not in this profile
    bursary: tiers.Tier | None
    #: on the list at its start, or walked in
    members: tuple[int, ...]
    #: the day was submitted (DDU-5); False too where the profile asks for no such thing
    submitted: bool = False

    @property
    def final(self) -> bool:
        """Nothing changes any more (STEP-3)."""
        return not self.tier.roles


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a request is asked by."""

    tier: str
    #: the requirement, such as `LOUGH-32`
    rule: str
    needs: frozenset[str] = frozenset()
    copies: tuple[str, ...] = ()
    #: roles whose approval is needed besides the approvers'
    approvals: tuple[str, ...] = ()


def situation(connection: Connection, scope: Scope, profiles: Profiles, session_id: int, now_ms: int) -> Situation:
    """How things stand. Raises NotFound(`session`) where this scope may not ask for anything there."""
    found = sessions.need(connection, scope, session_id, "request.make")
    stands = standing.of(connection, scope, session_id, "request.make")
    return at(connection, profiles, found, stands, now_ms)


def at(
    connection: Connection,
    profiles: Profiles,
    found: Any,
    stands: standing.Standing,
    now_ms: int,
) -> Situation:
    """The same for a session's row, whoever asks."""
    profile = standing.profile_of(profiles, found)
    zone = standing.zone_of(connection, found.institution_id)
    times = standing.times_of(connection, profile, found)
    return Situation(
        session=found,
        profile=profile,
        zone=zone,
        times=times,
        stands=stands,
        now_ms=now_ms,
        tier=tiers.tier(
            profile,
            ends_ms=found.ends_ms,
            now_ms=now_ms,
            zone=zone,
            marking_deadline_ms=times.marking_deadline_ms,
            lock_ms=times.lock_ms,
            batch_starts_ms=times.batch_starts_ms,
        ),
        bursary=tiers.bursary(profile, ends_ms=found.ends_ms, now_ms=now_ms, zone=zone),
        members=tuple(sorted({*standing.members(connection, found.id), *_walked_in(connection, found.id)})),
        submitted=standing.submitted(connection, profile, found.id),
    )


def _walked_in(connection: Connection, session_id: int) -> list[int]:
    query = select(walk_in.c.person_id).where(walk_in.c.session_id == session_id, walk_in.c.ended_ms.is_(None))
    return list(connection.execute(query).scalars())


def facts(
    connection: Connection, now: Situation, wanted: Mapping[int, str | None], *, reason: bool, evidence: bool
) -> dict[int, tuple[str | None, allowed.Facts]]:
    """person -> (mark, what the rules ask about it)."""
    found = now.session
    rows = derivations.marks_of(connection, [found.id], {*now.members, *wanted})
    there = {person: row.code for (_, person), row in rows.items()}
    after = there | dict(wanted)
    came = standing.came_along(connection, found, wanted)
    about = _about(now, reason=reason, evidence=evidence)
    return {
        person_id: (
            code,
            replace(
                about,
                current=there.get(person_id),
                students_set=sum(after.get(one) == code for one in now.members),
                trip_confirmed=person_id in came,
            ),
        )
        for person_id, code in wanted.items()
    }


def _about(now: Situation, *, reason: bool, evidence: bool) -> allowed.Facts:
    """What the rules ask about the register; what is to be known of one student is left open."""
    found = now.session
    return allowed.Facts(
        roles=now.stands.roles,
        staffs=now.stands.staffs,
        starts_ms=found.starts_ms,
        ends_ms=found.ends_ms,
        now_ms=now.now_ms,
        zone=now.zone,
        current=None,
        cancelled=found.cancelled_ms is not None,
        students_set=0,
        students_all=len(now.members),
        marking_deadline_ms=now.times.marking_deadline_ms,
        lock_ms=now.times.lock_ms,
        batch_starts_ms=now.times.batch_starts_ms,
        mode=found.mode,
        submitted=now.submitted,
        has_reason=reason,
        has_evidence=evidence,
    )


def of_marks(connection: Connection, now: Situation, wanted: Mapping[int, str | None], *, evidence: bool) -> Terms:
    """The terms of a request for these marks (person -> code), the reason taken as given.

    Raises NotAllowed(`request-tier`) naming the tier that applies, StoreError(`mark-code`, `request-evidence`).
    """
    for code in wanted.values():
        if code is not None and code not in now.profile.codes:
            raise StoreError("mark-code", f"choose one of the marks {', '.join(now.profile.codes)}")
    asked = facts(connection, now, wanted, reason=True, evidence=evidence)
    answer = rules.may_ask(now.profile, asked)
    if answer.allowed:
        return Terms(
            tier=now.tier.name,
            rule=now.tier.cites,
            needs=answer.needs | {"reason"},
            copies=now.tier.copies,
            approvals=tuple(sorted(answer.approvals)),
        )
    if "evidence" in answer.needs and not evidence and answer.by_request:
        raise StoreError("request-evidence", f"attach the evidence: {now.tier.cites} asks for it")
    approvals = _only_approval(now, asked)
    if approvals:
        return Terms(tier=now.tier.name, rule=answer.cites, needs=frozenset({"reason"}), approvals=approvals)
    raise NotAllowed("request-tier", _outside(now.tier, answer))


def _only_approval(now: Situation, asked: Mapping[int, tuple[str | None, allowed.Facts]]) -> tuple[str, ...]:
    """The approvals that alone are missing for all of it, where marks may still be changed without asking (U)."""
    found: set[str] = set()
    for code, about in asked.values():
        answer = allowed.may_set(now.profile, code, about)
        given = replace(about, approvals=answer.approvals)
        if not answer.approvals or not allowed.may_set(now.profile, code, given).allowed:
            return ()
        found |= answer.approvals
    return tuple(sorted(found))


def _outside(found: tiers.Tier, answer: allowed.Answer) -> str:
    """Why not, and the tier that applies."""
    said = f"the rule that applies now is {found.cites}: {_small(found.text)}"
    return said if answer.text == found.text else f"{_small(answer.text)} ({answer.cites}); {said}"


def _small(text: str) -> str:
    # A mark's letter stays as it is.
    return (text[:1].lower() + text[1:] if text[1:2].islower() else text).rstrip(".")


def of_bursary(now: Situation) -> Terms:
    """The terms of a request for bursary alone (LOUGH-35). Raises Refused or NotAllowed(`request-tier`)."""
    found = now.bursary
    if found is None:
        if now.profile.bursary_tier is None:
            raise Refused("request-tier", f"the rules of {now.profile.name} know no bursary: ask for a mark")
        raise Refused(
            "request-tier",
            "bursary alone is granted from a month after the session on: until then ask for the mark. "
            f"The rule that applies now is {now.tier.cites}: {_small(now.tier.text)}",
        )
    if not rules.may_ask_bursary(now.profile, _about(now, reason=True, evidence=True)).allowed:
        raise NotAllowed("request-tier", f"the rule that applies is {found.cites}: {_small(found.text)}")
    return Terms(tier=found.name, rule=found.cites, needs=found.needs | {"reason"}, copies=found.copies)


def of_list(now: Situation, kind: str) -> Terms:
    """The terms of a request to take learners off the list, or to put them on another (LOUGH-18).

    Raises Refused(`request-tier`) where nothing changes any more.
    """
    if now.final:
        raise Refused("request-tier", f"the rule that applies now is {now.tier.cites}: {_small(now.tier.text)}")
    # The transfer form comes with it (the table of marks, T).
    needs = {"reason", "evidence"} if kind == TRANSFER else {"reason"}
    return Terms(tier=_LIST.name, rule=_LIST.rule, needs=frozenset(needs))


def of_cancellation(now: Situation) -> Terms:
    """The terms of a request to cancel the class: whoever asks for marks at its age asks for this, by the same way.

    Raises Refused or NotAllowed(`request-tier`).
    """
    answer = allowed.may_cancel(now.profile, _about(now, reason=True, evidence=True))
    if answer.allowed:
        raise Refused("request-tier", "no request is needed: the class may be cancelled now, on its register")
    if now.session.cancelled_ms is not None:
        raise Refused("request-tier", _small(answer.text))
    if not answer.by_request:
        raise NotAllowed("request-tier", _outside(now.tier, answer))
    return Terms(tier=now.tier.name, rule=now.tier.cites, needs=answer.needs | {"reason"}, copies=now.tier.copies)


def restoring(now: Situation) -> allowed.Answer | None:
    """Whether whoever asks may bring the cancelled class back, and how; None: it is not cancelled."""
    found = now.session
    if found.cancelled_ms is None:
        return None
    about = _about(now, reason=True, evidence=True)
    by_person = found.cancelled_by_account_id is not None
    return allowed.may_restore(now.profile, about, cancelled_ms=found.cancelled_ms, by_person=by_person)


def of_restoration(now: Situation) -> Terms:
    """The terms of a request to bring a cancelled class back: as for its cancellation at that age.

    Raises Refused or NotAllowed(`request-tier`).
    """
    answer = restoring(now)
    if answer is None:
        raise Refused("request-tier", "the class is not cancelled: there is nothing to bring back")
    if answer.allowed:
        raise Refused("request-tier", "no request is needed: the cancellation may be taken back now, on its register")
    if not answer.by_request:
        raise NotAllowed("request-tier", _outside(now.tier, answer))
    # Where marks may still be changed without asking there is no tier to ask by: the registers team decides.
    name, copies = (RESTORATION, ()) if now.tier.direct else (now.tier.name, now.tier.copies)
    return Terms(tier=name, rule=answer.cites, needs=answer.needs | {"reason"}, copies=copies)


def is_late(now: Situation) -> bool:
    """Whether the register was to be submitted before, and was not (DDU-5)."""
    found = now.session
    due = deadlines.submission(
        now.profile,
        starts_ms=found.starts_ms,
        ends_ms=found.ends_ms,
        mode=found.mode,
        zone=now.zone,
        now_ms=now.now_ms,
    )
    return due is not None and not now.submitted and found.cancelled_ms is None


def of_submission(now: Situation) -> Terms:
    """The terms of a request to submit a programme's day late (DDU-6). Raises Refused(`request-tier`)."""
    if now.profile.programme is None:
        raise Refused("request-tier", f"the rules of {now.profile.name} know no late submission: ask for marks")
    if not is_late(now):
        raise Refused("request-tier", "no request is needed: the register is submitted, or may still be (DDU-5)")
    return Terms(tier=_LATE.name, rule=_LATE.rule, needs=frozenset(_LATE.needs))


def tier_of(now: Situation, kind: str, name: str) -> tiers.Tier:
    """The tier by which a request was asked, as the profile has it now: its approvers are configurable (STEP-22).

    One without approvers is decided by whoever gives the approvals that it needs.
    """
    if kind in (REMOVAL, TRANSFER):
        return tiers.made(now.profile, _LIST, None, now.zone)
    if kind == SUBMISSION:
        return tiers.made(now.profile, _LATE, None, now.zone)
    known = [*now.profile.tiers, *([now.profile.bursary_tier] if now.profile.bursary_tier else [])]
    found = next((one for one in known if one.name == name), None)
    # A tier that the profile has no more: whoever takes learners off lists decides.
    return tiers.made(now.profile, found or _LIST, None, now.zone)


def deciding_act(role: str) -> str:
    """The act by which a role decides a request. What ACTS gives nobody to decide, the profile may (STEP-22): then it
    reaches as far as what they read."""
    act = _DECIDES.get(role, "request.decide")
    return act if role in ACTS[act] else "request.read"


def deciding(connection: Connection, scope: Scope, session_id: int, roles: Iterable[str]) -> frozenset[str]:
    """Which of these roles this scope holds over the session, to decide."""
    wanted = scope.roles & set(roles)
    found: set[str] = set()
    for act in {deciding_act(role) for role in wanted}:
        held = standing.of(connection, scope, session_id, act).roles
        found |= {role for role in wanted & held if deciding_act(role) == act}
    return frozenset(found)


def list_from_ms(now: Situation, asked_ms: int) -> int:
    """From when a learner is off the list: from this session on while its register may still be changed without asking,
    else from the day on which it was asked. Older registers keep the list that they had."""
    direct = tiers.tier(
        now.profile,
        ends_ms=now.session.ends_ms,
        now_ms=asked_ms,
        zone=now.zone,
        marking_deadline_ms=now.times.marking_deadline_ms,
        lock_ms=now.times.lock_ms,
        batch_starts_ms=now.times.batch_starts_ms,
    ).direct
    return now.session.starts_ms if direct else moments.day_end(asked_ms, now.zone, 0)


def classes_of(connection: Connection, session_id: int) -> list[int]:
    """The classes whose lists make up the session's."""
    query = select(session_class.c.class_id).where(
        session_class.c.session_id == session_id, session_class.c.to_ms.is_(None)
    )
    return sorted(set(connection.execute(query).scalars()))
