"""The reader inside a kiosk: a door's reader with a house's judgement, whose records are check-ins and kiosk events.

Everything else (journal, clock, uplink, receipts, lights, list on the shelf) is the door's own code.
"""

from firmware.contract import residents, statement
from firmware.reader.errors import StorageFailed, StorageFull
from firmware.reader.house import House
from firmware.reader.reader import Reader

#: What a kiosk without a residents list says of itself: it keeps whose cards were there, and can check nobody in.
NO_LIST = "list"


class KioskReader(Reader):
    """As `Reader`. more_health() -> dict: what stands under `kiosk` in the health report.

    on_list() is called once another residents list is in force.
    """

    def __init__(self, *, settings, storage, shelf, random_bytes, firmware):
        #: the `House`, which the base calls its door
        self.house = House()
        self.more_health = dict
        self.on_list = lambda: None
        # It was without a list, and the store has answered no head that says so and when: one that says `ok` would speak
        # for all the time since boot.
        self._listless = False
        self._said = []  # nonces of the heads that have said so since there is a list, the last few
        Reader.__init__(
            self,
            settings=settings,
            storage=storage,
            shelf=shelf,
            random_bytes=random_bytes,
            firmware=firmware,
            door=self.house,
            decode=residents.decode,
        )

    def next(self, now_ms: int):
        """As a door's; a head that says that there was no list, and when, is said until the store has answered it."""
        out = Reader.next(self, now_ms)
        # One without a time says nothing to the store of when that was.
        if out is not None and out.kind == "head" and self._tells_late(now_ms):
            self._said = self._said[-3:] + [self.uplink.stated]
        return out

    def received(self, kind: str, payload: bytes, now_ms: int) -> None:
        """As a door's; once there is a list the store hears at once that there was none."""
        before = self.house.roster
        Reader.received(self, kind, payload, now_ms)
        if self.house.roster is not before:
            self.on_list()
            if self._tells_late(now_ms):
                self.uplink.head_due(now_ms)

    def broken(self) -> bool:
        """Without a list it keeps who was there all the same."""
        return self.uplink.able not in ("ok", NO_LIST)

    def _time(self, asked_ms, heard_ms, wall_ms):
        heard = self.uplink.answered in self._said
        if heard:
            self._listless = False
            self._said = []
        Reader._time(self, asked_ms, heard_ms, wall_ms)
        # At once: how it is now, or that there was no list and when. While that one is under way it is not said again.
        if heard or (self._tells_late(heard_ms) and not self._said):
            self.uplink.head_due(heard_ms)

    def _tells_late(self, now_ms):
        """Whether it has a list now, and can say when it had none."""
        return self._listless and self.house.roster is not None and self.clock.read(now_ms).wall_ms is not None

    def _able(self):
        able = Reader._able(self)
        if self.house.roster is None:
            self._listless = True
        return NO_LIST if able == "ok" and self._listless else able

    def tokens(self, uid: bytes) -> list:
        """A card's `Token`s, one or two."""
        return [statement.Token(key.id, key.token(uid)) for key in self.settings.card_keys]

    def reading(self, now_ms: int):
        """What the clock says."""
        return self.clock.read(now_ms)

    def check_in(self, values: dict, where, reading, now_ms: int) -> "str | None":
        """Append a check-in at this `fence.Where`, by the list in force. Returns as `record` does."""
        held = dict(values)
        held["place"] = where.place
        held["cell"] = None if where.cell == "-" else where.cell
        held["fix"] = None if where.fix == "-" else where.fix
        held["roster"] = self.house.roster.version_ms if self.house.roster else None
        return self.record("checkin", held, reading, now_ms)

    def record(self, kind: str, values: dict, reading, now_ms: int) -> "str | None":
        """Append a record, with the time of this reading; durable on return. None, or why it is not kept.

        values: the fields of `statement.FIELDS` but for journal, seq and the time.
        """
        held = dict(values)
        held["boot_ms"] = now_ms
        held["wall_ms"] = reading.wall_ms
        held["clock"] = reading.state
        held["uncertainty_ms"] = reading.uncertainty_ms
        try:
            self.journal.record(kind, held)
        except (StorageFull, StorageFailed) as error:
            self._count(error.code)
            self._look(now_ms)
            self.lights.cancel(now_ms)
            return error.code
        if reading.state != "sync":
            self._unplaced = True
        return None

    def count(self, what: str) -> None:
        """One more of this, for the health report."""
        self._count(what)

    def health(self, now_ms: int) -> dict:
        """As at a door, and the kiosk's own parts."""
        said = Reader.health(self, now_ms)
        said["kiosk"] = self.more_health()
        return said
