"""An enrolment, from the two cards to the record: what the sensor was asked for, and what it means how that ended."""

#: how the sensor ended it -> what the display says; anything else: `enrol-failed`
NOT_ENROLLED = {"differ": "enrol-differ", "no-finger": "ended", "lost": "enrol-away", "held": "enrol-busy"}


class Enrolment:
    """At most one is under way: until the sensor has ended it, also where nobody waits for it any more.

    slots: `slots.Slots`; tell: as `Condition.tell`.
    """

    def __init__(self, *, slots, tell):
        self._slots = slots
        self._tell = tell
        self._order = None
        self._entry = None
        self._act = None

    def may(self, entry) -> str:
        """Whether one may begin for this entry: `ok`, or `not-asked`, `held`, `away` or `busy`."""
        return self._slots.enrolment(entry) if self._order is None else "busy"

    def begin(self, order: int, act) -> None:
        """The sensor is asked for it, with this order. act: the resident's `Act`, with the staff card in `by`."""
        self._order, self._entry, self._act = order, act.entry, act

    def is_under(self, order: int) -> bool:
        """Whether this is the order of the one under way."""
        return self._order is not None and order == self._order

    def intend(self) -> bool:
        """The sensor is about to write: that is on stable storage when True."""
        return self._slots.intend(self._entry, self._act.subject, self._act.by)

    def ended(self, outcome: str, now_ms: int) -> str:
        """The sensor ended it: `stored`, or why not. Returns the message: `enrolled` once the record is durable."""
        entry, act = self._entry, self._act
        self._order = self._entry = self._act = None
        if outcome == "stored":
            # Where the record cannot be kept now the ledger knows of it, and it follows.
            return "enrolled" if self._slots.stored(entry.slot, now_ms) else "not-recorded"
        if not self._slots.not_stored(entry.slot, outcome, now_ms):
            fields = {"subject": act.subject, "by": act.by, "slot": entry.slot, "generation": entry.generation}
            self._tell("enrol-failed", now_ms, detail=outcome, **fields)
        return NOT_ENROLLED.get(outcome, "enrol-failed")
