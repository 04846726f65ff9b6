"""Houses of the residence, who lives there, who is on duty, and which reader is a kiosk: added, changed, ended (DDU-12).

Every change is written down, makes the residents lists anew, and lets the check-ins that rest on it be judged again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from server.errors import NotFound, Refused
from server.scope import Scope
from server.store import campus, check_ins, institutions, residence_people, residence_reach, residence_templates
from server.store.campus import SOURCE, FieldRefused
from server.store.readers import need_no_door
from server.store.residence_people import Resident
from server.store.schema import person, reader
from server.store.schema_residence import duty, house, kiosk, residency, template
from server.store.upsert import new_id

MANAGE = "residence.manage"
CODE_MAX, NAME_MAX = 64, 200
#: slots of the family's common sensors; the largest that a slot number of the wire allows
CAPACITY, CAPACITY_MAX = 162, 0xFFFF - 1
RADIUS_MAX_M = 100_000


@dataclass(frozen=True, kw_only=True)
class Kiosk:
    """A kiosk's placement."""

    id: int
    reader_id: int
    reader: str
    house_id: int
    latitude: float | None
    longitude: float | None
    radius_m: int | None
    capacity: int
    #: slots that are taken, also by what is to be erased
    taken: int
    from_ms: int
    to_ms: int | None


# --- houses ----------------------------------------------------------------------------------------------------------


def add_house(connection: Connection, scope: Scope, code: str, name: str, now_ms: int, *, source: str = SOURCE) -> int:
    """Make a house. Returns its id. Raises NotAllowed, FieldRefused(`code`, `name`, `code-taken`)."""
    campus.need_whole(scope, MANAGE)
    campus.begin(connection, scope)
    code, name = _word(code, "code", CODE_MAX), _word(name, "name", NAME_MAX)
    if house_by_code(connection, scope.institution_id, code) is not None:
        raise FieldRefused("code-taken", "code", "another house has this code")
    made = connection.execute(
        house.insert().values(institution_id=scope.institution_id, source=source, code=code, name=name)
    )
    found = new_id(made)
    campus.write_down(connection, scope, "house.add", f"house:{found}", now_ms, code=code)
    return found


def change_house(
    connection: Connection, scope: Scope, house_id: int, name: str, now_ms: int, *, ended: bool = False
) -> None:
    """Rename a house, end it, or open it again. Raises NotAllowed, NotFound(`house`), FieldRefused, Refused(`house-lived-in`)."""
    _house(connection, scope, house_id)
    lives = and_(residency.c.house_id == house_id, or_(residency.c.to_ms.is_(None), residency.c.to_ms > now_ms))
    if ended and connection.execute(select(residency.c.id).where(lives)).first() is not None:
        raise Refused("house-lived-in", "somebody lives there still: let them move out first")
    values = {"name": _word(name, "name", NAME_MAX), "ended_ms": now_ms if ended else None}
    connection.execute(update(house).where(house.c.id == house_id).values(**values))
    campus.write_down(connection, scope, "house.change", f"house:{house_id}", now_ms, ended=ended)
    institutions.campus_changed(connection, scope.institution_id)


def house_by_code(connection: Connection, institution_id: int, code: str) -> int | None:
    """The id of the house with this code; None: there is none."""
    query = select(house.c.id).where(house.c.institution_id == institution_id, house.c.code == code)
    return connection.execute(query).scalar()


# --- who lives there, who is on duty ---------------------------------------------------------------------------------


