"""Absences: listed, looked at, decided on, taken back (LOUGH-19 to 22, PORT-13, STEP-23)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.derive import absence_routes, leave
from server.errors import NotAllowed, StoreError
from server.pages import absence_reports, absence_words, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.local import Local, parse_day
from server.pages.rendering import page
from server.pages.upload import Sent, files_and_fields
from server.store import absence_decisions, absence_kinds, absences, attachments, notes, reported_absences
from server.store.absences import Absence
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]
Upload = Annotated[Sent, Depends(files_and_fields)]

#: days of which the list shows what was decided
DECIDED_DAYS = 30
_SAID = {
    "reported": "The absence is logged. It waits for a decision.",
    "approved": "The absence is approved. The registers below were filled as they say.",
    "rejected": "The absence is not approved. The student was told.",
    "withdrawn": "The absence is taken back. What lies ahead is taken off the registers.",
    "shortened": "The absence ends earlier now. What lies after it is taken off the registers.",
    "attached": "The evidence is attached.",
}


@router.get("/absences")
@act("absence.list")
def listed(signed: Signed) -> Response:
    """What waits for a decision, and what was decided lately. No reasons stand in lists."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        since_ms = local.now_ms - DECIDED_DAYS * 86_400_000
        waiting = absences.listed(connection, signed.scope, waiting=True, since_ms=since_ms)
        decided = absences.listed(connection, signed.scope, waiting=False, since_ms=since_ms)
        mine = {one.id for one in waiting if _refused(connection, signed, one) is None}
    return page(
        signed.request,
        "absences.html",
        login=signed.login,
        waiting=[
            absence_words.line(one, local) | {"mine": one.id in mine}
            for one in sorted(waiting, key=lambda one: one.from_ms)
        ],
        decided=[absence_words.line(one, local) for one in decided],
        days=DECIDED_DAYS,
        may_log=signed.scope.may("absence.log"),
    )


@router.get("/absences/{absence}")
@act("absence.read")
def one(signed: Signed, absence: str, said: str = "") -> Response:
    """One absence: the reason, the evidence, and what it does to each register; for who decides, the buttons."""
    absence_id = number(absence, "absence")
    with reading(signed.engine) as connection:
        return _page(signed, connection, absence_id, said=_SAID.get(said))


