"""Who is late again and again (LOUGH-15): counted from the marks that hold, never with a reason (LOUGH-16)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from server.scope import Scope
from server.store import sessions
from server.store.schema import mark, mark_current, person_external_id, person_name, session


@dataclass(frozen=True, kw_only=True)
class Late:
    """One student who was late once, in a session that somebody may see."""

    person_id: int
    full_name: str
    external_id: str
    session_id: int
    title: str
    profile: str
    starts_ms: int
    code: str
    late_min: int | None
    early_min: int | None


#: as many marks are read at most
MOST = 20_000


def of(
    connection: Connection, scope: Scope, codes: set[str], from_ms: int, to_ms: int, *, most: int = MOST
) -> tuple[list[Late], bool]:
    """Every mark of somebody late that holds, with one of these codes, of sessions that start in [from, to) and that this
    scope reaches with `lateness.read`, by student and time; and whether these are all.

    Where there are more than `most`, the students at the end of the alphabet are left out, each whole: nobody is counted
    by a part of their marks.
    """
    number = (
        select(func.min(person_external_id.c.external_id))
        .where(person_external_id.c.person_id == mark.c.person_id, person_external_id.c.source == "identifier")
        .where(person_external_id.c.to_ms.is_(None))
        .scalar_subquery()
    )
    query = (
        select(
            mark.c.person_id,
            person_name.c.full_name,
            number.label("external_id"),
            session.c.id.label("session_id"),
            session.c.title,
            session.c.profile,
            session.c.starts_ms,
            mark.c.code,
            mark.c.late_min,
            mark.c.early_min,
        )
        .join(mark_current, mark_current.c.mark_id == mark.c.id)
        .join(session, session.c.id == mark.c.session_id)
        .join(person_name, person_name.c.person_id == mark.c.person_id)
        .where(
            sessions.visible(scope, "lateness.read"),
            session.c.starts_ms >= from_ms,
            session.c.starts_ms < to_ms,
            session.c.cancelled_ms.is_(None),
            mark.c.code.in_(sorted(codes)),
            # Who only left early was not late, though it is the same mark.
            or_(mark.c.late_min.is_not(None), mark.c.early_min.is_(None)),
        )
        .order_by(person_name.c.sort_name, mark.c.person_id, session.c.starts_ms)
        .limit(most + 1)
    )
    found = [Late(**{**row._mapping, "external_id": row.external_id or ""}) for row in connection.execute(query)]
    if len(found) <= most:
        return found, True
    return [one for one in found if one.person_id != found[-1].person_id], False
