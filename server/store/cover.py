"""Cover: a colleague takes a session over (LOUGH-9). Whoever delivers it marks it; who hands it over still sees it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, exists, or_, select, update

from server.errors import Refused, StoreError
from server.scope import HEAD, LECTURER, Scope
from server.store import derivations, hands, history, notes, sessions
from server.store.schema import account, session_staff
from server.store.schema_rights import account_role
from server.store.upsert import new_id

COVER = "cover"
#: who can mark a register as its staff
TEACHES = (LECTURER, HEAD)


def hand_over(
    connection: Connection, scope: Scope, session_id: int, to_person_id: int, *, reason: str, now_ms: int
) -> int:
    """A colleague covers this session: it is on their list, and theirs to mark, beside its own staff. Returns the id of
    the cover.

    Raises NotFound(`session`), StoreError(`cover-person`), Refused(`session-cancelled`, `cover-already`).
    """
    found = sessions.need(connection, scope, session_id, "register.cover")
    if found.cancelled_ms is not None:
        raise Refused("session-cancelled", "this class was cancelled: nobody has to cover it")
    if not _teaches(connection, found.institution_id, to_person_id, now_ms):
        raise StoreError("cover-person", "choose a colleague who teaches and can sign in")
    derivations.lock_registers(connection, found.institution_id, [session_id])
    staff = _staff(connection, session_id)
    if to_person_id in {row.person_id for row in staff}:
        raise Refused("cover-already", "this colleague has the session already")
    made = connection.execute(
        session_staff.insert().values(
            institution_id=found.institution_id,
            session_id=session_id,
            person_id=to_person_id,
            role=COVER,
            from_ms=min(now_ms, found.opens_ms),
        )
    )
    _tell(connection, scope, found, {"to": to_person_id, "beside": [row.person_id for row in staff]}, reason, now_ms)
    return new_id(made)


def take_back(
    connection: Connection, scope: Scope, session_id: int, person_id: int, *, reason: str = "", now_ms: int
) -> None:
    """This colleague does not cover it after all. Raises NotFound(`session`), Refused(`cover-none`)."""
    found = sessions.need(connection, scope, session_id, "register.cover")
    derivations.lock_registers(connection, found.institution_id, [session_id])
    done = connection.execute(
        update(session_staff)
        .where(
            session_staff.c.session_id == session_id,
            session_staff.c.person_id == person_id,
            session_staff.c.role == COVER,
            session_staff.c.to_ms.is_(None),
        )
        .values(to_ms=now_ms)
    )
    if not done.rowcount:
        raise Refused("cover-none", "this colleague does not cover the session")
    _tell(connection, scope, found, {"ended": person_id}, reason, now_ms)


def _tell(connection: Connection, scope: Scope, found: Any, body: dict[str, Any], reason: str, now_ms: int) -> None:
    if reason:
        note_id = notes.add(connection, found.institution_id, reason, scope.account_id, now_ms)
        body["note"] = notes.cited(connection, [note_id])[note_id]
    history.append(
        connection,
        institution_id=found.institution_id,
        session_id=found.id,
        kind=history.COVER,
        body=body,
        by_account_id=scope.account_id,
        now_ms=now_ms,
    )
    derivations.touch(connection, [found.id])
    hands.add_audit(connection, scope, "register.cover", f"session/{found.id}", now_ms)


def _staff(connection: Connection, session_id: int) -> list[Any]:
    query = select(session_staff.c.person_id, session_staff.c.role).where(
        session_staff.c.session_id == session_id, session_staff.c.to_ms.is_(None)
    )
    return list(connection.execute(query.order_by(session_staff.c.id)))


def _teaches(connection: Connection, institution_id: int, person_id: int, now_ms: int) -> bool:
    """Whether the person can sign in and has a role that marks what it staffs."""
    holds = exists().where(
        account_role.c.account_id == account.c.id,
        account_role.c.role.in_(TEACHES),
        account_role.c.from_ms <= now_ms,
        or_(account_role.c.to_ms.is_(None), account_role.c.to_ms > now_ms),
    )
    query = select(account.c.id).where(
        account.c.institution_id == institution_id,
        account.c.person_id == person_id,
        account.c.disabled_ms.is_(None),
        holds,
    )
    return connection.execute(query).first() is not None
