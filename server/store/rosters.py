"""Rosters: what a reader must know, gathered; and the issued ones, for gateways to fetch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, or_, select

from server.store import upsert
from server.store.prepared import Prepared
from server.store.schema import (
    card_assignment,
    card_key,
    card_token,
    enrolment,
    placement,
    reader,
    reader_state,
    roster,
    session,
    session_class,
    session_room,
    site,
)
from server.store.schema_residence import kiosk

#: a version is the store's time when it was made, or just above the last: one further ahead was never issued
AHEAD_MS = 24 * 3_600_000


_INSTITUTION = bindparam("institution")
_FROM, _TO = bindparam("from_ms"), bindparam("to_ms")
_AFTER = Prepared(
    select(roster, reader.c.name, site.c.name.label("site"))
    .join(reader, reader.c.id == roster.c.reader_id)
    .join(site, site.c.id == reader.c.site_id)
    .where(roster.c.institution_id == _INSTITUTION, roster.c.change_no > bindparam("after"))
    .order_by(roster.c.change_no)
)


def after(connection: Connection, institution_id: int, change_no: int) -> list[Any]:
    """The rosters that changed after that change, in order of change."""
    return _AFTER.all(connection, {"institution": institution_id, "after": change_no})


_PLACED = Prepared(
    select(placement.c.reader_id, reader.c.name, placement.c.room_id, placement.c.from_ms, placement.c.to_ms)
    .join(reader, reader.c.id == placement.c.reader_id)
    .where(
        placement.c.institution_id == _INSTITUTION,
        reader.c.ended_ms.is_(None),
        # A kiosk of the residence has a list of its own (derive/residents.py).
        placement.c.reader_id.not_in(select(kiosk.c.reader_id)),
        placement.c.from_ms <= _TO,
        or_(placement.c.to_ms.is_(None), placement.c.to_ms > _FROM),
    )
    .order_by(placement.c.reader_id, placement.c.from_ms)
)


def placed(connection: Connection, institution_id: int, from_ms: int, to_ms: int) -> list[Any]:
    """Rows (reader id, name, room, from, to) of every placement that holds at some time in [from, to]."""
    return _PLACED.all(connection, {"institution": institution_id, "from_ms": from_ms, "to_ms": to_ms})


_LEFT = Prepared(
    select(roster.c.reader_id, reader.c.name)
    .join(reader, reader.c.id == roster.c.reader_id)
    .where(
        roster.c.institution_id == _INSTITUTION,
        roster.c.digest != bindparam("empty"),
        or_(
            reader.c.ended_ms.is_not(None),
            # A kiosk's list is emptied where kiosks' are made (derive/residents.py).
            and_(
                roster.c.reader_id.not_in(select(kiosk.c.reader_id)),
                roster.c.reader_id.not_in(
                    select(placement.c.reader_id).where(or_(placement.c.to_ms.is_(None), placement.c.to_ms > _FROM))
                ),
            ),
        ),
    )
    .order_by(roster.c.reader_id)
)


def left(connection: Connection, institution_id: int, empty: str, now_ms: int) -> list[Any]:
    """Rows (reader id, name) of readers that have ended, or serve no door now or later, and whose list still has somebody
    on it. empty: the digest of one that has nobody."""
    return _LEFT.all(connection, {"institution": institution_id, "empty": empty, "from_ms": now_ms})


_COMING = Prepared(
    select(
        session_room.c.room_id,
        session.c.id,
        session.c.opens_ms,
        session.c.starts_ms,
        session.c.ends_ms,
        session.c.closes_ms,
    )
    .join(session_room, session_room.c.session_id == session.c.id)
    .where(
        session.c.institution_id == _INSTITUTION,
        session.c.closes_ms >= _FROM,
        session.c.opens_ms <= _TO,
        session.c.cancelled_ms.is_(None),
        # A room that it had at any time in its window still takes swipes for it.
        or_(session_room.c.to_ms.is_(None), session_room.c.to_ms > session.c.opens_ms),
    )
    .order_by(session.c.starts_ms, session.c.id)
)


def coming(connection: Connection, institution_id: int, from_ms: int, to_ms: int) -> list[Any]:
    """Rows (room, session's window) of the sessions whose window closes after `from` and that open before `to`."""
    return _COMING.all(connection, {"institution": institution_id, "from_ms": from_ms, "to_ms": to_ms})


_OLDEST_KEY = Prepared(
    select(card_key.c.key_id)
    .where(card_key.c.institution_id == _INSTITUTION, card_key.c.from_ms <= bindparam("now_ms"))
    .where(or_(card_key.c.to_ms.is_(None), card_key.c.to_ms > bindparam("now_ms")))
    .order_by(card_key.c.from_ms, card_key.c.key_id)
    .limit(1)
)


def _tokens(dialect: str) -> Select:
    now_ms = bindparam("now_ms", type_=session.c.opens_ms.type)
    return (
        select(session.c.id, card_token.c.token)
        .join(session_class, session_class.c.session_id == session.c.id)
        .join(enrolment, enrolment.c.class_id == session_class.c.class_id)
        .join(card_assignment, card_assignment.c.person_id == enrolment.c.person_id)
        .join(card_token, card_token.c.card_id == card_assignment.c.card_id)
        .where(
            session.c.id.in_(bindparam("ids", expanding=True)),
            enrolment.c.role == "student",
            enrolment.c.from_ms <= session.c.closes_ms,
            or_(
                enrolment.c.to_ms.is_(None),
                enrolment.c.to_ms > upsert.greater(dialect, session.c.opens_ms, now_ms),
            ),
            session_class.c.from_ms <= session.c.closes_ms,
            or_(session_class.c.to_ms.is_(None), session_class.c.to_ms > session.c.opens_ms),
            card_assignment.c.from_ms <= session.c.closes_ms,
            or_(card_assignment.c.to_ms.is_(None), card_assignment.c.to_ms > now_ms),
            card_token.c.key_id == bindparam("key"),
        )
    )


_TOKENS = Prepared(_tokens)


def oldest_card_key(connection: Connection, institution_id: int, now_ms: int) -> int | None:
    """The oldest card key that holds: every reader has it. None: there is none yet."""
    return _OLDEST_KEY.scalar(connection, {"institution": institution_id, "now_ms": now_ms})


def tokens(
    connection: Connection, institution_id: int, session_ids: Iterable[int], now_ms: int
) -> dict[int, set[bytes]]:
    """session id -> the tokens, under the oldest card key that holds, of the cards that work for who is on its list.

    The oldest key: every reader has it; a swipe during a rotation brings both tokens.
    """
    key_id = oldest_card_key(connection, institution_id, now_ms)
    found: dict[int, set[bytes]] = {}
    wanted = sorted(set(session_ids))
    for start in range(0, len(wanted), 500):
        values = {"ids": wanted[start : start + 500], "now_ms": now_ms, "key": key_id}
        for session_id, token in _TOKENS.tuples(connection, values):
            found.setdefault(session_id, set()).add(token)
    return found


_ISSUED = Prepared(
    select(roster.c.reader_id, roster.c.version_ms, roster.c.valid_until_ms, roster.c.digest, roster.c.built_ms).where(
        roster.c.institution_id == _INSTITUTION
    )
)


def issued(connection: Connection, institution_id: int) -> dict[int, Any]:
    """reader id -> row (version_ms, valid_until_ms, digest, built_ms) of its roster, without the payload."""
    return {row.reader_id: row for row in _ISSUED.all(connection, {"institution": institution_id})}


_SAID = Prepared(
    select(reader_state.c.reader_id, reader_state.c.roster_ms).where(
        reader_state.c.institution_id == _INSTITUTION, reader_state.c.roster_ms <= bindparam("latest_ms")
    )
)


def said(connection: Connection, institution_id: int, now_ms: int) -> dict[int, int]:
    """reader id -> the highest roster version that it ever said it holds; impossible ones left out."""
    rows = _SAID.all(connection, {"institution": institution_id, "latest_ms": now_ms + AHEAD_MS})
    return {row.reader_id: row.roster_ms for row in rows}


_BEHIND = Prepared(
    select(roster.c.reader_id)
    .join(reader_state, reader_state.c.reader_id == roster.c.reader_id)
    .where(
        roster.c.institution_id == _INSTITUTION,
        reader_state.c.roster_ms > roster.c.version_ms,
        reader_state.c.roster_ms <= bindparam("latest_ms"),
    )
)


def behind(connection: Connection, institution_id: int, now_ms: int) -> set[int]:
    """The readers that said they hold a newer roster than the one that is issued to them; impossible ones left out."""
    return set(_BEHIND.scalars(connection, {"institution": institution_id, "latest_ms": now_ms + AHEAD_MS}))


_LAST_CHANGE = Prepared(select(func.max(roster.c.change_no)))
_ISSUED_ANEW = ("version_ms", "valid_until_ms", "digest", "payload", "change_no", "built_ms")
_ISSUE = Prepared(
    lambda dialect: upsert.over_of(dialect, roster, ("reader_id",), _ISSUED_ANEW),
    ("reader_id", "institution_id", *_ISSUED_ANEW),
)


def issue(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Issue rosters: rows of `roster` without `change_no`."""
    if not rows:
        return
    # Never below the time: a store restored from a backup must not number again what gateways have passed already.
    newest_ms = max(row["built_ms"] for row in rows)
    last = max(newest_ms, _LAST_CHANGE.scalar(connection) or 0)
    _ISSUE.each(connection, [row | {"change_no": last + place} for place, row in enumerate(rows, start=1)])
