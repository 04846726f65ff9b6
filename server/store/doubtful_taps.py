"""Swipes that may have been somebody else's, or at another room, than they are by the point in time at which they were
placed: a card changed hands, or a reader its room, within what their time is unsure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select

from server.store.prepared import Prepared
from server.store.schema import card_assignment, card_token, placement, reading, swipe
from server.store.swipes import UNSURE_MAX_MS


@dataclass(frozen=True, kw_only=True)
class Perhaps:
    """A swipe that may have been this person's."""

    person_id: int
    reader_id: int
    #: the room by its point in time; None: none
    room_id: int | None
    #: when it was: at the earliest, at the latest
    lo_ms: int
    hi_ms: int


_IDS, _FROM, _TO = bindparam("ids", expanding=True), bindparam("from_ms"), bindparam("to_ms")
_GIVEN = Prepared(
    select(card_assignment.c.person_id, card_assignment.c.from_ms, card_assignment.c.to_ms, card_token.c.token)
    .join(card_token, card_token.c.card_id == card_assignment.c.card_id)
    .where(
        card_assignment.c.person_id.in_(_IDS),
        or_(card_assignment.c.from_ms.between(_FROM, _TO), card_assignment.c.to_ms.between(_FROM, _TO)),
    )
)
_TOKENS = bindparam("tokens", expanding=True)
_TAPS = Prepared(
    select(
        *(reading.c[name] for name in ("reader_id", "room_id", "person_id", "at_ms", "uncertainty_ms")),
        *(swipe.c.token, swipe.c.token2),
    )
    .join(swipe, swipe.c.id == reading.c.swipe_id)
    .where(
        or_(swipe.c.token.in_(_TOKENS), swipe.c.token2.in_(_TOKENS)),
        reading.c.uncertainty_ms > 0,
        reading.c.at_ms.between(_FROM, _TO),
    )
)


def of_persons(connection: Connection, person_ids: list[int], from_ms: int, to_ms: int) -> list[Perhaps]:
    """Swipes near [from, to] with cards that one of these persons was given, or gave back, within what the swipe's time
    is unsure, and that are not theirs by the point in time at which they were placed."""
    reach = {"from_ms": from_ms - UNSURE_MAX_MS, "to_ms": to_ms + UNSURE_MAX_MS}
    given: dict[bytes, list[Any]] = {}
    for row in _GIVEN.all(connection, {"ids": person_ids, **reach}):
        given.setdefault(bytes(row.token), []).append(row)
    if not given:
        return []
    found: set[tuple[int, int, int | None, int, int]] = set()
    for row in _TAPS.all(connection, {"tokens": sorted(given), **reach}):
        lo_ms, hi_ms = row.at_ms - row.uncertainty_ms, row.at_ms + row.uncertainty_ms
        for one in (one for token in (row.token, row.token2) if token for one in given.get(bytes(token), ())):
            if (
                one.person_id != row.person_id
                and one.from_ms <= hi_ms
                and (one.to_ms is None or (one.to_ms > lo_ms and one.to_ms > one.from_ms))
            ):
                found.add((one.person_id, row.reader_id, row.room_id, lo_ms, hi_ms))
    return [
        Perhaps(person_id=person_id, reader_id=reader_id, room_id=room_id, lo_ms=lo_ms, hi_ms=hi_ms)
        for person_id, reader_id, room_id, lo_ms, hi_ms in found
    ]


_MOVED = Prepared(
    select(placement.c.reader_id, placement.c.room_id, placement.c.from_ms, placement.c.to_ms).where(
        placement.c.reader_id.in_(_IDS),
        or_(placement.c.from_ms.between(_FROM, _TO), placement.c.to_ms.between(_FROM, _TO)),
        or_(placement.c.to_ms.is_(None), placement.c.to_ms > placement.c.from_ms),
    )
)


class Rooms:
    """At which rooms readers may have been."""

    def __init__(self, connection: Connection, reader_ids: Iterable[int], from_ms: int, to_ms: int) -> None:
        """Read what was moved near [from, to] of these readers."""
        self._moved: dict[int, list[tuple[int, int | None, int]]] = {}
        wanted = sorted(set(reader_ids))
        reach = {"from_ms": from_ms - UNSURE_MAX_MS, "to_ms": to_ms + UNSURE_MAX_MS}
        for row in _MOVED.all(connection, {"ids": wanted, **reach}) if wanted else ():
            self._moved.setdefault(row.reader_id, []).append((row.from_ms, row.to_ms, row.room_id))

    def between(self, reader_id: int, lo_ms: int, hi_ms: int) -> set[int]:
        """The rooms between which a reader was moved from lo to hi; none where it stayed where it was."""
        mine = self._moved.get(reader_id, ())
        return {room for begins, ends, room in mine if begins <= hi_ms and (ends is None or ends > lo_ms)}
