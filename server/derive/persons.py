"""Derives the marks of persons whose swipes, lists, rooms or cards changed. Facts come in by store/derivations.py.

Never changes a mark that a person set or verified: it raises a proposal. A green is never withdrawn silently.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from firmware.contract.decide import Window
from server.derive import decided, locks
from server.derive.credits import GREEN, UNSURE_REACH_MS, WITHHELD, Candidate, Judged, Tap, fold, span
from server.derive.read_taps import earliest, is_believed, latest, tap_of
from server.policy.marking import Decision, Evidence, from_silence, from_tap
from server.policy.profile import Profile, Profiles
from server.store import derivations, doubtful_taps, due, swipes, untimed
from server.store.engine import Connection

#: looked at around what is due before anything wider
MARGIN_MS = 3 * 3_600_000
#: persons whose times lie further apart than this are loaded apart: what came late from an outage of days must not
#: make a batch read all of those days for everybody in it
APART_MS = 12 * 3_600_000
BATCH = 100


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one batch did."""

    persons: int
    credited: int
    marked: int


def derive_due(
    connection: Connection,
    profiles: Profiles,
    now_ms: int,
    *,
    limit: int = BATCH,
    only: int | None = None,
    but: Collection[int] = (),
) -> Result:
    """Derive the persons that wait longest, at most `limit`. only: this one; but: none of these. persons == 0: nobody
    waits."""
    taken = due.take(connection, limit, only=only, but=but)
    credited = marked = 0
    for institution_id in sorted({row.institution_id for row in taken}):
        mine = [row for row in taken if row.institution_id == institution_id]
        for wanted in _near(mine):
            batch = _Batch(connection, profiles, institution_id, now_ms)
            batch.load(wanted)
            batch.judge()
            batch.write()
            credited += batch.credited
            marked += batch.marked
    return Result(persons=len(taken), credited=credited, marked=marked)


def _near(taken: list[Any]) -> list[dict[int, tuple[int, int]]]:
    """Rows of `due` in groups that lie near one another in time: person id -> (from, to)."""
    groups: list[dict[int, tuple[int, int]]] = []
    reached = None
    for row in sorted(taken, key=lambda row: (row.from_ms, row.person_id)):
        if reached is None or row.from_ms > reached + APART_MS:
            groups.append({})
            reached = row.to_ms
        groups[-1][row.person_id] = (row.from_ms, row.to_ms)
        reached = max(reached, row.to_ms)
    return groups


def anybody_due(connection: Connection, *, but: Collection[int] = ()) -> bool:
    """Whether anybody waits to be derived who is not one of `but`."""
    return due.anybody(connection, but=but)


@dataclass(kw_only=True)
class _Session:
    window: Window
    profile: Profile
    rooms: frozenset[int]


