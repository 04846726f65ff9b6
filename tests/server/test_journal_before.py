"""What a store asks for that only the next journal still names."""

from tests.server.store_world import NINE, UIDS, World


def test_a_journal_that_only_the_next_one_names_is_asked_of_the_gateways(new_sqlite):
    """Found by the simulation: the reader had recycled a journal wholly, so after a restore no hello named it, and the
    gateways, which had every row of it, were never asked."""
    world = World(new_sqlite(), now_ms=NINE)
    board = world.reader()
    former, first = board.journal, board.lines[0]
    swipe = board.swipe(UIDS[0], NINE)
    opened = board.boot()
    asked = {"site": "main", "reader": "a-1", "journal": former, "first": 0, "last": 1}
    assert world.deliver(opened).replay == [asked]
    assert world.deliver(opened).replay == []
    world.deliver(first, swipe)
    world.close()


def test_a_journal_whose_former_one_is_held_asks_for_nothing(new_sqlite):
    world = World(new_sqlite(), now_ms=NINE)
    board = world.reader()
    world.deliver(board.lines[0], board.swipe(UIDS[0], NINE))
    assert world.deliver(board.boot()).replay == []
    world.close()
