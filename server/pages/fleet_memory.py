"""What pages of doors showed, for a while: so that a page of six hundred is sent the few rows that changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

#: versions that are remembered: each is 600 rows of some hundred bytes
KEPT = 24

Rows = list[dict[str, Any]]


class FleetMemory:
    """The rows of the last versions. Thread-safe, bounded."""

    def __init__(self, *, kept: int = KEPT) -> None:
        self._kept = kept
        self._by_version: OrderedDict[str, Rows] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, version: str, rows: Rows) -> None:
        """Remember what this version shows; the oldest go."""
        with self._lock:
            self._by_version[version] = rows
            self._by_version.move_to_end(version)
            while len(self._by_version) > self._kept:
                self._by_version.popitem(last=False)

    def get(self, version: str) -> Rows | None:
        """What it showed; None: forgotten, or there never was one."""
        with self._lock:
            return self._by_version.get(version)

    def changed(self, before: Rows, now: Rows) -> Rows | None:
        """The rows that differ; None: they are not of the same readers in the same order."""
        if [one["reader"] for one in before] != [one["reader"] for one in now]:
            return None
        return [new for old, new in zip(before, now, strict=True) if old != new]
