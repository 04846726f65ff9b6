"""Imports that run by themselves: what, from where, how often, and how the last one went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, or_, select, update

from server.errors import NotFound
from server.policy import moments
from server.scope import Scope
from server.store import campus, institutions
from server.store.campus import FieldRefused
from server.store.schema_work import import_schedule
from server.store.upsert import new_id

ONEROSTER, TIMETABLE = KINDS = ("oneroster", "timetable")
OK, REFUSED, FAILED, RUNNING = "ok", "refused", "failed", "running"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One scheduled import. path: below the folder that the settings name."""

    id: int
    institution_id: int
    kind: str
    source: str
    path: str
    every_min: int
    next_ms: int
    enabled: bool
    last_ms: int | None
    #: ok, refused, failed, running; None: it never ran
    last_outcome: str | None
    #: when somebody asked for a run that has not begun; None: nobody did
    asked_ms: int | None
    #: whether they have confirmed what would end or move
    asked_confirm: bool | None
    #: what server/schedules.py reports
    report: Mapping[str, Any]

    @property
    def seen(self) -> str:
        """Stands for what the form sets."""
        return campus.digest(self.kind, self.source, self.path, self.every_min, self.enabled)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A schedule as a form wants it."""

    kind: str
    source: str
    path: str
    every_min: int
    next_ms: int
    enabled: bool


def _schedule(row: Any) -> Schedule:
    plain = {name: getattr(row, name) for name in Schedule.__dataclass_fields__ if name != "report"}
    return Schedule(**plain, report=json.loads(row.last_report) if row.last_report else {})


def listed(connection: Connection, scope: Scope) -> list[Schedule]:
    """Every one. Raises NotAllowed."""
    campus.need_whole(scope, "imports.run")
    query = select(import_schedule).where(import_schedule.c.institution_id == scope.institution_id)
    return [_schedule(row) for row in connection.execute(query.order_by(import_schedule.c.id))]


def one(connection: Connection, scope: Scope, schedule_id: int) -> Schedule:
    """One. Raises NotAllowed, NotFound(`schedule`)."""
    campus.need_whole(scope, "imports.run")
    row = connection.execute(
        select(import_schedule).where(
            import_schedule.c.id == schedule_id, import_schedule.c.institution_id == scope.institution_id
        )
    ).first()
    if row is None:
        raise NotFound("schedule", "there is no such scheduled import")
    return _schedule(row)


def save(
    connection: Connection, scope: Scope, schedule_id: int | None, wanted: Wanted, *, seen: str, now_ms: int
) -> int:
    """Make one (None), or make it so. Raises NotAllowed, NotFound, ChangedMeanwhile, FieldRefused(`schedule-same`)."""
    campus.begin(connection, scope)
    values = {name: getattr(wanted, name) for name in Wanted.__dataclass_fields__}
    same = [held for held in listed(connection, scope)
            if held.id != schedule_id and (held.kind, held.source, held.path) == (wanted.kind, wanted.source, wanted.path)]  # fmt: skip
    if schedule_id is None:
        if same:
            # The form was sent twice; whoever wants to change it opens it.
            return same[0].id
        made = connection.execute(import_schedule.insert().values(institution_id=scope.institution_id, **values))
        schedule_id = new_id(made)
    else:
        if same:
            raise FieldRefused("schedule-same", "path", "this is read by another schedule already: change that one")
        campus.need_seen(seen, one(connection, scope, schedule_id).seen)
        connection.execute(update(import_schedule).where(import_schedule.c.id == schedule_id).values(**values))
    campus.write_down(
        connection, scope, "schedule.change", f"schedule/{schedule_id}", now_ms, kind=wanted.kind,
        every_min=wanted.every_min, enabled=wanted.enabled,
    )  # fmt: skip
    return schedule_id


def ask(connection: Connection, scope: Scope, schedule_id: int, now_ms: int, *, confirm: bool) -> None:
    """It is to run as soon as may be, also one that is switched off; its own time stays as it is. It is kept until it runs,
    whatever stops meanwhile. Raises NotAllowed, NotFound(`schedule`)."""
    one(connection, scope, schedule_id)
    connection.execute(
        update(import_schedule)
        .where(import_schedule.c.id == schedule_id)
        .values(asked_ms=now_ms, asked_confirm=confirm)
    )
    campus.write_down(connection, scope, "schedule.run", f"schedule/{schedule_id}", now_ms, confirm=confirm)


def due(connection: Connection, now_ms: int) -> list[Schedule]:
    """Those whose time has come and that are switched on, the longest waiting first; and whatever was asked for."""
    in_time = and_(import_schedule.c.enabled.is_(True), import_schedule.c.next_ms <= now_ms)
    query = (
        select(import_schedule)
        .where(or_(in_time, import_schedule.c.asked_ms.is_not(None)))
        .order_by(import_schedule.c.next_ms, import_schedule.c.id)
    )
    return [_schedule(row) for row in connection.execute(query)]


def claim(connection: Connection, held: Schedule, now_ms: int) -> bool:
    """Take it to run now; the next time is set before it runs, so that what fails is not tried without end. One that was
    asked for before its time keeps that time.

    False: another process has taken it, or it was asked for anew: the next look finds it.
    """
    zone = ZoneInfo(institutions.one(connection, held.institution_id).time_zone)
    done = connection.execute(
        update(import_schedule)
        .where(
            import_schedule.c.id == held.id,
            import_schedule.c.next_ms == held.next_ms,
            import_schedule.c.asked_ms.is_not_distinct_from(held.asked_ms),
            import_schedule.c.asked_confirm.is_not_distinct_from(held.asked_confirm),
        )
        .values(
            next_ms=after(held.next_ms, held.every_min, now_ms, zone),
            last_ms=now_ms,
            last_outcome=RUNNING,
            asked_ms=None,
            asked_confirm=None,
        )
    )
    return done.rowcount > 0


def after(next_ms: int, every_min: int, now_ms: int, zone: ZoneInfo) -> int:
    """The first of its times that is still to come.

    Days and weeks keep the wall's hour when the clocks change; a time that they leave out on a day is passed over. Hours
    are elapsed time.
    """
    if next_ms > now_ms:
        return next_ms
    days, rest = divmod(every_min, 24 * 60)
    if rest:
        step_ms = every_min * 60_000
        return next_ms + ((now_ms - next_ms) // step_ms + 1) * step_ms
    wall = moments.local(next_ms, zone)
    # No day is longer than 25 hours: of the times before this one none is to come.
    count = max(1, (now_ms - next_ms) // (days * 25 * moments.HOUR_MS))
    while True:
        at_ms = moments.instant(wall.date() + timedelta(days=count * days), wall.time(), zone)
        if at_ms > now_ms and moments.local(at_ms, zone).time() == wall.time():
            return at_ms
        count += 1


def finish(connection: Connection, schedule_id: int, outcome: str, report: Mapping[str, Any]) -> None:
    """Write how it went."""
    connection.execute(
        update(import_schedule)
        .where(import_schedule.c.id == schedule_id)
        .values(last_outcome=outcome, last_report=json.dumps(report, ensure_ascii=False, sort_keys=True))
    )
