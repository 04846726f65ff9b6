"""The sessions of a day: a lecturer's own, covered and shared ones (LOUGH-9, LOUGH-10); an administrator's all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Response

from server.declared import act
from server.errors import NotAllowed
from server.pages import words
from server.pages.desk import Desk, Signed, Visit
from server.pages.guard import PageRoute, clean
from server.pages.local import FIRST_DAY, LAST_DAY, Local, parse_day
from server.pages.local import words as day_words
from server.pages.rendering import page
from server.policy import moments
from server.store import course_reminders, course_times, page_today, sessions
from server.store.engine import Connection, reading
from server.store.sessions import SessionRow

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/today")
@act("register.read")
def today(signed: Signed, day: str = "", q: str = "") -> Response:
    """The list for one local day. day: ISO date; q: words that a line must have (for whoever sees all)."""
    scope = signed.scope
    if not scope.may("register.read"):
        told = (
            "your account is for doors: no registers belong to it"
            if scope.tends_doors
            else "your account is not connected to a person on the timetable yet: ask whoever runs Muster here"
        )
        raise NotAllowed("no-registers", told)
    wanted = clean(q, 100).strip() if scope.sees_all else ""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        shown_day = parse_day(day) or local.today()
        rows = sessions.today(connection, scope, *local.bounds(shown_day))
        known = _known(signed, connection, rows)
        reminders = course_reminders.of(connection, scope, signed.desk.profiles, local.now_ms)
    lines = [_line(signed.desk, row, known, local, scope.sees_all) for row in rows]
    found = [line for line in lines if _has(line, wanted)]
    and_q = f"&q={quote(wanted, safe='')}" if wanted else ""
    return page(
        signed.request,
        "today.html",
        login=signed.login,
        heading=_heading(scope.sees_all, shown_day == local.today()),
        day=shown_day.isoformat(),
        day_words=day_words(shown_day),
        before=max(FIRST_DAY, shown_day - timedelta(days=1)).isoformat(),
        after=min(LAST_DAY, shown_day + timedelta(days=1)).isoformat(),
        is_today=shown_day == local.today(),
        sees_all=scope.sees_all,
        q=wanted,
        and_q=and_q,
        only_q=f"?{and_q[1:]}" if and_q else "",
        reminders=[_reminder(one, local) for one in reminders],
        lines=found,
        shown=len(found),
        total=len(lines),
        nothing=_nothing(bool(lines), scope.sees_all),
    )


def _reminder(one: course_reminders.Reminder, local: Local) -> dict[str, Any]:
    """A marking deadline that is near or past, for whoever has registers to verify (STEP-20)."""
    many = f"{one.registers} {'register' if one.registers == 1 else 'registers'}{f' of {one.course}' if one.course else ''}"
    past = one.deadline_ms <= local.now_ms
    what = "not verified, and the marking deadline was" if past else "not verified: the marking deadline is"
    final = f" The records are final from {moments.said(one.lock_ms, local.zone)}." if one.lock_ms is not None else ""
    text = f"{many} {'is' if one.registers == 1 else 'are'} {what} {moments.said(one.deadline_ms, local.zone)}.{final}"
    return {"kind": "bad" if past else "late", "text": text, "session_id": one.session_id}


def _heading(sees_all: bool, is_today: bool) -> str:
    if sees_all:
        return "All sessions today" if is_today else "All sessions"
    return "My registers for today" if is_today else "My registers"


def _nothing(some: bool, sees_all: bool) -> str:
    if some:
        return "No session of this day has those words. Use fewer words, or show all."
    if sees_all:
        return "No session is on the timetable for this day. If there should be one, import the timetable again."
    return "You have no sessions on this day. If you should have one, ask whoever keeps the timetable."


def _has(line: dict[str, Any], wanted: str) -> bool:
    text = " ".join((line["title"], line["course_code"], line["rooms"], line["staff"])).casefold()
    return all(word in text for word in wanted.casefold().split())


#: what somebody is in a session, where they are not its own staff
_PARTS = {sessions.COVER: "cover", sessions.AWAY: "handed over"}


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is read for all lines at once."""

    codes: dict[int, dict[str, tuple[int, int]]]
    parts: dict[int, page_today.Part]
    readers: set[int]
    modes: dict[int, str]
    times: dict[int, course_times.Dates]
    #: session -> when the last student got a mark that counts
    marked: dict[int, int]


def _known(signed: Visit, connection: Connection, rows: list[SessionRow]) -> _Known:
    ids = [row.id for row in rows]
    marked: dict[int, int] = {}
    # Where fewer are marked than are on the list there is nothing to find.
    full = [row for row in rows if row.marked >= row.members]
    for needs in (False, True):
        these = [row.id for row in full if signed.desk.profile(row.profile, row.starts_ms).verification_needed == needs]
        if these:
            marked |= page_today.marked(connection, these, verified=needs)
    return _Known(
        codes=page_today.codes(connection, ids),
        parts=page_today.parts(connection, signed.scope.person_id, ids),
        readers=page_today.with_reader(connection, ids),
        modes=page_today.modes(connection, ids),
        times=course_times.of(connection, ids),
        marked=marked,
    )


def _line(desk: Desk, row: SessionRow, known: _Known, local: Local, sees_all: bool) -> dict[str, Any]:
    profile = desk.profile(row.profile, row.starts_ms)
    codes, part = known.codes.get(row.id, {}), known.parts.get(row.id)
    present = sum(many for code, (many, _) in codes.items() if words.effect(profile, code) == "attended")
    tags = [words.session_state(row, local.now_ms, local)]
    times = known.times[row.id].by(profile, local.zone)
    facts = {"mode": known.modes[row.id], "deadline_ms": times.marking_deadline_ms}
    verified = row.verified_ms is not None and all(many == done for many, done in codes.values())
    tags += words.marking_state(profile, row, facts, known.marked.get(row.id), local, verified=verified)
    if (evidence := words.evidence_tag(row, local.now_ms, has_reader=row.id in known.readers)) is not None:
        tags.append(evidence)
    said = None
    if part is not None and part.role is not None:
        said = _PARTS[part.role] if part.role in _PARTS else f"with {part.staff - 1} more" if part.staff > 1 else None
    return {
        "id": row.id,
        "title": row.title,
        "course_code": row.course_code,
        "rooms": ", ".join(row.rooms),
        # Whoever sees all, and whoever teaches it with others, wants to know who does.
        "staff": ", ".join(row.staff)
        if sees_all or (part is not None and (part.staff > 1 or part.role == sessions.AWAY))
        else "",
        "part": None if sees_all else said,
        "starts": local.time(row.starts_ms),
        "ends": local.time(row.ends_ms),
        "tags": tags,
        "cancelled": row.cancelled_ms is not None,
        "coming": local.now_ms < row.opens_ms and not present,
        "present": present,
        "members": row.members,
        "share": min(100, present * 100 // row.members) if row.members else 0,
    }
