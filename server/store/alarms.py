"""Alarms: what a person has to look at. One row for each (code, subject), counted."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from server.store import upsert
from server.store.schema import alarm

#: there are two boards of one reader
CLONE = "journal-clone"
#: a reader that is believed no more delivers
REVOKED = "revoked-delivers"


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One alarm. subject: what it is about, such as a reader's name. closed_ms: None while it is open."""

    id: int
    code: str
    subject: str
    reader_id: int | None
    text: str
    count: int
    first_ms: int
    last_ms: int
    closed_ms: int | None


def raise_(
    connection: Connection,
    institution_id: int,
    code: str,
    subject: str,
    text: str,
    now_ms: int,
    *,
    reader_id: int | None = None,
) -> None:
    """Raise an alarm; raised again it is counted, and open again."""
    statement = upsert.insert(connection, alarm).values(
        institution_id=institution_id,
        code=code,
        subject=subject,
        reader_id=reader_id,
        text=text,
        first_ms=now_ms,
        last_ms=now_ms,
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[alarm.c.institution_id, alarm.c.code, alarm.c.subject],
            set_={"count": alarm.c.count + 1, "last_ms": now_ms, "text": text, "closed_ms": None},
        )
    )


def last(connection: Connection, institution_id: int, code: str, subject: str) -> tuple[bool, int] | None:
    """Whether such an alarm is open, and when it was closed, or last raised; None: there never was one."""
    query = select(alarm.c.closed_ms, alarm.c.last_ms).where(
        alarm.c.institution_id == institution_id, alarm.c.code == code, alarm.c.subject == subject
    )
    row = connection.execute(query).first()
    return None if row is None else (row.closed_ms is None, row.closed_ms or row.last_ms)


def open_alarms(connection: Connection, institution_id: int) -> list[Alarm]:
    """The open ones, newest first."""
    query = (
        select(alarm)
        .where(alarm.c.institution_id == institution_id, alarm.c.closed_ms.is_(None))
        .order_by(alarm.c.last_ms.desc(), alarm.c.id)
    )
    return [
        Alarm(**{name: getattr(row, name) for name in Alarm.__dataclass_fields__}) for row in connection.execute(query)
    ]


def close(connection: Connection, institution_id: int, alarm_id: int, account_id: int | None, now_ms: int) -> bool:
    """Close an alarm. Returns whether there was such an open one."""
    done = connection.execute(
        update(alarm)
        .where(alarm.c.institution_id == institution_id, alarm.c.id == alarm_id, alarm.c.closed_ms.is_(None))
        .values(closed_ms=now_ms, closed_by_account_id=account_id)
    )
    return done.rowcount == 1


def over(connection: Connection, institution_id: int, code: str, subject: str, now_ms: int) -> None:
    """What this alarm told of works again: it is closed, by nobody."""
    connection.execute(
        update(alarm)
        .where(
            alarm.c.institution_id == institution_id,
            alarm.c.code == code,
            alarm.c.subject == subject,
            alarm.c.closed_ms.is_(None),
        )
        .values(closed_ms=now_ms)
    )
