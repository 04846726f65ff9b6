"""A student's attendance: one read by index; whose it is; what is in it."""

import re

import pytest

from server.clock import Clock
from server.errors import NotFound
from server.jobs import Jobs
from server.store import attendance, lost_cards, registers, schema, trip_people, trip_plans
from server.store.attendance import _statement
from server.store.engine import reading, writing
from tests.rules import rule
from tests.server.care_world import Care, at
from tests.server.store_world import UIDS


@pytest.fixture
def care(world):
    return Care(world)


def read(care, who: str, person: int, begins: str = "2026-09-01 00:00", ends: str = "2026-12-01 00:00"):
    with reading(care.world.engine) as connection:
        return attendance.of_person(connection, care.scope(who), person, at(begins), at(ends))


def record(care, session: int, code: str, person: int | None = None) -> None:
    with writing(care.world.engine) as connection:
        registers.record(
            connection, care.world.institution_id, session,
            [registers.Wanted(person_id=care.sam if person is None else person, code=code)],
            source="import", rule="test", authority=None, by_account_id=None, now_ms=care.world.now_ms,
            profiles=care.world.profiles,
        )  # fmt: skip


def test_it_holds_each_session_once_with_its_mark_and_module(care):
    first, second = care.session("2026-10-05 09:00"), care.session("2026-10-06 09:00")
    record(care, first, "P")
    rows, whole = read(care, "sam", care.sam)
    assert whole
    assert [(one.session_id, one.code, one.course_code) for one in rows] == [(first, "P", "CS1"), (second, None, "CS1")]


def test_a_session_that_one_was_marked_in_without_being_listed_is_in_it(care):
    other = care.world.class_group("X", [care.world.students[2]])
    session = care.session("2026-10-05 09:00", group=other)
    care.world.insert(
        schema.mark, session_id=session, person_id=care.sam, code="P", source="person", verified=True, rule="t",
        ledgers="attendance", created_ms=1,
    )  # fmt: skip
    care.world.insert(schema.mark_current, session_id=session, person_id=care.sam, mark_id=1)
    rows, _ = read(care, "sam", care.sam)
    assert [(one.session_id, one.code) for one in rows] == [(session, "P")]


def test_it_begins_and_ends_where_asked_across_the_clocks_change(care):
    inside = [care.session("2026-10-25 00:30", minutes=20), care.session("2026-10-25 23:30", minutes=20)]
    care.session("2026-10-26 00:00", minutes=20)
    rows, _ = read(care, "sam", care.sam, "2026-10-25 00:00", "2026-10-26 00:00")
    assert [one.session_id for one in rows] == inside


@rule("PORT-6")
def test_a_student_reads_their_own_and_a_lecturer_the_sessions_that_they_teach(care):
    mine, theirs = care.session("2026-10-05 09:00"), care.session("2026-10-06 09:00", staff=("lou",))
    assert [one.session_id for one in read(care, "lee", care.sam)[0]] == [mine]
    assert read(care, "lee", care.sam)[1] is False
    assert [one.session_id for one in read(care, "reg", care.sam)[0]] == [mine, theirs]
    assert [one.session_id for one in read(care, "hel", care.sam)[0]] == [mine, theirs]
    for nobody in ("sue", "art"):
        with pytest.raises(NotFound):
            read(care, nobody, care.sam)


def test_the_read_is_by_index_however_many_registers_there_are(new_sqlite):
    from tests.server.store_world import World

    world = World(new_sqlite())
    try:
        compiled = _statement().compile(world.engine)
        values = {"person": 1, "from_ms": 0, "to_ms": 1}
        with reading(world.engine) as connection:
            names = compiled.positiontup or []
            every = {**compiled.params, **values}
            bound = tuple(every[name] for name in names)
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", bound).all()
    finally:
        world.close()
    tables = {name for row in plan for name in re.findall(r"SCAN (\w+)", row[3]) if name in schema.metadata.tables}
    assert tables == set(), plan
    assert any("ix_mark_person" in row[3] for row in plan) and any("ix_enrolment_person" in row[3] for row in plan)


