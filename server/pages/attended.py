"""A student's attendance as pages show it: by module, the exact percentage, and each session's part in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

from server.pages import words
from server.pages.desk import Desk
from server.pages.local import Local
from server.policy import days, percentages
from server.policy.percentages import Counted, Percentage
from server.policy.profile import Profile
from server.policy.sections import ATTENDANCE, ATTENDED, BURSARY, ENTITLEMENT, HALF, NOT_REQUIRED
from server.store.attendance import Attended

_LEDGERS = {ATTENDANCE: "Attendance", BURSARY: "Bursary"}
#: what a programme's days pay (DDU-11)
INCENTIVE = "To-and-fro"


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
                # As it was called for the latest of these, not for what is still to come.
                "profile": desk.profile(name, max(row.starts_ms for row in mine)).title,
                "ledgers": ledgers(desk, name, mine, local),
                "rows": _rows(desk, name, mine, local),
                "unmarked": sum(row.code is None and row.cancelled_ms is None for row in mine),
            }
        )
    return made


def ledgers(desk: Desk, name: str, rows: list[Attended], local: Local) -> list[dict[str, Any]]:
    """Each ledger's percentage over these sessions; for the bursary also the other reading (both are shown). Of a
    programme also the days that pay the to-and-fro incentive (DDU-11).

    A ledger counts the sessions whose own version of the rules has it: one that a later version brings or drops is
    neither laid over the past nor lost to it (LOUGH-39).
    """
    found = []
    for ledger, title in _LEDGERS.items():
        held = _held(desk, name, ledger, rows)
        if not held:
            continue
        here = _joined([percentages.percentage(one, ledger, counted) for one, counted in held])
        other = _joined([percentages.otherwise(one, counted) for one, counted in held]) if ledger == BURSARY else None
        found.append(
            {
                "title": title,
                "text": here.text,
                "sum": here.sum,
                "threshold": here.threshold,
                "reached": here.reached,
                "exact": True,
                # Only where the two readings differ is there anything to say.
                "other": other.sum if other is not None and other.fraction != here.fraction else None,
            }
        )
    if any(one.programme is not None for one, _ in _versions(desk, name, rows)):
        found.append(_incentive(_days(desk, name, rows, local)))
    return found


def _incentive(paid: dict[date, days.Pay]) -> dict[str, Any]:
    many = sum(one.paid for one in paid.values())
    text = f"{many} of {len(paid)} {'day' if len(paid) == 1 else 'days'}" if paid else "nothing counts yet"
    return {"title": INCENTIVE, "text": text, "sum": text, "threshold": None, "reached": None, "exact": False,
            "other": None}  # fmt: skip


def _days(desk: Desk, name: str, rows: list[Attended], local: Local) -> dict[date, days.Pay]:
    """Whether each day pays, by its date: what counts for the entitlements, by its own rules (DDU-10), of all its shifts.
    Days of which nothing counts yet, and those under rules of no programme, are left out."""
    shifts: dict[date, list[Attended]] = {}
    for row in rows:
        if row.cancelled_ms is None:
            shifts.setdefault(local.day(row.starts_ms), []).append(row)
    found = {}
    for day, mine in shifts.items():
        profile = desk.profile(name, mine[0].starts_ms)
        if profile.programme is None:
            continue
        counted = percentages.percentage(profile, ENTITLEMENT, [_counted(profile, row) for row in mine]).rows
        if any(one.effect != NOT_REQUIRED for one in counted):
            codes = [one.code if one.effect in (ATTENDED, HALF) else None for one in counted]
            found[day] = days.pays(profile, codes, swiped=any(row.tapped_ms is not None for row in mine))
    return found


def _versions(desk: Desk, name: str, rows: list[Attended]) -> list[tuple[Profile, list[Counted]]]:
    """The rows by the version of the rules that holds for each, the oldest version first: a changed profile does not
    rewrite the past."""
    found: dict[int | None, tuple[Profile, list[Counted]]] = {}
    for row in rows:
        profile = desk.profile(name, row.starts_ms)
        found.setdefault(profile.from_ms, (profile, []))[1].append(_counted(profile, row))
    return [found[from_ms] for from_ms in sorted(found, key=lambda from_ms: -1 if from_ms is None else from_ms)]


def _held(desk: Desk, name: str, ledger: str, rows: list[Attended]) -> list[tuple[Profile, list[Counted]]]:
    """Those of them whose version has this ledger."""
    return [(one, counted) for one, counted in _versions(desk, name, rows) if ledger in one.ledger_rules]


def _counted(profile: Profile, row: Attended) -> Counted:
    weight = Fraction(1)
    if profile.programme is not None:
        weight = days.weight(profile, days.kind_of(profile, length_min=(row.ends_ms - row.starts_ms) // 60_000))
    return Counted(
        key=row.session_id,
        code=row.code,
        verified=row.verified,
        granted=row.granted,
        corrected=row.corrected,
        cancelled=row.cancelled_ms is not None,
        weight=weight,
    )


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
        whys[ledger] = {
            row.key: row.why
            for one, counted in _held(desk, name, ledger, rows)
            for row in percentages.percentage(one, ledger, counted).rows
        }
    paid = _days(desk, name, rows, local)
    made = []
    for row in sorted(rows, key=lambda one: (-one.starts_ms, -one.session_id)):
        profile = desk.profile(name, row.starts_ms)
        cancelled = row.cancelled_ms is not None and row.code is None
        why = whys.get(ATTENDANCE, {}).get(row.session_id, "")
        second = _effect(whys[BURSARY][row.session_id]) if row.session_id in whys.get(BURSARY, {}) else None
        pay = paid.get(local.day(row.starts_ms))
        if pay is not None:
            second = _plain(pay.text)
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
                "second": second if not cancelled else None,
            }
        )
    return made


def _said(profile: Profile, row: Attended) -> str:
    if row.cancelled_ms is not None and row.code is None:
        return "cancelled"
    return words.mark_words(profile, row.code, row.late_min, row.early_min)


def _plain(text: str) -> str:
    """As a line of a table says it."""
    return text[:1].lower() + text[1:].rstrip(".")


def _effect(why: str) -> str:
    """`attended` of `P, present: attended`: mark and meaning stand beside it."""
    return why.rpartition(": ")[2] if ": " in why else why
