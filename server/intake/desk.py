"""What one delivery works on: its items as values, and the desk that its steps share."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from firmware.contract import statement
from firmware.contract.mac import Key
from server.policy.revoking import Revoked
from server.store import alarms, cards, journals, readers, withheld
from server.store.engine import Connection
from server.store.quarantines import Suspect

#: how often it is written down that a reader is there
SEEN_EVERY_MS = 1000


class Item(NamedTuple):
    """One thing as the gateway had it. line: for all kinds but raw. raw_b64, topic: for raw."""

    id: str
    site: str
    reader: str
    kind: str
    line: str = ""
    received_ms: int = 0
    topic: str = ""
    raw_b64: str = ""


@dataclass(kw_only=True)
class Answer:
    """What the gateway is told after the commit. Lists of the wire's own objects."""

    done: list[str] = field(default_factory=list)
    down: list[dict[str, Any]] = field(default_factory=list)
    replay: list[dict[str, Any]] = field(default_factory=list)
    #: pieces of releases that are to be sent to readers
    offers: list[dict[str, Any]] = field(default_factory=list)
    #: for the metrics: records by what became of them
    new: int = 0
    same: int = 0
    suspect: int = 0


class Record(NamedTuple):
    """An authentic record. said: None where its form is not known here."""

    item: Item
    reader: readers.Reader
    journal: str
    seq: int
    text: str
    mac: bytes
    said: statement.Statement | None


class Desk:
    """One request's state. The steps read and fill it; deliveries.py writes what they leave in it."""

    def __init__(
        self,
        connection: Connection,
        ring: readers.KeyRing,
        *,
        institution_id: int,
        gateway_id: int | None,
        now_ms: int,
    ) -> None:
        self.connection, self.ring = connection, ring
        self.institution_id, self.gateway_id, self.now_ms = institution_id, gateway_id, now_ms
        self.answer = Answer()
        self.suspects: list[Suspect] = []
        #: the readers that the items name, by name and by id, and their keys by (reader id, key id)
        self.known: dict[str, readers.Reader] = {}
        self.by_id: dict[int, readers.Reader] = {}
        self.keys: dict[tuple[int, int], Key] = {}
        #: reader id -> the key that the store MACs with for it: its newest
        self.newest: dict[int, Key] = {}
        #: readers of which something authentic came
        self.seen: set[int] = set()
        #: and something new: what is said once more, whoever says it, shows nobody to be there
        self.heard: set[int] = set()
        #: reader id -> row of `reader_state`, as this request found it
        self.states: dict[int, Any] = {}
        #: reader id -> what is to be noted of it
        self.notes: dict[int, dict[str, Any]] = {}
        #: (reader id, journal) of each journal that a receipt is owed to
        self.owed: set[tuple[int, str]] = set()
        #: journals to be written back, by id
        self.changed: dict[int, journals.Journal] = {}

    def revoked_of(self, reader_ids: Iterable[int]) -> dict[int, Revoked]:
        """Those of these readers that are believed no more. Only a reader that has ended can be one of them."""
        return withheld.of_readers(
            self.connection,
            [one for one in reader_ids if one not in self.by_id or self.by_id[one].ended_ms is not None],
        )

    def known_of(self, reader_id: int, name: str) -> Any:
        """What is known of a reader, with what this request has noted: a column of `reader_state`; None: nothing."""
        noted = self.notes.get(reader_id, {})
        return noted[name] if name in noted else getattr(self.states.get(reader_id), name, None)

    def see(self, reader_id: int) -> None:
        """Something authentic came from this reader: noted once a second, for people who look at doors."""
        last = getattr(self.states.get(reader_id), "seen_ms", None)
        if last is None or not 0 <= self.now_ms - last < SEEN_EVERY_MS:
            self.notes.setdefault(reader_id, {})["seen_ms"] = self.now_ms

    def learn(self, facts: Iterable[Mapping[str, Any]]) -> None:
        """While card keys change, what carries a card's tokens under both tells the one that is not known yet. facts:
        with institution_id, reader_id, key_id, token, key2_id and token2."""
        pairs: dict[int, list[tuple[tuple[int, bytes], tuple[int, bytes], int]]] = {}
        for one in facts:
            if one["token2"] is not None:
                both = (one["key_id"], one["token"]), (one["key2_id"], one["token2"])
                pairs.setdefault(one["institution_id"], []).append((*both, one["reader_id"]))
        for institution_id, told in pairs.items():
            cards.learn(self.connection, institution_id, told, self.now_ms)

    def suspect(self, item: Item, code: str, *, authentic: bool = False) -> None:
        """This item goes to quarantine."""
        content = item.line.encode("utf-8", "surrogatepass")
        if item.kind == "raw":
            try:
                content = base64.b64decode(item.raw_b64, validate=True)
            except (binascii.Error, ValueError):
                content = item.raw_b64.encode("utf-8", "surrogatepass")
        self.suspects.append(
            Suspect(
                code=code,
                kind=item.kind[:16],
                site=item.site,
                reader=item.reader,
                topic=item.topic,
                content=content,
                authentic=authentic,
            )
        )

    def alarm(self, found: readers.Reader, code: str, subject: str, text: str) -> None:
        """Raise an alarm about a reader."""
        alarms.raise_(self.connection, found.institution_id, code, subject, text, self.now_ms, reader_id=found.id)
