"""How often each candidate has used up an occasion before one shift: came late or left early, and had the shift in full.

Counted from the registers of the same batch in the same block of days (DDU-3, DDU-4); what one is policy/days.py says.
"""

from __future__ import annotations

from collections import Counter
from datetime import time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, or_, select

from server.policy import days, moments
from server.policy.profile import Profile
from server.store import course_times
from server.store.schema import mark, mark_current, session
from server.store.session_rows import SessionRow


def used(connection: Connection, profile: Profile, found: SessionRow, zone: ZoneInfo) -> dict[int, int]:
    """person id -> occasions used before this session, in shifts of its kind; who used none is left out. Empty where the
    session belongs to no batch: nobody knows its block then. zone: the institution's."""
    dates = course_times.of(connection, [found.id])[found.id]
    if dates.batch_id is None or dates.batch_starts_ms is None:
        return {}
    day = moments.day_of(found.starts_ms, zone)
    _, place = days.block(profile, day, moments.day_of(dates.batch_starts_ms, zone))
    begins_ms = moments.instant(day - timedelta(days=place), time.min, zone)
    query = (
        select(mark.c.person_id, mark.c.code, mark.c.late_min, mark.c.early_min, session.c.starts_ms, session.c.ends_ms)
        .join(mark_current, mark_current.c.mark_id == mark.c.id)
        .join(session, session.c.id == mark.c.session_id)
        .where(
            course_times.of_batch(dates.batch_id),
            session.c.profile == profile.name,
            session.c.starts_ms >= begins_ms,
            session.c.starts_ms < found.starts_ms,
            session.c.cancelled_ms.is_(None),
            or_(mark.c.late_min.is_not(None), mark.c.early_min.is_not(None)),
        )
    )
    kind = days.kind_of(profile, length_min=(found.ends_ms - found.starts_ms) // 60_000)
    return Counter(
        row.person_id
        for row in connection.execute(query)
        if days.kind_of(profile, length_min=(row.ends_ms - row.starts_ms) // 60_000) == kind
        and days.spends_occasion(profile, kind, row.code, late_min=row.late_min, early_min=row.early_min)
    )
