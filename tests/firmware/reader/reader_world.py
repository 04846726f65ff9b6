"""One reader at one door in virtual time: its storage, its lamp, its line, its store. Nothing sleeps, one seed decides.

`package` is the firmware under test: the real one, or a saboteur's copy with a fault in it (broken_firmware.py).
"""

import importlib
import random

from firmware.contract import decide, envelope, roster, statement
from firmware.contract.mac import Key
from tests.firmware.reader.memory_storage import Medium, MemoryShelf, MemoryStorage
from tests.firmware.reader.store_emulator import StoreEmulator

KEY = Key(1, bytes(range(32)))
CARD_KEY = Key(3, b"\x22" * 32)
OLD_CARD_KEY = Key(2, b"\x33" * 32)
T0 = 1_790_000_000_000  #: wall time when the world begins, UTC epoch ms
HOUR_MS = 3600_000
ALICE, BOB, CAROL = b"\x04alice", b"\x04bob..", b"\x04carol"
GREEN, RED, BLUE, OFF = (0, 255, 0), (255, 0, 0), (0, 0, 255), (0, 0, 0)


def session(id, starts_s=0, ends_s=3600, before_s=1800):
    """A session's window, in seconds from T0."""
    return decide.Window(
        id, T0 + (starts_s - before_s) * 1000, T0 + starts_s * 1000, T0 + ends_s * 1000, T0 + ends_s * 1000
    )


class World:
    """The world's `now_ms` is the reader's monotonic clock plus `booted_ms`."""

    def __init__(self, package="firmware", seed=7, capacity=100_000, card_keys=(CARD_KEY,)):
        self.package = package
        self.rng = random.Random(seed)
        self.card_keys = list(card_keys)
        self.medium = Medium(capacity)
        self.shelf = MemoryShelf(self.medium)
        self.store = StoreEmulator("a-101", KEY)
        self.now_ms = 0
        self.line_up = True  # what is published reaches the store
        self.lose = lambda out: False  # whether this one is lost on the way, though acknowledged
        self.sent = []  # (now_ms, Out)
        self.greens = []  # (journal, seq) of every swipe that was shown green
        self.at_append = []  # the lamp at each append, before anything was durable
        self.boot()

    def module(self, name):
        return importlib.import_module(f"{self.package}.{name}")

    def boot(self, **faults):
        """Switch the reader on (again): only the medium stays. faults: of `MemoryStorage`."""
        self.booted_ms = self.now_ms
        self.reader = None
        errors = self.module("reader.errors")
        self.storage = MemoryStorage(self.medium, on_append=self._appending, errors=errors, **faults)
        broken_key = self.module("contract.mac").Key
        settings = self.module("reader.settings").Settings(
            "main",
            "a-101",
            broken_key(1, bytes(range(32))),
            [broken_key(k.id, bytes(b ^ 0x36 for b in k._inner)) for k in self.card_keys],
            {},
            None,
        )
        self.reader = self.module("reader.reader").Reader(
            settings=settings,
            storage=self.storage,
            shelf=self.shelf,
            random_bytes=self.rng.randbytes,
            firmware="1.0.0",
        )

    @property
    def ms(self):
        """The reader's own clock."""
        return self.now_ms - self.booted_ms

    @property
    def wall_ms(self):
        return T0 + self.now_ms

    @property
    def lamp(self):
        return self.reader.light(self.ms)

    def _appending(self):
        if self.reader is not None:
            self.at_append.append(self.lamp)

    def tap(self, uid):
        """A card in the field. Whatever the light says must be true of the medium at this moment."""
        before = len(self.medium.lines())
        shown = self.reader.tap(uid, self.ms)
        kept = self.medium.lines()[before:]
        if self.lamp == GREEN or shown == "green":
            assert kept, "green, and nothing is kept"
            said = statement.read(kept[-1])
            assert (said.kind, said.values.get("verdict")) == ("swipe", "green")
            self.greens.append((said.values["journal"], said.values["seq"]))
        return shown

    def roster(self, listed, version_ms=T0, valid_h=72, reader="a-101", key=KEY, keys=None):
        """A roster's bytes. listed: [(window, [uid, ...]), ...]."""
        card_key = (keys or self.card_keys)[0]
        rows = [(window, [card_key.token(uid) for uid in uids]) for window, uids in listed]
        return roster.encode(reader, key, version_ms, version_ms, version_ms + valid_h * HOUR_MS, rows)

    def give(self, listed, **how):
        self.reader.received("roster", self.roster(listed, **how), self.ms)

    def down(self, *lines, kind="receipt"):
        """Lines from the store, or from somebody who says so."""
        self.reader.received(kind, envelope.wrap(list(lines)), self.ms)

    def link(self):
        self.reader.linked(self.ms)
        self.pump()

    def unlink(self):
        self.reader.unlinked(self.ms)

    def pump(self, most=20_000):
        """Publish until the reader has nothing more to say now."""
        for _ in range(most):
            out = self.reader.next(self.ms)
            if out is None:
                return
            self.sent.append((self.now_ms, out))
            if self.line_up and not self.lose(out):
                for line in self.store.hears(out, self.wall_ms):
                    self.down(line, kind="command" if "|time|" in line else "receipt")
        raise AssertionError("the reader never falls silent")

    def run(self, ms, step_ms=250):
        """Let time pass."""
        end = self.now_ms + ms
        while self.now_ms < end:
            self.now_ms = min(end, self.now_ms + step_ms)
            self.reader.tick(self.ms)
            self.reader.idle()
            self.pump()

    def lamps(self, ms, step_ms=20):
        """The lamp over a time, as a list of [colour, ms]."""
        seen = []
        for at in range(self.ms, self.ms + ms, step_ms):
            colour = self.reader.light(at)
            if seen and seen[-1][0] == colour:
                seen[-1][1] += step_ms
            else:
                seen.append([colour, step_ms])
        return seen

    def sent_since(self, now_ms, kind=None):
        return [(at, out) for at, out in self.sent if at >= now_ms and kind in (None, out.kind)]

    def records(self, out):
        """The (journal, seq) that a swipes message carries."""
        said = [statement.read(line) for line in envelope.unwrap(out.payload)]
        return [(s.values["journal"], s.values["seq"]) for s in said]

    def swipes(self):
        """Every swipe on the medium, as values, in order."""
        said = [statement.read(line) for line in self.medium.lines()]
        return [s.values for s in said if s.kind == "swipe"]

    def delivered(self):
        """Everything on the medium is in the store, once, as it was made; and everything is freed."""
        made = {}
        for line in self.medium.lines():
            said = statement.read(line)
            made[(said.values["journal"], said.values["seq"])] = said.text
        assert self.store.records.items() >= made.items(), "something that was kept is not in the store"
        assert self.medium.waiting() == 0
        assert self.reader.journal.backlog() == 0


def at_a_door(make, **how):
    """A world with a paired clock, Alice and Bob listed for session 1 (running) and session 2 (the next hour)."""
    world = make(**how)
    world.give([(session(1), [ALICE, BOB]), (session(2, 3600, 7200), [ALICE, BOB])])
    world.link()
    return world
