"""What a person's swipes are worth: one fold over all of them, in time order, across doors. Pure.

The rule itself is `firmware.contract.decide.worth`, which reader and gateway use too. Because it is folded over all of
a person's swipes whenever one more arrives, the result does not depend on the order in which they arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from firmware.contract.decide import REPEAT_MS, Moment, Window, answered, is_open, repeats, worth

GREEN, RED, SHUT, UNSURE = "green", "red", "shut", "unsure"
#: a swipe more unsure than this is for a person to judge; what is looked at around it grows no further
UNSURE_REACH_MS = 3_600_000


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A session that a person is, or was, on the list of."""

    window: Window
    #: every room that it had at any time in its window
    rooms: frozenset[int]
    #: when the person was on its list: (from, to), to None: still
    member: tuple[tuple[int, int | None], ...]

    def has(self, at_ms: int) -> bool:
        """Whether the person was on the list then."""
        return any(begins <= at_ms and (ends is None or at_ms < ends) for begins, ends in self.member)


@dataclass(frozen=True, kw_only=True)
class Tap:
    """One swipe of the person, placed."""

    swipe_id: int
    #: whose memory of two minutes it falls under
    reader_id: int
    #: None: the reader was placed at no room then
    room_id: int | None
    moment: Moment
    #: what the reader showed, and for which session
    shown: str
    session_shown: int | None

    @property
    def at_ms(self) -> int:
        """When it was, UTC ms."""
        return self.moment.at_ms

    @property
    def uncertainty_ms(self) -> int:
        """How far that may be wrong either way, ms."""
        return self.moment.uncertainty_ms


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What one swipe is worth. session: the one it belongs to; credits: it is the one that records it."""

    tap: Tap
    verdict: str
    session: int | None
    credits: bool
    #: the store decides otherwise than the reader showed
    differs: bool


def span(lo_ms: int, hi_ms: int, windows: Iterable[Window], unsure_ms: int = 0) -> tuple[int, int]:
    """The time whose swipes can bear on one another with what happened in [lo, hi]: windows that touch it, windows
    that touch those, and the two minutes of a repeat around each. unsure_ms: the most that the time of one of these
    swipes is unsure: two that were a repeat may be placed apart by that of both."""
    reach_ms = REPEAT_MS + 2 * min(unsure_ms, UNSURE_REACH_MS)
    lo_ms, hi_ms = lo_ms - reach_ms, hi_ms + reach_ms
    left = list(windows)
    while True:
        inside = [w for w in left if w.opens_ms <= hi_ms and w.closes_ms >= lo_ms]
        if not inside:
            return lo_ms, hi_ms
        left = [w for w in left if not (w.opens_ms <= hi_ms and w.closes_ms >= lo_ms)]
        lo_ms = min(lo_ms, *(w.opens_ms - reach_ms for w in inside))
        hi_ms = max(hi_ms, *(w.closes_ms + reach_ms for w in inside))


def fold(taps: Iterable[Tap], candidates: Iterable[Candidate], open_at: Mapping[int, Iterable[Window]]) -> list[Judged]:
    """Judge a person's taps, which come in order of time. open_at: room -> windows of all sessions there, anybody's."""
    mine = list(candidates)
    recorded: set[int] = set()
    #: reader -> the last green answer: the session, and when it was first given
    answers: dict[int, tuple[int, Moment]] = {}
    judged = []
    for tap in taps:
        windows = [one.window for one in mine if tap.room_id in one.rooms and one.has(tap.at_ms)]
        given = answers.get(tap.reader_id)
        answer = answered(*given, tap.moment) if given else None
        found = worth(windows, recorded, answer, tap.at_ms, tap.uncertainty_ms)
        if found.session is not None:
            verdict = GREEN
            if found.credits:
                recorded.add(found.session)
            if not repeats(answer):
                answers[tap.reader_id] = found.session, tap.moment
        elif not found.sure:
            verdict = UNSURE
        else:
            there = open_at.get(tap.room_id, ()) if tap.room_id is not None else ()
            verdict = RED if any(is_open(window, tap.at_ms) for window in there) else SHUT
        judged.append(
            Judged(
                tap=tap,
                verdict=verdict,
                session=found.session,
                credits=found.credits,
                differs=_differs(tap, verdict, found.session),
            )
        )
    return judged


def _differs(tap: Tap, verdict: str, session: int | None) -> bool:
    # `check` says that the store will judge; red and shut are both: not recorded.
    if tap.shown == "check":
        return False
    if tap.shown == GREEN:
        return verdict != GREEN or tap.session_shown != session
    return verdict in (GREEN, UNSURE)
