"""A course run's marking deadline and lock: what holds, set with a reason, and the history of it (STEP-3, STEP-20, STEP-21)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from server.declared import act
from server.pages import campus_words as words
from server.pages.campus_answers import Answers
from server.pages.campus_form import Ask, Field, Form, done, sent, show, step
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, number
from server.pages.local import Local
from server.pages.words import Said
from server.policy import moments
from server.store import campus, campus_catalogue, class_runs, course_runs
from server.store.course_runs import Judged, Run
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/registry/course-runs/{run}/dates")
@act("campus.change")
def ask_dates(signed: Signed, run: str) -> Response:
    """What holds now, and the form."""
    with reading(signed.engine) as connection:
        found = course_runs.one(connection, signed.scope, signed.desk.profiles, number(run, "run"))
        return show(signed, _ask(signed, connection, found, signed.local(connection)))


@router.post("/registry/course-runs/{run}/dates")
@act("campus.change")
def set_dates(signed: Signed, run: str, fields: Form) -> Response:
    """Set them, once what follows was looked at."""
    scope, profiles, now_ms = signed.scope, signed.desk.profiles, signed.now_ms()
    with reading(signed.engine) as connection:
        found = course_runs.one(connection, scope, profiles, number(run, "run"))
        local = signed.local(connection)
        came = sent(signed, fields, local)
        ask = _ask(signed, connection, found, local)
        waiting = course_runs.unverified(connection, found.id, now_ms)
    deadline_ms, lock_ms = (_day(came.answers, came.fields.get(name, ""), name) for name in ("deadline", "lock"))
    reason = came.answers.text("reason", "why", needed=True, longest=course_runs.REASON_MOST)
    seen = came.seen or found.seen

    def work(connection: Connection, seen: str) -> bool:
        return course_runs.set_dates(
            connection, scope, profiles, found.id, deadline_ms=deadline_ms, lock_ms=lock_ms, reason=reason, seen=seen,
            now_ms=now_ms,
        )  # fmt: skip

    def effects() -> list[Said]:
        campus.tried(signed.engine, lambda connection: work(connection, seen))
        said = [Said("late", text) for text in
                course_runs.warnings(found, local.zone, deadline_ms=deadline_ms, lock_ms=lock_ms)]  # fmt: skip
        if waiting:
            said.append(Said("calm", f"{words.many(waiting, 'register')} of this run {'is' if waiting == 1 else 'are'} "
                                     "not verified yet."))  # fmt: skip
        return [*said, Said("calm", "After the lock nothing changes any more, for nobody.")]

    def make() -> Response:
        with writing(signed.engine) as connection:
            did = work(connection, came.seen)
        return done(f"/registry/courses/{found.course_id}", "changed" if did else "same")

    return step(signed, ask, came, effects, make)


def _day(answers: Answers, text: str, name: str) -> int | None:
    """The end of a local day; None: by the profile."""
    return answers.day_ms(name, after=True) if text.strip() else None


def _ask(signed: Visit, connection: Connection, run: Run, local: Local) -> Ask:
    name = campus_catalogue.one(connection, signed.scope, "course", run.course_id, "campus.change").values["code"]
    final = run.final_ms is not None and run.final_ms <= local.now_ms
    notes = [Said("bad" if final else "calm", text) for text in _holds(run, local)]
    hint = "To the end of this day. Empty: as the profile says."
    return Ask(
        title=f"Dates of {name} {run.code}",
        address=f"/registry/course-runs/{run.id}/dates",
        fields=(
            Field(name="deadline", label="Marking deadline", kind="date", value=_value(run.deadline_ms, local), hint=hint),
            Field(name="lock", label="Records final after", kind="date", value=_value(run.lock_ms, local), hint=hint),
            Field(name="reason", label="Reason", needed=True, longest=course_runs.REASON_MOST),
        ),
        back=(f"/registry/courses/{run.course_id}", name),
        seen=run.seen,
        notes=tuple(notes),
    )  # fmt: skip


def _value(at_ms: int | None, local: Local) -> str:
    return "" if at_ms is None else local.iso(at_ms - 1)[0]


def _holds(run: Run, local: Local) -> list[str]:
    """What holds now, in a sentence for each profile that judges the run's sessions."""
    if not run.judged:
        return ["It has no sessions yet: what is set here holds for them, else what their profile says."]
    return [_of_profile(one, run, local) for one in run.judged]


def _of_profile(one: Judged, run: Run, local: Local) -> str:
    dates, zone = one.dates, local.zone
    if dates.deadline_ms is None and dates.final_ms is None:
        known = one.profile.course_lock_days is None or run.ends_ms is not None
        why = "its registers follow their own deadlines" if known else "nobody knows when it ends: it is never final"
        return f"{one.profile.title}: {why}."
    parts = []
    if dates.deadline_ms is not None:
        by = "as set" if run.deadline_ms is not None else f"{one.profile.course_deadline_days} days after its end"
        parts.append(f"marked until {moments.said(dates.deadline_ms, zone)} ({by})")
    if dates.final_ms is not None:
        by = "as set" if run.lock_ms is not None else f"{one.profile.course_lock_days} days after its end"
        parts.append(f"final from {moments.said(dates.final_ms, zone)} ({by})")
    return f"{one.profile.title}: {'; '.join(parts)}."


def of_class(signed: Visit, connection: Connection, class_id: int, local: Local) -> list[str]:
    """What holds for the registers of a class by its run, in sentences; none: it has no run."""
    run = course_runs.of_class(connection, signed.scope, signed.desk.profiles, class_id)
    return [] if run is None or not run.judged else _holds(run, local)


def shown(signed: Visit, connection: Connection, course_id: int, local: Local) -> list[dict[str, Any]]:
    """The course's runs for its page, each with what holds and with its history."""
    made = []
    for run in course_runs.of_course(connection, signed.scope, signed.desk.profiles, course_id):
        steps = campus.history(connection, signed.scope, [f"course-run/{run.id}"])
        reasons = course_runs.reasons(connection, signed.scope, steps)
        starts, ends = (local.dated(at) if at is not None else "not known" for at in (run.starts_ms, run.ends_ms))
        made.append(
            {
                "id": run.id,
                "code": run.code,
                "span": f"{starts} to {ends}",
                "holds": _holds(run, local),
                "final": run.final_ms is not None and run.final_ms <= local.now_ms,
                "history": [
                    {"at": local.moment(one.at_ms), "by": one.by or "Muster", "what": _what(one, local),
                     "reason": reasons.get(one.detail.get("note", 0), "")}
                    for one in steps
                ],
            }
        )  # fmt: skip
    return made


def _what(one: campus.Step, local: Local) -> str:
    if one.action == course_runs.FIXED:
        return "final since the lock date"

    if one.action == class_runs.DAYS_SET:
        return f"from {local.dated(one.detail['first'])} to {local.dated(one.detail['last'] - 1)}, by a class's form"

    def said(at_ms: int | None) -> str:
        return "by the profile" if at_ms is None else moments.said(at_ms, local.zone)

    changed = []
    for key, what in (("deadline", "marking deadline"), ("lock", "records final")):
        before, after = one.detail.get(key, [None, None])
        if before != after:
            changed.append(f"{what}: {said(before)} → {said(after)}")
    return "; ".join(changed)
