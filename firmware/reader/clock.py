"""What a reader knows of the time: a pairing of its monotonic clock with the epoch, and how far that can be wrong.

A reader trusts nobody's clock but the store's, which it asks for with a nonce: the answer was made between asking and
hearing, so it is wrong by at most half the round trip, and drifts by 50 ppm after that. States: `sync` while the pairing is
young, `hold` while it ages, `none` until there is one. Never a silent guess.
"""

from collections import namedtuple

DRIFT_PPM = 50  #: of a Pico's crystal (30 ppm) with temperature and ageing on top
#: what whole milliseconds cost at most: the ticks when asked, when heard and now, and the store's own
TICKS_MS = 3
SYNC_FOR_MS = 15 * 60 * 1000  #: a pairing younger than this is `sync`
#: epoch times outside these years are a broken store, not a time
EARLIEST_MS = 1_704_067_200_000  # 2024-01-01
LATEST_MS = 4_102_444_800_000  # 2100-01-01

#: wall_ms and uncertainty_ms are None where state is `none`
Reading = namedtuple("Reading", ("wall_ms", "state", "uncertainty_ms"))
#: A pairing: at monotonic boot_ms it was wall_ms, give or take uncertainty_ms.
Pairing = namedtuple("Pairing", ("boot_ms", "wall_ms", "uncertainty_ms"))
UNSET = Reading(None, "none", None)


class Clock:
    """The reader's clock. `pairing` is what it goes by, or None."""

    def __init__(self):
        self.pairing = None
        #: how often an answer contradicted what the clock went by: a stepped or drifting clock, for the technician
        self.contradictions = 0

    def answered(self, asked_ms: int, heard_ms: int, wall_ms: int) -> bool:
        """The store said it was `wall_ms` at some moment between asking and hearing (monotonic ms).

        Takes the answer where it is better than what the clock goes by now, or contradicts it (the store is believed:
        its answer is MACed). Returns whether it was taken.
        """
        if heard_ms < asked_ms or not EARLIEST_MS <= wall_ms <= LATEST_MS:
            return False
        half = (heard_ms - asked_ms + 1) // 2
        new = Pairing(heard_ms, wall_ms + half, half)
        now = self.read(heard_ms)
        if now.wall_ms is not None:
            apart = abs(now.wall_ms - new.wall_ms)
            if apart > now.uncertainty_ms + half:
                self.contradictions += 1
            elif half >= now.uncertainty_ms:
                # A slower answer than what is known tells nothing new. Also in `hold`: an answer that some queue kept
                # for minutes must not turn a time known to 200 ms into one known to minutes.
                return False
        self.pairing = new
        return True

    def read(self, now_ms: int) -> "Reading":
        """What the clock says at monotonic `now_ms`."""
        if self.pairing is None:
            return UNSET
        age_ms = now_ms - self.pairing.boot_ms
        uncertainty_ms = self.pairing.uncertainty_ms + TICKS_MS + abs(age_ms) * DRIFT_PPM // 1_000_000
        state = "sync" if age_ms <= SYNC_FOR_MS else "hold"
        return Reading(self.pairing.wall_ms + age_ms, state, uncertainty_ms)
