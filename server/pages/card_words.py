"""What a tap rests on, in words, for whoever reads a register (PORT-9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from server.pages.local import Local
from server.pages.words import Said
from server.policy import card_counters
from server.store.card_doubts import Rests, Tap

_KINDS = {
    card_counters.NUMBER: ("", "by the card's number, which can be copied"),
    card_counters.SIGNED: ("good", "signed by the card, and counted in order"),
    card_counters.UNKNOWN_KEY: ("calm", "signed by the card; its key is not registered, so nobody checked it"),
    card_counters.ENCRYPTED: ("calm", "by the card's number; what it said beside that is encrypted"),
    card_counters.UNSIGNED: (
        "late",
        "by its number alone, though this card signs: taken away too soon, or a copy. Ask to see the card",
    ),
    card_counters.FORGED: (
        "bad",
        "its signature is wrong: it may be a copy. Ask to see the card, and tell the registry",
    ),
    card_counters.REPEATED: (
        "bad",
        "its signature was used at another tap: it may be a copy. Ask to see the card, and tell the registry",
    ),
    card_counters.OLDER: (
        "bad",
        "its signature is older than one from before: it may be a copy. Ask to see the card, and tell the registry",
    ),
}


#: the same on a line of the register, in a few words; the most serious first
_SHORT = {
    card_counters.FORGED: Said("bad", "card: wrong signature"),
    card_counters.REPEATED: Said("bad", "card: signature used twice"),
    card_counters.OLDER: Said("bad", "card: old signature"),
    card_counters.UNSIGNED: Said("late", "card: not signed"),
}
#: beside a tap that an open flag rests on, for those who read flags
_FLAGGED = Said("late", "misuse: open flag")


def onto(rows: dict[int, dict[str, Any]], found: Iterable[Rests]) -> None:
    """Say it on each line whose taps have a doubt: the most serious one."""
    worst: dict[int, str] = {}
    order = list(_SHORT)
    for one in found:
        if one.kind in _SHORT and one.person_id in rows:
            worst[one.person_id] = min(one.kind, worst.get(one.person_id, one.kind), key=order.index)
    for person_id, kind in worst.items():
        rows[person_id]["notes"].append(_SHORT[kind])


def flagged(rows: Mapping[int, dict[str, Any]], flags: Iterable[int]) -> dict[int, dict[str, Any]]:
    """These lines, with a word on those of the persons whom open flags are about. The lines that were handed in stay."""
    more = {one: rows[one] | {"notes": [*rows[one]["notes"], _FLAGGED]} for one in flags if one in rows}
    return {one: more.get(one, row) for one, row in rows.items()}


def rests_on(kind: str) -> Said:
    """What a tap of this kind (`card_counters`) rests on."""
    return Said(*_KINDS[kind])


def taps(found: Iterable[Tap], local: Local) -> list[dict[str, str]]:
    """When, where, and on what each tap rests."""
    return [
        {"at": local.seconds(one.at_ms), "room": one.room, "kind": said.kind, "said": said.text}
        for one in found
        for said in [rests_on(one.kind)]
    ]
