"""Journals and their records: what is held, up to where without a hole, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, select, tuple_, update

from server.store import upsert
from server.store.prepared import Prepared
from server.store.schema import clock_pair, journal, lost_range, record

#: records looked at in one step when a hole has closed
STEP = 1000
#: identities in one statement
CHUNK = 400
#: columns of a journal that its transaction may change
CHANGED = ("before_journal", "before_seq", "up_to", "highest", "head", "offers", "offered_ms")


@dataclass(kw_only=True)
class Journal:
    """One journal as its transaction works on it; `save` writes it back."""

    id: int
    reader_id: int
    #: 16 hex digits
    journal: str
    before_journal: str | None
    before_seq: int | None
    #: every record from 0 to here is held; -1: not even the first
    up_to: int
    highest: int
    head: int
    offers: int
    offered_ms: int | None

    def moved(self) -> None:
        """What was missing came, or was declared lost: the next hole is offered as often as any."""
        self.offers, self.offered_ms = 0, None


def ensure(
    connection: Connection, institution_ids: dict[int, int], wanted: Iterable[tuple[int, str]], now_ms: int
) -> dict[tuple[int, str], Journal]:
    """The journals (reader id, journal); made where there is none, and locked until the transaction ends."""
    pairs = sorted(set(wanted))
    if not pairs:
        return {}
    found = _lock(connection, pairs)
    missing = [pair for pair in pairs if pair not in found]
    if missing:
        _ENSURE.each(
            connection,
            [
                {
                    "institution_id": institution_ids[reader_id],
                    "reader_id": reader_id,
                    "journal": name,
                    "opened_ms": now_ms,
                }
                for reader_id, name in missing
            ],
        )
        found |= _lock(connection, missing)
    return found


def known(connection: Connection, reader_id: int, name: str) -> Journal | None:
    """A journal that a reader has told of, locked until the transaction ends; None if it never did."""
    return _lock(connection, [(reader_id, name)]).get((reader_id, name))


_ENSURE = Prepared(
    lambda dialect: upsert.unless_there_of(dialect, journal), ("institution_id", "reader_id", "journal", "opened_ms")
)
_LOCK = Prepared(
    select(journal)
    .where(tuple_(journal.c.reader_id, journal.c.journal).in_(bindparam("pairs", expanding=True)))
    .order_by(journal.c.reader_id, journal.c.journal)
    .with_for_update()
)
_FIELDS = tuple(Journal.__dataclass_fields__)


def _lock(connection: Connection, pairs: list[tuple[int, str]]) -> dict[tuple[int, str], Journal]:
    found = {}
    for start in range(0, len(pairs), CHUNK):
        for row in _LOCK.all(connection, {"pairs": pairs[start : start + CHUNK]}):
            found[row.reader_id, row.journal] = Journal(**{name: getattr(row, name) for name in _FIELDS})
    return found


_HELD_OF = Prepared(
    select(journal.c.reader_id, journal.c.journal, journal.c.up_to).where(
        journal.c.reader_id.in_(bindparam("readers", expanding=True)),
        journal.c.journal.in_(bindparam("names", expanding=True)),
    )
)


def held_of(connection: Connection, reader_ids: Iterable[int], names: Iterable[str]) -> dict[int, dict[str, int]]:
    """reader id -> journal -> up to where it is held, of the journals with these names."""
    wanted, named = sorted(set(reader_ids)), sorted(set(names))
    found: dict[int, dict[str, int]] = {}
    for start in range(0, len(named), CHUNK):
        for row in _HELD_OF.all(connection, {"readers": wanted, "names": named[start : start + CHUNK]}):
            found.setdefault(row.reader_id, {})[row.journal] = row.up_to
    return found


_BEHIND = Prepared(
    select(journal.c.reader_id, journal.c.journal, journal.c.opened_ms).where(
        journal.c.reader_id.in_(bindparam("ids", expanding=True)), journal.c.head > journal.c.up_to
    )
)


def behind(connection: Connection, reader_ids: Iterable[int]) -> list[Any]:
    """Rows (reader_id, journal, opened_ms) of these readers' journals of which records are said to exist that are not
    held."""
    wanted = sorted(set(reader_ids))
    return _BEHIND.all(connection, {"ids": wanted}) if wanted else []


def add(connection: Connection, rows: list[dict[str, Any]]) -> dict[tuple[int, int], int]:
    """Insert records whose (journal, seq) is not taken; the ids of those inserted, by (journal id, seq).

    The unique key decides, also between two gateways that deliver the same at once.
    """
    return {(row.journal_id, row.seq): row.id for row in _ADD.added(connection, rows)}


_ADD = Prepared(
    lambda dialect: upsert.unless_there_of(dialect, record, ("journal_id", "seq"), ("id", "journal_id", "seq")),
    ("institution_id", "journal_id", "seq", "kind", "text", "mac", "received_ms", "gateway_id"),
)

_TEXTS = Prepared(
    select(record.c.journal_id, record.c.seq, record.c.text).where(
        tuple_(record.c.journal_id, record.c.seq).in_(bindparam("identities", expanding=True))
    )
)


def texts(connection: Connection, identities: Iterable[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """(journal id, seq) -> the text held."""
    wanted = sorted(set(identities))
    found = {}
    for start in range(0, len(wanted), CHUNK):
        rows = _TEXTS.all(connection, {"identities": wanted[start : start + CHUNK]})
        found.update({(row.journal_id, row.seq): row.text for row in rows})
    return found


def mac_of(connection: Connection, identity: tuple[int, int]) -> bytes:
    """The MAC of the record that is held under this (journal id, seq); empty where none is."""
    query = select(record.c.mac).where(record.c.journal_id == identity[0], record.c.seq == identity[1])
    return bytes(connection.execute(query).scalar() or b"")


def add_clock_pairs(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Insert what clock records say."""
    _ADD_PAIRS.each(connection, rows)


