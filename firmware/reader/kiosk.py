"""The kiosk: card, then finger on the sensor, or card, PIN and a witness; and enrolment by staff. A table of states.

The table (kiosk_table.py) names, for each state and event, what is done; each of these returns the next state. A deadline
ends a state in which nobody goes on. No I/O: the board calls in with monotonic milliseconds, carries out what `actions()` hands it,
and shows `screen()` and the reader's light.

The order is the door's: a check-in is appended and synced, and only then is there a light. One act makes at most one
check-in. What is broken never locks anybody out: without a sensor there is the PIN, without a PIN the witness alone
(whose check-in is told "will be checked"), and what cannot be kept is told so. The machine decides about nobody.
"""

from firmware.contract import statement, verdict
from firmware.contract.residents import NO_PIN, RESIDENT, STAFF
from firmware.reader import pins, screens
from firmware.reader.act import Act
from firmware.reader.condition import Condition
from firmware.reader.enrolment import Enrolment
from firmware.reader.fence import OUT
from firmware.reader.glass import Glass
from firmware.reader.kiosk_table import (
    DEADLINES,
    ENROLLING,
    FINGER,
    FINGERS_MOST,
    IDLE,
    PIN,
    PIN_LEAST,
    SETTLE_EVERY_MS,
    SHOWN,
    STAFF_HERE,
    STEPS,
    TABLE,
    WITNESS,
    Beep,
    Survey,
)
from firmware.reader.pins import Pins
from firmware.reader.screens import Screen
from firmware.reader.slots import Slots