@rule("PORT-8")
def test_a_lost_card_stops_at_once_and_what_was_tapped_before_still_counts(care):
    world = care.world
    board = world.reader()
    session = care.session("2026-10-05 09:00", profile="port")
    world.now_ms = at("2026-10-05 09:05")
    board.boot(at_ms=at("2026-10-05 07:00"))
    board.swipe(UIDS[0], at("2026-10-05 09:01"))
    world.deliver(*board.lines)
    with writing(world.engine) as connection:
        assert lost_cards.stop(connection, care.scope("sam"), care.sam, now_ms=world.now_ms) == 1
        assert lost_cards.stop(connection, care.scope("sam"), care.sam, now_ms=world.now_ms) == 0
        with pytest.raises(NotFound):
            lost_cards.stop(connection, care.scope("sue"), care.sam, now_ms=world.now_ms)
    world.derive()
    assert care.codes() == {session: "P"}
    later = care.session("2026-10-05 11:00", profile="port")
    world.now_ms = at("2026-10-05 11:01")
    board.swipe(UIDS[0], at("2026-10-05 11:01"))
    world.deliver(*board.lines)
    assert later not in care.codes()


@rule("LOUGH-V")
def test_a_trip_sets_v_only_once_confirmed_and_only_for_who_came(care):
    session, meanwhile = care.session("2026-10-05 09:00"), care.session("2026-10-05 16:30")
    after = care.session("2026-10-05 17:00")
    care.world.now_ms = at("2026-10-04 09:00")
    trip = care.plan("lee", "2026-10-05 08:00", "2026-10-05 17:00")
    assert care.plan("lee", "2026-10-05 08:00", "2026-10-05 17:00") == trip
    assert care.work() == [] and care.codes() == {}
    care.world.now_ms = at("2026-10-05 18:00")
    care.confirm("lee", trip, {one: one != care.world.students[2] for one in care.world.students})
    assert care.codes() == {session: "V", meanwhile: "V"}
    assert after not in care.codes()
    assert care.codes(care.world.students[2]) == {}
    assert care.history(session) == [("V", "trip", "lough.V.confirmed", f"trip/{trip}")]
    # A session that is put on the timetable afterwards is filled by the jobs.
    made = care.session("2026-10-05 12:00")
    assert care.work() == [2]
    assert care.codes()[made] == "V"
    care.confirm("lee", trip, dict.fromkeys(care.world.students, False))
    assert set(care.codes().values()) == {None}


@rule("LOUGH-V", "LOUGH-4", "LOUGH-34")
def test_a_trip_of_weeks_ago_changes_no_register(care):
    """Its paper was to be transferred by the end of the week: what is older goes by a change request, as all marks do."""
    old, last = care.session("2026-10-05 09:00"), care.session("2026-10-11 20:00")
    for session in (old, last):
        record(care, session, "A")
    care.world.now_ms = at("2026-10-12 08:00")
    # Planned afterwards, with the planner as its staff, and long enough to reach back.
    trip = care.plan("lee", "2026-10-05 08:00", "2026-10-12 07:00")
    care.confirm("lee", trip, dict.fromkeys(care.world.students, True))
    assert care.codes() == {old: "A", last: "V"}, "within a day the tutor still amends"
    assert care.work() == [0]


@rule("LOUGH-V", "LOUGH-4", "LOUGH-34")
@pytest.mark.parametrize(("when", "code"), [("2026-10-11 23:59", None), ("2026-10-12 00:00", "V")])
def test_what_a_trip_has_set_is_taken_back_in_its_week_only(care, when, code):
    session = care.session("2026-10-05 09:00")
    trip = care.plan("lee", "2026-10-05 08:00", "2026-10-05 17:00")
    care.world.now_ms = at("2026-10-05 18:00")
    care.confirm("lee", trip, dict.fromkeys(care.world.students, True))
    care.world.now_ms = at(when)
    care.confirm("lee", trip, dict.fromkeys(care.world.students, False))
    assert care.codes() == {session: code}


