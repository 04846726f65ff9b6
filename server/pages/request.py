"""One change request: its lines, files and history; deciding, withdrawing, evidence."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import StoreError
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.request_words import KIND_WORDS, STATE_KINDS, heading
from server.pages.upload import FILES_MOST, Sent, files_and_fields
from server.policy import tiers
from server.policy.profile import Profile
from server.scope import ROLE_NAMES
from server.store import (
    attachments,
    page_requests,
    request_deciders,
    request_files,
    request_lines,
    request_quotas,
    request_situations,
    requests,
    standing,
    transfer_classes,
)
from server.store.engine import Connection, reading, writing
from server.store.request_kinds import MARKS
from server.store.request_lines import LineShown

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]
Files = Annotated[Sent, Depends(files_and_fields)]
_SAID = {
    "asked": "The request is made. You see here what becomes of it.",
    "applied": "The request is approved and applied.",
    "rejected": "The request is rejected.",
    "approved": "Your approval is written down. The request stays open until it is applied.",
    "withdrawn": "The request is withdrawn.",
    "evidence": "Whoever asked was told which evidence is wanted.",
    "files": "The files are attached.",
}


@router.get("/requests/{request}")
@act("request.read")
def show(signed: Signed, request: str, said: str = "") -> Response:
    """One request."""
    with reading(signed.engine) as connection:
        return _shown(signed, connection, number(request, "request"), said=_SAID.get(said))


def _shown(
    signed: Visit,
    connection: Connection,
    request_id: int,
    *,
    said: str | None = None,
    problem: StoreError | None = None,
    comment: str = "",
) -> Response:
    row = page_requests.need(connection, signed.scope, request_id)
    local = signed.local(connection)
    found = page_requests.session_of(connection, row.session_id)
    stands = standing.of(connection, signed.scope, row.session_id, "request.read")
    now = request_situations.at(connection, signed.desk.profiles, found, stands, local.now_ms)
    tier = request_deciders.tier_of(now, row.kind, row.tier)
    wanted = {role for role in row.approvals.split(",") if role}
    missing = sorted(wanted - set(page_requests.approvals(connection, row.id)))
    mine = request_deciders.deciding(connection, signed.scope, row.session_id, {*tier.approvers, *wanted})
    is_mine = row.asked_by_account_id == signed.scope.account_id
    files = attachments.of(connection, row.institution_id, attachments.REQUEST, [row.id])
    lines = [_change(now.profile, row.kind, one) for one in request_lines.shown(connection, row)]
    is_open = row.state == requests.OPEN
    status = 200 if problem is None else 422 if problem.status == 400 else problem.status
    return page(
        signed.request,
        "request.html",
        status=status,
        login=signed.login,
        row=row,
        about=heading(connection, signed, row.session_id, local),
        what=KIND_WORDS[row.kind],
        state=row.state,
        state_kind=STATE_KINDS[row.state],
        said=said,
        problem=words.sentence(problem) if problem is not None else None,
        comment=comment,
        asked_by=page_requests.account_names(connection, [row.asked_by_account_id]).get(row.asked_by_account_id, ""),
        asked=local.moment(row.created_ms),
        lines=lines,
        changed=is_open and row.kind == MARKS and any(one["changed"] for one in lines),
        reason=page_requests.note_text(connection, row.reason_note_id),
        to_class=transfer_classes.code_of(connection, row.to_class_id),
        files=files,
        may_files=request_files.may_read(connection, signed.scope, row),
        happened=[_happened(one, local) for one in page_requests.happened(connection, row)],
        waits=_waits(tier, missing, mine) if is_open else None,
        final=now.final and is_open,
        quotas=request_quotas.said(
            connection, now, row.kind, [one.person_id for one in request_lines.of(connection, row.id)]
        )
        if is_open
        else [],
        decides=bool(mine) and is_open and not is_mine,
        # What lacks somebody else's approval is not applied yet; who may only give an approval does not apply it.
        accepts=not set(missing) - mine or bool(mine & set(missing)),
        applies=bool(mine & set(tier.approvers)) or (not tier.approvers and not set(missing) - mine),
        may_ask_evidence=bool(mine)
        and not is_mine
        and tier.evidence_later
        and row.state in (requests.OPEN, requests.APPLIED),
        may_withdraw=is_mine and is_open,
        may_add=is_mine and (is_open or (row.state == requests.APPLIED and row.evidence_asked_ms is not None)),
        may_erase=signed.scope.may("notes.erase"),
        files_most=FILES_MOST,
        megabytes=attachments.SIZE_MOST >> 20,
    )


def _waits(tier: tiers.Tier, missing: list[str], mine: frozenset[str]) -> str:
    parts = []
    if missing:
        parts.append(f"{tiers.people(missing, 'and')} must approve it")
    if tier.approvers:
        parts.append(f"{tiers.people(tier.approvers)} checks and applies it")
    said = ", then ".join(parts)
    return f"{said[:1].upper()}{said[1:]}."


def _change(profile: Profile, kind: str, one: LineShown) -> dict[str, Any]:
    def said(code: str | None, late: int | None, early: int | None) -> dict[str, Any]:
        return {
            "code": code,
            "kind": words.kind_of(profile, code),
            "words": words.mark_words(profile, code, late, early),
        }

    return {
        "name": one.full_name,
        "before": said(one.from_code, one.from_late_min, one.from_early_min),
        "after": said(one.code, one.late_min, one.early_min) if kind == MARKS else None,
        "now": said(one.now_code, one.now_late_min, one.now_early_min),
        "changed": one.now_mark_id != one.from_mark_id,
    }


_WHAT = {
    requests.ASKED: "asked for it",
    requests.FILES: "attached more evidence",
    requests.EVIDENCE: "asked for evidence",
    requests.TAKEN_BACK: "withdrew it",
}


def _happened(one: page_requests.Happened, local: Local) -> dict[str, Any]:
    what = _WHAT.get(one.kind, "")
    if one.kind == requests.APPROVED:
        what = f"approved it as {ROLE_NAMES.get(one.role or '', one.role)}"
    elif one.kind == requests.DECIDED:
        what = f"{one.state} it"
    if one.files:
        what += f" with {one.files} {'file' if one.files == 1 else 'files'}"
    return {
        "at": local.moment(one.at_ms),
        "by": one.by,
        "what": what,
        # The reason stands above already.
        "note": one.note if one.kind != requests.ASKED else None,
        "copied": ", ".join(one.copied),
    }


@router.post("/requests/{request}/decide")
@act("request.read")
def decide(signed: Signed, request: str, fields: Form) -> Response:
    """Approve and apply it, or reject it with a comment. Who decides is the profile's (STEP-22)."""
    check_csrf(fields, signed.login)
    request_id = number(request, "request")
    accept = fields.get("decision") == "apply"
    try:
        with writing(signed.engine) as connection:
            made = requests.decide(
                connection,
                signed.scope,
                signed.desk.profiles,
                request_id,
                accept=accept,
                comment=fields.get("comment", ""),
                now_ms=signed.now_ms(),
            )
    except StoreError as error:
        return _again(signed, request_id, error, fields.get("comment", ""))
    said = "approved" if made.state == requests.OPEN else made.state
    return RedirectResponse(f"/requests/{request_id}?said={said}", status_code=303)


