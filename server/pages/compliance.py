"""Unmarked and late registers by department and lecturer (LOUGH-8), and the inbox of what was told about registers
(LOUGH-5, LOUGH-12)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.pages import campus_words
from server.pages.campus_form import Form
from server.pages.desk import Signed
from server.pages.guard import PageRoute, check_csrf, number
from server.pages.local import Local, parse_day
from server.pages.local import words as day_words
from server.pages.rendering import page
from server.pages.words import Said
from server.policy import deadlines
from server.store import compliance, judged_registers, report_inbox
from server.store.compliance import Compliance, Count
from server.store.engine import reading, writing
from server.store.judged_registers import Judged
from server.store.report_inbox import Report

router = APIRouter(route_class=PageRoute, include_in_schema=False)

#: days looked at where none is named, and at most
DAYS, MOST = 7, 92
LECTURERS = 30
_WORDS = {
    deadlines.UNMARKED: Said("bad", "unmarked"),
    deadlines.OVERDUE: Said("late", "overdue"),
    deadlines.LATE: Said("", "marked late"),
}
KINDS = {
    "not-mine": "not my register",
    "it-fault": "cannot be marked: IT fault",
    "problem": "a problem",
    "completed": "somebody has completed (C): tell the exams team",
}


@router.get("/compliance")
@act("compliance.read")
def show(signed: Signed, since: str = "", until: str = "") -> Response:
    """Registers of some days that are not as they should be. since, until: ISO days, both included."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        last = parse_day(until) or local.today()
        first = parse_day(since) or last - timedelta(days=DAYS - 1)
        first = min(max(first, last - timedelta(days=MOST - 1)), last)
        from_ms, to_ms = local.bounds(first)[0], local.bounds(last)[1]
        found = compliance.unmarked(connection, signed.scope, signed.desk.profiles, from_ms, to_ms, local.now_ms)
    return page(
        signed.request,
        "compliance.html",
        login=signed.login,
        since=first.isoformat(),
        until=last.isoformat(),
        span=day_words(first) if first == last else f"{day_words(first)} to {day_words(last)}",
        departments=_departments(found, local),
        lecturers=[_count(one) for one in found.by_lecturer if one.missing or one.late][:LECTURERS],
        reports=signed.scope.may("report.close"),
    )


def _departments(found: Compliance, local: Local) -> list[dict[str, Any]]:
    """Each department with its counts, and by lecturer the registers that are not as they should be."""
    made = []
    for count in found.by_department:
        mine = [
            one for one in found.rows if count.id in one.department_ids or (count.id is None and not one.department_ids)
        ]
        staff: dict[str, list[Judged]] = {}
        for one in mine:
            staff.setdefault(", ".join(one.staff) or "Nobody teaches it", []).append(one)
        made.append(
            {
                **_count(count),
                "name": count.name or judged_registers.NO_DEPARTMENT,
                "staff": [
                    {"name": who, "lines": [_line(one, local) for one in staff[who]]}
                    for who in sorted(staff, key=str.casefold)
                ],
            }
        )
    return made


def _count(one: Count) -> dict[str, Any]:
    return {"name": one.name or "Nobody teaches it", "due": campus_words.many(one.due, "register"), "late": one.late,
            "missing": one.missing}  # fmt: skip


def _line(one: Judged, local: Local) -> dict[str, Any]:
    return {
        "id": one.session_id,
        "title": one.title,
        "missing": f"{one.missing} of {one.members} without a mark" if one.missing else "",
        "when": f"{local.dated(one.starts_ms)}, {local.time(one.starts_ms)} – {local.time(one.ends_ms)}",
        "tag": _WORDS[one.state],
        "text": one.text,
        "rule": one.rule,
    }


@router.get("/compliance/reports")
@act("report.close")
def inbox(signed: Signed, said: str = "", closed: str = "") -> Response:
    """What was told about registers. closed=yes: what was seen to."""
    done = closed == "yes"
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = report_inbox.reports(connection, signed.scope, closed=done)
    return page(
        signed.request,
        "compliance_reports.html",
        login=signed.login,
        csrf=signed.login.csrf,
        reports=[_report(one, local) for one in found],
        closed=done,
        said=campus_words.SAID.get(said),
    )


def _report(one: Report, local: Local) -> dict[str, Any]:
    return {
        "id": one.id,
        "session_id": one.session_id,
        "title": one.title,
        "when": f"{local.dated(one.starts_ms)}, {local.time(one.starts_ms)}",
        "kind": KINDS.get(one.kind, one.kind),
        "told": f"{local.moment(one.created_ms)} by {one.by}",
        "note": one.note,
        "closed": f"{local.moment(one.closed_ms)} by {one.closed_by}" if one.closed_ms is not None else None,
    }


@router.post("/compliance/reports/{report}/close")
@act("report.close")
def close(signed: Signed, report: str, fields: Form) -> Response:
    """It was seen to. Twice is once."""
    check_csrf(fields, signed.login)
    with writing(signed.engine) as connection:
        did = report_inbox.close(connection, signed.scope, number(report, "report"), signed.now_ms())
    return RedirectResponse(f"/compliance/reports?said={'closed' if did else 'same'}", status_code=303)
