"""Many readers in one process, at the wire: real journal and uplink code, MQTT packets by hand, no threads.

A bench of a line on two cores must not spend them on its own senders: packets are made before the clock runs where
they can be, and one selector serves every connection.
"""

import secrets
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from firmware.codecs import mqtt_packets as packets
from firmware.contract import envelope, statement
from firmware.contract.mac import Key
from firmware.reader.clock import Clock
from firmware.reader.journal import Journal
from firmware.reader.uplink import OFFLINE, Uplink
from simulator.line import read_settings

#: messages that a connection has under way: the firmware waits for each PUBACK before it publishes the next
WINDOW = 1


class Wire:
    """All connections, served by `turn`."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.selector = selectors.DefaultSelector()
        self.connections: list[Connection] = []

    def turn(self, timeout_s: float = 0.0) -> None:
        """Read and write whatever can be, waiting at most so long for the first."""
        for key, mask in self.selector.select(timeout_s):
            connection: Connection = key.data
            if mask & selectors.EVENT_READ:
                connection.read()
            if mask & selectors.EVENT_WRITE:
                connection.write()

    def close(self) -> None:
        """Hang up everywhere."""
        for connection in self.connections:
            connection.socket.close()
        self.selector.close()


class Connection:
    """One reader's connection to the broker.

    on_message(kind, payload): from the broker. more() -> (kind, payload, retain) or None: asked for as long as there is
    room in the window.
    """

    def __init__(self, wire: Wire, site: str, name: str, login: tuple[str | None, str | None], window: int) -> None:
        self._wire, self._window = wire, window
        self._topic = f"muster/v1/{site}/{name}/"
        self.on_message: Callable[[str, bytes], None] = lambda kind, payload: None
        self.more: Callable[[], tuple[str, bytes, bool] | None] = lambda: None
        self._flying: set[int] = set()
        self._id = 1
        self._in = bytearray()
        self._out = bytearray()
        self._writes = False
        self.socket = socket.create_connection((wire.host, wire.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        down = [self._topic + kind for kind in ("receipt", "command")]
        self.socket.sendall(
            packets.connect(
                name, user=login[0], password=login[1], keepalive_s=0, will=(self._topic + "status", OFFLINE)
            )
            + packets.subscribe(down, qos=1, packet_id=1)
        )
        answer = b""
        while len(answer) < 4 + 6:
            more = self.socket.recv(64)
            if not more:
                raise ConnectionError("the broker hung up at the start")
            answer += more
        if answer[3] or 0x80 in answer[8:10]:
            raise ConnectionError("the broker refuses this reader")
        self._in += answer[10:]
        self.socket.setblocking(False)
        wire.selector.register(self.socket, selectors.EVENT_READ, self)
        wire.connections.append(self)

    def pump(self) -> None:
        """Publish what there is, as far as the window goes."""
        while len(self._flying) < self._window and (said := self.more()) is not None:
            kind, payload, retain = said
            self._id = self._id % 65535 + 1
            self._flying.add(self._id)
            self._out += packets.publish(
                self._topic + kind, payload, qos=1, retain=retain, dup=False, packet_id=self._id
            )
        if self._out:
            self.write()

    def write(self) -> None:
        """Send what the socket takes."""
        try:
            sent = self.socket.send(self._out)
            del self._out[:sent]
        except BlockingIOError:
            pass
        if bool(self._out) != self._writes:
            self._writes = bool(self._out)
            mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._writes else 0)
            self._wire.selector.modify(self.socket, mask, self)

    def read(self) -> None:
        """Take what came."""
        try:
            got = self.socket.recv(65536)
        except BlockingIOError:
            return
        if not got:
            raise ConnectionError("the broker hung up")
        self._in += got
        while (packet := self._packet()) is not None:
            first, body = packet
            if first & 0xF0 == packets.PUBACK:
                self._flying.discard(body[0] << 8 | body[1])
            elif first & 0xF0 == packets.PUBLISH:
                length = body[0] << 8 | body[1]
                self._out += packets.puback(body[2 + length] << 8 | body[3 + length])
                kind = body[2 : 2 + length].rpartition(b"/")[2].decode()
                self.on_message(kind, body[4 + length :])
        self.pump()

    def _packet(self) -> tuple[int, bytes] | None:
        size = shift = 0
        for at in range(1, 5):
            if len(self._in) <= at:
                return None
            size |= (self._in[at] & 0x7F) << shift
            shift += 7
            if self._in[at] < 0x80:
                break
        end = at + 1 + size
        if len(self._in) < end:
            return None
        packet = self._in[0], bytes(self._in[at + 1 : end])
        del self._in[:end]
        return packet


class Shelf:
    """A reader's storage in memory (docs/wire.md, Storage): what a power cut does is measured elsewhere."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}
        self._freed: dict[str, int] = {}

    def journals(self) -> list[statement.Held]:
        return [statement.Held(j, 0, self._freed.get(j, -1), len(lines) - 1) for j, lines in self._lines.items()]

    def append(self, journal: str, seq: int, text: str, mac: bytes) -> None:
        lines = self._lines.setdefault(journal, [])
        assert seq == len(lines), "gapless"
        lines.append(statement.seal(text, mac))

    def read(self, journal: str, first: int, limit: int) -> list[str]:
        return self._lines[journal][first : first + limit]

    def free(self, journal: str, up_to: int) -> None:
        self._freed[journal] = up_to

    def unfree(self, journal: str, first: int) -> None:
        self._freed[journal] = first - 1

    def room(self) -> int:
        return 1_000_000

    def idle(self) -> bool:
        return False


