"""The sessions of a day: a lecturer's own, covered and shared ones (LOUGH-9, LOUGH-10); for whoever has more in their
care those that are on now, or a page at a time of all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Response

from server.declared import act
from server.pages import sought, words
from server.pages.desk import Desk, Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form
from server.pages.local import FIRST_DAY, LAST_DAY, Local, parse_day
from server.pages.local import words as day_words
from server.pages.rendering import page
from server.policy import moments
from server.store import course_reminders, course_times, page_day, page_today, parts, session_rows
from server.store.engine import Connection, reading
from server.store.session_rows import SessionRow

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/today")
@act("register.read")
def today(signed: Signed, day: str = "", show: str = "", page_nr: str = "", found: str = "") -> Response:
    """The list for one local day. day: ISO date. For whoever has more than their own in their care: show: mine, now,
    all; page_nr: from 1; found: words that a line must have (`find`)."""
    scope = signed.scope
    reach = scope.reach("register.read")
    wide = reach.all or bool(reach.departments or reach.courses)
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        shown_day = parse_day(day) or local.today()
        if wide:
            part = _part(signed, connection, local, shown_day, show, page_nr, sought.opened(signed, found))
        else:
            part = _Part(rows=session_rows.today(connection, scope, *local.bounds(shown_day)))
        known = _known(signed, connection, part.rows)
        reminders = course_reminders.of(connection, scope, signed.desk.profiles, local.now_ms)
    is_today, mine = shown_day == local.today(), not wide or part.which == page_day.MINE
    return page(
        signed.request,
        "today.html",
        login=signed.login,
        csrf=signed.login.csrf,
        heading=_heading(reach.all, mine, is_today),
        day=shown_day.isoformat(),
        day_words=day_words(shown_day),
        before=max(FIRST_DAY, shown_day - timedelta(days=1)).isoformat(),
        after=min(LAST_DAY, shown_day + timedelta(days=1)).isoformat(),
        is_today=is_today,
        wide=wide,
        part=part,
        # What a link to another day keeps: what was looked for, never in clear.
        and_found=f"&{urlencode({sought.NAME: found})}" if part.words else "",
        found=found if part.words else "",
        only_found=f"?{urlencode({sought.NAME: found})}" if part.words else "",
        unmarked=wide and scope.may("compliance.read"),
        reminders=[_reminder(one, local) for one in reminders],
        lines=[_line(signed.desk, row, known, local, not mine) for row in part.rows],
        nothing=_nothing(part, wide),
    )


@router.post("/today/find")
@act("register.read")
def find(signed: Signed, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
    """Look for words of a title, a course, a room or a lecturer: they never stand in an address."""
    check_csrf(fields, signed.login)
    shown_day = parse_day(fields.get("day", ""))
    # All of the day: what was looked for may be over.
    day = shown_day.isoformat() if shown_day is not None else ""
    return sought.to(signed, "/today", fields.get("q", ""), day=day, show=page_day.ALL)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The part of a day that is shown."""

    rows: list[SessionRow]
    which: str = page_day.MINE
    words: str = ""
    counts: page_day.Counts | None = None
    #: from 1
    nth: int = 1
    pages: int = 1


def _part(
    signed: Visit, connection: Connection, local: Local, day: date, wanted: str, page_nr: str, text: str
) -> _Part:
    scope, (from_ms, to_ms) = signed.scope, local.bounds(day)
    counts = page_day.counts(connection, scope, from_ms, to_ms, text, local.now_ms)
    which = wanted
    if which not in (page_day.MINE, page_day.NOW, page_day.ALL):
        which = page_day.ALL
        # Whoever teaches comes for their own; and a day that is too long for one page begins with what is on now.
        if counts.mine:
            which = page_day.MINE
        elif counts.now and counts.all > page_day.PAGE:
            which = page_day.NOW
    pages = max(1, -(-counts.of(which) // page_day.PAGE))
    nth = min(int(page_nr), pages) if page_nr.isascii() and page_nr.isdigit() and 0 < len(page_nr) < 7 else 1
    nth = max(nth, 1)
    rows = page_day.listed(
        connection, scope, from_ms, to_ms, text, local.now_ms, which=which, nth=nth - 1
    )  # fmt: skip
    return _Part(rows=rows, which=which, words=text, counts=counts, nth=nth, pages=pages)


def _reminder(one: course_reminders.Reminder, local: Local) -> dict[str, Any]:
    """A marking deadline that is near or past, for whoever has registers to verify (STEP-20)."""
    many = f"{one.registers} {'register' if one.registers == 1 else 'registers'}{f' of {one.course}' if one.course else ''}"
    past = one.deadline_ms <= local.now_ms
    what = "not verified, and the marking deadline was" if past else "not verified: the marking deadline is"
    final = f" The records are final from {moments.said(one.lock_ms, local.zone)}." if one.lock_ms is not None else ""
    text = f"{many} {'is' if one.registers == 1 else 'are'} {what} {moments.said(one.deadline_ms, local.zone)}.{final}"
    return {"kind": "bad" if past else "late", "text": text, "session_id": one.session_id}


def _heading(everything: bool, mine: bool, is_today: bool) -> str:
    if mine:
        return "My registers for today" if is_today else "My registers"
    if everything:
        return "All sessions today" if is_today else "All sessions"
    return "Sessions in my care today" if is_today else "Sessions in my care"


def _nothing(part: _Part, wide: bool) -> str:
    if part.words:
        return "No session of this day has those words. Use fewer words, or show all."
    if part.counts is not None and part.counts.all:
        return "None of this day's sessions is on now." if part.which == page_day.NOW else "None of them is yours."
    if wide:
        return "No session is on the timetable for this day. If there should be one, import the timetable again."
    return "You have no sessions on this day. If you should have one, ask whoever keeps the timetable."


#: what somebody is in a session, where they are not its own staff
_PARTS = {parts.COVER: "cover", parts.AWAY: "handed over"}


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


def _line(desk: Desk, row: SessionRow, known: _Known, local: Local, others: bool) -> dict[str, Any]:
    """others: shown among sessions of others."""
    profile = desk.profile(row.profile, row.starts_ms)
    codes, part = known.codes.get(row.id, {}), known.parts.get(row.id)
    present = sum(many for code, (many, _) in codes.items() if profile.was_there(code))
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
        # Whoever looks at others' sessions, and whoever teaches it with others, wants to know who does.
        "staff": ", ".join(row.staff)
        if others or (part is not None and (part.staff > 1 or part.role == parts.AWAY))
        else "",
        "part": None if others else said,
        "starts": local.time(row.starts_ms),
        "ends": local.time(row.ends_ms),
        "tags": tags,
        "cancelled": row.cancelled_ms is not None,
        "coming": local.now_ms < row.opens_ms and not present,
        "present": present,
        "members": row.members,
        "share": min(100, present * 100 // row.members) if row.members else 0,
    }