def add_resident(
    connection: Connection,
    scope: Scope,
    house_id: int,
    person_id: int,
    from_ms: int,
    now_ms: int,
    *,
    floor: str = "",
    room: str = "",
    to_ms: int | None = None,
    source: str = SOURCE,
) -> int:
    """Somebody lives in a house from then on; where they lived before they do no more. Returns the residency's id.

    Raises NotAllowed, NotFound(`house`, `person`), FieldRefused(`dates`), Refused(`house-ended`).
    """
    _open_house(connection, scope, house_id)
    _person(connection, scope, person_id)
    _dates(from_ms, to_ms)
    campus.begin(connection, scope)
    before = and_(
        residency.c.person_id == person_id,
        or_(residency.c.to_ms.is_(None), residency.c.to_ms > from_ms),
    )
    if to_ms is not None:
        before = and_(before, residency.c.from_ms < to_ms)
    connection.execute(update(residency).where(before).values(to_ms=_later(connection, from_ms, residency.c.from_ms)))
    made = connection.execute(
        residency.insert().values(
            institution_id=scope.institution_id,
            house_id=house_id,
            person_id=person_id,
            floor=floor.strip()[:32],
            room=room.strip()[:64],
            source=source,
            from_ms=from_ms,
            to_ms=to_ms,
        )
    )
    found = new_id(made)
    campus.write_down(
        connection, scope, "resident.add", f"person:{person_id}", now_ms, house=house_id, since=from_ms, until=to_ms
    )
    _moved(connection, scope, person_id)
    return found


def change_resident(
    connection: Connection, scope: Scope, residency_id: int, *, floor: str, room: str, now_ms: int
) -> None:
    """Another room in the same house. Raises NotAllowed, NotFound(`resident`)."""
    row = _held(connection, scope, residency, residency_id, "resident")
    connection.execute(
        update(residency).where(residency.c.id == residency_id).values(floor=floor.strip()[:32], room=room.strip()[:64])
    )
    campus.write_down(connection, scope, "resident.room", f"person:{row.person_id}", now_ms, house=row.house_id)


def end_resident(connection: Connection, scope: Scope, residency_id: int, to_ms: int, now_ms: int) -> None:
    """They live there until then. Their templates go from its sensors. Raises NotAllowed, NotFound, FieldRefused."""
    row = _held(connection, scope, residency, residency_id, "resident")
    _dates(row.from_ms, max(to_ms, row.from_ms + 1))
    connection.execute(update(residency).where(residency.c.id == residency_id).values(to_ms=max(to_ms, row.from_ms)))
    campus.write_down(
        connection, scope, "resident.end", f"person:{row.person_id}", now_ms, house=row.house_id, until=to_ms
    )
    _moved(connection, scope, row.person_id)
    residence_templates.sweep(connection, scope.institution_id, now_ms)


def date_resident(
    connection: Connection, scope: Scope, residency_id: int, from_ms: int, to_ms: int | None, now_ms: int
) -> None:
    """They live there from then until then (None: on). Raises NotAllowed, NotFound(`resident`), FieldRefused(`dates`)."""
    row = _held(connection, scope, residency, residency_id, "resident")
    _dates(from_ms, to_ms)
    connection.execute(update(residency).where(residency.c.id == residency_id).values(from_ms=from_ms, to_ms=to_ms))
    campus.write_down(
        connection, scope, "resident.dates", f"person:{row.person_id}", now_ms, since=from_ms, until=to_ms
    )
    _moved(connection, scope, row.person_id)
    residence_templates.sweep(connection, scope.institution_id, now_ms)


def add_duty(
    connection: Connection,
    scope: Scope,
    house_id: int,
    person_id: int,
    from_ms: int,
    now_ms: int,
    *,
    to_ms: int | None = None,
    source: str = SOURCE,
) -> int:
    """Somebody is on duty in a house from then on: their card witnesses and enrols there. Returns the duty's id.

    Raises NotAllowed, NotFound(`house`, `person`), FieldRefused(`dates`), Refused(`house-ended`).
    """
    _open_house(connection, scope, house_id)
    _person(connection, scope, person_id)
    _dates(from_ms, to_ms)
    made = connection.execute(
        duty.insert().values(
            institution_id=scope.institution_id,
            house_id=house_id,
            person_id=person_id,
            source=source,
            from_ms=from_ms,
            to_ms=to_ms,
        )
    )
    found = new_id(made)
    campus.write_down(
        connection, scope, "duty.add", f"person:{person_id}", now_ms, house=house_id, since=from_ms, until=to_ms
    )
    _served(connection, scope, house_id, from_ms)
    return found


def end_duty(connection: Connection, scope: Scope, duty_id: int, to_ms: int | None, now_ms: int) -> None:
    """They are on duty there until then (None: on). Raises NotAllowed, NotFound(`duty`)."""
    row = _held(connection, scope, duty, duty_id, "duty")
    until_ms = None if to_ms is None else max(to_ms, row.from_ms)
    connection.execute(update(duty).where(duty.c.id == duty_id).values(to_ms=until_ms))
    campus.write_down(connection, scope, "duty.end", f"person:{row.person_id}", now_ms, house=row.house_id, until=to_ms)
    _served(connection, scope, row.house_id, row.from_ms)


