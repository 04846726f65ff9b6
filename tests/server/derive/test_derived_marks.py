"""What swipes, lists, rooms, cards and people make of a register."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from server.derive import registers
from server.policy import marking
from server.scope import Grant, Scope
from server.store import cards, due, institutions, parts, readers, schema
from server.store import registers as store_registers
from server.store.engine import reading, writing
from tests.rules import rule
from tests.server.store_world import HOUR, MIN, NINE, UIDS, World


@pytest.fixture
def world(world):
    world.now_ms = NINE + 3 * HOUR
    return world


def admin(world) -> Scope:
    account = world.insert(
        schema.account, login="boss", shown_name="Boss", password_hash="x", role="admin", created_ms=0
    )
    return Scope(institution_id=world.institution_id, account_id=account, person_id=None, grants=(Grant(role="admin"),))


def tap(world, board, student=0, at_ms=NINE, **more):
    return world.deliver(board.swipe(UIDS[student], at_ms, **more))


def code(world, session, student=0):
    return world.marks().get((session, world.students[student]), (None,))[0]


def test_a_swipe_one_second_after_the_end_is_outside(world):
    session, board = world.session(), world.reader()
    tap(world, board, 0, NINE + HOUR, uncertainty_ms=0)
    tap(world, board, 1, NINE + HOUR + 1000, uncertainty_ms=0)
    assert (code(world, session, 0), code(world, session, 1)) == ("P", None)


@rule("LOUGH-14", "PORT-5")
def test_a_latecomer_is_late_with_the_minutes_missed_where_the_profile_says_so(world):
    lough, port, board = world.session(profile="lough"), world.session(NINE + 2 * HOUR), world.reader()
    world.now_ms = NINE + 3 * HOUR
    tap(world, board, 0, NINE + 5 * MIN, uncertainty_ms=0)
    tap(world, board, 1, NINE + 5 * MIN - 1000)
    tap(world, board, 0, NINE + 2 * HOUR + 40 * MIN)
    assert world.marks()[lough, world.students[0]] == ("L", 5, None)
    assert world.marks()[lough, world.students[1]] == ("P", None, None)
    assert world.marks()[port, world.students[0]] == ("P", None, None)


def test_uncertainty_across_the_late_limit_is_present_without_minutes_and_flagged(world):
    session, board = world.session(profile="lough"), world.reader()
    tap(world, board, 0, NINE + 5 * MIN + 1000, uncertainty_ms=2000)
    assert world.marks()[session, world.students[0]] == ("P", None, "time_unsure")


def test_the_first_tap_of_a_lesson_is_its_credit_and_later_ones_are_none(world):
    session, board = world.session(profile="lough"), world.reader()
    for minutes in (0, 10, 30, 55):
        tap(world, board, 0, NINE + minutes * MIN)
    assert world.marks()[session, world.students[0]] == ("P", None, None)
    assert [row.credits for row in world.all(schema.reading)] == [True, False, False, False]
    assert world.credits() == {(session, world.students[0], 1, 1)}


@rule("PORT-6")
def test_a_tap_before_the_student_joined_the_list_or_after_leaving_it_credits_nothing(world):
    """PORT-6: the session was not on the student's own timetable at the time of the swipe."""
    session, board = world.session(), world.reader()
    uids = [bytes([4, 210 + n, 2, 3]) for n in range(3)]
    late, gone, there = (world.person(f"P{n}", uid) for n, uid in enumerate(uids))
    world.enrol(world.group, late, from_ms=NINE + 10 * MIN)
    world.enrol(world.group, gone, to_ms=NINE + 10 * MIN)
    world.enrol(world.group, there)
    for person, minutes in ((0, 9), (1, 10), (2, 9)):
        world.deliver(board.swipe(uids[person], NINE + minutes * MIN, uncertainty_ms=0))
    assert {person for _, person, _, _ in world.credits()} == {there}
    for person, minutes in ((0, 10), (1, 9)):
        world.deliver(board.swipe(uids[person], NINE + minutes * MIN, uncertainty_ms=0))
    assert {(one, person) for one, person, _, _ in world.credits()} == {(session, p) for p in (late, gone, there)}


