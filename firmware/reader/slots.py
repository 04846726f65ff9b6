"""Slots of the fingerprint sensor against the kiosk's ledger and the residents list: the three never stay in disagreement.

The ledger (on stable storage) is written before the sensor is asked for anything, and cleared after the record is in the
journal. So wherever the power goes, it explains what the sensor may hold at the next start:

    intended   about to be written: at the next start it is erased, and `enrol-failed` says so
    stored     the sensor has it, and says that it is whole: an `enrolled` record is due, then `held`
    held       a finger may be compared with it, while the list names this slot with this generation
    erasing    to be emptied; then the record in `event` is due, and the row goes

A sensor that does not hold what the ledger says (another one, or one that was wiped) is not believed in anything: all
that it holds is erased, and everybody enrols anew. The list is a desired state: what it does not name is erased.
"""

from collections import namedtuple

from firmware.contract.residents import ENROL, NO_SLOT
from firmware.reader.errors import ReaderError

INTENDED, STORED, HELD, ERASING = "intended", "stored", "held", "erasing"

#: One slot in the ledger. subject, by: the resident's and the staff's card, as in a statement (`1:0a1b…`), or None.
#: listed_ms: the list by which it was enrolled; an older one, after a start, does not undo it. event, detail: while
#: erasing, the record that is due. generation: None where the sensor held what nobody here enrolled.
Row = namedtuple("Row", ("slot", "generation", "subject", "by", "state", "listed_ms", "event", "detail"))
#: Empty this slot of the sensor.
Erase = namedtuple("Erase", ("slot",))


