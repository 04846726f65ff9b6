"""Until when a course's registers are marked, and from when they are final: as it was set for its run, else by the profile
from the run's end on (STEP-3, STEP-20, STEP-21). The rule is policy/deadlines.py's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, exists, func, or_, select

from server.policy import deadlines
from server.policy.profile import Profile
from server.store.schema import batch, class_group, course_run, session, session_class

CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class CourseTimes:
    """Of the session's course run: until when lecturers mark (STEP-20), from when they are reminded of that, and from
    when nothing changes (STEP-3); and when its batch began (DDU-7)."""

    marking_deadline_ms: int | None = None
    lock_ms: int | None = None
    remind_ms: int | None = None
    batch_starts_ms: int | None = None
    batch_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Dates:
    """What is held of the runs of one session. Of several the earliest, so that no class's lock is passed by."""

    #: as they were set
    deadline_ms: int | None = None
    lock_ms: int | None = None
    #: the earliest end of those for which none was set
    deadline_ends_ms: int | None = None
    lock_ends_ms: int | None = None
    batch_starts_ms: int | None = None
    batch_id: int | None = None

    def by(self, profile: Profile, zone: ZoneInfo) -> CourseTimes:
        """What they mean where this profile holds. zone: the institution's."""
        set_ = deadlines.course(
            profile, course_ends_ms=None, zone=zone, deadline_ms=self.deadline_ms, lock_ms=self.lock_ms
        )
        by_end = deadlines.course(profile, course_ends_ms=self.deadline_ends_ms, zone=zone)
        by_profile = deadlines.course(profile, course_ends_ms=self.lock_ends_ms, zone=zone).final_ms
        lock_ms = _earliest(set_.final_ms, by_profile)
        return CourseTimes(
            # A deadline later than the lock keeps nothing open.
            marking_deadline_ms=_earliest(set_.deadline_ms, by_end.deadline_ms, lock_ms),
            lock_ms=lock_ms,
            remind_ms=_earliest(set_.remind_ms, by_end.remind_ms),
            batch_starts_ms=self.batch_starts_ms,
            batch_id=self.batch_id,
        )


def _earliest(*times: int | None) -> int | None:
    return min((one for one in times if one is not None), default=None)


def of(connection: Connection, session_ids: Iterable[int]) -> dict[int, Dates]:
    """session id -> what is held of its course runs, its own and its classes'."""
    wanted = sorted(set(session_ids))
    found: dict[int, Dates] = {}
    for start in range(0, len(wanted), CHUNK):
        for row in connection.execute(_statement(), {"ids": wanted[start : start + CHUNK]}):
            found[row.id] = Dates(**{name: getattr(row, name) for name in Dates.__dataclass_fields__})
    return {one: found.get(one, Dates()) for one in wanted}


def of_batch(batch_id: int) -> ColumnElement[bool]:
    """The condition that a session belongs to this batch, by itself or by a class of its."""
    of_class = (
        exists()
        .where(
            session_class.c.session_id == session.c.id,
            session_class.c.to_ms.is_(None),
            class_group.c.id == session_class.c.class_id,
            class_group.c.batch_id == batch_id,
        )
        .correlate(session)
    )
    return or_(session.c.batch_id == batch_id, of_class)


@cache
def _statement() -> Select:
    ids = bindparam("ids", expanding=True)
    direct = select(session.c.id, session.c.course_run_id, session.c.batch_id).where(session.c.id.in_(ids))
    by_class = (
        select(session_class.c.session_id.label("id"), class_group.c.course_run_id, class_group.c.batch_id)
        .join(class_group, class_group.c.id == session_class.c.class_id)
        .where(session_class.c.session_id.in_(ids), session_class.c.to_ms.is_(None))
    )
    both = direct.union(by_class).subquery()
    ends = course_run.c.ends_ms
    return (
        select(
            both.c.id,
            func.min(course_run.c.marking_deadline_ms).label("deadline_ms"),
            func.min(course_run.c.lock_ms).label("lock_ms"),
            func.min(case((course_run.c.marking_deadline_ms.is_(None), ends))).label("deadline_ends_ms"),
            func.min(case((course_run.c.lock_ms.is_(None), ends))).label("lock_ends_ms"),
            func.min(batch.c.starts_ms).label("batch_starts_ms"),
            func.min(batch.c.id).label("batch_id"),
        )
        .select_from(both)
        .outerjoin(course_run, course_run.c.id == both.c.course_run_id)
        .outerjoin(batch, batch.c.id == both.c.batch_id)
        .group_by(both.c.id)
    )
