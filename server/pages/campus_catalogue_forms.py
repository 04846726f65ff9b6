"""The forms of what the registry keeps beside people and sessions: what each kind's asks, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from server.pages.campus_answers import Answers
from server.pages.campus_form import Field
from server.pages.desk import Visit
from server.pages.local import Local
from server.store import campus_catalogue, class_runs, programmes
from server.store.campus_catalogue import Thing
from server.store.engine import Connection


@dataclass(frozen=True, kw_only=True)
class Page:
    """A kind's pages. noun: the path parameter. fields: the form's; read: the values that it asks for."""

    name: str
    plural: str
    noun: str
    fields: Callable[[Visit, Connection, Thing | None, Local], tuple[Field, ...]]
    read: Callable[[Answers, tuple[Field, ...]], dict[str, Any]]


def _value(thing: Thing | None, column: str) -> str:
    return "" if thing is None or thing.values[column] is None else str(thing.values[column])


def _options(
    signed: Visit, connection: Connection, kind: str, thing: Thing | None, column: str, none: str, *, of: str = ""
) -> tuple[tuple[str, str], ...]:
    """of: what is given away by it: a part of the institution keeps its own."""
    listed = campus_catalogue.listed(connection, signed.scope, kind, act="campus.change")
    held = thing.values[column] if thing else None
    own = campus_catalogue.owners(connection, signed.scope, of) if of else None
    named = [
        (str(one.id), f"{one.values['code']} – {one.values['title']}")
        for one in listed
        if one.id == held or (one.ended_ms is None and (own is None or one.id in own))
    ]
    nobodys = own is None or (thing is not None and held is None)
    return (("", none), *named) if nobodys else tuple(named)


def _id(answers: Answers, name: str, fields: tuple[Field, ...]) -> int | None:
    options = next(one.options for one in fields if one.name == name)
    found = answers.chosen(name, options)
    return int(found) if found else None


def _code(thing: Thing | None, hint: str = "") -> Field:
    return Field(name="code", label="Code", value=_value(thing, "code"), needed=True, longest=64, hint=hint)


def _title(thing: Thing | None, *, needed: bool = True) -> Field:
    return Field(name="title", label="Title", value=_value(thing, "title"), needed=needed)


def _room(signed: Visit, connection: Connection, thing: Thing | None, _local: Local) -> tuple[Field, ...]:
    sites = campus_catalogue.sites(connection, signed.scope.institution_id)
    options = (("", "not said"), *((str(key), name) for key, name in sites.items()))
    return (
        _code(thing, "As the timetable writes it: with another code the next import makes a new room."),
        _title(thing, needed=False),
        Field(name="site_id", label="Building or site", kind="choice", options=options, value=_value(thing, "site_id")),
    )


def _term(_signed: Visit, _connection: Connection, thing: Thing | None, local: Local) -> tuple[Field, ...]:
    first = local.iso(thing.values["from_ms"])[0] if thing else ""
    last = local.iso(thing.values["to_ms"] - 1)[0] if thing else ""
    return (
        _title(thing),
        Field(name="from_ms", label="First day", kind="date", value=first, needed=True),
        Field(name="to_ms", label="Last day", kind="date", value=last, needed=True),
    )


def _read_term(answers: Answers, _fields: tuple[Field, ...]) -> dict[str, Any]:
    found = {
        "title": answers.text("title", "the title", needed=True),
        "from_ms": answers.day_ms("from_ms"),
        "to_ms": answers.day_ms("to_ms", after=True),
    }
    if not answers.problems and found["to_ms"] <= found["from_ms"]:
        answers.wrong("to_ms", "The last day is not before the first: correct it.")
    return found


def _department(signed: Visit, connection: Connection, thing: Thing | None, _local: Local) -> tuple[Field, ...]:
    options = _options(signed, connection, "department", thing, "parent_id", "none: it stands by itself")
    options = tuple(one for one in options if thing is None or one[0] != str(thing.id))
    return (
        _code(thing),
        _title(thing),
        Field(name="parent_id", label="Belongs to", kind="choice", options=options, value=_value(thing, "parent_id")),
    )


def _programme(signed: Visit, connection: Connection, thing: Thing | None, _local: Local) -> tuple[Field, ...]:
    options = _options(
        signed, connection, "department", thing, "department_id", "none: the institution's", of="programme"
    )
    return (
        _code(thing),
        _title(thing),
        Field(name="department_id", label="Department", kind="choice", options=options,
              value=_value(thing, "department_id"), hint="Its registry says which of its courses belong to it."),
    )  # fmt: skip


def _in_programme(signed: Visit, connection: Connection, thing: Thing | None) -> tuple[tuple[str, str], ...]:
    """The programmes to which a course may be given; one that is another's it keeps."""
    options = _options(signed, connection, "programme", thing, "programme_id", "none")
    held = _value(thing, "programme_id")
    if held in dict(options):
        return options
    return ((held, programmes.named(connection, signed.scope.institution_id, int(held))),)


