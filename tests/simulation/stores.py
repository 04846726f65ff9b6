"""The store as a part that can die at any statement: the server's own deliveries, rosters and jobs on a real SQLite file.

What FastAPI does around them - a thread for each request, writers one after the other - is a sequence of transactions,
and that sequence is what is played here, in one thread. Only what is committed outlives a crash. Between seeds the
engine stays and its file is replaced: SQLAlchemy's compiled statements are worth more than a fresh object.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from gateway.errors import StoreAway
from gateway.store import Answer, Down, Offer, Replay, Restored
from server import deliveries
from server.clock import Clock
from server.errors import Unwritable
from server.jobs import Jobs
from server.policy.profile import Profiles
from server.store import copies, readers, rosters
from server.store.engine import Connection, reading, writes, writing
from server.vault import Vault
from tests.simulation.campus import VAULT_KEY
from tests.simulation.world import World

INSTITUTION = 1


class Killed(BaseException):
    """The store's process died in the middle of this statement."""


class Fuse:
    """Counts statements and kills the store at one of them. One for each engine."""

    def __init__(self, engine: Engine) -> None:
        self._dialect: Any = engine.dialect
        for name in ("do_execute", "do_executemany", "do_execute_no_params"):
            event.listen(engine, name, self._next)
        self.left = None

    @property
    def left(self) -> int | None:
        """So many statements are left to the store; None: it does not die."""
        return self._left

    @left.setter
    def left(self, left: int | None) -> None:
        self._left = left
        # Nobody asks who listens where it would hear of nothing: that is most of the time.
        self._dialect._has_events = left is not None

    def _next(self, *_: Any) -> None:
        assert self._left is not None
        self._left -= 1
        if self._left < 0:
            self.left = None
            raise Killed


