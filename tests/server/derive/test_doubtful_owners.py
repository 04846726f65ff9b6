"""A card that changed hands, or a reader its room, within what a tap's time is unsure: no silence speaks of anybody then."""

import pytest

from server.store import cards, readers
from server.store.engine import writing
from tests.server.store_world import HOUR, MIN, NINE, UIDS

UNSURE = (None, None, "time_unsure")


@pytest.fixture
def lesson(world):
    """A lesson at nine whose door is known to its end, and somebody on its list who has no card yet."""
    fresh = world.person("Fresh")
    world.enrol(world.group, fresh)
    session, board = world.session(), world.reader()
    world.now_ms = NINE + HOUR + 10 * MIN
    world.deliver(board.lines[0])
    return session, board, fresh


def hold(world, person, at_ms):
    with writing(world.engine) as connection:
        return cards.hold(connection, world.institution_id, person, world.tokens(UIDS[9]), at_ms)


def known(world, board):
    world.deliver(board.head(NINE + HOUR + 2 * MIN))
    world.settle()


def about(world, session, person):
    return world.marks()[session, person]


def test_a_card_given_within_a_taps_doubt_is_no_silence(world, lesson):
    session, board, fresh = lesson
    hold(world, fresh, NINE + 5 * MIN)
    world.deliver(board.swipe(UIDS[9], NINE + 5 * MIN - 2000, uncertainty_ms=5000))
    known(world, board)
    assert about(world, session, fresh) == UNSURE
    assert about(world, session, world.students[1])[0] == "A"


def test_a_card_given_surely_after_a_tap_makes_it_nobodys_still(world, lesson):
    session, board, fresh = lesson
    hold(world, fresh, NINE + 5 * MIN)
    world.deliver(board.swipe(UIDS[9], NINE + 5 * MIN - 6000, uncertainty_ms=5000))
    known(world, board)
    assert about(world, session, fresh)[0] == "A"


def test_a_card_ended_within_a_taps_doubt_is_no_silence_for_who_had_it(world, lesson):
    session, board, fresh = lesson
    card = hold(world, fresh, 0)
    with writing(world.engine) as connection:
        cards.end(connection, world.institution_id, card, NINE + 5 * MIN, "lost")
    known(world, board)
    assert about(world, session, fresh)[0] == "A"
    # It comes when the register is released already.
    world.deliver(board.swipe(UIDS[9], NINE + 5 * MIN + 2000, uncertainty_ms=5000))
    assert about(world, session, fresh) == UNSURE


def test_a_card_whose_giving_is_entered_later_is_no_silence_within_the_taps_doubt(world, lesson):
    session, board, fresh = lesson
    world.deliver(board.swipe(UIDS[9], NINE + 5 * MIN - 2000, uncertainty_ms=5000))
    known(world, board)
    assert about(world, session, fresh)[0] == "A"
    hold(world, fresh, NINE + 5 * MIN)
    world.derive()
    assert about(world, session, fresh) == UNSURE


def test_a_card_that_moves_to_another_within_a_taps_doubt_is_no_silence_for_either(world, lesson):
    session, board, fresh = lesson
    other = world.students[0]
    hold(world, other, 0)
    hold(world, fresh, NINE + 5 * MIN)
    world.deliver(board.swipe(UIDS[9], NINE + 5 * MIN - 2000, uncertainty_ms=5000))
    known(world, board)
    assert (about(world, session, other)[0], about(world, session, fresh)) == ("P", UNSURE)


def test_a_reader_moved_within_a_taps_doubt_is_no_silence(world, lesson):
    """It came to the room as the lesson's door opened, and the tap was then or just before."""
    _, board, _ = lesson
    session = world.session(NINE + HOUR, room=1)
    world.now_ms = NINE + 2 * HOUR + 10 * MIN
    with writing(world.engine) as connection:
        readers.move(connection, world.institution_id, board.name, "R1", NINE + 50 * MIN, world.now_ms)
    world.deliver(board.swipe(UIDS[0], NINE + 50 * MIN - 2000, uncertainty_ms=5000))
    world.deliver(board.head(NINE + 2 * HOUR + 2 * MIN))
    world.settle()
    assert about(world, session, world.students[0]) == UNSURE
    assert about(world, session, world.students[1])[0] == "A"


def test_a_move_that_is_entered_later_is_no_silence_within_a_taps_doubt(world, lesson):
    _, board, _ = lesson
    session, there = world.session(NINE + HOUR, room=1), world.reader("a-2", room=1)
    world.now_ms = NINE + 2 * HOUR + 10 * MIN
    world.deliver(board.swipe(UIDS[0], NINE + 50 * MIN - 2000, uncertainty_ms=5000))
    world.deliver(there.lines[0], there.head(NINE + 2 * HOUR + 2 * MIN), board.head(NINE + 2 * HOUR + 2 * MIN))
    world.settle()
    assert about(world, session, world.students[0])[0] == "A"
    with writing(world.engine) as connection:
        readers.move(connection, world.institution_id, board.name, "R1", NINE + 50 * MIN, world.now_ms)
    world.derive()
    world.settle()
    assert about(world, session, world.students[0]) == UNSURE
