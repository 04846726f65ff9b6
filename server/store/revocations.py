"""Readers that are believed no more: stolen, lost or opened. What they delivered since is kept, and does not count.

One transaction does all: the password at the broker ends (an agent beside it throws the live session off), the reader
serves no door and no house from then on, and what rested on its swipes since then is derived again. From that commit on
the store takes what still comes, answers nothing, and credits nothing by it. A revocation is never taken back: a board
that is found again becomes a reader with new keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from server.errors import NotFound, Refused, StoreError
from server.scope import Scope
from server.store import campus, cards, check_ins, credentials, due, readers, residence_admin, swipes, withheld
from server.store.schema import account, head, reader, reader_state, reading, swipe
from server.store.schema_residence import check_in, check_in_reading
from server.store.schema_trust import reader_revocation

TEND = "doors.tend"
#: why a reader is revoked, as pages say it
WHYS = {
    "stolen": "it was stolen",
    "lost": "it is lost",
    "opened": "somebody opened it",
    "key": "its key is known",
    # Nobody took it: its board is another reader now, or broken, and nobody waits for it (docs/trust.md).
    "replaced": "another took its place",
}
#: how far back a theft may be said to have been: registers older than this are not looked at again either
BACK_MS = 30 * 24 * 3_600_000


@dataclass(frozen=True, kw_only=True)
class Revocation:
    """A reader that is believed no more, for people."""

    reader_id: int
    reader: str
    site: str
    since_ms: int
    called_ms: int
    #: a word of WHYS
    why: str
    #: shown name of whoever revoked it; None: a command on the server
    by: str | None
    released_ms: int | None
    #: what the store got from it since then, and does not count: swipes and check-ins
    withheld: int
    #: how many of these a release lets count, or let: surely older than the theft
    older: int


def revoke(connection: Connection, scope: Scope, name: str, *, since_ms: int, why: str, now_ms: int) -> int:
    """This reader is believed no more, since then. Returns its id.

    Raises NotAllowed, NotFound(`reader`), Refused(`reader-revoked`), StoreError(`revoke-since`, `revoke-why`).
    """
    scope.need(TEND)
    found = readers.by_name(connection, [name]).get(name)
    if found is None or found.institution_id != scope.institution_id:
        raise NotFound("reader", f"there is no reader {name}: `muster reader list` names them")
    if why not in WHYS:
        raise StoreError("revoke-why", f"say why: {', '.join(WHYS)}")
    if not now_ms - BACK_MS <= since_ms <= now_ms:
        raise StoreError(
            "revoke-since", "say when it went missing: a time in the last 30 days, and none that is still to come"
        )
    # Of two at once the second one waits here, and finds the first one's row.
    connection.execute(select(reader.c.id).where(reader.c.id == found.id).with_for_update(key_share=True))
    if withheld.of_readers(connection, [found.id]):
        raise Refused("reader-revoked", f"{name} is believed no more already")
    connection.execute(
        reader_revocation.insert().values(
            reader_id=found.id,
            institution_id=scope.institution_id,
            since_ms=since_ms,
            called_ms=now_ms,
            why=why,
            by_account_id=scope.account_id or None,
        )
    )
    _take_effect(connection, scope.institution_id, found.id, since_ms, now_ms)
    campus.write_down(connection, scope, "reader.revoke", f"reader:{found.id}", now_ms, since=since_ms, why=why)
    return found.id


def carry(connection: Connection, institution_id: int, reader_id: int, old: dict[str, Any], now_ms: int) -> bool:
    """A restored store learns what the one before it knew of a reader: the row of `reader_revocation` there. False: it knew.

    What that store had got before the theft comes again now, and waits for a release like the rest. Who said it is not
    carried: accounts have other numbers here.
    """
    there = withheld.of_readers(connection, [reader_id]).get(reader_id)
    if there is not None and (there.released or old["released_ms"] is None):
        return False
    if there is None:
        names = ("since_ms", "called_ms", "why", "released_ms")
        connection.execute(
            reader_revocation.insert().values(
                reader_id=reader_id, institution_id=institution_id, **{name: old[name] for name in names}
            )
        )
    else:
        mine = update(reader_revocation).where(reader_revocation.c.reader_id == reader_id)
        connection.execute(mine.values(released_ms=old["released_ms"]))
    _take_effect(connection, institution_id, reader_id, old["since_ms"], now_ms)
    return True


def release(connection: Connection, scope: Scope, name: str, *, now_ms: int) -> int:
    """Let count what this reader delivered since, as far as it is surely older than the theft. Returns how many.

    What it says itself is all that tells how old that is: a person answers for it. Raises NotAllowed,
    NotFound(`reader-revocation`), Refused(`reader-released`).
    """
    scope.need(TEND)
    row = connection.execute(
        select(reader_revocation, reader.c.name)
        .join(reader, reader.c.id == reader_revocation.c.reader_id)
        .where(reader.c.name == name, reader_revocation.c.institution_id == scope.institution_id)
        .with_for_update(of=reader_revocation)
    ).first()
    if row is None:
        raise NotFound("reader-revocation", f"{name} was never revoked: nothing of it is withheld")
    if row.released_ms is not None:
        raise Refused("reader-released", f"what {name} delivered from before the theft counts already")
    connection.execute(
        update(reader_revocation)
        .where(reader_revocation.c.reader_id == row.reader_id)
        .values(released_ms=now_ms, released_by_account_id=scope.account_id or None)
    )
    older = _counted(connection, row.reader_id, row.since_ms, older=True)
    _again(connection, scope.institution_id, row.reader_id, row.since_ms, now_ms)
    campus.write_down(connection, scope, "reader.release", f"reader:{row.reader_id}", now_ms, count=older)
    return older


def listed(connection: Connection, scope: Scope) -> list[Revocation]:
    """Every reader that is believed no more, the newest call first. Raises NotAllowed."""
    scope.need_doors()
    query = (
        select(reader_revocation, reader.c.name, account.c.shown_name)
        .join(reader, reader.c.id == reader_revocation.c.reader_id)
        .outerjoin(account, account.c.id == reader_revocation.c.by_account_id)
        .where(reader_revocation.c.institution_id == scope.institution_id)
        .order_by(reader_revocation.c.called_ms.desc(), reader.c.name)
    )
    sites = readers.by_name(connection, [row.name for row in connection.execute(query)])
    return [
        Revocation(
            reader_id=row.reader_id,
            reader=row.name,
            site=sites[row.name].site,
            since_ms=row.since_ms,
            called_ms=row.called_ms,
            why=row.why,
            by=row.shown_name,
            released_ms=row.released_ms,
            withheld=_counted(connection, row.reader_id, row.since_ms, older=False),
            older=_counted(connection, row.reader_id, row.since_ms, older=True),
        )
        for row in connection.execute(query)
    ]


def _take_effect(connection: Connection, institution_id: int, reader_id: int, since_ms: int, now_ms: int) -> None:
    credentials.end(connection, reader_id, now_ms)
    cards.unlearn(connection, institution_id, reader_id, since_ms, now_ms)
    mine = update(reader).where(reader.c.id == reader_id, reader.c.ended_ms.is_(None))
    connection.execute(mine.values(ended_ms=now_ms))
    _know_no_more(connection, reader_id, since_ms)
    # It serves no door from then on: its swipes since are at no room, and whoever was credited by them is derived again.
    readers.place(connection, institution_id, reader_id, None, since_ms, now_ms)
    residence_admin.end_kiosk_rows(connection, reader_id, since_ms)
    _again(connection, institution_id, reader_id, since_ms, now_ms)


def _again(connection: Connection, institution_id: int, reader_id: int, since_ms: int, now_ms: int) -> None:
    """Say again where its swipes were, and derive whoever they are of; judge its check-ins again."""
    late = [
        {
            "person_id": row.person_id,
            "institution_id": institution_id,
            "from_ms": row.at_ms - row.uncertainty_ms,
            "to_ms": row.at_ms + row.uncertainty_ms,
            "since_ms": now_ms,
        }
        for row in connection.execute(
            select(reading.c.person_id, reading.c.at_ms, reading.c.uncertainty_ms)
            .join(swipe, swipe.c.id == reading.c.swipe_id)
            .where(
                swipe.c.reader_id == reader_id,
                or_(swipe.c.received_ms >= since_ms, reading.c.at_ms >= since_ms),
                reading.c.person_id.is_not(None),
                reading.c.at_ms.is_not(None),
            )
        )
    ]
    swipes.place_again(connection, reader_id, min([since_ms, *(row["from_ms"] for row in late)]))
    due.mark(connection, late)
    check_ins.due_by_reader(connection, reader_id)


def _know_no_more(connection: Connection, reader_id: int, since_ms: int) -> None:
    """Its doors are known as far as heads tell that were held whole before the theft: what it said since may be a lie,
    and nobody may be absent for it."""
    rows = connection.execute(
        select(head.c.received_ms, head.c.wall_ms, head.c.uncertainty_ms)
        .where(
            head.c.reader_id == reader_id,
            head.c.held_ms < since_ms,
            head.c.received_ms < since_ms,
            head.c.wall_ms.is_not(None),
            head.c.clock != "none",
        )
        .order_by(head.c.wall_ms.desc())
        .limit(2000)
    )
    known = [min(row.received_ms, row.wall_ms - (row.uncertainty_ms or 0)) for row in rows]
    before = connection.execute(
        select(reader_state.c.known_until_ms).where(reader_state.c.reader_id == reader_id)
    ).scalar()
    until = None if before is None or not known else min(before, max(known), since_ms)
    connection.execute(update(reader_state).where(reader_state.c.reader_id == reader_id).values(known_until_ms=until))


def _counted(connection: Connection, reader_id: int, since_ms: int, *, older: bool) -> int:
    """How many swipes and check-ins came since then; older: of these, those that are surely from before it."""
    total = 0
    for fact, said, key in (
        (swipe, reading, reading.c.swipe_id),
        (check_in, check_in_reading, check_in_reading.c.check_in_id),
    ):
        query = (
            select(func.count())
            .select_from(fact)
            .join(said, key == fact.c.id)
            .where(fact.c.reader_id == reader_id, fact.c.received_ms >= since_ms)
        )
        if older:
            query = query.where(said.c.at_ms + said.c.uncertainty_ms < since_ms)
        total += connection.execute(query).scalar_one()
    return total
