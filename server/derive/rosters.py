"""Builds the rosters: the class lists of each door's coming sessions. A new one only where the content changed."""

from __future__ import annotations

import hashlib
from typing import Any

from firmware.contract import roster as wire
from firmware.contract.decide import Window
from firmware.contract.errors import Misuse
from server.store import alarms, readers, rosters
from server.store.engine import Connection, DBAPIError, savepoint, unwritable

HOUR_MS = 3_600_000
#: how far ahead, and how far at least where the lists are too long
HORIZONS_H = (96, 72, 48, 36, 24)
#: tokens that a reader surely holds
TOKENS_MAX = 4_000
#: a roster is issued again when it is older, or would be valid for less, so that it never grows stale
AGE_MS, LEFT_MS = 12 * HOUR_MS, 72 * HOUR_MS

Listed = tuple[Window, set[bytes]]


def build(
    connection: Connection,
    ring: readers.KeyRing,
    institution_id: int,
    now_ms: int,
    *,
    failed: dict[str, tuple[int, Exception]] | None = None,
) -> int:
    """Issue a roster to each placed reader whose content changed or has become old. Returns how many.

    failed: filled with the readers for which it did not work, name -> (id, error), and the others get theirs; without
    it the first such one raises.
    """
    until_ms = now_ms + HORIZONS_H[0] * HOUR_MS
    placed = rosters.placed(connection, institution_id, now_ms, until_ms)
    coming = rosters.coming(connection, institution_id, now_ms, until_ms)
    tokens = rosters.tokens(connection, institution_id, [row.id for row in coming], now_ms)
    by_room: dict[int, list[Any]] = {}
    for row in coming:
        by_room.setdefault(row.room_id, []).append(row)
    at_door: dict[tuple[int, str], dict[int, Listed]] = {}
    for place in placed:
        here = at_door.setdefault((place.reader_id, place.name), {})
        for row in by_room.get(place.room_id, ()):
            if row.opens_ms < (place.to_ms or until_ms) and row.closes_ms >= place.from_ms:
                window = Window(row.id, row.opens_ms, row.starts_ms, row.ends_ms, row.closes_ms)
                here[row.id] = (window, tokens.get(row.id, set()))
    # Whoever serves no door any more gets a list with nobody on it, once: brokers and gateways keep the last one.
    gone = rosters.left(connection, institution_id, _digest([]), now_ms)
    for row in gone:
        at_door.setdefault((row.reader_id, row.name), {})
    found = readers.by_name(connection, [name for _, name in at_door])
    issued, said = rosters.issued(connection, institution_id), rosters.said(connection, institution_id, now_ms)
    made = 0
    for (reader_id, name), listed in sorted(at_door.items()):
        try:
            hours, sessions = _fitting(list(listed.values()), now_ms)
            digest, old, held_ms = _digest(sessions), issued.get(reader_id), said.get(reader_id, 0)
            holds = _holds(old, digest, hours, held_ms, now_ms)
            if holds and hours == HORIZONS_H[0]:
                continue
            # A savepoint: what fails for one reader, also in the database, is undone for that one alone.
            with savepoint(connection):
                if hours < HORIZONS_H[0]:
                    _say_large(connection, institution_id, (reader_id, name), hours, now_ms)
                if holds:
                    continue
                keys = readers.keys(connection, ring, [found[name]])
                key = max(keys.values(), key=lambda key: key.id)
                version_ms = max(now_ms, (old.version_ms if old else 0) + 1, held_ms + 1)
                # Past at once where there is no door: at a desk a card is taken to be looked at, and not refused in red.
                at_no_door = any(row.reader_id == reader_id for row in gone)
                valid_until_ms = now_ms if at_no_door else now_ms + hours * HOUR_MS
                payload = _encode(name, key, version_ms, now_ms, valid_until_ms, sessions)
                if payload is None:
                    continue
                row = {
                    "reader_id": reader_id,
                    "institution_id": institution_id,
                    "version_ms": version_ms,
                    "valid_until_ms": valid_until_ms,
                    "digest": digest,
                    "payload": payload,
                    "built_ms": now_ms,
                }
                rosters.issue(connection, [row])
                made += 1
        except Exception as error:  # one reader must not keep the others from their class lists
            if failed is None or (isinstance(error, DBAPIError) and unwritable(error) is not None):
                raise
            failed[name] = (reader_id, error)
    return made


def _holds(old: Any, digest: str, hours: int, held_ms: int, now_ms: int) -> bool:
    """Whether the roster that was issued last is still the right one. held_ms: the version that the reader has."""
    return (
        old is not None
        and old.digest == digest
        and now_ms - old.built_ms < AGE_MS
        and old.valid_until_ms - now_ms >= min(LEFT_MS, hours * HOUR_MS // 2)
        and old.version_ms >= held_ms
    )


def _say_large(connection: Connection, institution_id: int, door: tuple[int, str], hours: int, now_ms: int) -> None:
    reader_id, name = door
    alarms.raise_(
        connection,
        institution_id,
        "roster-large",
        name,
        f"{name}: the class lists of {HORIZONS_H[0]} hours are more than a reader holds; it gets {hours} hours",
        now_ms,
        reader_id=reader_id,
    )


def _fitting(sessions: list[Listed], now_ms: int) -> tuple[int, list[Listed]]:
    near: list[Listed] = []
    for hours in HORIZONS_H:
        near = [one for one in sessions if one[0].opens_ms <= now_ms + hours * HOUR_MS]
        if sum(len(tokens) for _, tokens in near) <= TOKENS_MAX:
            return hours, near
    return HORIZONS_H[-1], near


def _digest(sessions: list[Listed]) -> str:
    made = hashlib.sha256()
    for window, tokens in sorted(sessions, key=lambda one: one[0].id):
        made.update(repr(tuple(window)).encode())
        made.update(b"".join(sorted(tokens)))
    return made.hexdigest()


def _encode(name: str, key: Any, version_ms: int, from_ms: int, until_ms: int, sessions: list[Listed]) -> bytes | None:
    nearest = sorted(sessions, key=lambda one: one[0].opens_ms)
    while True:
        try:
            return wire.encode(name, key, version_ms, from_ms, until_ms, nearest)
        except Misuse:
            # Past what any message carries, the farthest sessions stay out until they are nearer.
            if not nearest:
                return None
            nearest.pop()
