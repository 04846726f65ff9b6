"""What a tap rests on, in words, for whoever reads a register (PORT-9)."""

from __future__ import annotations

from collections.abc import Iterable

from server.pages.local import Local
from server.pages.words import Said
from server.policy import card_counters
from server.store.signed_cards import Tap

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
