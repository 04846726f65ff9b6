"""The PN532 on I2C, one short bus transaction at a time: poll in, cards out. It never blocks and never sleeps.

Whoever owns the loop calls `Chip.poll(now_ms)` every 5 to 10 ms (or after `chip.wait_ms`, which says when the next
poll can bring something) and gets an event or None. The steps:

    REST -> WAKE -> SEND -> ACK -> ANSWER -> SEND .. -> ANSWER -> SEND ..
            (abort)  set-up commands, one after another      the search, for ever
                                                             (a card that may sign: its file, then its power off and on)
    any failure -> REST (backoff) -> WAKE ..        a damaged answer: RESEND (NACK) first, twice

Why the search is finite: with endless retries (the chip's default) an empty field and a dead chip look the same, and
every check would have to abort a search, sometimes just as a card is found. With RETRIES the chip itself says "none"
about ten times a second: that one answer shows that it lives, and that a card is gone. Cards that arrive during a
search are answered at once; only the three polls between two searches are deaf.

Why presence has a memory: of two cards laid on each other the chip finds now one and now the other. Only a card that was
not here is an arrival; one is gone when the chip finds none at all, or when the others were found often enough without it.

Why a card that speaks ISO 14443-4 loses its power for a moment: after its file was read it hears no search any more, and
would look as if it were gone. Its arrival is told before that, and is told whatever becomes of the reading: then without
what it said. Cards of all other kinds are told as they are found.

Names of faults, for the health message: chip.bus (NAK), chip.no_ack, chip.no_answer, chip.damaged, chip.refused,
chip.confused, chip.other.
"""

from collections import namedtuple

from firmware.codecs import pn532, sun, tag4

#: A card that was not here came into the field. uid: 4, 7 or 10 bytes (ask `pn532.identifiable` before using it).
CardArrived = namedtuple("CardArrived", ("uid",))
#: The same of a card that said more than its number: `sun.Message`.
CardSigned = namedtuple("CardSigned", ("uid", "said"))
#: No card is in the field any more (not sent when the chip is lost: then nobody knows).
CardLeft = namedtuple("CardLeft", ())
#: Something in the field answers, but not as a card. Once, until it is gone.
CardUnreadable = namedtuple("CardUnreadable", ("code",))
#: The chip did not come back in LOST_AFTER attempts; attempts go on. code: the last fault.
ChipLost = namedtuple("ChipLost", ("code",))
#: The chip searches for cards: after start, and when it is found again. firmware: `pn532.Firmware`.
ChipReady = namedtuple("ChipReady", ("firmware",))

#: MxRtyPassiveActivation: attempts after the first, per search.
RETRIES = 16
#: Deadlines of the waits, ms. NXP gives 15 ms for an ACK.
WAKE_MS = 40
ACK_MS = 50
ANSWER_MS = 100
RESENT_MS = 30
SEARCH_MS = 600
#: From the abort to the next command, ms.
SETTLE_MS = 2
#: A card's file is read within this time, or not at all, ms: the light must not wait for a card that only asks for more time.
TALK_MS = 400
#: Bytes of an I2C read that hold a card's short answer, and its file: status, frame head, error code, block, checksum.
SHORT_READ = 40
FILE_READ = 1 + 8 + 1 + 1 + tag4.FILE_BYTES + 2 + 1
#: Failed attempts until the chip counts as lost.
LOST_AFTER = 3
#: Pause before an attempt, ms: none, then doubling up to the most.
FIRST_REST_MS = 50
MOST_REST_MS = 5000
#: NACKs per answer.
RESENDS = 2
#: Nonsense answers in a row that make a card unreadable: one may be a card that is just coming in.
UNREADABLE_AFTER = 3
#: A card is gone when others were found this often, and for this long, without it.
GONE_SEARCHES = 6
GONE_MS = 250
#: Cards remembered at once.
MOST_PRESENT = 4

_REST, _WAKE, _SEND, _ACK, _ANSWER, _TAKE, _RESEND = range(7)

_SETUP = (
    # Normal mode, no time-out, no interrupt line.
    (pn532.SAM_CONFIGURATION, pn532.command(pn532.SAM_CONFIGURATION, b"\x01\x00\x00")),
    (pn532.GET_FIRMWARE_VERSION, pn532.command(pn532.GET_FIRMWARE_VERSION)),
    # No RATS: we want the number only, and the answer stays short.
    (pn532.SET_PARAMETERS, pn532.command(pn532.SET_PARAMETERS, b"\x00")),
    (pn532.RF_CONFIGURATION, pn532.command(pn532.RF_CONFIGURATION, bytes((5, 0xFF, 1, RETRIES)))),
)
# One card, type A at 106 kbps.
_SEARCH = (pn532.IN_LIST_PASSIVE_TARGET, pn532.command(pn532.IN_LIST_PASSIVE_TARGET, b"\x01\x00"))
# The field off and on: a card that was talked to is found by a search again.
_ANEW = (
    (pn532.RF_CONFIGURATION, pn532.command(pn532.RF_CONFIGURATION, b"\x01\x00")),
    (pn532.RF_CONFIGURATION, pn532.command(pn532.RF_CONFIGURATION, b"\x01\x01")),
)

