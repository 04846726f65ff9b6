"""What the register's page reads, on both databases: who stands on it, by which mark, and who reaches it with what."""

import pytest

from server.errors import NotFound
from server.policy.profile import read_all
from server.scope import ADMIN, LECTURER, Grant, Scope
from server.store import course_times, page_register, page_today, registers, schema, session_rows, sessions
from server.store.engine import reading, writing
from tests.server.store_world import MIN, NINE

PROFILES = read_all()


def admin(world) -> Scope:
    return Scope(institution_id=world.institution_id, account_id=1, person_id=None, grants=(Grant(role=ADMIN),))


def account(world) -> int:
    return world.insert(
        schema.account, login="ada", shown_name="Ada", password_hash="", role=ADMIN, created_ms=1, person_id=None
    )


def test_a_register_shows_who_is_on_the_list_and_who_left_it_with_a_mark_by_the_mark_that_holds(world):
    session = world.session(profile="lough")
    scope = Scope(
        institution_id=world.institution_id, account_id=account(world), person_id=None, grants=(Grant(role=ADMIN),)
    )
    first, second, gone = world.students
    world.now_ms = NINE + MIN
    with writing(world.engine) as connection:
        for code in ("A", "P"):
            registers.set_mark(connection, scope, PROFILES, session, first, code=code, now_ms=world.now_ms)
        registers.set_mark(connection, scope, PROFILES, session, second, code="E", now_ms=world.now_ms)
        # They leave the class: whoever has a mark is still shown, and not as listed.
        left = schema.enrolment.c.person_id.in_((second, gone))
        connection.execute(schema.enrolment.update().where(left).values(to_ms=1))
    with reading(world.engine) as connection:
        found = registers.register_of(connection, scope, session, PROFILES)
        version, acts = page_register.reached(connection, scope, session)
        newest = page_register.newest_marks(connection, session)
    assert [(row.person_id, row.code, row.listed, row.mark_id) for row in found.rows] == [
        (first, "P", True, newest[first]), (second, "E", False, newest[second]),
    ]  # fmt: skip
    assert len(world.all(schema.mark)) == 3 and found.session.members == 1
    assert version == found.version > 0 and acts == set(page_register.ACTS)


def test_whoever_does_not_reach_a_session_is_told_that_there_is_none(world):
    session = world.session()
    stranger = Scope(
        institution_id=world.institution_id, account_id=1, person_id=world.students[0], grants=(Grant(role=LECTURER),)
    )
    with reading(world.engine) as connection:
        for ask in (page_register.reached, registers.version, session_rows.one, sessions.need):
            assert ask(connection, admin(world), session) is not None
            for scope, wanted in ((stranger, session), (admin(world), session + 1)):
                with pytest.raises(NotFound):
                    ask(connection, scope, wanted)


def test_what_stands_beside_the_marks_is_read_for_one_session_and_for_many(world):
    one, other = world.session(), world.session(world.now_ms + 86_400_000)
    board = world.reader()
    world.deliver(board.hello(), *board.lines)
    with reading(world.engine) as connection:
        row = session_rows.one(connection, admin(world), one)
        doors = page_register.doors_of(connection, one)
        assert page_register.unmatched(connection, row, [door.reader_id for door in doors]) == {}
        assert page_register.facts(connection, one, verified=False).marked_ms is None
        assert page_today.marked(connection, [one, other], verified=True) == {}
        assert page_today.codes(connection, [one, other]) == {}
        assert course_times.of(connection, [one, other]).keys() == {one, other}
        assert len(doors) == 1 and row.rooms
