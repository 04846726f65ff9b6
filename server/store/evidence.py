"""What absence rests on: sessions that have closed, the doors they had, and the release of their registers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, delete, null, or_, select, update

from server.store import alarms
from server.store.prepared import Prepared
from server.store.schema import (
    alarm,
    due,
    enrolment,
    outage,
    placement,
    reader_state,
    register,
    session,
    session_class,
    session_room,
)

#: registers older than this are not looked at again by themselves
LOOK_BACK_MS = 30 * 24 * 3_600_000


_IDS = bindparam("ids", expanding=True)


def _closed(stated: ColumnElement[bool]) -> Prepared:
    return Prepared(
        select(session)
        .outerjoin(register, register.c.session_id == session.c.id)
        .where(
            session.c.institution_id == bindparam("institution"),
            session.c.closes_ms < bindparam("now_ms"),
            session.c.closes_ms > bindparam("oldest_ms"),
            session.c.cancelled_ms.is_(None),
            session.c.id > bindparam("after"),
            stated,
        )
        .order_by(session.c.id)
        .limit(bindparam("most"))
    )


_STATED = register.c.evidence == bindparam("state")
#: by whether the state is pending: then there may be no register yet
_CLOSED = {
    False: _closed(_STATED),
    # A session that was moved after its register was released has been held since, or will be.
    True: _closed(or_(register.c.session_id.is_(None), _STATED, register.c.settled_ms <= session.c.closes_ms)),
}


def closed(
    connection: Connection, institution_id: int, now_ms: int, state: str, limit: int, after: int = 0
) -> list[Any]:
    """Sessions that have closed and whose evidence is in that state (pending, incomplete), by id after `after`."""
    query = _CLOSED[state == "pending"]
    values = {"institution": institution_id, "state": state, "after": after, "most": limit}
    return query.all(connection, values | {"now_ms": now_ms, "oldest_ms": now_ms - LOOK_BACK_MS})


_DOUBTED = Prepared(
    select(reader_state.c.reader_id, reader_state.c.again_from_ms)
    .where(reader_state.c.institution_id == bindparam("institution"), reader_state.c.again_from_ms.is_not(None))
    .order_by(reader_state.c.reader_id)
)
_AT_DOORS = _closed(
    and_(
        _STATED,
        session.c.id.in_(
            select(session_room.c.session_id)
            .join(placement, placement.c.room_id == session_room.c.room_id)
            .where(placement.c.reader_id.in_(bindparam("readers", expanding=True)))
        ),
    )
)
_LOOKED = Prepared(
    update(reader_state)
    .where(reader_state.c.reader_id == bindparam("reader"), reader_state.c.again_from_ms == bindparam("since"))
    .values(again_from_ms=None)
)


def doubted(connection: Connection, institution_id: int) -> dict[int, int]:
    """reader id -> from when on the registers of its doors are to be looked at again, though they were complete."""
    rows = _DOUBTED.all(connection, {"institution": institution_id})
    return {row.reader_id: row.again_from_ms for row in rows}


def closed_at(
    connection: Connection, institution_id: int, now_ms: int, doubted: Mapping[int, int], limit: int, after: int = 0
) -> list[Any]:
    """Sessions with complete evidence that ended since then at any room at which one of these readers (reader id ->
    from) ever was, by id after `after`."""
    if not doubted:
        return []
    values = {"institution": institution_id, "state": "complete", "after": after, "most": limit, "now_ms": now_ms}
    oldest_ms = max(now_ms - LOOK_BACK_MS, min(doubted.values()) - 1)
    return _AT_DOORS.all(connection, values | {"oldest_ms": oldest_ms, "readers": sorted(doubted)})


def looked(connection: Connection, doubted: Mapping[int, int]) -> None:
    """The registers of these readers' doors were looked at again. What came meanwhile has moved its time, and stays."""
    _LOOKED.each(connection, [{"reader": one, "since": since} for one, since in sorted(doubted.items())])


