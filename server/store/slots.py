"""Slots: a place at a room's door that waits for a board, and the one-time token by which a board becomes its reader.

A token has 128 random bits, holds for 15 minutes and is good for one claim; only its SHA-256 is kept. A claim makes the
reader, its key, its password at the broker and its placement in the transaction that uses the token up: of two boards
with one token one becomes the reader.

Where a board was unplugged between its claim and the moment its settings were on it, nobody has that key any more.
A slot of the same name is then made once more: as long as nothing authentic was ever heard from the reader, its key is
replaced by a new one, and what the lost one signs is believed no more.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, select, update

from firmware.contract.topics import is_name
from server.errors import NotFound, NotSignedIn, Refused, StoreError
from server.scope import Scope
from server.store import campus, cards, credentials, readers, site_list
from server.store.schema import reader, reader_key, reader_state, room
from server.store.schema_slots import slot
from server.store.schema_trust import reader_revocation
from server.store.upsert import new_id
from server.vault import Vault

TEND = "doors.tend"
TOKEN_BYTES = 16
LIFE_MS = 15 * 60_000
#: slots that are listed
LISTED = 50
OPEN, CLAIMED, WITHDRAWN, EXPIRED = "open", "claimed", "withdrawn", "expired"


@dataclass(frozen=True, kw_only=True)
class Made:
    """A slot and its token, which is nowhere else and cannot be asked for again."""

    slot_id: int
    reader: str
    room_code: str
    site: str
    #: 26 characters in groups, as people read them
    token: str = field(repr=False)
    expires_ms: int


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A slot as people see it. state: open, claimed, withdrawn or expired."""

    id: int
    reader: str
    room_code: str
    site: str
    #: the reader that leaves the door for it
    replaces: str | None
    state: str
    made_ms: int
    expires_ms: int
    claimed_ms: int | None
    board: str | None
    #: when anything authentic was last heard from the reader that it became
    seen_ms: int | None


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What a claim made, for the new reader's settings."""

    institution_id: int
    reader: str
    site: str
    room_code: str
    replaces: str | None
    key: tuple[int, bytes] = field(repr=False)
    card_keys: list[tuple[int, bytes]] = field(repr=False)
    credential: credentials.Credential = field(repr=False)


def make(
    connection: Connection,
    scope: Scope,
    *,
    name: str | None,
    room_code: str | None,
    now_ms: int,
    site_name: str | None = None,
    new_site: bool = False,
    replaces: str | None = None,
) -> Made:
    """Make a slot for a reader of this name (None: one is found) at this room's door; an open one of the name ends.

    site_name: None: the room's. new_site: it may be one that nobody named before.
    replaces: name of the reader that leaves the door when a board claims the slot; room and site are then that one's.
    Raises NotAllowed, StoreError(`reader-name`, `slot-room`, `slot-site`), NotFound(`room`, `reader`), Refused(`reader-exists`,
    `door-none`).
    """
    scope.need(TEND)
    # Of two at once for one room the second sees the first one's slot: one name would be two boards' otherwise.
    campus.begin(connection, scope)
    old = None if replaces is None else _served(connection, scope, replaces, now_ms)
    code = old.room_code if old is not None else (room_code or "").strip()
    if not code:
        raise StoreError("slot-room", "say at which room's door the reader is to be")
    room_id = old.room_id if old is not None else _room(connection, scope, code)
    name = (name or "").strip() or _free_name(connection, replaces or code, now_ms)
    at = (
        old.site if old is not None else site_list.for_room(connection, scope, room_id, site_name, now_ms, new=new_site)
    )
    if not is_name(name):
        raise StoreError("reader-name", "a reader and a site are named with 1 to 32 of a-z, 0-9 and hyphen")
    _need_unheard(connection, scope, name, room_id)
    _withdraw(connection, and_(slot.c.reader_name == name, slot.c.institution_id == scope.institution_id), now_ms)
    token = secrets.token_bytes(TOKEN_BYTES)
    made = connection.execute(
        slot.insert().values(
            institution_id=scope.institution_id,
            reader_name=name,
            site_name=at,
            room_id=room_id,
            replaces_id=None if old is None else old.id,
            token_hash=hashlib.sha256(token).digest(),
            made_ms=now_ms,
            made_by_account_id=scope.account_id or None,
            expires_ms=now_ms + LIFE_MS,
        )
    )
    slot_id = new_id(made)
    campus.write_down(connection, scope, "slot.make", f"room:{room_id}", now_ms, reader=name, replaces=replaces)
    return Made(slot_id=slot_id, reader=name, room_code=code, site=at, token=told(token), expires_ms=now_ms + LIFE_MS)


