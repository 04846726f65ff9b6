"""Marking deadlines of courses that are near or past, for whoever has registers to verify (STEP-20)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from server.policy.profile import Profiles
from server.scope import Scope
from server.store import course_times, parts, standing
from server.store.schema import class_group, course, register, session, session_class, session_staff

#: how far back unverified registers of a lecturer are looked for
BACK_MS = 200 * 24 * 3_600_000


@dataclass(frozen=True, kw_only=True)
class Reminder:
    """Registers of a lecturer that are to be verified by a deadline that is near, or past."""

    course: str
    registers: int
    #: the first of them
    session_id: int
    deadline_ms: int
    lock_ms: int | None


def of(connection: Connection, scope: Scope, profiles: Profiles, now_ms: int) -> list[Reminder]:
    """Of whoever delivers sessions: what they have to verify, from the profile's days before the deadline until the lock
    (STEP-20). The nearest deadline first."""
    names = [name for name in profiles if any(one.course_remind_days is not None for one in profiles.versions(name))]
    if scope.person_id is None or not names or not scope.may("register.verify"):
        return []
    query = (
        select(session.c.id, session.c.profile, session.c.starts_ms, func.min(course.c.code).label("code"))
        .join(session_staff, session_staff.c.session_id == session.c.id)
        .outerjoin(session_class, (session_class.c.session_id == session.c.id) & session_class.c.to_ms.is_(None))
        .outerjoin(class_group, class_group.c.id == session_class.c.class_id)
        .outerjoin(course, course.c.id == class_group.c.course_id)
        .outerjoin(register, register.c.session_id == session.c.id)
        .where(
            session.c.institution_id == scope.institution_id,
            session_staff.c.person_id == scope.person_id,
            parts.part_of("register.verify"),
            session.c.profile.in_(names),
            session.c.cancelled_ms.is_(None),
            session.c.starts_ms <= now_ms,
            session.c.starts_ms > now_ms - BACK_MS,
            register.c.verified_ms.is_(None),
        )
        .group_by(session.c.id, session.c.profile, session.c.starts_ms)
        .order_by(session.c.starts_ms, session.c.id)
    )
    rows = list(connection.execute(query))
    if not rows:
        return []
    zone = standing.zone_of(connection, scope.institution_id)
    dates = course_times.of(connection, [row.id for row in rows])
    groups: dict[tuple[int, int | None, str], list[int]] = {}
    for row in rows:
        profile = standing.profile_of(profiles, row)
        times = dates[row.id].by(profile, zone)
        if not profile.verification_needed or times.marking_deadline_ms is None or times.remind_ms is None:
            continue
        if times.remind_ms <= now_ms and (times.lock_ms is None or now_ms < times.lock_ms):
            groups.setdefault((times.marking_deadline_ms, times.lock_ms, row.code or ""), []).append(row.id)
    return [
        Reminder(course=code, registers=len(ids), session_id=ids[0], deadline_ms=deadline_ms, lock_ms=lock_ms)
        for (deadline_ms, lock_ms, code), ids in sorted(groups.items(), key=lambda item: (item[0][0], item[0][2]))
    ]
