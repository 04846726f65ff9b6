"""What is stored of cards that sign what they say at a tap: lines of the inventory."""

from __future__ import annotations

from server.store import schema_cards as _C
from server.store.inventory import BYTES, EVERYBODY, SECRET, Kept
from server.store.inventory_groups import CARDS, LINE

CARDS_ = (
    Kept(table=_C.signing_key, holds="The secret from which each card's own key is made, sealed.", group=CARDS,
         columns={"secret": SECRET}),
    Kept(table=_C.card_signer, holds="If your card signs: its number and its own key, sealed together, and opened only "
         "to check what it said.", group=CARDS, whose=EVERYBODY,
         way=lambda me: _C.card_signer.c.card_id.in_(me.cards), columns={"sealed": SECRET}, goes=True),
    Kept(table=_C.swipe_message, holds="If your card signs: the count and the signature that it gave at a tap, and whether "
         "the signature was right.", group=LINE, whose=EVERYBODY,
         way=lambda me: _C.swipe_message.c.swipe_id.in_(me.swipes), columns={"mac": BYTES}, goes=True),
)  # fmt: skip
