"""What a person's swipes are worth: one fold over all of them, in time order, across doors. Pure.

The rule itself is `firmware.contract.decide.worth`, which reader and gateway use too. Because it is folded over all of
a person's swipes whenever one more arrives, the result does not depend on the order in which they arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from firmware.contract.decide import (
    REPEAT_MS,
    Answer,
    Moment,
    Window,
    Worth,
    answered,
    is_open,
    may_repeat,
    repeats,
    worth,
)
from firmware.contract.decide import UNSURE as UNSURE_WORTH

GREEN, RED, SHUT, UNSURE = "green", "red", "shut", "unsure"
#: it is not judged at all: its reader is believed no more, and a person looks at it
WITHHELD = "withheld"
#: a swipe more unsure than this is for a person to judge; what is looked at around it grows no further
UNSURE_REACH_MS = 3_600_000


class Candidate(NamedTuple):
    """A session that a person is, or was, on the list of."""

    window: Window
    #: every room that it had at any time in its window
    rooms: frozenset[int]
    #: when the person was on its list: (from, to), to None: still
    member: tuple[tuple[int, int | None], ...]

    def windows(self) -> list[Window]:
        """When it takes this person's swipes: its window, for as long as they were on its list."""
        found = []
        for begins, ends in self.member:
            closes_ms = self.window.closes_ms if ends is None else min(self.window.closes_ms, ends - 1)
            found.append(self.window._replace(opens_ms=max(self.window.opens_ms, begins), closes_ms=closes_ms))
        return [one for one in found if one.opens_ms <= one.closes_ms]


class Tap(NamedTuple):
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
    #: when it was, UTC ms, and how far that may be wrong either way: the moment's
    at_ms: int
    uncertainty_ms: int
    #: the earliest and the latest that it may have been
    lo_ms: int
    hi_ms: int


def placed(
    *, swipe_id: int, reader_id: int, room_id: int | None, moment: Moment, shown: str, session_shown: int | None
) -> Tap:
    """The tap that was at this moment. Its times are said once: the fold looks at them many times over."""
    at_ms, unsure_ms = moment.at_ms, moment.uncertainty_ms
    return Tap(
        swipe_id=swipe_id,
        reader_id=reader_id,
        room_id=room_id,
        moment=moment,
        shown=shown,
        session_shown=session_shown,
        at_ms=at_ms,
        uncertainty_ms=unsure_ms,
        lo_ms=at_ms - unsure_ms,
        hi_ms=at_ms + unsure_ms,
    )


class Judged(NamedTuple):
    """What one swipe is worth. session: the one it belongs to; credits: it is the one that records it."""

    tap: Tap
    verdict: str
    session: int | None
    credits: bool
    #: the store decides otherwise than the reader showed
    differs: bool
    #: sessions that it may record besides, or instead, by what is not known for sure: no silence speaks of these
    may: frozenset[int]
    #: the earliest time at which what it credits may have been recorded: by its own doubt, or by a swipe before it
    since_ms: int


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


def in_order(taps: Iterable[Tap]) -> list[Tap]:
    """Taps in the order in which they are judged: those of one boot as its clock had them, however they were placed, and
    those of different boots by their times. taps: in order of time."""
    boots: dict[str, list[Tap]] = {}
    for tap in taps:
        boots.setdefault(tap.moment.journal, []).append(tap)
    if len(boots) == 1:
        return sorted(next(iter(boots.values())), key=lambda tap: tap.moment.boot_ms)
    waiting = [sorted(mine, key=lambda tap: -tap.moment.boot_ms) for mine in boots.values()]
    found = []
    while waiting:
        first = min(waiting, key=lambda mine: (mine[-1].at_ms, mine[-1].reader_id, mine[-1].moment.journal))
        found.append(first.pop())
        if not first:
            waiting.remove(first)
    return found


def fold(taps: Iterable[Tap], candidates: Iterable[Candidate], open_at: Mapping[int, Iterable[Window]]) -> list[Judged]:
    """Judge a person's taps, which come in order of time. open_at: room -> windows of all sessions there, anybody's.

    What a tap credits is credited in every case that the uncertainties leave open. What only some of these cases would
    credit is told by `Judged.may`.
    """
    return _Fold(candidates, open_at).all(in_order(taps))


class _Given(NamedTuple):
    """A green answer."""

    session: int
    moment: Moment
    #: this was when it was first given; not so, where the tap may itself have repeated one before it
    firm: bool


class _Doubt(NamedTuple):
    """A tap that is unsure: it may have been answered."""

    reader_id: int
    #: with one of these
    sessions: set[int]
    moment: Moment

    def may_repeat(self, tap: Tap) -> bool:
        """Whether this tap may repeat its answer."""
        return may_repeat(answered(0, self.moment, tap.moment))


