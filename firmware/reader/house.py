"""A kiosk's judgement: a card and a time in, the person's entry and a verdict out. It has a `Door`'s shape.

What stands on the residents list decides; nothing is remembered here. The store judges again over all that it knows.
"""

from firmware.contract import verdict
from firmware.reader.fence import NONE, OUT, Site


class House:
    """Judges cards at one kiosk."""

    def __init__(self):
        #: the `Residents` in force, or None. (The reader asks every list for its version and its last moment by this name.)
        self.roster = None

    def take(self, residents) -> bool:
        """Use this list from now on. False, and nothing changes, if it is not newer than the one in force."""
        if self.roster is not None and residents.version_ms <= self.roster.version_ms:
            return False
        self.roster = residents
        return True

    def site(self, own):
        """The `Site` at which the kiosk is registered, or None. own: what its settings say, which holds while no list
        says anything: none has come, or the store is of a release that tells nothing of it."""
        told = None if self.roster is None else self.roster.place
        if told is None:
            return own
        return Site(float(told.latitude), float(told.longitude), float(told.radius_m)) if told.radius_m else None

    def find(self, tokens: list):
        """(the entry, the token of these by which it was found); (None, None) where the list has none, or there is no list."""
        if self.roster is not None:
            for held in tokens:
                entry = self.roster.find(held.token)
                if entry is not None:
                    return entry, held
        return None, None

    def judge(self, entry, reading, place=None) -> str:
        """The verdict that a check-in of this entry (None: of a card that is on no list) is shown at a `clock.Reading`.

        place: as in `fence.Where`; a kiosk that is out of its place, or does not know where it is, promises nobody that it
        counts: by some profiles it does not.
        """
        if entry is None or self.roster is None or reading.wall_ms is None:
            return verdict.UNCHECKED
        early, late = reading.wall_ms - reading.uncertainty_ms, reading.wall_ms + reading.uncertainty_ms
        if self.session_open(early) and self.session_open(late):
            return verdict.UNCHECKED if place in (OUT, NONE) else verdict.GREEN
        # Past its end a list knows no evenings any more, and near an edge the time may be on either side.
        if late > self.roster.valid_until_ms:
            return verdict.UNCHECKED
        for evening in self.roster.evenings:
            if evening.opens_ms <= late and early < evening.closes_ms:
                return verdict.UNCHECKED
        return verdict.NO_SESSION

    def stranger(self, reading) -> str:
        """The verdict for a card that the list does not have: red only where the list is fresh and the time is known."""
        if self.roster is None or reading.wall_ms is None:
            return verdict.UNCHECKED
        fresh = self.roster.is_fresh(reading.wall_ms + reading.uncertainty_ms)
        return verdict.NOT_LISTED if fresh else verdict.UNCHECKED

    def idle(self, reading) -> str:
        """What the display says while nobody is there: `waiting` without a time or a list in force, `open` or `closed`."""
        if reading.wall_ms is None or self.roster is None or reading.wall_ms > self.roster.valid_until_ms:
            return "waiting"
        return "open" if self.session_open(reading.wall_ms) else "closed"

    def session_open(self, at_ms: int) -> bool:
        """Whether an evening is open then: the blue light."""
        return self.roster is not None and self.roster.evening(at_ms) is not None

    def session_ended(self, after_ms: int, until_ms: int) -> bool:
        """Whether an evening closed after `after_ms` and not after `until_ms`: a head is stated then."""
        if self.roster is not None:
            for evening in self.roster.evenings:
                if after_ms < evening.closes_ms <= until_ms:
                    return True
        return False
