"""A store that lost what readers have freed: the real reader core on one side, the store's intake on the other.

No network and no time of ours: what one says is handed to the other at once. `Line.restore` puts the database file of
an earlier moment in place, as after `muster restore`; the reader stays connected and says no hello by itself.
"""

import itertools
import shutil
from pathlib import Path

import pytest

from firmware.contract import envelope
from firmware.pi.journal import SqliteJournal
from firmware.pi.shelf import RosterShelf
from firmware.reader.reader import Reader
from firmware.reader.settings import Settings
from server import deliveries
from server.intake.answering import Answering
from server.store import schema
from server.store.engine import open_engine
from tests.server.store_world import UIDS, World, wrap


class Line:
    """One reader, connected; its journal on a disk, the store in a file."""

    def __init__(self, url: str, folder: Path, delivery=deliveries.Delivery) -> None:
        self.world = World(url)
        self.world.delivery = delivery
        board = self.world.reader("a-1")
        settings = Settings(site="main", reader="a-1", key=board.key, card_keys=self.world.keys, broker=None, wifi=None)
        self.now_ms = 1000
        self.journal = SqliteJournal(folder, uptime_ms=lambda: self.now_ms)
        numbers = itertools.count(1)
        self.reader = Reader(
            settings=settings,
            storage=self.journal,
            shelf=RosterShelf(folder),
            random_bytes=lambda size: next(numbers).to_bytes(size, "big"),
            firmware="test",
        )
        self.answers: list[deliveries.Answer] = []
        self.reader.linked(self.now_ms)
        self.minutes(1)

    def minutes(self, count: int) -> None:
        """Time passes; what either says reaches the other at once."""
        for _ in range(count * 60):
            self.now_ms += 1000
            self.world.now_ms += 1000
            self.reader.tick(self.now_ms)
            while (out := self.reader.next(self.now_ms)) is not None:
                if out.kind not in ("status", "health"):
                    answer = self.world.deliver(*map(wrap, envelope.unwrap(out.payload)), derive=False)
                    self.answers.append(answer)
                    for down in answer.down:
                        self.reader.received(down["kind"], envelope.wrap([down["line"]]), self.now_ms)

    def taps(self, uids) -> None:
        for uid in uids:
            self.now_ms += 1500
            self.reader.tap(uid, self.now_ms)
        self.minutes(1)

    def stored(self) -> int:
        return len(self.world.all(schema.swipe))

    def file(self) -> Path:
        return Path(str(self.world.engine.url.database))

    def backup(self) -> Path:
        copy = self.file().with_suffix(".copy")
        self.world.engine.dispose()
        shutil.copy(self.file(), copy)
        return copy

    def restore(self, copy: Path) -> None:
        url = self.world.engine.url
        self.world.engine.dispose()
        for tail in ("-wal", "-shm"):
            Path(f"{self.file()}{tail}").unlink(missing_ok=True)
        shutil.copy(copy, self.file())
        self.world.engine = open_engine(str(url))

    def close(self) -> None:
        self.journal.close()
        self.world.close()


@pytest.fixture
def lines(new_sqlite, tmp_path):
    made = []

    def new(delivery=deliveries.Delivery):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Line(new_sqlite(), folder, delivery))
        return made[-1]

    yield new
    for one in made:
        one.close()


def a_quiet_reader_brings_back_what_the_store_lost(line):
    line.taps(UIDS[:3])
    copy = line.backup()
    line.taps(UIDS[3:8])
    line.minutes(2)
    assert (line.stored(), line.reader.journal.backlog()) == (8, 0), "all receipted, and so freed"
    line.restore(copy)
    assert line.stored() == 3
    line.minutes(4)
    assert (line.stored(), line.reader.journal.backlog()) == (8, 0)


def test_a_reader_that_stays_connected_and_has_nothing_new_brings_back_what_the_store_lost(lines):
    a_quiet_reader_brings_back_what_the_store_lost(lines())


def test_a_journal_that_the_restored_store_never_heard_of_comes_back_whole(lines):
    line = lines()
    copy = line.backup()
    line.taps(UIDS[:5])
    line.minutes(2)
    line.restore(copy)
    line.minutes(4)
    assert (line.stored(), line.reader.journal.backlog()) == (5, 0)


def test_taps_go_on_while_what_was_lost_comes_back(lines):
    line = lines()
    line.taps(UIDS[:3])
    copy = line.backup()
    line.taps(UIDS[3:6])
    line.restore(copy)
    line.taps(UIDS[6:9])
    line.minutes(5)
    assert (line.stored(), line.reader.journal.backlog()) == (9, 0)


def test_gateways_are_asked_first_for_what_the_reader_has_freed(lines):
    line = lines()
    line.taps(UIDS[:2])
    copy = line.backup()
    line.taps(UIDS[2:5])
    line.restore(copy)
    before = len(line.answers)
    line.minutes(2)
    asked = [one for answer in line.answers[before:] for one in answer.replay]
    assert asked and asked[0]["reader"] == "a-1" and asked[0]["last"] - asked[0]["first"] >= 2


def test_a_store_that_lost_nothing_asks_for_nothing(lines):
    line = lines()
    for n in range(5):
        line.taps(UIDS[n : n + 1])
    line.minutes(10)
    assert [one for answer in line.answers for one in answer.replay] == []
    assert "|again|" not in "".join(down["line"] for answer in line.answers for down in answer.down)
    assert line.world.all(schema.alarm) == []


class Deaf(deliveries.Delivery):
    """Saboteur: a store that waits for a hello, and does not look at what heads say was freed."""

    def __init__(self, desk):
        super().__init__(desk)
        deaf = {"_follow_up": lambda self, *_: None}
        self.answering = type("Deaf", (Answering,), deaf)(desk)


def test_a_store_that_waits_for_a_hello_would_be_caught(lines):
    with pytest.raises(AssertionError):
        a_quiet_reader_brings_back_what_the_store_lost(lines(Deaf))


def test_what_nobody_has_any_more_becomes_an_alarm_and_stops_nobody(lines):
    line = lines()
    line.taps(UIDS[:2])
    copy = line.backup()
    line.taps(UIDS[2:5])
    line.restore(copy)
    # The reader's disk went with the store's: only its word of what was freed is left.
    line.reader.journal.lost_by_store = lambda journal, first: False
    line.minutes(8)
    assert [alarm.code for alarm in line.world.all(schema.alarm)] == ["journal-hole"]
    assert line.stored() == 2
    hellos = len(line.world.all(schema.hello))
    line.minutes(10)
    assert len(line.world.all(schema.hello)) <= hellos + 1, "it is not asked for ever"
