"""Which outages follow from what a reader stated, one head after the other, and from its silence. Pure.

    silent   the store heard nothing of it for SILENT_AFTER_MS: the line or the reader. It may have taken swipes meanwhile
    off      it had no power, or restarted: between a head and the beginning of the life that the next one proves
    chip, full, storage, list   what its heads say that keeps it from taking swipes
    gateway  no gateway was heard; store: the store itself did not look. Both are of the whole line, and of no reader

A head says for how long its reader has been up (`boot_ms`), so life is proved for times in which nobody heard it:
whoever was only cut off was not off (policy/outages.py, which judges registers by the same).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SILENT, OFF, GATEWAY, STORE = "silent", "off", "gateway", "store"
CHIP, FULL, STORAGE, LIST = ABLE = ("chip", "full", "storage", "list")
KINDS = (SILENT, OFF, *ABLE, GATEWAY, STORE)

#: heads come each minute: two that were lost, and some
SILENT_AFTER_MS = 150_000
#: a gateway that was not heard for so long was taken away by somebody
TAKEN_AWAY_MS = 7 * 24 * 3_600_000
#: two readings of one moment by a reader's clock may differ by this
SLACK_MS = 5_000
#: no head tells of a time after its own arrival but by a clock's error
AHEAD_MS = 5 * 60_000


@dataclass(frozen=True, kw_only=True)
class Head:
    """What one head says. wall_ms: None without a clock."""

    reader_id: int
    wall_ms: int | None
    boot_ms: int
    able: str
    unsure_ms: int
    received_ms: int

    @property
    def at_ms(self) -> int:
        """When it was stated: by its own clock, else by its arrival."""
        return self.received_ms if self.wall_ms is None else min(self.wall_ms, self.received_ms)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One outage that begins, ends or was. from_ms None: the one that is open ends. to_ms None: it goes on."""

    kind: str
    from_ms: int | None
    to_ms: int | None


def follows(before: Head | None, head: Head, open_kinds: Iterable[str]) -> list[Change]:
    """What this head changes. before: the reader's head before it; open_kinds: what is open of it now.

    A head that is not later than the one before is told of already, or too late: it changes nothing here.
    """
    if head.wall_ms is not None and head.wall_ms > head.received_ms + AHEAD_MS:
        return []
    if before is not None and head.at_ms <= before.at_ms:
        return []
    found = []
    begins = _begins(head)
    if before is not None and begins is not None and begins > before.at_ms + SLACK_MS:
        found.append(Change(kind=OFF, from_ms=before.at_ms, to_ms=begins))
    now = {part for part in head.able.split("+") if part in ABLE}
    was = set(open_kinds) & set(ABLE)
    # It may have broken right after it said that all was well; but not before it was on.
    since = max(one for one in (before and before.at_ms, begins, head.at_ms - head.boot_ms) if one is not None)
    found += [Change(kind=kind, from_ms=min(since, head.at_ms), to_ms=None) for kind in ABLE if kind in now - was]
    found += [Change(kind=kind, from_ms=None, to_ms=head.at_ms) for kind in ABLE if kind in was - now]
    return found


def _begins(head: Head) -> int | None:
    """From when on it surely was alive; None: it has no clock that would tell."""
    return None if head.wall_ms is None else min(head.wall_ms, head.received_ms) - head.boot_ms + head.unsure_ms


def silent_from(seen_ms: int | None, watched_from_ms: int, now_ms: int) -> int | None:
    """Since when a reader is silent; None: it is not, or was never heard. watched_from_ms: since when the store has been
    looking: its own outage is none of the reader's."""
    if seen_ms is None or now_ms - max(seen_ms, watched_from_ms) <= SILENT_AFTER_MS:
        return None
    return seen_ms


def gateways_from(seen: Iterable[int | None], watched_from_ms: int, now_ms: int) -> int | None:
    """Since when no gateway was heard; None: one was, or there never was one."""
    heard = [one for one in seen if one is not None]
    if not heard or now_ms - max(*heard, watched_from_ms, 0) <= SILENT_AFTER_MS:
        return None
    return max(heard)


def gateways_away(seen: Iterable[int | None], now_ms: int) -> int:
    """How many gateways are not heard, of those that were in the last days."""
    return sum(SILENT_AFTER_MS < now_ms - one <= TAKEN_AWAY_MS for one in seen if one is not None)


def overlap_ms(spans: Iterable[tuple[int, int]], from_ms: int, to_ms: int) -> int:
    """How much of [from, to) these cover, each moment counted once."""
    covered, reached = 0, from_ms
    for begins, ends in sorted(spans):
        begins, ends = max(begins, reached), min(ends, to_ms)
        if ends > begins:
            covered += ends - begins
            reached = ends
    return covered


def said(kinds: Mapping[str, int]) -> tuple[str, ...]:
    """The kinds that are open, the gravest first."""
    return tuple(kind for kind in (STORAGE, FULL, CHIP, LIST, SILENT, OFF) if kind in kinds)