def told(token: bytes) -> str:
    """A token as people read and type it: base32 in groups of up to five."""
    text = base64.b32encode(token).decode().rstrip("=")
    return "-".join(text[n : n + 5] for n in range(0, len(text), 5))


def token_in(text: str) -> bytes | None:
    """The token that somebody typed or scanned; None: it is none."""
    letters = "".join(one for one in text.upper() if one.isalnum())
    try:
        token = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:
        return None
    return token if len(token) == TOKEN_BYTES else None


def no_token() -> NotSignedIn:
    """What is said to whoever has none (`slot-token`)."""
    return NotSignedIn("slot-token", "this is no slot's token: make a slot on the doors page, or `muster reader new`")


def is_one(connection: Connection, text: str) -> bool:
    """Whether this is a slot's token, whatever became of the slot."""
    token = token_in(text)
    wanted = select(slot.c.id).where(slot.c.token_hash == hashlib.sha256(token or b"").digest())
    return token is not None and connection.execute(wanted).first() is not None


def claim(connection: Connection, vault: Vault, text: str, *, board: str, now_ms: int, mutual: bool = False) -> Claimed:
    """A board becomes the slot's reader. Nothing of this can be had a second time.

    board: its own number, for people. mutual: it shows the broker a certificate too. Raises NotSignedIn(`slot-token`), Refused(`slot-claimed`, `slot-expired`,
    `slot-withdrawn`, `reader-exists`).
    """
    token = token_in(text)
    wanted = hashlib.sha256(token or b"").digest()
    row = connection.execute(select(slot).where(slot.c.token_hash == wanted)).first()
    # The database has compared hashes; a hash tells nothing of the token that it is near to.
    if token is None or row is None or not hmac.compare_digest(bytes(row.token_hash), wanted):
        raise no_token()
    nobody = Scope(institution_id=row.institution_id, account_id=row.made_by_account_id or 0, person_id=None)
    campus.begin(connection, nobody)  # in the order of `make`
    if not _use_up(connection, row.id, board, now_ms):
        raise _why_not(connection, row.id, now_ms)
    code = connection.execute(select(room.c.code).where(room.c.id == row.room_id)).scalar_one()
    reader_id, key = _reader(connection, vault, row, code, now_ms)
    replaced = _taken_over(connection, row, now_ms)
    connection.execute(update(slot).where(slot.c.id == row.id).values(reader_id=reader_id))
    campus.write_down(
        connection, nobody, "slot.claim", f"reader:{reader_id}", now_ms, slot=row.id, replaces=replaced, key=key[0]
    )
    return Claimed(
        institution_id=row.institution_id,
        reader=row.reader_name,
        site=row.site_name,
        room_code=code,
        replaces=replaced,
        key=key,
        card_keys=cards.secrets_for_readers(connection, vault, row.institution_id, now_ms),
        credential=credentials.make(connection, row.institution_id, reader_id, now_ms, mutual=mutual),
    )


def withdraw(connection: Connection, scope: Scope, slot_id: int, now_ms: int) -> bool:
    """Its token is good for nothing any more. False: it was claimed, withdrawn or too old before. Raises NotAllowed,
    NotFound(`slot`)."""
    scope.need(TEND)
    mine = and_(slot.c.id == slot_id, slot.c.institution_id == scope.institution_id)
    row = connection.execute(select(slot.c.room_id, slot.c.reader_name).where(mine)).first()
    if row is None:
        raise NotFound("slot", "there is no such slot")
    done = _withdraw(connection, and_(mine, slot.c.expires_ms > now_ms), now_ms)
    if done:
        campus.write_down(connection, scope, "slot.withdraw", f"room:{row.room_id}", now_ms, reader=row.reader_name)
    return bool(done)