class _Batch:
    """One batch of one institution's persons: load, judge, write."""

    def __init__(self, connection: Connection, profiles: Profiles, institution_id: int, now_ms: int) -> None:
        self.connection, self.profiles, self.institution_id, self.now_ms = connection, profiles, institution_id, now_ms
        self.credited = self.marked = 0

    def load(self, wanted: dict[int, tuple[int, int]]) -> None:
        """Read everything that can bear on what is due of these persons."""
        self.persons = sorted(wanted)
        margin = MARGIN_MS
        while True:
            lo = min(begins for begins, _ in wanted.values()) - margin
            hi = max(ends for _, ends in wanted.values()) + margin
            rows = derivations.sessions_of(self.connection, self.persons, lo, hi)
            # A row for each person on a list: of a lecture's three hundred all name the same window.
            known: dict[int, Window] = {}
            windows: dict[int, dict[int, Window]] = {}
            for person, session, opens_ms, starts_ms, ends_ms, closes_ms, *_ in rows:
                window = known.get(session)
                if window is None:
                    window = known[session] = Window(session, opens_ms, starts_ms, ends_ms, closes_ms)
                windows.setdefault(person, {})[session] = window
            taps = derivations.taps_of(self.connection, self.persons, lo, hi)
            unsure = dict.fromkeys(self.persons, 0)
            for row in taps:
                unsure[row.person_id] = max(unsure[row.person_id], row.uncertainty_ms)
            self.spans = {
                person: span(*wanted[person], windows.get(person, {}).values(), unsure[person])
                for person in self.persons
            }
            # Windows that chain on to one another past what was read: read wider.
            if all(lo < begins and ends < hi for begins, ends in self.spans.values()):
                break
            margin *= 4
        held = derivations.credits_of(self.connection, self.persons, lo, hi)
        rooms = derivations.rooms_of(self.connection, known)
        self.sessions: dict[int, _Session] = {}
        self.member: dict[tuple[int, int], list[tuple[int, int | None]]] = {}
        for person, session, _, starts_ms, _, _, profile, from_ms, to_ms, class_from_ms, class_to_ms in rows:
            if session not in self.sessions:
                self.sessions[session] = _Session(
                    window=known[session],
                    profile=self.profiles.at(profile, starts_ms),
                    rooms=frozenset(rooms.get(session, ())),
                )
            begins = from_ms if from_ms > class_from_ms else class_from_ms
            ends = to_ms if class_to_ms is None or (to_ms is not None and to_ms < class_to_ms) else class_to_ms
            if ends is None or ends > begins:
                self.member.setdefault((person, session), []).append((begins, ends))
        self.taps: dict[int, list[Tap]] = {person: [] for person in self.persons}
        #: swipe id -> what stands there of its worth
        self.stands: dict[int, tuple[str | None, int | None, bool, bool]] = {}
        #: of readers that are believed no more: they may have been, so no silence speaks; and they say nothing themselves
        self.withheld: set[int] = set()
        for row in taps:
            begins, ends = self.spans[row.person_id]
            if begins <= row.at_ms <= ends:
                self.taps[row.person_id].append(tap_of(row))
                if not is_believed(row):
                    self.withheld.add(row.swipe_id)
                self.stands[row.swipe_id] = (row.verdict, row.session_id, row.credits, row.differs)
        for row in derivations.wide_taps_of(self.connection, self.persons, lo, hi, UNSURE_REACH_MS):
            begins, ends = self.spans[row.person_id]
            # Judged with what it may lie among, and written where it lies.
            if row.swipe_id not in self.stands and earliest(row) <= ends and latest(row) >= begins:
                self.taps[row.person_id].append(tap_of(row))
                if not is_believed(row):
                    self.withheld.add(row.swipe_id)
        #: (person, session) where a swipe may be the person's, at a reader of the session: it has no time yet, or the
        #: card changed hands, or the reader its room, within what its time is unsure; and since when it may have been
        self.perhaps = untimed.at_sessions(self.connection, self.persons, known, rooms)
        for key, since_ms in self._doubtful(lo, hi).items():
            self.perhaps[key] = min(since_ms, self.perhaps.get(key, since_ms))
        self.credits: dict[tuple[int, int], Any] = {}
        for row in held:
            begins, ends = self.spans[row.person_id]
            if begins <= row.at_ms <= ends or (row.closes_ms >= begins and row.opens_ms <= ends):
                self.credits[row.session_id, row.person_id] = row
        self.open_at: dict[int, list[Window]] = {}
        times = [tap.at_ms for mine in self.taps.values() for tap in mine]
        if times:
            there = {tap.room_id for mine in self.taps.values() for tap in mine if tap.room_id is not None}
            for row in derivations.at_rooms(self.connection, there, min(times), max(times)):
                self.open_at.setdefault(row.room_id, []).append(
                    Window(row.id, row.opens_ms, row.starts_ms, row.ends_ms, row.closes_ms)
                )

    def _doubtful(self, lo: int, hi: int) -> dict[tuple[int, int], int]:
        """(person, session) -> since when: a swipe may have been the person's, or at the session's room, and was not by
        the point in time at which it was placed."""
        cards = doubtful_taps.of_persons(self.connection, self.persons, lo, hi)
        mine = [(person, tap) for person, taps in self.taps.items() for tap in taps]
        readers = {tap.reader_id for _, tap in mine} | {one.reader_id for one in cards}
        rooms = doubtful_taps.Rooms(self.connection, readers, lo, hi)
        doubts: dict[int, list[tuple[int, int, set[int]]]] = {}
        for person, tap in mine:
            others = rooms.between(tap.reader_id, tap.lo_ms, tap.hi_ms) - {tap.room_id}
            if others:
                doubts.setdefault(person, []).append((tap.lo_ms, tap.hi_ms, others))
        for one in cards:
            there = rooms.between(one.reader_id, one.lo_ms, one.hi_ms)
            if one.room_id is not None:
                there.add(one.room_id)
            doubts.setdefault(one.person_id, []).append((one.lo_ms, one.hi_ms, there))
        found: dict[tuple[int, int], int] = {}
        for person, session in self.member if doubts else ():
            known = self.sessions[session]
            for begins, ends, there in doubts.get(person, ()):
                if known.window.opens_ms <= ends and known.window.closes_ms >= begins and known.rooms & there:
                    since_ms = max(begins, known.window.opens_ms)
                    found[person, session] = min(since_ms, found.get((person, session), since_ms))
        return found

    def judge(self) -> None:
        """Fold each person's taps; what they are worth is written, where it does not stand there already."""
        self.judged: dict[int, list[Judged]] = {}
        candidates: dict[int, list[Candidate]] = {person: [] for person in self.persons}
        # Only a session of a room at which the person tapped can take a tap of theirs.
        tapped = {person: {tap.room_id for tap in mine} for person, mine in self.taps.items()}
        for (person, session), member in self.member.items():
            one = self.sessions[session]
            if not tapped[person].isdisjoint(one.rooms):
                candidates[person].append(Candidate(window=one.window, rooms=one.rooms, member=tuple(member)))
        for person in self.persons:
            believed = [tap for tap in self.taps[person] if tap.swipe_id not in self.withheld]
            self.judged[person] = fold(believed, candidates[person], self.open_at)
        says: dict[int, tuple[str, int | None, bool, bool]] = {
            tap.swipe_id: (WITHHELD, None, False, tap.shown == GREEN)
            for mine in self.taps.values()
            for tap in mine
            if tap.swipe_id in self.withheld
        }
        for person in self.persons:
            for one in self.judged[person]:
                says[one.tap.swipe_id] = (one.verdict, one.session, one.credits, one.differs)
        swipes.judge(
            self.connection,
            [
                {"swipe": swipe_id, "worth": verdict, "session": session, "new": credits, "other": differs}
                for swipe_id, (verdict, session, credits, differs) in says.items()
                if swipe_id in self.stands and self.stands[swipe_id] != (verdict, session, credits, differs)
            ],
        )

    def write(self) -> None:
        """Credits, then marks, of every session that the spans touch."""
        winners = {
            (one.session, person): one
            for person in self.persons
            for one in self.judged[person]
            if one.credits and one.session is not None
        }
        won = {key: one.tap for key, one in winners.items()}
        touched = {
            (session, person)
            for (person, session) in self.member
            if self._touches(person, self.sessions[session].window)
        }
        touched |= set(won) | set(self.credits)
        registers = derivations.lock_registers(
            self.connection,
            self.institution_id,
            {session for session, _ in touched if session in self.sessions} | {session for session, _ in self.credits},
        )
        marks = derivations.marks_of(self.connection, registers, self.persons)
        # Only what lies in the person's own span: of what lies outside it, for which somebody else of the batch is due,
        # this person's swipes were not read, and their silence would say nothing.
        touched |= {key for key in marks if self._lies_in_span(*key)}
        # What holds already, with the same swipe at the same time, stays: nothing is written twice.
        stays = {
            key
            for key, row in self.credits.items()
            if key in won
            and (won[key].swipe_id, won[key].at_ms, won[key].uncertainty_ms)
            == (row.swipe_id, row.at_ms, row.uncertainty_ms)
        }
        derivations.supersede(
            self.connection, [row.id for key, row in self.credits.items() if key not in stays], self.now_ms
        )
        credit_ids = {key: self.credits[key].id for key in stays}
        credit_ids |= derivations.add_credits(
            self.connection,
            [
                {
                    "institution_id": self.institution_id,
                    "person_id": key[1],
                    "session_id": key[0],
                    "swipe_id": tap.swipe_id,
                    "at_ms": tap.at_ms,
                    "uncertainty_ms": tap.uncertainty_ms,
                    "created_ms": self.now_ms,
                }
                for key, tap in won.items()
                if key not in stays
            ],
        )
        self.credited = len(won) - len(stays)
        self._mark(touched, winners, credit_ids, registers, marks)

    def _lies_in_span(self, session: int, person: int) -> bool:
        known = self.sessions.get(session)
        if known is not None:
            return self._touches(person, known.window)
        # Nobody of the batch is on its list (any more): it is here for somebody's credit.
        return any(
            row.opens_ms <= self.spans[person][1] and row.closes_ms >= self.spans[person][0]
            for (one, _), row in self.credits.items()
            if one == session
        )

    def _touches(self, person: int, window: Window) -> bool:
        begins, ends = self.spans[person]
        return window.opens_ms <= ends and window.closes_ms >= begins

    def _mark(
        self,
        touched: set[tuple[int, int]],
        won: dict[tuple[int, int], Judged],
        credit_ids: dict[tuple[int, int], int],
        registers: dict[int, Any],
        marks: dict[tuple[int, int], Any],
    ) -> None:
        decisions: dict[tuple[int, int], Decision | None] = {}
        #: what silence says in each session
        silence = {one: self._silence(known, registers.get(one)) for one, known in self.sessions.items()}
        for key in touched:
            session = self.sessions.get(key[0])
            found = None
            if session is not None and key in won:
                found = _arrival(session, won[key], self.perhaps.get((key[1], key[0])))
            elif session is not None and silence[key[0]] is not None and self._listed(key, session):
                found = silence[key[0]]
                # An unsure swipe is not silence: a person must look.
                if self._unsure(key):
                    found = Decision(code=None, rule="evidence.unsure-swipe", flag="time_unsure")
            # Most of what is touched has no mark, and nothing is said of it.
            if found is not None or key in marks:
                decisions[key] = found
        ledgers = {
            key: self.sessions[key[0]].profile.ledgers(found.code) if found and key[0] in self.sessions else ""
            for key, found in decisions.items()
        }
        self.marked = len(
            decided.apply(
                self.connection,
                self.institution_id,
                decisions,
                current=marks,
                credit_ids=credit_ids,
                ledgers=ledgers,
                locked=self._locked(),
                now_ms=self.now_ms,
            )
        )

    def _silence(self, session: _Session, register: Any) -> Decision | None:
        # Released before it closed: the session was moved since, and what was known then is of another time.
        if register is None or (register.settled_ms is not None and register.settled_ms <= session.window.closes_ms):
            return None
        return from_silence(session.profile, Evidence(state=register.evidence, rule=f"evidence.{register.evidence}"))

    def _locked(self) -> set[int]:
        """The sessions whose lock date is past: nothing changes there any more (STEP-3)."""
        known = {one: (held.profile, held.window.ends_ms) for one, held in self.sessions.items()}
        return locks.past(self.connection, self.institution_id, known, self.now_ms)

    def _listed(self, key: tuple[int, int], session: _Session) -> bool:
        member = self.member.get((key[1], key[0]), [])
        start = session.window.starts_ms
        return any(begins <= start and (ends is None or start < ends) for begins, ends in member)

    def _unsure(self, key: tuple[int, int]) -> bool:
        if (key[1], key[0]) in self.perhaps:
            return True
        return any(key[0] in one.may for one in self.judged.get(key[1], ()))


def _arrival(session: _Session, one: Judged, perhaps_ms: int | None) -> Decision:
    """The mark of the swipe that is credited; where one before it, that is unsure, may have been the first, of the time
    from that one on. perhaps_ms: since when one may have been that is nobody's, elsewhere or of no time so far."""
    tap = one.tap
    at_ms, uncertainty_ms = tap.at_ms, tap.uncertainty_ms
    since_ms = one.since_ms if perhaps_ms is None else min(one.since_ms, perhaps_ms)
    if since_ms < tap.lo_ms:
        at_ms, uncertainty_ms = (since_ms + tap.hi_ms) // 2, (tap.hi_ms - since_ms + 1) // 2
    return from_tap(
        session.profile,
        starts_ms=session.window.starts_ms,
        at_ms=at_ms,
        uncertainty_ms=uncertainty_ms,
        ends_ms=session.window.ends_ms,
    )
