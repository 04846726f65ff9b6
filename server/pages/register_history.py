"""A register's history, for whoever may look into it: what was done to it, by whom, why, on whose authority (LOUGH-7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Response

from server.declared import act
from server.pages import beside, words
from server.pages.desk import Signed
from server.pages.guard import PageRoute, number
from server.pages.local import Local
from server.policy.profile import Profile
from server.store import register_history
from server.store.engine import reading
from server.store.register_history import Change, Entry

router = APIRouter(route_class=PageRoute, include_in_schema=False)

#: so many students of an entry are named, and the rest is counted
NAMED = 40
_PLAIN = {
    "begin": "the history begins with what the register held",
    "verify": "verified",
    "cancel": "the class was cancelled",
    "restore": "the cancellation was taken back",
    "report-closed": "what the registers team was told is closed",
    "erase": "texts were erased",
}
_TOLD = {
    "not-mine": "not my register",
    "it-fault": "cannot be marked: IT fault",
    "problem": "a problem",
    "completed": "somebody has completed",
}
_REQUESTS = {
    "request": "was asked for",
    "request-files": "got more files",
    "request-evidence": "wants evidence",
    "request-approve": "was approved",
    "request-withdraw": "was withdrawn",
}
_TAPS = {
    "added": "a tap was added as a walk-in",
    "other-class": "a tap belongs to another class",
    "unknown-card": "a tap with an unknown card was said to be somebody's",
    "dismissed": "a tap was said to be nobody's here",
}


@router.get("/sessions/{session}/history")
@act("register.history")
def show(signed: Signed, session: str) -> Response:
    """Every entry, the newest first."""
    session_id = number(session, "session")
    with reading(signed.engine) as connection:
        found = beside.find(signed, connection, session_id, "register.history")
        entries, whole = register_history.entries(connection, signed.scope, session_id)
    profile = signed.desk.profile(found.row.profile, found.row.starts_ms)
    return found.show(
        "history.html",
        lines=[_line(profile, one, found.local) for one in entries],
        whole=whole,
        most=register_history.MOST,
        requests=signed.scope.may("request.read"),
    )


def _line(profile: Profile, one: Entry, local: Local) -> dict[str, Any]:
    request = one.body.get("request")
    what, _, key = one.authority.partition("/")
    return {
        "at": local.moment(one.at_ms),
        "by": one.by or "Muster",
        "what": _what(one),
        "note": one.note,
        "authority": f"{what} {key}" if key else "",
        "request": request if isinstance(request, int) else None,
        "changes": [_change(profile, change) for change in one.changes[:NAMED]],
        "more": max(0, len(one.changes) - NAMED),
    }


def _change(profile: Profile, one: Change) -> dict[str, str]:
    after = words.mark_words(profile, one.code, one.late_min, one.early_min)
    return {
        "name": one.full_name,
        "before": one.before or "no mark",
        "after": one.code or "no mark",
        "words": after if one.code else "",
        "note": one.note,
    }


def _what(one: Entry) -> str:
    """What it says, in words; of a kind that nobody here knows, its own."""
    body, names = one.body, one.names
    match one.kind:
        case "mark":
            return f"{len(one.changes)} {'mark' if len(one.changes) == 1 else 'marks'} set"
        case "release":
            return f"the evidence is {body.get('evidence')}"
        case "cover":
            return _cover(body, names)
        case "walk-in" | "walk-in-end":
            done = "was added by hand" if one.kind == "walk-in" else "was taken off again"
            return f"{_names(names, body.get('person'))} {done}"
        case "swipe":
            whose = f": {_names(names, body['person'])}" if body.get("person") else ""
            return f"{_TAPS.get(str(body.get('outcome')), 'a tap was looked at')}{whose}"
        case "refuse-proposal":
            return f"the mark of {_names(names, body.get('person'))} stays, whatever the door says"
        case "bursary":
            return f"bursary is granted to {_names(names, body.get('persons'))}; no mark changes"
        case "list":
            return (
                f"{_names(names, body.get('persons'))}: off the list{' onto another' if body.get('to_class') else ''}"
            )
        case "timetable":
            return f"the registry changed its {_changed(body)}"
        case "notify":
            return f"a message went to {body.get('students')} of its students"
        case "report":
            return f"the registers team was told: {_TOLD.get(str(body.get('report')), body.get('report'))}"
        case "request-decide":
            return f"request {body.get('request')} was {body.get('state')}"
        case kind if kind in _REQUESTS:
            return f"request {body.get('request')} {_REQUESTS[kind]}"
    return _PLAIN.get(one.kind, one.kind.replace("-", " "))


def _changed(body: Mapping[str, Any]) -> str:
    was, now = body.get("was"), body.get("is")
    if not isinstance(was, dict) or not isinstance(now, dict):
        return "session"
    return ", ".join(key for key in ("times", "rooms", "classes", "staff") if was.get(key) != now.get(key)) or "title"


def _cover(body: Mapping[str, Any], names: Mapping[int, str]) -> str:
    if body.get("to") is None:
        back = f", and is {_names(names, body['back'])}'s again" if body.get("back") else ""
        return f"{_names(names, body.get('ended'))} does not cover it any more{back}"
    instead = f" in the place of {_names(names, body['instead'])}" if body.get("instead") else ""
    return f"handed over to {_names(names, body['to'])}{instead}"


def _names(names: Mapping[int, str], persons: object) -> str:
    wanted: Sequence[object] = persons if isinstance(persons, list) else [persons]
    found = [names[one] for one in wanted if isinstance(one, int) and one in names]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"{', '.join(found[:NAMED])}{more}" or "somebody"
