"""How somebody stands to one session: the roles that reach it, and whether they staff it; and what rules ask about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, and_, bindparam, exists, or_, select

from server.errors import Refused
from server.policy import allowed, deadlines
from server.policy.profile import Profile, Profiles
from server.policy.tiers import Tier, tier
from server.scope import Scope
from server.store import course_times, institutions, parts, sessions
from server.store.course_times import CourseTimes as CourseTimes
from server.store.prepared import Prepared
from server.store.schema import enrolment, register, session, session_class, session_staff
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
    row = connection.execute(_of(scope, act), {"session": session_id}).one()
    return Standing(
        roles=frozenset(role for role, reaches in zip(sorted(scope.roles), row[1:], strict=True) if reaches),
        staffs=bool(row.staffs) and scope.person_id is not None,
    )


@lru_cache(maxsize=256)
def _of(scope: Scope, act: str) -> Select:
    # Kept for whoever works at the moment: it takes longer to make than to run.
    columns: list[Any] = [
        sessions.visible(replace(scope, grants=tuple(one for one in scope.grants if one.role == role)), act).label(role)
        for role in sorted(scope.roles)
    ]
    staffs = exists().where(
        session_staff.c.session_id == session.c.id,
        session_staff.c.person_id == scope.person_id,
        parts.part_of("register.mark"),
    )
    return select(staffs.label("staffs"), *columns).where(session.c.id == bindparam("session"))


def profile_of(profiles: Profiles, found: Any) -> Profile:
    """The version of its profile that holds for a session (its row)."""
    return profiles.at(found.profile, found.starts_ms)


def zone_of(connection: Connection, institution_id: int) -> ZoneInfo:
    """The institution's time zone."""
    return ZoneInfo(institutions.one(connection, institution_id).time_zone)


def times_of(connection: Connection, profile: Profile, found: Any) -> CourseTimes:
    """Until when a session's register (its row) is marked, and from when it is final."""
    zone = zone_of(connection, found.institution_id)
    return course_times.of(connection, [found.id])[found.id].by(profile, zone)


def facts(
    connection: Connection, scope: Scope, found: Any, act: str = "register.mark", *, profile: Profile, now_ms: int
) -> allowed.Facts:
    """What the rules ask about this scope and this session (its row). What is to be known of one student is left open:
    `dataclasses.replace` puts it in."""
    stands = of(connection, scope, found.id, act)
    times = times_of(connection, profile, found)
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
        submitted=submitted(connection, profile, found.id),
    )


def submitted(connection: Connection, profile: Profile, session_id: int) -> bool:
    """Whether a programme's day was submitted (DDU-5); in other profiles nobody asks."""
    if profile.programme is None:
        return False
    query = select(register.c.verified_ms).where(register.c.session_id == session_id)
    return connection.execute(query).scalar() is not None


def final(connection: Connection, profiles: Profiles, zone: ZoneInfo, rows: Iterable[Any], now_ms: int) -> set[int]:
    """Of these sessions (rows with id, profile, starts_ms) those whose lock date is past: nothing changes (STEP-3)."""
    known = {one.id: profile_of(profiles, one) for one in rows}
    locking = {one: profile for one, profile in known.items() if deadlines.locks(profile)}
    if not locking:
        return set()
    times = {one: dates.by(locking[one], zone) for one, dates in course_times.of(connection, locking).items()}
    return {one for one, at in times.items() if at.lock_ms is not None and now_ms >= at.lock_ms}


def need_open(connection: Connection, profiles: Profiles, found: Any, now_ms: int) -> None:
    """Raises Refused(`register-locked`) where the session's (its row's) lock date is past: nothing changes (STEP-3)."""
    tier = tier_now(connection, profile_of(profiles, found), found, now_ms)
    if not tier.roles:
        raise Refused("register-locked", f"{tier.text[:1].lower()}{tier.text[1:].rstrip('.')} ({tier.cites})")


def tier_now(connection: Connection, profile: Profile, found: Any, now_ms: int) -> Tier:
    """The tier of a session (its row) at this time."""
    times = times_of(connection, profile, found)
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


_MEMBERS = Prepared(
    select(enrolment.c.person_id)
    .join(session_class, session_class.c.class_id == enrolment.c.class_id)
    .join(session, session.c.id == session_class.c.session_id)
    .where(and_(session.c.id == bindparam("session"), sessions.listed()))
    .distinct()
)


def members(connection: Connection, session_id: int) -> list[int]:
    """Who is on the class list at the session's start."""
    return sorted(_MEMBERS.scalars(connection, {"session": session_id}))
