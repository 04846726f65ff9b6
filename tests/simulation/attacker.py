"""Somebody who may publish at the broker and holds no key: forged swipes, receipts and rosters, and old words repeated."""

import struct
from binascii import crc32
from typing import TYPE_CHECKING

from firmware.contract import envelope, statement, topics
from firmware.contract.mac import Key
from tests.simulation.campus import PEOPLE, SITE, token

if TYPE_CHECKING:
    from tests.simulation.play import Run

HEARD_MOST = 200


class Attacker:
    """Hears everything, and says what was never said."""

    def __init__(self, run: "Run") -> None:
        self.run, self.world = run, run.world
        self.rng = self.world.chance("attacker")
        self.key = Key(1, self.rng.randbytes(32))
        self.heard: list[tuple[str, bytes]] = []
        #: the first class list heard of each reader
        self.first: dict[str, bytes] = {}
        self.ways = (
            self.swipe,
            self.altered,
            self.receipt,
            self.repeated,
            self.roster,
            self.nonsense,
            self.again,
            self.older,
        )

    def plan(self, until_s: float) -> None:
        if self.rng.random() < 0.6:
            self.run.broker.tap = self.hear
            for _ in range(self.rng.choice((4, 12))):
                self.world.loop.call_at(self.rng.uniform(30, until_s), self.act)

    def hear(self, topic: str, payload: bytes) -> None:
        if topic.endswith("/roster"):
            self.first.setdefault(topic, payload)
        if len(self.heard) < HEARD_MOST:
            self.heard.append((topic, payload))
        else:
            self.heard[self.rng.randrange(HEARD_MOST)] = (topic, payload)

    def act(self) -> None:
        way = self.rng.choice(self.ways)
        self.world.tell("attacker", way.__name__)
        self.world.rare(f"attack: {way.__name__}")
        way()

    def publish(self, reader: str, kind: str, payload: bytes, *, retain: bool = False) -> None:
        self.run.broker.take(None, topics.topic(SITE, reader, kind), payload, retain)

    def any_reader(self) -> str:
        return self.rng.choice(self.run.boards).name

    def sealed(self, kind: str, reader: str, values: dict) -> bytes:
        text = statement.say(kind, reader, 1, values)
        return envelope.wrap([statement.seal(text, self.key.mac(text.encode()))])

    def journal(self, reader: str) -> str:
        known = [journal for name, journal in self.run.oracle.ever if name == reader]
        return self.rng.choice(known) if known else self.rng.randbytes(8).hex()

    def swipe(self) -> None:
        """A swipe that nobody made, in the next place of a journal that is real."""
        reader = self.any_reader()
        journal = self.journal(reader)
        session = self.rng.choice(self.run.campus.sessions)
        values = {
            "journal": journal,
            "seq": self.run.oracle.ever.get((reader, journal), -1) + 1,
            "evidence": "t1:" + token(self.rng.randrange(PEOPLE)).hex(),
            "boot_ms": 1000,
            "wall_ms": self.world.true_ms(),
            "clock": "sync",
            "uncertainty_ms": 1,
            "verdict": "green",
            "session": session.id,
            "roster": None,
        }
        self.publish(reader, "swipes", self.sealed("swipe", reader, values))

    def altered(self) -> None:
        """A real swipe with another card in it."""
        real = [one for one in self.heard if one[0].endswith("/swipes")]
        if real:
            topic, payload = self.rng.choice(real)
            for person in range(PEOPLE):
                payload = payload.replace(token(person).hex().encode(), token((person + 1) % PEOPLE).hex().encode())
            self.run.broker.take(None, topic, payload, False)

    def receipt(self) -> None:
        """A receipt for everything."""
        reader = self.any_reader()
        hellos = [one for one in self.heard if one[0].endswith(f"/{reader}/hello") and b"|hello|" in one[1]]
        nonce = envelope.unwrap(hellos[-1][1])[0].split("|")[4] if hellos else "0" * 16
        values = {"nonce": nonce, "journal": self.journal(reader), "up_to": self.rng.randrange(1000)}
        self.publish(reader, "receipt", self.sealed("receipt", reader, values))

    def again(self) -> None:
        """A question for everything once more."""
        reader = self.any_reader()
        values = {"nonce": self.rng.randbytes(8).hex(), "journal": self.journal(reader), "first": 0, "last": 9}
        self.publish(reader, "receipt", self.sealed("again", reader, values))

    def repeated(self) -> None:
        """Something real that was said before: receipts of an older hello, hellos, swipes, an older roster."""
        if self.heard:
            topic, payload = self.rng.choice(self.heard)
            self.run.broker.take(None, topic, payload, topic.endswith(("/roster", "/status")))

    def roster(self) -> None:
        """A class list nobody issued, retained where the real one stands, with a higher version."""
        reader = self.any_reader()
        topic = topics.topic(SITE, reader, "roster")
        kept = self.run.broker.retained.get(topic)
        if kept is None or len(kept) < 80:
            return
        version = struct.unpack_from("<Q", kept, 36)[0] + 3_600_000
        body = bytearray(kept[:-20])
        struct.pack_into("<Q", body, 36, version)
        blob = bytes(body) + struct.pack("<I", crc32(body)) + kept[-16:]
        self.run.broker.take(None, topic, blob, True)

    def older(self) -> None:
        """A class list that was real, and has been replaced since, to every reader."""
        for topic, payload in self.first.items():
            self.run.broker.take(None, topic, payload, True)

    def nonsense(self) -> None:
        kind = self.rng.choice(("swipes", "hello", "head", "status", "roster", "receipt", "command"))
        self.publish(self.any_reader(), kind, self.rng.randbytes(self.rng.randrange(60)), retain=kind == "roster")
