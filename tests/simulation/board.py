"""A reader's board: the real reader core between a medium that stays and everything else, which a power cut takes away.

The board does what the Pico's and the Pi's programs do: it ticks, keeps house, publishes what the reader wants to say,
and hands it what came down. Its crystal drifts, and it has no idea of the time at boot.
"""

from collections.abc import Callable
from typing import Any

from firmware.contract import topics
from firmware.reader.errors import ReaderError
from firmware.reader.reader import Reader
from firmware.reader.settings import Settings
from tests.simulation import campus as campuses
from tests.simulation.broker import Broker
from tests.simulation.oracle import Oracle, Tap
from tests.simulation.storage import FlashMedium, PowerCut, QuickMedium, Watched
from tests.simulation.world import World

COLOURS = {(0, 255, 0): "green", (255, 0, 0): "red", (0, 0, 255): "blue", (0, 0, 0): "dark"}
Medium = QuickMedium | FlashMedium
#: after the tap somebody looks at the lamp
LOOK_MS = 60
PUBLISH_MOST = 20


class Board:
    """One reader at one door. number: of its identity; suffix: tells a cloned board from the first."""

    reader_class = Reader

    def __init__(
        self,
        world: World,
        broker: Broker,
        oracle: Oracle,
        number: int,
        medium: Medium,
        suffix: str = "",
    ) -> None:
        self.world, self.oracle, self.number, self.medium = world, oracle, number, medium
        self.name = oracle.campus.name(number)
        self.rng = world.chance(f"board/{self.name}{suffix}")
        self.connection = broker.connect(self.name + suffix, self, gateway=False)
        self.drift_ppm = self.rng.uniform(-45, 45)
        self.step_s = 2.0
        self.is_on = False
        #: there is no power until then
        self.asleep_until_s = 0.0
        self.reader: Any = None
        self.watched = Watched()
        self._life = 0
        self._boots = 0
        self._due_s = 0.0
        self._last: tuple[str, int] | None = None
        self._links = 0
        self._said: dict[bytes, tuple[float, int]] = {}

    def start(self) -> None:
        """Switch it on: what it knows is what stands on its medium."""
        if self.is_on:
            return
        if self.world.loop.time() < self.asleep_until_s:
            self.world.loop.call_at(self.asleep_until_s, self.start)
            return
        self._life += 1
        self._booted_s = self.world.loop.time()
        self._at_boot_ms = self.rng.randrange(200, 4000)
        self.watched = Watched()
        self.watched.appended = self._appended
        self.watched.freed = lambda journal, up_to: self.oracle.freed(self.name, journal, up_to)
        self.is_on = True
        self.world.tell(self.connection.name, "boot")
        self.reader = self.reader_class(
            settings=Settings(
                campuses.SITE, self.name, campuses.reader_key(self.number), [campuses.card_key()], {}, None
            ),
            storage=self.medium.boot(self.watched),
            shelf=self.medium.shelf,
            random_bytes=self.rng.randbytes,
            firmware="sim",
        )
        self.connection.want()
        self._soon(0.1)

    def crash(self, after_s: float | None = None) -> None:
        """The power goes, and comes back after some seconds."""
        if not self.is_on:
            return
        self.is_on = False
        self.world.tell(self.connection.name, "power cut")
        self.connection.unwant()
        self.note_refused()
        self.reader = None
        self.world.loop.call_later(self.rng.uniform(0.5, 20.0) if after_s is None else after_s, self.start)

    def note_refused(self) -> None:
        """What its reader did not believe in this life."""
        for code in self.reader.uplink.refused:
            self.world.rare(f"reader refused: {code}")

    def now_ms(self) -> int:
        """The board's own clock: milliseconds since boot, as its crystal counts them."""
        true_s = self.world.loop.time() - self._booted_s
        return self._at_boot_ms + int(true_s * 1000 * (1 + self.drift_ppm / 1_000_000))

    def tap(self, person: int) -> Tap | None:
        """A card is held to the reader. None: it is off, and nobody sees a light."""
        if not self.is_on:
            return None
        now_ms = self.now_ms()
        tap = Tap(at_ms=self.world.true_ms(), reader=self.name, room=self.number, person=person, boot_ms=now_ms)
        self._last = None
        self.oracle.add(tap)
        if self.world.crashes_here(4.0):
            self.watched.cut = self.rng.choice(("before", "after"))
            self.world.rare("reader loses power between tap and light")
        try:
            shown = self.reader.tap(campuses.uid(person), now_ms)
        except PowerCut:
            tap.place, tap.light = self._last, "none"
            self.world.tell(self.connection.name, f"tap {person} cut, kept={self._last is not None}")
            self.crash()
            return tap
        tap.place = self._last
        tap.light = COLOURS.get(self.reader.light(now_ms + LOOK_MS), "?")
        tap.shown = shown
        self.world.tell(self.connection.name, f"tap {person} {shown} {tap.light}")
        if shown in ("full", "storage"):
            self.world.rare(f"tap refused: {shown}")
        self._soon(0.02)
        return tap

    def backlog(self) -> int:
        return self.reader.journal.backlog() if self.reader is not None else 0

    def would_deliver(self, journal: str, seq: int) -> bool:
        """Whether it still has a record and says so: a block that was given up for new ones may wait to be erased."""
        if self.reader is not None and not any(
            held.journal == journal and held.oldest <= seq for held in self.reader.journal.held
        ):
            return False
        return self.medium.holds(journal, seq)

    # --- the program -------------------------------------------------------------------------------------------------

    def _appended(self, journal: str, seq: int, line: str) -> None:
        if "|swipe|" in line:
            self._last = (journal, seq)
        self.oracle.appended(self.name, journal, seq, line)

    def _soon(self, after_s: float) -> None:
        due_s = self.world.loop.time() + after_s
        if self._due_s <= self.world.loop.time() or due_s < self._due_s:
            self._due_s = due_s
            self.world.loop.call_at(due_s, self._step, self._life, due_s)

    def _step(self, life: int, due_s: float) -> None:
        if life != self._life or not self.is_on or due_s != self._due_s:
            return
        self._do(self._work)
        if self.is_on:
            self._due_s = 0.0
            self._soon(self.step_s * self.rng.uniform(0.5, 1.5))

    def _work(self) -> None:
        now_ms = self.now_ms()
        reader = self.reader
        reader.tick(now_ms)
        for _ in range(3):
            if not reader.idle():
                break
            self.world.rare("reader makes room for new records")
        for _ in range(PUBLISH_MOST if self.connection.is_up else 0):
            out = reader.next(now_ms)
            if out is None:
                return
            if out.kind == "swipes":
                self._offered(out.payload)
            if out.kind in ("hello", "head"):
                self.oracle.said.update(line for line in out.payload.decode().split('"') if "|" in line)
            self.connection.publish(topics.topic(campuses.SITE, self.name, out.kind), out.payload, out.retain)
        if self.connection.is_up:
            self._soon(0.2)

    def _offered(self, payload: bytes) -> None:
        first, now_s = payload[:120], self.world.loop.time()
        said_s, life = self._said.get(first, (now_s, 0))
        if now_s - said_s > 200 and life == self._links:
            self.world.rare("offered again after minutes on one connection")
        self._said[first] = (now_s, self._links)

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except PowerCut:
            self.crash()
        except ReaderError as error:
            # As the board's program does where storage fails under it.
            self.reader.journal.trouble = error.code

    # --- the peer of the connection to the broker --------------------------------------------------------------------

    def connected(self) -> None:
        self._links += 1
        self.reader.linked(self.now_ms())
        self._soon(0.05)

    def disconnected(self) -> None:
        if self.reader is not None:
            self.reader.unlinked(self.now_ms())

    def hear(self, topic: str, payload: bytes, mid: int) -> None:
        if self.is_on:
            self._do(lambda: self.reader.received(topic.rpartition("/")[2], payload, self.now_ms()))
            self._soon(0.05)
