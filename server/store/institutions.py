"""Institutions, and the count of changes on their campus."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from server.errors import NotFound
from server.store.prepared import Prepared
from server.store.schema import institution
from server.store.upsert import new_id


@dataclass(frozen=True, kw_only=True)
class Institution:
    """One institution. time_zone: IANA name, for pages and policy."""

    id: int
    name: str
    time_zone: str


def ensure(connection: Connection, name: str, time_zone: str, now_ms: int) -> Institution:
    """The institution of this name; made, with this time zone, if there is none."""
    row = connection.execute(select(institution).where(institution.c.name == name)).first()
    if row is None:
        made = institution.insert().values(name=name, time_zone=time_zone, created_ms=now_ms)
        key = new_id(connection.execute(made))
        return Institution(id=key, name=name, time_zone=time_zone)
    return Institution(id=row.id, name=row.name, time_zone=row.time_zone)


def one(connection: Connection, institution_id: int) -> Institution:
    """The institution with this id. Raises NotFound(`institution`)."""
    row = connection.execute(_ONE, {"institution": institution_id}).first()
    if row is None:
        raise NotFound("institution", "there is no such institution")
    return Institution(id=row.id, name=row.name, time_zone=row.time_zone)


_ONE = select(institution.c.id, institution.c.name, institution.c.time_zone).where(
    institution.c.id == bindparam("institution")
)


def named(connection: Connection, name: str) -> Institution:
    """The institution of this name. Raises NotFound(`institution`)."""
    row = connection.execute(select(institution).where(institution.c.name == name)).first()
    if row is None:
        raise NotFound("institution", f"there is no institution {name}; see MUSTER_INSTITUTION")
    return Institution(id=row.id, name=row.name, time_zone=row.time_zone)


_EVERY = Prepared(select(institution.c.id, institution.c.name, institution.c.time_zone).order_by(institution.c.id))


def every(connection: Connection) -> list[Institution]:
    """All of them, by id."""
    return [Institution(id=row.id, name=row.name, time_zone=row.time_zone) for row in _EVERY.all(connection)]


def campus_changed(connection: Connection, institution_id: int) -> None:
    """Say that a class list, room, session, placement or card changed: rosters are looked at again."""
    connection.execute(
        update(institution)
        .where(institution.c.id == institution_id)
        .values(campus_change=institution.c.campus_change + 1)
    )


_CAMPUS_CHANGE = Prepared(select(institution.c.campus_change).where(institution.c.id == bindparam("institution")))


def campus_change(connection: Connection, institution_id: int) -> int:
    """How often the campus changed."""
    return _CAMPUS_CHANGE.scalar(connection, {"institution": institution_id})
