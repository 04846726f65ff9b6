"""One kiosk in virtual time: a reader's storage, a ledger, a sensor that is a table of slots, and people. Nothing sleeps.

The sensor's slots are the emulated R30x's own memory (simulator/r30x_flash.py), a file that outlives the power. Every
write that lasts (a record, a row of the ledger, a template) is a step at which the power may go: `cut_at`.
"""

import random

from firmware.contract import residents, statement
from firmware.contract.mac import Key
from firmware.contract.residents import ENROL, NO_PIN, NO_SLOT, RESIDENT, STAFF, Entry, Evening
from firmware.pi.finger_ledger import FingerLedger
from firmware.reader.errors import StorageFailed
from firmware.reader.fence import Where
from firmware.reader.kiosk import Kiosk
from firmware.reader.kiosk_reader import KioskReader
from firmware.reader.kiosk_table import Cancel, Enrol, Survey, Verify
from firmware.reader.pins import pin_hash
from firmware.reader.settings import Settings
from firmware.reader.slots import Erase
from simulator.r30x_finger import Finger, template
from simulator.r30x_flash import Flash
from tests.firmware.reader.memory_storage import Medium, MemoryShelf, MemoryStorage
from tests.firmware.reader.store_emulator import StoreEmulator

KEY = Key(1, bytes(range(32)))
CARD_KEY = Key(3, b"\x22" * 32)
PIN_KEY = Key(2, b"\x44" * 32)
T0 = 1_790_000_000_000
HOUR_MS = 3600_000
GREEN = (0, 255, 0)
CAPACITY = 20
#: who there is: a resident with a finger, one without, one to be enrolled, staff, staff who live there, and a stranger
ADA, BEN, CAT, SAM, SUE, EVE = (
    b"\x04" + name for name in (b"ada...", b"ben...", b"cat...", b"sam...", b"sue...", b"eve...")
)
PIN = "2468"


class PowerOut(BaseException):
    """The power went: whatever was going on is over. (No Exception: nobody may catch it.)"""


class Steps:
    """Counts what is written for good. cut_at: the step (from 0) at which the power goes; after: once it is written."""

    def __init__(self):
        self.count = 0
        self.cut_at = None
        self.after = False

    def before(self):
        if self.cut_at == self.count and not self.after:
            raise PowerOut

    def done(self):
        self.count += 1
        if self.cut_at == self.count - 1 and self.after:
            raise PowerOut


class CutStorage(MemoryStorage):
    """The journal's storage, with its steps."""

    def __init__(self, medium, steps):
        MemoryStorage.__init__(self, medium)
        self.steps = steps

    def append(self, journal, seq, text, mac):
        self.steps.before()
        MemoryStorage.append(self, journal, seq, text, mac)
        self.steps.done()


class CutLedger(FingerLedger):
    """The real ledger, with its steps; broken: every call fails, as on a disk that is gone."""

    def __init__(self, folder, steps):
        super().__init__(folder)
        self.steps = steps
        self.broken = False

    def _commit(self, statement, rows):
        self.steps.before()
        super()._commit(statement, rows)
        self.steps.done()

    def _check(self):
        if self.broken:
            raise StorageFailed("the disk is gone")
        return super()._check()


