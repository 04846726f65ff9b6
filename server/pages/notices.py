"""A message to a session's students (STEP-6)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from server.declared import act
from server.errors import StoreError
from server.pages import beside, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, number, pairs
from server.store import notes, notices
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)


async def written(request: Request) -> dict[str, str]:
    """Dependency: a form with a message. One that is too long comes back with its text, to be shortened."""
    return dict(await pairs(request, longest=4 * notices.TEXT_LIMIT))


Form = Annotated[dict[str, str], Depends(written)]


@router.get("/sessions/{session}/notify")
@act("register.notify")
def ask(signed: Signed, session: str) -> Response:
    """The form, and what was sent before."""
    with reading(signed.engine) as connection:
        return _show(signed, connection, number(session, "session"))


def _show(
    signed: Visit,
    connection: Connection,
    session_id: int,
    *,
    problem: str | None = None,
    fields: dict[str, str] | None = None,
) -> Response:
    found = beside.find(signed, connection, session_id, "register.notify")
    row, local = found.row, found.local
    fields = fields or {}
    subject = f"{row.course_code + ' ' if row.course_code else ''}{row.title}, {local.moment(row.starts_ms)}"
    if row.cancelled_ms is not None:
        subject = f"Cancelled: {subject}"
    sent = [
        {
            "subject": one.subject,
            "text": one.text,
            "at": local.moment(one.created_ms),
            "state": _state(one),
        }
        for one in notices.of_session(connection, session_id)
    ]
    return found.show(
        "notify.html",
        problem=problem,
        to=fields.get("to", notices.ALL),
        subject=fields.get("subject", subject[: notices.SUBJECT_LIMIT]),
        text=fields.get("text", ""),
        sent=sent,
        subject_limit=notices.SUBJECT_LIMIT,
        text_limit=notices.TEXT_LIMIT,
    )


def _state(one: notices.Sent) -> words.Said:
    people = "1 student" if one.people == 1 else f"{one.people} students"
    if one.failed:
        return words.Said("late", f"{people}; {one.failed} have no mail address")
    if one.sent < one.people:
        return words.Said("calm", f"{people}; on its way")
    return words.Said("good", f"{people}; sent")


@router.post("/sessions/{session}/notify")
@act("register.notify")
def send(signed: Signed, session: str, fields: Form) -> Response:
    """Write it to each of them; a job sends it. Sent twice it goes once."""
    check_csrf(fields, signed.login)
    session_id = number(session, "session")
    with writing(signed.engine) as connection:
        found = beside.find(signed, connection, session_id, "register.notify")
        profile = signed.desk.profile(found.row.profile, found.row.starts_ms)
        absent = frozenset(code for code in profile.codes if words.effect(profile, code) == "did-not-attend")
        try:
            notices.send(
                connection,
                signed.scope,
                session_id,
                to=fields.get("to", ""),
                subject=notes.within(fields.get("subject", ""), notices.SUBJECT_LIMIT),
                text=notes.within(fields.get("text", ""), notices.TEXT_LIMIT),
                absent=absent,
                now_ms=signed.now_ms(),
            )
        except StoreError as error:
            if not error.mendable:
                raise
            connection.rollback()
            return _show(signed, connection, session_id, problem=words.sentence(error), fields=fields)
    signed.request.app.state.wake()
    return beside.back(session_id, "sent")
