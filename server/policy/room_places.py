"""In which building and on which floor a room is, by its code, where nobody has said it. Pure.

Timetables write rooms as `CS-101`, `Main 2.14`, `B3/007`: the first part is the building's, and the number's digits before
its last two are the floor's. It is a guess for a map, and nothing is decided by it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_PARTS = re.compile(r"[^A-Za-z0-9]+")
_SPLIT = re.compile(r"([A-Za-z]+[0-9]*?)([0-9]{2,4})[A-Za-z]?")
LONGEST = 32


@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """Where a room is. floor: empty where nothing tells."""

    building: str
    floor: str = ""


@lru_cache(maxsize=4096)
def guess(code: str | None, site: str) -> Place:
    """By the room's code; the site's name where the code says no building, or there is no room."""
    parts = [part for part in _PARTS.split(code or "") if part]
    if not parts:
        return Place(building=site)
    if len(parts) == 1:
        found = _SPLIT.fullmatch(parts[0])
        if found is None:
            return Place(building=site if parts[0][:1].isdigit() else parts[0][:LONGEST])
        parts = [found[1], found[2]]
    building, number = parts[0][:LONGEST], parts[-1]
    if building.isdigit():
        return Place(building=site, floor=_floor(building))
    if len(parts) > 2 and parts[-2].isalnum() and len(parts[-2]) <= 2:
        return Place(building=building, floor=parts[-2])
    return Place(building=building, floor=_floor(number))


def _floor(number: str) -> str:
    digits = re.match(r"[0-9]+", number)
    if digits is None:
        return ""
    return str(int(digits[0][:-2])) if len(digits[0]) > 2 else "0"
