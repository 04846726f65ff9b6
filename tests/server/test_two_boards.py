"""Two live copies of one reader are seen, whichever way they show, by the real reader's core on two copies of one card."""

import random
import shutil

import pytest

from firmware.contract import envelope
from firmware.pi.journal import SqliteJournal
from firmware.pi.shelf import RosterShelf
from firmware.reader.reader import Reader
from firmware.reader.settings import Settings
from server.policy import two_boards
from server.policy.two_boards import Said
from server.store import alarms, schema
from server.store.engine import reading, writing
from tests.server.store_world import HOUR, MIN, NINE, UIDS, World, wrap


class Copy:
    """A board that runs on a folder of its own: the real core, the real journal."""

    def __init__(self, world, board, folder, *, seed, name="a-1"):
        self.world, self.up_ms = world, 1000
        self.journal = SqliteJournal(folder, uptime_ms=lambda: self.up_ms)
        numbers = random.Random(seed)
        settings = Settings(site="main", reader=name, key=board.key, card_keys=world.keys, broker=None, wifi=None)
        self.reader = Reader(
            settings=settings,
            storage=self.journal,
            shelf=RosterShelf(folder),
            random_bytes=numbers.randbytes,
            firmware="test",
        )
        self.reader.linked(self.up_ms)

    def seconds(self, count):
        """Time passes for this board alone; the store's is the test's."""
        for _ in range(count):
            self.up_ms += 1000
            self.reader.tick(self.up_ms)
            while (out := self.reader.next(self.up_ms)) is not None:
                if out.kind in ("status", "health"):
                    continue
                answer = self.world.deliver(*map(wrap, envelope.unwrap(out.payload)), derive=False)
                for down in answer.down:
                    self.reader.received(down["kind"], envelope.wrap([down["line"]]), self.up_ms)

    def tap(self, uid):
        self.up_ms += 1500
        return self.reader.tap(uid, self.up_ms)


class Cards:
    """Copies of one reader's SD card, each in a folder of its own and each in a board."""

    def __init__(self, world, folder):
        self.world, self.folder, self.live = world, folder, []
        self.board = world.reader()

    def __call__(self, name, like=None):
        if like is None:
            (self.folder / name).mkdir()
        else:
            shutil.copytree(self.folder / like, self.folder / name)
        self.live.append(Copy(self.world, self.board, self.folder / name, seed=len(self.live) + 1))
        return self.live[-1]


@pytest.fixture
def card(new_sqlite, tmp_path):
    """`card(name)` makes a live copy of the SD card in that folder; `card.world` is the store."""
    made = Cards(World(new_sqlite(), now_ms=NINE), tmp_path)
    yield made
    for one in made.live:
        one.journal.close()
    made.world.close()


def both(card, seconds, *boards):
    """Time passes for all of these at once."""
    for _ in range(seconds):
        card.world.now_ms += 1000
        for one in boards:
            one.seconds(1)


def held(card):
    return sorted(row.token for row in card.world.all(schema.swipe))


def test_a_cold_copy_of_a_card_is_seen_at_the_first_tap_at_the_second_board_and_both_boards_taps_are_held(card):
    first = card("a")
    first.tap(UIDS[0])
    both(card, 60, first)
    first.journal.close()
    second, first = card("b", like="a"), card("again", like="a")
    first.tap(UIDS[1])
    second.tap(UIDS[2])
    both(card, 90, first, second)
    assert alarms.CLONE in card.world.alarms()
    assert len(held(card)) == 3 and len(card.world.all(schema.journal)) == 3


def test_a_card_copied_while_its_board_was_on_is_seen_though_only_the_copy_opens_a_journal(card):
    first = card("a")
    first.tap(UIDS[0])
    both(card, 60, first)
    second = card("b", like="a")
    first.tap(UIDS[1])
    second.tap(UIDS[2])
    both(card, 20, first, second)
    assert len([row for row in card.world.all(schema.journal) if row.before_journal]) == 1, "there are no siblings"
    first.reader.unlinked(first.up_ms)
    first.reader.linked(first.up_ms)
    both(card, 90, first, second)
    assert alarms.CLONE in card.world.alarms()
    assert len(held(card)) == 3


