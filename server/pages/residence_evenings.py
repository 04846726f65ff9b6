"""Somebody's evenings as pages show them: the 75 % with each evening's part in it, leave, consents, enrolments (DDU-14)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from server import residence_texts
from server.errors import NotFound
from server.pages import residence_doubts, residence_words
from server.pages.desk import Visit
from server.pages.local import Local, parse_day
from server.pages.local import words as day_words
from server.policy import evenings
from server.policy.percentages import Percentage
from server.policy.percentages import Row as PartRow
from server.store import (
    residence_board,
    residence_leaves,
    residence_pins,
    residence_reach,
    residence_reports,
    residence_templates,
)
from server.store.engine import Connection
from server.store.residence_evenings import State
from server.store.residence_templates import Consent

#: evenings that are shown unless others are asked for, and at most
DAYS, DAYS_MAX = 30, 400


def shown(signed: Visit, connection: Connection, person_id: int, since: str, until: str) -> dict[str, Any]:
    """The evenings of a time, newest first, with the percentage and why each counts as it does. Raises NotFound."""
    local, scope, profiles = signed.local(connection), signed.scope, signed.desk.profiles
    tonight = residence_board.tonight(connection, scope, profiles, local.now_ms)
    last = min(parse_day(until) or tonight, tonight)
    first = parse_day(since) or last - timedelta(days=DAYS - 1)
    first = max(min(first, last), last - timedelta(days=DAYS_MAX - 1))
    states = residence_reports.history(connection, scope, profiles, person_id, first, last, local.now_ms)
    found = residence_reports.percentage(connection, scope, profiles, person_id, first, last, local.now_ms)
    rows = [
        {
            "day": day_words(one.day),
            "iso": one.day.isoformat(),
            "state": residence_words.STATES[one.state],
            "at": residence_words.came_at(one, local),
            # Why it is not known stands beside the part that it has in the percentage.
            "how": residence_words.how(one, local) if one.doubt is None else "",
            "acts": [residence_words.act(each, local) for each in one.acts],
            "uncounted": [residence_words.uncounted(each, one.day, local) for each in one.uncounted],
            "why": _why(row, one) if one.doubt is None else residence_doubts.said(one.doubt, local),
            "part": _part(row),
        }
        for one, row in zip(states, found.rows, strict=True)
    ]
    return {
        "evenings": rows[::-1],
        "settles": any(one.doubt is not None and one.doubt.why in residence_words.SETTLED for one in states),
        "figure": figure(found),
        "since": first.isoformat(),
        "until": last.isoformat(),
        "lives": f"room {states[-1].room or 'not named'}, floor {states[-1].floor or 'not named'}" if states else "",
    }


def _part(row: PartRow) -> str:
    return "counts" if row.counted and row.attended else "counts against" if row.counted else "not counted"


def _why(row: PartRow, one: State) -> str:
    """Why it counts so, without repeating that it does: that stands before it."""
    why = row.why.removesuffix(f": {_part(row)}")
    if one.state == evenings.MISSING and one.uncounted:
        return f"{why} that counts"
    return why.removesuffix(": does not count yet") if not row.counted else why


def figure(found: Percentage) -> dict[str, Any]:
    """The percentage in words, exactly, with its threshold: exactly on it is enough."""
    enough = found.reached
    return {
        "text": found.text,
        "sum": found.sum,
        "threshold": found.threshold,
        "kind": {True: "good", False: "bad", None: ""}[enough],
        "said": {
            True: f"at or above {found.threshold} %",
            False: f"below {found.threshold} %",
            None: "nothing counts yet",
        }[enough],
    }


def about(signed: Visit, connection: Connection, person_id: int, local: Local) -> dict[str, Any]:
    """Leaves, consents, enrolments and how the PIN stands; `here`: they are in care still, or it is oneself."""
    scope, now_ms = signed.scope, local.now_ms
    if not residence_reach.is_own(scope, person_id) and not residence_reach.cares_for(
        connection, scope, person_id, residence_board.READ, now_ms
    ):
        # They have moved on: what is beside their evenings here is for staff of the house in which they live now.
        return {"here": False, "leaves": [], "agrees": False, "consents": [], "templates": [], "pin": None}
    consents = residence_templates.consents(connection, scope, person_id, now_ms)
    templates = residence_templates.of_person(connection, scope, person_id, now_ms)
    pin = residence_pins.of_person(connection, scope, person_id, now_ms)
    leaves = residence_leaves.of_person(connection, scope, person_id, now_ms)
    return {
        "here": True,
        "leaves": [residence_words.leave(one, local) for one in leaves],
        "agrees": any(one.withdrawn_ms is None for one in consents),
        "consents": [
            {
                "version": one.text_version,
                "language": residence_texts.NAMES.get(one.language, one.language),
                "lang": one.language,
                "digest": one.text_digest[:12],
                "paragraphs": _words(one),
                "given": f"{local.dated(one.given_ms)}, {local.time(one.given_ms)}",
                "by": one.taken_by,
                "withdrawn": f"{local.dated(one.withdrawn_ms)}, {local.time(one.withdrawn_ms)}"
                if one.withdrawn_ms is not None
                else "",
                "withdrawn_by": one.withdrawn_by,
            }
            for one in consents
        ],
        "templates": [
            {
                "id": one.id,
                "kiosk": one.reader,
                "state": residence_words.TEMPLATES.get(one.state),
                "when": local.moment(
                    next(at for at in (one.erased_ms, one.erasing_ms, one.held_ms, one.asked_ms) if at is not None)
                ),
                "failed": one.state == "wanted" and one.failed_ms is not None,
                "held": one.state in ("wanted", "held"),
            }
            for one in templates
        ],
        "pin": None if pin is None else {
            "set": local.moment(pin.set_ms),
            "tries": pin.tries,
            "locked": local.moment(pin.locked_ms) if pin.locked_ms is not None else "",
        },
    }  # fmt: skip


def _words(one: Consent) -> tuple[str, ...]:
    """The very words that were agreed to; none where they are not at hand any more: then their digest speaks."""
    try:
        found = residence_texts.text(one.text_version, one.language)
    except NotFound:
        return ()
    return found.paragraphs if found.digest == one.text_digest else ()