def listed(connection: Connection, scope: Scope, now_ms: int) -> list[Slot]:
    """The newest slots, newest first. Raises NotAllowed."""
    scope.need(TEND)
    old = reader.alias("old")
    query = (
        select(slot, room.c.code, old.c.name.label("replaces"), reader_state.c.seen_ms)
        .join(room, room.c.id == slot.c.room_id)
        .outerjoin(old, old.c.id == slot.c.replaces_id)
        .outerjoin(reader_state, reader_state.c.reader_id == slot.c.reader_id)
        .where(slot.c.institution_id == scope.institution_id)
        .order_by(slot.c.made_ms.desc(), slot.c.id.desc())
        .limit(LISTED)
    )
    return [
        Slot(
            id=row.id,
            reader=row.reader_name,
            room_code=row.code,
            site=row.site_name,
            replaces=row.replaces,
            state=_state(row, now_ms),
            made_ms=row.made_ms,
            expires_ms=row.expires_ms,
            claimed_ms=row.claimed_ms,
            board=row.board,
            seen_ms=row.seen_ms,
        )
        for row in connection.execute(query)
    ]


def _state(row: Any, now_ms: int) -> str:
    if row.claimed_ms is not None:
        return CLAIMED
    if row.withdrawn_ms is not None:
        return WITHDRAWN
    return OPEN if row.expires_ms > now_ms else EXPIRED


def _use_up(connection: Connection, slot_id: int, board: str, now_ms: int) -> bool:
    """Whether it was still there to be used. One statement: the database lets one of two at once have it."""
    done = connection.execute(
        update(slot)
        .where(
            slot.c.id == slot_id,
            slot.c.claimed_ms.is_(None),
            slot.c.withdrawn_ms.is_(None),
            slot.c.expires_ms > now_ms,
        )
        .values(claimed_ms=now_ms, board=board[:64])
    )
    return done.rowcount == 1


def _why_not(connection: Connection, slot_id: int, now_ms: int) -> Refused:
    state = _state(connection.execute(select(slot).where(slot.c.id == slot_id)).one(), now_ms)
    again = "make the slot once more with the same name, on the doors page or with `muster reader new`"
    if state == CLAIMED:
        # Whoever reads this and did not use it must hear that somebody did.
        return Refused(
            "slot-claimed",
            f"this token was used already: if it was this board, and it has no settings, {again}. If nobody here "
            "used it, somebody else has it: revoke the reader",
        )
    if state == WITHDRAWN:
        return Refused("slot-withdrawn", f"this slot was taken back, or made anew with another token: {again}")
    return Refused("slot-expired", f"this token is older than 15 minutes: {again}")


def _reader(
    connection: Connection, vault: Vault, row: Row[Any], code: str, now_ms: int
) -> tuple[int, tuple[int, bytes]]:
    """The slot's reader at its room (code), made now, or given a new key where it was never heard; its id and key."""
    there = readers.by_name(connection, [row.reader_name]).get(row.reader_name)
    if there is None:
        key = readers.add(
            connection,
            vault,
            row.institution_id,
            name=row.reader_name,
            site_name=row.site_name,
            room_code=code,
            from_ms=now_ms,
            now_ms=now_ms,
        )
        return readers.by_name(connection, [row.reader_name])[row.reader_name].id, key
    nobody = Scope(institution_id=row.institution_id, account_id=0, person_id=None)
    _need_unheard(connection, nobody, row.reader_name, row.room_id)
    newest = select(func.max(reader_key.c.key_id)).where(reader_key.c.reader_id == there.id)
    key = connection.execute(newest).scalar_one() + 1, os.urandom(32)
    readers.add_key(connection, vault, row.institution_id, there.id, row.reader_name, key, now_ms)
    # After the new one is there: a row's number is not given twice, and key rings remember keys by it.
    connection.execute(delete(reader_key).where(reader_key.c.reader_id == there.id, reader_key.c.key_id != key[0]))
    if there.site != row.site_name:
        # What is passed down to it goes to the topics of its site, and the board listens where its settings say.
        at = readers.ensure_site(connection, row.institution_id, row.site_name)
        connection.execute(update(reader).where(reader.c.id == there.id).values(site_id=at))
    door = readers.at_door(connection, there.id, now_ms)
    if door is None or door.room_id != row.room_id:
        # Somebody moved it since: the board is at the slot's door, and its label says so.
        readers.move(connection, row.institution_id, row.reader_name, code, now_ms, now_ms)
    return there.id, key


