"""When records that were declared lost may have been made: of then nobody's silence speaks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from server.store import check_ins, swipes
from server.store.heads import Stated


def may_lie_in(connection: Connection, lost: Any, stated: list[Stated], begins: int, ends: int) -> bool:
    """Whether what was declared lost (a row of `journals.lost_of`) may have been recorded from begins to ends.

    stated: the reader's heads that say something about then; what they name was recorded by their time.
    """
    if lost.created_ms < begins:
        return False
    for one in stated:
        up_to = dict(part.split(":") for part in filter(None, one.journals.split(","))).get(lost.journal)
        if up_to is None:
            continue
        if int(up_to) >= lost.last and one.wall_ms + one.unsure_ms < begins:
            return False
        if int(up_to) < lost.first and one.wall_ms - one.unsure_ms > ends:
            return False
    for around in (swipes.around, check_ins.around):
        after_ms, before_ms = around(connection, lost.journal_id, lost.first, lost.last)
        if (after_ms is not None and after_ms > ends) or (before_ms is not None and before_ms < begins):
            return False
    return True