class World:
    """Calls on the kiosk go through the methods here, which carry out what it asks of the sensor when `serve` is called."""

    def __init__(self, folder, capacity=100_000, evenings=None, kiosk=Kiosk, card_keys=(CARD_KEY,)):
        self.card_keys = list(card_keys)
        self.make = kiosk
        self.folder = folder
        self.rng = random.Random(5)
        self.steps = Steps()
        self.medium = Medium(capacity)
        self.store = StoreEmulator("kiosk-1", KEY)
        self.evenings = evenings if evenings is not None else [Evening(T0 - HOUR_MS, T0 + 3 * HOUR_MS)]
        self.flash = Flash(folder / "sensor.bin", capacity=CAPACITY)
        self.there = True
        self.where = Where("in", "51.50,-0.12", "good")
        self.now_ms = 1000
        self.booted_ms = 0
        self.version_ms = T0
        self.entries = {}
        self.greens = 0
        self.kiosk = None
        #: (act, slot, lift) of the comparison that waits for a finger; (act, slot) of an enrolment
        self.verifying = self.enrolling = None

    # -- power -----------------------------------------------------------------------------------------------------

    def boot(self):
        """Switch it on (again): only what was written stays."""
        self.steps.cut_at = None
        self.booted_ms = self.now_ms
        self.verifying = self.enrolling = None
        self.storage = CutStorage(self.medium, self.steps)
        self.ledger = CutLedger(self.folder, self.steps)
        settings = Settings("main", "kiosk-1", KEY, self.card_keys, {}, None)
        self.reader = KioskReader(
            settings=settings,
            storage=self.storage,
            shelf=MemoryShelf(self.medium),
            random_bytes=self.rng.randbytes,
            firmware="1.0.0",
        )
        self.kiosk = self.make(reader=self.reader, ledger=self.ledger, pin_key=PIN_KEY, where=lambda: self.where)
        return self

    def start(self):
        """A kiosk with a clock, a list, and Ada's finger enrolled; no record but those of the enrolment."""
        self.boot()
        self.set_clock()
        self.find_sensor()
        self.give(self.everybody(ada_slot=3))
        self.enrol(ADA, entry=Entry(token(ADA), 3, 1, RESIDENT | ENROL, pin_hash(PIN_KEY, token(ADA), PIN)))
        self.give(self.everybody(ada_slot=3))
        self.kiosk.glass_free()
        self.pass_ms(4000)
        return self

    def power_off(self):
        self.ledger.close()
        self.kiosk = None

    def set_clock(self):
        self.reader.linked(self.ms)
        self.pump()

    def pump(self):
        while (out := self.reader.next(self.ms)) is not None:
            self.hear(out)

    def hear(self, out):
        """The store hears this, and its answers come."""
        for line in self.store.hears(out, T0 + self.now_ms):
            self.reader.received("receipt", b'{"v": 1, "lines": ["%s"]}' % line.encode(), self.ms)

    @property
    def ms(self):
        return self.now_ms - self.booted_ms

    # -- the list --------------------------------------------------------------------------------------------------

    def everybody(self, ada_slot=NO_SLOT, cat_enrol=False):
        hash_of = {uid: pin_hash(PIN_KEY, token(uid), PIN) for uid in (ADA, BEN, CAT, SUE)}
        cat = (7, 9, RESIDENT | ENROL) if cat_enrol else (NO_SLOT, 0, RESIDENT)
        return [
            Entry(token(ADA), ada_slot, 1, RESIDENT, hash_of[ADA]),
            Entry(token(BEN), NO_SLOT, 0, RESIDENT, hash_of[BEN]),
            Entry(token(CAT), *cat, NO_PIN),
            Entry(token(SAM), NO_SLOT, 0, STAFF, NO_PIN),
            Entry(token(SUE), NO_SLOT, 0, RESIDENT | STAFF, hash_of[SUE]),
        ]

    def give(self, entries):
        """A newer list."""
        self.version_ms += 1000
        blob = residents.encode(
            "kiosk-1", KEY, self.version_ms, T0 - HOUR_MS, T0 + 72 * HOUR_MS, self.evenings, entries
        )
        self.reader.received("roster", blob, self.ms)
        self.kiosk.slots.settle(self.ms)
        self.serve()

    # -- people ----------------------------------------------------------------------------------------------------

    def card(self, uid):
        self.kiosk.card(uid, self.ms)
        self.serve()

    def keys(self, text):
        for char in text:
            self.kiosk.key(char, self.ms)
            self.serve()

    def finger(self, outcome):
        """The comparison that waits ends so."""
        assert self.verifying is not None, "no comparison waits for a finger"
        act, _, _ = self.verifying
        self.verifying = None
        self.kiosk.checked(act, outcome, self.ms)
        self.serve()

    def enrol(self, uid, entry=None):
        """Staff, the resident's card, two good pictures: as far as the power lets it."""
        if entry is not None:
            self.give([entry, *[e for e in self.everybody() if e.token != entry.token]])
        self.card(SAM)
        self.card(uid)
        return self.obey(uid)

    def obey(self, uid, outcome="stored"):
        """The sensor carries out the enrolment that waits; its end is told to the kiosk."""
        assert self.enrolling is not None, "no enrolment waits"
        act, slot = self.enrolling
        self.enrolling = None
        for step in ("place", "remove", "place-again"):
            self.kiosk.step(act, step, self.ms)
        if outcome == "stored":
            if self.kiosk.intend(act):
                self.steps.before()
                finger = Finger(person=uid.hex())
                self.flash.store(slot, template(finger.press(self.rng)))
                self.steps.done()
            else:
                outcome = "cancelled"
        self.kiosk.enrolled(act, outcome, self.ms)
        self.serve()
        return outcome

    # -- the sensor ------------------------------------------------------------------------------------------------

    def find_sensor(self):
        self.there = True
        self.kiosk.sensor_found(set(self.flash.held()), self.ms)
        self.serve()

    def lose_sensor(self):
        """It falls silent: what waited ends so."""
        self.there = False
        self.serve()
        if self.verifying:
            self.finger("lost")
        if self.enrolling:
            (act, _), self.enrolling = self.enrolling, None
            self.kiosk.enrolled(act, "lost", self.ms)
        self.kiosk.sensor_lost("silent", self.ms)
        self.serve()

    def serve(self):
        """Carry out what the kiosk asks, until it asks nothing more."""
        while actions := self.kiosk.actions():
            for action in actions:
                self._carry_out(action)

    def _carry_out(self, action):
        if isinstance(action, Verify):
            self.verifying = tuple(action)
            if not self.there:
                self.finger("lost")
        elif isinstance(action, Enrol):
            self.enrolling = tuple(action)
            if not self.there:
                (act, _), self.enrolling = self.enrolling, None
                self.kiosk.enrolled(act, "lost", self.ms)
        elif isinstance(action, Cancel):
            if self.verifying:
                (act, _, _), self.verifying = self.verifying, None
                self.kiosk.checked(act, "cancelled", self.ms)
            if self.enrolling:
                (act, _), self.enrolling = self.enrolling, None
                self.kiosk.enrolled(act, "cancelled", self.ms)
        elif isinstance(action, Survey):
            self.kiosk.sensor_holds(set(self.flash.held()) if self.there else None, self.ms)
        elif isinstance(action, Erase):
            if not self.there:
                self.kiosk.erased(action.slot, "lost", self.ms)
                return
            self.steps.before()
            self.flash.erase(action.slot)
            self.steps.done()
            self.kiosk.erased(action.slot, "erased", self.ms)

    # -- time, and what is to be seen ------------------------------------------------------------------------------

    def pass_ms(self, ms, step_ms=250):
        end = self.now_ms + ms
        while self.now_ms < end:
            self.now_ms += step_ms
            self.reader.tick(self.ms)
            self.kiosk.tick(self.ms)
            self.serve()

    @property
    def shows(self):
        return self.kiosk.screen(self.ms).message

    @property
    def lamp(self):
        # A new flash begins after a short gap.
        return self.reader.light(self.ms + 40)

    def records(self, kind):
        """Every record of this kind that is kept, as values, oldest first."""
        said = [statement.read(line) for line in self.medium.lines()]
        assert all(KEY.made(one.text.encode(), one.mac) for one in said)
        return [one.values for one in said if one.kind == kind]

    def events(self):
        """The kiosk events, by name."""
        return [values["event"] for values in self.records("kiosk")]

    def disagreement(self):
        """What sensor, ledger and records say differently of any slot; None where they agree and nothing is open."""
        rows = {row.slot: row for row in self.ledger.rows()}
        if any(row.state != "held" for row in rows.values()):
            return f"open rows: {rows}"
        on_sensor = set(self.flash.held())
        told = {}
        for said in self.records("kiosk"):
            if said["event"] == "enrolled":
                told[said["slot"]] = said["generation"]
            elif said["event"] in ("erased", "enrol-failed"):
                told.pop(said["slot"], None)
        ledger = {slot: row.generation for slot, row in rows.items()}
        whole = {slot for slot in on_sensor if self.flash.load(slot) is not None}
        if not (on_sensor == whole == set(ledger) and ledger == told):
            return f"sensor {on_sensor}, whole {whole}, ledger {ledger}, records {told}"
        return None


def token(uid):
    return CARD_KEY.token(uid)


def text(uid):
    """A card's token as a record has it."""
    return f"{CARD_KEY.id}:{token(uid).hex()}"