# All cards that identify nobody count as one: a phone may show another number at every search.
_NOBODY = b""


def _plain_diff(later, earlier):
    return later - earlier


class Chip:
    """A PN532 behind *i2c* (MicroPython's `machine.I2C`: writeto, readfrom_into; NAK raises OSError).

    *ticks_diff*: `time.ticks_diff` where the times given to `poll` wrap; None where they do not.
    """

    def __init__(self, i2c, address=0x24, ticks_diff=None):
        self._i2c = i2c
        self._address = address
        self._diff = ticks_diff or _plain_diff
        self._room = bytearray(FILE_READ)
        self._buffer = memoryview(self._room)[: pn532.TARGET_READ]
        self._ack = self._buffer[:7]
        self._talk = None
        self._talk_uid = b""
        self._talk_ms = 0
        self._anew = 0
        self._phase = _REST
        self._since_ms = None
        self._rest_ms = 0
        self._step = 0
        self._deadline_ms = 0
        self._resends = 0
        self._nonsense = 0
        self._present = []
        self._events = []
        self._firmware = None
        #: Whether the chip is searching: set by ChipReady, unset by ChipLost.
        self.ready = False
        #: Attempts failed since the chip last answered a search.
        self.attempts = 0
        #: Faults since start, and the last one's name ("" for none): for the health message.
        self.faults = 0
        self.last_fault = ""
        #: Searches answered since start.
        self.searches = 0
        #: How long, ms, until the next poll can bring something.
        self.wait_ms = 0

    @property
    def talking(self) -> bool:
        """Whether a card's file is being read, and somebody waits for the light: poll as `wait_ms` says."""
        return self._talk is not None

    def poll(self, now_ms):
        """Do at most one bus transaction; an event, or None. *now_ms*: milliseconds, never going back."""
        if self._events:
            return self._events.pop(0)
        if self._since_ms is None:
            self._since_ms = now_ms
        try:
            self._advance(now_ms)
        except OSError:
            self._failed("chip.bus", now_ms)
        return self._events.pop(0) if self._events else None

    def _advance(self, now_ms):
        passed = self._diff(now_ms, self._since_ms)
        if self._phase == _ANSWER:
            if self._talk is not None:
                # Ready or not is the first byte; what a card says is long.
                self._i2c.readfrom_into(self._address, self._ack[:1])
                if self._ack[0] & 1:
                    self._phase = _TAKE
                    self.wait_ms = 0
                else:
                    self._answered(None, passed, now_ms)
            else:
                self._i2c.readfrom_into(self._address, self._buffer)
                self._answered(pn532.from_i2c(self._buffer), passed, now_ms)
        elif self._phase == _TAKE:
            self._phase = _ANSWER
            taken = memoryview(self._room)[: FILE_READ if self._talk.last else SHORT_READ]
            self._i2c.readfrom_into(self._address, taken)
            self._answered(pn532.from_i2c(taken), passed, now_ms)
        elif self._phase == _ACK:
            self._i2c.readfrom_into(self._address, self._ack)
            event = pn532.from_i2c(self._ack)
            if event is None:
                if passed >= ACK_MS:
                    self._failed("chip.no_ack", now_ms)
            elif isinstance(event, pn532.Ack):
                searching = self._command() is _SEARCH
                self._deadline_ms = SEARCH_MS if searching else ANSWER_MS
                self._resends = 0
                self._enter(_ANSWER, now_ms, 5 if searching else 1)
            else:
                self._failed("chip.no_ack", now_ms)
        elif self._phase == _SEND:
            if passed >= SETTLE_MS or self._step:
                self._i2c.writeto(self._address, self._command()[1])
                self._enter(_ACK, now_ms, 1)
        elif self._phase == _RESEND:
            self._i2c.writeto(self._address, pn532.NACK)
            self._deadline_ms = RESENT_MS
            self._enter(_ANSWER, now_ms, 1)
        elif self._phase == _WAKE or passed >= self._rest_ms:
            if self._phase == _REST:
                self._enter(_WAKE, now_ms, 1)
                passed = 0
            self._wake(passed, now_ms)

    def _wake(self, passed, now_ms):
        # An ACK from the host aborts whatever the chip was told before we started, and wakes it; asleep it
        # does not acknowledge the first time.
        try:
            self._i2c.writeto(self._address, pn532.ACK)
        except OSError:
            if passed >= WAKE_MS:
                self._failed("chip.bus", now_ms)
            return
        self._step = 0
        self._enter(_SEND, now_ms, SETTLE_MS)

    def _command(self):
        if self._step < len(_SETUP):
            return _SETUP[self._step]
        if self._talk is not None and self._talk.frame is not None:
            return (pn532.IN_COMMUNICATE_THRU, pn532.command(pn532.IN_COMMUNICATE_THRU, self._talk.frame))
        return _ANEW[-self._anew] if self._anew else _SEARCH

    def _enter(self, phase, now_ms, wait_ms):
        self._phase = phase
        self._since_ms = now_ms
        self.wait_ms = wait_ms

    def _failed(self, code, now_ms):
        if self._talk is not None:
            self._told(None)
        self._anew = 0
        self.faults += 1
        self.last_fault = code
        self.attempts += 1
        rest = 0
        if self.attempts > 1:
            # The shift is bounded: a chip that stays away for days must not make it huge.
            rest = min(MOST_REST_MS, FIRST_REST_MS << min(self.attempts - 2, 10))
        if self.attempts == LOST_AFTER:
            # A card here now may be another when the chip is back: an arrival too many is better than one missed.
            self._present = []
            self._nonsense = 0
            self.ready = False
            self._events.append(ChipLost(code))
        self._rest_ms = rest
        self._enter(_REST, now_ms, rest)

    def _answered(self, event, passed, now_ms):
        if event is None:
            if passed >= self._deadline_ms:
                self._failed("chip.no_answer", now_ms)
        elif isinstance(event, pn532.Damaged):
            if self._resends < RESENDS:
                self._resends += 1
                self.faults += 1
                self.last_fault = "chip.damaged"
                self._enter(_RESEND, now_ms, 0)
            else:
                self._failed("chip.damaged", now_ms)
        elif isinstance(event, pn532.Refused):
            # It has lost its configuration (a dip in its supply), or never had it.
            self._failed("chip.refused", now_ms)
        elif not isinstance(event, pn532.Answer) or event.code != self._command()[0] + 1:
            self._failed("chip.confused", now_ms)
        elif self._step == len(_SETUP):
            if self._talk is not None:
                self._heard(event.data, now_ms)
            elif self._anew:
                self._anew -= 1
            else:
                self._searched(event, now_ms)
            self._enter(_SEND, now_ms, 0)
        else:
            if self._command()[0] == pn532.GET_FIRMWARE_VERSION:
                try:
                    self._firmware = pn532.parse_firmware(event)
                except pn532.AnswerError:
                    self._failed("chip.other", now_ms)
                    return
            self._step += 1
            self._enter(_SEND, now_ms, 0)

    def _searched(self, answer, now_ms):
        self.searches += 1
        self.attempts = 0
        if not self.ready:
            self.ready = True
            self._events.append(ChipReady(self._firmware))
        try:
            targets = pn532.parse_targets(answer)
        except pn532.AnswerError as error:
            self._nonsense += 1
            if self._nonsense == UNREADABLE_AFTER:
                self._events.append(CardUnreadable(error.code))
            return
        if targets:
            self._nonsense = 0
            self._found(targets[0], now_ms)
        elif self._present:
            self._present = []
            self._nonsense = 0
            self._events.append(CardLeft())
        else:
            if self._nonsense >= UNREADABLE_AFTER:
                self._events.append(CardLeft())
            self._nonsense = 0

    def _heard(self, data, now_ms):
        # A status, and what the card said; 00: it did say something.
        talk = self._talk
        talk.heard(data[1:] if data and not data[0] & 0x3F else b"")
        if talk.frame is None:
            self._told(sun.message_of(talk.file, self._talk_uid) if talk.file else None)
        elif self._diff(now_ms, self._talk_ms) >= TALK_MS:
            self._told(None)

    def _told(self, said):
        """The card that was talked to has arrived, with what it said."""
        uid = self._talk_uid
        self._talk = None
        self._anew = len(_ANEW)
        self._events.append(CardArrived(uid) if said is None else CardSigned(uid, said))

    def _found(self, target, now_ms):
        uid = target.uid
        key = uid if pn532.identifiable(uid) else _NOBODY
        here = None
        kept = []
        for card in self._present:  # [key, last found ms, searches without it since]
            if card[0] == key:
                here = card
                kept.append(card)
                continue
            card[2] += 1
            if card[2] < GONE_SEARCHES or self._diff(now_ms, card[1]) < GONE_MS:
                kept.append(card)
        self._present = kept
        if here is not None:
            here[1] = now_ms
            here[2] = 0
            return
        if len(kept) == MOST_PRESENT:
            kept.pop(0)
        kept.append([key, now_ms, 0])
        if target.sel_res & 0x20 and key != _NOBODY:  # it speaks ISO 14443-4, and may sign
            self._talk = tag4.Reading()
            self._talk_uid = uid
            self._talk_ms = now_ms
        else:
            self._events.append(CardArrived(uid))
