"""Asking for a change: the page says which tier applies, who must act and what is needed, and takes the form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import NotFound, NotSignedIn, StoreError, Unwritable
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, id_in, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.upload import FILES_MOST, Sent, files_and_fields
from server.policy import allowed, tiers
from server.store import attachments, page_requests, request_asking, request_quotas, request_terms, sessions
from server.store.derivations import held_marks
from server.store.engine import Connection, reading, writing
from server.store.request_asking import Line, Wish
from server.store.request_terms import (
    BURSARY,
    CANCELLATION,
    KINDS,
    MARKS,
    REMOVAL,
    RESTORATION,
    SUBMISSION,
    TRANSFER,
    WHOLE,
    Situation,
)

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[Sent, Depends(files_and_fields)]

KIND_WORDS = {
    MARKS: "Change marks",
    BURSARY: "Bursary only",
    REMOVAL: "Off the list",
    TRANSFER: "To another class",
    CANCELLATION: "Cancel the class",
    RESTORATION: "Bring the class back",
    SUBMISSION: "Submit late",
}
#: what a request about the whole register asks for
WHOLE_WORDS = {
    CANCELLATION: "The class did not take place: it is cancelled for everybody on the list, once this is applied.",
    RESTORATION: "The class took place after all: the marks from before its cancellation hold again, once this is applied.",
    SUBMISSION: "The marks of everybody on the register count from the approval on. What is wrong in them can be corrected then.",
}
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
    now = request_terms.situation(connection, signed.scope, signed.desk.profiles, session_id, signed.now_ms())
    local = signed.local(connection)
    codes = _codes(connection, now)
    tier, may = _tier(now, kind, codes)
    fields = sent.fields
    status = 200 if error is None else 422 if error.status == 400 else error.status
    return page(
        signed.request,
        "request_form.html",
        status=status,
        login=signed.login,
        session_id=session_id,
        about=heading(connection, signed, session_id, local),
        kind=kind,
        kinds=[(name, KIND_WORDS[name]) for name in KINDS if name == kind or _offered(now, name)],
        whole=WHOLE_WORDS.get(kind),
        quotas=request_quotas.said(connection, now, kind, now.members),
        tier=tier,
        until=local.moment(tier.until_ms) if tier is not None and tier.until_ms is not None else None,
        roles=tiers.people(tier.roles) if tier is not None and tier.roles else "nobody",
        may=may,
        direct=kind == MARKS and now.tier.direct and bool(_acting(now) & set(now.tier.roles)),
        codes=codes,
        minutes=[code for code in codes if now.profile.codes[code].minutes],
        meanings={code: about.meaning for code, about in now.profile.codes.items()},
        evidence_needed=kind in (TRANSFER, SUBMISSION) or (tier is not None and "evidence" in tier.needs),
        students=[] if kind in WHOLE else _students(connection, now, kind, only, fields, local),
        only=only,
        classes=page_requests.classes_beside(connection, session_id) if kind == TRANSFER else [],
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


def _acting(now: Situation) -> frozenset[str]:
    return now.stands.roles if now.stands.staffs else now.stands.roles - {"lecturer"}


def _codes(connection: Connection, now: Situation) -> list[str]:
    """The marks that may be asked for, as for one student among others."""
    if not now.members:
        return []
    one = now.members[0]
    found = []
    for code in now.profile.codes:
        ((_, about),) = request_terms.facts(connection, now, {one: code}, reason=True, evidence=True).values()
        alone = allowed.Facts(
            **{**{name: getattr(about, name) for name in allowed.Facts.__dataclass_fields__},
               "current": None, "students_set": 1, "students_all": max(2, about.students_all),
               "trip_confirmed": True}
        )  # fmt: skip
        answer = allowed.may_set(now.profile, code, alone)
        if not answer.allowed and (answer.by_request or answer.approvals):
            found.append(code)
    return found


def _tier(now: Situation, kind: str, codes: list[str]) -> tuple[tiers.Tier | None, bool]:
    """The tier that applies, and whether this scope may ask by it."""
    if kind == MARKS:
        return now.tier, bool(codes)
    if kind == BURSARY:
        found = now.bursary
        return found or now.tier, found is not None and bool(now.stands.roles & set(found.roles))
    if kind == CANCELLATION:
        return now.tier, _is_open(lambda: request_terms.of_cancellation(now))
    if kind == RESTORATION:
        found = request_terms.tier_of(now, kind, kind) if now.tier.direct else now.tier
        return found, _is_open(lambda: request_terms.of_restoration(now))
    if kind == SUBMISSION:
        return request_terms.tier_of(now, kind, ""), _is_open(lambda: request_terms.of_submission(now))
    return request_terms.tier_of(now, kind, ""), not now.final


def _is_open(terms: Callable[[], object]) -> bool:
    try:
        terms()
    except StoreError:
        return False
    return True


def _offered(now: Situation, kind: str) -> bool:
    """Whether the form has this kind at all, whoever asks."""
    if kind == BURSARY:
        return now.profile.bursary_tier is not None
    if kind == CANCELLATION:
        return not now.tier.direct and not now.final and now.session.cancelled_ms is None
    if kind == RESTORATION:
        return now.session.cancelled_by_account_id is not None and not now.final and _is_open(
            lambda: request_terms.of_restoration(now)
        )  # fmt: skip
    return kind != SUBMISSION or request_terms.is_late(now)


def _students(
    connection: Connection, now: Situation, kind: str, only: int | None, fields: dict[str, str], local: Local
) -> list[dict[str, Any]]:
    there = held_marks(connection, now.session.id)
    asked = page_requests.open_of_session(connection, now.session.id)
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


def heading(connection: Connection, signed: Visit, session_id: int, local: Local) -> dict[str, str]:
    """Which session it is about. The caller has asked whether it may be read."""
    row = page_requests.session_of(connection, session_id)
    return {"title": row.title, "when": f"{local.moment(row.starts_ms)} – {local.time(row.ends_ms)}"}
