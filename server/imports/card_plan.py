"""Cards as they are wanted, compared with what is held: which begin, which end and why. No I/O, no UID."""

from __future__ import annotations

from collections.abc import Callable

from server.imports.badrows import BadRows
from server.imports.cardlist import Cards, Token
from server.imports.summary import Summary
from server.store.imported_cards import CardChanges, HeldCards

REPLACED, RETURNED, IMPORT = "replaced", "returned", "import"


def plan(
    wanted: Cards,
    held: HeldCards,
    changes: CardChanges,
    summary: Summary,
    *,
    gone: set[str],
    known: Callable[[str], bool],
    bad: BadRows,
) -> None:
    """Fill `changes`. gone: persons that end; known: whether a person will be there.

    A replaced card's assignment ends at the import (PORT-8). Code: card-taken.
    """
    summary.before["cards"] = len(held.now)
    of_person: dict[str, dict[int, int]] = {}
    for card_id, (assignment_id, _, user) in held.now.items():
        if user:
            of_person.setdefault(user, {})[card_id] = assignment_id
    kept: set[int] = set()
    begin: list[tuple[str, tuple[Token, ...], int | None]] = []
    for user, cards in wanted.wanted.items():
        if not known(user):
            continue
        mine = of_person.get(user, {})
        for tokens in cards:
            card_id = next((held.cards[token] for token in tokens if token in held.cards), None)
            if card_id is None:
                begin.append((user, tokens, None))
                continue
            changes.more_tokens.extend((card_id, token) for token in tokens if token not in held.cards)
            if card_id in mine:
                kept.add(card_id)
            else:
                begin.append((user, tokens, card_id))
    ending = _ending(wanted, of_person, kept, gone)
    for user, tokens, card_id in begin:
        if card_id is not None and card_id in held.now and card_id not in ending:
            file, line, shown = wanted.where[tokens]
            text = (
                f"{shown} is the card of somebody else ({held.now[card_id][2] or 'another source'}): end it there first"
            )
            bad.add(file, line, "card-taken", text)
            continue
        changes.begin.append((user, tokens, card_id))
        replaces = any(ending.get(old) == REPLACED for old in of_person.get(user, {}))
        summary.add("cards", "assigned", f"card of {user}{' in place of another' if replaces else ''}")
    for card_id, why in ending.items():
        assignment_id, _, user = held.now[card_id]
        changes.end.append((assignment_id, card_id, why))
        summary.add("cards", "replaced" if why == REPLACED else "ended", f"card of {user}: {why}")


def _ending(wanted: Cards, of_person: dict[str, dict[int, int]], kept: set[int], gone: set[str]) -> dict[int, str]:
    """card id -> why its assignment ends."""
    ending: dict[int, str] = {}
    for user, mine in of_person.items():
        for card_id in mine:
            if card_id in kept:
                continue
            if user in gone:
                ending[card_id] = IMPORT
            elif user in wanted.wanted:
                ending[card_id] = REPLACED if wanted.wanted[user] else RETURNED
            elif wanted.complete:
                ending[card_id] = IMPORT
    return ending
