"""The residence in words: what somebody is on an evening, how they checked in, what staff did, what is not known.

A state is said by a word and a shape, never by colour alone. A finger, a PIN with a witness and an entry by staff are
equal: the same word, the same shape, the same ground; how it was done stands beside it, small.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from server.pages import residence_doubts
from server.pages.local import Local
from server.pages.words import Said
from server.policy import downtime, evenings
from server.store.residence_board import Board, Row
from server.store.residence_evenings import CALL, ENTRY, EXCUSE, NOT_THEN, NOTE, Act
from server.store.residence_leaves import Leave
from server.store.residence_uncounted import FINGER_REFUSED, PIN_REFUSED, UNKNOWN_THERE, Uncounted


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A state as it is shown: a class of colour, a shape, a word."""

    kind: str
    shape: str
    text: str


_IN = Shown(kind="good", shape="●", text="in")
STATES: Mapping[str, Shown] = {
    evenings.CHECKED_IN: _IN,
    evenings.BY_ALTERNATIVE: _IN,
    evenings.BY_STAFF: _IN,
    evenings.MISSING: Shown(kind="bad", shape="▲", text="missing"),
    evenings.EXPECTED: Shown(kind="", shape="○", text="not in yet"),
    evenings.UNKNOWN: Shown(kind="late", shape="?", text="not known"),
    evenings.LEAVE: Shown(kind="calm", shape="→", text="on leave"),
    evenings.EXCUSED: Shown(kind="calm", shape="◇", text="excused"),
}
#: on whom staff act: nobody knows where they are
LOOKED_FOR = (evenings.MISSING, evenings.EXPECTED, evenings.UNKNOWN)
_METHODS = {
    evenings.FINGER: "by finger",
    evenings.PIN: "by card and PIN",
    evenings.WITNESS: "by card and a witness",
}
_ODD = {
    evenings.OUTSIDE: "outside the kiosk's place",
    evenings.NO_FIX: "place not known",
    evenings.UNSURE: "time not exact",
    evenings.WITNESS_ONLY: "on the witness's word",
}
#: why what somebody did at a kiosk does not count
_UNCOUNTED = {
    evenings.BEFORE: "before hours",
    evenings.AFTER: "after hours",
    evenings.OTHER_HOUSE: "in a house in which they do not live",
    evenings.NOT_RESIDENT: "when they did not live here",
    evenings.NO_WITNESS: "with nobody on duty beside them",
    evenings.ALTERNATIVE: "without a finger",
    evenings.WITNESS_ONLY: "on the witness's word",
    evenings.OUTSIDE: "outside the kiosk's place",
    evenings.NO_FIX: "with no place known",
    evenings.REVOKED: "at a kiosk that is believed no more",
    UNKNOWN_THERE: "a card that the kiosk did not know",
    FINGER_REFUSED: "the finger was refused",
    PIN_REFUSED: "the PIN was refused",
}
REASONS: Mapping[str, str] = {
    "guest-visit": "guest visit",
    "injury": "injury or illness",
    "leave": "leave",
    "work": "work",
    "family": "family",
    "kiosk-out-of-order": "kiosk out of order",
    "no-card": "no card with them",
    "other": "other: say what",
}
KINDS = {
    ENTRY: "entered as in",
    EXCUSE: "excused",
    CALL: "called",
    NOTE: "note",
    NOT_THEN: "the check-in without a time was not this evening's",
}
#: an evening that is not known for one of these staff can settle, by saying that it was another one's
SETTLED = (downtime.UNPLACED, downtime.ELSEWHEN, downtime.NOTED)
#: one tap: what is noted of a call
CALLS = (("no-answer", "No answer"), ("on-the-way", "On the way"), ("spoken", "Spoken to"))
LEAVES = {
    "asked": Said("late", "waits for an answer"),
    "approved": Said("good", "approved"),
    "refused": Said("bad", "refused"),
    "withdrawn": Said("", "taken back"),
}
TEMPLATES = {
    "wanted": Said("late", "waits for the finger at the kiosk"),
    "held": Said("good", "enrolled"),
    "erasing": Said("late", "is being erased: done when the kiosk is heard next"),
    "erased": Said("", "erased"),
    "failed": Said("bad", "failed"),
}
SAID = {
    "done": "Done. It stands in the list, with your name and the time.",
    "withdrawn": "Taken back. It stays to be read in the history.",
    "noted": "The note is left for the next shift.",
    "armed": "The consent is kept. Go to the kiosk now: your staff card, the resident's card, then the finger twice.",
    "disarmed": "This enrolment is ended. The kiosk erases it at its next contact.",
    "consent-withdrawn": "The consent is taken back. Each kiosk erases the finger at once, or at its next contact.",
    "pin": "The PIN is set. It is shown nowhere: the resident must know it.",
    "pin-ended": "There is no PIN any more.",
    "asked": "Your leave is asked for. Staff answer it; you see the answer below.",
    "leave-withdrawn": "The leave is taken back.",
    "approved": "The leave is approved. The board shows it on those evenings.",
    "refused": "The leave is refused. The resident sees your answer.",
    "closed": "The flag is closed, with your words.",
    "made": "It is made.",
    "changed": "The change is made.",
    "no-place": "Done. But no place is registered for this kiosk: nobody can tell whether it was moved, no check-in there "
    "shines green, and each is kept as “place not known”, which by some profiles does not count. Fill in its place below.",
    "ended": "It is ended. What was stays to be read.",
    "imported": "The list is taken in.",
}


