"""The form of a trip: planned, and changed while it holds. People are named by class, number or name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.derive import trips as marks
from server.errors import NotAllowed, StoreError
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, number, pairs
from server.pages.local import Local, parse_day
from server.pages.rendering import page
from server.store import trip_people, trip_plans, trips
from server.store.engine import Connection, reading, writing
from server.store.trips import STAFF, STUDENT

router = APIRouter(route_class=PageRoute, include_in_schema=False)
#: characters of a list of a trip's students: a long number for each of them
LISTS_MOST = 25 * trip_plans.STUDENTS_MAX


class Wrong(StoreError):
    """What was filled in cannot be used: shown in the form."""

    status = 422


async def many(request: Request) -> dict[str, str]:
    """Dependency: a form with a box for each student of a trip."""
    return dict(await pairs(request, most=trip_plans.STUDENTS_MAX + 100, longest=LISTS_MOST))


Many = Annotated[dict[str, str], Depends(many)]


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
            trip_id = trip_plans.plan(connection, signed.scope, now_ms=signed.now_ms(), **vars(asked))
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
            gone = trip_plans.change(connection, signed.scope, trip_id, now_ms=signed.now_ms(), **vars(asked))
            marks.fill(connection, signed.desk.profiles, trip_id, now_ms=signed.now_ms(), also=gone)
    except StoreError as error:
        if error.status >= 500 or isinstance(error, NotAllowed) or error.code == "trip":
            raise
        return _form(signed, fields=fields, problem=error, trip_id=trip_id, members=members)
    signed.request.app.state.wake()
    return RedirectResponse(f"/trips/{trip_id}?said=changed", status_code=303)
