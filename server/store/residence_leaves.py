"""Leave from the residence: asked by the resident, decided by staff, never by oneself (DDU-12, DDU-14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, exists, func, or_, select, update

from server.errors import NotAllowed, NotFound, Refused
from server.policy.moments import instant
from server.scope import Scope
from server.store import campus, institutions, notes, residence_reach
from server.store.campus import FieldRefused
from server.store.schema import account, note, person, person_name
from server.store.schema_residence import residence_leave, residency
from server.store.upsert import new_id

ASKED, APPROVED, REFUSED, WITHDRAWN = "asked", "approved", "refused", "withdrawn"
DAYS_MAX, TEXT_MAX = 200, 2_000


@dataclass(frozen=True, kw_only=True)
class Leave:
    """One leave. first, last: evenings, both included."""

    id: int
    person_id: int
    name: str
    first: date
    last: date
    text: str
    state: str
    asked_ms: int
    decided_ms: int | None
    #: who decided, as other staff know them
    decided_by: str
    answer: str


def ask(connection: Connection, scope: Scope, person_id: int, first: date, last: date, text: str, now_ms: int) -> int:
    """Ask for leave on these evenings: the resident, or staff on their behalf. Returns its id.

    Raises NotFound(`resident`), FieldRefused(`dates`, `text`), Refused(`not-resident`, `leave-there`).
    """
    residence_reach.need_own_or(connection, scope, person_id, "residence.tend", now_ms=now_ms)
    if not 0 <= (last - first).days < DAYS_MAX:
        raise FieldRefused("dates", "last", f"the last evening comes after the first, and within {DAYS_MAX} days")
    text = _text(text)
    campus.begin(connection, scope)
    if not _lives(connection, person_id, now_ms, None):
        raise Refused("not-resident", "they live in no house of the residence")
    zone = ZoneInfo(institutions.one(connection, scope.institution_id).time_zone)
    from_ms, to_ms = (instant(one, time.min, zone) for one in (first, last + timedelta(days=1)))
    if not _lives(connection, person_id, from_ms, to_ms):
        raise FieldRefused(
            "dates", "first", "on these evenings they live in no house of the residence: look at the year"
        )
    same = and_(
        residence_leave.c.person_id == person_id,
        residence_leave.c.state.in_((ASKED, APPROVED)),
        residence_leave.c.first <= last.isoformat(),
        residence_leave.c.last >= first.isoformat(),
    )
    if connection.execute(select(residence_leave.c.id).where(same)).first() is not None:
        raise Refused("leave-there", "for some of these evenings leave was asked already: withdraw that first")
    note_id = notes.add(connection, scope.institution_id, text, scope.account_id or None, now_ms) if text else None
    made = connection.execute(
        residence_leave.insert().values(
            institution_id=scope.institution_id,
            person_id=person_id,
            first=first.isoformat(),
            last=last.isoformat(),
            note_id=note_id,
            asked_ms=now_ms,
            asked_by_account_id=scope.account_id,
            state=ASKED,
        )
    )
    found = new_id(made)
    _write(connection, scope, "ask", person_id, found, note_id, now_ms)
    return found


def decide(connection: Connection, scope: Scope, leave_id: int, approve: bool, text: str, now_ms: int) -> None:
    """Approve or refuse a leave. Nobody decides their own; whoever is alone on duty decides what they wrote down of a call.

    Raises NotFound(`leave`), NotAllowed(`own-leave`), Refused(`decided`).
    """
    scope.need("residence.tend")
    row = _need(connection, scope, leave_id, "residence.tend", now_ms)
    if scope.person_id == row.person_id:
        raise NotAllowed("own-leave", "nobody decides their own leave: ask somebody else on duty")
    if row.state != ASKED:
        raise Refused("decided", f"this leave is {row.state} already")
    text = _text(text)
    note_id = notes.add(connection, scope.institution_id, text, scope.account_id or None, now_ms) if text else None
    state = APPROVED if approve else REFUSED
    done = connection.execute(
        update(residence_leave)
        .where(residence_leave.c.id == leave_id, residence_leave.c.state == ASKED)
        .values(state=state, decided_ms=now_ms, decided_by_account_id=scope.account_id, answer_note_id=note_id)
    )
    if done.rowcount != 1:
        raise Refused("decided", "somebody else has decided meanwhile")
    _write(connection, scope, "approve" if approve else "refuse", row.person_id, leave_id, note_id, now_ms)
    institutions.campus_changed(connection, scope.institution_id)


def withdraw(connection: Connection, scope: Scope, leave_id: int, now_ms: int) -> None:
    """It is not wanted any more: the resident, or staff. Raises NotFound(`leave`), Refused(`decided`)."""
    row = _need(connection, scope, leave_id, "residence.tend", now_ms)
    if row.state not in (ASKED, APPROVED):
        raise Refused("decided", f"this leave is {row.state} already")
    connection.execute(update(residence_leave).where(residence_leave.c.id == leave_id).values(state=WITHDRAWN))
    _write(connection, scope, "withdraw", row.person_id, leave_id, None, now_ms)
    institutions.campus_changed(connection, scope.institution_id)


def waiting(connection: Connection, scope: Scope, now_ms: int) -> list[Leave]:
    """Those that wait for a decision in the houses in reach, by their first evening. Raises NotAllowed."""
    scope.need("residence.read")
    in_care = residence_reach.in_care(scope, "residence.read", now_ms)
    return _listed(connection, and_(residence_leave.c.state == ASKED, in_care), residence_leave.c.first)


def of_person(connection: Connection, scope: Scope, person_id: int, now_ms: int) -> list[Leave]:
    """Somebody's leaves, newest first; residents their own. Raises NotFound(`resident`)."""
    residence_reach.need_own_or(connection, scope, person_id, "residence.read", now_ms=now_ms)
    return _listed(connection, residence_leave.c.person_id == person_id, residence_leave.c.id.desc())


