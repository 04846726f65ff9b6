"""PINs of the lawful alternative: keyed hashes over a card's token, tried five times over all kiosks (DDU-12).

A PIN stands nowhere: neither here nor in a kiosk. The witness is the factor; the PIN says who is meant.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, or_, select, update

from firmware.contract.mac import Key
from firmware.contract.residents import PIN_BYTES
from server.errors import Refused
from server.policy.evenings import REVOKED
from server.scope import Scope
from server.store import campus, cards, institutions, residence_reach, withheld
from server.store.campus import FieldRefused
from server.store.schema import card_token
from server.store.schema_residence import check_in, check_in_reading, kiosk_event, pin, pin_key
from server.vault import Vault

#: wrong ones in a row, over all kiosks
TRIES = 5
LEAST, MOST = 4, 8
REFUSED, LOCKED = "pin-refused", "pin-locked"
#: what anybody would try first
_EASY = frozenset("0123456789 9876543210 1234567890".split())


@dataclass(frozen=True, kw_only=True)
class Pin:
    """That somebody has a PIN, and how it stands. locked_ms None: it is taken."""

    set_ms: int
    tries: int
    locked_ms: int | None


def key(connection: Connection, vault: Vault, institution_id: int, now_ms: int) -> Key:
    """The institution's PIN key, made when there is none: for a kiosk's settings file, and to hash with."""
    key_id, secret = secret_for_kiosks(connection, vault, institution_id, now_ms)
    return Key(key_id, secret)


def secret_for_kiosks(connection: Connection, vault: Vault, institution_id: int, now_ms: int) -> tuple[int, bytes]:
    """(key id, secret) of the PIN key."""
    query = select(pin_key).where(
        pin_key.c.institution_id == institution_id, or_(pin_key.c.to_ms.is_(None), pin_key.c.to_ms > now_ms)
    )
    row = connection.execute(query.order_by(pin_key.c.from_ms.desc(), pin_key.c.key_id.desc())).first()
    if row is not None:
        return row.key_id, vault.open(row.secret, _about(institution_id, row.key_id))
    secret = os.urandom(32)
    connection.execute(
        pin_key.insert().values(
            institution_id=institution_id, key_id=1, secret=vault.seal(secret, _about(institution_id, 1)), from_ms=0
        )
    )
    return 1, secret


def _about(institution_id: int, key_id: int) -> str:
    return f"pin-key/{institution_id}/{key_id}"


def hashed(made_with: Key, token: bytes, digits: str) -> bytes:
    """What the residents list holds for this card and PIN."""
    return made_with.hmac(token + b"\0" + digits.encode())[:PIN_BYTES]


def set_pin(connection: Connection, scope: Scope, vault: Vault, person_id: int, digits: str, now_ms: int) -> None:
    """Set a PIN for every card of the resident; what was locked is open again. A new card wants a new PIN.

    Raises NotFound(`resident`), FieldRefused(`pin-form`, `pin-easy`), Refused(`no-card`).
    """
    residence_reach.need_person(connection, scope, person_id, "residence.tend", now_ms=now_ms)
    if not (digits.isascii() and digits.isdigit() and LEAST <= len(digits) <= MOST):
        raise FieldRefused("pin-form", "pin", f"a PIN has {LEAST} to {MOST} digits")
    if len(set(digits)) == 1 or any(digits in row for row in _EASY):
        raise FieldRefused("pin-easy", "pin", "this one is tried first: choose digits that do not repeat or count")
    campus.begin(connection, scope)
    held = cards.of_person(connection, person_id, now_ms)
    tokens = connection.execute(select(card_token).where(card_token.c.card_id.in_(held))).all()
    if not tokens:
        raise Refused("no-card", "they have no card that works: a PIN belongs to one. Give them a card first")
    made_with = key(connection, vault, scope.institution_id, now_ms)
    _end(connection, person_id, now_ms)
    connection.execute(
        pin.insert(),
        [
            {
                "institution_id": scope.institution_id,
                "person_id": person_id,
                "card_id": row.card_id,
                "card_key_id": row.key_id,
                "key_id": made_with.id,
                "hash": hashed(made_with, bytes(row.token), digits),
                "set_ms": now_ms,
                "set_by_account_id": scope.account_id,
            }
            for row in tokens
        ],
    )
    campus.write_down(connection, scope, "pin.set", f"person:{person_id}", now_ms)
    institutions.campus_changed(connection, scope.institution_id)


def end(connection: Connection, scope: Scope, person_id: int, now_ms: int) -> None:
    """The resident has no PIN from now on. Raises NotFound(`resident`)."""
    residence_reach.need_own_or(connection, scope, person_id, "residence.tend", now_ms=now_ms)
    _end(connection, person_id, now_ms)
    campus.write_down(connection, scope, "pin.end", f"person:{person_id}", now_ms)
    institutions.campus_changed(connection, scope.institution_id)


def _end(connection: Connection, person_id: int, now_ms: int) -> None:
    connection.execute(
        update(pin).where(pin.c.person_id == person_id, pin.c.ended_ms.is_(None)).values(ended_ms=now_ms)
    )


def of_person(connection: Connection, scope: Scope, person_id: int, now_ms: int) -> Pin | None:
    """How somebody's PIN stands; None: they have none. Raises NotFound(`resident`)."""
    residence_reach.need_own_or(connection, scope, person_id, "residence.read", now_ms=now_ms)
    row = connection.execute(
        select(pin).where(pin.c.person_id == person_id, pin.c.ended_ms.is_(None)).order_by(pin.c.id.desc())
    ).first()
    return None if row is None else Pin(set_ms=row.set_ms, tries=row.tries, locked_ms=row.locked_ms)


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The wrong PIN by which one was locked over several kiosks, so that none of them tells of it."""

    record_id: int
    reader_id: int
    at_ms: int


def count(connection: Connection, institution_id: int, person_id: int, now_ms: int) -> Lock | None:
    """Count the wrong PINs in a row that every kiosk told of, since it was set. Returns what locked it where that is
    known by this count alone: a kiosk that locks one tells of it itself."""
    mine = and_(pin.c.person_id == person_id, pin.c.ended_ms.is_(None))
    row = connection.execute(select(pin).where(mine).order_by(pin.c.id)).first()
    if row is None:
        return None
    right = (
        select(func.max(check_in_reading.c.at_ms))
        .join(check_in, check_in.c.id == check_in_reading.c.check_in_id)
        .where(
            check_in_reading.c.person_id == person_id,
            check_in.c.method == "pin",
            # Whoever has a stolen kiosk says that a PIN was right, and could go on trying elsewhere.
            check_in_reading.c.why != REVOKED,
        )
    )
    since_ms = max(row.set_ms, connection.execute(right).scalar() or 0)
    at_ms = func.coalesce(kiosk_event.c.at_ms, kiosk_event.c.received_ms)
    told = (
        select(
            kiosk_event.c.id,
            kiosk_event.c.reader_id,
            kiosk_event.c.event,
            at_ms.label("when"),
            withheld.event_is_believed().label("believed"),
        )
        .where(kiosk_event.c.person_id == person_id, kiosk_event.c.event.in_((REFUSED, LOCKED)), at_ms >= row.set_ms)
        .order_by(at_ms, kiosk_event.c.id)
    )
    every = connection.execute(told).all()
    events = [one for one in every if one.believed]
    # A PIN that a kiosk has locked stays so, whatever was right elsewhere.
    locked = any(one.event == LOCKED for one in events)
    wrong = [one for one in events if one.event == REFUSED and one.when > since_ms]
    tries = len(wrong)
    stays = row.locked_ms is not None
    if len(events) < len(every) and sum(one.event == REFUSED for one in events) < TRIES:
        # It was locked by the word of a kiosk that turned out to be stolen, and by nothing else.
        stays = False
    is_locked = locked or tries >= TRIES or stays
    if (tries, is_locked) != (row.tries, row.locked_ms is not None):
        locked_ms = (row.locked_ms or now_ms) if is_locked else None
        connection.execute(update(pin).where(mine).values(tries=tries, locked_ms=locked_ms))
        if is_locked != (row.locked_ms is not None):
            institutions.campus_changed(connection, institution_id)
    if locked or tries < TRIES:
        return None
    last = wrong[TRIES - 1]
    return Lock(record_id=last.id, reader_id=last.reader_id, at_ms=last.when)