def how(one: Row | Any, local: Local) -> str:
    """`by card and PIN, with Mary Hall, 20:14`: how somebody came to be in; '' where they are not."""
    if one.state == evenings.BY_STAFF:
        parts = [f"entered by {one.by}" if one.by else "entered by staff"]
        parts += [local.moment(one.at_ms)] if one.at_ms is not None else []
    elif one.state in evenings.AVAILED:
        parts = [_METHODS.get(one.method or "", one.method or "")]
        parts += [f"with {one.by}"] if one.by else []
        parts += [_ODD[one.why]] if one.why in _ODD else []
    elif one.state == evenings.EXCUSED:
        parts = [f"by {one.by}"] if one.by else []
    elif one.doubt is not None:
        parts = [residence_doubts.said(one.doubt, local)]
    else:
        parts = []
    return ", ".join(parts)


def uncounted(one: Uncounted, day: date, local: Local) -> str:
    """`came at 17:58 by finger, before hours: does not count`; of what was no check-in, `held their card at 20:05`."""

    def at(at_ms: int) -> str:
        return local.time(at_ms) if local.day(at_ms) == day else local.moment(at_ms)

    first, last = at(one.at_ms), at(one.last_ms)
    when = f"at {first}" if one.many == 1 else f"{one.many} times at {first}" if first == last else (
        f"{one.many} times from {first} to {last}")  # fmt: skip
    did = f"held their card {when}" if one.method is None else f"came {when} {_METHODS.get(one.method, '')}"
    parts = [did.rstrip()]
    parts += [f"with {one.by}"] if one.by else []
    parts += [f"at the kiosk of {one.house}"] if one.house else []
    # Of another house its name says it already.
    if not (one.why == evenings.OTHER_HOUSE and one.house):
        parts.append(_UNCOUNTED.get(one.why, one.why))
    return ", ".join(parts) + ": does not count"


def came_at(one: Row | Any, local: Local) -> str:
    """When they checked in; '' where they did not. When staff entered somebody says nothing of when they came."""
    return local.time(one.at_ms) if one.at_ms is not None and one.state != evenings.BY_STAFF else ""


def act(one: Act, local: Local) -> dict[str, Any]:
    """What staff did, as a line."""
    reason = REASONS.get(one.reason, one.reason).partition(":")[0]
    said = ": ".join(part for part in (KINDS.get(one.kind, one.kind), reason) if part)
    return {"id": one.id, "said": said, "text": one.text, "by": one.by, "when": local.moment(one.at_ms)}


def row(one: Row, day: date, local: Local) -> dict[str, Any]:
    """A resident on the board of an evening."""
    shown = STATES[one.state]
    return {
        "id": one.person_id,
        "name": one.name or "name erased",
        "number": one.number,
        "room": one.room,
        "floor": one.floor,
        "kind": shown.kind,
        "shape": shown.shape,
        "text": shown.text,
        "how": how(one, local),
        "doubt": residence_doubts.said(one.doubt, local) if one.doubt is not None else "",
        "at": came_at(one, local),
        "acts": [act(each, local) for each in one.acts],
        "uncounted": [uncounted(each, day, local) for each in one.uncounted],
        "settles": one.doubt is not None and one.doubt.why in SETTLED,
        "looked_for": one.state in LOOKED_FOR,
    }


