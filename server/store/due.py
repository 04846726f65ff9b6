"""Whose swipes are to be looked at again, and from when to when. derive/job.py empties this."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, delete, func, select, true, union

from server.store import swipes, upsert
from server.store.prepared import Prepared
from server.store.schema import (
    credit,
    due,
    enrolment,
    mark_current,
    reading,
    register,
    session,
    session_class,
)

#: ids in one statement
CHUNK = 500
#: a swipe this near to a window may, by its uncertainty, lie in it
NEAR_MS = 3_600_000


def mark(connection: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Mark persons: dicts of person_id, institution_id, from_ms, to_ms, since_ms. A row that is there is widened."""
    wide: dict[int, dict[str, Any]] = {}
    for row in rows:
        there = wide.setdefault(row["person_id"], dict(row))
        there["from_ms"] = min(there["from_ms"], row["from_ms"])
        there["to_ms"] = max(there["to_ms"], row["to_ms"])
    if not wide:
        return
    # Always in the same order: two transactions that mark the same persons then wait, and never deadlock.
    _WIDEN.each(connection, [wide[person_id] for person_id in sorted(wide)])


def _widen(dialect: str) -> Any:
    made = upsert.insert_of(dialect, due)
    return made.on_conflict_do_update(
        index_elements=[due.c.person_id],
        set_={
            "from_ms": upsert.lesser(dialect, due.c.from_ms, made.excluded.from_ms),
            "to_ms": upsert.greater(dialect, due.c.to_ms, made.excluded.to_ms),
        },
    )


_WIDEN = Prepared(_widen, ("person_id", "institution_id", "from_ms", "to_ms", "since_ms"))


def persons(
    connection: Connection, institution_id: int, person_ids: Iterable[int], from_ms: int, to_ms: int, now_ms: int
) -> None:
    """Mark these persons' swipes in [from, to]."""
    mark(
        connection,
        [
            {
                "person_id": person_id,
                "institution_id": institution_id,
                "from_ms": from_ms,
                "to_ms": to_ms,
                "since_ms": now_ms,
            }
            for person_id in person_ids
        ],
    )


def sessions(connection: Connection, institution_id: int, session_ids: Iterable[int], now_ms: int) -> None:
    """Mark whoever these sessions may concern: everybody who swiped at any of their rooms in their windows, and
    everybody credited or marked in them. Sessions that have not opened yet concern nobody."""
    wanted = sorted(set(session_ids))
    for start in range(0, len(wanted), CHUNK):
        ids = wanted[start : start + CHUNK]
        mark(connection, _rows(connection, _concerned(ids, now_ms), institution_id, now_ms))


def classes(connection: Connection, institution_id: int, class_ids: Iterable[int], now_ms: int) -> None:
    """Mark whoever the sessions of these classes, as far as they have opened, may concern."""
    wanted = sorted(set(class_ids))
    found: set[int] = set()
    for start in range(0, len(wanted), CHUNK):
        query = (
            select(session_class.c.session_id)
            .join(session, session.c.id == session_class.c.session_id)
            .where(session_class.c.class_id.in_(wanted[start : start + CHUNK]), session.c.opens_ms <= now_ms)
        )
        found.update(connection.execute(query).scalars())
    sessions(connection, institution_id, found, now_ms)


def _concerned(ids: list[int], now_ms: int) -> Select:
    window = (session.c.opens_ms.label("from_ms"), session.c.closes_ms.label("to_ms"))
    open_now = and_(session.c.id.in_(ids), session.c.opens_ms <= now_ms)
    listed = (
        select(reading.c.person_id, *window)
        .select_from(session)
        .join(session_class, session_class.c.session_id == session.c.id)
        .join(enrolment, and_(enrolment.c.class_id == session_class.c.class_id, enrolment.c.role == "student"))
        .join(
            reading,
            and_(
                reading.c.person_id == enrolment.c.person_id,
                reading.c.at_ms >= session.c.opens_ms - NEAR_MS,
                reading.c.at_ms <= session.c.closes_ms + NEAR_MS,
            ),
        )
        .where(open_now)
    )
    credited = (
        select(credit.c.person_id, *window)
        .join(session, session.c.id == credit.c.session_id)
        .where(session.c.id.in_(ids), credit.c.superseded_ms.is_(None))
    )
    marked = (
        select(mark_current.c.person_id, *window)
        .join(session, session.c.id == mark_current.c.session_id)
        .where(session.c.id.in_(ids))
    )
    # A register that is settled says something of everybody on its list.
    settled = (
        select(enrolment.c.person_id, *window)
        .select_from(session)
        .join(register, and_(register.c.session_id == session.c.id, register.c.evidence != "pending"))
        .join(session_class, session_class.c.session_id == session.c.id)
        .join(enrolment, and_(enrolment.c.class_id == session_class.c.class_id, enrolment.c.role == "student"))
        .where(open_now)
    )
    return select(union(listed, credited, marked, settled).subquery())


