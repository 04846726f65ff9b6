"""Check-ins as an administrator lists them: what was shown, and what the store makes of it, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from server.scope import Scope
from server.store import people
from server.store.schema import journal, reader
from server.store.schema_residence import check_in, check_in_reading, house

PAGE_MAX = 1000


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One check-in. Times in UTC epoch milliseconds."""

    id: int
    reader: str
    journal: str
    seq: int
    received_ms: int
    #: None: not placed in time
    at_ms: int | None
    uncertainty_ms: int
    #: the person's identifier, else any external id; None: nobody's card. The same of who stood by
    person: str | None
    witness: str | None
    #: the house's code; None: the reader was no kiosk then
    house: str | None
    #: finger, pin, witness; what the kiosk showed; how many tries were refused before
    method: str
    shown: str
    tries: int
    #: in, out, fixed, none
    place: str
    #: the evening's local date (ISO), whether it counts for it, and why not
    evening: str | None
    counts: bool
    why: str


def check_ins(connection: Connection, scope: Scope, *, after: int = 0, limit: int = 200) -> list[Listed]:
    """Check-ins by their number above `after`, at most `limit` (1,000). Raises NotAllowed."""
    scope.need_all()
    number = people.known_by(scope.institution_id).cte("number")
    theirs, by = number.alias("theirs"), number.alias("by_whom")
    query = (
        select(
            check_in.c.id,
            reader.c.name.label("reader"),
            journal.c.journal,
            check_in.c.seq,
            check_in.c.received_ms,
            check_in_reading.c.at_ms,
            check_in_reading.c.uncertainty_ms,
            theirs.c.external_id.label("person"),
            by.c.external_id.label("witness"),
            house.c.code.label("house"),
            check_in.c.method,
            check_in.c.verdict.label("shown"),
            check_in.c.tries,
            check_in.c.place,
            check_in_reading.c.evening,
            check_in_reading.c.counts,
            check_in_reading.c.why,
        )
        .join(check_in_reading, check_in_reading.c.check_in_id == check_in.c.id)
        .join(reader, reader.c.id == check_in.c.reader_id)
        .join(journal, journal.c.id == check_in.c.journal_id)
        .outerjoin(house, house.c.id == check_in_reading.c.house_id)
        .outerjoin(theirs, theirs.c.person_id == check_in_reading.c.person_id)
        .outerjoin(by, by.c.person_id == check_in_reading.c.witness_person_id)
        .where(check_in.c.institution_id == scope.institution_id, check_in.c.id > after)
        .order_by(check_in.c.id)
        .limit(min(max(limit, 1), PAGE_MAX))
    )
    return [Listed(**row._mapping) for row in connection.execute(query)]  # pyright: ignore[reportPrivateUsage]