class Server:
    """The store's machine: its database file, and the process that runs on it, or does not."""

    jobs_class = Jobs
    delivery_class = deliveries.Delivery

    def __init__(self, world: World, engine: Engine, fuse: Fuse, path: Path, profiles: Profiles) -> None:
        self.world, self.engine, self.fuse, self.path, self._profiles = world, engine, fuse, path, profiles
        self.rng = world.chance("store")
        self.is_on = False
        #: there is no power until then
        self.asleep_until_s = 0.0
        #: what is added to the true time by this machine's clock
        self.wrong_ms = 0
        self.busy_s = 0.02
        self.pause_s = 4.0
        self.restores = 0
        self._life = 0
        self._free_s = 0.0
        self._woken = False
        self.backup: bytes | None = None
        self._backup_ms = 0
        #: told of the items and the answer of each request that was committed, before anybody else can know
        self.watch_committed: Callable[[Sequence[dict[str, Any]], Answer], None] = lambda items, answer: None
        #: told after each round of the jobs
        self.watch_jobs: Callable[[], None] = lambda: None
        #: told before the process ends
        self.watch_crash: Callable[[], None] = lambda: None
        self.watch_backup: Callable[[], None] = lambda: None
        self.watch_restored: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Start the process."""
        if self.is_on:
            return
        if self.world.loop.time() < self.asleep_until_s:
            self.world.loop.call_at(self.asleep_until_s, self.start)
            return
        self.world.tell("store", "start")
        self.is_on = True
        self._life += 1
        writes(self.engine).failed = None
        self._ring = readers.KeyRing(Vault(VAULT_KEY))
        clock = Clock(real=lambda: (self.world.true_ms() + self.wrong_ms) / 1000)
        self._clock, self._restores = clock, copies.Restores(self.engine)
        self._jobs = self.jobs_class(self.engine, self._ring, self._profiles, clock, monotonic=self.world.loop.time)
        self.world.loop.create_task(self._work(self._life), name="jobs")

    def crash(self, after_s: float | None = None) -> None:
        """kill -9: what is not committed is gone. It starts again after some seconds."""
        if not self.is_on:
            return
        self.is_on = False
        self.world.tell("store", "killed")
        self.fuse.left = None
        self.watch_crash()
        self.engine.dispose()
        self.world.loop.call_later(self.rng.uniform(0.5, 10.0) if after_s is None else after_s, self.start)

    async def _work(self, life: int) -> None:
        while self.is_on and life == self._life:
            try:
                self._light_fuse()
                self._jobs.step()
                self.fuse.left = None
                self.watch_jobs()
            except Unwritable:
                self.fuse.left = None
            except Killed:
                self.world.rare("store killed in a job")
                self.crash()
                return
            except Exception as error:  # noqa: BLE001  the server goes on, and so does this
                self.fuse.left = None
                self.world.fail(f"a job failed: {error!r}")
            for _ in range(3):
                await asyncio.sleep(self.rng.uniform(0.5, 2) * self.pause_s)
                if self._woken:
                    self._woken = False
                    break

    def _light_fuse(self) -> None:
        # Fewer points than a gateway has: each is likelier, so that both die about as often.
        if self.world.crashes_here(6.0):
            self.fuse.left = self.rng.randrange(40)

    async def deliver(self, gateway: int, items: Sequence[dict[str, Any]]) -> Answer:
        """POST /deliveries: what server/api/gateway.py does with it."""
        await self._turn(self.busy_s)
        given = [
            deliveries.Item(
                id=one["id"],
                site=one["site"],
                reader=one["reader"],
                kind=one["kind"],
                line=one.get("line", ""),
                received_ms=one["received_ms"],
                topic=one.get("topic", ""),
                raw_b64=one.get("raw_b64", ""),
            )
            for one in items
        ]
        self._light_fuse()
        try:
            with writing(self.engine) as connection:
                said = self._take(connection, given, gateway)
            answer = Answer(
                done=frozenset(said.done),
                down=tuple(Down(**one) for one in said.down),
                replay=tuple(Replay(**one) for one in said.replay),
            )
            # Committed is committed, also where the process dies before it has looked for what else it has to say.
            self.watch_committed(items, answer)
            restored = self._restores.told(INSTITUTION, self._clock.now_ms())
        except Killed:
            self.world.rare("store killed in a delivery")
            self.crash()
            raise self._away() from None
        except Unwritable as error:
            raise StoreAway("store-unable", str(error)) from error
        finally:
            self.fuse.left = None
        # Heads each minute wake nobody: what they settle is seen at the next look.
        self._woken = self._woken or said.new > 0
        answer = replace(answer, restored=None if restored is None else Restored(**restored))
        self.world.tell("store", f"g{gateway} {len(items)} items new={said.new} same={said.same} sus={said.suspect}")
        if said.same:
            self.world.rare("delivered again, and the same")
        if said.suspect:
            self.world.rare("forgery in quarantine")
        if said.replay:
            self.world.rare("restored store asks the gateways")
        if self.world.crashes_here(3.0):
            self.world.rare("store killed between commit and reply")
            self.crash()
            raise self._away()
        return answer

    def _take(self, connection: Connection, items: list[deliveries.Item], gateway: int) -> deliveries.Answer:
        desk = deliveries.Desk(
            connection, self._ring, institution_id=INSTITUTION, gateway_id=gateway, now_ms=self._clock.now_ms()
        )
        return self.delivery_class(desk).take(items)

    async def rosters(self, gateway: int, after: str | None) -> tuple[str, list[Offer]]:
        """GET /rosters: what server/api/gateway.py does with it."""
        await self._turn(0.0)
        since = int(after) if after and after.isascii() and after.isdigit() and len(after) <= 18 else 0
        with reading(self.engine) as connection:
            rows = rosters.after(connection, INSTITUTION, since)
        cursor = str(max((row.change_no for row in rows), default=since))
        return cursor, [Offer(site=row.site, reader=row.name, blob=row.payload) for row in rows]

    async def _turn(self, takes_s: float) -> None:
        """Requests wait for one another, and for the work they are."""
        if not self.is_on:
            raise self._away()
        life = self._life
        now_s = self.world.loop.time()
        self._free_s = max(self._free_s, now_s) + self.rng.uniform(0, 2 * takes_s)
        await asyncio.sleep(self._free_s - now_s)
        if not self.is_on or life != self._life:
            raise self._away()

    def _away(self) -> StoreAway:
        return StoreAway("store-unreachable", "the store cannot be reached")

    # --- what an operator does ---------------------------------------------------------------------------------------

    def back_up(self) -> None:
        """Take a copy of the database as it is committed now."""
        raw = sqlite3.connect(self.path)
        try:
            self.backup = raw.serialize()
        finally:
            raw.close()
        self._backup_ms = self.world.true_ms()
        self.world.tell("store", "backed up")
        self.watch_backup()

    def restore(self) -> None:
        """The database is gone; the copy takes its place, made fit to go on as `muster restore` does. Nothing else is
        done by anybody."""
        if self.backup is None:
            return
        self.crash()
        self.world.tell("store", "restored")
        self.watch_crash()
        self._replace(self.backup)
        self.restores += 1
        writes(self.engine).failed = None
        with writing(self.engine) as connection:
            copies.go_on(
                connection,
                made_ms=self._backup_ms,
                digest=f"{self.restores:064x}",
                summary="{}",
                words="the store was put back from a backup",
                now_ms=self.world.true_ms() + self.wrong_ms,
            )
        self.engine.dispose()
        self.watch_restored()

    def _replace(self, image: bytes) -> None:
        for end in ("-wal", "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)
        self.path.write_bytes(image)


def lay_out(path: Path, template: Path) -> None:
    """Put a fresh copy of the template where the engine's file stands."""
    for end in ("-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
    shutil.copy(template, path)
