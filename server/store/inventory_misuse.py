"""What is stored of what may be misuse of cards: lines of the inventory (PORT-9)."""

from __future__ import annotations

from sqlalchemy import or_

from server.store import schema_misuse as _M
from server.store.inventory import STUDENTS, WIRE, Kept, of
from server.store.inventory_groups import MISUSE

MISUSE_ = (
    Kept(table=_M.misuse_flag, holds="That taps with your card looked odd, for the registry to judge: a machine decides "
         "nothing by it. Of two cards that always come together, whether the other one is yours.", group=MISUSE,
         whose=STUDENTS,
         # Whichever of a pair is asked: the other one is "another".
         way=lambda me: or_(_M.misuse_flag.c.person_id == me.person, _M.misuse_flag.c.other_person_id == me.person),
         own=("person_id",), columns={"subject": WIRE}),
    Kept(table=_M.misuse_tap, holds="Which of your taps and check-ins that rested on.", group=MISUSE, whose=STUDENTS,
         way=of(_M.misuse_tap.c.person_id), own=("person_id",)),
    Kept(table=_M.misuse_look, holds="How far was looked for it.", group=MISUSE),
)  # fmt: skip
