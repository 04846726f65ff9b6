"""A PN532 (firmware 1.6) at the byte level: the outside world's side of the reader's bus.

    simulator/pn532_frames.py  the chip's framing              simulator/pn532_hsu.py     UART front end on a pty (nfcpy)
    simulator/pn532_card.py    cards and their presentations   simulator/pn532_i2c.py     I2C transactions
    simulator/pn532_field.py   the cards in the field          simulator/pn532_tunnel.py  I2C and lights of one board on a pty
    simulator/pn532_faults.py  what goes wrong                simulator/pn532.py         the chip itself

The chip keeps no thread and no timer: it is told the time by the clock handed in, and works out what has happened
since whenever somebody looks. It was written from NXP's UM0701-02 and from how libnfc, nfcpy and Adafruit's driver
use the chip; where those leave a choice, the harder one for a host is taken: it starts asleep and unconfigured, refuses
RF commands before SAMConfiguration, and retries for ever by default (MxRtyPassiveActivation 0xFF).

What is not there: types B, F and DEP (no card is ever found), target mode, GPIO, InAutoPoll.
"""

import heapq
from collections.abc import Callable, Mapping
from typing import ClassVar

from simulator.pn532_card import AnyCard, Card, Presentation, crc_a
from simulator.pn532_faults import NONSENSE, Faults, damaged
from simulator.pn532_field import TRY_S, Field, Search
from simulator.pn532_frames import ACK, ERROR, NACK, HostStream, answer

#: From a command's last byte to its ACK.
ACK_S = 0.0003
#: From the ACK being fetched to the answer of a command without radio.
WORK_S = 0.0005
#: Anticollision and selection of a card that answered.
SELECT_S = 0.001
#: From the first sign of life on the bus to being awake.
WAKE_S = 0.001
#: How long a card needs from field to its first answer, unless told otherwise.
ACTIVATION_S = 0.003

#: Serial rates by SetSerialBaudRate's number; after power-up 115,200.
RATES = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1288000)