_ADD_PAIRS = Prepared(
    clock_pair.insert(), ("record_id", "institution_id", "journal_id", "boot_ms", "wall_ms", "uncertainty_ms")
)


def advance(connection: Connection, fresh: Iterable[tuple[Journal, Iterable[int]]]) -> list[Journal]:
    """Move each journal's `up_to` over the seqs that were just inserted, and over what already lay behind the hole
    they close. Returns those that moved.

    Two statements for all of them together: most journals end where their newest record is, and a look for each of a
    delivery's sixty would cost more than everything else in it.
    """
    moved = []
    for held, new in fresh:
        have = set(new)
        if not have:
            continue
        held.highest = max(held.highest, *have)
        held.head = max(held.head, held.highest)
        before = held.up_to
        while held.up_to + 1 in have:
            held.up_to += 1
        if held.up_to != before:
            held.moved()
            moved.append(held)
    behind = {held.id: held for held in moved if held.up_to < held.highest}
    if behind:
        _close(connection, behind)
    return moved


_LOSSY = Prepared(select(lost_range.c.journal_id).where(lost_range.c.journal_id.in_(bindparam("ids", expanding=True))))


def _close(connection: Connection, behind: dict[int, Journal]) -> None:
    """Move `up_to` of these journals, by id, over what was held already: one look for all, a seek for each record that
    it moves over. Live swipes overtake a backlog, so in one there is much that lies behind its holes."""
    for journal_id in sorted(set(_LOSSY.scalars(connection, {"ids": sorted(behind)}))):
        _walk(connection, behind.pop(journal_id))
    while behind:
        save(connection, behind.values())
        reached = {row.id: row.reached for row in _REACHED.all(connection, {"ids": sorted(behind)})}
        behind = {one: held for one, held in behind.items() if reached[one] > held.up_to}
        for one, held in behind.items():
            held.up_to = reached[one]


def _reached() -> Select:
    """journal id -> up to where it is held without a hole, from its row's `up_to` on, at most STEP records further."""
    run = (
        select(journal.c.id, journal.c.up_to, journal.c.up_to.label("seq"))
        .where(journal.c.id.in_(bindparam("ids", expanding=True)))
        .cte("run", recursive=True)
    )
    following = select(record.c.id).where(record.c.journal_id == run.c.id, record.c.seq == run.c.seq + 1)
    run = run.union_all(
        select(run.c.id, run.c.up_to, run.c.seq + 1).where(following.exists(), run.c.seq < run.c.up_to + STEP)
    )
    return select(run.c.id, func.max(run.c.seq).label("reached")).group_by(run.c.id)


_REACHED = Prepared(_reached())


