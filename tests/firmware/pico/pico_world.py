"""What stands around one Pico reader in these tests: its cards and chip, its lamp, its broker and a small store.

Everything real but the store and the chip: the firmware on MicroPython, MQTT over TCP, Mosquitto.
"""

import asyncio
import contextlib
import json
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho

from firmware.contract import envelope, roster, statement
from firmware.contract.decide import Window
from firmware.contract.mac import Key
from firmware.contract.topics import parse, topic
from simulator.pn532 import Pn532
from simulator.pn532_card import Card
from simulator.pn532_i2c import I2cPort
from simulator.pn532_tunnel import Tunnel
from simulator.unixport.runner import Board, build

SITE, READER = "main", "a-101"
KEY = Key(1, b"\x11" * 32)
CARD_KEY = Key(1, b"\x22" * 32)
RED, GREEN, BLUE = 16, 17, 18
HOUR_MS = 3_600_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def uid(number: int) -> bytes:
    """The 7-byte UID of card `number`."""
    return bytes([4]) + number.to_bytes(6, "big")


class Store:
    """Keeps what is authentic, answers with the time, and gives receipts while `receipting`."""

    def __init__(self, host: str, port: int) -> None:
        self.receipting = True
        self.answering = True
        #: (journal, seq) -> line; whatever had a wrong MAC; swipes seen more than once
        self.lines: dict[tuple[str, int], str] = {}
        self.arrived: dict[str, float] = {}  # token -> monotonic s of its swipe's first arrival
        self.forged: list[str] = []
        self.again = 0
        self.healths: list[dict] = []
        self.hellos: list[statement.Statement] = []
        self._nonce = ""
        self._lock = threading.Lock()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="store")
        self._client.on_connect = lambda *_: self._client.subscribe(f"muster/v1/{SITE}/+/+", qos=1)
        self._client.on_message = self._message
        self._client.connect(host, port)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish_roster(self, numbers: range, *, version_ms: int | None = None) -> None:
        """A roster with one session that is open now, retained."""
        at = now_ms()
        window = Window(4711, at - HOUR_MS, at - HOUR_MS, at + HOUR_MS, at + HOUR_MS)
        tokens = [CARD_KEY.token(uid(n)) for n in numbers]
        version = at if version_ms is None else version_ms
        blob = roster.encode(READER, KEY, version, at - HOUR_MS, at + 72 * HOUR_MS, [(window, tokens)])
        self._client.publish(topic(SITE, READER, "roster"), blob, qos=1, retain=True)

    def send(self, kind: str, payload: bytes) -> None:
        self._client.publish(topic(SITE, READER, kind), payload, qos=1)

    def receipt_all(self) -> None:
        """Receipts for every journal, as far as it is whole."""
        with self._lock:
            journals = {journal for journal, _ in self.lines}
            ends = {}
            for journal in journals:
                end = -1
                while (journal, end + 1) in self.lines:
                    end += 1
                ends[journal] = end
        for journal, end in ends.items():
            if end >= 0:
                self._say("receipt", "receipt", {"nonce": self._nonce, "journal": journal, "up_to": end})

    def swipes(self, verdict: str = "green") -> list[statement.Statement]:
        with self._lock:
            read = [statement.read(line) for line in self.lines.values()]
        return [s for s in read if s.kind == "swipe" and s.values["verdict"] == verdict]

    def tokens(self, verdict: str = "green") -> set[bytes]:
        return {statement.tokens(s.values["evidence"])[0].token for s in self.swipes(verdict)}

    def _message(self, client, userdata, message) -> None:
        kind = parse(message.topic).kind
        if kind == "health":
            self.healths.append(json.loads(message.payload))
        if kind not in ("swipes", "hello", "head"):
            return
        for line in envelope.unwrap(message.payload):
            said = statement.read(line)
            if not KEY.made(said.text.encode(), said.mac):
                self.forged.append(line)
                continue
            if said.kind in statement.NUMBERED:
                place = (said.values["journal"], said.values["seq"])
                with self._lock:
                    self.again += place in self.lines
                    assert self.lines.setdefault(place, line) == line, "one identity, two lines"
                if said.kind == "swipe":
                    token = statement.tokens(said.values["evidence"])[0].token.hex()
                    self.arrived.setdefault(token, time.monotonic())
            else:
                if said.kind == "hello":
                    self._nonce = said.values["nonce"]
                    self.hellos.append(said)
                if self.answering:
                    self._say("command", "time", {"nonce": said.values["nonce"], "wall_ms": now_ms()})
        if self.receipting and kind == "swipes":
            self.receipt_all()

    def _say(self, kind: str, what: str, values: dict) -> None:
        text = statement.say(what, READER, KEY.id, values)
        self.send(kind, envelope.wrap([statement.seal(text, KEY.mac(text.encode()))]))


class World:
    """One reader on its wall. `async with World(...) as world`."""

    def __init__(self, folder: Path, broker, *, heapsize: str = "300K", scale: int = 1, environment=None) -> None:
        self.chip = Pn532(clock=time.monotonic)
        self.pins: list[tuple[int, int, float]] = []
        self._changed = asyncio.Event()
        self.tunnel = Tunnel(I2cPort(self.chip), on_pin=self._pin)
        settings = folder / "settings.json"
        settings.write_text(
            json.dumps(
                {
                    "v": 1,
                    "site": SITE,
                    "reader": READER,
                    "key": {"id": 1, "secret": "11" * 32},
                    "card_keys": [{"id": 1, "secret": "22" * 32}],
                    "broker": {"host": broker.host, "port": broker.port, "user": None, "password": None},
                    "wifi": {"ssid": "campus", "password": "secret"},
                }
            )
        )
        self.board = Board(
            built=build(folder / "built"),
            settings=settings,
            flash=folder / "flash.img",
            pty=self.tunnel.path,
            log=folder / "board.log",
            heapsize=heapsize,
            scale=scale,
            environment=environment,
        )

    async def __aenter__(self):
        self.tunnel.attach()
        self.board.start()
        return self

    async def __aexit__(self, *_):
        self.board.kill()
        self.tunnel.close()

    def _pin(self, kind: str, pin: int, value: int, at_s: float) -> None:
        self.pins.append((pin, value, at_s))
        self._changed.set()

    async def restart(self) -> None:
        """Power cut, and power again."""
        self.board.kill()
        self.tunnel.restart()
        self.chip.revive()
        self.board.start()

    async def seen(self, pin: int, since_s: float, timeout_s: float) -> float | None:
        """When a colour came on after `since_s` (monotonic s), or None."""
        deadline = time.monotonic() + timeout_s
        while True:
            for which, value, at_s in reversed(self.pins):
                if at_s < since_s:
                    break
                if which == pin and value > 16_000:
                    return at_s
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

    async def tap(self, number: int, *, colour: int = GREEN, timeout_s: float = 40.0, gap_s: float = 0.15):
        """Hold a card to the reader until its light comes. Returns (light came at, chip had answered at), monotonic s."""
        since = time.monotonic()
        shown = self.chip.card_in(Card(uid=uid(number)))
        try:
            light = await self.seen(colour, since, timeout_s)
        finally:
            await asyncio.sleep(0.03)
            self.chip.card_out(shown)
        await asyncio.sleep(gap_s)
        return light, shown.answered_at_s

    async def event(self, name: str, timeout_s: float = 40.0, count: int = 1) -> dict:
        """`Board.wait_event` without holding up the loop, which the chip lives in."""
        return await asyncio.to_thread(self.board.wait_event, name, timeout_s, count)

    async def until(self, condition, timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
            await asyncio.sleep(0.02)


def percentile(values: list[float], percent: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
