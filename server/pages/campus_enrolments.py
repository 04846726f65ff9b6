"""Onto a class list and off it, from a day on: a late starter is a row, two clicks from the search."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Response

from server.declared import act
from server.pages import campus_words as words
from server.pages.campus_form import Ask, Field, Form, done, refused, sent, show, step
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, number
from server.pages.local import Local
from server.pages.words import Said
from server.store import (
    campus,
    campus_classes,
    campus_enrolment_effects,
    campus_enrolments,
    campus_people,
    locked_lists,
    people,
)
from server.store.campus import FieldRefused
from server.store.campus_enrolments import Place
from server.store.campus_people import Person
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ROLES = (("student", "student"), ("teacher", "teacher"))
#: doors are told of the sessions of the next four days (server/derive/rosters.py)
AHEAD_MS = 96 * 3_600_000


@router.get("/registry/people/{person}/enrol")
@act("campus.change")
def ask_enrol(signed: Signed, person: str) -> Response:
    """Which class, and from when on."""
    with reading(signed.engine) as connection:
        person_id = number(person, "person")
        found = campus_people.one(connection, signed.scope, person_id, "campus.change", now_ms=signed.now_ms())
        return show(signed, _ask_enrol(signed, connection, found, signed.local(connection)))


@router.post("/registry/people/{person}/enrol")
@act("campus.change")
def enrol(signed: Signed, person: str, fields: Form) -> Response:
    """Put them on a class list. Sent twice it is done once."""
    scope, now_ms = signed.scope, signed.now_ms()
    with reading(signed.engine) as connection:
        found = campus_people.one(connection, scope, number(person, "person"), "campus.change", now_ms=now_ms)
        local = signed.local(connection)
        if fields.get("day") == "today":
            # The form in the search's result.
            fields = {**fields, "day": local.today().isoformat()}
        came = sent(signed, fields, local)
        ask = _ask_enrol(signed, connection, found, local)
        code = came.answers.text("class", "the class", needed=True, longest=64)
        role = came.answers.chosen("role", ROLES)
        from_ms = came.answers.day_ms("day")
        if came.answers.problems:
            return step(signed, ask, came, list, lambda: done("/registry", "same"))
        try:
            group = campus_classes.by_code(connection, scope, code)
            there = campus_enrolments.open_places(connection, group.id, found.id, role, from_ms)
            planned = None
            if not any(row.source_id == came.once for row in there):
                campus_enrolments.check(connection, group, found.id, there, from_ms)
                planned = campus_enrolments.later(there, from_ms)
                until_ms = None if planned is None else planned.from_ms
                if role == campus_classes.STUDENT:
                    locked_lists.need_open(connection, scope, signed.desk.profiles, group.id, from_ms, until_ms, now_ms)
        except FieldRefused as error:
            return refused(signed, ask, came, error)
        touched = campus_enrolment_effects.touched(connection, group.id, found.id, from_ms, now_ms, AHEAD_MS)

    def effects() -> list[Said]:
        said = [Said("calm", f"{found.full_name} is on the list of {group.code} as {role} for "
                             f"{words.many(touched.coming, 'coming session')}.")]  # fmt: skip
        if planned is not None:
            said.append(Said("late", f"They were to come onto it on {local.dated(planned.from_ms)}: they come on this day "
                                     "instead."))  # fmt: skip
            if planned.to_ms is not None:
                said.append(Said("", f"They are on it until {local.dated(planned.to_ms)}, as it was planned."))
        if touched.doors:
            said.append(Said("", f"The doors of {', '.join(touched.doors)} take their card within a minute."))
        elif touched.coming:
            said.append(Said("", "No reader stands at the doors of its next sessions: they are marked by hand."))
        # Of whom it has only the class, the cards are not this registry's to see or to give.
        if role == "student" and found.whole and not any(one.to_ms is None for one in found.cards):
            said.append(Said("late", "They have no card that works: give them one."))
        if touched.past:
            said.append(Said("late", f"{words.many(touched.past, 'session')} since that day "
                                     f"{'is' if touched.past == 1 else 'are'} over: those registers list them too."))  # fmt: skip
        if touched.clashes:
            said.append(Said("bad", f"{words.many(touched.clashes, 'session')} "
                                    f"{'is' if touched.clashes == 1 else 'are'} at the same time as others of theirs."))  # fmt: skip
        return said

    def make() -> Response:
        with writing(signed.engine) as connection:
            did = campus_enrolments.enrol(
                connection,
                scope,
                signed.desk.profiles,
                found.id,
                group.id,
                role=role,
                from_ms=from_ms,
                once=came.once,
                now_ms=now_ms,
            )
        signed.request.app.state.wake()
        return done(f"/registry/people/{found.id}", "enrolled" if did else "same")

    return step(signed, ask, came, effects, make)


def _ask_enrol(signed: Visit, connection: Connection, found: Person, local: Local) -> Ask:
    return Ask(
        title=f"Enrol {found.full_name}",
        address=f"/registry/people/{found.id}/enrol",
        fields=(
            Field(name="class", label="Class", needed=True, longest=64, hint="Its code, such as CS101-A.",
                  offered=tuple(campus_classes.codes(connection, signed.scope))),
            Field(name="role", label="As", kind="choice", options=ROLES, value="student"),
            Field(name="day", label="From this day on", kind="date", value=local.today().isoformat(), needed=True),
        ),
        back=(f"/registry/people/{found.id}", found.full_name),
        seen="",
        do="Enrol",
    )  # fmt: skip


@router.get("/registry/enrolments/{enrolment}/end")
@act("campus.change")
def ask_leave(signed: Signed, enrolment: str) -> Response:
    """From when on they are off the list."""
    with reading(signed.engine) as connection:
        found = campus_enrolments.place(connection, signed.scope, number(enrolment, "enrolment"))
        return show(signed, _ask_leave(found, signed.local(connection)))


@router.post("/registry/enrolments/{enrolment}/end")
@act("campus.change")
def leave(signed: Signed, enrolment: str, fields: Form) -> Response:
    """Take them off a class list from a day on."""
    scope, now_ms = signed.scope, signed.now_ms()
    with reading(signed.engine) as connection:
        found = campus_enrolments.place(connection, scope, number(enrolment, "enrolment"))
        local = signed.local(connection)
        came = sent(signed, fields, local)
        to_ms = came.answers.day_ms("day")
        touched = campus_enrolment_effects.touched(connection, found.class_id, found.person_id, to_ms, now_ms, AHEAD_MS)
    seen = came.seen or found.seen

    def work(connection: Connection, seen: str) -> bool:
        return campus_enrolments.leave(
            connection, scope, signed.desk.profiles, found.id, to_ms=to_ms, seen=seen, now_ms=now_ms
        )

    def effects() -> list[Said]:
        campus.tried(signed.engine, lambda connection: work(connection, seen))
        return _follows(found, touched)

    def make() -> Response:
        with writing(signed.engine) as connection:
            did = work(connection, came.seen)
            # A department has no part in whoever it had by this place alone.
            here = people.reached(connection, scope, [found.person_id], "campus.read")
        signed.request.app.state.wake()
        return done(f"/registry/people/{found.person_id}" if here else "/registry", "left" if did else "same")

    return step(signed, _ask_leave(found, local), came, effects, make)


def _follows(found: Place, touched: campus_enrolment_effects.Touched) -> list[Said]:
    said = [Said("calm", f"{found.full_name} is not expected in {words.many(touched.coming, 'coming session')} of "
                         f"{found.class_code} any more.")]  # fmt: skip
    if touched.past:
        said.append(Said("late", f"{words.many(touched.past, 'session')} since that day "
                                 f"{'is' if touched.past == 1 else 'are'} over: those registers say "
                                 "'left the list', and what was derived there is worked out again."))  # fmt: skip
    if found.role == "teacher":
        said.append(Said("late", "The class's coming sessions lose them as lecturer: see that somebody else has them."))
    if found.source != campus.SOURCE:
        said.append(
            Said(
                "calm",
                f"This place comes from {found.source}: an import leaves it ended until it was dropped there too.",
            )
        )
    return said


def _ask_leave(found: Place, local: Local) -> Ask:
    return Ask(
        title=f"Take {found.full_name} off {found.class_code}",
        address=f"/registry/enrolments/{found.id}/end",
        fields=(
            Field(name="day", label="Off the list from this day on", kind="date", needed=True,
                  value=(local.today() + timedelta(days=1)).isoformat(), hint="What was before this day stays as it is."),
        ),
        back=(f"/registry/people/{found.person_id}", found.full_name),
        seen=found.seen,
        do="Take off the list",
    )  # fmt: skip