def test_a_swipe_whose_doubt_straddles_the_windows_edge_credits_nothing_and_is_seen(world):
    session, board = world.session(), world.reader()
    for student, at_ms in ((0, NINE + HOUR - MIN), (1, NINE + HOUR + MIN)):
        tap(world, board, student, at_ms, clock="hold", uncertainty_ms=2 * MIN)
    tap(world, board, 2, NINE + HOUR - 3 * MIN, clock="hold", uncertainty_ms=2 * MIN)
    assert [row.verdict for row in world.all(schema.reading)] == ["unsure", "unsure", "green"]
    assert {person for _, person, _, _ in world.credits()} == {world.students[2]}
    world.deliver(board.hello(), *board.lines, board.head(NINE + HOUR + 30 * MIN))
    world.settle()
    assert [world.marks()[session, student] for student in world.students] == [
        (None, None, "time_unsure"),
        (None, None, "time_unsure"),
        ("P", None, None),
    ]


def test_two_persons_at_two_doors_are_kept_apart(world):
    here, there = world.session(), world.session(room=1)
    boards = [world.reader("a-1"), world.reader("a-2", room=1)]
    tap(world, boards[0], 0)
    tap(world, boards[1], 1)
    assert set(world.marks()) == {(here, world.students[0]), (there, world.students[1])}


def test_a_tap_at_another_door_than_the_lessons_credits_nothing(world):
    world.session()
    boards = [world.reader("a-1"), world.reader("a-2", room=1)]
    tap(world, boards[0], 0, NINE - 31 * MIN)  # at its door, before it opens (PORT-2)
    tap(world, boards[1], 0, NINE + 5 * MIN)
    assert world.marks() == {}


@rule("PORT-4", "PORT-6")
def test_not_on_the_list_is_red_and_shown_green_is_counted_as_differing(world):
    other = world.class_group("C2", [world.students[2]])
    world.session(group=other)
    board = world.reader()
    tap(world, board, 0, verdict="green", session=1)
    tap(world, board, 1, verdict="red")
    assert [(row.verdict, row.differs) for row in world.all(schema.reading)] == [("red", True), ("red", False)]


@rule("PORT-8")
def test_a_replaced_card_credits_nothing_after_its_replacement(world):
    session, board = world.session(), world.reader()
    new = bytes([4, 200, 2, 3])
    with writing(world.engine) as connection:
        cards.replace(connection, world.institution_id, world.students[0], world.tokens(new), NINE + 10 * MIN)
    tap(world, board, 0, NINE + 11 * MIN)
    assert (code(world, session), world.all(schema.reading)[0].verdict) == (None, "unknown_card")
    tap(world, board, 0, NINE + 9 * MIN)
    assert code(world, session) == "P", "judged at the time of the swipe, not of its arrival"
    world.deliver(board.swipe(new, NINE + 12 * MIN))
    assert len(world.credits()) == 1


def test_a_card_given_out_later_finds_its_earlier_swipes(world):
    session, board = world.session(), world.reader()
    uid = bytes([4, 201, 2, 3])
    world.deliver(board.swipe(uid, NINE))
    assert world.all(schema.reading)[0].verdict == "unknown_card"
    late = world.person("Late")
    world.enrol(world.group, late)
    with writing(world.engine) as connection:
        cards.hold(connection, world.institution_id, late, world.tokens(uid), NINE - HOUR)
    world.derive()
    assert world.marks()[session, late][0] == "P"


def test_a_room_change_within_the_window_credits_both_rooms(world):
    session = world.session()
    boards = [world.reader("a-1"), world.reader("a-2", room=1)]
    tap(world, boards[1], 1, NINE)
    assert code(world, session, 1) is None
    with writing(world.engine) as connection:
        parts.set_rooms(connection, world.institution_id, session, [world.rooms[1]], NINE + 10 * MIN)
        due.sessions(connection, world.institution_id, [session], world.now_ms)
    world.derive()
    assert code(world, session, 1) == "P"
    tap(world, boards[0], 0, NINE + 5 * MIN)
    assert code(world, session, 0) == "P"


def test_a_list_change_derives_again_in_both_directions(world):
    session, board = world.session(), world.reader()
    late = world.person("Late", bytes([4, 202, 2, 3]))
    world.deliver(board.swipe(bytes([4, 202, 2, 3]), NINE))
    assert (session, late) not in world.marks()
    row = world.enrol(world.group, late)
    for ends, expected in ((None, "P"), (0, None)):
        with writing(world.engine) as connection:
            connection.execute(update(schema.enrolment).where(schema.enrolment.c.id == row).values(to_ms=ends))
            due.classes(connection, world.institution_id, [world.group], world.now_ms)
        world.derive()
        assert world.marks()[session, late][0] == expected
    assert "green-withdrawn" in world.alarms()


