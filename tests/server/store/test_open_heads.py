"""Heads that are not covered yet: found by an index of their own, and what they make known is never taken back."""

from sqlalchemy import event

from server.store import schema
from tests.server.store_world import MIN, NINE, UIDS, World


def test_a_delivery_finds_open_heads_by_their_own_index(new_sqlite):
    world = World(new_sqlite())
    board, world.now_ms = world.reader(), NINE
    said = []

    @event.listens_for(world.engine, "before_cursor_execute")
    def _note(_connection, _cursor, statement, parameters, _context, _many) -> None:
        if "held_ms IS NULL" in statement and statement.startswith("SELECT"):
            said.append((statement, parameters))

    world.deliver(board.hello(), board.lines[0], board.head(NINE))
    assert said
    statement, parameters = said[-1]
    with world.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert any("ix_head_open" in row[3] for row in plan), plan
    world.close()


def known_until_ms(world):
    [row] = world.all(schema.reader_state)
    return row.known_until_ms


def test_what_is_known_of_a_door_never_goes_back(world):
    board, world.now_ms = world.reader(), NINE + 30 * MIN
    world.deliver(board.hello(), board.lines[0])
    early = board.head(NINE)
    late = board.swipe(UIDS[0], NINE)
    world.deliver(board.head(NINE + 10 * MIN))
    assert known_until_ms(world) is None, "a record is missing"
    world.deliver(late)
    assert known_until_ms(world) == NINE + 10 * MIN - 10
    world.deliver(early)
    assert known_until_ms(world) == NINE + 10 * MIN - 10
    world.deliver(board.head(NINE + 20 * MIN, clock="none"))
    assert known_until_ms(world) == NINE + 10 * MIN - 10, "its clock says nothing"
    world.deliver(board.head(NINE + 11 * MIN), board.head(NINE + 12 * MIN))
    assert known_until_ms(world) == NINE + 12 * MIN - 10
