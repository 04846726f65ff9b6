"""Who teaches a session follows who teaches its class, as far as the session is not over."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, update

from server.store.due import CHUNK
from server.store.imported_registers import chunks
from server.store.parts import AWAY
from server.store.schema import enrolment, session, session_class, session_staff

#: cover is a person's decision, and stays (LOUGH-9), also for whoever handed over
ROLE = "lecturer"


def follow_teachers(connection: Connection, institution_id: int, class_ids: Iterable[int], now_ms: int) -> None:
    """Give the sessions of these classes that are not over yet their classes' teachers; what was set by hand stays."""
    found: set[int] = set()
    for ids in chunks(class_ids):
        query = (
            select(session_class.c.session_id)
            .join(session, session.c.id == session_class.c.session_id)
            .where(session_class.c.class_id.in_(ids), session_class.c.to_ms.is_(None), session.c.closes_ms > now_ms)
            .where(session.c.kept_by_hand.is_(False))
        )
        found.update(connection.execute(query).scalars())
    staff_sessions(connection, institution_id, found, now_ms)


def staff_sessions(connection: Connection, institution_id: int, session_ids: Iterable[int], now_ms: int) -> None:
    """Give these sessions the teachers that their classes have at their start; end what is so no longer."""
    wanted: dict[int, set[int]] = {}
    opens: dict[int, int] = {}
    held: dict[int, dict[int, int]] = {}
    ids_of = chunks(session_ids)
    for ids in ids_of:
        for row in connection.execute(select(session.c.id, session.c.opens_ms).where(session.c.id.in_(ids))):
            opens[row.id], wanted[row.id], held[row.id] = row.opens_ms, set(), {}
        query = (
            select(session_class.c.session_id, enrolment.c.person_id)
            .select_from(session_class)
            .join(session, session.c.id == session_class.c.session_id)
            .join(enrolment, enrolment.c.class_id == session_class.c.class_id)
            .where(session_class.c.session_id.in_(ids), session_class.c.to_ms.is_(None), enrolment.c.role == "teacher")
            .where(enrolment.c.from_ms <= session.c.starts_ms)
            .where((enrolment.c.to_ms.is_(None)) | (enrolment.c.to_ms > session.c.starts_ms))
        )
        for row in connection.execute(query):
            wanted[row.session_id].add(row.person_id)
        query = select(session_staff).where(
            session_staff.c.session_id.in_(ids), session_staff.c.to_ms.is_(None), session_staff.c.role.in_((ROLE, AWAY))
        )
        for row in connection.execute(query):
            held[row.session_id][row.person_id] = row.id
    gone = [row_id for key, rows in held.items() for person_id, row_id in rows.items() if person_id not in wanted[key]]
    for start in range(0, len(gone), CHUNK):
        part = gone[start : start + CHUNK]
        connection.execute(update(session_staff).where(session_staff.c.id.in_(part)).values(to_ms=now_ms))
    new = [
        {
            "institution_id": institution_id,
            "session_id": key,
            "person_id": person_id,
            "role": ROLE,
            "from_ms": min(now_ms, opens[key]),
        }
        for key, persons in sorted(wanted.items())
        for person_id in sorted(persons - held[key].keys())
    ]
    if new:
        connection.execute(insert(session_staff), new)