def test_a_reader_that_was_placed_elsewhere_is_derived_again(world):
    session, board = world.session(room=1), world.reader()
    tap(world, board)
    assert code(world, session) is None
    with writing(world.engine) as connection:
        readers.move(connection, world.institution_id, "a-1", "R1", NINE - HOUR, world.now_ms)
    world.derive()
    assert code(world, session) == "P"


def test_a_mark_that_a_person_set_is_never_changed_but_proposed_against(world):
    session, board, scope = world.session(profile="lough"), world.reader(), admin(world)
    with writing(world.engine) as connection:
        for student in (0, 1):
            store_registers.set_mark(
                connection, scope, world.profiles, session, world.students[student], code="A", now_ms=world.now_ms
            )
    tap(world, board, 0, NINE)
    tap(world, board, 0, NINE - MIN)
    assert code(world, session, 0) == "A"
    assert [(p.person_id, p.code, p.closed_ms) for p in world.all(schema.proposal)] == [(world.students[0], "P", None)]
    with reading(world.engine) as connection:
        shown = store_registers.register_of(connection, scope, session, world.profiles)
    assert [(row.code, row.proposal) for row in shown.rows] == [("A", "P"), ("A", None), (None, None)]


def test_a_mark_that_a_person_verified_is_never_changed_but_proposed_against(world):
    """STEP-18: the register was saved; a list that changes afterwards does not change it behind the signature."""
    session, board, scope = world.session(profile="lough"), world.reader(), admin(world)
    tap(world, board, 0, NINE + 20 * MIN)
    with writing(world.engine) as connection:
        assert store_registers.verify(connection, scope, session, world.now_ms, world.profiles) == 1
    saved = world.marks()[session, world.students[0]]
    assert saved == ("L", 20, None)
    tap(world, board, 0, NINE)  # an earlier tap of the same student, delivered late
    assert world.marks()[session, world.students[0]] == saved
    assert [(p.person_id, p.code, p.closed_ms) for p in world.all(schema.proposal)] == [(world.students[0], "P", None)]
    assert [row.verified for row in world.all(schema.mark)] == [False, True]


@rule("STEP-18")
def test_a_step_mark_counts_only_once_verified(world):
    session, board, scope = world.session(profile="step"), world.reader(), admin(world)
    # STEP-2: the lecturer alone verifies there.
    lecturer = world.insert(schema.person, created_ms=0)
    world.insert(schema.session_staff, session_id=session, person_id=lecturer, from_ms=0)
    verifier = replace(scope, person_id=lecturer, grants=(Grant(role="lecturer"),))
    tap(world, board)

    def shown():
        with reading(world.engine) as connection:
            found = store_registers.register_of(connection, scope, session, world.profiles)
            assert found.version == store_registers.version(connection, scope, session)
        return found.version, found.rows[0].code, found.rows[0].counts

    before = shown()
    assert before[1:] == ("P", False)
    with writing(world.engine) as connection:
        assert store_registers.verify(connection, verifier, session, world.now_ms, world.profiles) == 3
    assert shown()[1:] == ("P", True)
    assert shown()[0] > before[0]
    history = [(row.code, row.verified) for row in world.all(schema.mark)]
    assert history == [("P", False), ("P", True), ("P", True), ("P", True)], "append-only; two are saved as shown"


# --- absence ----------------------------------------------------------------------------------------------------------


def closed_lesson(world, *, rooms=1):
    """A lesson that has ended; student 0 swiped; the door's records are all held, its head is not stated yet."""
    session, board = world.session(), world.reader()
    world.deliver(board.hello(), board.lines[0], board.swipe(UIDS[0], NINE))
    world.now_ms = NINE + HOUR + MIN
    return session, board


def as_the_door_becomes_known(world):
    """The register's state and its three codes: before a head, after one that names a missing record, after that came."""
    session, board = closed_lesson(world)
    late = board.swipe(UIDS[2], NINE + MIN)
    looks = []
    for lines in ([], [board.head(NINE + HOUR + 30_000)], [late]):
        if lines:
            world.deliver(*lines)
        world.settle()
        looks.append((world.evidence(session), [code(world, session, n) for n in range(3)]))
    return looks


@rule("PORT-7")
def test_absence_is_derived_only_when_the_door_is_known_past_the_end(world):
    before, missing, known = as_the_door_becomes_known(world)
    assert before == missing == ("pending", ["P", None, None])
    assert known == ("complete", ["P", "A", "P"])