def residents(
    connection: Connection, scope: Scope, house_id: int, now_ms: int, *, ended: bool = False
) -> list[Resident]:
    """Who lives in a house or will, by floor, room and name; ended: those who did. Raises NotFound(`house`)."""
    return residence_people.listed(connection, scope, residency, house_id, now_ms, ended)


def duties(connection: Connection, scope: Scope, house_id: int, now_ms: int, *, ended: bool = False) -> list[Resident]:
    """Who is on duty in a house or will be, by name. Raises NotFound(`house`)."""
    return residence_people.listed(connection, scope, duty, house_id, now_ms, ended)


# --- kiosks ----------------------------------------------------------------------------------------------------------


def place_kiosk(
    connection: Connection,
    scope: Scope,
    reader_id: int,
    house_id: int,
    from_ms: int,
    now_ms: int,
    *,
    latitude: float | None = None,
    longitude: float | None = None,
    radius_m: int | None = None,
    capacity: int = CAPACITY,
) -> int:
    """This reader serves this house as a kiosk from then on: it gets a residents list. Returns the placement's id.

    Raises NotAllowed, NotFound(`house`, `reader`), FieldRefused(`place`, `capacity`), Refused(`house-ended`, `kiosk-door`).
    """
    _open_house(connection, scope, house_id)
    ours = select(reader.c.id).where(reader.c.id == reader_id, reader.c.institution_id == scope.institution_id)
    if connection.execute(ours.where(reader.c.ended_ms.is_(None))).scalar() is None:
        raise NotFound("reader", "there is no such reader")
    need_no_door(connection, reader_id, from_ms)
    given = (latitude, longitude, radius_m)
    if any(one is None for one in given) and any(one is not None for one in given):
        raise FieldRefused("place", "latitude", "a registered place has a latitude, a longitude and a radius, or none")
    if latitude is not None and longitude is not None and radius_m is not None:
        on_earth = (
            math.isfinite(latitude) and math.isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180
        )
        if not on_earth or not 1 <= radius_m <= RADIUS_MAX_M:
            raise FieldRefused("place", "latitude", "this is no place: degrees north and east, and a radius in metres")
    if not 1 <= capacity <= CAPACITY_MAX:
        raise FieldRefused("capacity", "capacity", f"a sensor has 1 to {CAPACITY_MAX} slots")
    end_kiosk_rows(connection, reader_id, from_ms)
    made = connection.execute(
        kiosk.insert().values(
            institution_id=scope.institution_id,
            reader_id=reader_id,
            house_id=house_id,
            latitude=latitude,
            longitude=longitude,
            radius_m=radius_m,
            capacity=capacity,
            from_ms=from_ms,
        )
    )
    found = new_id(made)
    # The place is the kiosk's, no person's.
    campus.write_down(connection, scope, "kiosk.place", f"reader:{reader_id}", now_ms, house=house_id, since=from_ms)
    _stood(connection, scope, reader_id, now_ms)
    return found


def end_kiosk(connection: Connection, scope: Scope, reader_id: int, to_ms: int, now_ms: int) -> None:
    """It serves no house from then on; its sensor is to hold nobody. Raises NotAllowed, NotFound(`kiosk`)."""
    campus.need_whole(scope, MANAGE)
    rows = connection.execute(
        select(kiosk.c.id).where(kiosk.c.reader_id == reader_id, kiosk.c.institution_id == scope.institution_id)
    ).first()
    if rows is None:
        raise NotFound("kiosk", "there is no such kiosk")
    end_kiosk_rows(connection, reader_id, to_ms)
    campus.write_down(connection, scope, "kiosk.end", f"reader:{reader_id}", now_ms, until=to_ms)
    _stood(connection, scope, reader_id, now_ms)