def test_a_tap_during_a_trip_wins_and_asks(care):
    world = care.world
    board = world.reader()
    session = care.session("2026-10-05 09:00")
    trip = care.plan("lee", "2026-10-05 08:00", "2026-10-05 17:00")
    world.now_ms = at("2026-10-05 09:01")
    board.boot(at_ms=at("2026-10-05 07:00"))
    board.swipe(UIDS[0], at("2026-10-05 09:01"))
    world.deliver(*board.lines)
    care.confirm("lee", trip, dict.fromkeys(world.students, True))
    assert care.codes() == {session: "P"}
    assert care.proposals() == [(session, care.sam, "V")]


def test_whoever_is_taken_off_a_trip_loses_its_marks(care):
    from server.derive import trips as marks

    session = care.session("2026-10-05 09:00")
    trip = care.plan("lee", "2026-10-05 08:00", "2026-10-05 17:00")
    care.world.now_ms = at("2026-10-05 10:00")
    care.confirm("lee", trip, dict.fromkeys(care.world.students, True))
    now_ms = care.world.now_ms
    with writing(care.world.engine) as connection:
        gone = trip_plans.change(
            connection, care.scope("lee"), trip, title="Museum", from_ms=at("2026-10-05 08:00"),
            to_ms=at("2026-10-05 17:00"), students=care.world.students[1:], staff=[care.people["lee"]], now_ms=now_ms,
        )  # fmt: skip
        marks.fill(connection, care.world.profiles, trip, now_ms=now_ms, also=gone)
    assert care.codes() == {session: None}
    assert care.codes(care.world.students[1]) == {session: "V"}


def test_who_is_meant_is_found_by_class_number_and_name(care):
    care.session("2026-10-05 09:00")
    with reading(care.world.engine) as connection:
        scope = care.scope("lee")
        assert trip_people.class_of(connection, scope, "CS1-A", at("2026-10-05 09:00")) == sorted(care.world.students)
        assert trip_people.numbered(connection, scope, ["S0", "S9"]) == ({"S0": care.sam}, ["S9"])
        assert trip_people.staff_named(connection, scope, ["lou Example", "No Body"]) == (
            {"lou Example": care.people["lou"]},
            ["No Body"],
        )
        with pytest.raises(NotFound):
            trip_people.class_of(connection, scope, "None", 0)


def test_of_two_of_one_name_the_one_who_is_still_here_is_meant_for_a_trip(care):
    care.session("2026-10-05 09:00")
    world, name = care.world, "lou Example"
    other = world.insert(schema.person, created_ms=1)
    world.insert(schema.person_name, person_id=other, full_name=name, sort_name="example lou")
    care.add("lou2", "lecturer", "institution", None, other)
    ended = schema.person.update().values(ended_ms=world.now_ms)
    with writing(world.engine) as connection:
        scope = care.scope("lee")
        assert trip_people.staff_named(connection, scope, [name]) == ({}, [name])
        connection.execute(ended.where(schema.person.c.id == care.people["lou"]))
        assert trip_people.staff_named(connection, scope, [name]) == ({name: other}, [])
        # Where nobody else has it, whoever has left since stays on the trip that they were on.
        connection.execute(schema.account.update().where(schema.account.c.person_id == other).values(disabled_ms=1))
        assert trip_people.staff_named(connection, scope, [name]) == ({name: care.people["lou"]}, [])


def test_the_jobs_fill_what_was_put_on_the_timetable_since(care):
    world = care.world
    world.now_ms = at("2026-10-01 08:00")
    care.decide("reg", care.report("sam", "2026-10-05 00:00", "2026-10-08 00:00"))

    jobs = Jobs(world.engine, world.ring, world.profiles, Clock(real=lambda: world.now_ms / 1000))
    jobs.fill()
    made = care.session("2026-10-06 09:00")
    jobs.fill()
    assert care.codes() == {}
    with writing(world.engine) as connection:
        from server.store import institutions

        institutions.campus_changed(connection, world.institution_id)
    jobs.fill()
    assert care.codes() == {made: "R"}
