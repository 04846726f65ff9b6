"""Questions of what is worth what, and when: taps, percentages, deadlines, lateness, shifts, quotas."""

from fractions import Fraction

from server.policy import days, deadlines, lateness, marking, moments, percentages, quotas
from tests.server.policy.given import ENDS, LONDON, STARTS, at, said


def _window(profile, given):
    opens, closes = profile.window(given.ms("starts", STARTS), given.ms("ends", ENDS))
    return {"opens": said(opens), "closes": said(closes)}


def _tap(profile, given):
    found = marking.from_tap(
        profile,
        starts_ms=given.ms("starts", STARTS),
        ends_ms=given.ms("ends", ENDS),
        at_ms=given.ms("at"),
        uncertainty_ms=given("uncertainty_s", 0) * 1000,
    )
    return {"mark": found.code, "late_min": found.late_min, "flag": found.flag}


def _silence(profile, given):
    state = given("evidence", "complete")
    found = marking.from_silence(profile, marking.Evidence(state=state, rule="evidence.known"))
    answer = {"mark": found.code if found else "", "said": found is not None}
    return answer | {"released": said(marking.deadline_ms(profile, given.ms("ends", ENDS), LONDON))}


def _marks(given):
    """`17 P, 2 R, 1 A`, and which of the marks are not verified, granted, corrected, or of a class
    that was cancelled."""
    special = {name: set(given(name, "").split()) for name in ("unverified", "granted", "corrected", "cancelled")}
    weight = Fraction(given("weight", "1"))
    rows = []
    for part in given("marks").split(","):
        many, _, code = part.strip().rpartition(" ")
        for _ in range(int(many or 1)):
            rows.append(
                percentages.Counted(
                    key=len(rows),
                    code=None if code == "-" else code,
                    verified=code not in special["unverified"],
                    granted=code in special["granted"],
                    corrected=code in special["corrected"],
                    cancelled=code in special["cancelled"],
                    weight=weight,
                )
            )
    return rows


def _percentage(profile, given):
    ledger, rows = given("ledger", "attendance"), _marks(given)
    found = percentages.percentage(profile, ledger, rows)
    first, why = {}, {}
    for row in found.rows:
        first.setdefault(row.code or "-", row.effect)
        why.setdefault(row.code or "-", row.why)
    made = {"sum": found.sum, "text": found.text, "reached": found.reached, "rows": first, "why": why}
    return made | {"otherwise": percentages.otherwise(profile, rows).sum if ledger == "bursary" else ""}


def _session(given):
    return {
        "starts_ms": given.ms("starts", STARTS),
        "ends_ms": given.ms("ends", ENDS),
        "mode": given("mode", "classroom"),
        "zone": LONDON,
        "course_deadline_ms": given.ms("deadline"),
    }


def _deadlines(profile, given):
    found = deadlines.marking(profile, **_session(given))
    return {
        "warn": said(found.warn_ms),
        "breach": said(found.breach_ms),
        "unmarked": said(found.unmarked_ms),
        "cites": found.cites,
    }


def _state(profile, given):
    found = deadlines.state(
        profile,
        now_ms=given.ms("now", ENDS),
        marked_ms=given.ms("marked"),
        cancelled=given("cancelled", False),
        members=given("members", 20),
        ended=given("ended", False),
        **_session(given),
    )
    return {"state": found.name, "text": found.text}


def _course(profile, given):
    found = deadlines.course(
        profile,
        course_ends_ms=given.ms("ends", ENDS),
        zone=LONDON,
        deadline_ms=given.ms("deadline"),
        lock_ms=given.ms("lock"),
    )
    return {
        "guide": said(found.guide_ms),
        "lock": said(found.lock_ms),
        "deadline": said(found.deadline_ms),
        "final": said(found.final_ms),
        "reminded": said(found.remind_ms),
        "warned": found.warning is not None,
    }


def _lateness(profile, given):
    late_min, early_min = given("late_min"), given("early_min")
    refused = lateness.wrong(
        profile, given("mark", "L"), late_min=late_min, early_min=early_min, length_min=given("length_min", 60)
    )
    late = lateness.is_late(profile, late_min=late_min, early_min=early_min)
    return {"refused": refused is not None, "why": refused, "late": late}


def _persistent(profile, given):
    found = lateness.persistent(
        profile, [at(one) for one in given("late")], now_ms=given.ms("now", "Fri 2026-10-30 16:00"), zone=LONDON
    )
    return {"persistent": found is not None and found.persistent, "times": found.times if found else 0}


def _shift(profile, given):
    kind = given("kind") or days.kind_of(profile, length_min=given("length_min"))
    shift = days.Shift(
        kind=kind, late_min=given("late_min"), early_min=given("early_min"), occasions=given("occasions", 0)
    )
    found = days.judge(profile, shift)
    return {
        "kind": kind,
        "mark": found.decision.code,
        "occasion": found.occasion,
        "day": days.weight(profile, kind),
        "why": found.text,
    }


def _day(profile, given):
    marks, swiped = given("marks", ""), given("swiped", False)
    begins, day = given.ms("batch_starts", STARTS), given.ms("day", STARTS)
    block, place = days.block(profile, moments.day_of(day, LONDON), moments.day_of(begins, LONDON))
    return {
        "paid": days.pays(profile, [one.strip() or None for one in marks.split(",")], swiped=swiped).paid,
        "block": block + 1,
        "day_of_block": place + 1,
    }


def _quota(profile, given):
    kind, now_ms = given("kind"), given.ms("now")
    rows = [quotas.Correction(at_ms=at(one), kind=kind, batch_id=1, person_id=1) for one in given("before", [])] + [
        quotas.Correction(at_ms=at(one), kind=kind, batch_id=2, person_id=2) for one in given("of_others", [])
    ]
    if kind == "correction":
        found = quotas.corrections(profile, rows, person_id=1, now_ms=now_ms, zone=LONDON)
    else:
        found = quotas.late_submissions(profile, rows, batch_id=1, now_ms=now_ms, zone=LONDON)
    return {"used": found.used, "allowed": found.left, "cites": found.cites}


def _footage(profile, given):
    kept = quotas.footage_until(
        profile, completed_ms=given.ms("completed"), closed_early_ms=given.ms("closed_early"), zone=LONDON
    )
    return {"until": said(kept)}


SUMS = {
    "window": _window,
    "tap": _tap,
    "silence": _silence,
    "percentage": _percentage,
    "deadlines": _deadlines,
    "state": _state,
    "course": _course,
    "lateness": _lateness,
    "persistent lateness": _persistent,
    "shift": _shift,
    "day": _day,
    "quota": _quota,
    "footage": _footage,
}
