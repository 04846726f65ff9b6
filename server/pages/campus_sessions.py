"""A session as the registry keeps it: its page, another room or time, a new one by hand. Imports leave it alone then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response

from server.declared import act
from server.errors import StoreError
from server.pages import campus_words as words
from server.pages.campus_form import Ask, Field, Form, Sent, done, sent, show, step
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.words import Said
from server.store import campus, campus_catalogue, campus_classes, campus_people, campus_sessions
from server.store.campus_sessions import Effect, Session, Wanted
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)

HOME = ("/registry", "Registry")
KINDS = (("class", "class"), ("exam", "exam"), ("visit", "visit"), ("tutorial", "tutorial"))
MODES = (("classroom", "in a classroom"), ("synchronous", "online, live"), ("online", "online, any time"))


@router.get("/registry/sessions/new")
@act("campus.change")
def ask_new(signed: Signed) -> Response:
    """The form for a new session."""
    with reading(signed.engine) as connection:
        return show(signed, _ask(signed, connection, None, signed.local(connection)))


@router.post("/registry/sessions/new")
@act("campus.change")
def add(signed: Signed, fields: Form) -> Response:
    """Make a session by hand. Sent twice it makes one."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        came = sent(signed, fields, local)
        ask = _ask(signed, connection, None, local)
        wanted = _wanted(signed, connection, came, None)

    def work(connection: Connection) -> int:
        return campus_sessions.add(
            connection, signed.scope, signed.desk.profiles, wanted, once=came.once or "0" * 32, now_ms=signed.now_ms()
        )

    def effects() -> list[Said]:
        def look(connection: Connection) -> Effect:
            made = campus_sessions.one(connection, signed.scope, work(connection), "campus.change")
            return campus_sessions.effect(connection, made, made, signed.now_ms())

        return _new(campus.tried(signed.engine, look), local)

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
        effect = campus_sessions.effect(connection, found, found, local.now_ms)
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
    return _asked(signed, session, _ask)


@router.get("/registry/sessions/{session}/room")
@act("campus.change")
def ask_room(signed: Signed, session: str) -> Response:
    """Only its rooms."""
    return _asked(signed, session, _ask_room)


def _asked(signed: Visit, session: str, ask: Callable[[Visit, Connection, Session, Local], Ask]) -> Response:
    with reading(signed.engine) as connection:
        found = campus_sessions.one(connection, signed.scope, number(session, "session"), "campus.change")
        return show(signed, ask(signed, connection, found, signed.local(connection)))


@router.post("/registry/sessions/{session}/change")
@act("campus.change")
def change(signed: Signed, session: str, fields: Form) -> Response:
    """Change a session. Changed meanwhile it is shown, not overwritten."""
    return _changed(signed, session, fields, _ask)


@router.post("/registry/sessions/{session}/room")
@act("campus.change")
def move(signed: Signed, session: str, fields: Form) -> Response:
    """Give a session another room."""
    return _changed(signed, session, fields, _ask_room)


def _changed(
    signed: Visit, session: str, fields: dict[str, str], asks: Callable[[Visit, Connection, Session, Local], Ask]
) -> Response:
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = campus_sessions.one(connection, signed.scope, number(session, "session"), "campus.change")
        came = sent(signed, fields, local)
        ask = asks(signed, connection, found, local)
        wanted = _wanted(signed, connection, came, found, only={one.name for one in ask.fields})

    def work(connection: Connection, seen: str) -> Effect:
        return campus_sessions.change(
            connection, signed.scope, signed.desk.profiles, found.id, wanted, seen=seen, now_ms=signed.now_ms()
        )

    def effects() -> list[Said]:
        return follows(campus.tried(signed.engine, lambda connection: work(connection, came.seen or found.seen)), local)

    def make() -> Response:
        with writing(signed.engine) as connection:
            effect = work(connection, came.seen)
        signed.request.app.state.wake()
        return done(f"/registry/sessions/{found.id}", "same" if effect.before is effect.after else "changed")

    return step(signed, ask, came, effects, make)


