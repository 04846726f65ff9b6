"""Class lists that registers rest on which are final: after a course's lock date nobody comes onto one or off it (STEP-3)."""

from __future__ import annotations

from sqlalchemy import Connection, or_, select

from server.policy import deadlines, moments
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import standing
from server.store.campus import FieldRefused
from server.store.schema import session, session_class


def need_open(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    class_id: int,
    one_ms: int,
    other_ms: int | None,
    now_ms: int,
) -> None:
    """A student is on this list, or is not any more, between the two times (None: for good): the registers of that time
    would have one more or fewer. Raises FieldRefused(`list-locked`) where one is final, naming the last of its days."""
    from_ms, *until = sorted(at for at in (one_ms, other_ms) if at is not None)
    final = finals(connection, scope.institution_id, profiles, class_id, from_ms, until[0] if until else None, now_ms)
    if final:
        zone = standing.zone_of(connection, scope.institution_id)
        last = moments.day_of(final[-1], zone)
        many = f"{len(final)} registers of this class are" if len(final) > 1 else "a register of this class is"
        raise FieldRefused(
            "list-locked",
            "day",
            f"{many} final since the course's lock date, and would change: choose a day after {last.isoformat()} (STEP-3)",
        )


def finals(
    connection: Connection,
    institution_id: int,
    profiles: Profiles,
    class_id: int,
    from_ms: int,
    to_ms: int | None,
    now_ms: int,
) -> list[int]:
    """When the sessions of this class start whose registers are final, in [from, to) (None: no end); in order."""
    names = [name for name in profiles if any(deadlines.locks(one) for one in profiles.versions(name))]
    if not names:
        return []
    query = (
        select(session.c.id, session.c.profile, session.c.starts_ms)
        .join(session_class, session_class.c.session_id == session.c.id)
        .where(
            session_class.c.class_id == class_id,
            # A class that was taken off before it began has no part in its register.
            or_(session_class.c.to_ms.is_(None), session_class.c.to_ms > session.c.starts_ms),
            session.c.profile.in_(names),
            session.c.cancelled_ms.is_(None),
            session.c.starts_ms >= from_ms,
            *(() if to_ms is None else (session.c.starts_ms < to_ms,)),
        )
        .distinct()
    )
    rows = connection.execute(query).all()
    zone = standing.zone_of(connection, institution_id)
    final = standing.final(connection, profiles, zone, rows, now_ms)
    return sorted(row.starts_ms for row in rows if row.id in final)
