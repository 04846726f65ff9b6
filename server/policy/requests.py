"""Change requests: who may make one, who may decide it, and what it must bring (LOUGH-18, LOUGH-32 to 35,
STEP-15 to 22, DDU-6). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from server.policy.allowed import Answer, Facts, may_set, tier_of
from server.policy.profile import Profile
from server.policy.sections import EVIDENCE, MINUTES, REASON
from server.policy.tiers import Tier, bursary, of_late_days, of_lists, people


def may_ask(profile: Profile, wanted: Mapping[int, tuple[str | None, Facts]]) -> Answer:
    """Whether these marks may be asked for by one change request now: person id -> (mark, facts).

    allowed: the request may be sent. Otherwise text says what applies in its place: to change the mark directly, who
    must ask, or what is missing. approvals: whose approval it needs besides its tier's approvers.
    """
    missing: set[str] = set()
    needs: set[str] = set()
    answer: Answer | None = None
    for code, facts in wanted.values():
        answer = may_set(profile, code, facts)
        if answer.allowed:
            text = f"No request is needed: {code or 'this'} may be set on the register now."
            return replace(answer, allowed=False, text=text)
        if not answer.by_request:
            return answer
        lacking = _lacking(answer.needs, facts)
        if lacking:
            assert answer.tier is not None
            text = f"{answer.tier.text} Missing: {' and '.join(lacking)}."
            return replace(answer, text=text, needs=answer.needs)
        missing |= answer.approvals
        needs |= answer.needs
    if answer is None:
        return Answer(allowed=False, rule=f"{profile.name}.request.empty", text="Choose at least one student.")
    return replace(answer, allowed=True, approvals=frozenset(missing), needs=frozenset(needs))


def _lacking(needs: Iterable[str], facts: Facts) -> list[str]:
    there = {REASON: facts.has_reason, EVIDENCE: facts.has_evidence, MINUTES: True}
    return [need for need in (REASON, EVIDENCE) if need in needs and not there[need]]


def may_ask_bursary(profile: Profile, facts: Facts) -> Answer:
    """Whether bursary may be asked for without a change of the mark: from a month on, without evidence (LOUGH-35)."""
    found = bursary(profile, ends_ms=facts.ends_ms, now_ms=facts.now_ms, zone=facts.zone)
    if found is None:
        now = tier_of(profile, facts)
        text = f"Bursary alone is not granted at this age. {now.text}"
        return Answer(allowed=False, rule=f"{profile.name}.tier.bursary", cites=now.cites, text=text, tier=now)
    return _asked(found, facts)


def may_ask_list(profile: Profile, facts: Facts, *, form: bool) -> Answer:
    """Whether a learner may be asked off the list, or onto another one, now (LOUGH-18). form: it is a transfer or a
    withdrawal, which comes with its form as evidence (the table of marks, T and W)."""
    now = tier_of(profile, facts)
    if not now.roles:
        return Answer(allowed=False, rule=now.rule, cites=now.cites, text=now.text, tier=now)
    found = of_lists(profile, facts.zone)
    return _asked(replace(found, needs=found.needs | {EVIDENCE}) if form else found, facts)


def may_ask_late(profile: Profile, facts: Facts) -> Answer:
    """Whether a programme's day may be asked to be submitted late (DDU-6), where it was not submitted in time."""
    found = of_late_days(profile, facts.zone)
    if found is None:
        text = f"The rules of {profile.name} know no late submission: ask for marks."
        return Answer(allowed=False, rule=f"{profile.name}.late-submission.none", text=text)
    return _asked(found, facts)


def _asked(found: Tier, facts: Facts) -> Answer:
    asks = bool(facts.acting & set(found.roles))
    lacking = _lacking(found.needs, facts)
    return Answer(
        allowed=asks and not lacking,
        rule=found.rule,
        cites=found.cites,
        text=found.text,
        tier=found,
        by_request=asks,
        needs=found.needs if asks else frozenset(),
    )


@dataclass(frozen=True, kw_only=True)
class Deciding:
    """Who decides which request."""

    #: the decider's roles that reach the session
    roles: frozenset[str]
    #: they asked for it themselves
    own: bool
    #: roles of others who have approved it
    approvals: frozenset[str] = frozenset()
    #: approvals that it needs besides, as may_ask said
    wanted: frozenset[str] = frozenset()
    has_evidence: bool = False
    #: evidence was asked for and has not come
    evidence_asked: bool = False


def may_apply(found: Tier, facts: Deciding) -> Answer:
    """Whether a request may be checked and applied by this person. found: the tier by which it was asked."""
    refused = _may_decide(found, facts)
    if refused is not None:
        return refused
    missing = facts.wanted - facts.approvals
    if missing:
        text = f"It needs the approval of {people(sorted(missing), 'and')} first."
        return _no(found, "approval", text, approvals=frozenset(missing))
    if facts.evidence_asked and not facts.has_evidence:
        return _no(
            found, "evidence", "Evidence was asked for and has not come yet: wait for it, or reject the request."
        )
    return Answer(allowed=True, rule=found.rule, cites=found.cites, tier=found)


def may_ask_evidence(found: Tier, facts: Deciding) -> Answer:
    """Whether evidence may be asked for later (LOUGH-32, LOUGH-33)."""
    refused = _may_decide(found, facts)
    if refused is not None:
        return refused
    if not found.evidence_later:
        return _no(found, "evidence-later", "Evidence comes with the request at this age: reject it where it does not.")
    return Answer(allowed=True, rule=found.rule, cites=found.cites, tier=found)


def _may_decide(found: Tier, facts: Deciding) -> Answer | None:
    if facts.own:
        return _no(found, "own", "Nobody decides their own request.")
    if not facts.roles & set(found.approvers):
        return _no(found, "approvers", f"It is decided by {people(found.approvers)}.")
    return None


def _no(found: Tier, why: str, text: str, approvals: frozenset[str] = frozenset()) -> Answer:
    return Answer(
        allowed=False, rule=f"{found.rule}.{why}", cites=found.cites, text=text, tier=found, approvals=approvals
    )