def _page(
    signed: Visit,
    connection: Connection,
    absence_id: int,
    *,
    said: str | None = None,
    problem: StoreError | None = None,
) -> Response:
    local, scope = signed.local(connection), signed.scope
    found = absences.need(connection, scope, absence_id)
    is_own = found.person_id == scope.person_id
    texts = absences.texts(connection, (found.reason_note_id, found.told_by_note_id, found.decided_note_id))
    files = attachments.of(connection, scope.institution_id, attachments.ABSENCE, [absence_id])
    refused = _refused(connection, signed, found)
    decides = found.state == absence_kinds.OPEN and refused is None
    effects = leave.effects(
        connection, signed.desk.profiles, found, decider=_decider(connection, signed, found), now_ms=local.now_ms
    )
    changes = found.state in (absence_kinds.OPEN, absence_kinds.APPROVED) and absence_decisions.may_change(
        connection, scope, found
    )
    return page(
        signed.request,
        "absence.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        found=absence_words.line(found, local),
        own=is_own,
        by=found.by,
        reason=texts.get(found.reason_note_id or 0, ""),
        told_by=texts.get(found.told_by_note_id or 0) if not is_own else None,
        decided=f"{found.decided_by}, {local.moment(found.decided_ms)}" if found.decided_ms is not None else None,
        comment=texts.get(found.decided_note_id or 0),
        files=[
            {"id": one.id, "name": one.file_name, "kb": max(1, one.size // 1024), "erased": one.erased_ms is not None}
            for one in files
        ],
        effects=[_line(signed, one, local, is_own) for one in effects],
        holds=found.state in (absence_kinds.OPEN, absence_kinds.APPROVED),
        approved=found.state == absence_kinds.APPROVED,
        decides=decides,
        waits_for=refused if found.state == absence_kinds.OPEN and not decides and not is_own else None,
        may_withdraw=changes and (found.state == absence_kinds.OPEN or found.to_ms > local.now_ms),
        may_shorten=changes
        and not found.session_ids
        and found.to_ms > local.now_ms
        and found.to_ms - found.from_ms > 86_400_000 * 3 // 2,
        may_attach=changes,
        may_erase=not is_own and signed.scope.may("notes.erase"),
        may_attendance=not is_own and signed.scope.may("attendance.read"),
        last_day=local.day(found.to_ms - 1).isoformat(),
        said=said,
        problem=words.sentence(problem) if problem is not None else None,
    )


def _refused(connection: Connection, signed: Visit, found: Absence) -> str | None:
    """Why whoever looks does not decide on it; None: they do."""
    approvers = absence_routes.approvers(connection, signed.desk.profiles, found, signed.now_ms())
    return absence_decisions.may_decide(connection, signed.scope, found, approvers)


def _decider(connection: Connection, signed: Visit, found: Absence) -> Any:
    if found.decided_by_account_id is None:
        return signed.scope
    return absences.scope_of(connection, signed.scope.institution_id, found.decided_by_account_id, signed.now_ms())


def _line(signed: Visit, one: leave.Effect, local: Local, is_own: bool) -> dict[str, Any]:
    row = one.session
    return {
        "id": row.id,
        "when": f"{local.dated(row.starts_ms)}, {local.time(row.starts_ms)} – {local.time(row.ends_ms)}",
        "title": row.title,
        "code": row.code,
        "kind": {leave.FILLS: "calm", leave.ASKS: "late", leave.SO: "good", leave.STAYS: ""}[one.kind],
        "text": one.text,
        "link": not is_own and signed.scope.may("register.read"),
    }


@router.post("/absences/{absence}/decide")
@act("absence.approve", "leave.approve")
def decide(signed: Signed, absence: str, fields: Form) -> Response:
    """Approve or refuse, with a comment (LOUGH-19). Sent twice it is decided once; nobody decides on their own."""
    check_csrf(fields, signed.login)
    absence_id = number(absence, "absence")
    with writing(signed.engine) as connection:
        found = absences.need(connection, signed.scope, absence_id)
        told = _refused(connection, signed, found)
        if told is not None:
            raise NotAllowed("absence-decide", told)
    wanted = fields.get("do", "")
    try:
        if wanted not in ("approve", "reject"):
            raise absence_reports.Wrong("absence-decide", "choose: approve, or do not approve")
        with writing(signed.engine) as connection:
            now_ms = signed.now_ms()
            absence_decisions.decide(
                connection, signed.scope, absence_id, approve=wanted == "approve",
                comment=notes.within(fields.get("comment", ""), reported_absences.REASON_MAX), now_ms=now_ms,
                approvers=absence_routes.approvers(connection, signed.desk.profiles, found, now_ms),
            )  # fmt: skip
            leave.fill_person(connection, signed.desk.profiles, absence_id, now_ms=now_ms)
    except StoreError as error:
        return _again(signed, absence_id, error)
    signed.request.app.state.wake()
    said = "approved" if wanted == "approve" else "rejected"
    return RedirectResponse(f"/absences/{absence_id}?said={said}", status_code=303)


def _again(signed: Visit, absence_id: int, error: StoreError) -> Response:
    """The page with what was wrong; whoever may not see it gets the problem alone."""
    if not error.mendable:
        raise error
    with reading(signed.engine) as connection:
        return _page(signed, connection, absence_id, problem=error)


@router.post("/absences/{absence}/withdraw")
@act("absence.report")
def withdraw(signed: Signed, absence: str, fields: Form) -> Response:
    """Take it back: what lies ahead goes off the registers, the past stays."""
    check_csrf(fields, signed.login)
    absence_id = number(absence, "absence")
    try:
        with writing(signed.engine) as connection:
            absence_decisions.withdraw(connection, signed.scope, absence_id, now_ms=signed.now_ms())
            leave.fill_person(connection, signed.desk.profiles, absence_id, now_ms=signed.now_ms())
    except StoreError as error:
        return _again(signed, absence_id, error)
    signed.request.app.state.wake()
    return RedirectResponse(f"/absences/{absence_id}?said=withdrawn", status_code=303)


@router.post("/absences/{absence}/shorten")
@act("absence.report")
def shorten(signed: Signed, absence: str, fields: Form) -> Response:
    """It ends on an earlier day."""
    check_csrf(fields, signed.login)
    absence_id = number(absence, "absence")
    try:
        with writing(signed.engine) as connection:
            absence_decisions.needed(connection, signed.scope, absence_id)
            day = parse_day(fields.get("last", "").strip())
            if day is None:
                raise absence_reports.Wrong("absence-time", "fill in the new last day, such as 2026-11-22")
            to_ms = signed.local(connection).bounds(day)[1]
            absence_decisions.cut_short(connection, signed.scope, absence_id, to_ms, now_ms=signed.now_ms())
            leave.fill_person(connection, signed.desk.profiles, absence_id, now_ms=signed.now_ms())
    except StoreError as error:
        return _again(signed, absence_id, error)
    signed.request.app.state.wake()
    return RedirectResponse(f"/absences/{absence_id}?said=shortened", status_code=303)


@router.post("/absences/{absence}/files")
@act("absence.report")
def attach(signed: Signed, absence: str, sent: Upload) -> Response:
    """Attach evidence afterwards (LOUGH-22)."""
    absence_id = number(absence, "absence")
    with reading(signed.engine) as connection:
        absence_decisions.needed(connection, signed.scope, absence_id)
    try:
        files = sent.ready()
        if not files:
            raise absence_reports.Wrong("file-none", "choose a file first")
        with writing(signed.engine) as connection:
            absence_decisions.needed(connection, signed.scope, absence_id)
            absence_reports.attach(connection, signed, absence_id, files)
            leave.fill_person(connection, signed.desk.profiles, absence_id, now_ms=signed.now_ms())
    except StoreError as error:
        return _again(signed, absence_id, error)
    return RedirectResponse(f"/absences/{absence_id}?said=attached", status_code=303)
