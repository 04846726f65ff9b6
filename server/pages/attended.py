"""A student's attendance as pages show it: by module, the exact percentage, and each session's part in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from server.pages import words
from server.pages.desk import Desk
from server.pages.local import Local
from server.policy import percentages
from server.policy.percentages import Counted, Percentage
from server.policy.profile import Profile
from server.policy.sections import ATTENDANCE, BURSARY
from server.store.attendance import Attended

_LEDGERS = {ATTENDANCE: "Attendance", BURSARY: "Bursary"}


def modules(desk: Desk, rows: Iterable[Attended], local: Local) -> list[dict[str, Any]]:
    """One entry for each module (and set of rules that it was held under), by code.

    No reason, note or remark is in it: others may look over the student's shoulder (LOUGH-16).
    """
    grouped: dict[tuple[str, str, str], list[Attended]] = {}
    for row in rows:
        key = (row.course_code or "", row.course_title or row.title, row.profile)
        grouped.setdefault(key, []).append(row)
    made = []
    for (code, title, name), mine in sorted(grouped.items()):
        made.append(
            {
                "code": code or "no course code",
                "title": title,
                "profile": desk.profile(name).title,
                "ledgers": ledgers(desk, name, mine),
                "rows": _rows(desk, name, mine, local),
                "unmarked": sum(row.code is None and row.cancelled_ms is None for row in mine),
            }
        )
    return made


def ledgers(desk: Desk, name: str, rows: list[Attended]) -> list[dict[str, Any]]:
    """Each ledger's percentage over these sessions; for the bursary also the other reading (both are shown)."""
    found = []
    for ledger, title in _LEDGERS.items():
        if ledger not in desk.profile(name).ledger_rules:
            continue
        here = _percentage(desk, name, ledger, rows)
        other = _otherwise(desk, name, rows) if ledger == BURSARY else None
        found.append(
            {
                "title": title,
                "text": here.text,
                "sum": here.sum,
                "threshold": here.threshold,
                "reached": here.reached,
                # Only where the two readings differ is there anything to say.
                "other": other.sum if other is not None and other.fraction != here.fraction else None,
            }
        )
    return found


def _versions(desk: Desk, name: str, rows: list[Attended]) -> list[tuple[Profile, list[Counted]]]:
    """The rows by the version of the rules that holds for each: a changed profile does not rewrite the past."""
    found: dict[int | None, tuple[Profile, list[Counted]]] = {}
    for row in rows:
        profile = desk.profile(name, row.starts_ms)
        counted = Counted(key=row.session_id, code=_code(row), verified=row.verified, granted=row.granted)
        found.setdefault(profile.from_ms, (profile, []))[1].append(counted)
    return list(found.values())


def _code(row: Attended) -> str | None:
    return row.code


def _percentage(desk: Desk, name: str, ledger: str, rows: list[Attended]) -> Percentage:
    return _joined([percentages.percentage(one, ledger, counted) for one, counted in _versions(desk, name, rows)])


def _otherwise(desk: Desk, name: str, rows: list[Attended]) -> Percentage:
    return _joined([percentages.otherwise(one, counted) for one, counted in _versions(desk, name, rows)])


def _joined(parts: list[Percentage]) -> Percentage:
    if len(parts) == 1:
        return parts[0]
    attended, counted = sum(one.attended for one in parts), sum(one.counted for one in parts)
    return replace(
        parts[-1],
        attended=attended,
        counted=counted,
        fraction=attended / counted if counted else None,
        rows=tuple(row for one in parts for row in one.rows),
    )


def _rows(desk: Desk, name: str, rows: list[Attended], local: Local) -> list[dict[str, Any]]:
    whys: dict[str, dict[object, str]] = {}
    for ledger in (ATTENDANCE, BURSARY):
        if ledger in desk.profile(name).ledger_rules:
            whys[ledger] = {row.key: row.why for row in _percentage(desk, name, ledger, rows).rows}
    made = []
    for row in sorted(rows, key=lambda one: (-one.starts_ms, -one.session_id)):
        profile = desk.profile(name, row.starts_ms)
        cancelled = row.cancelled_ms is not None and row.code is None
        why = whys.get(ATTENDANCE, {}).get(row.session_id, "")
        bursary = whys.get(BURSARY, {}).get(row.session_id)
        made.append(
            {
                "when": local.dated(row.starts_ms),
                "at": f"{local.time(row.starts_ms)} – {local.time(row.ends_ms)}",
                "title": row.title,
                "code": row.code,
                "kind": words.kind_of(profile, row.code),
                "said": _said(profile, row),
                "tapped": local.time(row.tapped_ms) if row.tapped_ms is not None else None,
                "why": "the class was cancelled: does not count" if cancelled else _effect(why),
                "bursary": _effect(bursary) if bursary is not None and not cancelled else None,
            }
        )
    return made


def _said(profile: Profile, row: Attended) -> str:
    if row.cancelled_ms is not None and row.code is None:
        return "cancelled"
    return words.mark_words(profile, row.code, row.late_min, row.early_min)


def _effect(why: str) -> str:
    """`attended` of `P, present: attended`: mark and meaning stand beside it."""
    return why.rpartition(": ")[2] if ": " in why else why