def _taken_over(connection: Connection, row: Row[Any], now_ms: int) -> str | None:
    """The reader that leaves the slot's door now. None: none was to, or it left before, and stays where somebody moved it."""
    if row.replaces_id is None:
        return None
    door = readers.at_door(connection, row.replaces_id, now_ms)
    if door is None or door.room_id != row.room_id:
        return None
    readers.place(connection, row.institution_id, row.replaces_id, None, now_ms, now_ms)
    return connection.execute(select(reader.c.name).where(reader.c.id == row.replaces_id)).scalar_one()


def _need_unheard(connection: Connection, scope: Scope, name: str, room_id: int) -> None:
    """Raises Refused(`reader-exists`) unless there is no such reader, or one that a slot at this door made and that
    was never heard."""
    query = (
        select(
            reader.c.institution_id,
            reader.c.ended_ms,
            reader_state.c.seen_ms,
            slot.c.id.label("slot_id"),
            reader_revocation.c.reader_id.label("revoked"),
        )
        .outerjoin(reader_state, reader_state.c.reader_id == reader.c.id)
        .outerjoin(slot, and_(slot.c.reader_id == reader.c.id, slot.c.room_id == room_id))
        .outerjoin(reader_revocation, reader_revocation.c.reader_id == reader.c.id)
        .where(reader.c.name == name)
    )
    found = connection.execute(query).first()
    if found is None:
        return
    ours = found.institution_id == scope.institution_id and found.ended_ms is None
    if not ours or found.seen_ms is not None or found.slot_id is None or found.revoked is not None:
        raise Refused(
            "reader-exists",
            f"there is a reader {name} already: choose another name. A new board for its door gets a name of its own, "
            f"and replaces it: `muster reader new --swap {name}`",
        )


def _served(connection: Connection, scope: Scope, name: str, now_ms: int) -> Row[Any]:
    """The reader that is to be replaced, and its door. Raises NotFound(`reader`), Refused(`door-none`)."""
    found = readers.by_name(connection, [name]).get(name)
    if found is None or found.institution_id != scope.institution_id:
        raise NotFound("reader", f"there is no reader {name}: `muster reader list` names them")
    door = readers.at_door(connection, found.id, now_ms)
    if door is None:
        raise Refused(
            "door-none",
            f"{name} serves no door now: make a slot for the room itself, `muster reader new NAME --room ROOM`",
        )
    return door


def _room(connection: Connection, scope: Scope, code: str) -> int:
    ours = select(room.c.id).where(room.c.institution_id == scope.institution_id, room.c.code == code)
    found = connection.execute(ours).scalar()
    if found is None:
        raise NotFound("room", f"there is no room {code}: import a timetable first, or add the room in the registry")
    return found


def _free_name(connection: Connection, wanted: str, now_ms: int) -> str:
    """A name like this that no reader has, and no open slot: b-12, b-12-2, b-12-3 … A room with two doors has two slots."""
    plain = "".join(one if one.isascii() and one.isalnum() else "-" for one in wanted.lower())
    stem = "-".join(part for part in plain.split("-") if part)[:28] or "reader"
    of_readers = select(reader.c.name).where(reader.c.name.startswith(stem, autoescape=True))
    of_slots = select(slot.c.reader_name).where(
        slot.c.reader_name.startswith(stem, autoescape=True),
        slot.c.claimed_ms.is_(None),
        slot.c.withdrawn_ms.is_(None),
        slot.c.expires_ms > now_ms,
    )
    taken = set(connection.execute(of_readers.union(of_slots)).scalars())
    return next(name for name in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if name not in taken)


def _withdraw(connection: Connection, which: Any, now_ms: int) -> int:
    still = (which, slot.c.claimed_ms.is_(None), slot.c.withdrawn_ms.is_(None))
    return connection.execute(update(slot).where(*still).values(withdrawn_ms=now_ms)).rowcount
