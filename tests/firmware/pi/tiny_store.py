"""A store that fits a page, at the far end of a real broker: it checks every MAC, answers hello and head with the time,
publishes a roster, and gives receipts for what it holds without a hole. It keeps everything in memory."""

import threading
import time
from collections.abc import Callable

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from firmware.contract import envelope, roster, statement, topics
from firmware.contract.decide import Window
from firmware.contract.mac import Key

SITE, READER = "main", "a-101"
KEY = Key(1, bytes(range(32)))
CARD_KEY = Key(1, bytes(range(100, 132)))
LISTED_UID = bytes.fromhex("04a1b2c3d4e5f6")
OTHER_UID = bytes.fromhex("11223344")


def settings(port: int) -> dict:
    """What `muster reader add` would write for this store's reader."""
    return {
        "v": 1,
        "site": SITE,
        "reader": READER,
        "key": {"id": 1, "secret": bytes(range(32)).hex()},
        "card_keys": [{"id": 1, "secret": bytes(range(100, 132)).hex()}],
        "broker": {"host": "127.0.0.1", "port": port, "user": None, "password": None},
    }


class TinyStore:
    """Connects at once; `close` ends it. `receipts` False: it keeps silent about what it has."""

    def __init__(self, port: int, *, receipts: bool = True) -> None:
        self.receipts = receipts
        #: (journal, seq) -> statement, only with a right MAC
        self.records: dict[tuple[str, int], statement.Statement] = {}
        self.hellos: list[statement.Statement] = []
        self.heads: list[statement.Statement] = []
        self.statuses: list[bytes] = []
        self.health: list[bytes] = []
        #: lines whose MAC was wrong, and second copies of a record that differ from the first
        self.bad: list[str] = []
        #: how often a record came
        self.offers: dict[tuple[str, int], int] = {}
        self.changed = threading.Condition()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="tiny-store")
        self._client.on_message = self._message
        #: subscriptions the broker has confirmed: one more after each reconnect
        self.subscribed = 0
        self._client.on_connect = lambda client, *rest: client.subscribe(f"{topics.ROOT}/+/+/+", 1)
        self._client.on_subscribe = self._subscribed
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def push_roster(self, uids=(LISTED_UID,)) -> None:
        """One session, 17, that runs now; the roster is retained."""
        now_s = int(time.time())
        window = Window(17, *(1000 * (now_s + s) for s in (-1800, -60, 3000, 3000)))
        tokens = [CARD_KEY.token(uid) for uid in uids]
        blob = roster.encode(
            READER, KEY, now_s * 1000, (now_s - 60) * 1000, (now_s + 300_000) * 1000, [(window, tokens)]
        )
        self._client.publish(topics.topic(SITE, READER, "roster"), blob, qos=1, retain=True).wait_for_publish(5)

    def wait(self, what: Callable[["TinyStore"], object], timeout_s: float = 40.0) -> None:
        """Until `what(self)` is true; AssertionError after the time-out."""
        with self.changed:
            assert self.changed.wait_for(lambda: what(self), timeout_s), f"not within {timeout_s} s: {self}"

    def swipes(self) -> list[statement.Statement]:
        return [s for _, s in sorted(self.records.items()) if s.kind == "swipe"]

    def give_receipts(self) -> None:
        for journal in {journal for journal, _ in self.records}:
            self._receipt(journal)

    def __repr__(self) -> str:
        return (
            f"{len(self.records)} records, {len(self.hellos)} hellos, {len(self.heads)} heads, "
            f"statuses {self.statuses}, bad {self.bad}"
        )

    def _subscribed(self, *rest) -> None:
        with self.changed:
            self.subscribed += 1
            self.changed.notify_all()

    def _message(self, client, userdata, message) -> None:
        with self.changed:
            kind = topics.parse(message.topic).kind
            if kind == "status":
                self.statuses.append(message.payload)
            elif kind == "health":
                self.health.append(message.payload)
            elif kind in ("swipes", "hello", "head"):
                for line in envelope.unwrap(message.payload):
                    self._line(line)
            self.changed.notify_all()

    def _line(self, line: str) -> None:
        said = statement.read(line)
        if not KEY.made(said.text.encode(), said.mac):
            self.bad.append(line)
            return
        if said.kind in ("hello", "head"):
            (self.hellos if said.kind == "hello" else self.heads).append(said)
            self._say("command", "time", nonce=said.values["nonce"], wall_ms=int(time.time() * 1000))
            return
        name = (said.values["journal"], said.values["seq"])
        self.offers[name] = self.offers.get(name, 0) + 1
        if self.records.setdefault(name, said) != said:
            self.bad.append(line)
        if self.receipts:
            self._receipt(name[0])

    def _receipt(self, journal: str) -> None:
        up_to = -1
        while (journal, up_to + 1) in self.records:
            up_to += 1
        if up_to >= 0:
            self._say("receipt", "receipt", nonce=self.hellos[-1].values["nonce"], journal=journal, up_to=up_to)

    def _say(self, topic: str, kind: str, **values) -> None:
        text = statement.say(kind, READER, KEY.id, values)
        line = statement.seal(text, KEY.mac(text.encode()))
        self._client.publish(topics.topic(SITE, READER, topic), envelope.wrap([line]), qos=1)
