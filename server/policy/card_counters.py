"""What a swipe proves of its card (PORT-9): its number only, or a message that only this card can have made, and only once.

A card counts each reading, and signs the count. So of one card the swipes in order of time must be in order of count,
and no count comes twice. When they *arrived* says nothing: a door that was offline for a day tells its swipes late, with
the counts of their time. Judged over all of a card's swipes each time, from facts alone, in whatever order they came.

The machine decides nothing by it: the swipe counts as one with a number does, and whoever reads the register sees the doubt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: what a swipe rests on
NUMBER = "number"  #: a card's number, which can be copied; its card does not sign
SIGNED = "signed"  #: a message of this card, made for no other tap
UNSIGNED = "unsigned"  #: the number of a card that signs, without its message
UNKNOWN_KEY = "unknown-key"  #: a message of a card whose key the store does not have
ENCRYPTED = "encrypted"  #: a message that nobody here can read
FORGED = "forged"  #: a message that this card's key did not make
REPEATED = "repeated"  #: this card's message of another tap, played again
OLDER = "older"  #: a message that this card made before one that it had said earlier
#: those that a person should look at
DOUBTS = frozenset((UNSIGNED, FORGED, REPEATED, OLDER))


@dataclass(frozen=True, kw_only=True)
class Said:
    """One swipe with a card."""

    swipe_id: int
    #: between which times it was, UTC ms; None: nobody knows
    lo_ms: int | None
    hi_ms: int | None
    #: whether it brought a message; its count, None where it is encrypted
    message: bool
    counter: int | None = None
    #: None: the card's key is not known
    genuine: bool | None = None
    #: whether the card was known to sign by then
    signs: bool = False


def judge(swipes: Iterable[Said]) -> dict[int, str]:
    """swipe id -> what it rests on. swipes: all of one card."""
    found: dict[int, str] = {}
    sound: list[Said] = []
    for one in swipes:
        if not one.message:
            found[one.swipe_id] = UNSIGNED if one.signs else NUMBER
        elif one.counter is None:
            found[one.swipe_id] = ENCRYPTED
        elif one.genuine is None:
            found[one.swipe_id] = UNKNOWN_KEY
        elif not one.genuine:
            found[one.swipe_id] = FORGED
        else:
            sound.append(one)
    for one in sound:
        found[one.swipe_id] = SIGNED
    _repeated(sound, found)
    _older([one for one in sound if found[one.swipe_id] == SIGNED], found)
    return found


def _repeated(sound: list[Said], found: dict[int, str]) -> None:
    by_count: dict[int | None, list[Said]] = {}
    for one in sound:
        by_count.setdefault(one.counter, []).append(one)
    for same in by_count.values():
        if len(same) == 1:
            continue
        # The card said it once: surely at the first of them, if one was surely first. Else it may have been at any.
        first = [one for one in same if all(_before(one, other) for other in same if other is not one)]
        for one in same:
            if one not in first:
                found[one.swipe_id] = REPEATED


def _older(sound: list[Said], found: dict[int, str]) -> None:
    # In falling order of count: one that was surely after any with a higher count had been made before it, and kept.
    first_end: int | None = None
    for one in sorted(sound, key=lambda each: -(each.counter or 0)):
        if first_end is not None and one.lo_ms is not None and one.lo_ms > first_end:
            found[one.swipe_id] = OLDER
        elif one.hi_ms is not None:
            first_end = one.hi_ms if first_end is None else min(first_end, one.hi_ms)


def _before(one: Said, other: Said) -> bool:
    return one.hi_ms is not None and other.lo_ms is not None and one.hi_ms < other.lo_ms
