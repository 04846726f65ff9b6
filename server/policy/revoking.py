"""What counts of a reader that was stolen, lost or opened: a rule over what is known of one swipe or check-in. Pure.

Since it is out of our hands its key may be in others': whatever the store got since then may be forged, also what says
that it is older. What the store got before then is as good as ever.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Revoked:
    """A reader that is believed no more."""

    #: since when it is out of our hands, UTC ms
    since_ms: int
    #: a person looked at what it delivered since, and let count what is older than that
    released: bool

    def counts(self, *, at_ms: int | None, unsure_ms: int, received_ms: int) -> bool:
        """Whether a swipe counts that was at at_ms, give or take unsure_ms (None: nobody knows when), and that the store
        got at received_ms. Nothing that was or may have been after the theft ever does."""
        if received_ms < self.since_ms:
            return True
        return self.released and at_ms is not None and at_ms + unsure_ms < self.since_ms