def _again(signed: Visit, request_id: int, error: StoreError, comment: str = "") -> Response:
    """The request's page with what was wrong; what is no matter of the form goes on as it is."""
    if not error.mendable:
        raise error
    with reading(signed.engine) as connection:
        return _shown(signed, connection, request_id, problem=error, comment=comment)


@router.post("/requests/{request}/withdraw")
@act("request.make")
def withdraw(signed: Signed, request: str, fields: Form) -> Response:
    """Whoever asked takes it back."""
    check_csrf(fields, signed.login)
    request_id = number(request, "request")
    try:
        with writing(signed.engine) as connection:
            requests.withdraw(connection, signed.scope, signed.desk.profiles, request_id, signed.now_ms())
    except StoreError as error:
        return _again(signed, request_id, error)
    return RedirectResponse(f"/requests/{request_id}?said=withdrawn", status_code=303)


@router.post("/requests/{request}/ask-evidence")
@act("request.read")
def ask_evidence(signed: Signed, request: str, fields: Form) -> Response:
    """Evidence is wanted (LOUGH-32, LOUGH-33)."""
    check_csrf(fields, signed.login)
    request_id = number(request, "request")
    comment = fields.get("comment", "")
    try:
        with writing(signed.engine) as connection:
            requests.ask_for_evidence(
                connection, signed.scope, signed.desk.profiles, request_id, comment, signed.now_ms()
            )
    except StoreError as error:
        return _again(signed, request_id, error, comment)
    return RedirectResponse(f"/requests/{request_id}?said=evidence", status_code=303)


@router.post("/requests/{request}/evidence")
@act("request.make")
def add_evidence(signed: Signed, request: str, sent: Files) -> Response:
    """Whoever asked attaches more."""
    request_id = number(request, "request")
    with reading(signed.engine) as connection:
        requests.need_mine(connection, signed.scope, request_id)
    try:
        ready = sent.ready()
        with writing(signed.engine) as connection:
            requests.add_files(
                connection,
                attachments.folder_of(signed.request.app.state.settings.data_dir),
                signed.scope,
                signed.desk.profiles,
                request_id,
                ready,
                signed.now_ms(),
            )
    except StoreError as error:
        return _again(signed, request_id, error)
    return RedirectResponse(f"/requests/{request_id}?said=files", status_code=303)
