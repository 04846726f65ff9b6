"""Commands to readers: asked for by a technician, sent once with the next delivery of their site, and what came of them.

A command is MACed under the reader's key, with its time as its counter: a reader takes each once, none that was made
before it started, and none that is older than ten minutes (firmware/reader/uplink.py). So one that is lost on its way is
asked for again by a person, and none comes back from a broker that kept it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from server.errors import NotFound, Refused, StoreError
from server.scope import Scope
from server.store import campus
from server.store.prepared import Prepared
from server.store.schema import reader, reader_state, site
from server.store.schema_fleet import reader_command

IDENTIFY, SELF_TEST, SYNC, RESTART = NAMES = ("identify", "self-test", "sync", "restart")
#: a command that did not go within this goes no more; one that is not answered within this is asked for again
LASTS_MS = 600_000
#: another of the same name within this is the same click
AGAIN_MS = 5_000
FOUND_LONGEST = 500


@dataclass(frozen=True, kw_only=True)
class Command:
    """One. found: what a self-test said, part -> word."""

    name: str
    asked_ms: int
    sent_ms: int | None
    done_ms: int | None
    found: dict[str, str]

    def state(self, now_ms: int) -> str:
        """waiting, sent, done; late: it was not sent, or not answered, in time."""
        if self.done_ms is not None:
            return "done"
        if now_ms - self.asked_ms > LASTS_MS:
            return "late"
        return "waiting" if self.sent_ms is None else "sent"


def ask(connection: Connection, scope: Scope, reader_name: str, name: str, now_ms: int) -> None:
    """A technician asks for it. Raises NotAllowed, NotFound(`reader`), StoreError(`command-name`),
    Refused(`command-waits`)."""
    scope.need_tending()
    if name not in NAMES:
        raise StoreError("command-name", f"a reader can be asked for: {', '.join(NAMES)}")
    # Of two at once the second one waits here, and finds the first one's row.
    found = connection.execute(
        select(reader.c.id)
        .where(
            reader.c.name == reader_name, reader.c.institution_id == scope.institution_id, reader.c.ended_ms.is_(None)
        )
        .with_for_update(key_share=True)
    ).scalar()
    if found is None:
        raise NotFound("reader", "there is no such reader: the page of doors lists them")
    last = connection.execute(
        select(reader_command.c.name, reader_command.c.counter)
        .where(reader_command.c.reader_id == found)
        .order_by(reader_command.c.counter.desc())
        .limit(1)
    ).first()
    if last is not None and last.name == name and 0 <= now_ms - last.counter < AGAIN_MS:
        raise Refused("command-waits", "it was asked for a moment ago: look what became of it")
    connection.execute(
        reader_command.insert().values(
            institution_id=scope.institution_id,
            reader_id=found,
            counter=max(now_ms, 0 if last is None else last.counter + 1),
            name=name,
            # 0: nobody of ours, such as a command on the server's own machine
            by_account_id=scope.account_id or None,
        )
    )
    campus.write_down(connection, scope, "reader.command", f"reader:{found}", now_ms, name=name)


_WAITING = Prepared(
    select(
        reader_command.c.id,
        reader_command.c.reader_id,
        reader_command.c.counter,
        reader_command.c.name.label("command"),
        reader.c.name,
        site.c.name.label("site"),
    )
    .join(reader, reader.c.id == reader_command.c.reader_id)
    .join(site, site.c.id == reader.c.site_id)
    .where(
        reader_command.c.institution_id == bindparam("here"),
        reader_command.c.sent_ms.is_(None),
        reader_command.c.counter > bindparam("after_ms"),
        # It may have been asked for just before its reader was stolen: nothing goes down to that one any more.
        reader.c.ended_ms.is_(None),
    )
    .order_by(reader_command.c.counter)
)


def waiting(connection: Connection, institution_id: int, now_ms: int) -> list[Any]:
    """Rows (id, reader_id, counter, command, name, site) of those that are to go, the oldest first."""
    return _WAITING.all(connection, {"here": institution_id, "after_ms": now_ms - LASTS_MS})


def sent(connection: Connection, ids: Iterable[int], now_ms: int) -> None:
    """These go down the line now."""
    connection.execute(update(reader_command).where(reader_command.c.id.in_(list(ids))).values(sent_ms=now_ms))


def of_reader(connection: Connection, reader_id: int, limit: int = 5) -> list[Command]:
    """The newest of a reader's."""
    query = (
        select(reader_command)
        .where(reader_command.c.reader_id == reader_id)
        .order_by(reader_command.c.counter.desc())
        .limit(limit)
    )
    return [
        Command(
            name=row.name,
            asked_ms=row.counter,
            sent_ms=row.sent_ms,
            done_ms=row.done_ms,
            found=json.loads(row.found) if row.found else {},
        )
        for row in connection.execute(query)
    ]


def settle(connection: Connection, institution_id: int, now_ms: int) -> int:
    """Look what readers say that they have done, in their newest health reports. Returns how many are done.

    A restart is done where a report says that its reader began after it: nobody signed that, and nothing is decided by it.
    """
    query = (
        select(
            reader_command.c.id,
            reader_command.c.name,
            reader_command.c.counter,
            reader_command.c.sent_ms,
            reader_state.c.health,
            reader_state.c.health_ms,
        )
        .join(reader_state, reader_state.c.reader_id == reader_command.c.reader_id)
        .where(
            reader_command.c.institution_id == institution_id,
            reader_command.c.done_ms.is_(None),
            reader_command.c.sent_ms > now_ms - 2 * LASTS_MS,
            reader_state.c.health_ms >= func.coalesce(reader_command.c.sent_ms, 0),
        )
    )
    done = 0
    for row in connection.execute(query).all():
        found = _found(row)
        if found is not None:
            connection.execute(
                update(reader_command)
                .where(reader_command.c.id == row.id)
                .values(done_ms=row.health_ms, found=json.dumps(found) if found else None)
            )
            done += 1
    return done


def _found(row: Any) -> dict[str, str] | None:
    """What the report says of this command; None: nothing."""
    try:
        told = json.loads(row.health or "{}")
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    boot_ms = told.get("boot_ms")
    if row.name == RESTART:
        began = row.health_ms - boot_ms if isinstance(boot_ms, int) and 0 <= boot_ms < 1 << 53 else 0
        return {} if began > row.sent_ms - 1000 else None
    did = told.get("command")
    if not isinstance(did, dict) or did.get("counter") != row.counter:
        return None
    found = did.get("found")
    words = {str(key)[:16]: str(word)[:32] for key, word in list(found.items())[:10]} if isinstance(found, dict) else {}
    return words if len(json.dumps(words)) <= FOUND_LONGEST else {}
