"""A tap as derivation reads it (store/derivations.py): when it may have been, whether it is believed, as it is judged."""

from __future__ import annotations

from typing import Any

from firmware.contract.decide import Moment
from server.derive.credits import Tap, placed
from server.policy.revoking import Revoked


def is_believed(row: Any) -> bool:
    """Whether the reader is, or this tap of its came before it was stolen, or a person let it count."""
    if row.gone_ms is None:
        return True
    held = Revoked(since_ms=row.gone_ms, released=row.released_ms is not None)
    return held.counts(at_ms=row.at_ms, unsure_ms=row.uncertainty_ms, received_ms=row.received_ms)


def earliest(row: Any) -> int:
    """The earliest that it may have been."""
    return row.at_ms - row.uncertainty_ms


def latest(row: Any) -> int:
    """The latest that it may have been."""
    return row.at_ms + row.uncertainty_ms


def tap_of(row: Any) -> Tap:
    """As it is judged."""
    return placed(
        swipe_id=row.swipe_id,
        reader_id=row.reader_id,
        room_id=row.room_id,
        moment=Moment(row.journal, row.boot_ms, row.at_ms, row.uncertainty_ms),
        shown=row.shown,
        session_shown=row.session_shown,
    )
