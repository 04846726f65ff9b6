"""What is derived for one student rests on that student's own swipes, whoever else is derived with them."""

from tests.server.store_world import HOUR, MIN, NINE, UIDS


def test_a_student_stays_present_when_another_of_the_same_batch_is_due_for_that_morning(world):
    """Found by the simulation: the afternoon's swipe of one and a morning's swipe of another, delivered late and
    derived together, made the first absent from the morning, because the first's morning was not read."""
    morning, afternoon = world.session(NINE), world.session(NINE + 6 * HOUR)
    board = world.reader()
    world.now_ms = NINE + 3 * HOUR
    world.deliver(board.lines[0], board.swipe(UIDS[0], NINE + 5 * MIN), board.head(NINE + 2 * HOUR))
    world.settle()
    assert world.evidence(morning) == "complete"
    first, second = world.students[:2]
    assert world.marks()[morning, first][0] == "P"
    late = board.swipe(UIDS[1], NINE + 6 * MIN)
    world.now_ms = NINE + 7 * HOUR
    world.deliver(board.swipe(UIDS[0], NINE + 6 * HOUR + 5 * MIN), late)
    assert world.marks()[morning, first][0] == "P"
    assert world.marks()[morning, second][0] == "P"
    assert world.marks()[afternoon, first][0] == "P"
    assert "green-withdrawn" not in world.alarms()