def end_kiosk_rows(connection: Connection, reader_id: int, to_ms: int) -> None:
    """What the reader served as a kiosk until then and later ends there."""
    open_ = and_(kiosk.c.reader_id == reader_id, or_(kiosk.c.to_ms.is_(None), kiosk.c.to_ms > to_ms))
    connection.execute(update(kiosk).where(open_).values(to_ms=_later(connection, to_ms, kiosk.c.from_ms)))


def kiosks(connection: Connection, scope: Scope, house_id: int | None, now_ms: int) -> list[Kiosk]:
    """The kiosks that serve a house, or every house in reach, by name. Raises NotAllowed, NotFound(`house`)."""
    scope.need("residence.read")
    if house_id is not None:
        residence_reach.need_house(connection, scope, house_id, "residence.read")
    taken = (
        select(func.count())
        .where(template.c.reader_id == kiosk.c.reader_id, template.c.state.in_(residence_templates.TAKEN))
        .correlate(kiosk)
        .scalar_subquery()
    )
    query = (
        select(kiosk, reader.c.name.label("reader"), taken.label("taken"))
        .join(reader, reader.c.id == kiosk.c.reader_id)
        .join(house, house.c.id == kiosk.c.house_id)
        .where(
            residence_reach.visible(scope, "residence.read"),
            kiosk.c.from_ms <= now_ms,
            or_(kiosk.c.to_ms.is_(None), kiosk.c.to_ms > now_ms),
            *([] if house_id is None else [kiosk.c.house_id == house_id]),
        )
        .order_by(reader.c.name)
    )
    return [
        Kiosk(**{name: getattr(row, name) for name in Kiosk.__dataclass_fields__}) for row in connection.execute(query)
    ]


# --- within ----------------------------------------------------------------------------------------------------------


def _later(connection: Connection, at_ms: int, column: Any) -> Any:
    # What had not begun then never was: it ends where it begins.
    greater = func.max if connection.dialect.name == "sqlite" else func.greatest
    return greater(at_ms, column)


def _house(connection: Connection, scope: Scope, house_id: int) -> int:
    campus.need_whole(scope, MANAGE)
    return residence_reach.need_house(connection, scope, house_id, MANAGE)


def _open_house(connection: Connection, scope: Scope, house_id: int) -> int:
    """A house that takes somebody in. Raises NotAllowed, NotFound(`house`), Refused(`house-ended`)."""
    found = _house(connection, scope, house_id)
    if connection.execute(select(house.c.ended_ms).where(house.c.id == house_id)).scalar() is not None:
        raise Refused("house-ended", "this house has ended: open it again first")
    return found


def _person(connection: Connection, scope: Scope, person_id: int) -> None:
    query = select(person.c.id).where(person.c.id == person_id, person.c.institution_id == scope.institution_id)
    if connection.execute(query).scalar() is None:
        raise NotFound("person", "there is no such person")


def _held(connection: Connection, scope: Scope, table: Any, row_id: int, what: str) -> Any:
    campus.need_whole(scope, MANAGE)
    row = connection.execute(
        select(table).where(table.c.id == row_id, table.c.institution_id == scope.institution_id)
    ).first()
    if row is None:
        raise NotFound(what, f"there is no such {what}")
    return row


def _moved(connection: Connection, scope: Scope, person_id: int) -> None:
    check_ins.due_by_person(connection, person_id)
    institutions.campus_changed(connection, scope.institution_id)


def _served(connection: Connection, scope: Scope, house_id: int, from_ms: int) -> None:
    # A kiosk knows who will be on duty some hours ahead.
    check_ins.due_by_witness(connection, house_id, from_ms - 24 * 3_600_000)
    institutions.campus_changed(connection, scope.institution_id)


def _stood(connection: Connection, scope: Scope, reader_id: int, now_ms: int) -> None:
    check_ins.due_by_reader(connection, reader_id)
    residence_templates.sweep(connection, scope.institution_id, now_ms)
    institutions.campus_changed(connection, scope.institution_id)


def _dates(from_ms: int, to_ms: int | None) -> None:
    if to_ms is not None and to_ms <= from_ms:
        raise FieldRefused("dates", "to", "it ends after it begins")


def _word(text: str, field: str, most: int) -> str:
    text = " ".join(text.split())
    if not text or len(text) > most or not text.isprintable():
        raise FieldRefused(field, field, f"1 to {most} characters")
    return text
