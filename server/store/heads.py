"""Hellos and heads: what readers said of themselves; and what follows: how far a door is known, when it was alive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select, update

from server.policy import two_boards
from server.store import journals, upsert
from server.store.prepared import Prepared
from server.store.schema import head, hello, reader_state
from server.store.schema_trust import reader_revocation


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
    select(
        *(head.c[name] for name in ("id", "reader_id", "journals", "wall_ms", "uncertainty_ms", "clock", "received_ms"))
    ).where(head.c.reader_id.in_(bindparam("ids", expanding=True)), head.c.held_ms.is_(None))
)
_COVERED = Prepared(
    update(head).where(head.c.id.in_(bindparam("ids", expanding=True))).values(held_ms=bindparam("now_ms"))
)


def settle(
    connection: Connection, reader_ids: Iterable[int], held: Mapping[tuple[int, str], journals.Journal], now_ms: int
) -> set[tuple[int, str]]:
    """Look which heads of these readers are covered now, and move `known_until_ms` of their doors.

    A door is known up to T when the store holds everything up to a head stated at or after T: everything that any head
    named before then, also of journals that the reader does not name any more, as its storage was destroyed. No head
    tells of a time after its own arrival. Only the journals that an open head names are looked at: a reader has had one
    for each time it was started. held: (reader id, journal) -> journals of which it is known already; while a backlog
    drains they tell that most heads are not covered yet.

    A journal that a head does not name is held as far as anything said: a hello, a head, or the journal after it. Of a
    restored store, whose readers have made room for what it lost, this is all that keeps a door unknown.

    Returns (reader id, journal) where a reader does not name a journal any more of which it once stated what is missing
    here.
    """
    wanted = sorted(set(reader_ids))
    if not wanted:
        return set()
    behind = {(one.reader_id, one.journal): one.up_to for one in held.values()}
    rows = _OPEN.all(connection, {"ids": wanted})
    waiting = [row for row in rows if not _is_refuted(row, behind)]
    if not waiting:
        return set()
    named = {part.partition(":")[0] for row in waiting for part in filter(None, row.journals.split(","))}
    up_to = journals.held_of(connection, {row.reader_id for row in waiting}, named)
    whole = [row for row in waiting if is_covered(row.journals, up_to.get(row.reader_id, {}))]
    done = {row.id for row in whole}
    waits, later, gone = _lacking(connection, whole)
    ids = sorted(done - later)
    for start in range(0, len(ids), 500):
        _COVERED.run(connection, {"ids": ids[start : start + 500], "now_ms": now_ms})
    missing: dict[int, list[Any]] = {}
    for row in rows:
        if row.id not in done and _is_timed(row):
            missing.setdefault(row.reader_id, []).append(row)
    first = {one: min(_sure(row) for row in mine) for one, mine in missing.items()}
    known: dict[int, int] = {}
    for row in whole:
        if not _is_timed(row):
            continue
        sure_ms = min(_sure(row), row.received_ms)
        if first.get(row.reader_id, sure_ms + 1) <= sure_ms:
            before = [one for one in missing[row.reader_id] if _sure(one) <= sure_ms]
            gone |= {(row.reader_id, name) for one in before for name in _named(one) - _named(row)}
        elif row.id not in waits:
            known[row.reader_id] = max(sure_ms, known.get(row.reader_id, sure_ms))
    if known:
        # What was known stays known: a look at all of a reader's heads would be one at a year of them.
        moved = [{"one": one, "until": until_ms, "now_ms": now_ms} for one, until_ms in sorted(known.items())]
        _KNOWN.each(connection, moved)
    return {key for key in gone if is_behind(connection, *key)} if gone else set()


_KNOWN = Prepared(
    update(reader_state)
    .where(
        reader_state.c.reader_id == bindparam("one"),
        # What is believed no more says nothing of its door either: nobody may be absent by its word.
        reader_state.c.reader_id.not_in(select(reader_revocation.c.reader_id)),
        or_(
            reader_state.c.known_until_ms.is_(None),
            reader_state.c.known_until_ms < bindparam("until"),
            # The store's own clock was ahead when that was noted.
            reader_state.c.known_until_ms > bindparam("now_ms"),
        ),
    )
    .values(known_until_ms=bindparam("until"))
)


def _lacking(connection: Connection, whole: list[Any]) -> tuple[set[int], set[int], set[tuple[int, str]]]:
    """Of heads whose journals are held: the ids of those of whose readers something else is missing; of these, the last
    one of each reader, which is looked at again when that has come; and (reader id, journal) that a reader does not name
    any more, though it was there already."""
    missing: dict[int, list[Any]] = {}
    for one in journals.behind(connection, {row.reader_id for row in whole}):
        missing.setdefault(one.reader_id, []).append(one)
    waits: set[int] = set()
    last: dict[int, Any] = {}
    gone: set[tuple[int, str]] = set()
    for row in whole if missing else ():
        named = _named(row)
        # What it does name is held as far as it went then.
        unnamed = [one for one in missing.get(row.reader_id, ()) if one.journal not in named]
        if not unnamed or not _is_timed(row):
            continue
        waits.add(row.id)
        gone |= {(row.reader_id, one.journal) for one in unnamed if one.opened_ms <= _sure(row)}
        if row.reader_id not in last or _sure(last[row.reader_id]) < _sure(row):
            last[row.reader_id] = row
    return waits, {row.id for row in last.values()}, gone


def is_behind(connection: Connection, reader_id: int, name: str) -> bool:
    """Whether some of what was stated of a journal is missing here."""
    one = journals.known(connection, reader_id, name)
    return one is not None and one.head > one.up_to


def _is_timed(row: Any) -> bool:
    return row.clock != "none" and row.wall_ms is not None


def _sure(row: Any) -> int:
    """The earliest time at which it may have been stated."""
    return row.wall_ms - (row.uncertainty_ms or 0)


def _named(row: Any) -> set[str]:
    return {part.partition(":")[0] for part in filter(None, row.journals.split(","))}


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


#: a head that says what keeps its reader from taking swipes makes the time since the head before it an outage. They come
#: each minute: what ended longer than this before it is not looked at again
REACH_MS = 24 * 3_600_000
#: the last moment that a column of either database holds: a clock may state it, and what is near it lies beyond
LAST_MS = (1 << 63) - 1


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What a head says about its reader's life: at wall_ms it had been up for boot_ms, and whether it took swipes."""

    wall_ms: int
    boot_ms: int
    able: str
    #: how wrong wall_ms may be, either way
    unsure_ms: int = 0
    #: every journal and its head, `id:head` joined by commas
    journals: str = ""