def follows(effect: Effect, local: Local) -> list[Said]:
    """What a change of a session does, in words."""
    before, after = effect.before, effect.after
    if before is after:
        return [Said("", "Nothing changes: it is so already.")]
    said = []
    if before.rooms != after.rooms:
        said.append(
            Said("calm", f"Moves from {', '.join(before.rooms) or 'no room'} to {', '.join(after.rooms) or 'no room'}.")
        )
    if effect.doors_before != effect.doors_after:
        stops = [one for one in effect.doors_before if one not in effect.doors_after]
        begins = [one for one in effect.doors_after if one not in effect.doors_before]
        if begins:
            said.append(Said("calm", f"The door of {', '.join(begins)} takes its cards from now on."))
        if stops:
            said.append(Said("", f"The door of {', '.join(stops)} takes them no more."))
    if not effect.doors_after:
        said.append(Said("late", "No reader stands at its door: it is marked by hand."))
    if (before.opens_ms, before.closes_ms) != (after.opens_ms, after.closes_ms):
        said.append(Said("calm", f"{words.many(effect.students_after, 'student')}: the window changes from "
                                 f"{_window(before, local)} to {_window(after, local)}."))  # fmt: skip
    if effect.students_before != effect.students_after:
        said.append(Said("calm", f"Its list has {words.many(effect.students_after, 'student')} instead of "
                                 f"{effect.students_before}."))  # fmt: skip
    if before.staff != after.staff:
        said.append(Said("calm", f"Taught by {', '.join(after.staff.values()) or 'nobody'}."))
    if effect.marked:
        said.append(Said("late", f"{words.many(effect.marked, 'mark')} {'stands' if effect.marked == 1 else 'stand'} on "
                                 "its register: those set by hand stay, those from cards are worked out again."))  # fmt: skip
    return said + _clashing(effect) + ([] if before.kept_by_hand else [_kept(before)])


def _new(effect: Effect, local: Local) -> list[Said]:
    after = effect.after
    said = [Said("calm", f"{words.when(after.starts_ms, after.ends_ms, local)}, cards from {_window(after, local)}, for "
                         f"{words.many(effect.students_after, 'student')}.")]  # fmt: skip
    doors = ", ".join(effect.doors_after)
    said.append(Said("", f"The door of {doors} takes their cards." if doors else "No reader stands at its door: it is "
                     "marked by hand."))  # fmt: skip
    if not after.staff:
        said.append(Said("late", "Nobody teaches it: give it staff, or nobody sees its register."))
    return said + _clashing(effect)


def _clashing(effect: Effect) -> list[Said]:
    return [Said("bad", f"At the same time in its room: {one}.") for one in effect.room_clashes] + [
        Said("bad", f"Its staff teach at the same time: {one}.") for one in effect.staff_clashes
    ]


def _kept(before: Session) -> Said:
    return Said("", f"It is {words.source(before.source)}. From now on imports leave it as it is, and say so.")


def _window(one: Session, local: Local) -> str:
    return f"{local.moment(one.opens_ms)} – {local.time(one.closes_ms)}"


def _ask_room(signed: Visit, connection: Connection, found: Session, local: Local) -> Ask:
    rooms = tuple(_rooms(signed, connection))
    return Ask(
        title=f"Another room for {found.title}",
        address=f"/registry/sessions/{found.id}/room",
        fields=(
            Field(name="rooms", label="Room", value="; ".join(found.rooms), offered=rooms, longest=400,
                  hint=f"{words.when(found.starts_ms, found.ends_ms, local)}. Several rooms: with ; between."),
        ),
        back=(f"/registry/sessions/{found.id}", found.title),
        seen=found.seen,
        do="Move",
    )  # fmt: skip


