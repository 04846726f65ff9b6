"""Statements past SQLAlchemy's executing: the same rows on both databases, and nothing of its care is lost."""

import pytest
from sqlalchemy import bindparam, event, select, text, tuple_, update
from sqlalchemy.exc import DBAPIError

from server.errors import Unwritable
from server.store import journals, schema, upsert
from server.store.engine import reading, writes, writing
from server.store.prepared import Prepared
from tests.server.store_world import NINE, World

person = schema.person
ADD = Prepared(
    lambda dialect: upsert.unless_there_of(dialect, schema.class_group, returning=("id", "code")),
    # Not in the table's order.
    ("title", "code", "source_id", "source", "institution_id"),
)
OF = Prepared(select(person.c.id).where(person.c.id.in_(bindparam("ids", expanding=True))).order_by(person.c.id))
BUT = Prepared(select(person.c.id).where(person.c.id.not_in(bindparam("ids", expanding=True))).order_by(person.c.id))
group = schema.class_group
PAIRS = Prepared(
    select(group.c.code)
    .where(
        group.c.institution_id == bindparam("institution"),
        tuple_(group.c.id, group.c.code).in_(bindparam("pairs", expanding=True)),
    )
    .order_by(group.c.code)
)


def groups(world, *codes, title="T"):
    return [
        {"institution_id": world.institution_id, "source": "t", "source_id": code, "code": code, "title": title}
        for code in codes
    ]


@pytest.mark.parametrize("many", [0, 1, 2, 3, 5, 8])
def test_a_list_of_any_length_finds_what_it_names_and_the_others_are_the_rest(world, many):
    ids = [world.person(f"L{n}") for n in range(8)]
    with reading(world.engine) as connection:
        assert OF.scalars(connection, {"ids": ids[:many]}) == ids[:many]
        rest = BUT.scalars(connection, {"ids": ids[:many]})
    assert set(ids) & set(rest) == set(ids[many:])


def test_what_is_inserted_comes_back_under_its_own_columns_and_what_is_there_does_not(world):
    with writing(world.engine) as connection:
        first = ADD.added(connection, groups(world, "A", "B"))
        again = ADD.added(connection, groups(world, "B", "C", title="other"))
        assert ADD.added(connection, []) == []
    assert [row.code for row in first] == ["A", "B"]
    assert [row.code for row in again] == ["C"]
    held = {row.code: (row.source, row.source_id, row.title) for row in world.all(group) if row.source == "t"}
    assert held == {"A": ("t", "A", "T"), "B": ("t", "B", "T"), "C": ("t", "C", "other")}


@pytest.mark.parametrize("many", [1, 3, 5, 90])
def test_however_many_are_inserted_each_comes_back_once_but_what_is_there(world, many):
    codes = [f"G{n:02}" for n in range(many)]
    with writing(world.engine) as connection:
        ADD.added(connection, groups(world, codes[-1], title="first"))
        made = ADD.added(connection, groups(world, *codes, title="second"))
    assert sorted(row.code for row in made) == codes[:-1]
    held = {row.code: (row.id, row.title) for row in world.all(group) if row.source == "t"}
    assert held == {row.code: (row.id, "second") for row in made} | {codes[-1]: (held[codes[-1]][0], "first")}


def test_pairs_are_compared_as_pairs(world):
    with writing(world.engine) as connection:
        ids = {row.code: row.id for row in ADD.added(connection, groups(world, "A", "B", "C"))}
        crossed = [(ids["A"], "A"), (ids["B"], "C"), (ids["C"], "C")]
        found = PAIRS.scalars(connection, {"institution": world.institution_id, "pairs": crossed})
    assert found == ["A", "C"]


@pytest.mark.parametrize("many", [1, 2, 3, 400])
def test_pairs_are_looked_up_by_their_index_however_many_they_are(many, tmp_path):
    world = World(f"sqlite:///{tmp_path}/m.db")
    pairs = {"pairs": [(n, f"{n:016x}") for n in range(many)], "identities": [(n, n) for n in range(many)]}
    with reading(world.engine) as connection:
        for statement in (journals._LOCK, journals._TEXTS):
            made = statement._for(connection)
            asked, given = made.bound({name: pairs[name] for name in made.lists})
            assert made.rows(connection, {name: pairs[name] for name in made.lists}) == []
            plan = [row[3] for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + asked, given)]
            assert [step for step in plan if step.startswith("SCAN")] == []
            assert any("SEARCH" in step for step in plan)
    world.close()


def test_truth_comes_back_as_truth(world):
    session, one = schema.session, world.session()
    change = Prepared(update(session).where(session.c.id == bindparam("one")).values(kept_by_hand=bindparam("by_hand")))
    shown = Prepared(select(session.c.kept_by_hand).where(session.c.id == bindparam("one")))
    said = []
    for by_hand in (True, False):
        with writing(world.engine) as connection:
            change.run(connection, {"one": one, "by_hand": by_hand})
            said.append(shown.scalar(connection, {"one": one}))
    assert said[0] is True
    assert said[1] is False


@pytest.mark.needs("postgres")
def test_a_text_that_is_too_long_is_refused_and_never_cut_off(new_postgres):
    world = World(new_postgres())
    with pytest.raises(DBAPIError, match="too long"), writing(world.engine) as connection:
        ADD.added(connection, groups(world, "x" * 1000))
    world.close()


def test_a_change_alone_says_that_the_database_can_be_written(world):
    writes(world.engine).failed = Unwritable("database-full", "it was")
    with writing(world.engine) as connection:
        ADD.added(connection, groups(world, "A"))
    assert writes(world.engine).failed is None


def test_what_sqlalchemy_knows_nothing_of_is_committed_with_the_connection(world):
    with world.engine.connect() as connection:
        ADD.added(connection, groups(world, "A"))
        connection.commit()
    assert [row.code for row in world.all(group) if row.source == "t"] == ["A"]


def test_somebody_who_listens_to_the_engine_hears_these_as_well(world):
    heard = []
    event.listen(world.engine, "before_cursor_execute", lambda *args: heard.append(args[2]))
    world.now_ms = NINE
    with reading(world.engine) as connection:
        assert OF.scalars(connection, {"ids": [world.students[0]]}) == [world.students[0]]
    assert any("person.id" in said for said in heard)


def test_a_statement_that_the_database_refuses_raises_as_sqlalchemy_does(world):
    wrong = Prepared(text("SELECT nothing_of_the_kind FROM person"))
    with pytest.raises(DBAPIError) as refused, reading(world.engine) as connection:
        wrong.all(connection)
    assert refused.value.hide_parameters
    with reading(world.engine) as connection:
        assert OF.scalars(connection, {"ids": world.students[:1]}) == world.students[:1]
