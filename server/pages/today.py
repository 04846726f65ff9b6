"""The sessions of a day: a lecturer's own, covered and shared ones (LOUGH-9, LOUGH-10); an administrator's all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Response

from server.errors import NotAllowed
from server.pages import words
from server.pages.desk import Desk, Signed
from server.pages.guard import PageRoute, clean
from server.pages.local import FIRST_DAY, LAST_DAY, Local, parse_day
from server.pages.local import words as day_words
from server.pages.rendering import page
from server.store import page_today, sessions
from server.store.engine import reading
from server.store.sessions import SessionRow

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/today")
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
        ids = [row.id for row in rows]
        codes = page_today.codes(connection, ids)
        parts = page_today.parts(connection, scope.person_id, ids)
        readers = page_today.with_reader(connection, ids)
    lines = [
        _line(signed.desk, row, codes.get(row.id, {}), parts.get(row.id), row.id in readers, local, scope.sees_all)
        for row in rows
    ]
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
        lines=found,
        shown=len(found),
        total=len(lines),
        nothing=_nothing(bool(lines), scope.sees_all),
    )


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


def _line(
    desk: Desk,
    row: SessionRow,
    codes: dict[str, tuple[int, int]],
    part: page_today.Part | None,
    has_reader: bool,
    local: Local,
    sees_all: bool,
) -> dict[str, Any]:
    profile = desk.profile(row.profile)
    present = sum(many for code, (many, _) in codes.items() if words.effect(profile, code) == "attended")
    marked = sum(many for many, _ in codes.values())
    verified = sum(many for _, many in codes.values())
    tags = [words.session_state(row, local.now_ms, local)]
    if (evidence := words.evidence_tag(row, local.now_ms, has_reader=has_reader)) is not None:
        tags.append(evidence)
    if profile.verification_needed and row.cancelled_ms is None and local.now_ms >= row.starts_ms:
        done = row.verified_ms is not None and verified == marked
        tags.append(words.Said("good", "verified") if done else words.Said("late", "not verified"))
    said = None
    if part is not None and part.role is not None:
        said = "cover" if part.role == "cover" else f"with {part.staff - 1} more" if part.staff > 1 else None
    return {
        "id": row.id,
        "title": row.title,
        "course_code": row.course_code,
        "rooms": ", ".join(row.rooms),
        # Whoever sees all, and whoever teaches it with others, wants to know who does.
        "staff": ", ".join(row.staff) if sees_all or (part is not None and part.staff > 1) else "",
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
