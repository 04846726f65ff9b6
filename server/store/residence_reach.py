"""Who reaches which house and which resident (DDU-12): residence staff their houses, and nothing of any other.

Whoever has moved on is not in their care any more: leave, consent, fingers and PIN are for staff of the house in which
they live now. What staff of the old house go on to read is its own evenings.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, exists, false, or_, select

from server.errors import NotFound
from server.scope import Scope
from server.store.schema import person, person_external_id, person_name
from server.store.schema_residence import house, residency


def visible(scope: Scope, act: str) -> ColumnElement[bool]:
    """The condition on `house` under which this scope reaches it with an act of server/scope.py."""
    inside = house.c.institution_id == scope.institution_id
    reach = scope.reach(act)
    if reach.all:
        return inside
    return and_(inside, house.c.id.in_(sorted(reach.residences))) if reach.residences else false()


def need_house(connection: Connection, scope: Scope, house_id: int, act: str) -> int:
    """The house's id. Raises NotFound(`house`) where there is none, or not for this scope and act."""
    found = connection.execute(select(house.c.id).where(house.c.id == house_id, visible(scope, act))).scalar()
    if found is None:
        raise NotFound("house", "there is no such house, or it is not in your care")
    return found


def in_care(scope: Scope, act: str, now_ms: int | None = None) -> ColumnElement[bool]:
    """The condition on `person` under which they live or will live in a house that this scope reaches; without now_ms
    also whoever lived there. Whoever reaches every house reaches all of them."""
    reach = scope.reach(act)
    if not (reach.all or reach.residences):
        return false()
    lives = and_(residency.c.person_id == person.c.id, residency.c.house_id == house.c.id, visible(scope, act))
    if now_ms is not None and not reach.all:
        ends = residency.c.to_ms
        lives = and_(lives, or_(ends.is_(None), and_(ends > now_ms, ends > residency.c.from_ms)))
    return and_(person.c.institution_id == scope.institution_id, exists().where(lives))


def cares_for(connection: Connection, scope: Scope, person_id: int, act: str, now_ms: int | None = None) -> bool:
    """Whether that is so of this person."""
    query = select(person.c.id).where(person.c.id == person_id, in_care(scope, act, now_ms))
    return connection.execute(query).first() is not None


def need_person(connection: Connection, scope: Scope, person_id: int, act: str, *, now_ms: int | None = None) -> int:
    """The resident's id. Raises NotFound(`resident`) where they live in no house that this scope reaches; without now_ms
    it is enough that they lived there."""
    if not cares_for(connection, scope, person_id, act, now_ms):
        raise NotFound("resident", "there is no such resident, or they are not in your care")
    return person_id


def is_own(scope: Scope, person_id: int) -> bool:
    """Whether this is who is signed in, as a resident."""
    return scope.person_id == person_id and scope.reach("residence.own").oneself


def need_own_or(connection: Connection, scope: Scope, person_id: int, act: str, *, now_ms: int | None = None) -> int:
    """The same for what residents may do about themselves too."""
    return person_id if is_own(scope, person_id) else need_person(connection, scope, person_id, act, now_ms=now_ms)


def lives_at(at_ms: int) -> ColumnElement[bool]:
    """The condition on `residency` that it holds then."""
    return and_(residency.c.from_ms <= at_ms, or_(residency.c.to_ms.is_(None), residency.c.to_ms > at_ms))


def house_of(connection: Connection, person_id: int, at_ms: int) -> int | None:
    """The house in which somebody lives then; None: in none."""
    query = select(residency.c.house_id).where(residency.c.person_id == person_id, lives_at(at_ms))
    return connection.execute(query.order_by(residency.c.from_ms.desc(), residency.c.id.desc()).limit(1)).scalar()


def number() -> ColumnElement[str]:
    """A person's number as lists show it; '' where they have none. In a query that has `person`."""
    query = select(person_external_id.c.external_id).where(
        person_external_id.c.person_id == person.c.id,
        person_external_id.c.source == "identifier",
        person_external_id.c.to_ms.is_(None),
    )
    return query.order_by(person_external_id.c.id).limit(1).correlate(person).scalar_subquery()


def named(connection: Connection, person_ids: set[int]) -> dict[int, str]:
    """person id -> full name; those erased are left out."""
    found: dict[int, str] = {}
    wanted = sorted(person_ids)
    for start in range(0, len(wanted), 500):
        query = select(person_name.c.person_id, person_name.c.full_name).where(
            person_name.c.person_id.in_(wanted[start : start + 500])
        )
        found |= {row.person_id: row.full_name for row in connection.execute(query)}
    return found
