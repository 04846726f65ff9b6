"""Builds the residents lists: what each kiosk of the residence must know (DDU-12). Issued as class lists are.

The list is a desired state: what of a sensor it does not name is to go, and the kiosk erases it. So a withdrawal, a lost
card or somebody who has moved out reaches the sensor with the next list, at once where the line stands.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from firmware.contract import residents as wire
from server.derive.check_ins import DUTY_AHEAD_MS
from server.derive.rosters import AGE_MS, HORIZONS_H, HOUR_MS, LEFT_MS
from server.policy import evenings, moments
from server.policy.profile import Profiles
from server.store import readers, residence_templates, residents, rosters
from server.store.engine import Connection, DBAPIError, savepoint, unwritable
from server.store.residence_rules import Calendar

#: a list says what holds for so long, if nothing newer comes
HORIZON_MS = HORIZONS_H[0] * HOUR_MS


def build(
    connection: Connection,
    ring: readers.KeyRing,
    institution_id: int,
    profiles: Profiles,
    now_ms: int,
    *,
    failed: dict[str, tuple[int, Exception]] | None = None,
) -> int:
    """Issue a residents list to each kiosk whose content changed or has become old. Returns how many.

    failed: as in rosters.build.
    """
    placed = residents.kiosks(connection, institution_id, now_ms)
    if not placed:
        return 0
    residence_templates.sweep(connection, institution_id, now_ms)
    calendar = Calendar(connection, institution_id, profiles)
    opened = coming(calendar, now_ms)
    found = readers.by_name(connection, [row.name for row in placed])
    issued, said = rosters.issued(connection, institution_id), rosters.said(connection, institution_id, now_ms)
    made = 0
    for place in placed:
        try:
            with savepoint(connection):
                listed = entries(connection, institution_id, calendar, place, now_ms)
                keys = readers.keys(connection, ring, [found[place.name]])
                row = _row(place, now_ms, opened, listed, keys, issued.get(place.reader_id), said)
                rosters.issue(connection, [] if row is None else [row | {"institution_id": institution_id}])
                made += row is not None
        except Exception as error:  # one kiosk must not keep the others from their lists
            if failed is None or (isinstance(error, DBAPIError) and unwritable(error) is not None):
                raise
            failed[place.name] = (place.reader_id, error)
    return made


def coming(calendar: Calendar, now_ms: int) -> list[wire.Evening]:
    """The evenings that are open or open within the horizon: of 72 h and more."""
    today = moments.day_of(now_ms, calendar.zone)
    found = []
    for n in range(-1, HORIZON_MS // (24 * HOUR_MS) + 2):
        day = today + timedelta(days=n)
        found += evenings.evenings(calendar.of_day(day).rule, day, day, calendar.zone)
    return [
        wire.Evening(one.opens_ms, one.closes_ms)
        for one in found
        if one.closes_ms > now_ms and one.opens_ms <= now_ms + HORIZON_MS
    ]


def entries(
    connection: Connection, institution_id: int, calendar: Calendar, place: Any, now_ms: int
) -> list[wire.Entry]:
    """Everybody whom this kiosk is to know, a card each; none where it serves no house."""
    if place.house_id is None:
        return []
    living = residents.of_house(connection, place.house_id, now_ms, now_ms + HORIZON_MS)
    staff = residents.on_duty(connection, place.house_id, now_ms, now_ms + DUTY_AHEAD_MS)
    held = residents.slots(connection, place.reader_id)
    pins = residents.pins(connection, institution_id)
    away = residents.away(connection, institution_id, calendar.at(now_ms).tonight(now_ms).isoformat())
    made: dict[bytes, wire.Entry] = {}
    for row in residents.tokens(connection, institution_id, living | staff, now_ms):
        who = row.person_id
        flags = (wire.RESIDENT if who in living else 0) | (wire.STAFF if who in staff else 0)
        slot, generation = wire.NO_SLOT, 0
        mine = held.get(who) if who in living else None
        if mine is not None and mine.slot < place.capacity:
            slot, generation = mine.slot, mine.generation
            flags |= wire.ENROL if mine.state == residence_templates.WANTED else 0
        pin, locked = (
            pins.get((row.card_id, row.key_id), (wire.NO_PIN, False)) if who in living else (wire.NO_PIN, False)
        )
        flags |= (wire.LOCKED if locked else 0) | (wire.AWAY if who in away and who in living else 0)
        token = bytes(row.token)
        made[token] = wire.Entry(token, slot, generation, flags, pin)
    return sorted(made.values())


def _row(
    place: Any,
    now_ms: int,
    opened: list[wire.Evening],
    listed: list[wire.Entry],
    keys: dict[tuple[int, int], Any],
    old: Any,
    said: dict[int, int],
) -> dict[str, Any] | None:
    held_ms = said.get(place.reader_id, 0)
    registered = _registered(place)
    digest = hashlib.sha256(repr((place.house_id, opened, listed, registered)).encode()).hexdigest()
    if (
        old is not None
        and old.digest == digest
        and now_ms - old.built_ms < AGE_MS
        and old.valid_until_ms - now_ms >= LEFT_MS
        and old.version_ms >= held_ms
    ):
        return None
    version_ms = max(now_ms, (old.version_ms if old else 0) + 1, held_ms + 1)
    key = max(keys.values(), key=lambda key: key.id)
    until_ms = now_ms + HORIZON_MS
    return {
        "reader_id": place.reader_id,
        "version_ms": version_ms,
        "valid_until_ms": until_ms,
        "digest": digest,
        "payload": wire.encode(place.name, key, version_ms, now_ms, until_ms, opened, listed, registered),
        "built_ms": now_ms,
    }


def _registered(place: Any) -> wire.Place:
    """Where the page says that it stands: what its settings file says holds no longer, as it may be of another house."""
    if place.radius_m is None:
        return wire.NOWHERE
    return wire.Place(place.latitude, place.longitude, place.radius_m)
