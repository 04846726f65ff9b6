"""What a register's page says of its session beside the marks: heading, deadlines, remarks, and what was just done."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from server.pages.local import Local
from server.pages.local import words as day_words
from server.pages.snapshots import Snapshot
from server.policy import deadlines, tiers
from server.policy.deadlines import State
from server.policy.profile import Profile
from server.store import course_times, page_register, reports
from server.store.engine import Connection
from server.store.session_rows import SessionRow

#: what an address may ask the page to say was done
SAID = {
    "mark": "The mark is set.",
    "marks": "The marks are set.",
    "verified": "The marks are verified and count now.",
    "added": "The student is on this register now, and marked.",
    "there": "The student is on this register already.",
    "ended": "The student is off this register again.",
    "told": "The registers team knows.",
    "remark": "The remark is kept.",
    "cancelled": "The class is cancelled. Tell the students, if they do not know yet.",
    "restored": "The class takes place after all: what held before holds again.",
    "covered": "The session is handed over: your colleague marks it now.",
    "uncovered": "Your colleague does not cover this session any more: who handed it over marks it again.",
    "sent": "The message is on its way.",
    "removal": "The registers team is asked to take the student off the list.",
    "paper": "Written down. Transfer the paper register by the end of the day.",
    "transferred": "Written down: the paper register is transferred. Destroy the paper.",
    "destroyed": "Written down: the paper is destroyed.",
    "accepted": "The mark is what the door says.",
    "kept": "The mark stays as it was set.",
}
#: this close to a deadline it is said louder
SOON_MS = 5 * 60_000
_KINDS = {
    deadlines.OPEN: "calm",
    deadlines.WARNED: "late",
    deadlines.OVERDUE: "bad",
    deadlines.UNMARKED: "bad",
    deadlines.MARKED: "good",
    deadlines.LATE: "late",
}


def heading(row: SessionRow, local: Local) -> dict[str, Any]:
    """Course code, title, start and end (LOUGH-6), rooms and staff."""
    day = local.day(row.starts_ms)
    return {
        "id": row.id,
        "title": row.title,
        "course_code": row.course_code,
        "course_title": row.course_title,
        "starts": local.time(row.starts_ms),
        "ends": local.time(row.ends_ms),
        "day": day.isoformat(),
        "day_words": day_words(day),
        "rooms": ", ".join(row.rooms),
        "staff": ", ".join(row.staff),
    }


def state(profile: Profile, row: SessionRow, about: dict[str, Any], marked_ms: int | None, local: Local) -> State:
    """Where the register stands (LOUGH-1 to 4, LOUGH-8), by policy."""
    return deadlines.state(
        profile,
        starts_ms=row.starts_ms,
        ends_ms=row.ends_ms,
        mode=about["mode"],
        zone=local.zone,
        now_ms=local.now_ms,
        marked_ms=marked_ms,
        cancelled=row.cancelled_ms is not None,
        members=row.members,
        course_deadline_ms=about["deadline_ms"],
    )


def due(profile: Profile, snapshot: Snapshot, local: Local) -> dict[str, Any] | None:
    """Until when it is to be marked, and how long that is; None: nothing is due."""
    row, about = snapshot.register.session, snapshot.about
    times = deadlines.marking(
        profile, starts_ms=row.starts_ms, ends_ms=row.ends_ms, mode=about["mode"], zone=local.zone,
        course_deadline_ms=about["deadline_ms"],
    )  # fmt: skip
    found = state(profile, row, about, about["marked_ms"], local)
    if found.name == deadlines.NOT_DUE or times.breach_ms is None:
        return None
    kind = _KINDS[found.name]
    if found.name in (deadlines.MARKED, deadlines.LATE):
        label = "Marked" if found.name == deadlines.MARKED else "Marked late"
        return {"kind": kind, "label": label, "time": local.moment(about["marked_ms"]), "left": "", "text": ""}
    at_ms = times.breach_ms
    if times.warn_ms is not None and local.now_ms <= times.warn_ms:
        at_ms = times.warn_ms
    left_ms = at_ms - local.now_ms
    if found.name == deadlines.OPEN and left_ms <= SOON_MS:
        kind = "late"
    return {
        "kind": kind,
        "label": "Mark by" if left_ms >= 0 else "Was to be marked by",
        "time": local.moment(at_ms),
        "left": f"in {local.lasting(left_ms)}" if left_ms >= 0 and local.now_ms >= row.opens_ms else "",
        "text": found.text if found.name in (deadlines.WARNED, deadlines.OVERDUE, deadlines.UNMARKED) else "",
    }


def tier(profile: Profile, snapshot: Snapshot, local: Local) -> dict[str, Any] | None:
    """Who may change marks now, and until when; said once the session has ended (LOUGH-31 to 34, STEP-1 to 3)."""
    row, about = snapshot.register.session, snapshot.about
    if local.now_ms <= row.ends_ms or row.cancelled_ms is not None:
        return None
    found = tiers.tier(
        profile, ends_ms=row.ends_ms, now_ms=local.now_ms, zone=local.zone,
        marking_deadline_ms=about["deadline_ms"], lock_ms=about["lock_ms"], batch_starts_ms=about["batch_starts_ms"],
    )  # fmt: skip
    return {"text": found.text, "by_request": found.by_request}


def extras(connection: Connection, profile: Profile, session: SessionRow, local: Local) -> dict[str, Any]:
    """What is read with the marks and shown beside them."""
    times = course_times.of(connection, [session.id])[session.id].by(profile, local.zone)
    facts = page_register.facts(connection, session.id, verified=profile.verification_needed)
    return {
        "mode": facts.mode,
        "marked_ms": facts.marked_ms,
        "lms": safe_lms(facts.lms_url),
        "deadline_ms": times.marking_deadline_ms,
        "lock_ms": times.lock_ms,
        "batch_starts_ms": times.batch_starts_ms,
        "remarks": [
            {"by": one.by, "at": local.moment(one.created_ms), "text": one.text}
            for one in reports.remarks(connection, session.id)
        ],
        "reports": [
            {"kind": one.kind, "by": one.by, "at": local.moment(one.created_ms), "note": one.note}
            for one in reports.open_reports(connection, session.id)
        ],
    }


def safe_lms(address: str | None) -> str | None:
    """The address of a course in the LMS, if it is one of the web's over TLS (STEP-7)."""
    try:
        parts = urlsplit(address or "")
    except ValueError:
        return None
    return address if parts.scheme == "https" and parts.netloc and "\\" not in (address or "") else None
