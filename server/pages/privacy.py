"""What is stored of whom and why, in plain words; everything about oneself to take away; and, for the registry, the same
of anybody, and erasing whoever has left. The words are the inventory's (server/store/inventory_groups.py)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from server.declared import act, signed_in
from server.errors import NotFound, StoreError, TooMuch
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.rendering import page
from server.policy import retention
from server.store import attachments, campus, page_requests, people, person_erasure, person_export
from server.store.engine import Connection, reading, writing
from server.store.inventory import NOBODY
from server.store.inventory_all import of_group
from server.store.inventory_groups import CAMPUS, GROUPS
from server.store.person_erasure import Erased

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

DO = "do"
#: whose export is being made now: one at a time for each account
_busy: set[int] = set()
_lock = threading.Lock()


#: read once, as the work that does them reads them: a changed file counts from the next start on
_rules = cache(retention.load)


@router.get("/privacy")
@signed_in("what is stored of everybody, in general; and one's own to take away")
def privacy(signed: Signed) -> Response:
    """What is stored, why, who sees it and for how long."""
    settings = signed.request.app.state.settings
    rules = retention.in_force(_rules(settings.retention_file), signed.now_ms())
    groups = [
        {
            "title": about.title,
            "why": about.why,
            "basis": about.basis,
            "seen_by": about.seen_by,
            "keep": about.keep,
            "holds": [one.holds for one in of_group(group) if one.whose != NOBODY],
        }
        for group, about in GROUPS.items()
        if group != CAMPUS
    ]
    return page(
        signed.request,
        "privacy.html",
        login=signed.login,
        csrf=signed.login.csrf,
        groups=groups,
        own=signed.scope.person_id is not None,
        rules=[{"name": one.name, "says": one.says, "days": one.days} for one in rules],
        at_work=settings.retention,
    )


@router.post("/me/data")
@signed_in("everything about oneself, and nobody else")
def own(signed: Signed, fields: Form) -> Response:
    """Everything about whoever is signed in, as a file. Raises NotFound(`person`), TooMuch(`export-running`)."""
    check_csrf(fields, signed.login)
    if signed.scope.person_id is None:
        raise NotFound("person", "your account is not connected to a person: ask the registry what it holds of you")
    return _file(signed, signed.scope.person_id, own=True)


@router.post("/people/{person}/data/file")
@act(person_export.ACT)
def of_person(signed: Signed, person: str, fields: Form) -> Response:
    """Everything about somebody, as a file."""
    check_csrf(fields, signed.login)
    return _file(signed, number(person, "person"), own=False)


def _file(signed: Visit, person_id: int, *, own: bool) -> Response:
    account_id = signed.scope.account_id
    with _lock:
        if account_id in _busy:
            raise TooMuch("export-running", "a file is being made for you already: wait until it has come")
        _busy.add(account_id)
    try:
        person_export.begin(signed.engine, signed.scope, person_id, signed.now_ms(), own=own)
    except BaseException:
        _free(account_id)
        raise
    pieces = person_export.stream(signed.engine, signed.scope.institution_id, person_id, signed.now_ms())
    headers = {"content-disposition": f'attachment; filename="muster-person-{person_id}.json"'}
    return _File(pieces, account_id, headers)


class _File(StreamingResponse):
    """The file as it is made. However it ends, also before its first piece, the account may have the next one."""

    def __init__(self, pieces: Iterator[str], account_id: int, headers: dict[str, str]) -> None:
        super().__init__(pieces, media_type="application/json", headers=headers)
        self._account_id = account_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            _free(self._account_id)


def _free(account_id: int) -> None:
    with _lock:
        _busy.discard(account_id)


@router.get("/people/{person}/data")
@act(person_export.ACT)
def data(signed: Signed, person: str, said: str = "") -> Response:
    """What may be done with everything about a person: take it away, or erase it."""
    with reading(signed.engine) as connection:
        return _show(signed, connection, number(person, "person"), said=said)


@router.post("/people/{person}/data/erase")
@act(person_erasure.ACT)
def erase(signed: Signed, person: str, fields: Form) -> Response:
    """Look at what would go and what stays; then erase it."""
    check_csrf(fields, signed.login)
    person_id = number(person, "person")
    with reading(signed.engine) as connection:
        people.need(connection, signed.scope, person_id, person_erasure.ACT)
    campus.need_whole(signed.scope, person_erasure.ACT)
    reason = fields.get("reason", "").strip()
    folder = attachments.folder_of(signed.request.app.state.settings.data_dir)

    def work(connection: Connection) -> Erased:
        return person_erasure.erase(
            connection, folder, signed.scope, signed.desk.profiles, person_id, reason=reason, now_ms=signed.now_ms()
        )

    try:
        if fields.get("do") == DO:
            with writing(signed.engine) as connection:
                work(connection)
            return RedirectResponse(f"/people/{person_id}/data?said=erased", status_code=303)
        found = campus.tried(signed.engine, work)
    except StoreError as error:
        if not error.mendable:
            raise
        with reading(signed.engine) as connection:
            return _show(signed, connection, person_id, reason=reason, problem=words.sentence(error))
    with reading(signed.engine) as connection:
        return _show(signed, connection, person_id, reason=reason, found=found)


def _show(
    signed: Visit,
    connection: Connection,
    person_id: int,
    *,
    said: str = "",
    reason: str = "",
    problem: str | None = None,
    found: Erased | None = None,
) -> Response:
    people.need_whole(connection, signed.scope, person_id, person_export.ACT, signed.now_ms())
    goes: list[dict[str, Any]] = []
    if found is not None:
        goes = [{"what": what, "many": many} for what, many in found.goes.items()]
    return page(
        signed.request,
        "person_data.html",
        status=422 if problem else 200,
        login=signed.login,
        csrf=signed.login.csrf,
        person_id=person_id,
        called=page_requests.person_names(connection, [person_id]).get(person_id, f"person {person_id}"),
        may_erase=signed.scope.reach(person_erasure.ACT).all,
        reason=reason,
        reason_most=person_erasure.REASON_MAX,
        looked=found is not None,
        goes=goes,
        kept=[] if found is None else found.kept,
        said="They are erased." if said == "erased" else None,
        problem=problem,
    )
