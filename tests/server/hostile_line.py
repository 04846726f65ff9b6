"""Two real readers and the real store, and between them a broker and a gateway that lie: every act is seeded and counted.

The middle hears everything, and holds no key. It alters, forges, mixes, replays, reorders, withholds and sends what is
one reader's to the other. `Hostile.act` does one such thing and says at once where it was neither seen nor harmless;
`Hostile.check` holds the whole line against the promise.
"""

import random
from pathlib import Path

from sqlalchemy import select

from firmware.contract import envelope, roster, statement
from firmware.contract.mac import Key
from firmware.pi.journal import SqliteJournal
from firmware.pi.shelf import RosterShelf
from firmware.reader.reader import Reader
from firmware.reader.settings import Settings
from server.derive import rosters
from server.store import schema
from server.store.engine import writing
from tests.server.store_world import HOUR, MIN, NINE, UIDS, World, wrap

NAMES = ("a-1", "a-2")
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
BEGINS = NINE - 25 * MIN


class Victim:
    """One reader, and what really came of it and for it."""

    def __init__(self, world, name, room, folder, seed):
        self.name, self.board = name, world.reader(name, room=room)
        folder.mkdir()
        self.up_ms = 1000
        self.journal = SqliteJournal(folder, uptime_ms=lambda: self.up_ms)
        self.shelf = RosterShelf(folder)
        settings = Settings(site="main", reader=name, key=self.board.key, card_keys=world.keys, broker=None, wifi=None)
        self.reader = Reader(
            settings=settings,
            storage=self.journal,
            shelf=self.shelf,
            random_bytes=random.Random(seed).randbytes,
            firmware="test",
        )
        #: lines it said, lines that the store said to it, class lists that the store made for it
        self.said, self.told, self.lists = [], [], []
        #: what the middle keeps back, either way
        self.kept_up, self.kept_down = [], []
        self.highest_list_ms = 0
        self.taps = 0
        self.reader.linked(self.up_ms)

    def refused(self):
        return sum(self.reader.uplink.refused.values())

    def state(self):
        """What a message from below could change: freed, the class list, the clock's pairing, commands."""
        core = self.reader
        return (tuple(core.journal.held), core.door.roster and core.door.roster.version_ms, tuple(core.commands),
                core.clock.pairing)  # fmt: skip