def _rows(connection: Connection, query: Select, institution_id: int, now_ms: int) -> list[dict[str, Any]]:
    return [
        {
            "person_id": row.person_id,
            "institution_id": institution_id,
            "from_ms": row.from_ms,
            "to_ms": row.to_ms,
            "since_ms": now_ms,
        }
        for row in connection.execute(query)
        if row.person_id is not None
    ]


def reader(connection: Connection, institution_id: int, reader_id: int, from_ms: int, to_ms: int, now_ms: int) -> None:
    """Mark whoever swiped at this reader in [from, to]: its placement changed."""
    query = select(reading.c.person_id, reading.c.at_ms.label("from_ms"), reading.c.at_ms.label("to_ms")).where(
        reading.c.reader_id == reader_id,
        # What is unsure may have been after it. The first bound is for the index.
        reading.c.at_ms >= from_ms - swipes.UNSURE_MAX_MS,
        reading.c.at_ms + reading.c.uncertainty_ms >= from_ms,
        reading.c.at_ms - reading.c.uncertainty_ms <= to_ms,
    )
    mark(connection, _rows(connection, query, institution_id, now_ms))


def take(connection: Connection, limit: int, *, only: int | None = None, but: Iterable[int] = ()) -> list[Any]:
    """The persons that wait longest, at most `limit`, locked against others until the transaction ends, and no longer
    due. What is marked from now on is due again. only: this person; but: none of these."""
    among, values = _among(only, but)
    rows = sorted(_take(among).all(connection, {"most": limit, **values}), key=lambda row: row.person_id)
    if rows:
        _TAKEN.run(connection, {"ids": [row.person_id for row in rows]})
    return rows


_TAKEN = Prepared(delete(due).where(due.c.person_id.in_(bindparam("ids", expanding=True))))
#: what of `due` a query is about
_AMONG: dict[str, ColumnElement[bool]] = {
    "all": true(),
    "only": due.c.person_id == bindparam("only"),
    "but": due.c.person_id.not_in(bindparam("but", expanding=True)),
}


@cache
def _take(among: str) -> Prepared:
    query = select(due).where(_AMONG[among]).order_by(due.c.since_ms, due.c.person_id).limit(bindparam("most"))
    return Prepared(query.with_for_update(skip_locked=True))


@cache
def _first(among: str) -> Prepared:
    query = select(due.c.person_id).where(_AMONG[among])
    return Prepared(query.order_by(due.c.since_ms, due.c.person_id).limit(bindparam("most")))


@cache
def _any(among: str) -> Prepared:
    return Prepared(select(due.c.person_id).where(_AMONG[among]).limit(1))


def _among(only: int | None, but: Iterable[int]) -> tuple[str, dict[str, Any]]:
    left_out = sorted(but)
    if only is not None:
        return "only", {"only": only}
    return ("but", {"but": left_out}) if left_out else ("all", {})


def first(connection: Connection, limit: int, *, but: Iterable[int] = ()) -> list[int]:
    """The ids of the persons that wait longest, at most `limit`, none of `but`. Takes nothing."""
    among, values = _among(None, but)
    return _first(among).scalars(connection, {"most": limit, **values})


def waiting(connection: Connection, institution_id: int) -> int:
    """How many persons are due."""
    return connection.execute(
        select(func.count()).select_from(due).where(due.c.institution_id == institution_id)
    ).scalar_one()


def anybody(connection: Connection, *, but: Iterable[int] = ()) -> bool:
    """Whether anybody is due who is not one of `but`."""
    among, values = _among(None, but)
    return _any(among).first(connection, values) is not None