def _ask(signed: Visit, connection: Connection, found: Session | None, local: Local) -> Ask:
    day, begins = local.iso(found.starts_ms) if found else (local.today().isoformat(), "")
    ends = local.iso(found.ends_ms)[1] if found else ""
    end_day = local.iso(found.ends_ms)[0] if found else ""
    people = campus_people.numbers_of(connection, found.staff) if found else {}
    staff = [people.get(key) or f"#{key}" for key in found.staff] if found else []
    names = ", ".join(found.staff.values()) if found else ""
    return Ask(
        title=f"Change {found.title}" if found else "Add a session",
        address=f"/registry/sessions/{found.id}/change" if found else "/registry/sessions/new",
        fields=(
            Field(name="title", label="Title", value=found.title if found else "", needed=True),
            Field(name="day", label="Day", kind="date", value=day, needed=True),
            Field(name="begins", label="Starts", kind="time", value=begins, needed=True),
            Field(name="ends", label="Ends", kind="time", value=ends, needed=True,
                  hint="Earlier than the start: on the next day." if end_day == day or not found else "On the next day."),
            Field(name="rooms", label="Rooms", kind="lines", value="\n".join(found.rooms) if found else "",
                  hint="Their codes, one a line. None: it has no door."),
            Field(name="classes", label="Classes", kind="lines", value="\n".join(found.classes) if found else "",
                  needed=True, hint="Their codes, one a line: their lists are whom it is for."),
            Field(name="staff", label="Staff", kind="lines", value="\n".join(staff),
                  hint=f"Staff numbers, one a line.{f' Now: {names}.' if names else ''}"),
            Field(name="kind", label="Kind", kind="choice", options=_with(KINDS, found.kind if found else "class"),
                  value=found.kind if found else "class"),
            Field(name="mode", label="Where", kind="choice", value=found.mode if found else "classroom",
                  options=_with(MODES, found.mode if found else "classroom")),
        ),
        back=(f"/registry/sessions/{found.id}", found.title) if found else HOME,
        seen=found.seen if found else "",
        do="Apply" if found else "Add this session",
    )  # fmt: skip


def _with(options: tuple[tuple[str, str], ...], value: str) -> tuple[tuple[str, str], ...]:
    return options if value in dict(options) else (*options, (value, value))


def _rooms(signed: Visit, connection: Connection) -> dict[str, int]:
    listed = campus_catalogue.listed(connection, signed.scope, "room", act="campus.change")
    return {one.values["code"]: one.id for one in listed if one.ended_ms is None}


def _wanted(
    signed: Visit, connection: Connection, came: Sent, found: Session | None, only: set[str] | None = None
) -> Wanted:
    """What the form asks for; what it does not ask stays."""
    answers = came.answers
    # What it has it may keep, also what is at an end or beyond reach.
    rooms = _rooms(signed, connection) | (dict(found.rooms) if found else {})
    wanted_rooms = answers.listed("rooms", rooms, "room")
    if only is not None and only == {"rooms"} and found is not None:
        return Wanted(
            title=found.title, kind=found.kind, mode=found.mode, starts_ms=found.starts_ms, ends_ms=found.ends_ms,
            rooms=wanted_rooms, classes=frozenset(found.classes.values()), staff=frozenset(found.staff),
        )  # fmt: skip
    title = answers.text("title", "the title", needed=True)
    starts_ms = answers.at_ms("day", "begins")
    ends_ms = answers.at_ms("day", "ends")
    if starts_ms and ends_ms and ends_ms <= starts_ms:
        # The same time on the next day, by the clock on the wall.
        ends_ms = answers.at_ms("day", "ends", days=1)
    classes = campus_classes.ids_of(connection, signed.scope) | (dict(found.classes) if found else {})
    wanted_classes = answers.listed("classes", classes, "class")
    if not wanted_classes:
        answers.wrong("classes", "Name at least one class: its list is whom the session is for.")
    return Wanted(
        title=title,
        kind=answers.chosen("kind", _with(KINDS, found.kind if found else "class")),
        mode=answers.chosen("mode", _with(MODES, found.mode if found else "classroom")),
        starts_ms=starts_ms,
        ends_ms=ends_ms,
        rooms=wanted_rooms,
        classes=wanted_classes,
        staff=_staff(signed, connection, came, found),
    )


def _staff(signed: Visit, connection: Connection, came: Sent, found: Session | None) -> frozenset[int]:
    known = {f"#{key}": key for key in found.staff} if found else {}
    wanted = [part.strip() for line in came.fields.get("staff", "").splitlines() for part in line.split(";")]
    for part in filter(None, wanted):
        try:
            known.setdefault(part, campus_people.by_number(connection, signed.scope, part))
        except StoreError:
            continue
    return came.answers.listed("staff", known, "person with the number")