def test_two_copies_of_an_empty_card_that_nobody_taps_at_are_seen_by_their_heads_within_two_minutes(card):
    first = card("a")
    both(card, 300, first)
    assert card.world.alarms() == set()
    second = card("b", like="a")
    both(card, 150, first, second)
    assert card.world.alarms() == {alarms.CLONE}
    assert [row.subject for row in card.world.all(schema.alarm)] == ["a-1"]


def test_one_board_that_is_started_again_and_again_is_one_board(card):
    board = card("a")
    for n in range(6):
        board.tap(UIDS[n])
        both(card, 100, board)
        board.journal.close()
        board = card(f"a{n}", like="a" if n == 0 else f"a{n - 1}")
    both(card, 100, board)
    assert card.world.alarms() == set()


def test_two_things_under_one_number_are_two_boards_and_nobody_is_absent_there(world):
    session, board = world.session(), world.reader()
    world.now_ms = NINE + MIN
    world.deliver(board.hello(), board.lines[0], board.swipe(UIDS[0], NINE))
    # The other one's memory was copied while it ran: the same journal, the same number.
    board.seq -= 1
    world.deliver(board.swipe(UIDS[1], NINE + MIN))
    world.now_ms = NINE + HOUR + MIN
    world.deliver(board.head(NINE + HOUR + 30_000))
    world.settle()
    assert world.alarms() == {"record-conflict", alarms.CLONE}
    assert [world.marks().get((session, one), (None,))[0] for one in world.students] == ["P", None, None]
    assert world.quarantined() == {"record-conflict": 1}


def test_what_a_person_closed_stays_closed_when_the_second_board_is_gone_and_opens_when_it_speaks_again(card):
    first = card("a")
    both(card, 120, first)
    second = card("b", like="a")
    both(card, 180, first, second)
    with writing(card.world.engine) as connection:
        [found] = alarms.open_alarms(connection, card.world.institution_id)
        alarms.close(connection, card.world.institution_id, found.id, None, card.world.now_ms)
    both(card, 300, first)
    with reading(card.world.engine) as connection:
        assert alarms.open_alarms(connection, card.world.institution_id) == []
    both(card, 180, first, second)
    with reading(card.world.engine) as connection:
        assert [one.subject for one in alarms.open_alarms(connection, card.world.institution_id)] == ["a-1"]


# --- the rule


def heads(start_ms, *minutes, unsure_ms=10):
    return [Said(wall_ms=NINE + at * MIN, boot_ms=NINE + at * MIN - start_ms, unsure_ms=unsure_ms) for at in minutes]


def test_a_board_that_was_started_again_says_nothing_as_the_one_before():
    before, after = heads(NINE - HOUR, 0, 1, 2, 3), heads(NINE + 3 * MIN + 20_000, 4, 5)
    assert not two_boards.is_two([*before, *after])
    assert not two_boards.is_two([*after, *before, *after])


def test_two_boards_at_once_are_told_in_whatever_order_their_heads_came():
    one, other = heads(NINE - HOUR, 0, 1, 2, 3), heads(NINE + 30_000, 1, 2, 3)
    for given in ([*one, *other], [*other, *one], [*reversed(one), *other]):
        assert two_boards.is_two(given)


def test_one_head_alone_of_an_unsure_clock_or_of_long_ago_is_no_second_board():
    other = heads(NINE + 30_000, 1, 2, 3)
    assert not two_boards.is_two([*heads(NINE - HOUR, 0, 2), *other]), "one after the start"
    assert not two_boards.is_two([*heads(NINE - HOUR, 1, 2, 3, unsure_ms=3 * MIN), *other])
    assert not two_boards.is_two([*heads(NINE - HOUR, 40, 41, 42), *other])
