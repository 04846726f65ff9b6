"""Outages become facts: silence, power, chip and storage, and the store's own, each to whom it belongs."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from server.fleet.watch import Watch
from server.policy import outage_facts
from server.policy.outage_facts import Head
from server.store import gateways, outages
from server.store.engine import reading, writing
from server.store.schema_fleet import reader_outage as outage
from tests.server.store_world import HOUR, MIN, NINE

BEGIN = NINE - 2 * HOUR


class Line:
    """A reader, and the server's looks at it."""

    def __init__(self, world) -> None:
        self.world = world
        self.board = world.reader()
        self.board.boot(at_ms=BEGIN)
        self.watch = Watch(world.engine)
        self.now_ms = BEGIN

    def head(self, minute: int, *, able: str = "ok", arrives: int | None = None) -> None:
        """A head stated at this minute, and looked at."""
        at_ms = BEGIN + minute * MIN
        self.world.now_ms = self.now_ms = at_ms if arrives is None else BEGIN + arrives * MIN
        self.world.deliver(*self.board.lines, self.board.head(at_ms, able=able), derive=False)
        self.look()

    def look(self, minute: int | None = None) -> None:
        self.now_ms = self.now_ms if minute is None else BEGIN + minute * MIN
        self.watch.step(self.now_ms)

    def found(self) -> list[tuple]:
        """(kind, from, to) in minutes, of the reader; with `line` before those of the whole line."""

        def minute(at_ms):
            # A clock is unsure by some ms.
            return None if at_ms is None else round((at_ms - BEGIN) / MIN, 2)

        return sorted(
            (("line " if row.reader_id is None else "") + row.kind, minute(row.from_ms), minute(row.to_ms))
            for row in self.world.all(outage)
        )


@pytest.fixture
def line(world):
    return Line(world)


def heads(line, first, last, **values):
    for minute in range(first, last):
        line.head(minute, **values)


def test_a_reader_that_says_its_heads_has_no_outage(line):
    heads(line, 1, 8)
    assert line.found() == []


def test_silence_is_noted_from_the_last_word_to_the_first_one_after_it(line):
    heads(line, 1, 4)
    for minute in range(4, 20):
        line.look(minute)
    assert line.found() == [("silent", 3, None)]
    line.head(20)
    assert line.found() == [("silent", 3, 20)]
    heads(line, 21, 24)
    assert line.found() == [("silent", 3, 20)]


def test_a_reader_that_was_cut_off_and_stayed_on_was_not_off_and_one_that_restarted_was(line):
    heads(line, 1, 4)
    for minute in range(4, 20):
        line.look(minute)
    line.head(20)
    assert "off" not in {kind for kind, _, _ in line.found()}
    line.board.boot(at_ms=BEGIN + 30 * MIN)
    line.head(31)
    assert ("off", 20, 30) in line.found()


def test_what_a_look_saw_that_was_rolled_back_is_seen_by_the_next_one(line):
    heads(line, 0, 3)
    line.board.boot(at_ms=BEGIN + 6 * MIN)
    line.world.now_ms = BEGIN + 7 * MIN
    line.world.deliver(*line.board.lines, line.board.head(BEGIN + 7 * MIN), derive=False)
    with writing(line.world.engine) as connection:
        connection.execute(text("ALTER TABLE reader_command RENAME TO away"))
    with pytest.raises(DBAPIError):
        line.look(7)
    with writing(line.world.engine) as connection:
        connection.execute(text("ALTER TABLE away RENAME TO reader_command"))
    line.head(8)
    assert ("off", 2.0, 6.0) in line.found()


def test_a_head_that_comes_late_shortens_the_time_in_which_a_reader_was_off(line):
    heads(line, 1, 4)
    line.board.boot(at_ms=BEGIN + 3 * MIN + 10_000)
    before = line.board.head(BEGIN + 6 * MIN)
    line.board.boot(at_ms=BEGIN + 8 * MIN)
    line.head(9)
    assert ("off", 3, 8) in line.found()
    line.world.now_ms = BEGIN + 10 * MIN
    line.world.deliver(before, derive=False)
    line.look(10)
    assert [one for one in line.found() if one[0] == "off"] == [("off", 3, 3.17), ("off", 6, 8)]


def test_a_chip_that_is_lost_is_an_outage_from_the_head_before_to_the_head_that_says_ok(line):
    heads(line, 1, 4)
    line.head(4, able="chip")
    assert line.found() == [("chip", 3, None)]
    line.head(5, able="chip+storage")
    assert line.found() == [("chip", 3, None), ("storage", 4, None)]
    line.head(6)
    assert line.found() == [("chip", 3, 6), ("storage", 4, 6)]


def test_a_store_that_was_away_itself_blames_no_reader(line):
    heads(line, 1, 4)
    line.watch = Watch(line.world.engine)
    line.look(60)
    assert line.found() == [("line store", 3, 60)]
    line.look(61)
    assert line.found() == [("line store", 3, 60)]
    for minute in range(62, 65):
        line.look(minute)
    # It has been there for long enough now, and heard nothing.
    assert ("silent", 3, None) in line.found()


def test_a_server_that_begins_anew_goes_on_where_the_last_one_stopped(line):
    heads(line, 1, 4)
    line.world.now_ms = BEGIN + 4 * MIN
    line.world.deliver(line.board.head(BEGIN + 4 * MIN, able="full"), derive=False)
    line.watch = Watch(line.world.engine)
    line.look(4)
    assert line.found() == [("full", 3, None)]
    line.watch = Watch(line.world.engine)
    line.head(5)
    assert line.found() == [("full", 3, 5)]


def test_gateways_that_are_all_away_are_an_outage_of_the_line(line):
    world = line.world
    with writing(world.engine) as connection:
        token = gateways.add(connection, world.institution_id, "gw", 1)
        gateways.seen(connection, gateways.find(connection, token).id, BEGIN + 1 * MIN)
    for minute in range(1, 9):
        line.look(minute)
    assert line.found() == [("line gateway", 1, None)]
    with writing(world.engine) as connection:
        gateways.seen(connection, gateways.find(connection, token).id, BEGIN + 9 * MIN)
    line.look(9)
    assert line.found() == [("line gateway", 1, 9)]


def test_what_touches_a_morning_is_found_with_what_the_whole_line_had(line):
    heads(line, 1, 4)
    line.head(4, able="chip")
    line.head(5)
    with reading(line.world.engine) as connection:
        here = line.world.institution_id
        reader_id = line.world.all(outage)[0].reader_id
        assert [one.kind for one in outages.within(connection, here, BEGIN, BEGIN + HOUR, reader_id=reader_id)] == [
            "chip"
        ]
        assert outages.within(connection, here, BEGIN + 6 * MIN, BEGIN + HOUR) == []


def test_a_clock_that_is_ahead_of_its_own_arrival_proves_nothing():
    before = Head(reader_id=1, wall_ms=100_000, boot_ms=50_000, able="ok", unsure_ms=0, received_ms=100_000)
    ahead = Head(reader_id=1, wall_ms=9_000_000, boot_ms=1_000, able="chip", unsure_ms=0, received_ms=160_000)
    assert outage_facts.follows(before, ahead, ()) == []


def test_moments_that_two_outages_cover_count_once():
    assert outage_facts.overlap_ms([(0, 10), (5, 20), (30, 40)], 3, 35) == 22
    assert outage_facts.overlap_ms([], 0, 10) == 0
