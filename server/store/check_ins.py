"""Check-ins and kiosk events (facts), and what the store makes of each check-in: when, who, which evening, what worth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, func, or_, select, union_all, update

from server.store.prepared import Prepared
from server.store.schema_residence import check_in, check_in_reading, duty, kiosk, kiosk_event, residency
from server.store.swipes import DOUBT_MS, Pair

Placed = tuple[int | None, int, str]
Spans = list[tuple[int, int | None, int]]  #: (from, to, id)

_ANY_OF = Prepared(
    select(check_in.c.id)
    .where(check_in.c.journal_id.in_(bindparam("ids", expanding=True)))
    .union_all(select(kiosk_event.c.id).where(kiosk_event.c.journal_id.in_(bindparam("ids", expanding=True))))
    .limit(1)
)


def any_of(connection: Connection, journal_ids: Iterable[int]) -> bool:
    """Whether a kiosk has said anything in one of these journals."""
    wanted = sorted(set(journal_ids))
    return bool(wanted) and _ANY_OF.first(connection, {"ids": wanted}) is not None


def add(
    connection: Connection, facts: list[dict[str, Any]], readings: list[dict[str, Any]], events: list[dict[str, Any]]
) -> None:
    """Insert check-ins with their first readings, and events. All are due."""
    for table, rows in ((check_in, facts), (check_in_reading, readings), (kiosk_event, events)):
        if rows:
            connection.execute(table.insert(), rows)


def place_again(
    connection: Connection, new: Mapping[int, list[Pair]], place: Callable[[Mapping[Any, Any]], Placed]
) -> None:
    """Place what new clock records (journal id -> pairs) may place otherwise; what moves is due."""
    for journal_id, told in sorted(new.items()):

        def among(table: Any, journal_id: int = journal_id, told: list[Pair] = told) -> Any:
            doubted = (table.c.boot_ms.between(boot_ms - DOUBT_MS, boot_ms) for boot_ms, _, _ in told)
            return and_(table.c.journal_id == journal_id, or_(table.c.clock != "sync", *doubted))

        query = select(check_in, check_in_reading.c.at_ms, check_in_reading.c.uncertainty_ms.label("unsure")).join(
            check_in_reading, check_in_reading.c.check_in_id == check_in.c.id
        )
        for row in connection.execute(query.where(among(check_in))).all():
            at_ms, unsure, how = place(row._mapping)
            if (at_ms, unsure) != (row.at_ms, row.unsure):
                connection.execute(
                    update(check_in_reading)
                    .where(check_in_reading.c.check_in_id == row.id)
                    .values(at_ms=at_ms, uncertainty_ms=unsure, placed_by=how, due=True)
                )
        for row in connection.execute(select(kiosk_event).where(among(kiosk_event))).all():
            at_ms, unsure, _ = place(row._mapping)
            if (at_ms, unsure) != (row.at_ms, row.unsure_ms):
                mine = update(kiosk_event).where(kiosk_event.c.id == row.id)
                connection.execute(mine.values(at_ms=at_ms, unsure_ms=unsure, due=True))


def around(connection: Connection, journal_id: int, first: int, last: int) -> tuple[int | None, int | None]:
    """Between which times records of a journal from first to last were made, by the check-ins before and after them."""
    at_ms, unsure = check_in_reading.c.at_ms, check_in_reading.c.uncertainty_ms
    joined = select(at_ms).join(check_in, check_in.c.id == check_in_reading.c.check_in_id)
    mine = joined.where(check_in.c.journal_id == journal_id, at_ms.is_not(None))
    before = mine.with_only_columns(func.max(at_ms - unsure)).where(check_in.c.seq < first)
    after = mine.with_only_columns(func.min(at_ms + unsure)).where(check_in.c.seq > last)
    return connection.execute(before).scalar(), connection.execute(after).scalar()


# --- what changes makes it due again ---------------------------------------------------------------------------------


def due_by_cards(connection: Connection, institution_id: int, tokens: Iterable[bytes]) -> None:
    """A card with one of these tokens has, or had, another owner than was thought."""
    wanted = sorted(set(tokens))
    if not wanted:
        return
    # By the tokens' indexes: an import of cards asks this for each of them.
    told = union_all(
        *(
            select(check_in.c.id).where(check_in.c.institution_id == institution_id, column.in_(wanted))
            for column in (check_in.c.token, check_in.c.token2, check_in.c.witness_token)
        )
    )
    connection.execute(update(check_in_reading).where(check_in_reading.c.check_in_id.in_(told)).values(due=True))
    connection.execute(
        update(kiosk_event)
        .where(
            kiosk_event.c.institution_id == institution_id,
            or_(kiosk_event.c.token.in_(wanted), kiosk_event.c.by_token.in_(wanted)),
        )
        .values(due=True)
    )


def due_by_person(connection: Connection, person_id: int) -> None:
    """Where somebody lives, or when, changed."""
    connection.execute(update(check_in_reading).where(check_in_reading.c.person_id == person_id).values(due=True))


def due_by_witness(connection: Connection, house_id: int, from_ms: int) -> None:
    """Who is on duty in a house changed from then on."""
    connection.execute(
        update(check_in_reading)
        .where(
            # Within the doubt of its time the kiosk may have stood there.
            check_in_reading.c.reader_id.in_(select(kiosk.c.reader_id).where(kiosk.c.house_id == house_id)),
            or_(
                check_in_reading.c.at_ms.is_(None),
                check_in_reading.c.at_ms + check_in_reading.c.uncertainty_ms >= from_ms,
            ),
            exists().where(check_in.c.id == check_in_reading.c.check_in_id, check_in.c.witness_token.is_not(None)),
        )
        .values(due=True)
    )


def due_by_reader(connection: Connection, reader_id: int) -> None:
    """The house that a kiosk serves changed."""
    connection.execute(update(check_in_reading).where(check_in_reading.c.reader_id == reader_id).values(due=True))
    connection.execute(update(kiosk_event).where(kiosk_event.c.reader_id == reader_id).values(due=True))


def due_by_rules(connection: Connection, institution_id: int, from_ms: int) -> None:
    """The rules of the residence changed from then on."""
    for table, at_ms in ((check_in_reading, check_in_reading.c.at_ms), (kiosk_event, kiosk_event.c.at_ms)):
        since = table.c.institution_id == institution_id, at_ms >= from_ms
        connection.execute(update(table).where(*since).values(due=True))


# --- for the jobs ----------------------------------------------------------------------------------------------------

_DUE = Prepared(
    select(check_in_reading.c.check_in_id)
    .where(check_in_reading.c.due)
    .union_all(select(kiosk_event.c.id).where(kiosk_event.c.due))
    .limit(1)
)


_SINCE = Prepared(
    select(check_in_reading.c.check_in_id)
    .where(
        check_in_reading.c.institution_id == bindparam("institution"), check_in_reading.c.at_ms >= bindparam("since_ms")
    )
    .limit(1)
)


def any_since(connection: Connection, institution_id: int, since_ms: int) -> bool:
    """Whether anybody checked in since then: where there is no residence nobody did."""
    return _SINCE.first(connection, {"institution": institution_id, "since_ms": since_ms}) is not None


def anything_due(connection: Connection) -> bool:
    """Whether there is anything to be judged."""
    return _DUE.first(connection) is not None


def due(connection: Connection, institution_id: int, limit: int) -> list[Any]:
    """Rows of check-ins that are due, with `at`, `unsure`, `whose` and `day` as they were read last; locked."""
    return list(
        connection.execute(
            _read()
            .where(check_in_reading.c.institution_id == institution_id, check_in_reading.c.due)
            .order_by(check_in_reading.c.check_in_id)
            .limit(limit)
            .with_for_update(of=check_in_reading)
        )
    )


def of_person(connection: Connection, person_id: int, from_ms: int, to_ms: int) -> list[Any]:
    """The same rows of somebody's check-ins in [from, to]."""
    at_ms = check_in_reading.c.at_ms
    return list(
        connection.execute(_read().where(check_in_reading.c.person_id == person_id, at_ms >= from_ms, at_ms <= to_ms))
    )


