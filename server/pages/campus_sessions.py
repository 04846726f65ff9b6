"""A session as the registry keeps it: its page, another room or time, a new one by hand. Imports leave it alone then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response

from server.declared import act
from server.pages import campus_session_form, campus_session_words
from server.pages import campus_words as words
from server.pages.campus_form import Ask, Form, done, sent, show, step
from server.pages.campus_session_form import MODES
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.words import Said
from server.store import campus, campus_session_changes, campus_session_effects, campus_sessions
from server.store.campus_session_effects import Effect
from server.store.campus_sessions import Session
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/registry/sessions/new")
@act("campus.change")
def ask_new(signed: Signed) -> Response:
    """The form for a new session."""
    with reading(signed.engine) as connection:
        return show(signed, campus_session_form.ask(signed, connection, None, signed.local(connection)))


@router.post("/registry/sessions/new")
@act("campus.change")
def add(signed: Signed, fields: Form) -> Response:
    """Make a session by hand. Sent twice it makes one."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        came = sent(signed, fields, local)
        ask = campus_session_form.ask(signed, connection, None, local)
        wanted = campus_session_form.wanted(signed, connection, came, None)

    def work(connection: Connection) -> int:
        return campus_session_changes.add(
            connection, signed.scope, signed.desk.profiles, wanted, once=came.once or "0" * 32, now_ms=signed.now_ms()
        )

    def effects() -> list[Said]:
        def look(connection: Connection) -> Effect:
            made = campus_sessions.one(connection, signed.scope, work(connection), "campus.change")
            return campus_session_effects.between(connection, made, made, signed.now_ms())

        return campus_session_words.begins(campus.tried(signed.engine, look), local)

    def make() -> Response:
        with writing(signed.engine) as connection:
            made = work(connection)
        signed.request.app.state.wake()
        return done(f"/registry/sessions/{made}", "added")

    return step(signed, ask, came, effects, make)


@router.get("/registry/sessions/{session}")
@act("campus.read")
def show_session(signed: Signed, session: str, said: str = "") -> Response:
    """What the registry keeps of a session."""
    with reading(signed.engine) as connection:
        found = campus_sessions.one(connection, signed.scope, number(session, "session"))
        local = signed.local(connection)
        effect = campus_session_effects.between(connection, found, found, local.now_ms)
        steps = campus.history(connection, signed.scope, [f"session/{found.id}"])
    return page(
        signed.request,
        "campus_session.html",
        login=signed.login,
        one=_shown(found, effect, local),
        history=words.history(steps, local),
        may=signed.scope.may("campus.change"),
        reads=signed.scope.may("register.read"),
        profiles=signed.scope.may("profiles.change"),
        covers=signed.scope.may("register.cover"),
        said=words.SAID.get(said),
    )


def _shown(found: Session, effect: Effect, local: Local) -> dict[str, Any]:
    return {
        "id": found.id,
        "title": found.title,
        "when": words.when(found.starts_ms, found.ends_ms, local),
        "window": f"{local.time(found.opens_ms)} – {local.time(found.closes_ms)}",
        "profile": found.profile,
        "kind": found.kind,
        "mode": dict(MODES).get(found.mode, found.mode),
        "rooms": ", ".join(found.rooms) or "no room",
        "classes": [{"id": key, "code": code} for code, key in found.classes.items()],
        "staff": ", ".join(found.staff.values()) or "nobody",
        "students": words.many(effect.students_after, "student"),
        "doors": ", ".join(effect.doors_after) or "none: marked by hand",
        "source": words.source(found.source),
        "kept": found.kept_by_hand,
        "cancelled": found.cancelled_ms is not None,
        "clashes": [*(f"the room: {one}" for one in effect.room_clashes), *(f"staff: {one}" for one in
                    effect.staff_clashes)],
    }  # fmt: skip


@router.get("/registry/sessions/{session}/change")
@act("campus.change")
def ask_change(signed: Signed, session: str) -> Response:
    """The form with what is there."""
    return _asked(signed, session, campus_session_form.ask)


@router.get("/registry/sessions/{session}/room")
@act("campus.change")
def ask_room(signed: Signed, session: str) -> Response:
    """Only its rooms."""
    return _asked(signed, session, campus_session_form.ask_room)


def _asked(signed: Visit, session: str, ask: Callable[[Visit, Connection, Session, Local], Ask]) -> Response:
    with reading(signed.engine) as connection:
        found = campus_sessions.one(connection, signed.scope, number(session, "session"), "campus.change")
        return show(signed, ask(signed, connection, found, signed.local(connection)))


@router.post("/registry/sessions/{session}/change")
@act("campus.change")
def change(signed: Signed, session: str, fields: Form) -> Response:
    """Change a session. Changed meanwhile it is shown, not overwritten."""
    return _changed(signed, session, fields, campus_session_form.ask)


@router.post("/registry/sessions/{session}/room")
@act("campus.change")
def move(signed: Signed, session: str, fields: Form) -> Response:
    """Give a session another room."""
    return _changed(signed, session, fields, campus_session_form.ask_room)


def _changed(
    signed: Visit, session: str, fields: dict[str, str], asks: Callable[[Visit, Connection, Session, Local], Ask]
) -> Response:
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = campus_sessions.one(connection, signed.scope, number(session, "session"), "campus.change")
        came = sent(signed, fields, local)
        ask = asks(signed, connection, found, local)
        wanted = campus_session_form.wanted(signed, connection, came, found, only={one.name for one in ask.fields})

    def work(connection: Connection, seen: str) -> Effect:
        return campus_session_changes.change(
            connection, signed.scope, signed.desk.profiles, found.id, wanted, seen=seen, now_ms=signed.now_ms()
        )

    def effects() -> list[Said]:
        return campus_session_words.follows(
            campus.tried(signed.engine, lambda connection: work(connection, came.seen or found.seen)), local
        )

    def make() -> Response:
        with writing(signed.engine) as connection:
            effect = work(connection, came.seen)
            reached = campus_sessions.reached(connection, signed.scope, found.id)
        signed.request.app.state.wake()
        address = f"/registry/sessions/{found.id}" if reached else "/registry"
        return done(address, "same" if effect.before is effect.after else "changed")

    return step(signed, ask, came, effects, make)
