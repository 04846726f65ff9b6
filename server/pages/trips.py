"""Visits and trips: planned, confirmed by staff on the trip, and what follows on the registers (V)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.derive import trips as marks
from server.errors import NotAllowed, StoreError
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, id_in, number, pairs
from server.pages.local import Local, parse_day
from server.pages.rendering import page
from server.pages.words import Said
from server.store import people, trip_people, trips
from server.store.engine import Connection, reading, writing
from server.store.trips import STAFF, STUDENT, Trip

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

#: days of which past trips are listed
BACK_DAYS = 60
_SAID = {
    "planned": "The trip is planned. Once it has begun, its staff confirm here who came.",
    "changed": "The trip is changed, and so are the marks that rest on it.",
    "confirmed": "Who came is confirmed. The registers below were filled as they say.",
    "cancelled": "The trip is cancelled. Its marks are taken off the registers.",
}


class Wrong(StoreError):
    """What was filled in cannot be used: shown in the form."""

    status = 422


async def many(request: Request) -> dict[str, str]:
    """Dependency: a form with a box for each student of a trip."""
    return dict(await pairs(request, most=trips.STUDENTS_MAX + 100))


Many = Annotated[dict[str, str], Depends(many)]


@router.get("/trips")
@act("trip.plan")
def listed(signed: Signed) -> Response:
    """The trips that one planned, goes along with, or whose students are in one's care."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = trips.listed(connection, signed.scope, local.now_ms - BACK_DAYS * 86_400_000)
    lines = [_line(one, local) for one in found]
    return page(signed.request, "trips.html", login=signed.login, lines=lines)


def _line(one: Trip, local: Local) -> dict[str, Any]:
    return {"id": one.id, "title": one.title, "when": _when(one, local), "students": one.students, "by": one.by,
            "state": _state(one, local)}  # fmt: skip


def _when(one: Trip, local: Local) -> str:
    first, last = local.dated(one.from_ms), local.dated(one.to_ms)
    if first == last:
        return f"{first}, {local.time(one.from_ms)} – {local.time(one.to_ms)}"
    return f"{first}, {local.time(one.from_ms)} to {last}, {local.time(one.to_ms)}"


def _state(one: Trip, local: Local) -> Said:
    if one.cancelled_ms is not None:
        return Said("", "cancelled")
    if one.confirmed_ms is not None:
        return Said("good", f"{one.came} of {one.students} came")
    if local.now_ms < one.from_ms:
        return Said("calm", "to come")
    return Said("late", "to be confirmed")


# --- planning --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Asked:
    title: str
    from_ms: int
    to_ms: int
    students: frozenset[int]
    staff: frozenset[int]


