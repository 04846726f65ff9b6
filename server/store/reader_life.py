"""One reader's life: what happened to it, in the order of time. For technicians; no student is named here."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, or_, select

from server.errors import NotFound
from server.scope import Scope
from server.store import doors, fleet_alerts, outages
from server.store.doors import Door
from server.store.schema import alarm, hello, placement, room

#: what happened
CONNECTED, PLACED, LEFT, ALARM, OVER, BEGAN, ENDED, ALERT, ALERT_OVER = (
    "connected", "placed", "left", "alarm", "over", "outage", "outage-over", "alert", "alert-over",
)  # fmt: skip
#: events of one kind on a page
MOST = 200


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened. word: a code, a room or a kind; text: in words, where somebody has said it so."""

    at_ms: int
    kind: str
    word: str = ""
    text: str = ""
    #: how long it lasted; None: it is no stretch, or goes on
    lasted_ms: int | None = None


def one(connection: Connection, scope: Scope, name: str, now_ms: int) -> Door:
    """This reader as it is now, or was when it ended: who asks about a morning before that is to know. Raises NotAllowed, NotFound(`reader`)."""
    scope.need_doors()
    for found in doors.every(connection, scope.institution_id, now_ms, only=name):
        return found
    raise NotFound("reader", f"there is no reader {name[:32]} here: the page of doors lists them")


def events(connection: Connection, institution_id: int, reader_id: int, from_ms: int, to_ms: int) -> list[Event]:
    """What happened in [from, to), the newest first; of each kind at most MOST."""
    found = [*_connections(connection, reader_id, from_ms, to_ms), *_places(connection, reader_id, from_ms, to_ms)]
    for row in connection.execute(
        select(alarm.c.code, alarm.c.text, alarm.c.first_ms, alarm.c.last_ms, alarm.c.closed_ms)
        .where(alarm.c.institution_id == institution_id, alarm.c.reader_id == reader_id)
        .order_by(alarm.c.last_ms.desc())
        .limit(MOST)
    ):
        at = {row.first_ms, row.last_ms}
        found += [Event(at_ms=one, kind=ALARM, word=row.code, text=row.text) for one in at if from_ms <= one < to_ms]
        if row.closed_ms is not None and from_ms <= row.closed_ms < to_ms:
            found.append(Event(at_ms=row.closed_ms, kind=OVER, word=row.code))
    for told in fleet_alerts.of_reader(connection, reader_id, from_ms, to_ms, MOST):
        if told.raised_ms >= from_ms:
            found.append(Event(at_ms=told.raised_ms, kind=ALERT, word=told.rule, text=told.text))
        if told.cleared_ms is not None and told.cleared_ms < to_ms:
            found.append(Event(at_ms=told.cleared_ms, kind=ALERT_OVER, word=told.rule))
    for stretch in outages.within(connection, institution_id, from_ms, to_ms, reader_id=reader_id)[-MOST:]:
        lasted = None if stretch.to_ms is None else stretch.to_ms - stretch.from_ms
        if stretch.from_ms >= from_ms:
            found.append(Event(at_ms=stretch.from_ms, kind=BEGAN, word=stretch.kind, lasted_ms=lasted))
        if stretch.to_ms is not None and stretch.to_ms < to_ms:
            found.append(Event(at_ms=stretch.to_ms, kind=ENDED, word=stretch.kind, lasted_ms=lasted))
    return sorted(found, key=lambda event: (-event.at_ms, event.kind, event.word))


def _connections(connection: Connection, reader_id: int, from_ms: int, to_ms: int) -> list[Event]:
    query = (
        select(hello.c.received_ms)
        .where(hello.c.reader_id == reader_id, hello.c.received_ms >= from_ms, hello.c.received_ms < to_ms)
        .order_by(hello.c.received_ms.desc())
        .limit(MOST)
    )
    return [Event(at_ms=row.received_ms, kind=CONNECTED) for row in connection.execute(query)]


def _places(connection: Connection, reader_id: int, from_ms: int, to_ms: int) -> list[Event]:
    query = (
        select(room.c.code, placement.c.from_ms, placement.c.to_ms)
        .join(room, room.c.id == placement.c.room_id)
        .where(
            placement.c.reader_id == reader_id,
            or_(placement.c.to_ms.is_(None), placement.c.to_ms > placement.c.from_ms),
        )
        .order_by(placement.c.from_ms.desc())
        .limit(MOST)
    )
    found = []
    for row in connection.execute(query):
        if from_ms <= row.from_ms < to_ms:
            found.append(Event(at_ms=row.from_ms, kind=PLACED, word=row.code))
        if row.to_ms is not None and from_ms <= row.to_ms < to_ms:
            found.append(Event(at_ms=row.to_ms, kind=LEFT, word=row.code))
    return found