def _doors_of() -> Prepared:
    two = select(alarm.c.reader_id).where(
        alarm.c.code == alarms.CLONE, alarm.c.closed_ms.is_(None), alarm.c.reader_id.is_not(None)
    )
    known = case((reader_state.c.reader_id.in_(two), null()), else_=reader_state.c.known_until_ms)
    return Prepared(
        select(
            session.c.id,
            session.c.opens_ms,
            session.c.closes_ms,
            placement.c.reader_id,
            placement.c.from_ms,
            placement.c.to_ms,
            known.label("known_until_ms"),
        )
        .join(session_room, session_room.c.session_id == session.c.id)
        .join(placement, placement.c.room_id == session_room.c.room_id)
        .join(reader_state, reader_state.c.reader_id == placement.c.reader_id)
        .where(
            session.c.id.in_(_IDS),
            session_room.c.from_ms <= session.c.closes_ms,
            or_(session_room.c.to_ms.is_(None), session_room.c.to_ms > session.c.opens_ms),
            placement.c.from_ms <= session.c.closes_ms,
            or_(placement.c.to_ms.is_(None), placement.c.to_ms > session.c.opens_ms),
        )
        .distinct()
    )


_DOORS_OF = _doors_of()


def doors_of(connection: Connection, session_ids: Iterable[int]) -> dict[int, list[Any]]:
    """session id -> rows (reader_id, from_ms, to_ms, known_until_ms): every door that it had in its window, and for
    which part of the window the reader was placed at a room that the session then had.

    A reader with an open alarm that there are two of it (`alarms.CLONE`) is not known: what one board states says
    nothing of the other's journal, and absence rests on doors that are known (design.md). A person closes the alarm.
    """
    wanted = sorted(set(session_ids))
    found: dict[int, list[Any]] = {}
    for row in _DOORS_OF.all(connection, {"ids": wanted}):
        if row.to_ms is None or row.to_ms > row.from_ms:
            found.setdefault(row.id, []).append(row)
    return found


_WAITING = Prepared(
    select(session_class.c.session_id)
    .join(enrolment, and_(enrolment.c.class_id == session_class.c.class_id, enrolment.c.role == "student"))
    .join(due, due.c.person_id == enrolment.c.person_id)
    .where(session_class.c.session_id.in_(_IDS))
    .distinct()
)


def waiting(connection: Connection, session_ids: Iterable[int]) -> set[int]:
    """Those of these sessions that have somebody on the list who is due: first the swipes, then the silence."""
    return set(_WAITING.scalars(connection, {"ids": sorted(set(session_ids))}))


def release(connection: Connection, session_id: int, state: str, now_ms: int) -> None:
    """The register's evidence is now complete or incomplete. The register is locked by the caller."""
    _RELEASE.run(connection, {"session": session_id, "state": state, "now_ms": now_ms})


_RELEASE = Prepared(
    update(register)
    .where(register.c.session_id == bindparam("session"))
    .values(evidence=bindparam("state"), settled_ms=bindparam("now_ms"), version=register.c.version + 1)
)


_NO_OUTAGES = Prepared(delete(outage).where(outage.c.session_id == bindparam("session")))
_ADD_OUTAGES = Prepared(
    outage.insert(), ("institution_id", "session_id", "reader_id", "from_ms", "to_ms", "why", "created_ms")
)


def set_outages(
    connection: Connection, institution_id: int, session_id: int, rows: list[tuple[int, int, int, str]], now_ms: int
) -> None:
    """The outages in this session's window: (reader id, from, to, why)."""
    _NO_OUTAGES.run(connection, {"session": session_id})
    _ADD_OUTAGES.each(
        connection,
        [
            {
                "institution_id": institution_id,
                "session_id": session_id,
                "reader_id": reader_id,
                "from_ms": from_ms,
                "to_ms": to_ms,
                "why": why,
                "created_ms": now_ms,
            }
            for reader_id, from_ms, to_ms, why in rows
        ],
    )
