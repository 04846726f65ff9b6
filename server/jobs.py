"""The store's background work: derive who is due, release registers, build rosters. One thread inside the server.

Each step is a short transaction of its own, and takes up whatever the last one left: after a crash it just goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from server import heads_file
from server.audit_key import AuditKey
from server.clock import Clock
from server.derive import check_ins as judging
from server.derive import filling, misuse, persons, registers, residents, rosters
from server.errors import StoreError, Unwritable
from server.outbox import Outbox
from server.policy import marking
from server.policy.profile import Profiles
from server.retention import Retention
from server.store import check_ins, course_runs, due, evidence, institutions, readers
from server.store import rosters as issued
from server.store.engine import Connection, Engine, probe, reading, writes, writing
from server.thinning import Thinning
from server.trouble import Trouble

log = logging.getLogger("muster.jobs")

Seen = TypeVar("Seen")

#: real seconds between looks when nobody wakes it
IDLE_S = 0.5
#: real seconds between two steps at the least, and never less than the last step took: while swipes come by the hundred
#: one derivation does for several of a person's, and receipts, which somebody waits for at a door, have the database for
#: at least half of the time. A register is behind by this and no more
BREATH_S, BREATH_MOST_S = 0.1, 1.0
#: real seconds between looks at registers that may be released, and at ones released incomplete
SETTLE_S, AGAIN_S = 2.0, 60.0
#: real seconds between looks whether today's heads are written
HEADS_S = 300.0
#: real seconds between looks whether a course's lock is past
COURSES_S = 600.0
#: real seconds between two bites of readers' old heads
THIN_S = 5.0
#: store time after which rosters are looked at though nothing changed: sessions come nearer and end
ROSTER_MS = 60_000
#: so many persons in one step with whom it fails: then it is likely not they, and the rest waits for the next step
STUCK_MAX = 20


class _Stuck(Exception):
    """Some could not be done; the others were."""


class Jobs:
    """Runs the work until it is stopped. `step` does all of it once, for tests and for commands."""

    def __init__(
        self,
        engine: Engine,
        ring: readers.KeyRing,
        profiles: Profiles,
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        audit_dir: Path | None = None,
        audit_key: Callable[[], AuditKey] | None = None,
        outbox: Outbox | None = None,
        thinning: Thinning | None = None,
        retention: Retention | None = None,
        fleet: Callable[[int], object] = lambda _now_ms: None,
    ) -> None:
        self._engine, self._ring, self._profiles, self._clock = engine, ring, profiles, clock
        self._monotonic = monotonic
        self._audit_dir, self._audit_key = audit_dir, audit_key
        self._outbox, self._thinning, self._retention, self._fleet = outbox, thinning, retention, fleet
        self._wake = threading.Event()
        self._ends = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None
        self._failing = False
        #: a step's other work made somebody due whom it has not derived yet
        self._made_due = False
        self._settled_s = self._again_s = self._headed_s = self._thinned_s = self._coursed_s = float("-inf")
        self._retained_s = self._misused_s = float("-inf")
        #: institution id -> (campus change, store time) of the last look at its rosters
        self._rosters: dict[int, tuple[int, int]] = {}
        #: institution id -> the campus change up to which absences and trips were looked at
        self._filled: dict[int, int] = {}
        #: institution id -> the readers whose roster could not be built at that look
        self._lame: dict[int, set[int]] = {}
        #: person id -> when to try again, by the monotonic clock
        self._stuck: dict[int, float] = {}
        self.trouble = Trouble(engine)
        #: what was done since the start, for the metrics
        self.derived = self.credited = self.judged = self.released = self.issued = self.sent = self.failures = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="muster-jobs", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the step that is on, and end the thread."""
        self._stop = True
        self._ends.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop:
            self._wake.wait(IDLE_S)
            self._wake.clear()
            began_s = time.monotonic()
            try:
                self.step()
                if self._failing:
                    log.info("jobs-recovered")
                self._failing = False
            except StoreError as error:
                self._failed(error.code, error)
            except Exception as error:  # noqa: BLE001  the task's top: logged, counted, tried again
                self._failed("fault", error)
            self._ends.wait(min(max(BREATH_S, time.monotonic() - began_s), BREATH_MOST_S))

    def _failed(self, code: str, error: Exception) -> None:
        self.failures += 1
        if not self._failing:
            log.error("jobs-failing code=%s error=%s", code, type(error).__name__, exc_info=code == "fault")
        self._failing = True
        if not self._stop:
            time.sleep(IDLE_S)

    def step(self, *, everything: bool = False) -> None:
        """Do what there is to do. everything: also what is looked at seldom.

        What fails for one person, register or reader is said by an alarm (`job-failing`) and tried again in a while;
        the rest goes on. Raises Unwritable where the database cannot be written: then nothing can go on.
        """
        if writes(self._engine).failed is not None:
            probe(self._engine)
        self._alone("marks", self.derive)
        self._made_due = False
        now_s = self._monotonic()
        if everything or now_s - self._settled_s >= SETTLE_S:
            self._settled_s = now_s
            self._alone("registers", lambda: self.settle(marking.PENDING))
        if everything or now_s - self._again_s >= AGAIN_S:
            self._again_s = now_s
            self._alone("doubted registers", self.doubt)
            self._alone("late registers", lambda: self.settle(marking.INCOMPLETE))
            self._alone("absences and trips", self.fill)
            self._alone("cards in two places", self.elsewhere)
        if everything or now_s - self._coursed_s >= COURSES_S:
            self._coursed_s = now_s
            self._alone("course dates", self.courses)
        if self._made_due:
            self._alone("marks", self.derive)
        self._alone("check-ins", self.check_ins)
        if everything or now_s - self._misused_s >= AGAIN_S:
            self._misused_s = now_s
            self._alone("misuse of cards", self.misuse)
        self._alone("class lists", self.rosters)
        self._alone("outages and alerts", partial(self._fleet, self._clock.now_ms()))
        if self._outbox is not None:
            self._alone("mail", self.mail)
        if self._audit_dir is not None and (everything or now_s - self._headed_s >= HEADS_S):
            self._headed_s = now_s
            self._alone("the history's heads", self.heads)
        if self._thinning is not None and (everything or now_s - self._thinned_s >= THIN_S):
            self._thinned_s = now_s
            self._alone("readers' old heads", partial(self._thinning.step, self._clock.now_ms()))
        if self._retention is not None and (everything or now_s - self._retained_s >= THIN_S):
            self._retained_s = now_s
            self._alone("retention", partial(self._retention.step, self._clock.now_ms()))
        self.trouble.tell(self._clock.now_ms())

    def _alone(self, what: str, work: Callable[[], object]) -> None:
        try:
            work()
        except Unwritable:
            raise
        except Exception as error:  # noqa: BLE001  one kind of work must not keep the others
            self.trouble.failed(what, error)
            self.failures += 1
        else:
            self.trouble.works(what)

    def derive(self) -> None:
        """Derive until nobody is due, but those with whom it fails: they are tried again in a while."""
        now_s = self._monotonic()
        self._stuck = {one: again_s for one, again_s in self._stuck.items() if again_s > now_s}
        while not self._stop:
            with reading(self._engine) as connection:
                # A look costs no write lock; most looks find nobody.
                if not persons.anybody_due(connection, but=self._stuck):
                    break
            try:
                # Whoever became due meanwhile woke the next step.
                if self._derive() < persons.BATCH:
                    break
            except Unwritable:
                raise
            except Exception:  # noqa: BLE001  somebody of the batch: found one by one
                if not self._derive_singly():
                    break
        if self._stuck:
            raise _Stuck(f"{len(self._stuck)} persons; their ids are in the log")

    def _derive(self, only: int | None = None) -> int:
        """Derive a batch. Returns how many persons were in it."""
        with writing(self._engine) as connection:
            done = persons.derive_due(
                connection, self._profiles, self._clock.now_ms(), only=only, but=() if only else self._stuck
            )
        self.derived += done.persons
        self.credited += done.credited
        return done.persons

    def _derive_singly(self) -> bool:
        """Derive a batch one by one. False: it failed so often that the rest waits for the next step."""
        with reading(self._engine) as connection:
            batch = due.first(connection, persons.BATCH, but=self._stuck)
        failed = 0
        for one in batch:
            try:
                self._derive(only=one)
            except Unwritable:
                raise
            except Exception as error:  # this one waits, the others go on
                log.error("derive-failing person=%d error=%s", one, type(error).__name__, exc_info=error)
                self._stuck[one] = self._monotonic() + AGAIN_S
                failed += 1
                if failed >= STUCK_MAX:
                    return False
        return True

    def settle(self, state: str) -> None:
        """Release the registers that can be."""
        stuck: dict[int, Exception] = {}

        def look(connection: Connection, found: institutions.Institution, after: int = 0) -> Any:
            now_ms = self._clock.now_ms()
            return now_ms, *registers.releasable(
                connection, found, self._profiles, now_ms, state=state, after=after, failed=stuck
            )

        for found, (now_ms, ready, after) in self._each(look):
            self._release(found.id, ready, now_ms, stuck)
            while after is not None and not self._stop:
                with reading(self._engine) as connection:
                    now_ms, ready, after = look(connection, found, after)
                self._release(found.id, ready, now_ms, stuck)
        if stuck:
            listed = ", ".join(map(str, sorted(stuck)[:10]))
            raise _Stuck(f"{len(stuck)} sessions: {listed}") from next(iter(stuck.values()))

    def _release(
        self, institution_id: int, ready: list[registers.Releasable], now_ms: int, stuck: dict[int, Exception]
    ) -> None:
        """Release these. now_ms: when they were looked at."""
        for one in ready:
            if self._stop:
                return
            try:
                with writing(self._engine) as connection:
                    registers.release(connection, institution_id, one, now_ms)
                self.released += 1
                self._made_due = True
            except Unwritable:
                raise
            except Exception as error:  # noqa: BLE001  this one waits, the others go on
                stuck[one.session.id] = error

    def doubt(self) -> None:
        """Take registers back that were complete, where late word of a door or its place says otherwise."""
        doubted = [one for _, one in self._each(lambda connection, found: evidence.doubted(connection, found.id))]
        if not any(doubted):
            return
        self.settle(marking.COMPLETE)
        if self._stop:
            return
        with writing(self._engine) as connection:
            for one in doubted:
                evidence.looked(connection, one)

    def fill(self) -> None:
        """Approved absences, confirmed trips and cancelled classes, where the campus changed since: sessions made later are
        filled too, and whoever came onto a list."""
        stuck: dict[str, Exception] = {}

        def look(connection: Connection, found: institutions.Institution) -> tuple[int, list[Any]]:
            change = institutions.campus_change(connection, found.id)
            same = self._filled.get(found.id) == change
            return change, [] if same else filling.waiting(connection, self._profiles, found.id, self._clock.now_ms())

        for found, (change, ready) in self._each(look):
            for subject, work in ready:
                try:
                    self._made_due = True
                    with writing(self._engine) as connection:
                        work(connection)
                except Unwritable:
                    raise
                except Exception as error:  # noqa: BLE001  this one waits, the others go on
                    stuck[subject] = error
            if not stuck:
                self._filled[found.id] = change
        if stuck:
            raise _Stuck(f"{len(stuck)}: {', '.join(sorted(stuck)[:10])}") from next(iter(stuck.values()))

    def courses(self) -> None:
        """Courses whose lock by their profile has passed are final from then on, whatever becomes of their dates (STEP-3)."""
        now_ms = self._clock.now_ms()
        for found, ready in self._each(lambda here, one: course_runs.passed(here, one.id, self._profiles, now_ms)):
            if ready:
                with writing(self._engine) as connection:
                    course_runs.fix(connection, found.id, self._profiles, now_ms)

    def check_ins(self) -> None:
        """Judge the residence's check-ins, and what its kiosks told, until nothing is due (DDU-13)."""
        with reading(self._engine) as connection:
            if not check_ins.anything_due(connection):
                return
            every = institutions.every(connection)
        for found in every:
            done = 1
            while done and not self._stop:
                with writing(self._engine) as connection:
                    done = judging.judge_due(connection, self._profiles, found.id, self._clock.now_ms())
                self.judged += done

    def elsewhere(self) -> None:
        """Flag check-ins whose card was on another site within minutes (DDU-12)."""
        now_ms = self._clock.now_ms()
        for found, odd in self._each(lambda here, one: judging.odd_elsewhere(here, self._profiles, one.id, now_ms)):
            if odd:
                with writing(self._engine) as connection:
                    judging.look_elsewhere(connection, self._profiles, found.id, now_ms)

    def misuse(self) -> None:
        """Flag what may be misuse of cards, for a person to judge (PORT-9)."""
        now_ms = self._clock.now_ms()
        for found, seen in self._each(lambda here, one: misuse.look(here, self._profiles, one.id, now_ms)):
            if seen is not None and not self._stop:
                with writing(self._engine) as connection:
                    misuse.keep(connection, found.id, seen, now_ms)

    def rosters(self) -> None:
        """Build rosters where the campus changed, time passed, or a reader holds a newer one than was issued."""
        now_ms = self._clock.now_ms()

        def look(connection: Connection, found: institutions.Institution) -> tuple[int, set[int]]:
            return institutions.campus_change(connection, found.id), issued.behind(connection, found.id, now_ms)

        for found, (change, behind) in self._each(look):
            last = self._rosters.get(found.id)
            soon = last is not None and last[0] == change and 0 <= now_ms - last[1] < ROSTER_MS
            if not soon or behind - self._lame.get(found.id, set()):
                self._alone(f"class lists of {found.name}", partial(self._rosters_of, found, change, now_ms))

    def _rosters_of(self, found: institutions.Institution, change: int, now_ms: int) -> None:
        failed: dict[str, tuple[int, Exception]] = {}
        with writing(self._engine) as connection:
            self.issued += rosters.build(connection, self._ring, found.id, now_ms, failed=failed)
            self.issued += residents.build(connection, self._ring, found.id, self._profiles, now_ms, failed=failed)
        self._rosters[found.id] = (change, now_ms)
        self._lame[found.id] = {reader_id for reader_id, _ in failed.values()}
        self.failures += len(failed)
        self.trouble.readers(found.id, failed)

    def mail(self) -> None:
        """Send the messages that wait (STEP-6)."""
        if self._outbox is not None:
            self.sent += self._outbox.work(self._engine, self._clock.now_ms())

    def heads(self) -> None:
        """Write today's heads of the registers' history to the folder, where they are not there yet."""
        key = None if self._audit_key is None else self._audit_key()
        now_ms, folder = self._clock.now_ms(), self._audit_dir or Path()
        for _, path in self._each(lambda here, one: heads_file.write_daily(here, one, folder, now_ms, key)):
            if path is not None:
                log.info("heads-written file=%s", path.name)

    def _each(
        self, look: Callable[[Connection, institutions.Institution], Seen]
    ) -> list[tuple[institutions.Institution, Seen]]:
        """What this look sees of each institution: all in one read, as most looks find nothing to do."""
        with reading(self._engine) as connection:
            return [(found, look(connection, found)) for found in institutions.every(connection)]
