"""The JSON API for staff and programs. Every answer is what the caller's scope may see (server/scope.py)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from server.api import errors
from server.api.signed_in import Signed
from server.declared import act, signed_in
from server.errors import NotFound, StoreError
from server.scope import Scope
from server.store import alarms, doors, due, institutions, listings, quarantines, registers, session_rows
from server.store import swipes as swipes_
from server.store.engine import Connection, reading, writing

router = APIRouter(prefix="/api/v1", tags=["v1"], responses=errors.documented(400, 401, 403, 404, 409, 413, 422, 503))

#: what a database holds as a number, and as a text: PostgreSQL's has no NUL
Number = Annotated[int, Field(ge=0, le=(1 << 63) - 1)]
Minutes = Annotated[int, Field(ge=0, le=10_000)]
Word = Annotated[str, Field(max_length=255, pattern="^[^\\x00]*$")]
Words = Annotated[str, Field(max_length=10_000, pattern="^[^\\x00]*$")]


def day_of(connection: Connection, scope: Scope, day: str, now_ms: int) -> tuple[int, int]:
    """A local date (ISO; '' for today) as UTC [from, to). Raises StoreError(`day`)."""
    zone = ZoneInfo(institutions.one(connection, scope.institution_id).time_zone)
    try:
        local = date.fromisoformat(day) if day else datetime.fromtimestamp(now_ms / 1000, zone).date()
        begins = datetime.combine(local, time.min, zone)
        ends = datetime.combine(local + timedelta(days=1), time.min, zone)
        return int(begins.timestamp() * 1000), int(ends.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise StoreError("day", f"a day is written 2026-10-05, not {day[:40]!r}") from None


@router.get("/me")
@signed_in("who one is")
def me(scope: Signed) -> dict[str, Any]:
    """Who is signed in."""
    return {"account_id": scope.account_id, "person_id": scope.person_id, "role": scope.role}


@router.get("/sessions")
@act("register.read")
def of_day(request: Request, scope: Signed, day: str = "") -> dict[str, Any]:
    """The sessions of a local day that the caller may see, by start."""
    with reading(request.app.state.engine) as connection:
        from_ms, to_ms = day_of(connection, scope, day, request.app.state.clock.now_ms())
        found = session_rows.today(connection, scope, from_ms, to_ms)
    return {"from_ms": from_ms, "to_ms": to_ms, "sessions": [asdict(one) for one in found]}


@router.get("/sessions/{session_id}/register")
@act("register.read")
def register(request: Request, scope: Signed, session_id: Number) -> dict[str, Any]:
    """A session's students with their marks."""
    with reading(request.app.state.engine) as connection:
        found = registers.register_of(connection, scope, session_id, request.app.state.profiles)
    return asdict(found)


@router.get("/sessions/{session_id}/version")
@act("register.read")
def version(request: Request, scope: Signed, session_id: Number) -> dict[str, int]:
    """A number that changes with the register: cheap to ask for often."""
    with reading(request.app.state.engine) as connection:
        return {"version": registers.version(connection, scope, session_id)}


class SetMark(BaseModel):
    """A mark by hand. code null: takes the mark away. seen: the `mark_id` that the register showed, 0 for none; another
    one holds meanwhile: 409 `mark-changed`. Without it, what a person set or verified is 409 too."""

    code: Word | None
    late_min: Minutes | None = None
    early_min: Minutes | None = None
    remark: Words = ""
    seen: Number | None = None


@router.put("/sessions/{session_id}/marks/{person_id}")
@act("register.mark")
def set_mark(request: Request, scope: Signed, session_id: Number, person_id: Number, said: SetMark) -> dict[str, int]:
    """Set a mark: appended to its history. Answers the register's new version."""
    state = request.app.state
    with writing(state.engine) as connection:
        registers.set_mark(
            connection,
            scope,
            state.profiles,
            session_id,
            person_id,
            code=said.code,
            late_min=said.late_min,
            early_min=said.early_min,
            remark=said.remark,
            seen_mark_id=said.seen,
            blind=said.seen is None,
            now_ms=state.clock.now_ms(),
        )
        return {"version": registers.version(connection, scope, session_id)}


@router.post("/sessions/{session_id}/verify")
@act("register.verify")
def verify(request: Request, scope: Signed, session_id: Number) -> dict[str, int]:
    """Save the register: its marks are verified (STEP-18). Answers how many were new, and the new version."""
    state = request.app.state
    with writing(state.engine) as connection:
        done = registers.verify(connection, scope, session_id, state.clock.now_ms(), state.profiles)
        return {"verified": done, "version": registers.version(connection, scope, session_id)}


@router.get("/swipes")
@act("everything.read")
def swipes(
    request: Request,
    scope: Signed,
    after: Number = 0,
    limit: Annotated[int, Query(ge=1, le=listings.PAGE_MAX)] = 200,
    reader: Word | None = None,
    from_ms: Number | None = None,
    to_ms: Number | None = None,
    person_id: Number | None = None,
    session_id: Number | None = None,
    verdict: Word | None = None,
    differs: bool | None = None,
) -> dict[str, Any]:
    """Swipes by number, a page at a time; for administrators. person_id: as in a swipe: a number that others know a person
    by stands in no address. `next` is the next page's `after`; null at the end."""
    with reading(request.app.state.engine) as connection:
        found = listings.swipes(
            connection,
            scope,
            after=after,
            limit=limit,
            reader_name=reader,
            from_ms=from_ms,
            to_ms=to_ms,
            person_id=person_id,
            session_id=session_id,
            verdict=verdict,
            differs=differs,
        )
    return {"swipes": [asdict(one) for one in found], "next": found[-1].id if len(found) == limit else None}


@router.get("/doors")
@act("doors.read")
def every_door(request: Request, scope: Signed) -> dict[str, Any]:
    """Every reader with its light, backlog, last seen, alarms."""
    with reading(request.app.state.engine) as connection:
        found = doors.doors(connection, scope, request.app.state.clock.now_ms())
    return {"doors": [asdict(one) for one in found]}


@router.get("/alarms")
@act("doors.read")
def every_alarm(request: Request, scope: Signed) -> dict[str, Any]:
    """The open alarms, newest first."""
    scope.need_doors()
    with reading(request.app.state.engine) as connection:
        return {"alarms": [asdict(one) for one in alarms.open_alarms(connection, scope.institution_id)]}


@router.post("/alarms/{alarm_id}/close")
@act("doors.tend")
def close_alarm(request: Request, scope: Signed, alarm_id: Number) -> dict[str, bool]:
    """Close an alarm."""
    scope.need_tending()
    state = request.app.state
    with writing(state.engine) as connection:
        if not alarms.close(connection, scope.institution_id, alarm_id, scope.account_id, state.clock.now_ms()):
            raise NotFound("alarm", "there is no such open alarm")
    return {"closed": True}


@router.get("/counts")
@act("doors.read")
def counts(request: Request, scope: Signed) -> dict[str, Any]:
    """What waits and what is odd: quarantine by code, swipes held, unplaced, judged otherwise than shown, due."""
    scope.need_doors()
    with reading(request.app.state.engine) as connection:
        here = scope.institution_id
        return {
            "quarantine": quarantines.counts(connection, here),
            "swipes": listings.total(connection, here),
            "unplaced": swipes_.unplaced(connection, here),
            "differs": swipes_.differing(connection, here),
            "due": due.waiting(connection, here),
        }
