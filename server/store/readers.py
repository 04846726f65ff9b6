"""Readers, their keys, the rooms whose doors they serve, and the newest that is known of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, or_, select, update

from firmware.contract.mac import Key
from firmware.contract.topics import is_name
from server.errors import NotFound, Refused, StoreError
from server.store import due, institutions, swipes, upsert
from server.store.prepared import Prepared
from server.store.schema import placement, reader, reader_key, reader_state, room, site
from server.store.schema_residence import house, kiosk
from server.store.upsert import new_id
from server.vault import Vault

FOREVER_MS = 1 << 62


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One reader. site: the name of its site, as in topics."""

    id: int
    institution_id: int
    name: str
    site: str
    ended_ms: int | None


class KeyRing:
    """Readers' keys, opened once and kept in memory: a batch must not decrypt one for every line."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._keys: dict[int, Key] = {}

    @property
    def vault(self) -> Vault:
        """What opens them."""
        return self._vault

    def key(self, row_id: int, reader_name: str, key_id: int, sealed: bytes) -> Key:
        """The key in a row of `reader_key`."""
        found = self._keys.get(row_id)
        if found is None:
            found = self._keys[row_id] = Key(key_id, self._vault.open(sealed, _about(reader_name, key_id)))
        return found


def _about(reader_name: str, key_id: int) -> str:
    return f"reader-key/{reader_name}/{key_id}"


_IDS = bindparam("ids", expanding=True)
_BY_NAME = Prepared(
    select(reader.c.id, reader.c.institution_id, reader.c.name, site.c.name.label("site"), reader.c.ended_ms)
    .join(site, site.c.id == reader.c.site_id)
    .where(reader.c.name.in_(bindparam("names", expanding=True)))
)


def by_name(connection: Connection, names: Iterable[str]) -> dict[str, Reader]:
    """The readers with these names; those that do not exist are left out."""
    wanted = sorted({name for name in names if is_name(name)})
    if not wanted:
        return {}
    return {
        row.name: Reader(
            id=row.id, institution_id=row.institution_id, name=row.name, site=row.site, ended_ms=row.ended_ms
        )
        for row in _BY_NAME.all(connection, {"names": wanted})
    }


_KEYS = Prepared(select(reader_key).where(reader_key.c.reader_id.in_(_IDS)))


def keys(connection: Connection, ring: KeyRing, readers: Iterable[Reader]) -> dict[tuple[int, int], Key]:
    """(reader id, key id) -> key."""
    names = {found.id: found.name for found in readers}
    if not names:
        return {}
    return {
        (row.reader_id, row.key_id): ring.key(row.id, names[row.reader_id], row.key_id, row.secret)
        for row in _KEYS.all(connection, {"ids": sorted(names)})
    }


_WITH_KEYS = Prepared(
    select(
        *(reader.c.id, reader.c.institution_id, reader.c.name, site.c.name.label("site"), reader.c.ended_ms),
        *(reader_key.c.id.label("row_id"), reader_key.c.key_id, reader_key.c.secret),
    )
    .join(site, site.c.id == reader.c.site_id)
    .outerjoin(reader_key, reader_key.c.reader_id == reader.c.id)
    .where(reader.c.name.in_(bindparam("names", expanding=True)))
)


def with_keys(
    connection: Connection, ring: KeyRing, names: Iterable[str]
) -> tuple[dict[str, Reader], dict[tuple[int, int], Key]]:
    """`by_name` and `keys` of these at once: every delivery asks for both."""
    wanted = sorted({name for name in names if is_name(name)})
    found: dict[str, Reader] = {}
    held: dict[tuple[int, int], Key] = {}
    for reader_id, institution_id, name, site_name, ended_ms, row_id, key_id, secret in (
        _WITH_KEYS.tuples(connection, {"names": wanted}) if wanted else ()
    ):
        if name not in found:
            found[name] = Reader(
                id=reader_id, institution_id=institution_id, name=name, site=site_name, ended_ms=ended_ms
            )
        if row_id is not None:
            held[reader_id, key_id] = ring.key(row_id, name, key_id, secret)
    return found, held


def add(
    connection: Connection,
    vault: Vault,
    institution_id: int,
    *,
    name: str,
    site_name: str,
    room_code: str | None,
    from_ms: int,
    now_ms: int,
    key: tuple[int, bytes] | None = None,
) -> tuple[int, bytes]:
    """Make a reader, its key and its placement. Returns the key's id and secret, for its settings file.

    key: the id and secret that its board has already. Raises StoreError(`reader-name`), Refused(`reader-exists`),
    NotFound(`room`).
    """
    if not is_name(name) or not is_name(site_name):
        raise StoreError("reader-name", "a reader and a site are named with 1 to 32 of a-z, 0-9 and hyphen")
    if by_name(connection, [name]):
        raise Refused(
            "reader-exists", f"there is a reader {name} already: choose another name, or `muster reader move` it"
        )
    room_id = _room(connection, institution_id, room_code) if room_code is not None else None
    made = connection.execute(
        reader.insert().values(
            institution_id=institution_id,
            site_id=ensure_site(connection, institution_id, site_name),
            name=name,
            created_ms=now_ms,
        )
    )
    reader_id = new_id(made)
    key_id, secret = key or (1, os.urandom(32))
    add_key(connection, vault, institution_id, reader_id, name, (key_id, secret), now_ms)
    connection.execute(reader_state.insert().values(reader_id=reader_id, institution_id=institution_id))
    if room_id is not None:
        place(connection, institution_id, reader_id, room_id, from_ms, now_ms)
    return key_id, secret


def add_key(
    connection: Connection,
    vault: Vault,
    institution_id: int,
    reader_id: int,
    name: str,
    key: tuple[int, bytes],
    now_ms: int,
) -> None:
    """Give a reader one more key: its id and secret."""
    connection.execute(
        reader_key.insert().values(
            institution_id=institution_id,
            reader_id=reader_id,
            key_id=key[0],
            secret=vault.seal(key[1], _about(name, key[0])),
            from_ms=now_ms,
        )
    )


def move(
    connection: Connection, institution_id: int, name: str, room_code: str | None, from_ms: int, now_ms: int
) -> None:
    """The reader serves this room's door from then on (None: no door). Raises NotFound(`reader`, `room`),
    Refused(`door-kiosk`)."""
    found = by_name(connection, [name]).get(name)
    if found is None or found.institution_id != institution_id:
        raise NotFound("reader", f"there is no reader {name}: `muster reader list` names them")
    if found.ended_ms is not None:
        raise Refused("reader-ended", f"{name} is believed no more: make a new reader for the door, with new keys")
    room_id = _room(connection, institution_id, room_code) if room_code is not None else None
    if room_id is not None:
        _need_no_house(connection, found, from_ms)
    place(connection, institution_id, found.id, room_id, from_ms, now_ms)


def place(
    connection: Connection, institution_id: int, reader_id: int, room_id: int | None, from_ms: int, now_ms: int
) -> None:
    """Place a reader at a room from then on; what it was placed at ends. Swipes since then are looked at again."""
    connection.execute(
        update(placement)
        .where(placement.c.reader_id == reader_id, or_(placement.c.to_ms.is_(None), placement.c.to_ms > from_ms))
        .values(to_ms=from_ms)
    )
    if room_id is not None:
        connection.execute(
            placement.insert().values(
                institution_id=institution_id, reader_id=reader_id, room_id=room_id, from_ms=from_ms
            )
        )
    swipes.place_again(connection, reader_id, from_ms)
    _AGAIN.run(connection, {"reader": reader_id, "since": from_ms})
    due.reader(connection, institution_id, reader_id, from_ms, FOREVER_MS, now_ms)
    institutions.campus_changed(connection, institution_id)


def need_no_door(connection: Connection, reader_id: int, from_ms: int) -> None:
    """For what is to be a kiosk. Raises Refused(`kiosk-door`) where it serves a door then or later."""
    query = (
        select(room.c.code)
        .join(placement, placement.c.room_id == room.c.id)
        .where(
            placement.c.reader_id == reader_id,
            # One that was planned and taken back ends where it begins: it never held.
            or_(
                placement.c.to_ms.is_(None),
                and_(placement.c.to_ms > from_ms, placement.c.to_ms > placement.c.from_ms),
            ),
        )
        .order_by(placement.c.from_ms)
    )
    door = connection.execute(query).scalar()
    if door is not None:
        raise Refused(
            "kiosk-door",
            f"this reader serves the door of {door}, and a kiosk gets no class list any more: choose one that serves "
            "no door, or let it leave that one first: muster reader move NAME",
        )


def _need_no_house(connection: Connection, found: Reader, from_ms: int) -> None:
    """For what is to serve a door. Raises Refused(`door-kiosk`) where it serves a house as a kiosk then or later."""
    query = (
        select(house.c.code, house.c.name)
        .join(kiosk, kiosk.c.house_id == house.c.id)
        .where(
            kiosk.c.reader_id == found.id,
            or_(kiosk.c.to_ms.is_(None), and_(kiosk.c.to_ms > from_ms, kiosk.c.to_ms > kiosk.c.from_ms)),
        )
        .order_by(kiosk.c.from_ms)
    )
    row = connection.execute(query).first()
    if row is not None:
        raise Refused(
            "door-kiosk",
            f"{found.name} is a kiosk of {row.name} ({row.code}), and a kiosk serves no door: for the door make another "
            "reader, with muster reader add NAME --room ROOM; or take this one away from the house first, on the house's "
            "page in the registry of the residence, and give its board a door reader's settings",
        )


_AGAIN = Prepared(
    lambda dialect: (
        update(reader_state)
        .where(reader_state.c.reader_id == bindparam("reader"))
        .values(
            again_from_ms=upsert.lesser(
                dialect, func.coalesce(reader_state.c.again_from_ms - 1, bindparam("since")), bindparam("since")
            )
        )
    )
)


def at_door(connection: Connection, reader_id: int, now_ms: int) -> Any | None:
    """The row (id, site, room_id, room_code) of a reader and the door that it serves now; None: it serves none."""
    query = (
        select(reader.c.id, site.c.name.label("site"), placement.c.room_id, room.c.code.label("room_code"))
        .join(site, site.c.id == reader.c.site_id)
        .join(placement, placement.c.reader_id == reader.c.id)
        .join(room, room.c.id == placement.c.room_id)
        .where(
            reader.c.id == reader_id,
            placement.c.from_ms <= now_ms,
            or_(placement.c.to_ms.is_(None), placement.c.to_ms > now_ms),
        )
        .order_by(placement.c.id.desc())
    )
    return connection.execute(query).first()


def ensure_site(connection: Connection, institution_id: int, name: str) -> int:
    """The id of the site; made if there is none."""
    found = connection.execute(
        select(site.c.id).where(site.c.institution_id == institution_id, site.c.name == name)
    ).scalar()
    if found is None:
        made = connection.execute(site.insert().values(institution_id=institution_id, name=name))
        found = new_id(made)
    return found


def _room(connection: Connection, institution_id: int, code: str) -> int:
    found = connection.execute(
        select(room.c.id).where(room.c.institution_id == institution_id, room.c.code == code)
    ).scalar()
    if found is None:
        raise NotFound("room", f"there is no room {code}: import a timetable first, or give --new-room")
    return found


def ensure_room(connection: Connection, institution_id: int, code: str, title: str | None = None) -> int:
    """The id of the room with this code; made if there is none."""
    found = connection.execute(
        select(room.c.id).where(room.c.institution_id == institution_id, room.c.code == code)
    ).scalar()
    if found is None:
        made = connection.execute(room.insert().values(institution_id=institution_id, code=code, title=title))
        found = new_id(made)
    return found


def listed(connection: Connection, institution_id: int, now_ms: int, *, only: str | None = None) -> list[Any]:
    """Rows (id, name, site, room_code, ended_ms) of readers that have not ended, by name; only: of one, even if it has."""
    wanted = reader.c.ended_ms.is_(None) if only is None else reader.c.name == only
    placed = (
        select(placement.c.reader_id, room.c.code)
        .join(room, room.c.id == placement.c.room_id)
        .where(placement.c.from_ms <= now_ms, or_(placement.c.to_ms.is_(None), placement.c.to_ms > now_ms))
        .subquery()
    )
    shown = reader.c.id, reader.c.name, site.c.name.label("site"), placed.c.code.label("room_code"), reader.c.ended_ms
    query = (
        select(*shown)
        .join(site, site.c.id == reader.c.site_id)
        .outerjoin(placed, placed.c.reader_id == reader.c.id)
        .where(reader.c.institution_id == institution_id, wanted)
        .order_by(reader.c.name)
    )
    return list(connection.execute(query))


_STATES = Prepared(
    select(reader_state).where(reader_state.c.reader_id.in_(_IDS)).order_by(reader_state.c.reader_id).with_for_update()
)


def states(connection: Connection, reader_ids: Iterable[int]) -> dict[int, Any]:
    """reader id -> row of `reader_state`, locked until the transaction ends: what is noted rests on what was read."""
    wanted = sorted(set(reader_ids))
    if not wanted:
        return {}
    return {row.reader_id: row for row in _STATES.all(connection, {"ids": wanted})}


def need_key(connection: Connection, vault: Vault) -> None:
    """Open one reader's key, if there is any: a server with another server key would believe no reader.

    Raises BadSetting(`server-key`).
    """
    query = (
        select(reader.c.name, reader_key.c.key_id, reader_key.c.secret)
        .join(reader, reader.c.id == reader_key.c.reader_id)
        .order_by(reader_key.c.id.desc())
        .limit(1)
    )
    for row in connection.execute(query):
        vault.open(row.secret, _about(row.name, row.key_id))


def note(connection: Connection, institution_ids: Mapping[int, int], notes: Mapping[int, Mapping[str, Any]]) -> None:
    """Overwrite what is known of readers: reader id -> column -> value. institution_ids: reader id -> its institution.

    One statement for all of whom the same is known.
    """
    alike: dict[tuple[str, ...], list[int]] = {}
    for reader_id in sorted(notes):
        if notes[reader_id]:
            alike.setdefault(tuple(sorted(notes[reader_id])), []).append(reader_id)
    for columns, reader_ids in sorted(alike.items()):
        _note(columns).each(
            connection,
            [{"reader_id": one, "institution_id": institution_ids[one], **notes[one]} for one in reader_ids],
        )


@cache
def _note(columns: tuple[str, ...]) -> Prepared:
    return Prepared(
        lambda dialect: upsert.over_of(dialect, reader_state, ("reader_id",), columns),
        ("reader_id", "institution_id", *columns),
    )
