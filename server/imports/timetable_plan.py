"""A timetable as it is wanted, compared with the sessions that are held. No I/O.

A session stays the same session (its id, its marks) when it is moved, when its room changes, and when its UID does:
it is known by (source, UID, RECURRENCE-ID), else by class, time and room, else by UID and day.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from server.imports.summary import Summary
from server.store.imported_sessions import HeldSession, HeldTimetable, SessionChanges

#: a person's word goes before a file's
_LEFT_ALONE = "it was set by hand, so it is left as it is"


@dataclass(frozen=True, kw_only=True)
class WantedSession:
    """A session as the timetable says it. classes: ids. rooms: codes."""

    line: int
    uid: str
    recurrence_id: str
    title: str
    kind: str
    starts_ms: int
    ends_ms: int
    cancelled: bool
    classes: frozenset[int]
    rooms: frozenset[str]


def plan(
    wanted: list[WantedSession], held: HeldTimetable, *, whole: bool, now_ms: int, zone: ZoneInfo
) -> tuple[SessionChanges, Summary]:
    """What is to be done. whole: the file says everything from its first event on; what is missing is cancelled."""
    changes, summary = SessionChanges(), Summary()
    first_ms = min((one.starts_ms for one in wanted), default=None)
    covered = [one for one in held.sessions if first_ms is not None and one.ends_ms > first_ms]
    summary.before["sessions"] = sum(not one.cancelled for one in covered if whole) or sum(
        not one.cancelled for one in held.sessions
    )
    pairs, new, missing = _paired(wanted, held.sessions, zone)
    rooms: set[str] = set()
    for one in new:
        if one.cancelled:
            summary.notes.append(f"line {one.line}: cancelled, and was never here: nothing to do")
            continue
        changes.new.append(_row(one))
        rooms |= one.rooms
        summary.add("sessions", "added", f"session {_told(one, zone)}")
    for one, there in pairs:
        if _compare(one, there, changes, summary, now_ms, zone):
            rooms |= one.rooms
    covers = {one.id for one in covered}
    for there in missing:
        if whole and not there.cancelled and there.id in covers and there.by_hand:
            summary.notes.append(f"session {_told(there, zone)}: is not in the file any more; {_LEFT_ALONE}")
        elif whole and not there.cancelled and there.id in covers:
            changes.cancelled.append(there.id)
            summary.add("sessions", "ended", f"session {_told(there, zone)}: is not in the file any more, so cancelled")
    before = sum(not one.cancelled for one in missing if one.id not in covers)
    if whole and before:
        summary.notes.append(f"{before} sessions are over before the file begins: left as they are")
    changes.new_rooms.extend(sorted(rooms - held.rooms.keys()))
    for code in changes.new_rooms:
        summary.add("rooms", "added", f"room {code}")
    return changes, summary


def _paired(
    wanted: list[WantedSession], held: list[HeldSession], zone: ZoneInfo
) -> tuple[list[tuple[WantedSession, HeldSession]], list[WantedSession], list[HeldSession]]:
    """Which is which; what is new; what is missing."""
    by_key = {(one.uid, one.recurrence_id): one for one in held}
    pairs: list[tuple[WantedSession, HeldSession]] = []
    new: list[WantedSession] = []
    for one in wanted:
        there = by_key.pop((one.uid, one.recurrence_id), None)
        if there is None:
            new.append(one)
        else:
            pairs.append((one, there))
    missing = list(by_key.values())

    def day(one: Any) -> Hashable:
        return one.uid, datetime.datetime.fromtimestamp(one.starts_ms / 1000, zone).date()

    def alike(one: Any) -> Hashable:
        return one.classes, one.starts_ms, one.ends_ms, one.rooms

    for same in (alike, day):
        more, new, missing = _matched(new, missing, same)
        pairs += more
    return pairs, new, missing


def _matched(
    new: list[WantedSession], missing: list[HeldSession], same: Callable[[Any], Hashable]
) -> tuple[list[tuple[WantedSession, HeldSession]], list[WantedSession], list[HeldSession]]:
    """Pair what is alike, where it is alike with one only. A cancelled session is not taken for another."""
    of_held = _unique((one for one in missing if not one.cancelled), same)
    of_new = _unique((one for one in new if not one.cancelled), same)
    keys = of_held.keys() & of_new.keys()
    pairs = [(of_new[key], of_held[key]) for key in of_new if key in keys]
    taken_new, taken_held = {id(one) for one, _ in pairs}, {one.id for _, one in pairs}
    return (
        pairs,
        [one for one in new if id(one) not in taken_new],
        [one for one in missing if one.id not in taken_held],
    )


def _unique(some: Iterable[Any], same: Callable[[Any], Hashable]) -> dict[Hashable, Any]:
    found: dict[Hashable, list[Any]] = {}
    for one in some:
        found.setdefault(same(one), []).append(one)
    return {key: ones[0] for key, ones in found.items() if len(ones) == 1}


def _compare(
    one: WantedSession,
    there: HeldSession,
    changes: SessionChanges,
    summary: Summary,
    now_ms: int,
    zone: ZoneInfo,
) -> bool:
    """Note what differs. Returns whether the session takes what the file says."""
    if there.by_hand:
        if _differs(one, there):
            says = "cancelled" if one.cancelled else _told(one, zone)
            summary.notes.append(f"line {one.line}: session {_told(there, zone)}: the file says {says}; {_LEFT_ALONE}")
        return False
    if one.cancelled:
        if not there.cancelled:
            changes.cancelled.append(there.id)
            summary.add("sessions", "ended", f"session {_told(there, zone)}: cancelled")
        return False
    moved = (one.starts_ms, one.ends_ms, one.rooms) != (there.starts_ms, there.ends_ms, there.rooms)
    changed = []
    for name in ("title", "kind", "classes", "uid", "recurrence_id"):
        if getattr(one, name) != getattr(there, name):
            changed.append("UID" if name in ("uid", "recurrence_id") else name)
    if there.cancelled:
        changed.append("is on again")
    if not moved and not changed:
        return False
    changes.changed.append({"id": there.id, "cancelled_ms": None, **_row(one)})
    if moved:
        summary.add("sessions", "moved", f"session {_told(there, zone)} -> {_told(one, zone)}")
    else:
        text = ", ".join(dict.fromkeys(changed))
        summary.add("sessions", "changed", f"session {_told(one, zone)}: {text}")
    return True


def _differs(one: WantedSession, there: HeldSession) -> bool:
    """Whether the file says something else than what was set by hand."""
    if one.cancelled or there.cancelled:
        return one.cancelled != there.cancelled
    return any(
        getattr(one, name) != getattr(there, name)
        for name in ("title", "kind", "starts_ms", "ends_ms", "classes", "rooms")
    )


def _row(one: WantedSession) -> dict[str, Any]:
    return {
        "uid": one.uid,
        "recurrence_id": one.recurrence_id,
        "title": one.title,
        "kind": one.kind,
        "starts_ms": one.starts_ms,
        "ends_ms": one.ends_ms,
        "classes": one.classes,
        "rooms": one.rooms,
    }


def _told(one: WantedSession | HeldSession, zone: ZoneInfo) -> str:
    starts = datetime.datetime.fromtimestamp(one.starts_ms / 1000, zone)
    ends = datetime.datetime.fromtimestamp(one.ends_ms / 1000, zone)
    where = ", ".join(sorted(one.rooms)) or "no room"
    return f"'{one.title[:40]}' {starts:%Y-%m-%d %H:%M}-{ends:%H:%M} {where}"