def floors(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows by floor, in the order in which they come."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in rows:
        found.setdefault(one["floor"], []).append(one)
    return [
        {
            "name": f"Floor {floor}" if floor else "No floor named",
            "rows": rows,
            "inside": sum(one["text"] == _IN.text for one in rows),
        }
        for floor, rows in found.items()
    ]


def counts(found: Board) -> list[dict[str, Any]]:
    """How many are what; the ways to be in are told, and counted as one."""
    inside, other = found.of(*evenings.AVAILED), found.of(evenings.BY_ALTERNATIVE, evenings.BY_STAFF)
    said = [{"text": "in", "shape": _IN.shape, "many": len(inside),
             "more": f"{len(other)} without a finger" if other else ""}]  # fmt: skip
    for state in (evenings.MISSING, evenings.EXPECTED, evenings.UNKNOWN, evenings.LEAVE, evenings.EXCUSED):
        many = len(found.of(state))
        # Only what can be tonight: nobody is missing before the evening is over.
        if many or state in (evenings.MISSING, evenings.LEAVE):
            said.append({"text": STATES[state].text, "shape": STATES[state].shape, "many": many, "more": ""})
    return said


def known(found: Board, local: Local) -> Said:
    """One plain sentence: up to when the list holds, and what is not known."""
    opens, closes = local.time(found.opens_ms), local.time(found.closes_ms)
    now_ms, up_to_ms = local.now_ms, found.known_up_to_ms
    if not found.kiosks:
        return Said("late", "This house has no kiosk. Only what staff enter is known; nobody is called missing.")
    if now_ms < found.opens_ms:
        return Said("", f"The evening begins at {opens} and ends at {closes}.")
    behind = [one for one in found.kiosks if one.known_until_ms is None or one.known_until_ms < _reached(found, now_ms)]
    which = _named(behind, local)
    if now_ms < found.closes_ms:
        if up_to_ms is None:
            return Said("bad", f"Not known who is in: {which}. Ask at the kiosk, and write down who is there.")
        text = f"Complete up to {local.time(up_to_ms)}. “Missing” is said only after {closes}."
        if now_ms - up_to_ms > QUIET_MS:
            return Said("late", f"{text} Who came after {local.time(up_to_ms)} may not be here yet: {which}.")
        return Said("calm", text)
    if found.doubt is not None and found.doubt.why in (downtime.DOWN, downtime.LOST):
        why = residence_doubts.said(found.doubt, local)
        return Said("late", f"The evening is over, but {why}. Nobody is called missing: look for whoever is not in.")
    if up_to_ms is not None and up_to_ms >= found.closes_ms:
        return Said(
            "good", f"The evening is over and complete up to {closes}: “missing” means no check-in that counts."
        )
    since = "at all" if up_to_ms is None else f"after {local.time(max(up_to_ms, found.opens_ms))}"
    why = f": {which}" if which else ""
    return Said(
        "late", f"The evening is over, but what happened {since} is not known yet{why}. Nobody is called missing."
    )


#: a kiosk states its head each minute or so; beyond this it is said that it lags
QUIET_MS = 3 * 60_000


def _reached(found: Board, now_ms: int) -> int:
    return min(now_ms - QUIET_MS, found.closes_ms)


def _named(behind: list[Any], local: Local) -> str:
    said = [
        f"there may be two of {one.name}, so that a technician must look"
        if one.twice
        else f"{one.name} never said how far its list goes"
        if one.known_until_ms is None
        else f"{one.name} was last heard of {local.moment(one.known_until_ms)}"
        for one in behind
    ]
    return "; ".join(said)


def leave(one: Leave, local: Local) -> dict[str, Any]:
    """A leave as a line."""
    state = LEAVES.get(one.state, Said("", one.state))
    decided = f"{one.decided_by}, {local.moment(one.decided_ms)}" if one.decided_ms is not None else ""
    return {
        "id": one.id,
        "person_id": one.person_id,
        "name": one.name or "name erased",
        "when": span(one.first, one.last),
        "text": one.text,
        "state": state,
        "asked": local.moment(one.asked_ms),
        "decided": decided,
        "answer": one.answer,
        "open": one.state == "asked",
        "may_withdraw": one.state in ("asked", "approved"),
    }


def span(first: date, last: date) -> str:
    """`Sat 3 Oct – Mon 5 Oct 2026`."""
    end = f"{last:%a} {last.day} {last:%b} {last.year}"
    return end if first == last else f"{first:%a} {first.day} {first:%b} – {end}"
