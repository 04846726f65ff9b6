"""By which tier a change may be asked for now, who may ask, and what is needed (LOUGH-31 to 35, STEP-2 to 22)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from server.errors import NotAllowed, Refused, StoreError
from server.policy import allowed, cancellation, deadlines, moments, tiers
from server.policy import requests as rules
from server.store import derivations, request_situations
from server.store.request_kinds import RESTORATION, TRANSFER
from server.store.request_situations import Situation
from server.store.schema import session_class


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


def of_marks(connection: Connection, now: Situation, wanted: Mapping[int, str | None], *, evidence: bool) -> Terms:
    """The terms of a request for these marks (person -> code), the reason taken as given.

    Raises NotAllowed(`request-tier`) naming the tier that applies, StoreError(`mark-code`, `request-evidence`).
    """
    for code in wanted.values():
        if code is not None and code not in now.profile.codes:
            raise StoreError("mark-code", f"choose one of the marks {', '.join(now.profile.codes)}")
    asked = request_situations.facts(connection, now, wanted, reason=True, evidence=evidence)
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
    return _by(rules.may_ask_bursary(now.profile, request_situations.about_register(now, reason=True, evidence=True)))


def of_list(connection: Connection, now: Situation, kind: str, person_ids: Iterable[int]) -> Terms:
    """The terms of a request to take these learners off the list, or to put them on another (LOUGH-18).

    Raises Refused(`request-tier`) where nothing changes any more, NotAllowed(`request-tier`).
    """
    if now.final:
        raise Refused("request-tier", f"the rule that applies now is {now.tier.cites}: {_small(now.tier.text)}")
    # The transfer form comes with it, or the withdrawal form of whoever is marked so (the table of marks, T and W).
    held = derivations.marks_of(connection, [now.session.id], person_ids).values()
    marked = [now.profile.codes[one.code] for one in held if one.code in now.profile.codes]
    formal = kind == TRANSFER or any(one.with_form for one in marked)
    about = request_situations.about_register(now, reason=True, evidence=True)
    return _by(rules.may_ask_list(now.profile, about, form=formal))


def _by(answer: allowed.Answer) -> Terms:
    """The terms of the tier by which it is asked. Raises NotAllowed(`request-tier`)."""
    found = answer.tier
    if found is None or not answer.allowed:
        raise NotAllowed("request-tier", f"the rule that applies is {answer.cites}: {_small(answer.text)}")
    return Terms(tier=found.name, rule=found.cites, needs=answer.needs | {"reason"}, copies=found.copies)


def of_cancellation(now: Situation) -> Terms:
    """The terms of a request to cancel the class: whoever asks for marks at its age asks for this, by the same way.

    Raises Refused or NotAllowed(`request-tier`).
    """
    answer = cancellation.may_cancel(now.profile, request_situations.about_register(now, reason=True, evidence=True))
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
    about = request_situations.about_register(now, reason=True, evidence=True)
    by_person = found.cancelled_by_account_id is not None
    return cancellation.may_restore(now.profile, about, cancelled_ms=found.cancelled_ms, by_person=by_person)


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
    """The terms of a request to submit a programme's day late (DDU-6). Raises Refused or NotAllowed(`request-tier`)."""
    if now.profile.programme is None:
        raise Refused("request-tier", f"the rules of {now.profile.name} know no late submission: ask for marks")
    if not is_late(now):
        raise Refused("request-tier", "no request is needed: the register is submitted, or may still be (DDU-5)")
    return _by(rules.may_ask_late(now.profile, request_situations.about_register(now, reason=True, evidence=True)))


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
