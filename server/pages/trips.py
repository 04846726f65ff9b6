"""Visits and trips: the list, one of them confirmed by staff on it, and what follows on the registers (V)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.derive import trips as marks
from server.errors import NotAllowed, StoreError
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, id_in, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.trip_form import Many
from server.pages.words import Said
from server.store import people, trip_plans, trips
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
    "cancelled": "The trip is cancelled. Its marks are taken off the registers of this week; older ones change by a "
    "change request.",
}


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
        trip_plans.cancel(connection, signed.scope, trip_id, now_ms=signed.now_ms())
        marks.fill(connection, signed.desk.profiles, trip_id, now_ms=signed.now_ms())
    signed.request.app.state.wake()
    return RedirectResponse(f"/trips/{trip_id}?said=cancelled", status_code=303)


def _again(signed: Visit, trip_id: int, error: StoreError) -> Response:
    if not error.mendable:
        raise error
    with reading(signed.engine) as connection:
        return _page(signed, connection, trip_id, problem=error)