class Hostile:
    """The line with the middle in it. now_ms: the store's clock; every reader's runs beside it."""

    def __init__(self, url: str, folder: Path, seed: int, delivery=None, students: int = 12) -> None:
        self.random = random.Random(seed)
        self.world = World(url, students=students, now_ms=BEGINS)
        if delivery is not None:
            self.world.delivery = delivery
        self.session = self.world.session(NINE, 600)
        self.victims = [Victim(self.world, name, n, folder / name, seed + n) for n, name in enumerate(NAMES)]
        self.began_ms = self.world.now_ms
        #: who tapped at the door of the session
        self.came: set[int] = set()
        self.acts: dict[str, int] = {}
        self.troubles: list[str] = []
        self.genuine: set[str] = set()
        self.issue()

    # --- the honest parts

    def second(self, *, honest: bool = False) -> None:
        """A second passes. honest: the middle does its work."""
        self.world.now_ms += 1000
        for one in self.victims:
            one.up_ms += 1000
            one.reader.tick(one.up_ms)
            while (out := one.reader.next(one.up_ms)) is not None:
                if out.kind not in ("status", "health"):
                    lines = envelope.unwrap(out.payload)
                    one.said += lines
                    self.genuine.update(lines)
                    one.kept_up += lines
            if honest or self.random.random() < 0.5:
                lines, one.kept_up = one.kept_up, []
                self.up(lines, honest=honest)
            if honest or self.random.random() < 0.5:
                self.hand_down(one)

    def up(self, lines, *, honest: bool = False, **about):
        """The store takes these lines; what it answers is kept back for their readers."""
        answer = self.world.deliver(*(wrap(line, **about) for line in lines), derive=False)
        for down in answer.down:
            one = next(each for each in self.victims if each.name == down["reader"])
            one.told.append(down)
            one.kept_down.append(down)
            if honest:
                self.hand_down(one)
        return answer

    def hand_down(self, one: Victim) -> None:
        kept, one.kept_down = one.kept_down, []
        for down in kept:
            one.reader.received(down["kind"], envelope.wrap([down["line"]]), one.up_ms)

    def tap(self, who: int | None = None) -> None:
        """Somebody's card at some door; at the session's, where it is said whose."""
        one = self.random.choice(self.victims) if who is None else self.victims[0]
        who = self.random.randrange(len(self.world.students) + 3) if who is None else who
        one.reader.tap(UIDS[who], one.up_ms)
        one.taps += 1
        if who < len(self.world.students) and one is self.victims[0]:
            self.came.add(self.world.students[who])

    def issue(self) -> None:
        """The store makes class lists; each goes to its reader."""
        with writing(self.world.engine) as connection:
            rosters.build(connection, self.world.ring, self.world.institution_id, self.world.now_ms)
        found = {row.reader_id: bytes(row.payload) for row in self.world.all(schema.roster)}
        ids = {row.name: row.id for row in self.world.all(schema.reader)}
        for one in self.victims:
            blob = found[ids[one.name]]
            if blob not in one.lists:
                one.lists.append(blob)
                one.reader.received("roster", blob, one.up_ms)

    # --- the lies

    def act(self) -> None:
        """One lie, looked at at once."""
        kind = self.random.choice(KINDS)
        self.acts[kind] = self.acts.get(kind, 0) + 1
        getattr(self, f"_{kind}")()

    def _trouble(self, text: str) -> None:
        self.troubles.append(f"{text} (act {sum(self.acts.values())})")

    def _line(self, said=True) -> str:
        """Some line that a reader, or else the store, really said."""
        one = self.random.choice([each for each in self.victims if (each.said if said else each.told)])
        return self.random.choice(one.said) if said else self.random.choice(one.told)["line"]

    def _flipped(self, line: str) -> str:
        place = self.random.randrange(len(line))
        return line[:place] + self.random.choice(PRINTABLE.replace(line[place], "")) + line[place + 1 :]

    def _mixed(self, line: str, other: str) -> str:
        """A field of one line in another's place; the MAC stays, or is the other's."""
        parts, others = line.split("|"), other.split("|")
        place = self.random.randrange(1, len(parts))
        parts[place] = others[-1] if place == len(parts) - 1 else others[min(place, len(others) - 2)]
        return "|".join(parts)

    def _falsely(self, line: str, what: str, **about) -> None:
        """The store must put this away, and take nothing from it."""
        if line in self.genuine and not about:
            return
        before = len(self.world.all(schema.record, "id"))
        answer = self.up([line], **about)
        if answer.suspect != 1 or len(self.world.all(schema.record, "id")) != before:
            self._trouble(f"the store believed what was {what}: {line}")

    def _up_flip(self):
        self._falsely(self._flipped(self._line()), "altered")

    def _up_mix(self):
        self._falsely(self._mixed(self._line(), self._line()), "mixed")

    def _up_cut(self):
        line = self._line()
        self._falsely(line[: self.random.randrange(len(line))], "cut off")

    def _up_cross(self):
        line, (one, other) = self._line(), NAMES
        name, instead = (one, other) if f"|{one}|" in line else (other, one)
        self._falsely(line.replace(f"|{name}|", f"|{instead}|"), "another reader's")

    def _up_forge(self):
        """A swipe of a student who is not there, under a key of the middle's own."""
        one, key = self.random.choice(self.victims), Key(1, self.random.randbytes(32))
        kind = self.random.choice(("swipe", "open", "hello", "head"))
        journal = one.reader.journal.live or "0" * 16
        [token] = self.world.tokens(self.random.choice(UIDS[:12]))
        values = {
            "journal": journal, "seq": self.random.randrange(10_000), "evidence": f"t1:{token[1].hex()}",
            "boot_ms": one.up_ms, "wall_ms": self.world.now_ms, "clock": "sync", "uncertainty_ms": 5,
            "verdict": "green", "session": self.session, "roster": None, "before": None, "before_seq": None,
            "firmware": "x", "nonce": self.random.randbytes(8).hex(), "able": "ok",
            "journals": [statement.Held(journal, 0, 99_999, 99_999)],
        }  # fmt: skip
        text = statement.say(kind, one.name, 1, values)
        self._falsely(statement.seal(text, key.mac(text.encode())), "forged")

    def _up_reflect(self):
        """What the store itself said, under the reader's own key, as if the reader had said it."""
        if any(one.told for one in self.victims):
            self._falsely(self._line(said=False), "its own word", kind=self.random.choice(("record", "hello", "head")))

    def _up_kind(self):
        """A line that is whole, as what it is not."""
        line = self._line()
        said = line.split("|")[1]
        other = {"hello": ("record", "head"), "head": ("record", "hello")}.get(said, ("hello", "head"))
        self._falsely(line, "called what it is not", kind=self.random.choice(other))

    def _up_garbage(self):
        size = self.random.randrange(1, 300)
        self._falsely("".join(self.random.choice(PRINTABLE) for _ in range(size)), "garbage")

    def _up_replay(self):
        """Old lines again, in any order, under any name on the topic: the same, and nothing more."""
        lines = [self._line() for _ in range(self.random.randrange(1, 8))]
        answer = self.up(lines, reader=self.random.choice((None, *NAMES)))
        if answer.suspect:
            self._trouble(f"what a reader said was put away: {lines}")

    def _up_withhold(self):
        """For good; the reader offers it again where no receipt comes."""
        one = self.random.choice(self.victims)
        one.kept_up = one.kept_up[self.random.randrange(4) :]

    def _up_reorder(self):
        one = self.random.choice(self.victims)
        self.random.shuffle(one.kept_up)

    def _down_false(self, one: Victim, kind: str, payload: bytes, what: str) -> None:
        """The reader must refuse this, and change nothing by it."""
        before, refused = one.state(), one.refused()
        one.reader.received(kind, payload, one.up_ms)
        if one.state() != before:
            self._trouble(f"{one.name} believed a {kind} that was {what}: {payload!r}")
        elif one.refused() == refused:
            self._trouble(f"{one.name} did not count a {kind} that was {what}: {payload!r}")

    def _told(self):
        one = self.random.choice(self.victims)
        return one, (self.random.choice(one.told) if one.told else None)

    def _down_flip(self):
        one, down = self._told()
        if down is not None:
            line = self._flipped(down["line"])
            self._down_false(one, down["kind"], envelope.wrap([line]), "altered")

    def _down_mix(self):
        one, down = self._told()
        if down is not None:
            line = self._mixed(down["line"], self.random.choice(one.told)["line"])
            if line not in {each["line"] for each in one.told}:
                self._down_false(one, down["kind"], envelope.wrap([line]), "mixed")

    def _down_cross(self):
        one, down = self._told()
        if down is not None:
            other = next(each for each in self.victims if each is not one)
            self._down_false(other, down["kind"], envelope.wrap([down["line"]]), "another reader's")

    def _down_reflect(self):
        one = self.random.choice(self.victims)
        if one.said:
            line = self.random.choice(one.said)
            self._down_false(one, self.random.choice(("receipt", "command")), envelope.wrap([line]), "its own word")

    def _down_forge(self):
        """A receipt for all that it holds, a time, a command, under a key of the middle's own, in either one's name."""
        one, key = self.random.choice(self.victims), Key(1, self.random.randbytes(32))
        kind = self.random.choice(("receipt", "again", "time", "command"))
        held = one.reader.journal.held
        values = {
            "nonce": one.reader.uplink._nonce or "0" * 16, "journal": held[-1].journal if held else "0" * 16,
            "up_to": held[-1].head if held else 0, "first": 0, "last": 9, "wall_ms": self.world.now_ms - HOUR,
            "counter": self.world.now_ms + self.random.randrange(1000), "name": "restart", "argument": "x",
        }  # fmt: skip
        text = statement.say(kind, self.random.choice(NAMES), 1, values)
        line = statement.seal(text, key.mac(text.encode()))
        self._down_false(one, "command" if kind in ("time", "command") else "receipt", envelope.wrap([line]), "forged")

    def _down_garbage(self):
        one = self.random.choice(self.victims)
        kind = self.random.choice(("receipt", "command", "roster"))
        self._down_false(one, kind, self.random.randbytes(self.random.randrange(1, 300)), "garbage")

    def _down_replay(self):
        """Anything the store ever said to it, again: whatever it does, `check` must hold."""
        one, down = self._told()
        if down is not None:
            one.reader.received(down["kind"], envelope.wrap([down["line"]]), one.up_ms)

    def _down_withhold(self):
        one = self.random.choice(self.victims)
        one.kept_down = one.kept_down[self.random.randrange(4) :]

    def _down_reorder(self):
        self.random.shuffle(self.random.choice(self.victims).kept_down)

    def _list_flip(self):
        one = self.random.choice(self.victims)
        blob = bytearray(self.random.choice(one.lists))
        blob[self.random.randrange(len(blob))] ^= 1 << self.random.randrange(8)
        self._down_false(one, "roster", bytes(blob), "altered")

    def _list_cut(self):
        one = self.random.choice(self.victims)
        blob = self.random.choice(one.lists)
        cut = blob[: self.random.randrange(len(blob))] if self.random.random() < 0.5 else blob + b"\x00" * 8
        self._down_false(one, "roster", cut, "cut off")

    def _list_cross(self):
        one, other = self.random.sample(self.victims, 2)
        self._down_false(one, "roster", self.random.choice(other.lists), "another reader's")

    def _list_old(self):
        """An older list of its own: the newer one stays."""
        one = self.random.choice(self.victims)
        one.reader.received("roster", self.random.choice(one.lists), one.up_ms)

    # --- the promise

    def check(self) -> None:
        """No record, credit, receipt, class list, time or command that nobody honest made."""
        world = self.world
        sealed = {statement.seal(row.text, bytes(row.mac)) for row in world.all(schema.record)}
        if sealed - self.genuine:
            self._trouble(f"records that no reader made: {sorted(sealed - self.genuine)[:2]}")
        held = {
            (row.name, row.journal): row.up_to
            for row in world.rows(
                select(schema.reader.c.name, schema.journal.c.journal, schema.journal.c.up_to).join(
                    schema.reader, schema.reader.c.id == schema.journal.c.reader_id
                )
            )
        }
        for one in self.victims:
            for each in one.reader.journal.held:
                if each.freed > held.get((one.name, each.journal), -1):
                    self._trouble(f"{one.name} freed what the store does not hold: {each}")
            now = one.reader.door.roster
            blob = one.shelf.load()
            if blob is None or blob not in one.lists or now is None or now.version_ms < one.highest_list_ms:
                self._trouble(f"{one.name} holds a class list that was not made for it, or an older one")
            else:
                one.highest_list_ms = roster.decode(blob, one.board.key, one.name).version_ms
            read = one.reader.clock.read(one.up_ms)
            if read.wall_ms is not None and abs(read.wall_ms - world.now_ms) > read.uncertainty_ms + 1000:
                self._trouble(f"{one.name} believes a time that is wrong: {read.wall_ms - world.now_ms} ms")
            if one.reader.commands:
                self._trouble(f"{one.name} obeyed {one.reader.commands}")
        world.derive()
        credited = {person for session, person, *_ in world.credits() if session == self.session}
        if credited - self.came:
            self._trouble(f"credits for {sorted(credited - self.came)}, who were not there")

    def make_good(self, minutes: int = 12) -> None:
        """The middle does its work from now on; in so many minutes everything is where it belongs."""
        for _ in range(minutes * 60):
            self.second(honest=True)
        self.check()
        stored = len(self.world.all(schema.swipe, "id"))
        tapped = sum(one.taps for one in self.victims)
        if stored != tapped:
            self._trouble(f"{tapped} taps, and {stored} swipes in the store")
        credited = {person for session, person, *_ in self.world.credits() if session == self.session}
        if credited != self.came:
            self._trouble(f"{len(self.came)} came, and {len(credited)} are credited")

    def close(self) -> None:
        for one in self.victims:
            one.journal.close()
        self.world.close()


KINDS = tuple(
    name[1:]
    for name in sorted(vars(Hostile))
    if name.startswith(("_up_", "_down_", "_list_")) and name != "_down_false"
)
