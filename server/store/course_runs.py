"""The runs of a course: until when their registers are marked, from when they are final, set by the registry with a reason
(STEP-20, STEP-21); and what is fixed once it is final (STEP-3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, or_, select, update

from server.errors import NotFound
from server.policy import deadlines
from server.policy.deadlines import CourseDates
from server.policy.profile import Profile, Profiles
from server.scope import Scope
from server.store import campus, campus_catalogue, notes, standing
from server.store.campus import FieldRefused
from server.store.imported_registers import touch_registers
from server.store.schema import (
    audit,
    class_group,
    course_run,
    note,
    register,
    session,
    session_class,
)

REASON_MOST = 500
SET, FIXED = "course-run.dates", "course-run.final"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What one profile makes of a run's dates."""

    profile: Profile
    dates: CourseDates


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a course, with what was set for it and what follows."""

    id: int
    course_id: int
    code: str
    starts_ms: int | None
    ends_ms: int | None
    #: as they were set; None: by the profile
    deadline_ms: int | None
    lock_ms: int | None
    #: by the profiles that judge its sessions
    judged: tuple[Judged, ...]

    @property
    def seen(self) -> str:
        """Stands for what a form changes here."""
        return campus.digest(self.id, self.deadline_ms, self.lock_ms)

    @property
    def final_ms(self) -> int | None:
        """From when its records are final; None: never."""
        return min((one.dates.final_ms for one in self.judged if one.dates.final_ms is not None), default=None)


def of_course(connection: Connection, scope: Scope, profiles: Profiles, course_id: int) -> list[Run]:
    """The runs of a course, the newest first. Raises NotFound(`course`)."""
    campus_catalogue.one(connection, scope, "course", course_id)
    query = (
        select(course_run)
        .where(course_run.c.course_id == course_id, course_run.c.institution_id == scope.institution_id)
        .order_by(course_run.c.ends_ms.desc(), course_run.c.id.desc())
    )
    zone = standing.zone_of(connection, scope.institution_id)
    return [_run(connection, profiles, zone, row) for row in connection.execute(query)]


def one(connection: Connection, scope: Scope, profiles: Profiles, run_id: int, act: str = "campus.change") -> Run:
    """One of them. Raises NotAllowed, NotFound(`run`)."""
    scope.need(act)
    row = connection.execute(
        select(course_run).where(course_run.c.id == run_id, course_run.c.institution_id == scope.institution_id)
    ).first()
    if row is None:
        raise NotFound("run", "there is no such run of a course, or it is not yours")
    try:
        campus_catalogue.one(connection, scope, "course", row.course_id, act)
    except NotFound:
        raise NotFound("run", "there is no such run of a course, or it is not yours") from None
    return _run(connection, profiles, standing.zone_of(connection, scope.institution_id), row)


def of_class(connection: Connection, scope: Scope, profiles: Profiles, class_id: int) -> Run | None:
    """The run of a class. None: it has none."""
    row = connection.execute(
        select(course_run)
        .join(class_group, class_group.c.course_run_id == course_run.c.id)
        .where(class_group.c.id == class_id, class_group.c.institution_id == scope.institution_id)
    ).first()
    return None if row is None else _run(connection, profiles, standing.zone_of(connection, scope.institution_id), row)


def _run(connection: Connection, profiles: Profiles, zone: ZoneInfo, row: Any) -> Run:
    query = (
        select(session.c.profile, func.max(session.c.starts_ms).label("starts_ms"))
        .where(_of_run(row.id))
        .group_by(session.c.profile)
        .order_by(session.c.profile)
    )
    judged = []
    for found in connection.execute(query):
        profile = standing.profile_of(profiles, found)
        dates = deadlines.course(
            profile,
            course_ends_ms=row.ends_ms,
            zone=zone,
            deadline_ms=row.marking_deadline_ms,
            lock_ms=row.lock_ms,
        )
        judged.append(Judged(profile=profile, dates=dates))
    return Run(
        id=row.id,
        course_id=row.course_id,
        code=row.code,
        starts_ms=row.starts_ms,
        ends_ms=row.ends_ms,
        deadline_ms=row.marking_deadline_ms,
        lock_ms=row.lock_ms,
        judged=tuple(judged),
    )


def _of_run(run_id: int) -> Any:
    by_class = (
        select(session_class.c.session_id)
        .join(class_group, class_group.c.id == session_class.c.class_id)
        .where(class_group.c.course_run_id == run_id, session_class.c.to_ms.is_(None))
    )
    return or_(session.c.course_run_id == run_id, session.c.id.in_(by_class))


def set_dates(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    run_id: int,
    *,
    deadline_ms: int | None,
    lock_ms: int | None,
    reason: str,
    seen: str,
    now_ms: int,
) -> bool:
    """From now on these are the run's marking deadline and lock; None: by the profile. A deadline later than the guide is
    warned about by `warnings`, not refused. False: they are so already.

    Raises NotAllowed, NotFound(`run`), ChangedMeanwhile, FieldRefused(`course-reason`, `course-final`, `course-lock-past`).
    """
    campus.begin(connection, scope)
    now = one(connection, scope, profiles, run_id)
    if (deadline_ms, lock_ms) == (now.deadline_ms, now.lock_ms):
        return False
    campus.need_seen(seen, now.seen)
    if not reason.strip():
        raise FieldRefused("course-reason", "reason", "say why: whoever looks at it later will want to know")
    if now.final_ms is not None and now.final_ms <= now_ms:
        raise FieldRefused(
            "course-final", "lock", "the records of this run are final since its lock date: its dates stay as they are"
        )
    if lock_ms is not None and lock_ms != now.lock_ms and lock_ms <= now_ms:
        raise FieldRefused("course-lock-past", "lock", "choose a day that is still to come: nothing changes after it")
    connection.execute(
        update(course_run).where(course_run.c.id == run_id).values(marking_deadline_ms=deadline_ms, lock_ms=lock_ms)
    )
    note_id = notes.add(connection, scope.institution_id, notes.within(reason, REASON_MOST), scope.account_id, now_ms)
    campus.write_down(
        connection, scope, SET, f"course-run/{run_id}", now_ms,
        deadline=[now.deadline_ms, deadline_ms], lock=[now.lock_ms, lock_ms], note=note_id,
    )  # fmt: skip
    ids = connection.execute(select(session.c.id).where(_of_run(run_id))).scalars()
    touch_registers(connection, session_ids=list(ids))
    return True


def warnings(run: Run, zone: ZoneInfo, *, deadline_ms: int | None, lock_ms: int | None) -> list[str]:
    """What to tell whoever sets these dates."""
    found = [
        deadlines.course(
            one.profile, course_ends_ms=run.ends_ms, zone=zone, deadline_ms=deadline_ms, lock_ms=lock_ms
        ).warning
        for one in run.judged
    ]
    return list(dict.fromkeys(text for text in found if text is not None))


def unverified(connection: Connection, run_id: int, now_ms: int) -> int:
    """How many of its registers have begun and are not verified."""
    query = (
        select(func.count())
        .select_from(session)
        .outerjoin(register, register.c.session_id == session.c.id)
        .where(
            _of_run(run_id),
            session.c.cancelled_ms.is_(None),
            session.c.starts_ms <= now_ms,
            register.c.verified_ms.is_(None),
        )
    )
    return connection.execute(query).scalar_one()


def reasons(connection: Connection, scope: Scope, steps: Iterable[campus.Step]) -> dict[int, str]:
    """note id -> the reason that a step of the run's history names; erased ones are left out."""
    ids = [one.detail["note"] for one in steps if one.detail.get("note") is not None]
    query = select(note.c.id, note.c.text).where(
        note.c.id.in_(ids), note.c.institution_id == scope.institution_id, note.c.erased_ms.is_(None)
    )
    return {row.id: row.text for row in connection.execute(query)}


