"""Registers as they were shown, for a while: so that a poll reads little and renders only the rows that changed."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: how many are remembered: a few versions of each register that is open at once
KEPT = 256
#: a register is read again at least this often, also when its version stands still
LASTS_MS = 15_000


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One register as it was shown. Holds names: kept in memory only, and not for long."""

    version: int
    until_ms: int
    #: server.store.registers.Register without its rows
    register: Any
    #: person id -> what the row shows, in the register's order
    rows: dict[int, dict[str, Any]]
    numbers: dict[str, int | None]
    #: what stands beside the marks: deadlines' facts, remarks, reports
    about: dict[str, Any]
    #: what the rules of a programme say otherwise of its marks
    shifts: tuple[Any, ...] = ()
    #: what the taps with cards that sign rest on, by their swipe, and until when that is taken over unjudged
    taps: Mapping[int, Any] = field(default_factory=dict)
    judged_until_ms: int = 0

    @property
    def digest(self) -> str:
        """Stands for all rows; the page names it when it asks whether anything changed."""
        return hashlib.blake2b(json.dumps([*self.rows.values()]).encode("ascii"), digest_size=8).hexdigest()

    def changed_since(self, before: Snapshot) -> list[dict[str, Any]] | None:
        """The rows that differ, each with whether its card was just tapped; None: other students."""
        if before.rows.keys() != self.rows.keys():
            return None
        return [
            row | {"fresh": row["at"] is not None and row["at"] != before.rows[person_id]["at"]}
            for person_id, row in self.rows.items()
            if row != before.rows[person_id]
        ]


class Snapshots:
    """The newest snapshot of each session, and older ones by their digest. Thread-safe, bounded."""

    def __init__(self, *, kept: int = KEPT) -> None:
        self._kept = kept
        self._newest: OrderedDict[int, tuple[str, Snapshot]] = OrderedDict()
        self._by_digest: OrderedDict[tuple[int, str], Snapshot] = OrderedDict()
        self._lock = threading.Lock()

    def newest(self, session_id: int, version: int, now_ms: int) -> tuple[str, Snapshot] | None:
        """The digest and snapshot of this version, or None where it has to be read again."""
        with self._lock:
            found = self._newest.get(session_id)
        if found is None or found[1].version != version or not now_ms < found[1].until_ms <= now_ms + LASTS_MS:
            return None
        return found

    def last(self, session_id: int) -> Snapshot | None:
        """The newest, of whatever version."""
        with self._lock:
            found = self._newest.get(session_id)
        return None if found is None else found[1]

    def by_digest(self, session_id: int, digest: str) -> Snapshot | None:
        """What a page shows that names this digest; None: forgotten, or never so."""
        with self._lock:
            return self._by_digest.get((session_id, digest))

    def put(self, session_id: int, made: Snapshot) -> str:
        """Remember one; the oldest go. Returns its digest."""
        digest = self.put_beside(session_id, made)
        with self._lock:
            self._newest[session_id] = (digest, made)
            self._newest.move_to_end(session_id)
            while len(self._newest) > self._kept:
                self._newest.popitem(last=False)
        return digest

    def put_beside(self, session_id: int, made: Snapshot) -> str:
        """Remember one as some see it, who see more of it than others. Returns its digest."""
        digest = made.digest
        with self._lock:
            self._by_digest[session_id, digest] = made
            self._by_digest.move_to_end((session_id, digest))
            while len(self._by_digest) > self._kept:
                self._by_digest.popitem(last=False)
        return digest
