"""A class's first and last day, as the registry gives them by hand: they make the run of its course, from whose end on marking
deadline and lock are counted (STEP-3, STEP-20, STEP-21). An import makes the runs of its own classes from their terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, func, select, update

from server.policy.profile import Profiles
from server.scope import Scope
from server.store import campus, standing
from server.store.campus import FieldRefused
from server.store.imported_registers import touch_registers
from server.store.schema import class_group, course_run, session, session_class
from server.store.upsert import new_id

#: what the form sets: epoch ms at which the first day begins, and the last one ends
DAYS = FIRST, LAST = "first_day_ms", "last_day_ms"
#: the act as a run's history keeps it
DAYS_SET = "course-run.days"
_BY_HAND = re.compile(r"\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d( \(\d+\))?")


def selected() -> Select[Any]:
    """Classes with the days of their run."""
    return select(class_group, course_run.c.starts_ms.label(FIRST), course_run.c.ends_ms.label(LAST)).select_from(
        class_group.outerjoin(course_run, course_run.c.id == class_group.c.course_run_id)
    )


def is_by_hand(code: str) -> bool:
    """Whether a run of this code was made here, and not by an import."""
    return _BY_HAND.fullmatch(code) is not None


def put(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    class_id: int,
    values: Mapping[str, Any],
    now_ms: int,
) -> None:
    """These are the days of the class's run from now on; none: it has none. values: course_id and DAYS.

    A run of its course with these days is shared. The class's own that was made by hand is corrected in place where the new
    days overlap its own; days that lie apart are another run, and what has begun stays the former one's. What is final
    stays final. Raises FieldRefused(`run-course`, `run-final`).
    """
    held = connection.execute(
        select(course_run)
        .join(class_group, class_group.c.course_run_id == course_run.c.id)
        .where(class_group.c.id == class_id)
    ).first()
    course_id, first, last = values["course_id"], values[FIRST], values[LAST]
    zone = standing.zone_of(connection, scope.institution_id)
    sessions = connection.execute(
        select(session.c.id, session.c.profile, session.c.starts_ms)
        .join(session_class, session_class.c.session_id == session.c.id)
        .where(session_class.c.class_id == class_id, session_class.c.to_ms.is_(None))
    ).all()
    final = standing.final(connection, profiles, zone, sessions, now_ms)
    if first is None:
        run_id = None
    elif course_id is None:
        raise FieldRefused("run-course", "course_id", "choose its course too: the days are those of the course's run")
    else:
        run_id = _run(
            connection, scope, held, class_id, course_id, first, last, zone, is_final=bool(final), now_ms=now_ms
        )
    if held is not None and held.id != run_id:
        apart = first is not None and not _overlap(held, first, last)
        stays = {row.id for row in sessions if row.starts_ms <= now_ms} if apart else final
        connection.execute(
            update(session)
            .where(session.c.id.in_(sorted(stays)), session.c.course_run_id.is_(None))
            .values(course_run_id=held.id)
        )
    connection.execute(update(class_group).where(class_group.c.id == class_id).values(course_run_id=run_id))
    if standing.final(connection, profiles, zone, sessions, now_ms) - final:
        text = "with this last day registers of it are final already: choose a later one, or leave both days empty"
        raise FieldRefused("run-final", LAST, text)


def _overlap(held: Any, first: int, last: int) -> bool:
    return held.starts_ms is None or held.ends_ms is None or (held.starts_ms < last and first < held.ends_ms)


def _run(
    connection: Connection,
    scope: Scope,
    held: Any,
    class_id: int,
    course_id: int,
    first: int,
    last: int,
    zone: ZoneInfo,
    *,
    is_final: bool,
    now_ms: int,
) -> int:
    here = (course_run.c.institution_id == scope.institution_id, course_run.c.course_id == course_id)
    same = connection.execute(
        select(course_run.c.id)
        .where(*here, course_run.c.starts_ms == first, course_run.c.ends_ms == last)
        .order_by(course_run.c.id)
    ).scalar()
    if same is not None:
        return same
    taken = set(connection.execute(select(course_run.c.code).where(*here)).scalars())
    code = _code(first, last, zone, taken)
    values = {"course_id": course_id, "code": code, "starts_ms": first, "ends_ms": last}
    if held is None or is_final or not is_by_hand(held.code) or not _overlap(held, first, last):
        mine = None
    else:
        others = select(func.count()).where(class_group.c.course_run_id == held.id, class_group.c.id != class_id)
        mine = held.id if connection.execute(others).scalar_one() == 0 else None
    if mine is None:
        run_id = new_id(connection.execute(course_run.insert().values(institution_id=scope.institution_id, **values)))
    else:
        run_id = mine
        connection.execute(update(course_run).where(course_run.c.id == run_id).values(**values))
        its = connection.execute(select(session.c.id).where(session.c.course_run_id == run_id)).scalars()
        touch_registers(connection, session_ids=list(its))
    campus.write_down(connection, scope, DAYS_SET, f"course-run/{run_id}", now_ms, first=first, last=last)
    return run_id


def _code(first: int, last: int, zone: ZoneInfo, taken: set[str]) -> str:
    """What the run is called: its first and its last day."""
    days = [datetime.fromtimestamp(at_ms / 1000, zone).date().isoformat() for at_ms in (first, last - 1)]
    code, count = " to ".join(days), 1
    while (found := code if count == 1 else f"{code} ({count})") in taken:
        count += 1
    return found
