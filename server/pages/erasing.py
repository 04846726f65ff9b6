"""Erasing reasons, notes, callers' names, evidence and messages: of a register, or about a person. Looked at first.

For the registry and administrators, who answer for such demands. Registers say "(erased)" in a text's place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import NotFound, StoreError
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, number, pairs
from server.pages.local import Local
from server.pages.rendering import page
from server.store import attachments, erasure, footage, notes, page_requests, people, sessions, texts
from server.store.engine import Connection, reading, writing
from server.store.texts import Kept

router = APIRouter(route_class=PageRoute, include_in_schema=False)

LOOK, DO = "look", "do"
#: what a text was for
_WHAT = {
    "mark": "with a mark",
    "walk-in": "with a walk-in",
    "tap": "on a tap that marked nobody",
    "report": "a report about the register",
    "remark": "a remark on the session",
    "request": "in a change request",
    "cancel": "why the class was cancelled",
    "restore": "why the class took place after all",
    "cover": "why it was handed over",
    "erase": "why something was erased",
    "reason": "the reason of an absence",
    "caller": "who called about an absence",
    "decision": "the comment on an absence",
    "evidence": "evidence",
    "message": "a message to them",
}


async def _many(request: Request) -> list[tuple[str, str]]:
    return await pairs(request, most=erasure.AT_ONCE + 20)


Many = Annotated[list[tuple[str, str]], Depends(_many)]


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What the texts belong to."""

    address: str
    #: what it is, and its own page
    title: str
    back: str
    there: Callable[[Connection], list[Kept]]
    erase: Callable[[Connection, Path, list[str], str, int], int]


@router.get("/sessions/{session}/texts")
@act(texts.ACT)
def of_session(signed: Signed, session: str, said: str = "") -> Response:
    """The texts of a register."""
    with reading(signed.engine) as connection:
        return _show(signed, connection, _session(signed, connection, number(session, "session")), said=said)


@router.post("/sessions/{session}/texts")
@act(texts.ACT)
def erase_of_session(signed: Signed, session: str, sent: Many) -> Response:
    """Look at what would be erased; then erase it."""
    check_csrf(dict(sent), signed.login)
    with reading(signed.engine) as connection:
        subject = _session(signed, connection, number(session, "session"))
    return _step(signed, subject, sent)


@router.get("/people/{person}/texts")
@act(texts.ACT)
def of_person(signed: Signed, person: str, said: str = "") -> Response:
    """The texts about a person."""
    with reading(signed.engine) as connection:
        return _show(signed, connection, _person(signed, connection, number(person, "person")), said=said)


@router.post("/people/{person}/texts")
@act(texts.ACT)
def erase_of_person(signed: Signed, person: str, sent: Many) -> Response:
    """Look at what would be erased; then erase it."""
    check_csrf(dict(sent), signed.login)
    with reading(signed.engine) as connection:
        subject = _person(signed, connection, number(person, "person"))
    return _step(signed, subject, sent)


def _session(signed: Visit, connection: Connection, session_id: int) -> _Subject:
    row = sessions.need(connection, signed.scope, session_id, texts.ACT)
    scope = signed.scope
    return _Subject(
        address=f"/sessions/{session_id}/texts",
        title=row.title,
        back=f"/sessions/{session_id}",
        there=lambda connection: texts.of_session(connection, scope, session_id),
        erase=lambda connection, folder, keys, reason, now_ms: erasure.of_session(
            connection, folder, scope, session_id, keys, reason=reason, now_ms=now_ms
        ),
    )


def _person(signed: Visit, connection: Connection, person_id: int) -> _Subject:
    scope = signed.scope
    people.need(connection, scope, person_id, texts.ACT)
    return _Subject(
        address=f"/people/{person_id}/texts",
        title=page_requests.person_names(connection, [person_id])[person_id],
        back=f"/people/{person_id}/attendance",
        there=lambda connection: texts.of_person(connection, scope, person_id, signed.now_ms()),
        erase=lambda connection, folder, keys, reason, now_ms: erasure.of_person(
            connection, folder, scope, person_id, keys, reason=reason, now_ms=now_ms
        ),
    )


def _step(signed: Visit, subject: _Subject, sent: list[tuple[str, str]]) -> Response:
    fields = dict(sent)
    keys = [value[:40] for name, value in sent if name == "t"]
    reason = notes.within(fields.get("reason", ""), erasure.REASON_MAX)
    try:
        if fields.get("do") == DO:
            folder = attachments.folder_of(signed.request.app.state.settings.data_dir)
            with writing(signed.engine) as connection:
                chosen = [one for one in subject.there(connection) if one.key in keys]
                footage.need_past(connection, signed.desk.profiles, signed.scope, chosen, signed.now_ms())
                subject.erase(connection, folder, keys, reason, signed.now_ms())
            return RedirectResponse(f"{subject.address}?said=erased", status_code=303)
        with reading(signed.engine) as connection:
            return _look(signed, connection, subject, keys, reason)
    except StoreError as error:
        if not error.mendable:
            raise
        with reading(signed.engine) as connection:
            return _show(signed, connection, subject, ticked=keys, reason=reason, problem=words.sentence(error))


def _look(signed: Visit, connection: Connection, subject: _Subject, keys: list[str], reason: str) -> Response:
    """What would be erased, and what follows; nothing is changed yet."""
    there = {one.key: one for one in subject.there(connection)}
    if any(key not in there for key in keys):
        raise NotFound("text", "one of these texts is not there, or not in your care: load the page again")
    chosen = [there[key] for key in keys if there[key].erased_ms is None]
    if not chosen:
        raise StoreError("text-none", "tick at least one text first")
    footage.need_past(connection, signed.desk.profiles, signed.scope, chosen, signed.now_ms())
    if not reason:
        raise StoreError("text-reason", "say why they are erased, without repeating what stands in them")
    local = signed.local(connection)
    return page(
        signed.request,
        "texts_look.html",
        login=signed.login,
        csrf=signed.login.csrf,
        subject=subject,
        lines=[_line(one, local) for one in chosen],
        reason=reason,
        registers=len({place.session_id for one in chosen for place in one.places if place.session_id is not None}),
        files=any(one.kind == texts.FILE for one in chosen),
    )


def _show(
    signed: Visit,
    connection: Connection,
    subject: _Subject,
    *,
    said: str = "",
    ticked: list[str] | None = None,
    reason: str = "",
    problem: str | None = None,
) -> Response:
    local = signed.local(connection)
    return page(
        signed.request,
        "texts.html",
        status=422 if problem else 200,
        login=signed.login,
        csrf=signed.login.csrf,
        subject=subject,
        lines=[_line(one, local) | {"ticked": one.key in (ticked or ())} for one in subject.there(connection)],
        reason=reason,
        reason_most=erasure.REASON_MAX,
        said="They are erased." if said == "erased" else None,
        problem=problem,
    )


def _line(one: Kept, local: Local) -> dict[str, Any]:
    what = dict.fromkeys(_WHAT.get(place.what, place.what) for place in one.places)
    about = [*one.names[:3], *(f"{title}, {local.moment(at_ms)}" for title, at_ms in one.titles[:3])]
    more = max(0, len(one.names) - 3) + max(0, len(one.titles) - 3)
    return {
        "key": one.key,
        "what": ", ".join(what),
        "text": one.text,
        "is_file": one.kind == texts.FILE,
        "about": " · ".join(about) + (f" and {more} more" if more else ""),
        "by": one.by or "Muster",
        "at": local.moment(one.created_ms),
        "erased": local.moment(one.erased_ms) if one.erased_ms is not None else None,
    }
