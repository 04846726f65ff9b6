"""Registers on paper, and what else a page asks of both databases in one statement."""

import pytest

from server.errors import Refused
from server.store import (
    emergency,
    lateness,
    page_register,
    page_today,
    paper,
    parts,
    schema,
    schema_residence,
    unmatched,
)
from server.store.engine import reading, writing
from server.store.session_rows import one as row_of
from tests.rules import rule
from tests.server.staff_world import set_, staff, want
from tests.server.store_world import HOUR, MIN, NINE


@pytest.fixture
def lesson(world):
    """A lough lesson half an hour old, and its lecturer."""
    session = world.session(profile="lough")
    world.now_ms = NINE + 30 * MIN
    return session, staff(world, "lecturer", session)


@rule("LOUGH-4")
def test_a_register_on_paper_is_due_as_paper_and_transferred_once_everybody_is_marked(world, lesson):
    session, scope = lesson
    other = world.session(NINE + 120 * MIN, profile="lough")

    def transferred() -> bool:
        with writing(world.engine) as connection:
            return paper.transferred(connection, scope, session, now_ms=world.now_ms)

    with writing(world.engine) as connection:
        assert paper.say(connection, scope, session, now_ms=world.now_ms)
        assert not paper.say(connection, scope, session, now_ms=world.now_ms)
    with reading(world.engine) as connection:
        assert page_register.facts(connection, session, verified=False).mode == "paper"
        assert page_today.modes(connection, [session, other]) == {session: "paper", other: "classroom"}
    set_(world, scope, session, want(world, 0, "P"), want(world, 1, "P"))
    with pytest.raises(Refused) as error:
        transferred()
    assert error.value.code == "paper-unmarked" and "1 student has no mark" in str(error.value)
    set_(world, scope, session, want(world, 2, "A"))
    assert transferred() and not transferred()
    told = [one.action for one in world.all(schema.audit) if one.action.startswith("paper.")]
    assert told == ["paper.said", "paper.transferred"]


@rule("LOUGH-15")
def test_of_the_late_those_are_read_who_came_late(world, lesson):
    session, scope = lesson
    set_(world, scope, session, want(world, 0, "L", late_min=9), want(world, 1, "L", early_min=9),
         want(world, 2, "L", late_min=6, early_min=7))  # fmt: skip
    with reading(world.engine) as connection:
        found, _ = lateness.of(connection, scope, {"L"}, NINE, NINE + 1)
    assert {one.person_id for one in found} == {world.students[0], world.students[2]}


@rule("LOUGH-15")
@pytest.mark.parametrize(
    "most, read, whole", [(6, 6, True), (5, 4, False), (4, 4, False), (3, 2, False), (1, 0, False)]
)
def test_of_more_late_marks_than_are_read_no_student_is_counted_by_a_part(world, lesson, most, read, whole):
    session, scope = lesson
    second = world.session(NINE + 2 * HOUR, profile="lough")
    with writing(world.engine) as connection:
        parts.set_staff(connection, world.institution_id, second, [scope.person_id], world.now_ms)
    world.now_ms = NINE + 3 * HOUR
    for one in (session, second):
        set_(world, scope, one, *(want(world, n, "L", late_min=9) for n in range(3)))
    with reading(world.engine) as connection:
        found, every = lateness.of(connection, scope, {"L"}, NINE, NINE + 3 * HOUR, most=most)
    assert (len(found), every) == (read, whole)
    assert all(sum(one.person_id == other.person_id for other in found) == 2 for one in found)


@rule("LOUGH-38")
def test_of_the_house_nobody_is_said_to_be_in_who_only_counts_as_attended(world, lesson):
    session, scope = lesson
    set_(world, scope, session, want(world, 0, "P"))
    set_(world, staff(world, "head"), session, want(world, 1, "B"))
    world.insert(schema_residence.house, source="t", code="N", name="North")
    with reading(world.engine) as connection:
        house = emergency.house(connection, staff(world, "registry"), world.profiles, NINE - MIN, world.now_ms)
    assert [one.person_id for one in house.seen] == [world.students[0]] and house.residences == 1


@rule("PORT-4")
def test_a_tap_that_marked_nobody_is_read_with_the_doubt_of_its_time(world, lesson):
    session, scope = lesson
    board = world.reader()
    world.deliver(board.hello(), *board.lines, board.swipe(bytes([4, 77, 77, 9]), NINE + MIN, uncertainty_ms=1500))
    with reading(world.engine) as connection:
        (found,) = unmatched.of(connection, scope, row_of(connection, scope, session))
    assert (found.at_ms, found.uncertainty_ms, found.verdict) == (NINE + MIN, 1500, "unknown_card")
    assert world.all(schema.reading)[0].uncertainty_ms == 1500
