"""The form of a session: its times, rooms, classes and staff, asked and read."""

from __future__ import annotations

from server.errors import StoreError
from server.pages import campus_words as words
from server.pages.campus_form import Ask, Field, Sent
from server.pages.desk import Visit
from server.pages.local import Local
from server.policy.sections import OFF_SITE, SCHOOL_LINK
from server.store import campus_catalogue, campus_classes, campus_people
from server.store.campus_sessions import Session, Wanted
from server.store.engine import Connection

HOME = ("/registry", "Registry")
KINDS = (("class", "class"), ("exam", "exam"), ("visit", "visit"), ("tutorial", "tutorial"))
#: by school-link and off-site it has a marking deadline of its own (LOUGH-2, LOUGH-3)
MODES = (
    ("classroom", "in a classroom"),
    (SCHOOL_LINK, "with a school: a school-link register"),
    (OFF_SITE, "off site"),
    ("synchronous", "online, live"),
    ("online", "online, any time"),
)


def ask_room(signed: Visit, connection: Connection, found: Session, local: Local) -> Ask:
    """The form that asks for its rooms alone."""
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


def ask(signed: Visit, connection: Connection, found: Session | None, local: Local) -> Ask:
    """The form with what is there; None: of a new session."""
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


def wanted(
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