class Pn532:
    """The chip. Frames go in by `receive`, come out by `take`; cards by `card_in` and `card_out`."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        activation_s: float = ACTIVATION_S,
        version: bytes = bytes.fromhex("32010607"),
    ) -> None:
        self._clock = clock
        self._field = Field(activation_s=activation_s)
        self._version = version
        #: Called (without arguments) when something may be due earlier than `due()` last said.
        self.on_change: Callable[[], None] = lambda: None
        #: Every presentation so far, oldest first; whoever reads them may clear the list.
        self.presentations: list[Presentation] = self._field.presentations
        #: Commands carried out, by code.
        self.carried_out: dict[int, int] = {}
        self._faults = Faults()
        self._silent_until_s: float | None = None
        self._hung = False
        self._power_up()

    def _power_up(self) -> None:
        self._stream = HostStream()
        # When, order, bytes on the wire, command code (-1: none), bytes as the chip holds them (for a NACK).
        self._out: list[tuple[float, int, bytes, int, bytes]] = []
        self._count = 0
        self._last = b""
        self._command: bytes | None = None
        self._search: Search | None = None
        self._asleep = True
        self._awake_at_s = 0.0
        self._sam_normal = False
        self._auto_rats = True
        self._retries = 0xFF
        self._registers = {0x6302: 0x80, 0x6303: 0x80, 0x6304: 0x80, 0x6339: 0x26}
        self._field.switch(False, self._clock())
        #: The rate that the host's ACK will put in force.
        self.next_baud: int | None = None
        #: The serial rate in force (bit/s); only the UART front end cares.
        self.baud = 115200

    # -- the world -----------------------------------------------------------------------------------------------

    def card_in(
        self, uid: bytes | AnyCard, sens_res: bytes | None = None, sel_res: int | None = None, **more: bytes
    ) -> Presentation:
        """Hold a card into the field (beside those already there); the returned record fills as the chip answers it."""
        now = self._now()
        card = Card(uid=uid, sens_res=sens_res, sel_res=sel_res, **more) if isinstance(uid, bytes) else uid
        shown = self._field.put(card, now)
        self.on_change()
        return shown

    def card_out(self, shown: Presentation | None = None) -> None:
        """Take one card away, or all of them."""
        self._field.take(shown, self._now())
        self.on_change()

    def inject(self, fault: str, count: int = 1, *, command: int | None = None) -> None:
        """Let *fault* (see `pn532_faults.FAULTS`) strike the next *count* times, at commands with code *command* only, if given."""
        self._faults.add(fault, count, command)

    def silence(self, seconds: float | None = None) -> None:
        """The chip goes away, as if its supply were cut: until `revive`, or for *seconds*."""
        now = self._now()
        self._power_up()
        self._silent_until_s = float("inf") if seconds is None else now + seconds

    def hang(self) -> None:
        """The chip's firmware stops: the bus still acknowledges, and nothing ever becomes ready. Until `revive`."""
        self._hung = True
        self._out.clear()
        self._search = None

    def revive(self) -> None:
        """Back as after power-up: asleep and unconfigured."""
        self._silent_until_s = None
        self._hung = False
        self._power_up()
        self.on_change()

    # -- the bus -------------------------------------------------------------------------------------------------

    @property
    def silent(self) -> bool:
        """Whether the chip is away (see `silence`)."""
        self._now()
        return self._silent_until_s is not None

    @property
    def asleep(self) -> bool:
        """Whether the chip would miss a command that came now."""
        return self._asleep or self._clock() < self._awake_at_s

    def switch_baud(self) -> None:
        """The host has acknowledged a change of speed: it is in force."""
        if self.next_baud is not None:
            self.baud, self.next_baud = self.next_baud, None

    def wake(self) -> None:
        """Activity on the bus: a sleeping chip wakes WAKE_S later."""
        if self._asleep:
            self._asleep = False
            self._awake_at_s = self._clock() + WAKE_S

    def receive(self, data: bytes) -> None:
        """Bytes from the host. A chip that is silent, hung or asleep misses them."""
        now = self._now()
        if self._silent_until_s is not None or self._hung or self.asleep:
            return
        for item in self._stream.feed(data):
            if item == ACK:
                self._abort()
                self.switch_baud()
            elif item == NACK:
                if self._last:
                    self._put(now + ACK_S, self._last, -1)
            elif item[:1] == b"\xd4" and len(item) > 1:
                self._accept(item, now)
            else:
                self._put(now + ACK_S, ERROR, -1)
        self.on_change()

    def due(self) -> float | None:
        """When `take` may have something next (clock seconds); None: not before something else happens."""
        self._now()
        if self._out:
            return self._out[0][0]
        if self._search is None:
            return None
        if not self._field.empty:
            return self._search.next_try_s
        if self._search.tries_left is None:
            return None
        return self._search.next_try_s + self._search.tries_left * TRY_S

    def ready(self) -> bool:
        """Whether `take` would give a frame now."""
        now = self._now()
        return self._silent_until_s is None and bool(self._out) and self._out[0][0] <= now

    def take(self) -> bytes | None:
        """The next frame for the host, if one is due. Fetching an ACK lets its command begin."""
        if not self.ready():
            return None
        now = self._clock()
        _, _, frame, code, intact = heapq.heappop(self._out)
        if frame == ACK and self._command is not None:
            command, self._command = self._command, None
            self._carry_out(command, now)
        else:
            self._last = intact
        if code == 0x16:
            self._sleep()
        return frame

    # -- inside --------------------------------------------------------------------------------------------------

    def _now(self) -> float:
        now = self._clock()
        if self._silent_until_s is not None and now >= self._silent_until_s:
            self.revive()
        self._advance(now)
        return now

    def _put(self, at_s: float, frame: bytes, code: int, intact: bytes = b"") -> None:
        self._count += 1
        heapq.heappush(self._out, (at_s, self._count, frame, code, intact or frame))

    def _abort(self) -> None:
        self._out.clear()
        self._command = None
        self._search = None

    def _accept(self, payload: bytes, now: float) -> None:
        self._abort()
        struck = self._faults.strike(("drop_ack", "lost_ack"), payload[1])
        if struck == "lost_ack":
            self._carry_out(payload, now)
        elif struck is None:
            self._command = payload
            self._put(now + ACK_S, ACK, -1)

    def _carry_out(self, payload: bytes, now: float) -> None:
        code, data = payload[1], payload[2:]
        self.carried_out[code] = self.carried_out.get(code, 0) + 1
        handler = self._HANDLERS.get(code)
        if handler is None or (code in self._RADIO and not self._sam_normal):
            self._put(now + WORK_S, ERROR, code)
            return
        try:
            reply = handler(self, data, now)
        except (IndexError, ValueError):
            self._put(now + WORK_S, ERROR, code)
            return
        if reply is not None:
            self._reply(now + WORK_S + self._field.spent_s(), code, reply)

    def _reply(self, at_s: float, code: int, data: bytes) -> None:
        kinds = ("drop_answer", "corrupt", "truncate") + (("nonsense",) if code == 0x4A else ())
        struck = self._faults.strike(kinds, code)
        if struck == "drop_answer":
            return
        intact = answer(bytes((0xD5, code + 1)) + (NONSENSE if struck == "nonsense" else data))
        self._put(at_s, damaged(intact, struck), code, intact)

    def _sleep(self) -> None:
        self._asleep = True
        self._abort()
        self._radio(False, self._clock())

    def _radio(self, on: bool, now: float) -> None:
        self._field.switch(on, now)
        self._registers[0x6304] = 0x83 if on else 0x80

    # -- finding cards -------------------------------------------------------------------------------------------

    def _list_passive_target(self, data: bytes, now: float) -> bytes | None:
        most, kind = data[0], data[1]
        if not 1 <= most <= 2 or kind > 4:
            raise ValueError("no such search")
        self._radio(True, now)
        self._field.selected = []
        if kind != 0:
            # No card of the other types is ever there: only the time passes.
            tries = 1 if self._retries == 0xFF else self._retries + 1
            self._reply(now + tries * TRY_S, 0x4A, b"\x00")
            return None
        left = None if self._retries == 0xFF else self._retries + 1
        # A UID asked for comes with its cascade tags (88 before each three bytes that others follow).
        wanted = data[2:]
        wanted = wanted[1:4] + wanted[5:] if len(wanted) == 12 else wanted[1:] if len(wanted) == 8 else wanted
        self._search = Search(started_s=now, next_try_s=now, most=most, wanted_uid=wanted, tries_left=left)
        return None

    def _advance(self, now: float) -> None:
        search = self._search
        ended = None if search is None else self._field.run(search, now)
        if search is None or ended is None:
            return
        self._search = None
        at_s, found = ended
        self._registers[0x6339] = 0x00 if found else 0x26
        if not found:
            self._reply(at_s, 0x4A, b"\x00")
            return
        at_s += SELECT_S
        data = bytes((len(found),))
        for number, shown in enumerate(found, 1):
            card = shown.card
            if shown.answered_at_s is None:
                shown.wanted_at_s = max(shown.in_at_s, search.started_s)
                shown.answered_at_s = at_s
            if card.nonsense is not None:
                data += card.nonsense
                continue
            data += bytes((number,)) + card.sens + bytes((card.sel, len(card.uid))) + card.uid
            if card.sel & 0x20 and card.ats and self._auto_rats:
                data += card.ats
        self._reply(at_s, 0x4A, data)

    # -- the other commands --------------------------------------------------------------------------------------

    def _diagnose(self, data: bytes, now: float) -> bytes:
        if data[0] == 0:
            return data
        if data[0] in (1, 2):
            return b"\x00"
        raise ValueError("no such test")

    def _firmware_version(self, data: bytes, now: float) -> bytes:
        return self._version

    def _general_status(self, data: bytes, now: float) -> bytes:
        return bytes((0, int(self._field.on), len(self._field.selected), 0x80))

    def _read_register(self, data: bytes, now: float) -> bytes:
        if not data or len(data) % 2:
            raise ValueError("addresses are two bytes")
        return bytes(self._registers.get(data[i] * 256 + data[i + 1], 0) for i in range(0, len(data), 2))

    def _write_register(self, data: bytes, now: float) -> bytes:
        if not data or len(data) % 3:
            raise ValueError("address and value are three bytes")
        for i in range(0, len(data), 3):
            self._registers[data[i] * 256 + data[i + 1]] = data[i + 2]
        return b""

    def _set_baud(self, data: bytes, now: float) -> bytes:
        self.next_baud = RATES[data[0]]
        return b""

    def _set_parameters(self, data: bytes, now: float) -> bytes:
        self._auto_rats = bool(data[0] & 0x10)
        return b""

    def _sam_configuration(self, data: bytes, now: float) -> bytes:
        if not 1 <= data[0] <= 4:
            raise ValueError("no such mode")
        self._sam_normal = data[0] == 1
        return b""

    def _power_down(self, data: bytes, now: float) -> bytes:
        if not data[0]:
            raise ValueError("nothing would wake it")
        return b"\x00"

    def _rf_configuration(self, data: bytes, now: float) -> bytes:
        item, values = data[0], data[1:]
        if item == 1:
            self._radio(bool(values[0] & 1), now)
        elif item == 5:
            self._retries = values[2]
        elif item not in (2, 4, 0x0A, 0x0B, 0x0C, 0x0D):
            raise ValueError("no such item")
        return b""

    def _data_exchange(self, data: bytes, now: float) -> bytes:
        if not 1 <= data[0] & 0x3F <= len(self._field.selected):
            return b"\x27"
        said = self._field.exchange(data[1:])
        return b"\x01" if said is None else b"\x00" + said

    def _communicate_thru(self, data: bytes, now: float) -> bytes:
        said = self._field.exchange(data)
        if said is None:
            return b"\x01"
        # With the receiver's CRC switched off the host gets the CRC bytes too; a 4-bit answer has none.
        raw = not self._registers[0x6303] & 0x80 and len(said) > 1
        return b"\x00" + said + (crc_a(said) if raw else b"")

    def _deselect(self, data: bytes, now: float) -> bytes:
        self._field.halt()
        return b"\x00"

    def _release(self, data: bytes, now: float) -> bytes:
        self._deselect(data, now)
        self._field.selected = []
        return b"\x00"

    _RADIO = frozenset((0x40, 0x42, 0x44, 0x4A, 0x52))
    _HANDLERS: ClassVar[Mapping[int, Callable[..., bytes | None]]] = {
        0x00: _diagnose,
        0x02: _firmware_version,
        0x04: _general_status,
        0x06: _read_register,
        0x08: _write_register,
        0x10: _set_baud,
        0x12: _set_parameters,
        0x14: _sam_configuration,
        0x16: _power_down,
        0x32: _rf_configuration,
        0x40: _data_exchange,
        0x42: _communicate_thru,
        0x44: _deselect,
        0x4A: _list_passive_target,
        0x52: _release,
    }
