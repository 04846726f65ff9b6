"""The registry's desk: one search for people, classes, sessions and rooms; a late starter and a changed room stand in
the result itself, two clicks from done."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from server.declared import act
from server.pages import campus_words as words
from server.pages import sought
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form
from server.pages.local import Local
from server.pages.rendering import page
from server.store import campus_catalogue, campus_classes, campus_people, campus_timetable
from server.store.engine import Connection, reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

#: sessions are looked for from today on, so far ahead
AHEAD_DAYS = 14


@router.get("/registry")
@act("campus.read")
def desk(signed: Signed, found: str = "", said: str = "") -> Response:
    """The search, and what it finds. found: what was looked for (`find`)."""
    wanted = sought.opened(signed, found)
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        shown = _found(signed, connection, wanted, local) if wanted else None
        may = signed.scope.may("campus.change")
        classes = campus_classes.codes(connection, signed.scope) if may and shown and shown["people"] else []
        rooms = [one for one in campus_catalogue.listed(connection, signed.scope, "room") if one.ended_ms is None]
    return page(
        signed.request,
        "campus.html",
        login=signed.login,
        q=wanted,
        found=shown,
        may=may,
        classes=classes,
        rooms=[one.values["code"] for one in rooms] if shown and shown["sessions"] else [],
        csrf=signed.login.csrf,
        said=words.SAID.get(said),
        whole=signed.scope.reach("campus.change").all,
        profiles=signed.scope.may("profiles.change"),
        imports=signed.scope.may("imports.run"),
        audit=signed.scope.may("audit.read"),
        misuse=signed.scope.may("misuse.read"),
    )


@router.post("/registry/find")
@act("campus.read")
def find(signed: Signed, fields: Form) -> Response:
    """Look for words of a name, a number, a class, a session's title, a room: they never stand in an address."""
    check_csrf(fields, signed.login)
    return sought.to(signed, "/registry", fields.get("q", ""))


def _found(signed: Visit, connection: Connection, wanted: str, local: Local) -> dict[str, Any]:
    scope = signed.scope
    today = local.today()
    from_ms, to_ms = local.bounds(today)[0], local.bounds(today + timedelta(days=AHEAD_DAYS))[1]
    people = campus_people.search(connection, scope, wanted)
    classes = campus_classes.search(connection, scope, wanted)
    sessions = campus_timetable.search(connection, scope, wanted, from_ms, to_ms)
    plain = wanted.casefold()
    rooms = [
        one
        for one in campus_catalogue.listed(connection, scope, "room")
        if plain in f"{one.values['code']} {one.values['title'] or ''}".casefold()
    ][: campus_people.FOUND]
    return {
        "people": [
            {"id": one.id, "name": one.full_name, "number": one.number, "classes": ", ".join(one.classes),
             "ended": one.ended_ms is not None}
            for one in people
        ],
        "classes": [
            {"id": one.id, "code": one.code, "title": one.title, "course": one.course_code,
             "students": words.many(one.students, "student"), "ended": one.ended_ms is not None}
            for one in classes
        ],
        "sessions": [session_line(one, local) for one in sessions],
        "rooms": [
            {"id": one.id, "code": one.values["code"], "title": one.values["title"] or "",
             "ended": one.ended_ms is not None}
            for one in rooms
        ],
        "most": campus_people.FOUND,
        "nothing": not (people or classes or sessions or rooms),
    }  # fmt: skip


def session_line(one: campus_timetable.Found, local: Local) -> dict[str, Any]:
    """A session in a list."""
    return {
        "id": one.id,
        "title": one.title,
        "when": words.when(one.starts_ms, one.ends_ms, local),
        "rooms": ", ".join(one.rooms),
        "classes": ", ".join(one.classes),
        "cancelled": one.cancelled_ms is not None,
        "kept": one.kept_by_hand,
    }
