"""The sensor's glass, as the kiosk knows it: what the sensor waits for a finger for, and whether one may lie there still.

A finger that was seen lies there until the sensor says that the glass is free: the next person's comparison waits for
that, or the finger of the one before is taken for theirs.
"""

from firmware.reader.kiosk_table import FINGER_SEEN, Cancel, Enrol, Verify


class Glass:
    """hand(action): takes a `Verify`, `Enrol` or `Cancel` for the sensor."""

    def __init__(self, hand):
        self._hand = hand
        #: of the last thing that the sensor was asked to wait for a finger for; an answer to another one is not heard
        self.order = 0
        #: a finger was seen, and not seen gone since
        self.taken = False

    def verify(self, slot: int, lift: bool) -> None:
        """Compare the next finger with this slot. lift: as in `Verify`."""
        self.order += 1
        self._hand(Verify(self.order, slot, lift))

    def enrol(self, slot: int) -> int:
        """Put a finger into this slot. Returns the order."""
        self.order += 1
        self._hand(Enrol(self.order, slot))
        return self.order

    def cancel(self) -> None:
        """Nobody waits any more: what the sensor still says is not heard."""
        self.order += 1
        self._hand(Cancel())

    def seen(self, outcome: str) -> None:
        """A comparison ended so, also one that nobody waits for."""
        self.taken = self.taken or outcome in FINGER_SEEN