class Board:
    """One reader: the real journal and uplink, with a settings file of `muster reader add`."""

    def __init__(self, settings: Path) -> None:
        said = read_settings(settings)
        self.site, self.name = said["site"], said["reader"]
        self._login = said["broker"].get("user"), said["broker"].get("password")
        self.key = Key(said["key"]["id"], bytes.fromhex(said["key"]["secret"]))
        self.card_keys = [Key(one["id"], bytes.fromhex(one["secret"])) for one in said["card_keys"]]
        self._clock = Clock()
        self.journal = Journal(
            reader=self.name, key=self.key, storage=Shelf(), random_bytes=secrets.token_bytes, firmware="bench"
        )
        self.uplink = Uplink(
            reader=self.name, key=self.key, journal=self.journal, clock=self._clock, random_bytes=secrets.token_bytes,
            firmware="bench", on_time=self._clock.answered,
        )  # fmt: skip
        self.connection: Connection | None = None
        #: when it was started, for its monotonic clock
        self._began_s = time.monotonic() - 7 * 24 * 3600
        #: messages that are published before what the uplink has to say
        self.ready: deque[bytes] = deque()
        #: whether the uplink offers by itself
        self.offers = True

    def now_ms(self) -> int:
        """Monotonic ms since boot: it was a week ago."""
        return int((time.monotonic() - self._began_s) * 1000)

    def swipe(self, uid: bytes, wall_ms: int) -> int:
        """A card is held to it: what stands in the journal then. Returns its seq."""
        tokens = [statement.Token(key.id, key.token(uid)) for key in self.card_keys]
        return self.journal.swipe(
            evidence=statement.evidence_of(tokens), boot_ms=self.now_ms() - (int(time.time() * 1000) - wall_ms),
            wall_ms=wall_ms, clock="sync", uncertainty_ms=12, verdict="check", session=None, roster=None,
        )  # fmt: skip

    def lines(self) -> list[str]:
        """Everything in the journal of this boot."""
        live = self.journal.live
        return [] if live is None else self.journal.lines(live, 0, 1_000_000)

    def connect(self, wire: Wire, window: int = WINDOW) -> None:
        """Go to the broker and say hello."""
        self.connection = Connection(wire, self.site, self.name, self._login, window)
        self.connection.on_message = self._heard
        self.connection.more = self._next
        self.uplink.linked(self.now_ms())
        self.connection.pump()

    def pump(self) -> None:
        """Publish what has become due."""
        assert self.connection is not None
        self.connection.pump()

    @property
    def greeted(self) -> bool:
        """Whether the store has answered its hello."""
        return self._clock.pairing is not None

    def _next(self) -> tuple[str, bytes, bool] | None:
        if self.ready and self.greeted:
            return "swipes", self.ready.popleft(), False
        if not self.offers and self.greeted:
            return None
        out = self.uplink.next(self.now_ms())
        while out is not None and out.kind == "swipes" and not self.offers:
            out = self.uplink.next(self.now_ms())
        return None if out is None else (out.kind, out.payload, out.retain)

    def _heard(self, kind: str, payload: bytes) -> None:
        self.uplink.received(kind, payload, self.now_ms())


def boards(folder: Path, names: Iterable[str]) -> list[Board]:
    """The readers of these names, from the settings files in a folder."""
    return [Board(folder / f"{name}.json") for name in names]


def one_a_message(lines: Iterable[str]) -> deque[bytes]:
    """Each line as a message of its own, as a door says it whose cards come one by one."""
    return deque(envelope.wrap([line]) for line in lines)
