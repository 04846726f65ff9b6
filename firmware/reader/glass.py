"""The sensor's glass, as the kiosk knows it: what the sensor waits for a finger for, and whether one may lie there still.

From the moment that a finger is asked for one may lie there, until the sensor says that the glass is free after that: the
next person's comparison waits for it, or the finger of the one before is taken for theirs. A comparison that is cancelled
may end just as a finger comes down, so its own word that none was seen is not enough.
"""

from firmware.reader.kiosk_table import Cancel, Enrol, Verify


class Glass:
    """hand(action): takes a `Verify`, `Enrol` or `Cancel` for the sensor."""

    def __init__(self, hand):
        self._hand = hand
        #: of the last thing that the sensor was asked to wait for a finger for; an answer to another one is not heard
        self.order = 0
        #: a finger may lie there: one was asked for, and the glass was not seen free since that ended
        self.taken = False
        self._waits = 0  # the last order for which a finger is awaited; 0: for none
        self._lifting = False  # somebody was asked to take theirs away first

    def next_person(self, slot: int, early: bool) -> str:
        """Compare the finger of whoever comes now with this slot. early: before that of the one before was seen.

        Returns what they are asked: `finger`, or first of all `finger-lift`.
        """
        lift = self.taken or early
        self.verify(slot, lift)
        self._lifting = lift
        return "finger-lift" if lift else "finger"

    def verify(self, slot: int, lift: bool) -> None:
        """Compare the next finger with this slot. lift: as in `Verify`."""
        self._hand(Verify(self._next(), slot, lift))

    def enrol(self, slot: int) -> int:
        """Put a finger into this slot. Returns the order."""
        self._hand(Enrol(self._next(), slot))
        return self.order

    def cancel(self) -> None:
        """Nobody waits any more: what the sensor still says is not heard."""
        self.order += 1
        self._lifting = False
        self._hand(Cancel())

    def ended(self, order: int) -> None:
        """A comparison or an enrolment ended, also one that nobody waits for."""
        if order == self._waits:
            self._waits = 0
            self._lifting = False

    def free(self) -> bool:
        """The sensor sees no finger. Returns whether somebody was asked to take theirs away, and has."""
        lifted, self._lifting = self._lifting, False
        if not self._waits:
            self.taken = False
        return lifted

    def _next(self):
        self.order += 1
        self._waits = self.order
        self._lifting = False
        self.taken = True
        return self.order