class _Fold:
    def __init__(self, candidates: Iterable[Candidate], open_at: Mapping[int, Iterable[Window]]) -> None:
        self._open_at = open_at
        self._at: dict[int, list[Window]] = {}
        for one in candidates:
            windows = one.windows()
            for room in one.rooms:
                self._at.setdefault(room, []).extend(windows)
        #: what is recorded in every case
        self._recorded: set[int] = set()
        #: session -> the earliest time at which a swipe that is unsure may have recorded it
        self._perhaps: dict[int, int] = {}
        #: reader -> the last green answer
        self._answers: dict[int, _Given] = {}
        #: answers that may have been given
        self._doubts: list[_Doubt] = []
        #: what was credited, by which tap
        self._credited: list[tuple[int, Tap]] = []

    def all(self, taps: list[Tap]) -> list[Judged]:
        return [self._judge(tap, _rivals(tap, taps[number:])) for number, tap in enumerate(taps, 1)]

    def _judge(self, tap: Tap, rivals: list[Tap]) -> Judged:
        windows = self._windows(tap)
        given = self._answers.get(tap.reader_id)
        answer = answered(given.session, given.moment, tap.moment) if given else None
        found = worth(windows, self._recorded, answer, tap.at_ms, tap.uncertainty_ms)
        perhaps, doubts = self._perhaps, self._doubts
        if rivals:
            perhaps = dict(perhaps)
            for other in rivals:
                for session in self._touched(other):
                    perhaps[session] = min(other.lo_ms, perhaps.get(session, other.lo_ms))
            doubts = doubts + [_Doubt(other.reader_id, self._possible(other), other.moment) for other in rivals]
        if given is not None and repeats(answer):
            afresh = worth(windows, self._recorded, None, tap.at_ms, tap.uncertainty_ms)
            if not given.firm and (afresh.credits or not afresh.sure):
                found = UNSURE_WORTH
        elif _may_repeat(tap, found, doubts) or self._may_precede(tap, windows, answer, found):
            found = UNSURE_WORTH
        may: set[int] = set()
        if not found.sure or (found.credits and found.session in perhaps):
            touched = self._touched(tap)
            may = touched - self._recorded - {found.session}
            for session in may:
                self._perhaps[session] = min(tap.lo_ms, self._perhaps.get(session, tap.lo_ms))
            if not found.sure:
                self._doubts.append(_Doubt(tap.reader_id, self._possible(tap), tap.moment))
        since_ms = tap.lo_ms
        if found.session is not None:
            if found.credits:
                since_ms = min(since_ms, perhaps.get(found.session, since_ms))
                self._recorded.add(found.session)
                self._credited.append((found.session, tap))
            if not repeats(answer):
                firm = not may_repeat(answer)
                firm = firm and not any(one.reader_id == tap.reader_id and one.may_repeat(tap) for one in doubts)
                self._answers[tap.reader_id] = _Given(found.session, tap.moment, firm)
        verdict = self._verdict(tap, found)
        return Judged(
            tap=tap,
            verdict=verdict,
            session=found.session,
            credits=found.credits,
            differs=_differs(tap, verdict, found.session),
            may=frozenset(may),
            since_ms=since_ms,
        )

    def _windows(self, tap: Tap) -> list[Window]:
        return self._at.get(tap.room_id, []) if tap.room_id is not None else []

    def _touched(self, tap: Tap) -> set[int]:
        return {one.id for one in self._windows(tap) if one.opens_ms <= tap.hi_ms and one.closes_ms >= tap.lo_ms}

    def _possible(self, tap: Tap) -> set[int]:
        """The sessions that it may be answered with."""
        windows, found = self._windows(tap), set()
        edges = {tap.lo_ms}.union(
            *((one.opens_ms, one.starts_ms, one.ends_ms + 1, one.closes_ms + 1) for one in windows)
        )
        for edge_ms in edges:
            if tap.lo_ms <= edge_ms <= tap.hi_ms:
                for recorded in (self._recorded, self._recorded | self._perhaps.keys()):
                    found.add(worth(windows, recorded, None, edge_ms).session)
        return found - {None}

    def _may_precede(self, tap: Tap, windows: list[Window], answer: Answer | None, found: Worth) -> bool:
        """Whether it may have been before one that was judged before it, at another door or boot, and then be worth
        something else."""
        if not self._credited or not found.sure:
            return False
        later = {
            session
            for session, other in self._credited
            if other.moment.journal != tap.moment.journal and other.hi_ms >= tap.lo_ms
        }
        if not later:
            return False
        return worth(windows, self._recorded - later, answer, tap.at_ms, tap.uncertainty_ms) != found

    def _verdict(self, tap: Tap, found: Worth) -> str:
        if found.session is not None:
            return GREEN
        if not found.sure:
            return UNSURE
        there = self._open_at.get(tap.room_id, ()) if tap.room_id is not None else ()
        return RED if any(is_open(window, tap.at_ms) for window in there) else SHUT


def _rivals(tap: Tap, later: list[Tap]) -> list[Tap]:
    """Those that are judged after a tap and may have been before it: of other boots, whose times leave it open."""
    return [one for one in later if one.lo_ms <= tap.hi_ms and one.moment.journal != tap.moment.journal]


def _may_repeat(tap: Tap, found: Worth, doubts: list[_Doubt]) -> bool:
    """Whether it may repeat an answer that a tap before it, itself unsure, may have been given for another session."""
    return found.credits and any(
        one.reader_id == tap.reader_id and one.sessions - {found.session} and one.may_repeat(tap) for one in doubts
    )


def _differs(tap: Tap, verdict: str, session: int | None) -> bool:
    # `check` says that the store will judge; red and shut are both: not recorded.
    if tap.shown == "check":
        return False
    if tap.shown == GREEN:
        return verdict != GREEN or tap.session_shown != session
    return verdict in (GREEN, UNSURE)
