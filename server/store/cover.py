"""Cover: a colleague takes a session over (LOUGH-9). Whoever delivers it marks it, and nobody else (STEP-1): who handed
it over reads it from then on, and takes it back. Those who teach it with them keep their part (LOUGH-10)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, and_, exists, or_, select, update

from server.errors import Refused, StoreError
from server.scope import HEAD, LECTURER, Scope
from server.store import campus, derivations, history, notes, rights, sessions
from server.store.parts import AWAY, COVER, TEACHES
from server.store.schema import account, session, session_staff
from server.store.schema_rights import account_role
from server.store.upsert import new_id

#: the roles of those who can mark a register as its staff
TEACHING = (LECTURER, HEAD)


def hand_over(
    connection: Connection,
    scope: Scope,
    session_id: int,
    to_person_id: int,
    *,
    reason: str,
    now_ms: int,
    instead: Iterable[int] | None = None,
) -> int:
    """A colleague covers this session: it is on their list, and theirs to mark. Returns the id of the cover.

    instead: those of its staff in whose place they come; they only read it from now on. None: whoever hands it over,
    where they teach it themselves, else all who do. Somebody who teaches it and has no wider care of it hands over their
    own part only. Who covers it and hands it on has it no longer.

    Raises NotFound(`session`), StoreError(`cover-person`, `cover-instead`), Refused(`session-cancelled`,
    `cover-already`).
    """
    found = sessions.need(connection, scope, session_id, "register.cover")
    if found.cancelled_ms is not None:
        raise Refused("session-cancelled", "this class was cancelled: nobody has to cover it")
    if not _teaches(connection, found.institution_id, to_person_id, now_ms):
        raise StoreError("cover-person", "choose a colleague who teaches and can sign in")
    derivations.lock_registers(connection, found.institution_id, [session_id])
    staff = _staff(connection, session_id)
    if to_person_id in {row.person_id for row in staff if row.role != AWAY}:
        raise Refused("cover-already", "this colleague has the session already")
    if to_person_id in {row.person_id for row in staff}:
        raise Refused(
            "cover-already", "this colleague handed it over themselves: end the cover, and it is theirs again"
        )
    gone = _instead(scope, staff, instead)
    _set_part(connection, session_id, gone, TEACHES, AWAY)
    if scope.person_id in {row.person_id for row in staff if row.role == COVER}:
        _end(connection, session_id, scope.person_id, now_ms)
    made = connection.execute(
        session_staff.insert().values(
            institution_id=found.institution_id,
            session_id=session_id,
            person_id=to_person_id,
            role=COVER,
            from_ms=min(now_ms, found.opens_ms),
        )
    )
    beside = [row.person_id for row in staff if row.role != AWAY and row.person_id not in gone]
    body = {"to": to_person_id, "beside": [one for one in beside if one != scope.person_id], "instead": sorted(gone)}
    _tell(connection, scope, found, body, reason, now_ms)
    return new_id(made)


def _instead(scope: Scope, staff: list[Any], wanted: Iterable[int] | None) -> set[int]:
    """In whose place somebody comes. Raises StoreError(`cover-instead`)."""
    own = {row.person_id for row in staff if row.role == TEACHES}
    mine = own & {scope.person_id}
    if wanted is None:
        return mine or (own if cares(scope) else set())
    chosen = set(wanted)
    if not chosen <= own:
        raise StoreError("cover-instead", "choose in whose place your colleague comes: one of those who teach it")
    if not cares(scope) and chosen != mine:
        raise StoreError("cover-instead", "you hand over your own part: of the others', they and the head decide")
    return chosen


def cares(scope: Scope) -> bool:
    """Whether this scope hands over sessions of others."""
    reach = scope.reach("register.cover")
    return reach.all or bool(reach.departments or reach.courses)


def take_back(
    connection: Connection, scope: Scope, session_id: int, person_id: int, *, reason: str = "", now_ms: int
) -> None:
    """This colleague does not cover it after all; with the last cover's end it is again theirs who handed it over.
    Raises NotFound(`session`), Refused(`cover-none`)."""
    found = sessions.need(connection, scope, session_id, "register.cover")
    derivations.lock_registers(connection, found.institution_id, [session_id])
    if not _end(connection, session_id, person_id, now_ms):
        raise Refused("cover-none", "this colleague does not cover the session")
    staff = _staff(connection, session_id)
    back = set[int]()
    if not any(row.role == COVER for row in staff):
        back = {row.person_id for row in staff if row.role == AWAY}
        _set_part(connection, session_id, back, AWAY, TEACHES)
    _tell(connection, scope, found, {"ended": person_id, "back": sorted(back)}, reason, now_ms)


def left(connection: Connection, scope: Scope, person_id: int, now_ms: int) -> list[int]:
    """Whoever has left delivers no session that is not over; what they covered is theirs again who handed it over.
    Returns the sessions that nobody delivers any more, by their start."""
    query = (
        select(session.c.id, session.c.institution_id, session.c.cancelled_ms, session_staff.c.role)
        .join(session_staff, session_staff.c.session_id == session.c.id)
        .where(session_staff.c.person_id == person_id, session_staff.c.to_ms.is_(None), session.c.closes_ms > now_ms)
        .order_by(session.c.starts_ms, session.c.id)
    )
    theirs = list(connection.execute(query))
    derivations.lock_registers(connection, scope.institution_id, [row.id for row in theirs])
    alone = []
    for row in theirs:
        open_ = and_(session_staff.c.session_id == row.id, session_staff.c.to_ms.is_(None))
        mine = and_(open_, session_staff.c.person_id == person_id)
        connection.execute(update(session_staff).where(mine).values(to_ms=now_ms))
        staff = _staff(connection, row.id)
        back = set[int]()
        if not any(one.role == COVER for one in staff):
            back = {one.person_id for one in staff if one.role == AWAY}
            _set_part(connection, row.id, back, AWAY, TEACHES)
        if not staff and row.cancelled_ms is None:
            alone.append(row.id)
        if row.role == COVER or back:
            _tell(connection, scope, row, {"ended": person_id, "back": sorted(back)}, "", now_ms)
        else:
            derivations.touch(connection, [row.id])
    return alone


def _end(connection: Connection, session_id: int, person_id: int | None, now_ms: int) -> bool:
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
    return bool(done.rowcount)


def _set_part(connection: Connection, session_id: int, person_ids: set[int], was: str, becomes: str) -> None:
    """What these are in the session. The history says since when, and by whom."""
    connection.execute(
        update(session_staff)
        .where(
            session_staff.c.session_id == session_id,
            session_staff.c.person_id.in_(sorted(person_ids)),
            session_staff.c.role == was,
            session_staff.c.to_ms.is_(None),
        )
        .values(role=becomes)
    )


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
        # 0: a command on the server's own machine
        by_account_id=scope.account_id or None,
        now_ms=now_ms,
    )
    derivations.touch(connection, [found.id])
    campus.write_down(connection, scope, "register.cover", f"session/{found.id}", now_ms)


def _staff(connection: Connection, session_id: int) -> list[Any]:
    query = select(session_staff.c.person_id, session_staff.c.role).where(
        session_staff.c.session_id == session_id, session_staff.c.to_ms.is_(None)
    )
    return list(connection.execute(query.order_by(session_staff.c.id)))


def _teaches(connection: Connection, institution_id: int, person_id: int, now_ms: int) -> bool:
    """Whether the person can sign in and has a role that marks what it staffs."""
    holds = exists().where(
        account_role.c.account_id == account.c.id,
        account_role.c.role.in_(TEACHING),
        account_role.c.from_ms <= now_ms,
        or_(account_role.c.to_ms.is_(None), account_role.c.to_ms > now_ms),
    )
    query = select(account.c.id).where(
        account.c.institution_id == institution_id,
        account.c.person_id == person_id,
        rights.opens(),
        holds,
    )
    return connection.execute(query).first() is not None