def _walk(connection: Connection, held: Journal) -> None:
    """Move `up_to` over what lies behind it without a hole."""
    while held.up_to < held.highest:
        lost = _lost_from(connection, held)
        if lost is not None:
            held.up_to = lost
            continue
        query = (
            select(record.c.seq)
            .where(record.c.journal_id == held.id, record.c.seq > held.up_to)
            .order_by(record.c.seq)
            .limit(STEP)
        )
        step = connection.execute(query).scalars().all()
        start = held.up_to
        for seq in step:
            if seq != held.up_to + 1:
                break
            held.up_to = seq
        if held.up_to == start:
            return


def _lost_from(connection: Connection, held: Journal) -> int | None:
    return connection.execute(
        select(lost_range.c.last).where(
            lost_range.c.journal_id == held.id,
            lost_range.c.first <= held.up_to + 1,
            lost_range.c.last > held.up_to,
        )
    ).scalar()


def declare_lost(
    connection: Connection, held: Journal, institution_id: int, last: int, why: str, account_id: int | None, now_ms: int
) -> None:
    """A technician says that nobody has the records after `up_to` to `last` any more: receipts go past them."""
    connection.execute(
        lost_range.insert().values(
            institution_id=institution_id,
            journal_id=held.id,
            first=held.up_to + 1,
            last=last,
            why=why,
            by_account_id=account_id,
            created_ms=now_ms,
        )
    )
    held.up_to = last
    held.highest = max(held.highest, last)
    held.moved()
    _walk(connection, held)
    save(connection, [held])


_LOST_OF = Prepared(
    select(lost_range, journal.c.reader_id, journal.c.journal)
    .join(journal, journal.c.id == lost_range.c.journal_id)
    .where(journal.c.reader_id.in_(bindparam("ids", expanding=True)))
    .order_by(lost_range.c.id)
)


def lost_of(connection: Connection, reader_ids: Iterable[int]) -> dict[int, list[Any]]:
    """reader id -> rows of `lost_range`, with the journal's name: what was declared lost of these readers."""
    found: dict[int, list[Any]] = {}
    for row in _LOST_OF.all(connection, {"ids": sorted(set(reader_ids))}):
        found.setdefault(row.reader_id, []).append(row)
    return found


_SAVE = Prepared(
    update(journal).where(journal.c.id == bindparam("one")).values({name: bindparam(f"new_{name}") for name in CHANGED})
)


def save(connection: Connection, held: Iterable[Journal]) -> None:
    """Write journals back, all in one statement."""
    rows = [
        {"one": one.id, **{f"new_{name}": getattr(one, name) for name in CHANGED}}
        for one in sorted(held, key=lambda one: one.id)
    ]
    _SAVE.each(connection, rows)


def siblings(connection: Connection, opened: Journal) -> list[str]:
    """Other journals of the reader that name the same predecessor: a clone, or a restored image."""
    if opened.before_journal is None:
        return []
    values = {"reader": opened.reader_id, "before": opened.before_journal, "but": opened.id}
    return _SIBLINGS.scalars(connection, values)


_SIBLINGS = Prepared(
    select(journal.c.journal).where(
        journal.c.reader_id == bindparam("reader"),
        journal.c.before_journal == bindparam("before"),
        journal.c.id != bindparam("but"),
    )
)


def outgrown(connection: Connection, journal_ids: Iterable[int]) -> list[Any]:
    """Rows (reader_id, journal) of those of these journals that went on after another one of the reader's had followed
    them: a journal is closed before the next one opens, so there are two copies of it."""
    wanted = sorted(journal_ids)
    return _OUTGROWN.all(connection, {"ids": wanted}) if wanted else []


_after = journal.alias("after")
_OUTGROWN = Prepared(
    select(journal.c.reader_id, journal.c.journal)
    .join(
        _after,
        and_(
            _after.c.reader_id == journal.c.reader_id,
            _after.c.before_journal == journal.c.journal,
            _after.c.before_seq < journal.c.head,
        ),
    )
    .where(journal.c.id.in_(bindparam("ids", expanding=True)))
    .distinct()
)


def backlogs(connection: Connection, institution_id: int) -> dict[int, int]:
    """reader id -> how many records are said to exist and are not held without a hole."""
    query = select(journal.c.reader_id, journal.c.head, journal.c.up_to).where(
        journal.c.institution_id == institution_id, journal.c.head > journal.c.up_to
    )
    found: dict[int, int] = {}
    for row in connection.execute(query):
        found[row.reader_id] = found.get(row.reader_id, 0) + row.head - row.up_to
    return found
