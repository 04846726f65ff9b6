"""The store's background work: derive who is due, release registers, build rosters. One thread inside the server.

Each step is a short transaction of its own, and takes up whatever the last one left: after a crash it just goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from server.clock import Clock
from server.derive import persons, registers, rosters
from server.errors import StoreError
from server.policy import marking
from server.policy.profile import Profile
from server.store import institutions, readers
from server.store import rosters as issued
from server.store.engine import Engine, reading, writing

log = logging.getLogger("muster.jobs")

#: real seconds between looks when nobody wakes it
IDLE_S = 0.5
#: real seconds between looks at registers that may be released, and at ones released incomplete
SETTLE_S, AGAIN_S = 2.0, 60.0
#: store time after which rosters are looked at though nothing changed: sessions come nearer and end
ROSTER_MS = 60_000


class Jobs:
    """Runs the work until it is stopped. `step` does all of it once, for tests and for commands."""

    def __init__(
        self,
        engine: Engine,
        ring: readers.KeyRing,
        profiles: dict[str, Profile],
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._ring, self._profiles, self._clock = engine, ring, profiles, clock
        self._monotonic = monotonic
        self._wake = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None
        self._failing = False
        self._settled_s = self._again_s = float("-inf")
        #: institution id -> (campus change, store time) of the last look at its rosters
        self._rosters: dict[int, tuple[int, int]] = {}
        #: what was done since the start, for the metrics
        self.derived = self.credited = self.released = self.issued = self.failures = 0

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
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop:
            self._wake.wait(IDLE_S)
            self._wake.clear()
            try:
                self.step()
                if self._failing:
                    log.info("jobs-recovered")
                self._failing = False
            except StoreError as error:
                self._failed(error.code, error)
            except Exception as error:  # noqa: BLE001  the task's top: logged, counted, tried again
                self._failed("fault", error)

    def _failed(self, code: str, error: Exception) -> None:
        self.failures += 1
        if not self._failing:
            log.error("jobs-failing code=%s error=%s", code, type(error).__name__, exc_info=code == "fault")
        self._failing = True
        if not self._stop:
            time.sleep(IDLE_S)

    def step(self, *, everything: bool = False) -> None:
        """Do what there is to do. everything: also what is looked at seldom."""
        self.derive()
        now_s = self._monotonic()
        if everything or now_s - self._settled_s >= SETTLE_S:
            self._settled_s = now_s
            self.settle(marking.PENDING)
        if everything or now_s - self._again_s >= AGAIN_S:
            self._again_s = now_s
            self.settle(marking.INCOMPLETE)
        self.derive()
        self.rosters()

    def derive(self) -> None:
        """Derive until nobody is due."""
        while not self._stop:
            with reading(self._engine) as connection:
                # A look costs no write lock; most looks find nobody.
                if not persons.anybody_due(connection):
                    return
            with writing(self._engine) as connection:
                done = persons.derive_due(connection, self._profiles, self._clock.now_ms())
            self.derived += done.persons
            self.credited += done.credited

    def settle(self, state: str) -> None:
        """Release the registers that can be."""
        for found in self._institutions():
            after: int | None = 0
            while after is not None and not self._stop:
                now_ms = self._clock.now_ms()
                with reading(self._engine) as connection:
                    ready, after = registers.releasable(
                        connection, found, self._profiles, now_ms, state=state, after=after
                    )
                for one in ready:
                    with writing(self._engine) as connection:
                        registers.release(connection, found.id, one, now_ms)
                self.released += len(ready)

    def rosters(self) -> None:
        """Build rosters where the campus changed, time passed, or a reader holds a newer one than was issued."""
        for found in self._institutions():
            now_ms = self._clock.now_ms()
            with reading(self._engine) as connection:
                change = institutions.campus_change(connection, found.id)
                said = issued.said(connection, found.id)
                held = issued.issued(connection, found.id)
            last = self._rosters.get(found.id)
            behind = any(version > held[one].version_ms for one, version in said.items() if one in held)
            if last is not None and last[0] == change and now_ms - last[1] < ROSTER_MS and not behind:
                continue
            with writing(self._engine) as connection:
                self.issued += rosters.build(connection, self._ring, found.id, now_ms)
            self._rosters[found.id] = (change, now_ms)

    def _institutions(self) -> list[institutions.Institution]:
        with reading(self._engine) as connection:
            return institutions.every(connection)