def passed(connection: Connection, institution_id: int, profiles: Profiles, now_ms: int) -> dict[int, int]:
    """run id -> its lock, of runs whose lock by the profile is past and not written down: a look that locks nothing."""
    names = [name for name in profiles if any(deadlines.locks(one) for one in profiles.versions(name))]
    judged = select(session.c.id).where(session.c.institution_id == institution_id, session.c.profile.in_(names))
    direct = select(session.c.course_run_id).where(session.c.id.in_(judged), session.c.course_run_id.is_not(None))
    by_class = (
        select(class_group.c.course_run_id)
        .join(session_class, session_class.c.class_id == class_group.c.id)
        .where(session_class.c.session_id.in_(judged), class_group.c.course_run_id.is_not(None))
    )
    query = select(course_run).where(
        course_run.c.institution_id == institution_id,
        course_run.c.lock_ms.is_(None),
        course_run.c.ends_ms < now_ms,
        or_(course_run.c.id.in_(direct), course_run.c.id.in_(by_class)),
    )
    rows = list(connection.execute(query))
    if not rows:
        return {}
    zone = standing.zone_of(connection, institution_id)
    found = {row.id: _run(connection, profiles, zone, row).final_ms for row in rows}
    return {one: final_ms for one, final_ms in found.items() if final_ms is not None and final_ms <= now_ms}


def fix(connection: Connection, institution_id: int, profiles: Profiles, now_ms: int) -> int:
    """Write down the lock of every run whose lock by the profile has passed: a term's end that an import moves afterwards
    does not make final records open again (STEP-3). Returns how many."""
    found = passed(connection, institution_id, profiles, now_ms)
    for run_id, final_ms in found.items():
        connection.execute(
            update(course_run).where(course_run.c.id == run_id, course_run.c.lock_ms.is_(None)).values(lock_ms=final_ms)
        )
        connection.execute(
            audit.insert().values(
                institution_id=institution_id, at_ms=now_ms, action=FIXED, subject=f"course-run/{run_id}"
            )
        )
    return len(found)
