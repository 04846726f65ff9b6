"""Registers as CSV, XLSX or paper: one with all or the selected students (STEP-17), or those of a time (LOUGH-6).

Only what the account reaches is in them. Ids stand in addresses and file names, and nothing that says who somebody is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from server.declared import act
from server.errors import StoreError, TooMuch
from server.pages import sheets
from server.pages.campus_words import many
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, number
from server.pages.local import Local, parse_day
from server.pages.local import words as day_words
from server.pages.rendering import page
from server.store import exports, page_requests, people, registers, sessions
from server.store.engine import reading, writing
from server.store.exports import Line

router = APIRouter(route_class=PageRoute, include_in_schema=False)

#: students of a selection at most: a register has fewer
SELECTED = 1_000
#: registers on one page to print
PRINTED = 200
Ids = Annotated[list[str] | None, Query()]


@router.get("/sessions/{session}/export")
@act("register.export")
def choose(signed: Signed, session: str) -> Response:
    """Whom to export, and how."""
    session_id = number(session, "session")
    with reading(signed.engine) as connection:
        sessions.need(connection, signed.scope, session_id, "register.export")
        found = registers.register_of(connection, signed.scope, session_id, signed.desk.profiles)
        local = signed.local(connection)
    return page(
        signed.request,
        "export_register.html",
        login=signed.login,
        session_id=session_id,
        title=found.session.title,
        when=_when(found.session.starts_ms, found.session.ends_ms, local),
        students=[{"id": one.person_id, "name": one.full_name, "number": one.external_id} for one in found.rows],
    )


@router.get("/sessions/{session}/export/file")
@act("register.export")
def register(signed: Signed, session: str, form: str = "", who: str = "", p: Ids = None) -> Response:
    """One register. form: csv, xlsx, print; who=selected: only the students p (ids)."""
    session_id = number(session, "session")
    only = [number(one, "student") for one in (p or [])[:SELECTED]]
    with reading(signed.engine) as connection:
        sessions.need(connection, signed.scope, session_id, "register.export")
        if who == "selected" and not only:
            raise StoreError("export-nobody", "nobody is selected: tick at least one student, or choose all of them")
        wanted = only if who == "selected" else []
        lines = exports.register(connection, signed.scope, signed.desk.profiles, session_id, wanted)
        local = signed.local(connection)
    return _answer(signed, form, [session_id], wanted, f"session/{session_id}", local, lines)


@router.get("/export")
@act("register.export")
def choose_range(signed: Signed, student: str = "") -> Response:
    """Which registers: of a class, a course or a person, from a day to a day. student: an id, from their page."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        classes, courses = exports.classes(connection, signed.scope), exports.courses(connection, signed.scope)
        only = None
        if student.isascii() and student.isdigit():
            person_id = people.need(connection, signed.scope, number(student, "student"), "attendance.read")
            only = {
                "id": person_id,
                "name": page_requests.person_names(connection, [person_id]).get(person_id, "one student"),
            }
    today = local.today()
    return page(
        signed.request,
        "export_range.html",
        login=signed.login,
        classes=classes,
        courses=courses,
        student=only,
        since=(today - timedelta(days=6)).isoformat(),
        until=today.isoformat(),
    )


@router.get("/export/file")
@act("register.export")
def several(
    signed: Signed,
    since: str = "",
    until: str = "",
    group: str = "",
    module: str = "",
    student: str = "",
    form: str = "",
) -> Response:
    """The registers of a time. group, module, student: ids of a class, a course, a person; at least one of them."""
    scope = signed.scope
    class_id, course_id, person_id = (
        number(text, what) if text else None
        for text, what in ((group, "class"), (module, "course"), (student, "person"))
    )
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        first, last = parse_day(since), parse_day(until)
        if first is None or last is None or last < first:
            raise StoreError("export-days", "say from which day to which, the last not before the first")
        if class_id is None and course_id is None and person_id is None:
            raise StoreError("export-of", "choose a class, a course or a student")
        if person_id is not None:
            people.need(connection, scope, person_id, "attendance.read")
        ids = exports.sessions_of(
            connection, scope, local.bounds(first)[0], local.bounds(last)[1], class_id=class_id, course_id=course_id,
            person_id=person_id,
        )  # fmt: skip
    if len(ids) > exports.MOST:
        raise TooMuch("export-long", f"these are more than {exports.MOST} registers: choose fewer days")
    about = (("class", class_id), ("course", course_id), ("person", person_id))
    subject = next(f"{what}/{key}" for what, key in about if key is not None)
    return _answer(signed, form, ids, [] if person_id is None else [person_id], subject, local, None)


def _answer(
    signed: Visit,
    form: str,
    session_ids: Sequence[int],
    only: Sequence[int],
    subject: str,
    local: Local,
    lines: Sequence[Line] | None,
) -> Response:
    if form not in sheets.FORMS:
        raise StoreError("export-form", f"choose how: {', '.join(sheets.FORMS)}")
    if form == sheets.PRINT and len(session_ids) > PRINTED:
        raise TooMuch("export-print", f"these are more than {PRINTED} registers: choose fewer days, or CSV or Excel")
    with writing(signed.engine) as connection:
        exports.write_down(connection, signed.scope, subject, form, len(session_ids), local.now_ms)
    found = lines if lines is not None else exports.lines(
        signed.engine, signed.scope, signed.desk.profiles, session_ids, only
    )  # fmt: skip
    if form == sheets.PRINT:
        return _paper(signed, list(found), local, len(session_ids))
    made = sheets.as_csv(found, local) if form == sheets.CSV else sheets.as_xlsx(found, local)
    name = f"register-{subject.replace('/', '-')}-{local.today():%Y%m%d}.{form}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(made, media_type=sheets.MEDIA[form], headers=headers)


def _paper(signed: Visit, lines: list[Line], local: Local, count: int) -> Response:
    """Each register with its heading, to be printed or saved as PDF by the browser."""
    found: dict[tuple, list[Line]] = {}
    for one in lines:
        found.setdefault((one.starts_ms, one.ends_ms, one.title, one.course_code, one.classes), []).append(one)
    return page(
        signed.request,
        "export_print.html",
        login=signed.login,
        printed=f"{local.dated(local.now_ms)}, {local.time(local.now_ms)}",
        count=many(count, "register"),
        registers=[
            {
                "title": mine[0].title,
                "course": f"{mine[0].course_code} {mine[0].course_title}".strip() or "no course code",
                "when": _when(mine[0].starts_ms, mine[0].ends_ms, local),
                "rooms": mine[0].rooms,
                "staff": mine[0].staff,
                "classes": mine[0].classes,
                "cancelled": mine[0].cancelled,
                "lines": [_row(one, local) for one in mine],
            }
            for mine in found.values()
        ],
    )


def _row(one: Line, local: Local) -> dict[str, str]:
    minutes = [f"late {one.late_min} min"] if one.late_min is not None else []
    minutes += [f"left {one.early_min} min early"] if one.early_min is not None else []
    return {
        "name": one.full_name,
        "number": one.number,
        "code": one.code,
        "meaning": ", ".join([one.meaning or "not marked", *minutes]),
        "verified": "yes" if one.verified else "",
        "tapped": "" if one.tapped_ms is None else local.seconds(one.tapped_ms),
    }


def _when(starts_ms: int, ends_ms: int, local: Local) -> str:
    return f"{day_words(local.day(starts_ms))}, {local.time(starts_ms)} – {local.time(ends_ms)}"