def _course(signed: Visit, connection: Connection, thing: Thing | None, _local: Local) -> tuple[Field, ...]:
    options = _options(signed, connection, "department", thing, "department_id", "none", of="course")
    return (
        _code(thing, "It stands on every register."),
        _title(thing),
        Field(name="department_id", label="Department", kind="choice", options=options,
              value=_value(thing, "department_id"), hint="Its head sees the registers of this course."),
        Field(name="programme_id", label="Programme", kind="choice", options=_in_programme(signed, connection, thing),
              value=_value(thing, "programme_id"), hint="A profile that is given to the programme holds for it."),
        Field(name="lms_url", label="Its page in the LMS", kind="url", value=_value(thing, "lms_url"), longest=500),
    )  # fmt: skip


def _class(signed: Visit, connection: Connection, thing: Thing | None, local: Local) -> tuple[Field, ...]:
    options = _options(signed, connection, "course", thing, "course_id", "none", of="class")
    return (
        _code(thing, "The timetable names the class by it."),
        _title(thing),
        Field(name="course_id", label="Course", kind="choice", options=options, value=_value(thing, "course_id")),
        Field(name=class_runs.FIRST, label="First day", kind="date", value=_day(thing, class_runs.FIRST, 0, local)),
        Field(name=class_runs.LAST, label="Last day", kind="date", value=_day(thing, class_runs.LAST, 1, local),
              hint="From the last day on a marking deadline and a lock are counted, where its rules have them."),
    )  # fmt: skip


def _day(thing: Thing | None, column: str, after: int, local: Local) -> str:
    at_ms = thing.values[column] if thing else None
    return "" if at_ms is None else local.iso(at_ms - after)[0]


def _read_class(answers: Answers, fields: tuple[Field, ...]) -> dict[str, Any]:
    found = {**_coded("course_id")(answers, fields), **dict.fromkeys(class_runs.DAYS)}
    typed = [bool(answers.text(name, "the day")) for name in class_runs.DAYS]
    if not any(typed):
        return found
    found[class_runs.FIRST] = answers.day_ms(class_runs.FIRST)
    found[class_runs.LAST] = answers.day_ms(class_runs.LAST, after=True)
    if all(typed) and not answers.problems:
        if found[class_runs.LAST] <= found[class_runs.FIRST]:
            answers.wrong(class_runs.LAST, "The last day is not before the first: correct it.")
        elif found["course_id"] is None:
            answers.wrong("course_id", "Choose its course too: the days are those of the course's run.")
    return found


def _read_course(answers: Answers, fields: tuple[Field, ...]) -> dict[str, Any]:
    found = _coded("department_id", lms=True)(answers, fields)
    return {**found, "programme_id": _id(answers, "programme_id", fields)}


def _coded(column: str, *, lms: bool = False, title_needed: bool = True) -> Callable[..., dict[str, Any]]:
    def read(answers: Answers, fields: tuple[Field, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {
            "code": answers.text("code", "the code", needed=True, longest=64),
            "title": answers.text("title", "the title", needed=title_needed) or ("" if title_needed else None),
            column: _id(answers, column, fields),
        }
        if lms:
            found["lms_url"] = answers.link("lms_url") or None
        return found

    return read


PAGES = {
    one.name: one
    for one in (
        Page(name="room", plural="rooms", noun="room", fields=_room, read=_coded("site_id", title_needed=False)),
        Page(name="term", plural="terms", noun="term", fields=_term, read=_read_term),
        Page(name="department", plural="departments", noun="department", fields=_department, read=_coded("parent_id")),
        Page(name="programme", plural="programmes", noun="programme", fields=_programme, read=_coded("department_id")),
        Page(name="course", plural="courses", noun="course", fields=_course, read=_read_course),
        Page(name="class", plural="classes", noun="group", fields=_class, read=_read_class),
    )
}