def _lives(connection: Connection, person_id: int, from_ms: int, to_ms: int | None) -> bool:
    """Whether they live in a house at any time in [from, to); without an end, from then on."""
    during = or_(residency.c.to_ms.is_(None), residency.c.to_ms > from_ms)
    if to_ms is not None:
        during = and_(during, residency.c.from_ms < to_ms)
    return bool(connection.execute(select(exists().where(residency.c.person_id == person_id, during))).scalar())


def _need(connection: Connection, scope: Scope, leave_id: int, act: str, now_ms: int) -> Any:
    row = connection.execute(
        select(residence_leave).where(
            residence_leave.c.id == leave_id, residence_leave.c.institution_id == scope.institution_id
        )
    ).first()
    if row is None:
        raise NotFound("leave", "there is no such leave, or they are not in your care")
    try:
        residence_reach.need_own_or(connection, scope, row.person_id, act, now_ms=now_ms)
    except NotFound as error:
        raise NotFound("leave", "there is no such leave, or they are not in your care") from error
    return row


def _listed(connection: Connection, where: Any, order: Any) -> list[Leave]:
    answer = note.alias("answer")
    query = (
        select(
            residence_leave,
            func.coalesce(person_name.c.full_name, "").label("name"),
            notes.shown().label("text"),
            answer.c.text.label("answer"),
            answer.c.erased_ms.label("answer_erased_ms"),
            account.c.shown_name,
        )
        .join(person, person.c.id == residence_leave.c.person_id)
        .outerjoin(person_name, person_name.c.person_id == residence_leave.c.person_id)
        .outerjoin(note, note.c.id == residence_leave.c.note_id)
        .outerjoin(answer, answer.c.id == residence_leave.c.answer_note_id)
        .outerjoin(account, account.c.id == residence_leave.c.decided_by_account_id)
        .where(where)
        .order_by(order, residence_leave.c.id)
    )
    return [
        Leave(
            id=row.id,
            person_id=row.person_id,
            name=row.name,
            first=date.fromisoformat(row.first),
            last=date.fromisoformat(row.last),
            text=row.text or "",
            state=row.state,
            asked_ms=row.asked_ms,
            decided_ms=row.decided_ms,
            decided_by=row.shown_name or "",
            answer=notes.ERASED if row.answer_erased_ms is not None else row.answer or "",
        )
        for row in connection.execute(query)
    ]


def _write(
    connection: Connection, scope: Scope, what: str, person_id: int, leave_id: int, note_id: int | None, now_ms: int
) -> None:
    cited = None if note_id is None else notes.cited(connection, [note_id])[note_id]
    subject = f"person:{person_id}"
    campus.write_down(connection, scope, f"residence-leave.{what}", subject, now_ms, leave=leave_id, note=cited)


def _text(text: str) -> str:
    text = text.strip()
    if len(text) > TEXT_MAX:
        raise FieldRefused("text", "text", f"at most {TEXT_MAX} characters")
    return text
