"""Cancelling a class with a reason (LOUGH-11), taking that back on the same day, and handing it over to cover (LOUGH-9)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from server.declared import act
from server.errors import Refused, StoreError
from server.pages import beside, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, id_in, number
from server.store import cancellations, colleagues, cover, derivations, notes, page_register
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

REASON_LIMIT = 500


def _reason(fields: dict[str, str]) -> str:
    return notes.within(fields.get("reason", ""), REASON_LIMIT)


@router.get("/sessions/{session}/cancel")
@act("register.cancel")
def ask_cancel(signed: Signed, session: str) -> Response:
    """What cancelling does, and its reason."""
    with reading(signed.engine) as connection:
        return _cancel_page(signed, connection, number(session, "session"))


def _cancel_page(
    signed: Visit, connection: Connection, session_id: int, *, problem: str | None = None, reason: str = ""
) -> Response:
    found = beside.find(signed, connection, session_id, "register.cancel")
    profile = signed.desk.profile(found.row.profile, found.row.starts_ms)
    code = profile.codes.get(profile.cancels_to or "")
    cancelled = found.row.cancelled_ms is not None
    answer = cancellations.may(connection, signed.scope, profile, session_id, signed.now_ms())
    return found.show(
        "cancel.html",
        problem=problem,
        reason=reason,
        cancelled=cancelled,
        refused=None if answer.allowed else answer.text,
        by_request=answer.by_request,
        mark=f"{code.code}, {code.meaning}" if code else None,
        members=found.row.members,
        seen=page_register.newest_by_hand(connection, session_id),
    )


@router.post("/sessions/{session}/cancel")
@act("register.cancel")
def cancel(signed: Signed, session: str, fields: Form) -> Response:
    """The class does not take place; `restore` takes that back. Asked for twice it is done once."""
    check_csrf(fields, signed.login)
    session_id, reason = number(session, "session"), _reason(fields)
    restores = fields.get("do") == "restore"
    with writing(signed.engine) as connection:
        found = beside.find(signed, connection, session_id, "register.cancel")
        # Sent twice: it is so already.
        if (found.row.cancelled_ms is None) == restores:
            return beside.back(session_id, "restored" if restores else "cancelled")
        try:
            if not reason:
                raise StoreError("reason", "say why: whoever looks at this register later will want to know")
            if not restores:
                _need_seen(signed, connection, session_id, fields)
            work = cancellations.restore if restores else cancellations.cancel
            work(connection, signed.scope, signed.desk.profiles, session_id, reason=reason, now_ms=signed.now_ms())
        except StoreError as error:
            if not error.mendable:
                raise
            connection.rollback()
            return _cancel_page(signed, connection, session_id, problem=words.sentence(error), reason=reason)
    return beside.back(session_id, "restored" if restores else "cancelled")


def _need_seen(signed: Visit, connection: Connection, session_id: int, fields: dict[str, str]) -> None:
    """Raises Refused(`mark-changed`) where somebody has marked by hand since the form was opened: that they would lose."""
    derivations.lock_registers(connection, signed.scope.institution_id, [session_id])
    if "seen" in fields and id_in(fields["seen"]) != page_register.newest_by_hand(connection, session_id):
        raise Refused(
            "mark-changed", "marks were set by hand while you looked: look at the register, then cancel it here"
        )


@router.get("/sessions/{session}/cover")
@act("register.cover")
def ask_cover(signed: Signed, session: str) -> Response:
    """Which colleague, and who covers it now."""
    with reading(signed.engine) as connection:
        return _cover_page(signed, connection, number(session, "session"))


def _cover_page(
    signed: Visit,
    connection: Connection,
    session_id: int,
    *,
    problem: str | None = None,
    fields: dict[str, str] | None = None,
) -> Response:
    found = beside.find(signed, connection, session_id, "register.cover")
    fields = fields or {}
    teaching = colleagues.teaching(connection, session_id)
    mine = signed.scope.person_id in {one.person_id for one in teaching}
    return found.show(
        "cover.html",
        mine=mine,
        # Whoever only teaches it hands over their own part: there is nothing to choose.
        instead=teaching if cover.cares(signed.scope) else [],
        chosen_instead=fields.get("instead", str(signed.scope.person_id) if mine else "all"),
        handed=colleagues.handed_over(connection, signed.scope, session_id) is not None,
        problem=problem,
        people=colleagues.free(connection, signed.scope, session_id, signed.now_ms()),
        covering=colleagues.covering(connection, session_id),
        chosen=fields.get("person", ""),
        reason=_reason(fields),
    )


def _instead(connection: Connection, session_id: int, wanted: str) -> list[int] | None:
    """In whose place the colleague comes; None: as is usual for whoever hands it over."""
    if wanted == "all":
        return [one.person_id for one in colleagues.teaching(connection, session_id)]
    if wanted == "nobody":
        return []
    return [number(wanted, "colleague")] if wanted else None


@router.post("/sessions/{session}/cover")
@act("register.cover")
def hand_over(signed: Signed, session: str, fields: Form) -> Response:
    """A colleague covers it (`do`: give), or does not any more (`do`: end). Twice is once."""
    check_csrf(fields, signed.login)
    session_id = number(session, "session")
    ends = fields.get("do") == "end"
    with writing(signed.engine) as connection:
        beside.find(signed, connection, session_id, "register.cover")
        try:
            if not fields.get("person"):
                raise StoreError("cover-person", "choose the colleague first")
            person_id = number(fields["person"], "colleague")
            there = person_id in {one.person_id for one in colleagues.covering(connection, session_id)}
            if there == ends:
                reason, now_ms = _reason(fields), signed.now_ms()
                if ends:
                    cover.take_back(connection, signed.scope, session_id, person_id, reason=reason, now_ms=now_ms)
                else:
                    cover.hand_over(
                        connection, signed.scope, session_id, person_id, reason=reason, now_ms=now_ms,
                        instead=_instead(connection, session_id, fields.get("instead", "")),
                    )  # fmt: skip
        except StoreError as error:
            if not error.mendable:
                raise
            connection.rollback()
            return _cover_page(signed, connection, session_id, problem=words.sentence(error), fields=fields)
    return beside.back(session_id, "uncovered" if ends else "covered")