def test_a_head_makes_its_door_known_only_when_every_journal_that_it_names_is_held(world):
    session, board = world.session(), world.reader()
    opened, missing = board.lines[0], board.swipe(UIDS[2], NINE)
    second = board.boot()
    world.deliver(board.hello(), opened, second, board.swipe(UIDS[0], NINE))
    world.now_ms = NINE + HOUR + MIN
    world.deliver(board.head(NINE + HOUR + 30_000))
    world.deliver(board.swipe(UIDS[0], NINE + MIN))  # of the later journal: it tells nothing of the one before
    world.settle()
    assert (world.evidence(session), code(world, session, 1)) == ("pending", None)
    world.deliver(missing)
    world.settle()
    assert world.evidence(session) == "complete"
    assert [code(world, session, n) for n in range(3)] == ["P", "A", "P"]


def test_absence_before_the_doors_are_known_would_be_caught(new_sqlite, monkeypatch):
    """The saboteur settles every closed session at once."""
    world = World(new_sqlite())
    world.now_ms = NINE + 30 * MIN

    def hasty():
        with reading(world.engine) as connection:
            found = institutions.one(connection, world.institution_id)
            pending = registers.evidence.closed(connection, found.id, world.now_ms, "pending", 10)
        for row in pending:
            with writing(world.engine) as connection:
                one = registers.Releasable(session=row, state=marking.COMPLETE, doors=())
                registers.release(connection, world.institution_id, one, world.now_ms)
        world.derive()

    world.settle = hasty
    before, *_ = as_the_door_becomes_known(world)
    assert before == ("complete", ["P", "A", "A"])
    world.close()


def test_every_door_of_the_session_must_be_known(world):
    world.reader("a-9")
    session, board = closed_lesson(world)
    world.deliver(board.head(NINE + HOUR + 30_000))
    world.settle()
    assert (world.evidence(session), code(world, session, 1)) == ("pending", None)


def test_after_the_deadline_the_register_is_released_incomplete_and_nobody_is_absent(world):
    session, _ = closed_lesson(world)
    world.now_ms = NINE + 30 * HOUR
    world.settle()
    assert (world.evidence(session), code(world, session, 0), code(world, session, 1)) == ("incomplete", "P", None)


def test_evidence_that_comes_after_the_deadline_completes_the_register(world):
    session, board = closed_lesson(world)
    world.now_ms = NINE + 30 * HOUR
    world.settle()
    world.deliver(board.head(NINE + 2 * HOUR))
    world.settle()
    assert (world.evidence(session), code(world, session, 1)) == ("complete", "A")


@pytest.mark.parametrize("ails", ["dead", "chip"])
def test_an_outage_is_a_fact_on_the_register_and_never_held_against_a_student(world, ails):
    session, board = closed_lesson(world)
    if ails == "dead":
        world.deliver(board.head(NINE - 40 * MIN))
        board.booted_ms = NINE + 20 * MIN
    else:
        world.deliver(board.head(NINE - 40 * MIN), board.head(NINE + MIN, able="chip"), board.head(NINE + 2 * MIN))
    world.deliver(board.head(NINE + HOUR + 30_000))
    world.settle()
    assert (world.evidence(session), code(world, session, 1)) == ("incomplete", None)
    assert [row.why for row in world.all(schema.outage)] == [ails]


def test_without_a_door_absence_is_never_derived(world):
    session = world.session()
    world.now_ms = NINE + 30 * HOUR
    world.settle()
    assert (world.evidence(session), world.marks()) == ("incomplete", {})


def test_where_the_profile_leaves_absence_to_staff_nobody_is_marked(world):
    session, board = world.session(profile="lough"), world.reader()
    world.deliver(board.hello(), board.lines[0], board.head(NINE + HOUR + MIN))
    world.now_ms = NINE + HOUR + 2 * MIN
    world.settle()
    assert (world.evidence(session), world.marks()) == ("complete", {})


def test_somebody_whose_swipe_has_no_time_yet_is_not_absent(world):
    session, board = closed_lesson(world)
    world.deliver(board.swipe(UIDS[1], NINE + MIN, clock="none"), board.head(NINE + HOUR + 30_000))
    world.settle()
    assert world.evidence(session) == "complete"
    assert [world.marks()[session, world.students[n]] for n in (1, 2)] == [
        (None, None, "time_unsure"),
        ("A", None, None),
    ]


def test_a_cancelled_session_takes_no_mark(world):
    session, board = world.session(), world.reader()
    tap(world, board)
    with writing(world.engine) as connection:
        connection.execute(update(schema.session).values(cancelled_ms=world.now_ms))
        due.sessions(connection, world.institution_id, [session], world.now_ms)
    world.derive()
    assert code(world, session) is None