def _read() -> Any:
    return select(
        check_in,
        check_in_reading.c.at_ms.label("at"),
        check_in_reading.c.uncertainty_ms.label("unsure"),
        check_in_reading.c.person_id.label("whose"),
        check_in_reading.c.witness_person_id.label("witness"),
        check_in_reading.c.house_id.label("house"),
        check_in_reading.c.evening.label("day"),
        check_in_reading.c.counts,
        check_in_reading.c.why,
    ).join(check_in_reading, check_in_reading.c.check_in_id == check_in.c.id)


def read_again(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Write whose these are and where: dicts of check_in, person, witness, house. They are no longer due."""
    if rows:
        connection.execute(
            update(check_in_reading)
            .where(check_in_reading.c.check_in_id == bindparam("check_in"))
            .values(
                person_id=bindparam("person"),
                witness_person_id=bindparam("witness"),
                house_id=bindparam("house"),
                due=False,
            ),
            rows,
        )


def judge(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Write what these are worth: dicts of check_in, day, worth, reason."""
    if rows:
        connection.execute(
            update(check_in_reading)
            .where(check_in_reading.c.check_in_id == bindparam("check_in"))
            .values(evening=bindparam("day"), counts=bindparam("worth"), why=bindparam("reason")),
            rows,
        )


def events_due(connection: Connection, institution_id: int, limit: int) -> list[Any]:
    """Kiosk events that are due, in order of their records; locked."""
    query = select(kiosk_event).where(kiosk_event.c.institution_id == institution_id, kiosk_event.c.due)
    return list(connection.execute(query.order_by(kiosk_event.c.id).limit(limit).with_for_update()))


def read_events(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Write whose cards these events name: dicts of event_id, person, by. They are no longer due."""
    if rows:
        connection.execute(
            update(kiosk_event)
            .where(kiosk_event.c.id == bindparam("event_id"))
            .values(person_id=bindparam("person"), by_person_id=bindparam("by"), due=False),
            rows,
        )


def houses_of_kiosks(connection: Connection, reader_ids: Iterable[int]) -> dict[int, Spans]:
    """reader id -> (from, to, house id) of its placements, in order."""
    return _spans(connection, kiosk, kiosk.c.reader_id, kiosk.c.house_id, reader_ids)


def kiosks_of_house(connection: Connection, house_id: int, from_ms: int, to_ms: int) -> dict[int, Spans]:
    """The same of the kiosks that stood in this house at some time in [from, to]: also where else they stood."""
    query = select(kiosk.c.reader_id).where(
        kiosk.c.house_id == house_id,
        kiosk.c.from_ms <= to_ms,
        or_(kiosk.c.to_ms.is_(None), and_(kiosk.c.to_ms > from_ms, kiosk.c.to_ms > kiosk.c.from_ms)),
    )
    return houses_of_kiosks(connection, connection.execute(query).scalars())


def homes_of(connection: Connection, person_ids: Iterable[int]) -> dict[int, Spans]:
    """person id -> (from, to, house id) of where they lived, in order."""
    return _spans(connection, residency, residency.c.person_id, residency.c.house_id, person_ids)


def duties_of(connection: Connection, person_ids: Iterable[int]) -> dict[int, Spans]:
    """person id -> (from, to, house id) of when they are on duty, in order."""
    return _spans(connection, duty, duty.c.person_id, duty.c.house_id, person_ids)


def _spans(connection: Connection, table: Any, by: Any, what: Any, ids: Iterable[int]) -> dict[int, Spans]:
    wanted = sorted(set(ids))
    found: dict[int, Spans] = {}
    for start in range(0, len(wanted), 500):
        query = (
            select(by.label("by"), table.c.from_ms, table.c.to_ms, what.label("what"))
            .where(by.in_(wanted[start : start + 500]))
            .order_by(table.c.from_ms, table.c.id)
        )
        for row in connection.execute(query):
            if row.to_ms is None or row.to_ms > row.from_ms:
                found.setdefault(row.by, []).append((row.from_ms, row.to_ms, row.what))
    return found
