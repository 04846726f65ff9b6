"""What another first day, or other classes, of a batch would mean: from which batches classes go, which registers' days move."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from server.policy.profile import Profiles
from server.policy.sections import FORTNIGHT
from server.policy.tiers import fortnight_ends
from server.scope import Scope
from server.store import chunks, course_times, session_profiles, standing
from server.store.schema import batch, class_group, session


def elsewhere(connection: Connection, class_ids: Iterable[int], batch_id: int | None) -> dict[str, str]:
    """class -> the other batch in which it is now, by their codes."""
    query = (
        select(class_group.c.code, batch.c.code.label("other"))
        .join(batch, batch.c.id == class_group.c.batch_id)
        .where(class_group.c.id.in_(sorted(class_ids)), batch.c.id != (batch_id or 0))
        .order_by(class_group.c.code)
    )
    return {row.code: row.other for row in connection.execute(query)}


def deadlines(
    connection: Connection, scope: Scope, profiles: Profiles, class_ids: Iterable[int]
) -> dict[int, tuple[int, int]]:
    """session id -> its end, and until when its marks may be changed by the block of days in which it lies (DDU-7): of those
    sessions of these classes whose profile counts so."""
    zone = standing.zone_of(connection, scope.institution_id)
    found: dict[int, tuple[int, int]] = {}
    for ids in chunks.of(session_profiles.of_classes(connection, class_ids)):
        rows = connection.execute(
            select(session.c.id, session.c.profile, session.c.starts_ms, session.c.ends_ms).where(
                session.c.id.in_(ids), session.c.cancelled_ms.is_(None)
            )
        ).all()
        known = {row.id: standing.profile_of(profiles, row) for row in rows if row.profile in profiles}
        counted = {row.id: row for row in rows if row.id in known
                   and any(one.until == FORTNIGHT for one in known[row.id].tiers)}  # fmt: skip
        for key, dates in course_times.of(connection, counted).items():
            ends_ms = counted[key].ends_ms
            until_ms = fortnight_ends(known[key], at_ms=ends_ms, batch_starts_ms=dates.batch_starts_ms, zone=zone)
            found[key] = (ends_ms, until_ms)
    return found