class Kiosk:
    """One kiosk. reader: a `KioskReader`; ledger: as `Slots` asks, and for PINs tries, tried, forgive, and said, say.

    where() -> `fence.Where`.
    """

    def __init__(self, *, reader, ledger, pin_key, where):
        self._reader = reader
        self._house = reader.house
        self._where = where
        self._actions = []
        self._glass = Glass(self._actions.append)
        self._pins = Pins(key=pin_key, ledger=ledger, count=reader.count)
        self._condition = Condition(reader=reader, ledger=ledger)
        self._tell = self._condition.tell
        self.slots = Slots(ledger=ledger, house=self._house, order=self._actions.append, tell=self._tell)
        self._enrolment = Enrolment(slots=self.slots, tell=self._tell)
        self.state = IDLE
        self._screen = Screen("closed", {})
        self._until_ms = None
        self._act = None
        self._settled_ms = None
        reader.more_health = self._health

    # -- what happens ----------------------------------------------------------------------------------------------

    def card(self, uid: bytes, now_ms: int) -> None:
        """A card came into the field."""
        self._happens("card", (self._reader.tokens(uid),), now_ms)

    def unreadable(self, now_ms: int) -> None:
        """A card that identifies nobody: nothing to record."""
        self._reader.unreadable(now_ms)
        if self.state in (IDLE, SHOWN):
            self._enter(self._shown("card-unreadable"), now_ms)

    def key(self, char: str, now_ms: int) -> None:
        """A key was pressed: 0 to 9, `*` or `#`."""
        self._happens("key", (char,), now_ms)

    def checked(self, order: int, outcome: str, now_ms: int) -> None:
        """A comparison ended: `matched`, `not-matched`, `poor`, `no-finger`, `covered`, `no-template`, `cancelled`, `lost`."""
        self._glass.ended(order)
        if order == self._glass.order:
            self._happens("checked", (outcome,), now_ms)

    def step(self, order: int, step: str, now_ms: int) -> None:
        """An enrolment asks for `place`, `poor`, `remove` or `place-again`."""
        if order == self._glass.order:
            self._happens("step", (step,), now_ms)

    def intend(self, order: int) -> bool:
        """The sensor is about to write this enrolment's template: it may, once that is kept, and unless they have left."""
        here = self.state == ENROLLING and order == self._glass.order and self._enrolment.is_under(order)
        return here and self._enrolment.intend()

    def enrolled(self, order: int, outcome: str, now_ms: int) -> None:
        """An enrolment ended: `stored`, `differ`, `poor`, `no-finger`, `held`, `failed`, `cancelled` or `lost`."""
        self._glass.ended(order)
        if self._enrolment.is_under(order):
            self._happens("enrolled", (outcome,), now_ms)

    def glass_free(self) -> None:
        """No finger lies on the glass: since the last comparison or enrolment, or since one asked for that."""
        if self._glass.free() and self.state == FINGER:
            self._ask("finger", FINGER)

    def erased(self, slot: int, outcome: str, now_ms: int) -> None:
        """An `Erase` ended: `erased`, `failed` or `lost`."""
        self.slots.erased(slot, outcome, now_ms)

    def sensor_found(self, held, now_ms: int) -> None:
        """The sensor answers, and holds templates in these slots."""
        self._condition.become("sensor", "sensor-found", None, now_ms)
        self.slots.found(held, now_ms)

    def sensor_holds(self, held, now_ms: int) -> None:
        """The answer to a `Survey`: templates in these slots, None where the sensor is away."""
        if held is not None:
            self.slots.found(held, now_ms)

    def sensor_lost(self, why: str, now_ms: int, other: bool = False) -> None:
        """It does not answer; other: it answers and is not the one that was set up here."""
        self.slots.lost()
        self._condition.become("sensor", "sensor-other" if other else "sensor-lost", why, now_ms)

    def lid(self, is_open: bool, now_ms: int) -> None:
        """The kiosk's lid, now."""
        self._condition.become("lid", "opened" if is_open else "closed", None, now_ms)

    def place(self, word: str, now_ms: int) -> None:
        """The receiver says that the kiosk was `moved`, or has `returned`."""
        self._condition.become("place", word, self._where().cell, now_ms)

    def tick(self, now_ms: int) -> None:
        """Look at the time. Call at least every 250 ms."""
        if self._until_ms is not None and now_ms >= self._until_ms:
            self._happens("late", (), now_ms)
        if self._settled_ms is None or now_ms - self._settled_ms >= SETTLE_EVERY_MS:
            self._settled_ms = now_ms
            self.slots.settle(now_ms)
            self._pins.forget(self._house.roster)
            self._condition.report(now_ms)

    # -- what to do and to show ------------------------------------------------------------------------------------

    def actions(self) -> list:
        """What the board is to carry out now, in order: `Verify`, `Enrol`, `Cancel`, `Beep`, `slots.Erase`."""
        found = list(self._actions)
        self._actions.clear()
        return found

    def screen(self, now_ms: int) -> "Screen":
        """What the display says now."""
        if self.state != IDLE:
            return self._screen
        if self._reader.broken():
            return Screen("broken", {})
        moved = self._where().place == OUT
        return Screen("moved" if moved else self._house.idle(self._reader.reading(now_ms)), {})

    # -- the table -------------------------------------------------------------------------------------------------

    def _happens(self, event, given, now_ms):
        name = TABLE[(self.state, event)]
        if name is not None:
            self._enter(getattr(self, name)(*given, now_ms), now_ms)

    def _enter(self, state, now_ms):
        if state is None:
            return  # all stays, and the deadline too
        if state not in (FINGER, ENROLLING):
            self._cancelled()
        self.state = state
        wait_ms = DEADLINES.get(state)
        self._until_ms = None if wait_ms is None else now_ms + wait_ms
        if state == IDLE:
            self._act = None

    # -- card ------------------------------------------------------------------------------------------------------

    def _begin(self, tokens, now_ms):
        self._cancelled()
        entry, held = self._house.find(tokens)
        self._act = Act(tokens, entry, held)
        if self._reader.journal.trouble is not None:
            return self._not_recorded(now_ms)
        if entry is None or not entry.flags & (RESIDENT | STAFF):
            return self._stranger(now_ms)
        if not entry.flags & RESIDENT:
            return self._ask("staff", STAFF_HERE)
        if self.slots.usable(entry):
            # Whoever was here may not have taken their finger away yet: it is not this person's.
            return self._ask(self._glass.next_person(entry.slot, self.state == FINGER), FINGER)
        return self._alternative()

    def _another_card(self, tokens, now_ms):
        # The same card again is one that flickers at the field's edge.
        return None if self._act.is_of(tokens) else self._begin(tokens, now_ms)

    def _next_person(self, tokens, now_ms):
        done = self._act is not None and self._act.done
        return None if done and self._act.is_of(tokens) else self._begin(tokens, now_ms)

    def _stranger(self, now_ms):
        detail = None if self._house.roster is not None else "no-list"
        if not self._tell("card-unknown", now_ms, subject=self._act.subject, detail=detail):
            return self._not_recorded(now_ms)
        self._flash(self._house.stranger(self._reader.reading(now_ms)), now_ms)
        # Without a list nobody is known to be staff either.
        return self._ask("witness-unknown", WITNESS) if detail is None else self._shown("card-noted")

    # -- finger ----------------------------------------------------------------------------------------------------

    def _once_more(self, message):
        self._glass.verify(self._act.entry.slot, lift=True)
        return self._ask(message, FINGER)

    def _checked(self, outcome, now_ms):
        act = self._act
        if outcome == "matched":
            # The list may have changed since: what it does not name any more is not believed.
            entry, _ = self._house.find(act.tokens)
            if entry is None or entry.slot != act.entry.slot or not self.slots.usable(entry):
                return self._alternative()
            act.entry = entry
            return self._check_in("finger", None, now_ms)
        if outcome in ("not-matched", "poor"):
            act.fingers += 1
            if outcome == "not-matched":
                act.tries += 1
                detail = str(act.tries)
                fields = {"subject": act.subject, "slot": act.entry.slot, "generation": act.entry.generation}
                if not self._tell("finger-refused", now_ms, detail=detail, **fields):
                    return self._not_recorded(now_ms)
                self._flash(verdict.NOT_LISTED, now_ms)
            if act.fingers >= FINGERS_MOST or not self.slots.usable(act.entry):
                return self._alternative()
            return self._once_more("finger-again" if outcome == "not-matched" else "finger-poor")
        if outcome in ("no-finger", "cancelled"):
            return self._shown("ended")
        if outcome == "no-template":
            self._actions.append(Survey())  # somebody has emptied it behind our back
        return self._alternative()

    def _instead_of_finger(self, char, now_ms):
        return self._alternative() if char == "*" else self._enrol_instead(char)

    def _enrol_instead(self, char):
        # Staff who live there, whichever way they check in themselves.
        entry = self._act.entry
        begins = char == "#" and entry is not None and entry.flags & STAFF
        return self._ask("staff", STAFF_HERE) if begins else None

    # -- the alternative: PIN and witness, or the witness alone ----------------------------------------------------

    def _alternative(self):
        self._act.digits = ""
        entry, _ = self._house.find(self._act.tokens)
        if entry is None or entry.pin == NO_PIN:
            return self._ask("witness", WITNESS)
        self._act.entry = entry
        if self._pins.left(entry) <= 0:
            return self._ask("witness-locked", WITNESS)
        return self._ask("pin", PIN, stars="")

    def _digit(self, char, now_ms):
        act = self._act
        if char == "#":
            if not act.digits and act.entry.flags & STAFF:
                return self._ask("staff", STAFF_HERE)
            return self._pin_given(now_ms) if len(act.digits) >= PIN_LEAST else None
        if char == "*" and not act.digits:
            return self._shown("ended")
        return self._ask("pin", PIN, stars=act.typed(char))

    def _pin_given(self, now_ms):
        act = self._act
        entry, _ = self._house.find(act.tokens)
        if self._pins.left(entry) <= 0:
            return self._alternative()  # the list has changed meanwhile
        act.entry = entry
        given = self._pins.given(entry, act.digits)
        act.digits = ""
        if given == pins.RIGHT:
            act.pin_right = True
            return self._ask("witness-pin", WITNESS)
        if given == pins.UNCOUNTED:
            return self._ask("witness", WITNESS)
        act.tries += 1
        left = self._pins.left(entry)
        kept = self._tell("pin-refused", now_ms, subject=act.subject, detail=str(pins.TRIES_MOST - left))
        if kept and left <= 0:
            kept = self._tell("pin-locked", now_ms, subject=act.subject)
        if not kept:
            return self._not_recorded(now_ms)
        self._flash(verdict.NOT_LISTED, now_ms)
        if left <= 0:
            return self._ask("witness-locked", WITNESS)
        return self._ask("pin-wrong", PIN, left=str(left))

    def _instead_of_witness(self, char, now_ms):
        return self._leave(char, now_ms) if char == "*" else self._enrol_instead(char)

    def _witnessed(self, tokens, now_ms):
        if self._act.is_of(tokens):
            return None  # nobody is their own witness
        entry, held = self._house.find(tokens)
        if entry is None or not entry.flags & STAFF:
            return self._begin(tokens, now_ms)
        return self._check_in("pin" if self._act.pin_right else "witness", statement.evidence_of([held])[1:], now_ms)

    # -- the check-in ----------------------------------------------------------------------------------------------

    def _check_in(self, method, witness, now_ms):
        act = self._act
        act.entry, _ = self._house.find(act.tokens)  # as the list is now
        reading, where = self._reader.reading(now_ms), self._where()
        # A witness alone is somebody's word: kept, and looked at.
        shown = verdict.UNCHECKED if method == "witness" else self._house.judge(act.entry, reading, where.place)
        evidence = statement.evidence_of(act.tokens)
        checkin = {"evidence": evidence, "method": method, "witness": witness, "verdict": shown, "tries": act.tries}
        if self._reader.check_in(checkin, where, reading, now_ms) is not None:
            return self._not_recorded(now_ms)
        act.done = True
        self._flash(shown, now_ms)
        self._reader.count(shown)
        return self._shown(screens.RECORDED[shown])

    def _not_recorded(self, now_ms):
        self._reader.lights.cancel(now_ms)
        return self._shown("not-recorded")

    # -- enrolment -------------------------------------------------------------------------------------------------

    def _resident_to_enrol(self, tokens, now_ms):
        staff = self._act
        if staff.is_of(tokens):
            return None
        entry, held = self._house.find(tokens)
        if self._reader.journal.trouble is not None:
            return self._not_recorded(now_ms)
        may = self._enrolment.may(entry)
        if may != "ok":
            return self._shown("enrol-" + may)
        self._act = Act(tokens, entry, held, staff.subject)
        self._enrolment.begin(self._glass.enrol(entry.slot), self._act)
        return self._ask("enrol-wait", ENROLLING)

    def _enrol_step(self, step, now_ms):
        return self._ask(STEPS[step], ENROLLING)

    def _enrolled(self, outcome, now_ms):
        message = self._enrolment.ended(outcome, now_ms)
        if message == "not-recorded":
            return self._not_recorded(now_ms)
        self._act.done = message == "enrolled"
        self._flash(verdict.GREEN if self._act.done else verdict.NOT_LISTED, now_ms)
        return self._shown(message)

    def _enrolment_after_all(self, outcome, now_ms):
        """The sensor ended one that nobody waits for any more."""
        self._enrolment.ended(outcome, now_ms)

    # -- ends ------------------------------------------------------------------------------------------------------

    def _give_up(self, now_ms):
        return self._shown("ended")

    def _leave(self, char, now_ms):
        return self._shown("ended") if char == "*" else None

    def _end(self, now_ms):
        return IDLE

    def _cancelled(self):
        """Whoever was here has left: what the sensor still says of that is not heard."""
        if self.state in (FINGER, ENROLLING):
            self._glass.cancel()

    def _ask(self, message, state, **parts):
        self._screen = Screen(message, parts)
        return state

    def _shown(self, message):
        return self._ask(message, SHOWN)

    def _flash(self, shown, now_ms):
        self._reader.lights.flash(shown, now_ms)
        self._actions.append(Beep(shown))

    def _health(self):
        rows = self.slots.rows()
        held = len([row for row in rows if row.state == "held"])
        return {"condition": self._condition.words, "held": held, "open": len(rows) - held, "sensor": self.slots.able()}
