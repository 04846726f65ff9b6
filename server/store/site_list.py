"""The sites of an institution, and at which of them a reader for a room belongs. A room's code is one room's in the whole
institution, whatever its site."""

from __future__ import annotations

from sqlalchemy import Connection, or_, select

from firmware.contract.topics import is_name
from server.errors import StoreError
from server.scope import Scope
from server.store.schema import placement, reader, room, site

#: what the only site of an institution is called where nobody gave it a name
MAIN = "main"


def names(connection: Connection, scope: Scope) -> list[str]:
    """The name of every site, in order. Raises NotAllowed."""
    scope.need("doors.tend")
    query = select(site.c.name).where(site.c.institution_id == scope.institution_id).order_by(site.c.name)
    return list(connection.execute(query).scalars())


def of_rooms(connection: Connection, scope: Scope) -> dict[str, str]:
    """Room code -> the site that the registry says it is at, of rooms that have not ended; others are left out. Raises
    NotAllowed."""
    scope.need("doors.tend")
    query = (
        select(room.c.code, site.c.name)
        .join(site, site.c.id == room.c.site_id)
        .where(room.c.institution_id == scope.institution_id, room.c.ended_ms.is_(None))
    )
    return {row.code: row.name for row in connection.execute(query)}


def for_room(
    connection: Connection, scope: Scope, room_id: int, said: str | None, now_ms: int, *, new: bool = False
) -> str:
    """At which site a new reader for this room's door is. said: what somebody said; None or '': nothing. new: it may be a
    site that nobody named before.

    Raises StoreError(`reader-name`, `slot-site`) where that cannot be, or is not known.
    """
    if said and not is_name(said):
        raise StoreError("reader-name", "a reader and a site are named with 1 to 32 of a-z, 0-9 and hyphen")
    every = names(connection, scope)
    own = connection.execute(
        select(site.c.name).join(room, room.c.site_id == site.c.id).where(room.c.id == room_id)
    ).scalar()
    if own is not None and said and said != own:
        raise StoreError(
            "slot-site",
            f"the registry has this room at the site {own}, not at {said}: leave the site out, or look whether another "
            "room is meant",
        )
    if said and every and said not in every and not new:
        raise StoreError("slot-site", f"there is no site {said}: choose {_listed(every)}, or give --new-site")
    if said or own is not None:
        return said or str(own)
    if len(every) <= 1:
        return every[0] if every else MAIN
    there = _of_its_readers(connection, room_id, now_ms)
    if len(there) == 1:
        return there[0]
    raise StoreError("slot-site", f"say at which site this room is: {_listed(every)}")


def _of_its_readers(connection: Connection, room_id: int, now_ms: int) -> list[str]:
    query = (
        select(site.c.name)
        .join(reader, reader.c.site_id == site.c.id)
        .join(placement, placement.c.reader_id == reader.c.id)
        .where(
            placement.c.room_id == room_id,
            placement.c.from_ms <= now_ms,
            or_(placement.c.to_ms.is_(None), placement.c.to_ms > now_ms),
        )
        .distinct()
    )
    return list(connection.execute(query).scalars())


def _listed(every: list[str]) -> str:
    return ", ".join(every[:-1]) + " or " + every[-1] if len(every) > 1 else every[0]
