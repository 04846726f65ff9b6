"""The reader inside a kiosk: a door's reader with a house's judgement, whose records are check-ins and kiosk events.

Everything else (journal, clock, uplink, receipts, lights, list on the shelf) is the door's own code.
"""

from firmware.contract import residents, statement
from firmware.reader.errors import StorageFailed, StorageFull
from firmware.reader.house import House
from firmware.reader.reader import Reader


class KioskReader(Reader):
    """As `Reader`. more_health() -> dict: what stands under `kiosk` in the health report."""

    def __init__(self, *, settings, storage, shelf, random_bytes, firmware):
        #: the `House`, which the base calls its door
        self.house = House()
        self.more_health = dict
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
