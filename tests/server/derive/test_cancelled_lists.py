"""Of a class that was cancelled in advance, the whole class has D: also who came onto its list afterwards, and nobody who
left it before (LOUGH-D). The bursary counts it as attended."""

import pytest

from server.derive import filling
from server.policy import profile
from server.scope import Grant, Scope
from server.store import attendance, cancellations, chains, schema, schema_work
from server.store.engine import reading, writing
from tests.rules import rule
from tests.server.care_world import Care, at
from tests.server.store_world import UIDS

pytestmark = rule("LOUGH-D", "LOUGH-11")


@pytest.fixture
def care(world):
    made = Care(world)
    world.now_ms = at("2026-10-01 10:00")
    return made


def cancel(care, session: int) -> None:
    now_ms = care.world.now_ms
    with writing(care.world.engine) as connection:
        cancellations.cancel(connection, care.scope("lee"), care.world.profiles, session, reason="ill", now_ms=now_ms)


def work(care) -> list[str]:
    """What the jobs do, and that every chain says what the registers say afterwards."""
    world = care.world
    with reading(world.engine) as connection:
        found = filling.waiting(connection, world.profiles, world.institution_id, world.now_ms)
    for _, do in found:
        with writing(world.engine) as connection:
            assert do(connection)
    world.derive()
    with reading(world.engine) as connection:
        assert filling.waiting(connection, world.profiles, world.institution_id, world.now_ms) == []
        assert chains.walk(connection).breaks == []
    return [subject for subject, _ in found]


def off_the_list(care, person: int, ms: int) -> None:
    table = schema.enrolment
    with writing(care.world.engine) as connection:
        connection.execute(table.update().where(table.c.person_id == person).values(to_ms=ms))


def code(care, session: int, person: int) -> str | None:
    return care.world.marks().get((session, person), (None,))[0]


def test_who_comes_onto_the_list_of_a_cancelled_class_has_d_as_all_others(care):
    session = care.session("2026-10-08 09:00")
    cancel(care, session)
    assert work(care) == []
    late = care.world.person("late")
    care.world.now_ms = at("2026-10-02 10:00")
    care.world.enrol(care.group, late, from_ms=care.world.now_ms)
    after = care.world.person("after")
    care.world.enrol(care.group, after, from_ms=at("2026-10-09 00:00"))
    before = schema_rows(care, session)
    assert work(care) == [f"cancelled/{session}"]
    assert code(care, session, late) == "D" and code(care, session, after) is None
    assert care.history(session, late) == [("D", "cancel", "lough.cancelled", None)]
    assert [row.kind for row in care.world.all(schema_work.history)][-1] == "mark"
    assert schema_rows(care, session) == before + 1, "an open register shows it"
    scope = Scope(
        institution_id=care.world.institution_id, account_id=1, person_id=None, grants=(Grant(role="registry"),)
    )
    with reading(care.world.engine) as connection:
        (row,), _ = attendance.of_person(connection, scope, late, 0, at("2026-12-01 00:00"))
    assert row.code == "D" and row.verified, "so that it counts for the bursary"


def schema_rows(care, session: int) -> int:
    return next(row.version for row in care.world.all(schema.register) if row.session_id == session)


def test_who_leaves_the_list_before_it_loses_d_and_has_it_again_when_they_come_back(care):
    session, sue = care.session("2026-10-08 09:00"), care.people["sue"]
    cancel(care, session)
    off_the_list(care, care.sam, at("2026-10-03 00:00"))
    off_the_list(care, sue, at("2026-10-08 09:01"))
    assert work(care) == [f"cancelled/{session}"]
    assert code(care, session, care.sam) is None and code(care, session, sue) == "D"
    assert care.history(session)[-1] == (None, "absence", "cancelled.off-list", None)
    care.world.enrol(care.group, care.sam, from_ms=at("2026-10-04 00:00"))
    assert work(care) == [f"cancelled/{session}"]
    assert [one[0] for one in care.history(session)] == ["D", None, "D"]


