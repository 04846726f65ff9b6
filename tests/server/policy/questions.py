"""Questions of who may do what: may set, tier, may ask, may decide, may verify, absences, guidance."""

from dataclasses import replace

from server.policy import allowed, cancellation, leave, requests, tiers, verification
from tests.server.policy.given import ENDS, LONDON, STARTS, age, said


def _facts(given):
    return allowed.Facts(
        roles=given.roles("roles"),
        staffs=given("staffs", True),
        starts_ms=given.ms("starts", STARTS),
        ends_ms=given.ms("ends", ENDS),
        now_ms=given.ms("now", ENDS),
        zone=LONDON,
        current=given("current", "") or None,
        cancelled=given("cancelled", False),
        students_set=given("students_set", 1),
        students_all=given("students_all", 20),
        marking_deadline_ms=given.ms("deadline"),
        lock_ms=given.ms("lock"),
        batch_starts_ms=given.ms("batch_starts"),
        reported_ms=given.ms("reported"),
        has_reason=given("reason", False),
        has_evidence=given("evidence", False),
        trip_confirmed=given("trip_confirmed", False),
        approvals=given.roles("approvals"),
        submitted=given("submitted", False),
    )


def _answer(answer):
    return {
        "allowed": answer.allowed,
        "by_request": answer.by_request,
        "needs": answer.needs,
        "approvals": answer.approvals,
        "tier": answer.tier.name if answer.tier else "",
        "cites": answer.cites,
        "text": answer.text,
    }


def _tier(found):
    if found is None:
        return {"name": ""}
    return {
        "name": found.name,
        "cites": found.cites,
        "roles": found.roles,
        "by_request": found.by_request,
        "needs": found.needs,
        "copies": found.copies,
        "approvers": found.approvers,
        "evidence_later": found.evidence_later,
        "until": said(found.until_ms),
        "text": found.text,
    }


def _may_set(profile, given):
    return _answer(allowed.may_set(profile, given("mark") or None, _facts(given)))


def _tier_of(profile, given):
    given("starts")  # said for people; a tier counts from the end
    return _tier(
        tiers.tier(
            profile,
            marking_deadline_ms=given.ms("deadline"),
            lock_ms=given.ms("lock"),
            batch_starts_ms=given.ms("batch_starts"),
            **age(given),
        )
    )


def _ask(profile, given):
    marks = given("marks", ["P"])
    facts = _facts(given)
    return _answer(requests.may_ask(profile, {number: (mark, facts) for number, mark in enumerate(marks)}))


def _ask_list(profile, given):
    form = given("form", False)
    return _answer(requests.may_ask_list(profile, _facts(given), form=form))


def _decide(profile, given):
    ask = {"apply": requests.may_apply, "ask-evidence": requests.may_ask_evidence}
    act = ask[given("act", "apply")]
    if given("bursary", False):
        found = tiers.bursary(profile, **age(given))
    elif given("list", False):
        found = tiers.of_lists(profile, LONDON)
    elif given("late_day", False):
        found = tiers.of_late_days(profile, LONDON)
    else:
        found = tiers.tier(profile, marking_deadline_ms=given.ms("deadline"), lock_ms=given.ms("lock"), **age(given))
    assert found is not None, "there is no such tier at that age"
    facts = requests.Deciding(
        roles=given.roles("roles"),
        own=given("own", False),
        approvals=given.roles("approvals"),
        wanted=given.roles("wanted"),
        has_evidence=given("evidence", False),
        evidence_asked=given("evidence_asked", False),
    )
    return _answer(act(found, facts))


def _verify(profile, given):
    facts = _facts(given)
    return _answer(verification.may_verify(profile, facts)) | {
        "counts": verification.counts(profile, verified=given("verified", False)),
        "saved": verification.saved(profile, given("mark", "") or None),
    }


def _route(profile, given):
    found = leave.route(
        profile, from_ms=given.ms("from"), to_ms=given.ms("to"), zone=LONDON, leave=given("leave", False)
    )
    return {
        "kind": found.kind,
        "mark": found.code,
        "approvers": found.approvers,
        "by_faculty": found.by_faculty,
        "cites": found.cites,
    }


def _fills(profile, given):
    sessions = given("sessions")
    absence = leave.Absence(
        kind=given("kind", "reported"),
        state=given("state", "approved"),
        from_ms=given.ms("from", "Mon 2026-10-12 00:00"),
        to_ms=given.ms("to", "Tue 2026-10-13 00:00"),
        reported_ms=given.ms("reported", "Mon 2026-10-12 08:00"),
        decided_ms=given.ms("decided", "Mon 2026-10-12 12:00"),
        has_evidence=given("evidence", False),
        sessions=None if sessions is None else frozenset(sessions),
    )
    session = leave.Session(
        id=1,
        starts_ms=given.ms("starts", STARTS),
        ends_ms=given.ms("ends", ENDS),
        zone=LONDON,
        cancelled=given("cancelled", False),
        current=given("current", "") or None,
    )
    found = leave.fills(profile, absence, session)
    return {"mark": found.code if found else "", "filled": found is not None}


def _guidance(profile, given):
    mark = given("mark")
    return {"situations": [one.situation for one in profile.guidance if mark in one.marks]}


def _restore(profile, given):
    about = replace(_facts(given), cancelled=True)
    by_person = not given("by_timetable", False)
    return _answer(cancellation.may_restore(profile, about, cancelled_ms=given.ms("cancelled_at"), by_person=by_person))


QUESTIONS = {
    "may set": _may_set,
    "may cancel": lambda profile, given: _answer(cancellation.may_cancel(profile, _facts(given))),
    "may restore": _restore,
    "may verify": _verify,
    "tier": _tier_of,
    "bursary tier": lambda profile, given: _tier(tiers.bursary(profile, **age(given))),
    "may ask": _ask,
    "may ask bursary": lambda profile, given: _answer(requests.may_ask_bursary(profile, _facts(given))),
    "may ask for a list": _ask_list,
    "may ask for a late day": lambda profile, given: _answer(requests.may_ask_late(profile, _facts(given))),
    "list tier": lambda profile, given: _tier(tiers.of_lists(profile, LONDON)),
    "late tier": lambda profile, given: _tier(tiers.of_late_days(profile, LONDON)),
    "may decide": _decide,
    "absence route": _route,
    "absence fills": _fills,
    "guidance": _guidance,
}
