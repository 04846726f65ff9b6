"""How somebody stands to one session: the roles that reach it, and whether they staff it; and what rules ask about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, exists, func, or_, select

from server.policy import allowed
from server.policy.profile import Profile, Profiles
from server.policy.tiers import Tier, tier
from server.scope import Scope
from server.store import institutions, sessions
from server.store.schema import batch, class_group, course_run, enrolment, session, session_class, session_staff
from server.store.schema_work import absence, absence_session, attachment, trip, trip_person


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Somebody and a session."""

    #: those of their roles whose grant reaches this session
    roles: frozenset[str]
    #: they are among its staff, for cover too (LOUGH-9, LOUGH-10)
    staffs: bool


def of(connection: Connection, scope: Scope, session_id: int, act: str = "register.mark") -> Standing:
    """How this scope stands to the session, with this act. A head of another department is no head here."""
    roles = sorted(scope.roles)
    columns: list[Any] = [
        sessions.visible(replace(scope, grants=tuple(one for one in scope.grants if one.role == role)), act).label(role)
        for role in roles
    ]
    staffs = exists().where(
        session_staff.c.session_id == session.c.id,
        session_staff.c.person_id == scope.person_id,
        or_(session_staff.c.to_ms.is_(None), session_staff.c.to_ms > session.c.starts_ms),
    )
    row = connection.execute(select(staffs.label("staffs"), *columns).where(session.c.id == session_id)).one()
    return Standing(
        roles=frozenset(role for role, reaches in zip(roles, row[1:], strict=True) if reaches),
        staffs=bool(row.staffs) and scope.person_id is not None,
    )


def profile_of(profiles: Mapping[str, Profile], found: Any) -> Profile:
    """The version of its profile that holds for a session (its row)."""
    return profiles.at(found.profile, found.starts_ms) if isinstance(profiles, Profiles) else profiles[found.profile]


def zone_of(connection: Connection, institution_id: int) -> ZoneInfo:
    """The institution's time zone."""
    return ZoneInfo(institutions.one(connection, institution_id).time_zone)


@dataclass(frozen=True, kw_only=True)
class CourseTimes:
    """Of the session's course run: until when lecturers mark (STEP-20), and from when nothing changes (STEP-3); and
    when its batch began (DDU-7)."""

    marking_deadline_ms: int | None = None
    lock_ms: int | None = None
    batch_starts_ms: int | None = None


def course_times(connection: Connection, session_ids: Iterable[int]) -> dict[int, CourseTimes]:
    """session id -> its course run's times; of several runs the earliest, so that no class's lock is passed by."""
    wanted = sorted(set(session_ids))
    found: dict[int, CourseTimes] = {}
    in_class = session_class.join(class_group, class_group.c.id == session_class.c.class_id)
    direct = select(session.c.id, session.c.course_run_id, session.c.batch_id)
    by_class = (
        select(session_class.c.session_id.label("id"), class_group.c.course_run_id, class_group.c.batch_id)
        .select_from(in_class)
        .where(session_class.c.to_ms.is_(None))
    )
    for start in range(0, len(wanted), 500):
        ids = wanted[start : start + 500]
        both = direct.where(session.c.id.in_(ids)).union(by_class.where(session_class.c.session_id.in_(ids))).subquery()
        query = (
            select(
                both.c.id,
                func.min(course_run.c.marking_deadline_ms).label("marking_deadline_ms"),
                func.min(course_run.c.lock_ms).label("lock_ms"),
                func.min(batch.c.starts_ms).label("batch_starts_ms"),
            )
            .select_from(both)
            .outerjoin(course_run, course_run.c.id == both.c.course_run_id)
            .outerjoin(batch, batch.c.id == both.c.batch_id)
            .group_by(both.c.id)
        )
        for row in connection.execute(query):
            found[row.id] = CourseTimes(
                marking_deadline_ms=row.marking_deadline_ms, lock_ms=row.lock_ms, batch_starts_ms=row.batch_starts_ms
            )
    return {one: found.get(one, CourseTimes()) for one in wanted}


