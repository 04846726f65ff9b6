"""The reader: card -> verdict -> journal -> light -> uplink, in that order and in one place.

The board calls `tap` when a card comes, `tick` now and then, `next` for what to publish, and `light` for the lamp.
Between the tap and the light there is no await and no other work: append, flush, then green (the promise).
"""

import json

from firmware.contract import roster, statement, verdict
from firmware.contract.errors import ContractError
from firmware.reader import lights
from firmware.reader.clock import EARLIEST_MS, LATEST_MS, Clock
from firmware.reader.door import Door, Judged
from firmware.reader.errors import ReaderError, StorageFailed, StorageFull
from firmware.reader.journal import Journal
from firmware.reader.uplink import HEALTH_EVERY_MS, Out, Uplink

#: a health report that tells of something newly refused comes this long after the one before
REFUSED_AFTER_MS = 10_000


class Reader:
    """One reader. settings: `settings.Settings`; storage and shelf: as docs/wire.md says; random_bytes(n) -> bytes.

    door, decode: who judges by which list, and what reads that list (a kiosk has others: house.py).
    """

    def __init__(self, *, settings, storage, shelf, random_bytes, firmware, door=None, decode=roster.decode):
        self.settings = settings
        self.clock = Clock()
        self.door = Door() if door is None else door
        self._decode = decode
        self.lights = lights.Lights()
        self.journal = Journal(
            reader=settings.reader, key=settings.key, storage=storage, random_bytes=random_bytes, firmware=firmware
        )
        self.uplink = Uplink(
            reader=settings.reader,
            key=settings.key,
            journal=self.journal,
            clock=self.clock,
            random_bytes=random_bytes,
            firmware=firmware,
            on_time=self._time,
        )
        self._storage = storage
        self._shelf = shelf
        self._chip_able = True
        self._chip_answered = False  # in this boot: what never answered was not lost
        #: how often the chip was lost since boot, for the health report
        self.chip_losses = 0
        self._unplaced = False  # swipes stand in the journal that a clock record would place better
        self._looked_ms = None
        self._health_at_ms = 0
        self._health_said_ms = 0
        self._refused_told = 0
        #: for the health report
        self.taps = {}
        self.commands = []
        self._did = None  # the last command that was carried out, and what it found
        self._load_roster()
        self._look(0)

    def tap(self, uid: bytes, now_ms: int, said=None) -> str:
        """A card came into the field. Returns the verdict that the lamp shows now, or `storage`/`full` where the swipe
        could not be kept: then nothing is shown but the red pulse, and never green.

        uid: empty where the card identifies nobody (a random UID). said: what a card that signs said, a
        `statement.Message`; one whose counter is None is encrypted. Neither can be looked up or checked here: it is kept
        that a card was there, and the double flash says so.
        """
        tokens = [key.token(uid) for key in self.settings.card_keys] if uid else []
        reading = self.clock.read(now_ms)
        if tokens and (said is None or said.counter is not None):
            judged = self.door.judge(tokens, reading, now_ms)
        else:
            judged = Judged(verdict.UNCHECKED, None)
        held = [statement.Token(k.id, t) for k, t in zip(self.settings.card_keys, tokens)]
        try:
            self.journal.swipe(
                evidence=statement.evidence_of(held, said),
                boot_ms=now_ms,
                wall_ms=reading.wall_ms,
                clock=reading.state,
                uncertainty_ms=reading.uncertainty_ms,
                verdict=judged.verdict,
                session=judged.session,
                roster=self.door.roster.version_ms if self.door.roster else None,
            )
        except (StorageFull, StorageFailed) as error:
            self._count(error.code)
            self._look(now_ms)
            self.lights.cancel(now_ms)
            return error.code
        if reading.state != "sync":
            self._unplaced = True
        self.door.recorded(tokens, judged, now_ms)
        self.lights.flash(judged.verdict, now_ms)
        self._count(judged.verdict)
        return judged.verdict

    def unreadable(self, now_ms: int) -> None:
        """Something in the field answers, and not as a card does: there is nothing to record, so the light is that of "not
        recorded" (PORT-4). The double flash would promise that it is stored."""
        self.lights.flash(verdict.NOT_LISTED, now_ms)
        self._count("unreadable")

    def chip(self, able: bool, now_ms: int) -> None:
        """The card chip was lost or found again."""
        if able != self._chip_able:
            self._chip_able = able
            if not able and self._chip_answered:
                self.chip_losses += 1
            self._chip_answered = self._chip_answered or able
            self._look(now_ms)
            self.uplink.head_due(now_ms)

    def tick(self, now_ms: int) -> None:
        """Look at the time: windows open and close. Call at least every 250 ms; it does no I/O."""
        reading = self.clock.read(now_ms)
        if reading.wall_ms is not None:
            surely_ms = reading.wall_ms - reading.uncertainty_ms  # a head stated before the end makes nothing known
            if self._looked_ms is not None and self.door.session_ended(self._looked_ms, surely_ms):
                self.uplink.head_due(now_ms)
            self._looked_ms = surely_ms
        self._look(now_ms)

    def idle(self) -> bool:
        """Housekeeping between taps: at most one slow step (an erase). Returns whether it did one."""
        try:
            worked = self._storage.idle()
            if worked:
                self.journal.refresh()
        except ReaderError as error:
            self.journal.trouble = error.code
            self._count(error.code)
            return False
        return worked

    def light(self, now_ms: int) -> tuple:
        """The lamp's colour now: (red, green, blue), 0 to 255 each."""
        return self.lights.rgb(now_ms)

    def linked(self, now_ms: int) -> None:
        """The link to the broker is up, and subscribed."""
        self.uplink.linked(now_ms)
        self._health_at_ms = now_ms

    def unlinked(self, now_ms: int) -> None:
        """The link is down."""
        self.uplink.unlinked()

    def next(self, now_ms: int) -> "Out | None":
        """What to publish now, or None."""
        out = self.uplink.next(now_ms)
        refused = self._refused()
        if refused != self._refused_told:
            # Somebody sends what must not be believed: the doors page hears of it soon, not at the next round.
            self._health_at_ms = min(self._health_at_ms, self._health_said_ms + REFUSED_AFTER_MS)
        if out is None and self.uplink.up and now_ms >= self._health_at_ms:
            self._refused_told = refused
            self._health_said_ms = now_ms
            self._health_at_ms = now_ms + HEALTH_EVERY_MS
            out = Out("health", json.dumps(self.health(now_ms)).encode(), False)
        return out

    def received(self, kind: str, payload: bytes, now_ms: int) -> None:
        """A message came down. Never raises; what is refused is counted and stands in the health report."""
        try:
            if kind == "roster":
                self._roster(payload, now_ms)
            else:
                for name in self.uplink.received(kind, payload, now_ms):
                    self._obey(name, now_ms)
        except ReaderError as error:  # storage failed while it freed
            self._count(error.code)

    def _obey(self, name, now_ms):
        """Carry out what every board can; what is the board's own waits in `commands`."""
        did = {"counter": self.uplink.counter, "name": name}
        if name == "identify":
            self.lights.show(lights.IDENTIFY, now_ms)
        elif name == "self-test":
            self.lights.show(lights.SELF_TEST, now_ms)
            did["found"] = self._tested(now_ms)
        elif name == "sync":
            self.uplink.offer_anew(now_ms)
        else:
            self.commands.append(name)
            return
        self._did = did
        self._health_at_ms = now_ms

    def _tested(self, now_ms):
        """Each part in a word: ok, or what is wrong with it."""
        reading = self.clock.read(now_ms)
        listed = self.door.roster
        late = listed is not None and reading.wall_ms is not None and reading.wall_ms > listed.valid_until_ms
        return {
            "chip": "ok" if self._chip_able else "lost",
            "storage": self.journal.trouble or "ok",
            "clock": "ok" if reading.state == "sync" else reading.state,
            "list": "none" if listed is None else "late" if late else "ok",
            "room": "ok" if self._storage.room() > 0 else "none",
        }

    def _refused(self):
        # A receipt said twice, or under a hello before the last (the store answers its last three), is the line at work.
        quiet = self.uplink.refused.get("receipt-repeated", 0) + self.uplink.refused.get("nonce", 0)
        return sum(self.uplink.refused.values()) - quiet

    def health(self, now_ms: int) -> dict:
        """Counters for the technician. Not MACed and not believed: for the eye only."""
        reading = self.clock.read(now_ms)
        return {
            "v": 1,
            "boot_ms": now_ms,
            "clock": reading.state,
            "uncertainty_ms": reading.uncertainty_ms,
            "contradictions": self.clock.contradictions,
            "backlog": self.journal.backlog(),
            "room": self._storage.room(),
            "chip_losses": self.chip_losses,
            "storage_errors": self.taps.get("storage", 0),
            "command": self._did,
            "able": self.uplink.able,
            "taps": self.taps,
            "refused": self.uplink.refused,
            "roster": self.uplink.roster_version_ms,
        }

    def health_due(self, now_ms: int) -> None:
        """Something stands in the health report that somebody waits for."""
        self._health_at_ms = min(self._health_at_ms, now_ms)

    def broken(self) -> bool:
        """Whether it can keep nothing now."""
        return self.uplink.able != "ok"

    def _roster(self, blob, now_ms):
        try:
            new = self._decode(blob, self.settings.key, self.settings.reader)
        except ContractError as error:
            self.uplink.refuse(error.code)
            return
        if not self.door.take(new):
            if self.door.roster.version_ms != new.version_ms:
                self.uplink.refuse("roster-older")
            return
        try:
            self._shelf.keep(blob)
        except (OSError, ReaderError):
            self.uplink.refuse("roster-shelf")  # it holds until the next boot, and comes again at the next connect
        self.uplink.roster_version_ms = new.version_ms
        self.uplink.hello_anew()  # so that the store, and whoever looks at the doors page, knows which one is held
        self._look(now_ms)

    def _load_roster(self):
        try:
            blob = self._shelf.load()
        except (OSError, ReaderError):
            self.uplink.refuse("roster-shelf")
            return
        if blob is None:
            return
        try:
            kept = self._decode(blob, self.settings.key, self.settings.reader)
        except ContractError as error:
            self.uplink.refuse(error.code)
            return
        self.door.take(kept)
        self.uplink.roster_version_ms = kept.version_ms

    def _time(self, asked_ms, heard_ms, wall_ms):
        if not EARLIEST_MS <= wall_ms <= LATEST_MS:
            self.uplink.refuse("time-range")
        contradictions = self.clock.contradictions
        taken = self.clock.answered(asked_ms, heard_ms, wall_ms)
        if self.clock.contradictions > contradictions and self.journal.live is not None:
            self._unplaced = True  # what was taken by the old pairing is placed again by this one
        if taken and self._unplaced:
            pairing = self.clock.pairing
            try:
                self.journal.clock(
                    boot_ms=pairing.boot_ms, wall_ms=pairing.wall_ms, uncertainty_ms=pairing.uncertainty_ms
                )
                self._unplaced = False
            except (StorageFull, StorageFailed) as error:
                self._count(error.code)
        self._look(heard_ms)

    def _able(self):
        """What keeps the reader from taking swipes, or `ok`."""
        if self.journal.trouble:
            return self.journal.trouble
        return "ok" if self._chip_able else "chip"

    def _look(self, now_ms):
        """Set the idle light and the reader's ability from what is known now."""
        self.uplink.able = self._able()
        reading = self.clock.read(now_ms)
        if self.broken():
            self.lights.idle(lights.IDLE_BROKEN)
        elif reading.wall_ms is None or self.door.roster is None or reading.wall_ms > self.door.roster.valid_until_ms:
            self.lights.idle(lights.IDLE_WAITING)
        elif self.door.session_open(reading.wall_ms):
            self.lights.idle(lights.IDLE_OPEN)
        else:
            self.lights.idle(lights.IDLE_OFF)

    def _count(self, what):
        self.taps[what] = self.taps.get(what, 0) + 1
