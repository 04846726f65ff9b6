"""What cards that sign said at new swipes: checked with each card's own key, and kept beside the swipe, right or wrong.

Nothing is refused here: a wrong message takes no swipe away. What all of a card's messages say together is judged where a
person looks (server/policy/card_counters.py), because one that comes late may change what the others say.
"""

from __future__ import annotations

from typing import Any

from firmware.contract import statement
from server import card_signature
from server.intake.desk import Desk, Record
from server.store import signed_cards


class CardMessages:
    """Keeps them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def read(self, new: list[tuple[int, Record]], facts: list[dict[str, Any]]) -> None:
        """new: records of any kind, by their id. facts: the swipes among them, which are in the store already."""
        said = {
            row_id: made.said.values["evidence"]
            for row_id, made in new
            if made.said is not None and made.said.kind == "swipe"
        }
        told = [
            (fact, statement.message(said[fact["id"]]))
            for fact in facts
            if said[fact["id"]][:1] in (statement.SIGNED, statement.SEALED)
        ]
        if not told:
            return
        wanted = {token for fact, _ in told for token in signed_cards.tokens_of(fact)}
        keys = signed_cards.signers(self.desk.connection, self.desk.ring.vault, wanted)
        rows = []
        for fact, message in told:
            mine = {(fact["institution_id"], *token) for token in signed_cards.tokens_of(fact)}
            signer = next((keys[one] for one in mine if one in keys), None)
            rows.append(
                {
                    "swipe_id": fact["id"],
                    "institution_id": fact["institution_id"],
                    "counter": message.counter if message else None,
                    "mac": message.mac if message else None,
                    "genuine": None
                    if signer is None or message is None
                    else card_signature.is_genuine(signer.key, signer.uid, message.counter, message.mac),
                }
            )
        signed_cards.add(self.desk.connection, rows)