def facts(
    connection: Connection, scope: Scope, found: Any, act: str = "register.mark", *, now_ms: int
) -> allowed.Facts:
    """What the rules ask about this scope and this session (its row). What is to be known of one student is left open:
    `dataclasses.replace` puts it in."""
    stands = of(connection, scope, found.id, act)
    times = course_times(connection, [found.id])[found.id]
    return allowed.Facts(
        roles=stands.roles,
        staffs=stands.staffs,
        starts_ms=found.starts_ms,
        ends_ms=found.ends_ms,
        now_ms=now_ms,
        zone=zone_of(connection, found.institution_id),
        current=None,
        cancelled=found.cancelled_ms is not None,
        students_set=0,
        students_all=0,
        marking_deadline_ms=times.marking_deadline_ms,
        lock_ms=times.lock_ms,
        batch_starts_ms=times.batch_starts_ms,
        mode=found.mode,
    )


def tier_now(connection: Connection, profile: Profile, found: Any, now_ms: int) -> Tier:
    """The tier of a session (its row) at this time."""
    times = course_times(connection, [found.id])[found.id]
    return tier(
        profile,
        ends_ms=found.ends_ms,
        now_ms=now_ms,
        zone=zone_of(connection, found.institution_id),
        marking_deadline_ms=times.marking_deadline_ms,
        lock_ms=times.lock_ms,
        batch_starts_ms=times.batch_starts_ms,
    )


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is known of one student's absence from a session."""

    #: when the absence was first reported; None: it was not
    reported_ms: int | None = None
    has_reason: bool = False
    has_evidence: bool = False


def told(connection: Connection, found: Any, person_ids: Iterable[int]) -> dict[int, Told]:
    """person id -> what was reported of their absence from this session (its row), open or approved."""
    names_it = exists().where(absence_session.c.absence_id == absence.c.id, absence_session.c.session_id == found.id)
    names_any = exists().where(absence_session.c.absence_id == absence.c.id)
    proven = exists().where(
        attachment.c.subject == "absence", attachment.c.subject_id == absence.c.id, attachment.c.erased_ms.is_(None)
    )
    query = select(absence.c.person_id, absence.c.reported_ms, absence.c.reason_note_id, proven.label("proven")).where(
        absence.c.institution_id == found.institution_id,
        absence.c.person_id.in_(sorted(set(person_ids))),
        absence.c.state.in_(("open", "approved")),
        absence.c.from_ms < found.ends_ms,
        absence.c.to_ms > found.starts_ms,
        or_(names_it, ~names_any),
    )
    made: dict[int, Told] = {}
    for row in connection.execute(query):
        before = made.get(row.person_id, Told())
        made[row.person_id] = Told(
            reported_ms=min(row.reported_ms, before.reported_ms or row.reported_ms),
            has_reason=before.has_reason or row.reason_note_id is not None,
            has_evidence=before.has_evidence or bool(row.proven),
        )
    return made


def came_along(connection: Connection, found: Any, person_ids: Iterable[int]) -> set[int]:
    """Those who were on a trip during this session (its row), as staff on the trip confirmed."""
    query = (
        select(trip_person.c.person_id)
        .join(trip, trip.c.id == trip_person.c.trip_id)
        .where(
            trip.c.institution_id == found.institution_id,
            trip_person.c.person_id.in_(sorted(set(person_ids))),
            trip_person.c.role == "student",
            trip_person.c.came.is_(True),
            trip.c.confirmed_ms.is_not(None),
            trip.c.cancelled_ms.is_(None),
            trip.c.from_ms < found.ends_ms,
            trip.c.to_ms > found.starts_ms,
        )
    )
    return set(connection.execute(query).scalars())


def members(connection: Connection, session_id: int) -> list[int]:
    """Who is on the class list at the session's start."""
    query = (
        select(enrolment.c.person_id)
        .join(session_class, session_class.c.class_id == enrolment.c.class_id)
        .join(session, session.c.id == session_class.c.session_id)
        .where(and_(session.c.id == session_id, sessions.listed()))
        .distinct()
    )
    return sorted(connection.execute(query).scalars())
