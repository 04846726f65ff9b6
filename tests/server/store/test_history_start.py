"""What is from before there was a history, and what only says that it is (LOUGH-39)."""

import pytest
from sqlalchemy import insert, update

from server.store import chains, derivations, schema
from server.store.engine import reading, writing
from server.store.schema_work import history as entries
from server.store.schema_work import history_start as history_start_table
from tests.rules import rule
from tests.server.lesson_world import a_lesson, broken, do, long_ago, set_, tutor
from tests.server.store_world import HOUR, MIN, NINE

pytestmark = rule("LOUGH-39")


@pytest.fixture
def lesson(world):
    return a_lesson(world)


def test_a_register_from_before_there_was_a_history_begins_its_chain_when_it_is_touched(world, lesson):
    session, scope = lesson
    long_ago(world)
    with reading(world.engine) as connection:
        found = chains.walk(connection)
    assert (found.breaks, found.before, found.registers) == ([], 1, 1)
    world.now_ms += MIN
    set_(world, scope, session, "P")
    rows = world.all(entries)
    assert [(row.seq, row.kind) for row in rows] == [(1, "begin"), (2, "mark")]
    assert broken(world) == []
    with reading(world.engine) as connection:
        assert chains.walk(connection).before == 0
    old = min(row.id for row in world.all(schema.mark))
    do(world, update(schema.mark).where(schema.mark.c.id == old).values(code="B"))
    assert "mark-altered" in broken(world), "what the chain began with is watched from then on"


def forged(world, session, **values):
    """A mark of somebody's hand that is put straight into the register."""
    (like, *_) = world.all(schema.mark)
    said = dict(like._mapping) | {"session_id": session, "code": "P", "source": "person", "created_ms": 1} | values
    if "id" not in values:
        del said["id"]
    do(world, insert(schema.mark).values(said))
    return max(row.id for row in world.all(schema.mark) if row.session_id == session)


def test_a_mark_forged_into_a_register_without_a_chain_is_found_however_old_it_says_it_is(world, lesson):
    bare = world.session(NINE + 3 * HOUR, profile="lough")
    assert broken(world) == []
    forged(world, bare)
    assert broken(world) == ["mark-unknown"]


def test_a_mark_forged_before_the_chain_begins_is_found_afterwards_too(world, lesson):
    bare = world.session(NINE + 3 * HOUR, profile="lough")
    forged(world, bare)
    world.now_ms = NINE + 3 * HOUR
    set_(world, tutor(world, bare, "other"), bare, "P", "P")
    assert [row.kind for row in world.all(entries) if row.session_id == bare][:1] == ["begin"]
    assert broken(world) == ["mark-unknown"], "the chain began with it, and it is not from before"


def test_a_register_verified_or_released_past_its_history_is_found_where_there_is_none(world, lesson):
    bare = world.session(NINE + 3 * HOUR, profile="lough")
    with writing(world.engine) as connection:
        derivations.lock_registers(connection, world.institution_id, [bare])
    assert broken(world) == []
    here = update(schema.register).where(schema.register.c.session_id == bare)
    do(world, here.values(verified_ms=7))
    assert broken(world) == ["register-altered"]
    do(world, here.values(verified_ms=None, evidence="complete", settled_ms=7))
    assert broken(world) == ["register-altered"]


def test_nobody_puts_a_mark_among_those_from_before_or_alters_one(world, lesson):
    assert lesson
    long_ago(world)
    bare = world.session(NINE + 3 * HOUR, profile="lough")
    first, last_ = (function(row.id for row in world.all(schema.mark)) for function in (min, max))
    was = next(row.code for row in world.all(schema.mark) if row.id == first)
    do(world, update(schema.mark).where(schema.mark.c.id == first).values(code="B"))
    assert broken(world) == ["before-altered"], "no chain knows of it yet"
    do(world, update(schema.mark).where(schema.mark.c.id == first).values(code=was))
    do(world, update(history_start_table).values(mark_id=last_ + 5))
    assert broken(world) == [], "a gap among the numbers, by itself, is none"
    forged(world, bare, id=last_ + 3)
    assert broken(world) == ["before-altered"]
    do(world, update(history_start_table).values(mark_id=last_))
    assert broken(world) == ["mark-unknown"]
