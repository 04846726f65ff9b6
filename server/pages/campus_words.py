"""What the registry's pages say: histories and sources in words. Pure: facts in, words out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from server.pages.local import Local
from server.store.campus import SOURCE, Step

SAID = {
    "added": "It is made.",
    "changed": "The change is made.",
    "same": "It was so already: nothing was changed.",
    "ended": "It is at an end from now on. What was before stays.",
    "enrolled": "They are on the class list. The doors know it within a minute.",
    "left": "They are off the class list from that day on.",
    "blocked": "The card is blocked. Every door that can be reached stops it within a minute.",
    "card": "The new card works at the doors within a minute; every other card of theirs is blocked.",
    "back": "They are here again. Give them a card and their classes anew.",
    "closed": "The report is closed.",
    "asked": "It will run within a minute. Load this page again to see how it went.",
}
_ACTIONS = {
    "person.add": "made by hand",
    "person.change": "changed: {changed}",
    "person.end": "left: off every class list, cards blocked",
    "person.back": "is back",
    "card.hold": "given a card",
    "card.replace": "given a new card; those before are blocked",
    "card.block": "card blocked: {why}",
    "card.lost": "card reported lost, and blocked",
    "enrolment.begin": "onto a class list as {role}",
    "enrolment.end": "off a class list",
    "batch.change": "its days or classes set",
    "session.add": "made by hand",
    "session.change": "changed: {changed}",
    "profile.assign": "judged by the profile {profile} from {day} on",
    "profile.end": "the profile {profile} holds no more from {day} on",
    "schedule.change": "scheduled import changed",
    "schedule.run": "import asked for",
    "register.export": "exported: {form}",
    "report.close": "report closed",
    "text.erase": "texts erased",
    "mark.set": "a mark set",
    "register.verify": "register verified",
}
_KINDS = ("room", "term", "department", "programme", "course", "class")
_WHY = {"lost": "lost", "replaced": "replaced by another", "returned": "given back", "import": "by an import", "moved":
        "given to somebody else", "blocked": "blocked by hand"}  # fmt: skip


def history(steps: Iterable[Step], local: Local) -> list[dict[str, str]]:
    """The lines of an object's history: when, what, by whom."""
    return [{"at": local.moment(one.at_ms), "what": what(one, local), "by": one.by or "Muster"} for one in steps]


def what(one: Step, local: Local) -> str:
    """What was done, in words."""
    name, _, verb = one.action.partition(".")
    if name in _KINDS and verb in ("add", "change"):
        changed = ", ".join(_column(word) for word in one.detail.get("changed", ()))
        return "made by hand" if verb == "add" else f"changed: {changed}"
    about = {key: _text(value) for key, value in one.detail.items()}
    about.setdefault("day", local.dated(one.detail["from_ms"]) if "from_ms" in one.detail else "")
    said = _ACTIONS.get(one.action, one.action.replace(".", " "))
    said = said.format_map(_Blank(about))
    return said + _times(one.detail, local)


class _Blank(dict):
    """Gives a gap for what an older row does not say."""

    def __missing__(self, key: str) -> str:
        return "…"


def _text(value: object) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _column(word: str) -> str:
    return word.removesuffix("_id").removesuffix("_ms").replace("_", " ")


def _times(detail: Mapping[str, Any], local: Local) -> str:
    """From when to when, from which rooms to which (LOUGH-7)."""
    said = []
    if "from" in detail and "to" in detail:
        before, after = (when(one[0], one[1], local) for one in (detail["from"], detail["to"]))
        said.append(f"{before} → {after}")
    for key, word in (("rooms", "rooms"), ("classes", "classes")):
        if f"{key}_from" in detail:
            before, after = detail[f"{key}_from"], detail[f"{key}_to"]
            said.append(f"{word} {', '.join(before) or 'none'} → {', '.join(after) or 'none'}")
    return f" ({'; '.join(said)})" if said else ""


def when(starts_ms: int, ends_ms: int, local: Local) -> str:
    """`Mon 5 Oct 2026, 10:00 – 11:00`."""
    return f"{local.dated(starts_ms)}, {local.time(starts_ms)} – {local.time(ends_ms)}"


def source(name: str) -> str:
    """Where something comes from."""
    return "made by hand" if name == SOURCE else f"from {name}" if name else ""


def card_ended(why: str | None) -> str:
    """Why a card works no longer."""
    return _WHY.get(why or "", "blocked")


def many(count: int, one: str, more: str = "") -> str:
    """`1 session`, `12 sessions`."""
    return f"{count} {one if count == 1 else more or one + 's'}"