def _parts(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[\n;,]", text) if part.strip()]


def _read(
    connection: Connection,
    signed: Visit,
    fields: Mapping[str, str],
    local: Local,
    known: Mapping[str, frozenset[int]] | None = None,
) -> _Asked:
    """Raises Wrong(`trip-*`), NotFound(`class`). known: on the trip already, by role; boxes say who stays."""
    scope = signed.scope
    from_ms, to_ms = (_moment(fields, local, name) for name in ("first", "last"))
    students: set[int] = set()
    staff: set[int] = set()
    for role, mine in (known or {}).items():
        stays = {one for one in mine if fields.get(f"keep-{one}") == "yes"}
        (students if role == STUDENT else staff).update(stays)
    for code in _parts(fields.get("classes", "")):
        students.update(trip_people.class_of(connection, scope, code[:64], from_ms))
    found, unknown = trip_people.numbered(connection, scope, _parts(fields.get("numbers", "")))
    students.update(found.values())
    if unknown:
        raise Wrong("trip-students", f"nobody has the number {', '.join(unknown[:5])}: write it as on the card")
    names, missing = trip_people.staff_named(connection, scope, _parts(fields.get("staff", "")))
    staff.update(names.values())
    numbered, missing = trip_people.numbered(connection, scope, missing)
    staff.update(numbered.values())
    if missing:
        raise Wrong("trip-staff", f"no one member of staff is called {', '.join(missing[:5])}: write the full name")
    if fields.get("me") == "yes" and scope.person_id is not None:
        staff.add(scope.person_id)
    return _Asked(
        title=fields.get("title", ""),
        from_ms=from_ms,
        to_ms=to_ms,
        students=frozenset(students),
        staff=frozenset(staff),
    )


def _moment(fields: Mapping[str, str], local: Local, name: str) -> int:
    day = parse_day(fields.get(f"{name}_day", "").strip())
    try:
        clock = time.fromisoformat(fields.get(f"{name}_time", "").strip()[:5])
    except ValueError:
        clock = None
    at_ms = local.ms(day, clock) if day is not None and clock is not None else None
    if at_ms is None:
        what = "begins" if name == "first" else "ends"
        raise Wrong("trip-time", f"fill in when the trip {what}: a day and a time that the clocks have, such as 09:00")
    return at_ms


def _form(
    signed: Visit,
    *,
    fields: Mapping[str, str],
    problem: StoreError | None = None,
    trip_id: int | None = None,
    members: list[trips.Member] | None = None,
) -> Response:
    names = ("title", "first_day", "first_time", "last_day", "last_time", "classes", "numbers", "staff", "me")
    values = {name: fields.get(name, "") for name in names}
    return page(
        signed.request,
        "trip_form.html",
        status=200 if problem is None else 422,
        login=signed.login,
        csrf=signed.login.csrf,
        trip_id=trip_id,
        fields=values,
        has_person=signed.scope.person_id is not None,
        members=[
            {"id": one.person_id, "name": one.full_name, "number": one.number, "staff": one.role == STAFF,
             "keep": fields.get(f"keep-{one.person_id}") == "yes"}
            for one in members or []
        ],
        problem=words.sentence(problem) if problem is not None else None,
    )  # fmt: skip


@router.get("/trips/new")
@act("trip.plan")
def ask(signed: Signed) -> Response:
    """The form of a new trip."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
    day = local.today().isoformat()
    return _form(
        signed, fields={"first_day": day, "last_day": day, "first_time": "09:00", "last_time": "17:00", "me": "yes"}
    )


@router.post("/trips/new")
@act("trip.plan")
def plan(signed: Signed, fields: Many) -> Response:
    """Plan it. Sent twice it is planned once."""
    check_csrf(fields, signed.login)
    try:
        with writing(signed.engine) as connection:
            asked = _read(connection, signed, fields, signed.local(connection))
            trip_id = trips.plan(connection, signed.scope, now_ms=signed.now_ms(), **vars(asked))
    except NotAllowed:
        raise
    except StoreError as error:
        if error.status >= 500:
            raise
        return _form(signed, fields=fields, problem=error)
    return RedirectResponse(f"/trips/{trip_id}?said=planned", status_code=303)


@router.get("/trips/{trip}/change")
@act("trip.plan")
def ask_change(signed: Signed, trip: str) -> Response:
    """The form with what is planned."""
    trip_id = number(trip, "trip")
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = trips.need_charge(connection, signed.scope, trip_id)
        members = trips.members(connection, trip_id)
    first, last = local.iso(found.from_ms), local.iso(found.to_ms)
    fields = {
        "title": found.title,
        "first_day": first[0],
        "first_time": first[1],
        "last_day": last[0],
        "last_time": last[1],
    }
    fields |= {f"keep-{one.person_id}": "yes" for one in members}
    return _form(signed, fields=fields, trip_id=trip_id, members=members)


@router.post("/trips/{trip}/change")
@act("trip.plan")
def change(signed: Signed, trip: str, fields: Many) -> Response:
    """Change what was planned; what rests on it follows, with its history."""
    check_csrf(fields, signed.login)
    trip_id = number(trip, "trip")
    with reading(signed.engine) as connection:
        trips.need_charge(connection, signed.scope, trip_id)
        members = trips.members(connection, trip_id)
    known = {role: frozenset(one.person_id for one in members if one.role == role) for role in (STUDENT, STAFF)}
    try:
        with writing(signed.engine) as connection:
            asked = _read(connection, signed, fields, signed.local(connection), known)
            gone = trips.change(connection, signed.scope, trip_id, now_ms=signed.now_ms(), **vars(asked))
            marks.fill(connection, signed.desk.profiles, trip_id, now_ms=signed.now_ms(), also=gone)
    except StoreError as error:
        if error.status >= 500 or isinstance(error, NotAllowed) or error.code == "trip":
            raise
        return _form(signed, fields=fields, problem=error, trip_id=trip_id, members=members)
    signed.request.app.state.wake()
    return RedirectResponse(f"/trips/{trip_id}?said=changed", status_code=303)


# --- one trip --------------------------------------------------------------------------------------------------------


@router.get("/trips/{trip}")
@act("trip.plan")
def one(signed: Signed, trip: str, said: str = "") -> Response:
    """Who is to come, who came, and what follows on which register."""
    trip_id = number(trip, "trip")
    with reading(signed.engine) as connection:
        return _page(signed, connection, trip_id, said=_SAID.get(said))


def _page(
    signed: Visit, connection: Connection, trip_id: int, *, said: str | None = None, problem: StoreError | None = None
) -> Response:
    local = signed.local(connection)
    found = trips.need(connection, signed.scope, trip_id)
    members = trips.members(connection, trip_id)
    students = [one for one in members if one.role == STUDENT]
    charge = trips.in_charge(connection, signed.scope, trip_id)
    if not charge:
        # A department sees where its own students are, and nobody else's.
        mine = people.reached(connection, signed.scope, [one.person_id for one in students], "trip.plan")
        students = [one for one in students if one.person_id in mine]
    names = {one.person_id: one.full_name for one in students}
    # Before it is confirmed: what would follow if everybody came.
    came = {one.person_id for one in students if one.came or found.confirmed_ms is None}
    effects = [] if found.cancelled_ms is not None else marks.effects(
        connection, signed.desk.profiles, found, came,
        institution_id=signed.scope.institution_id, now_ms=signed.now_ms(),
    )  # fmt: skip
    is_staff = trips.is_staff(connection, signed.scope, trip_id)
    holds = found.cancelled_ms is None
    return page(
        signed.request,
        "trip.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        found=_line(found, local),
        staff=", ".join(one.full_name for one in members if one.role == STAFF),
        students=[
            {"id": one.person_id, "name": one.full_name, "number": one.number,
             "came": one.came if found.confirmed_ms is not None else True,
             "state": "came" if one.came else "did not come" if one.came is False else "not said yet"}
            for one in students
        ],
        confirmed=f"{local.moment(found.confirmed_ms)}" if found.confirmed_ms is not None else None,
        confirms=is_staff and holds and local.now_ms >= found.from_ms,
        waits="It can be confirmed once it has begun." if is_staff and holds and local.now_ms < found.from_ms
        else "Only staff on the trip confirm who came." if holds and not is_staff and found.confirmed_ms is None else None,
        holds=holds,
        charge=charge,
        sessions=_sessions(effects, names, local),
        said=said,
        problem=words.sentence(problem) if problem is not None else None,
    )  # fmt: skip


def _sessions(effects: list[marks.Effect], names: Mapping[int, str], local: Local) -> list[dict[str, Any]]:
    """The effects by session, and in it by what follows: names only where somebody has to look."""
    found: dict[int, dict[str, Any]] = {}
    for one in effects:
        row = one.session
        here = found.setdefault(
            row.id,
            {"id": row.id, "title": row.title, "texts": {},
             "when": f"{local.dated(row.starts_ms)}, {local.time(row.starts_ms)} – {local.time(row.ends_ms)}"},
        )  # fmt: skip
        kind = {marks.FILLS: "calm", marks.ASKS: "late", marks.SO: "good", marks.STAYS: ""}[one.kind]
        here["texts"].setdefault((kind, one.text), []).append(names.get(row.person_id, "a student"))
    return [
        here | {"texts": [
            {"kind": kind, "text": text, "many": len(who), "names": ", ".join(who[:5]) + (" and others" if len(who) > 5 else "")
             if kind in ("late", "") else ""}
            for (kind, text), who in here["texts"].items()
        ]}
        for here in found.values()
    ]  # fmt: skip


@router.post("/trips/{trip}/confirm")
@act("trip.plan")
def confirm(signed: Signed, trip: str, fields: Many) -> Response:
    """Staff on the trip say who came: V on every register that those miss. Again and otherwise is a change."""
    check_csrf(fields, signed.login)
    trip_id = number(trip, "trip")
    try:
        with writing(signed.engine) as connection:
            trips.need(connection, signed.scope, trip_id)
            if not trips.is_staff(connection, signed.scope, trip_id):
                raise NotAllowed("trip-staff", "only staff on the trip confirm who came: they keep its paper register")
            seen = {one for text in fields.get("students", "").split() if (one := id_in(text)) is not None}
            came = {one: fields.get(f"came-{one}") == "yes" for one in seen}
            trips.confirm(connection, signed.scope, trip_id, came, now_ms=signed.now_ms())
            marks.fill(connection, signed.desk.profiles, trip_id, now_ms=signed.now_ms())
    except StoreError as error:
        return _again(signed, trip_id, error)
    signed.request.app.state.wake()
    return RedirectResponse(f"/trips/{trip_id}?said=confirmed", status_code=303)


@router.post("/trips/{trip}/cancel")
@act("trip.plan")
def cancel(signed: Signed, trip: str, fields: Form) -> Response:
    """It does not take place. Sent twice it is cancelled once."""
    check_csrf(fields, signed.login)
    trip_id = number(trip, "trip")
    with writing(signed.engine) as connection:
        trips.cancel(connection, signed.scope, trip_id, now_ms=signed.now_ms())
        marks.fill(connection, signed.desk.profiles, trip_id, now_ms=signed.now_ms())
    signed.request.app.state.wake()
    return RedirectResponse(f"/trips/{trip_id}?said=cancelled", status_code=303)


def _again(signed: Visit, trip_id: int, error: StoreError) -> Response:
    if not error.mendable:
        raise error
    with reading(signed.engine) as connection:
        return _page(signed, connection, trip_id, problem=error)