def near(connection: Connection, reader_id: int, from_ms: int, to_ms: int) -> list[two_boards.Said]:
    """When the reader's timed heads in [from, to] were stated, and how long after its start."""
    values = {"reader": reader_id, "from_ms": min(from_ms, LAST_MS), "to_ms": min(to_ms, LAST_MS), "by_ms": LAST_MS}
    return [
        two_boards.Said(wall_ms=row.wall_ms, boot_ms=row.boot_ms, unsure_ms=row.unsure_ms)
        for row in _STATED[1].all(connection, values)
    ]


_UNSURE = func.coalesce(head.c.uncertainty_ms, 0)
_TIMED = select(head.c.wall_ms, head.c.boot_ms, head.c.able, _UNSURE.label("unsure_ms"), head.c.journals).where(
    head.c.reader_id == bindparam("reader"),
    head.c.wall_ms.is_not(None),
    head.c.clock != "none",
    head.c.received_ms < bindparam("by_ms"),
)
_FROM, _TO = bindparam("from_ms"), bindparam("to_ms")
_STATED = (
    Prepared(_TIMED.where(head.c.wall_ms < _FROM).order_by(head.c.wall_ms.desc()).limit(1)),
    Prepared(_TIMED.where(head.c.wall_ms >= _FROM, head.c.wall_ms <= _TO)),
    Prepared(_TIMED.where(head.c.wall_ms > _TO).order_by(head.c.wall_ms).limit(1)),
    # The first after it may have been stated before its end.
    Prepared(_TIMED.where(head.c.wall_ms > _TO, head.c.wall_ms - _UNSURE >= _TO).order_by(head.c.wall_ms).limit(1)),
)


def stated(connection: Connection, reader_id: int, from_ms: int, to_ms: int, *, by_ms: int = LAST_MS) -> list[Stated]:
    """The reader's timed heads that say something about [from, to]: those inside, the last before, the first after.
    by_ms: of those that had come here before this."""
    values = {"reader": reader_id, "from_ms": from_ms, "to_ms": to_ms, "by_ms": by_ms}
    rows = {tuple(row): row for query in _STATED for row in query.all(connection, values)}.values()
    return [
        Stated(
            wall_ms=row.wall_ms,
            boot_ms=row.boot_ms,
            able=row.able,
            unsure_ms=row.unsure_ms,
            journals=row.journals,
        )
        for row in sorted(rows, key=lambda row: (row.wall_ms, row.boot_ms))
    ]
