"""Hellos and heads: what readers said of themselves; and what follows: how far a door is known, when it was alive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update

from server.store import journals, upsert
from server.store.prepared import Prepared
from server.store.schema import head, hello, reader_state


def add_hello(connection: Connection, institution_id: int, reader_id: int, nonce: str, text: str, now_ms: int) -> bool:
    """Keep a hello. False: its nonce was said before, so it does not become the reader's last again."""
    said = {
        "institution_id": institution_id,
        "reader_id": reader_id,
        "nonce": nonce,
        "text": text,
        "received_ms": now_ms,
    }
    return bool(_ADD_HELLO.added(connection, [said]))


_ADD_HELLO = Prepared(
    lambda dialect: upsert.unless_there_of(dialect, hello, returning=("id",)),
    ("institution_id", "reader_id", "nonce", "text", "received_ms"),
)


def add_head(connection: Connection, institution_id: int, reader_id: int, values: dict[str, Any], now_ms: int) -> bool:
    """Keep a head. values: as `statement.FIELDS["head"]`. False: it is held already."""
    said = {
        "institution_id": institution_id,
        "reader_id": reader_id,
        "received_ms": now_ms,
        "journals": ",".join(f"{h.journal}:{h.head}" for h in values["journals"]),
        **{name: values[name] for name in _STATED_BY},
    }
    return bool(_ADD_HEAD.added(connection, [said]))


_STATED_BY = ("nonce", "boot_ms", "wall_ms", "clock", "uncertainty_ms", "able")
_ADD_HEAD = Prepared(
    lambda dialect: upsert.unless_there_of(dialect, head, returning=("id",)),
    ("institution_id", "reader_id", "received_ms", "journals", *_STATED_BY),
)


_OPEN = Prepared(
    select(*(head.c[name] for name in ("id", "reader_id", "journals", "wall_ms", "uncertainty_ms", "clock"))).where(
        head.c.reader_id.in_(bindparam("ids", expanding=True)), head.c.held_ms.is_(None)
    )
)
_COVERED = Prepared(
    update(head).where(head.c.id.in_(bindparam("ids", expanding=True))).values(held_ms=bindparam("now_ms"))
)


def settle(
    connection: Connection, reader_ids: Iterable[int], held: Mapping[tuple[int, str], journals.Journal], now_ms: int
) -> None:
    """Look which heads of these readers are covered now, and move `known_until_ms` of their doors.

    A door is known up to T when the store holds everything up to a head stated at or after T. Only the journals that
    an open head names are looked at: a reader has had one for each time it was started. held: (reader id, journal) ->
    journals of which it is known already; while a backlog drains they tell that most heads are not covered yet.
    """
    wanted = sorted(set(reader_ids))
    if not wanted:
        return
    behind = {(one.reader_id, one.journal): one.up_to for one in held.values()}
    waiting = [row for row in _OPEN.all(connection, {"ids": wanted}) if not _is_refuted(row, behind)]
    if not waiting:
        return
    named = {part.partition(":")[0] for row in waiting for part in filter(None, row.journals.split(","))}
    up_to = journals.held_of(connection, {row.reader_id for row in waiting}, named)
    covered = [row for row in waiting if is_covered(row.journals, up_to.get(row.reader_id, {}))]
    for start in range(0, len(covered), 500):
        ids = [row.id for row in covered[start : start + 500]]
        _COVERED.run(connection, {"ids": ids, "now_ms": now_ms})
    known: dict[int, int] = {}
    for row in covered:
        if row.clock != "none" and row.wall_ms is not None:
            sure_ms = row.wall_ms - (row.uncertainty_ms or 0)
            known[row.reader_id] = max(sure_ms, known.get(row.reader_id, sure_ms))
    if known:
        # What was known stays known: a look at all of a reader's heads would be one at a year of them.
        rows = [{"one": reader_id, "until": until_ms} for reader_id, until_ms in sorted(known.items())]
        _KNOWN.each(connection, rows)


_KNOWN = Prepared(
    update(reader_state)
    .where(
        reader_state.c.reader_id == bindparam("one"),
        or_(reader_state.c.known_until_ms.is_(None), reader_state.c.known_until_ms < bindparam("until")),
    )
    .values(known_until_ms=bindparam("until"))
)


def _is_refuted(row: Any, up_to: Mapping[tuple[int, str], int]) -> bool:
    """Whether a journal of this head is known not to be held as far as the head says."""
    named = (part.partition(":") for part in filter(None, row.journals.split(",")))
    return any(up_to.get((row.reader_id, name), int(last)) < int(last) for name, _, last in named)


def is_covered(journals: str, up_to: dict[str, int]) -> bool:
    """Whether everything that a head names is held. journals: `id:head` joined by commas."""
    for part in filter(None, journals.split(",")):
        name, _, last = part.partition(":")
        if up_to.get(name, -1) < int(last):
            return False
    return True


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What a head says about its reader's life: at wall_ms it had been up for boot_ms, and whether it took swipes."""

    wall_ms: int
    boot_ms: int
    able: str


_TIMED = select(head.c.wall_ms, head.c.boot_ms, head.c.able).where(
    head.c.reader_id == bindparam("reader"), head.c.wall_ms.is_not(None), head.c.clock != "none"
)
_FROM, _TO = bindparam("from_ms"), bindparam("to_ms")
_STATED = (
    Prepared(_TIMED.where(head.c.wall_ms < _FROM).order_by(head.c.wall_ms.desc()).limit(1)),
    Prepared(_TIMED.where(head.c.wall_ms >= _FROM, head.c.wall_ms <= _TO)),
    Prepared(_TIMED.where(head.c.wall_ms > _TO).order_by(head.c.wall_ms).limit(1)),
)


def stated(connection: Connection, reader_id: int, from_ms: int, to_ms: int) -> list[Stated]:
    """The reader's timed heads that say something about [from, to]: those inside, the last before, the first after."""
    values = {"reader": reader_id, "from_ms": from_ms, "to_ms": to_ms}
    rows = [row for query in _STATED for row in query.all(connection, values)]
    return [
        Stated(wall_ms=row.wall_ms, boot_ms=row.boot_ms, able=row.able)
        for row in sorted(rows, key=lambda row: (row.wall_ms, row.boot_ms))
    ]