class Slots:
    """What the sensor may hold and what must go. order(action) hands out an `Erase`; the answer comes by `erased`.

    ledger: rows() -> every `Row`; put(rows) and drop(slot), durable on return; all may raise ReaderError.
    tell(event, now_ms, **fields) -> whether this kiosk event is in the journal.
    """

    def __init__(self, *, ledger, house, order, tell):
        self._ledger = ledger
        self._house = house
        self._order = order
        self._tell = tell
        self._there = False
        self._held = set()  # what the sensor holds, where it is there
        self._accounted = False  # the ledger explains that
        self._erasing = None  # the slot that the sensor was asked to empty
        self._failed_ms = None  # when it last could not
        #: code of what the ledger failed with, or None
        self.trouble = None

    def rows(self) -> list:
        """Every row of the ledger; none where it cannot be read."""
        try:
            return self._ledger.rows()
        except ReaderError as error:
            self.trouble = error.code
            return []

    def row(self, slot: int) -> "Row | None":
        """The ledger's row of a slot."""
        for row in self.rows():
            if row.slot == slot:
                return row
        return None

    def able(self) -> bool:
        """Whether the sensor is there and holds what the ledger says."""
        return self._accounted and self.trouble is None

    def usable(self, entry) -> bool:
        """Whether a finger may be compared with this entry's template."""
        if entry is None or entry.slot == NO_SLOT or not self.able() or entry.slot not in self._held:
            return False
        row = self.row(entry.slot)
        return row is not None and row.state == HELD and row.generation == entry.generation

    def enrolment(self, entry) -> str:
        """Whether a finger of this entry may be enrolled: `ok`, or `not-asked`, `held`, `away` or `busy`."""
        if entry is None or entry.slot == NO_SLOT or not entry.flags & ENROL:
            return "held" if self.usable(entry) else "not-asked"
        if not self.able():
            return "away"
        if self.usable(entry):
            return "held"
        return "ok" if self.row(entry.slot) is None and entry.slot not in self._held else "busy"

    # -- the sensor ------------------------------------------------------------------------------------------------

    def found(self, held, now_ms: int) -> None:
        """The sensor answers, and holds templates in these slots."""
        self._there = True
        self._held = set(held)
        self._accounted = False
        self._erasing = None
        self.settle(now_ms)

    def lost(self) -> None:
        """The sensor is away: what it holds is unknown until it is found again."""
        self._there = False
        self._accounted = False
        self._erasing = None

    def erased(self, slot: int, ended: str, now_ms: int) -> None:
        """An `Erase` ended: `erased`, `failed` or `lost`."""
        if slot != self._erasing:
            return
        self._erasing = None
        if not self._there:
            return
        if ended == "erased":
            self._held.discard(slot)
        else:
            self._failed_ms = now_ms
            return
        self.settle(now_ms)

    # -- an enrolment ----------------------------------------------------------------------------------------------

    def intend(self, entry, subject: str, by: str) -> bool:
        """The sensor is about to write this entry's template: on stable storage when True."""
        version_ms = self._house.roster.version_ms if self._house.roster else 0
        row = Row(entry.slot, entry.generation, subject, by, INTENDED, version_ms, None, None)
        return self.enrolment(entry) == "ok" and self._put([row])

    def stored(self, slot: int, now_ms: int) -> bool:
        """The sensor says that the template is in its slot, whole. True once the `enrolled` record is durable."""
        row = self.row(slot)
        if row is None or row.state != INTENDED or not self._there:
            return False
        self._held.add(slot)
        if self._put([_with(row, STORED)]):
            self.settle(now_ms)
        row = self.row(slot)
        return row is not None and row.state == HELD

    def not_stored(self, slot: int, why: str, now_ms: int) -> bool:
        """The enrolment of this slot came to nothing. True where an intent was open: then `enrol-failed` follows here."""
        row = self.row(slot)
        if row is None or row.state != INTENDED:
            return False
        if self._there and why != "lost":
            self._held.add(slot)  # something may be there
            self._put([_with(row, ERASING, "enrol-failed", why)])
            self.settle(now_ms)
        return True  # or, the sensor being lost, when it is found

    # -- towards agreement -----------------------------------------------------------------------------------------

    def settle(self, now_ms: int) -> None:
        """One step towards agreement, or as many as can be done at once. Call after each change, and now and then."""
        if self.trouble == "full":
            self.trouble = None  # nothing was written: it may go better now
        if not self._there or self.trouble is not None:
            return
        if not self._accounted and not self._account(now_ms):
            return
        self._finish_enrolments(now_ms)
        self._withdraw()
        self._erase(now_ms)

    def _account(self, now_ms):
        """The sensor was found: does the ledger explain what it holds?"""
        rows = self.rows()
        if self.trouble is not None:
            return False
        must = set([row.slot for row in rows if row.state in (STORED, HELD)])  # noqa: C403  as in contract/roster.py
        may = set([row.slot for row in rows])  # noqa: C403
        if must <= self._held <= may:
            # An intent that is still open is one that the power, or the sensor, cut short.
            cut = [_with(row, ERASING, "enrol-failed", "cut") for row in rows if row.state == INTENDED]
            if cut and not self._put(cut):
                return False
        else:
            why = "sensor-other" if self._held else "sensor-wiped"
            if not self._tell(why, now_ms, detail="%d-of-%d" % (len(self._held & must), len(must))):
                return False  # told first: an erasure that nobody can explain must not come before it
            going = []
            for row in rows:
                event = row.event or ("enrol-failed" if row.state == INTENDED else "erased")
                going.append(_with(row, ERASING, event, row.detail or why))
            for slot in self._held - may:
                going.append(Row(slot, None, None, None, ERASING, 0, "erased", why))
            if not self._put(going):
                return False
        self._accounted = True
        return True

    def _finish_enrolments(self, now_ms):
        for row in self.rows():
            if row.state != STORED:
                continue
            fields = {"subject": row.subject, "by": row.by, "slot": row.slot, "generation": row.generation}
            if not self._tell("enrolled", now_ms, **fields) or not self._put([_with(row, HELD)]):
                return

    def _withdraw(self):
        listed = self._house.roster
        if listed is None:
            return
        held = [row for row in self.rows() if row.state == HELD and row.listed_ms <= listed.version_ms]
        if not held:
            return
        wanted = set()
        for place in range(listed.count):
            entry = listed.entry(place)
            wanted.add((entry.slot, entry.generation))
        going = [_with(r, ERASING, "erased", "not-listed") for r in held if (r.slot, r.generation) not in wanted]
        if going:
            self._put(going)

    def _erase(self, now_ms):
        if self._failed_ms is not None and now_ms - self._failed_ms < 5000:
            return
        self._failed_ms = None
        for row in self.rows():
            if row.state != ERASING or self._erasing is not None:
                continue
            if row.slot in self._held:
                self._erasing = row.slot
                self._order(Erase(row.slot))
                continue
            fields = {"subject": row.subject, "by": row.by, "slot": row.slot, "generation": row.generation}
            if not self._tell(row.event, now_ms, detail=row.detail, **fields):
                return
            try:
                self._ledger.drop(row.slot)
            except ReaderError as error:
                self.trouble = error.code
                return

    def _put(self, rows):
        try:
            self._ledger.put(rows)
        except ReaderError as error:
            # What the disk holds now is unknown: no finger is compared or written until the next start has looked.
            self.trouble = error.code
            return False
        return True


def _with(row, state, event=None, detail=None):
    return Row(row.slot, row.generation, row.subject, row.by, state, row.listed_ms, event, detail)
