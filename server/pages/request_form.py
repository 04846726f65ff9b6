"""Asking for a change: the page says which tier applies, who must act and what is needed, and takes the form."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import NotFound, NotSignedIn, StoreError, Unwritable
from server.pages import request_choices, request_words, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, id_in, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.request_words import KIND_WORDS, WHOLE_WORDS
from server.pages.upload import FILES_MOST, Sent, files_and_fields
from server.policy import tiers
from server.store import (
    attachments,
    page_requests,
    request_asking,
    request_lines,
    request_quotas,
    request_situations,
    sessions,
    transfer_classes,
)
from server.store.derivations import held_marks
from server.store.engine import Connection, reading, writing
from server.store.request_asking import Line, Wish
from server.store.request_kinds import BURSARY, KINDS, MARKS, REMOVAL, SUBMISSION, TRANSFER, WHOLE
from server.store.request_situations import Situation

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[Sent, Depends(files_and_fields)]

#: what a form says for "leave this mark as it is", and for "take the mark away"
AS_IT_IS, NO_MARK = "", "-"
#: the field that a problem is about
_FIELD = {
    "request-reason": "reason",
    "request-evidence": "files",
    "request-class": "to_class",
    "request-lines": "students",
    "request-same": "students",
}


@router.get("/sessions/{session}/request")
@act("request.make")
def ask(signed: Signed, session: str, kind: str = MARKS, person: str = "", code: str = "") -> Response:
    """The form, for all students of a register, or for one with the mark that is wanted."""
    session_id = number(session, "session")
    only = id_in(person)
    with reading(signed.engine) as connection:
        begun = Sent(pairs=[(f"mark-{only}", code)])
        return _shown(signed, connection, session_id, kind if kind in KINDS else MARKS, only, begun, None)


@router.post("/sessions/{session}/request")
@act("request.make")
def send(signed: Signed, session: str, sent: Form) -> Response:
    """Ask. Sent twice it is one request."""
    session_id = number(session, "session")
    kind = sent.fields.get("kind", MARKS)
    kind = kind if kind in KINDS else MARKS
    with reading(signed.engine) as connection:
        sessions.need(connection, signed.scope, session_id, "request.make")
    try:
        files = tuple(sent.ready())
        wish = Wish(
            kind=kind,
            lines=tuple(_lines(sent, kind)),
            reason=sent.fields.get("reason", ""),
            files=files,
            to_class=sent.fields.get("to_class", ""),
        )
        with writing(signed.engine) as connection:
            made = request_asking.ask(
                connection,
                attachments.folder_of(signed.request.app.state.settings.data_dir),
                signed.scope,
                signed.desk.profiles,
                session_id,
                wish,
                signed.now_ms(),
            )
    except (NotFound, NotSignedIn, Unwritable):
        raise
    except StoreError as error:
        with reading(signed.engine) as connection:
            return _shown(signed, connection, session_id, kind, None, sent, error)
    return RedirectResponse(f"/requests/{made}?said=asked", status_code=303)


def _lines(sent: Sent, kind: str) -> list[Line]:
    """The students of the form. Raises StoreError(`mark-minutes`)."""
    fields = sent.fields
    found = []
    for name, seen in fields.items():
        person = name.removeprefix("seen-")
        if person == name or id_in(person) is None or id_in(seen) is None:
            continue
        code = fields.get(f"mark-{person}", AS_IT_IS)
        chosen = code != AS_IT_IS if kind == MARKS else fields.get(f"who-{person}") == "yes"
        if not chosen:
            continue
        minutes = [_minutes(fields.get(f"{which}-{person}", "")) for which in ("late", "early")]
        found.append(
            Line(
                person_id=int(person),
                code=code if kind == MARKS and code != NO_MARK else None,
                late_min=minutes[0] if kind == MARKS else None,
                early_min=minutes[1] if kind == MARKS else None,
                seen_mark_id=int(seen),
            )
        )
    return found


def _minutes(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if id_in(text) is None or len(text) > 4:
        raise StoreError("mark-minutes", "minutes are a whole number from 0 to 1440")
    return int(text)


def _shown(
    signed: Visit,
    connection: Connection,
    session_id: int,
    kind: str,
    only: int | None,
    sent: Sent,
    error: StoreError | None,
) -> Response:
    now = request_situations.of(connection, signed.scope, signed.desk.profiles, session_id, signed.now_ms())
    local = signed.local(connection)
    codes = request_choices.codes(connection, now)
    tier, may = request_choices.tier(now, kind, codes)
    fields = sent.fields
    status = 200 if error is None else 422 if error.status == 400 else error.status
    return page(
        signed.request,
        "request_form.html",
        status=status,
        login=signed.login,
        session_id=session_id,
        about=request_words.heading(connection, signed, session_id, local),
        kind=kind,
        kinds=[(name, KIND_WORDS[name]) for name in KINDS if name == kind or request_choices.offered(now, name)],
        whole=WHOLE_WORDS.get(kind),
        quotas=request_quotas.said(connection, now, kind, now.members),
        tier=tier,
        until=local.moment(tier.until_ms) if tier is not None and tier.until_ms is not None else None,
        roles=tiers.people(tier.roles) if tier is not None and tier.roles else "nobody",
        may=may,
        direct=kind == MARKS and now.tier.direct and bool(request_choices.acting(now) & set(now.tier.roles)),
        codes=codes,
        minutes=[code for code in codes if now.profile.takes_minutes(code)],
        meanings={code: about.meaning for code, about in now.profile.codes.items()},
        evidence_needed=kind in (TRANSFER, SUBMISSION) or (tier is not None and "evidence" in tier.needs),
        formal=[code for code, about in now.profile.codes.items() if about.with_form] if kind == REMOVAL else [],
        students=[] if kind in WHOLE else _students(connection, now, kind, only, fields, local),
        only=only,
        classes=transfer_classes.beside(connection, session_id) if kind == TRANSFER else [],
        files_most=FILES_MOST,
        megabytes=attachments.SIZE_MOST >> 20,
        fields={name: fields.get(name, "") for name in ("reason", "to_class")},
        problem=words.sentence(error) if error is not None else None,
        wrong=_field(error),
        again=bool(sent.arrived),
    )


def _field(error: StoreError | None) -> str:
    if error is None:
        return ""
    if error.code.startswith("file-"):
        return "files"
    return _FIELD.get(error.code, "students" if error.code.startswith("mark-") else "")


def _students(
    connection: Connection, now: Situation, kind: str, only: int | None, fields: dict[str, str], local: Local
) -> list[dict[str, Any]]:
    there = held_marks(connection, now.session.id)
    asked = request_lines.open_of_session(connection, now.session.id)
    wanted = set(now.members) | (set(there) if kind in (MARKS, BURSARY) else set())
    if only is not None and only in wanted:
        wanted = {only}
    names = page_requests.person_names(connection, wanted)
    shown = []
    for person_id, name in names.items():
        row = there.get(person_id)
        code = row.code if row is not None else None
        shown.append(
            {
                "id": person_id,
                "name": name,
                "seen": row.id if row is not None else 0,
                "code": code,
                "kind": words.kind_of(now.profile, code),
                "words": words.mark_words(
                    now.profile,
                    code,
                    row.late_min if row is not None else None,
                    row.early_min if row is not None else None,
                ),
                "open": asked.get(person_id, []),
                "chosen": fields.get(f"mark-{person_id}", AS_IT_IS),
                "late": fields.get(f"late-{person_id}", ""),
                "early": fields.get(f"early-{person_id}", ""),
                "who": fields.get(f"who-{person_id}") == "yes",
            }
        )
    return shown