def test_what_came_with_the_list_goes_when_the_class_takes_place_after_all(care):
    session = care.session("2026-10-08 09:00")
    cancel(care, session)
    late = care.world.person("late")
    care.world.enrol(care.group, late)
    off_the_list(care, care.sam, at("2026-10-03 00:00"))
    work(care)
    with writing(care.world.engine) as connection:
        cancellations.restore(
            connection, care.scope("lee"), care.world.profiles, session, reason="", now_ms=care.world.now_ms
        )
    assert work(care) == []
    assert {found[0] for found in care.world.marks().values()} == {None}


def test_who_was_marked_by_hand_before_or_walked_in_keeps_d_though_on_no_list(care):
    world, session = care.world, care.session("2026-10-01 09:30")
    guest, other = world.person("guest"), world.person("other")
    board = world.reader()
    world.deliver(board.hello(), *board.lines, board.swipe(UIDS[2], at("2026-10-01 09:31")))
    mark(care, session, care.sam, "A")
    for one in (guest, other):
        mark_row = world.insert(schema.mark, session_id=session, person_id=one, code="P", source="person", rule="x",
                                ledgers="", created_ms=world.now_ms)  # fmt: skip
        world.insert(schema.mark_current, session_id=session, person_id=one, mark_id=mark_row)
    world.insert(schema_work.walk_in, session_id=session, person_id=guest, created_ms=world.now_ms, by_account_id=1)
    cancel(care, session)
    for person in world.students:
        off_the_list(care, person, at("2026-10-01 09:00"))
    with reading(world.engine) as connection:
        found = filling.waiting(connection, world.profiles, world.institution_id, world.now_ms)
    for _, do in found:
        with writing(world.engine) as connection:
            do(connection)
    assert [code(care, session, one) for one in (guest, other, care.sam)] == ["D"] * 3
    assert code(care, session, world.students[2]) is None, "a card made no hand's mark of it"


def mark(care, session: int, person: int, to: str) -> None:
    from server.store import registers

    with writing(care.world.engine) as connection:
        wanted = [registers.Wanted(person_id=person, code=to)]
        registers.set_marks(
            connection, care.scope("lee"), care.world.profiles, session, wanted, now_ms=care.world.now_ms
        )


def test_where_the_timetable_cancelled_it_or_the_profile_has_no_such_mark_nobody_gets_one(care):
    timetable, port = care.session("2026-10-08 09:00"), care.session("2026-10-08 11:00", profile="port")
    table = schema.session
    with writing(care.world.engine) as connection:
        connection.execute(table.update().where(table.c.id == timetable).values(cancelled_ms=1))
    cancel(care, port)
    care.world.enrol(care.group, care.world.person("late"))
    assert work(care) == [] and care.world.marks() == {}


OWN = """
name = "own"
like = "lough"
[course]
lock = { value = 1, unit = "days after the course's end", rule = "Board" }
[tiers]
24h = {}
7d = {}
1m = {}
older = {}
[tiers.open]
rule = "Board"
until_moment = { value = "course lock", unit = "moment" }
roles = { value = ["lecturer", "registry", "admin"], unit = "roles" }
by_request = { value = false, unit = "switch" }
[tiers.locked]
rule = "Board"
roles = { value = [], unit = "roles" }
by_request = { value = false, unit = "switch" }
"""


def test_after_the_lock_date_nothing_changes_there_any_more(care, tmp_path):
    """STEP-3."""
    (tmp_path / "own.toml").write_text(OWN)
    world = care.world
    world.profiles = profile.read_all(own=tmp_path, time_zone="Europe/London")
    course = world.all(schema.course)[0].id
    run = world.insert(schema.course_run, course_id=course, code="r", starts_ms=0, ends_ms=at("2026-10-09 00:00"))
    session = care.session("2026-10-08 09:00", profile="own")
    table = schema.session
    with writing(world.engine) as connection:
        connection.execute(table.update().where(table.c.id == session).values(course_run_id=run))
    cancel(care, session)
    world.enrol(care.group, world.person("in-time"))
    assert work(care) == [f"cancelled/{session}"]
    world.now_ms = at("2026-10-20 00:00")
    late = world.person("late")
    world.enrol(care.group, late)
    assert work(care) == [] and code(care, session, late) is None
