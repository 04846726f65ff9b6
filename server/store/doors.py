"""Doors: every reader with its light, its backlog and what ails it. No student is named here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, or_, select

from server.policy import health, room_places
from server.policy.health import Health
from server.policy.room_places import Place
from server.scope import Scope
from server.store import alarms, journals, outages, quarantines, readers
from server.store.prepared import Prepared
from server.store.schema import reader_state, room, session, session_room
from server.store.schema_residence import house, kiosk


@dataclass(frozen=True, kw_only=True)
class Door:
    """One reader and the door it serves."""

    reader_id: int
    reader: str
    site: str
    #: None: it serves no door
    room_code: str | None
    #: building and floor, as far as they are known
    place: Place
    #: name of the house whose kiosk it is; None: it is none
    house: str | None
    #: blue, off, breathing, pulse: as the reader shows it, by its last head and the timetable
    light: str
    #: online, offline: the broker's word; None: never heard
    status: str | None
    seen_ms: int | None
    head_ms: int | None
    #: what its clock said at its newest head, and how wrong that may be
    head_wall_ms: int | None
    uncertainty_ms: int | None
    clock: str | None
    able: str | None
    #: records that are said to exist and are not held yet
    backlog: int
    known_until_ms: int | None
    #: title of the session that is open there
    session: str | None
    firmware: str | None
    roster_ms: int | None
    #: things in quarantine that claimed this reader
    quarantined: int
    #: open alarms: (code, text)
    alarms: tuple[tuple[str, str], ...]
    #: what the reader says that it refused from below, by code: for the eye only, its health report is not signed
    refused: Mapping[str, int]
    #: what it says of its own parts, and when that came
    health: Health
    health_ms: int | None
    #: kind -> since when, of the outages that go on
    down: Mapping[str, int]
    #: since when it is believed no more; None: it is
    ended_ms: int | None = None


def doors(connection: Connection, scope: Scope, now_ms: int) -> list[Door]:
    """Every reader of the institution, by name. Raises NotAllowed."""
    scope.need_doors()
    return every(connection, scope.institution_id, now_ms)


_STATES = Prepared(
    select(*(reader_state.c[name] for name in (
        "reader_id", "status", "seen_ms", "head_ms", "head_wall_ms", "uncertainty_ms", "clock", "able",
        "known_until_ms", "firmware", "roster_ms", "health", "health_ms",
    ))).where(reader_state.c.institution_id == bindparam("here"))
)  # fmt: skip


def every(connection: Connection, here: int, now_ms: int, *, only: str | None = None) -> list[Door]:
    """Every reader of this institution, by name: for work that is nobody's. only: the one of this
    name, even if it has ended."""
    rows = readers.listed(connection, here, now_ms, only=only)
    states: dict[int, Any] = {row.reader_id: row for row in _STATES.all(connection, {"here": here})}
    backlogs = journals.backlogs(connection, here)
    suspects = quarantines.counts_by_reader(connection, here)
    ails: dict[int | None, list[tuple[str, str]]] = {}
    for one in alarms.open_alarms(connection, here):
        ails.setdefault(one.reader_id, []).append((one.code, one.text))
    open_now = {
        row.code: row.title
        for row in connection.execute(
            select(room.c.code, session.c.title)
            .select_from(session)
            .join(session_room, session_room.c.session_id == session.c.id)
            .join(room, room.c.id == session_room.c.room_id)
            .where(
                session.c.institution_id == here,
                session.c.opens_ms <= now_ms,
                session.c.closes_ms >= now_ms,
                session.c.cancelled_ms.is_(None),
                or_(session_room.c.to_ms.is_(None), session_room.c.to_ms > now_ms),
                and_(session_room.c.from_ms <= now_ms),
            )
            .order_by(session.c.starts_ms.desc())
        )
    }
    houses = {
        row.reader_id: row.name
        for row in connection.execute(
            select(kiosk.c.reader_id, house.c.name)
            .join(house, house.c.id == kiosk.c.house_id)
            .where(
                kiosk.c.institution_id == here,
                kiosk.c.from_ms <= now_ms,
                or_(kiosk.c.to_ms.is_(None), kiosk.c.to_ms > now_ms),
            )
        )
    }
    down = outages.going_on(connection, here)
    found = []
    for row in rows:
        state = states.get(row.id)
        title = open_now.get(row.room_code) if row.room_code else None
        said = health.read(state.health if state else None)
        found.append(
            Door(
                reader_id=row.id,
                reader=row.name,
                site=row.site,
                room_code=row.room_code,
                place=room_places.guess(row.room_code, row.site),
                house=houses.get(row.id),
                light=_light(state, title),
                status=state.status if state else None,
                seen_ms=state.seen_ms if state else None,
                head_ms=state.head_ms if state else None,
                head_wall_ms=state.head_wall_ms if state else None,
                uncertainty_ms=state.uncertainty_ms if state else None,
                clock=state.clock if state else None,
                able=state.able if state else None,
                backlog=backlogs.get(row.id, 0),
                known_until_ms=state.known_until_ms if state else None,
                session=title,
                firmware=state.firmware if state else None,
                roster_ms=state.roster_ms if state else None,
                quarantined=suspects.get(row.name, 0),
                alarms=tuple(ails.get(row.id, ())),
                refused=said.refused,
                health=said,
                health_ms=state.health_ms if state else None,
                down=down.get(row.id, {}),
                ended_ms=row.ended_ms,
            )
        )
    return found


def _light(state: Any, title: str | None) -> str:
    # A kiosk without a list still keeps whose cards were there.
    if state is not None and state.able not in (None, "ok", "list"):
        return "pulse"
    if state is None or state.clock in (None, "none") or state.roster_ms is None:
        return "breathing"
    return "blue" if title else "off"
