"""Releases registers when their evidence is complete, or its deadline has passed. Then silence can be judged.

It only says what is known of the doors. What follows for each student is derived like everything else, in
derive/persons.py: everybody on the list becomes due.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from server.derive import locks
from server.policy import marking
from server.policy.outages import outages
from server.policy.profile import Profiles
from server.store import derivations, due, evidence, heads, history, journals, lost_ranges, registers, restored_doors
from server.store.engine import Connection, DBAPIError
from server.store.institutions import Institution

BATCH = 100


@dataclass(frozen=True, kw_only=True)
class Releasable:
    """A register that can be released now."""

    session: Any
    #: complete or incomplete
    state: str
    doors: tuple[marking.DoorFacts, ...]


def releasable(
    connection: Connection,
    found: Institution,
    profiles: Profiles,
    now_ms: int,
    *,
    state: str = marking.PENDING,
    after: int = 0,
    failed: dict[int, Exception] | None = None,
) -> tuple[list[Releasable], int | None]:
    """Look at one batch of closed sessions whose evidence is in that state (pending; or incomplete, which what arrives
    late may still complete; or complete, where what arrived late, or a reader that was placed otherwise, may take that
    back). Returns those that can leave it, and where to go on (None: at the end).

    failed: filled with the sessions that could not be looked at, by id; without it the first such one raises.
    """
    again = state == marking.COMPLETE
    if again:
        doubted = evidence.doubted(connection, found.id)
        sessions = evidence.closed_at(connection, found.id, now_ms, doubted, BATCH, after)
    else:
        sessions = evidence.closed(connection, found.id, now_ms, state, BATCH, after)
    if not sessions:
        return [], None
    doors = evidence.doors_of(connection, [row.id for row in sessions])
    replaced = restored_doors.replaced(
        connection, found.id, {door.reader_id for listed in doors.values() for door in listed}, now_ms
    )
    # Nothing is said of anybody by taking it back: that waits for no swipes.
    busy = set() if again else evidence.waiting(connection, [row.id for row in sessions])
    zone = ZoneInfo(found.time_zone)
    ready = []
    for row in sessions:
        if row.id in busy:
            continue
        try:
            profile = profiles.at(row.profile, row.starts_ms)
            deadline_ms = marking.deadline_ms(profile, row.ends_ms, zone)
            if again and locks.past(connection, found.id, {row.id: (profile, row.ends_ms)}, now_ms):
                continue
            # What was released once is complete or incomplete, and never pending again.
            late = again or now_ms > deadline_ms
            facts = door_facts(connection, row, doors.get(row.id, []), late=late, replaced=replaced)
            judged = marking.evidence(facts, deadline_ms=now_ms - 1 if again else deadline_ms, now_ms=now_ms)
        except DBAPIError:
            # The transaction is spent: nothing more can be read in it.
            raise
        except Exception as error:  # one session must not keep the others' registers
            if failed is None:
                raise
            failed[row.id] = error
            continue
        if judged.state not in (marking.PENDING, state):
            ready.append(Releasable(session=row, state=judged.state, doors=tuple(facts)))
    return ready, sessions[-1].id if len(sessions) == BATCH else None


def release(connection: Connection, institution_id: int, one: Releasable, now_ms: int) -> None:
    """Release a register: everybody on its list becomes due."""
    session = one.session
    derivations.lock_registers(connection, institution_id, [session.id])
    gaps = [(door.reader_id, *gap) for door in one.doors for gap in door.outages]
    history.append(
        connection,
        institution_id=institution_id,
        session_id=session.id,
        kind=history.RELEASE,
        body={"evidence": one.state, "outages": len(gaps)},
        by_account_id=None,
        now_ms=now_ms,
    )
    evidence.set_outages(connection, institution_id, session.id, gaps, now_ms)
    evidence.release(connection, session.id, one.state, now_ms)
    listed = registers.members(connection, session.id)
    due.persons(connection, institution_id, listed, session.opens_ms, session.closes_ms, now_ms)


def door_facts(
    connection: Connection,
    session: Any,
    doors: list[Any],
    *,
    late: bool,
    replaced: Mapping[int, int],
) -> list[marking.DoorFacts]:
    """What is known of each door of a session, for the part of the window in which it was the session's.

    late: the deadline has passed. Outages are looked up only where they can matter. replaced: as `restored_doors` says.
    """
    facts = []
    lost = journals.lost_of(connection, {door.reader_id for door in doors})
    every = all(door.known_until_ms is not None and door.known_until_ms >= session.closes_ms for door in doors)
    for door in doors:
        begins = max(door.from_ms, session.opens_ms)
        ends = session.closes_ms if door.to_ms is None else min(door.to_ms, session.closes_ms)
        stated = heads.stated(connection, door.reader_id, begins, ends) if every or late else []
        found = outages(stated, begins, ends) if every or late else ()
        if any(lost_ranges.may_lie_in(connection, one, stated, begins, ends) for one in lost.get(door.reader_id, ())):
            found = (*found, (begins, ends, "lost"))
        if begins <= replaced.get(door.reader_id, begins - 1):
            found = (*found, (begins, ends, "restored"))
        facts.append(
            marking.DoorFacts(
                reader_id=door.reader_id,
                from_ms=begins,
                to_ms=ends,
                known_until_ms=door.known_until_ms,
                outages=found,
            )
        )
    return facts
