"""What a person's hand does to a register: by the profile's rules, all or nothing, never over somebody else's."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from server.errors import NotFound, Refused
from server.scope import Grant
from server.store import page_register, registers, schema
from server.store.engine import reading, writing
from server.store.schema_rights import department
from server.store.schema_work import absence, attachment, trip, trip_person
from server.store.schema_work import history as entries
from tests.rules import rule
from tests.server.staff_world import codes, refused, set_, staff, want, whole
from tests.server.store_world import HOUR, MIN, NINE, UIDS

DAY = 24 * HOUR


@pytest.fixture
def lesson(world):
    """A lough lesson half an hour old, and its lecturer."""
    session = world.session(profile="lough")
    world.now_ms = NINE + 30 * MIN
    return session, staff(world, "lecturer", session)


# --- marks ------------------------------------------------------------------------------------------------------------


def test_a_form_is_set_whole_or_not_at_all_and_names_each_student_that_is_wrong(world, lesson):
    session, scope = lesson
    stranger = registers.Wanted(person_id=world.person("X"), code="P")
    error = refused(
        world, scope, session, want(world, 0, "P"), want(world, 1, "Q"), want(world, 2, "L", late_min=2000), stranger
    )
    found = [(one.person_id, one.code) for one in error.problems]
    assert found == [
        (world.students[1], "mark-code"), (world.students[2], "mark-minutes"), (stranger.person_id, "mark-person")
    ]  # fmt: skip
    assert error.status == 400
    made = set_(world, scope, session, want(world, 0, "P"), want(world, 1, "L", late_min=7), want(world, 2, "A"))
    assert codes(world, session) == ["P", "L", "A"] and set(made) == set(world.students)
    assert whole(world)


@rule("LOUGH-7")
def test_who_changed_it_when_from_what_to_what_and_why_is_in_its_history(world, lesson):
    session, scope = lesson
    set_(world, scope, session, want(world, 0, "P"))
    world.now_ms += MIN
    set_(world, scope, session, want(world, 0, "L", late_min=12, remark="train stood still"))
    with reading(world.engine) as connection:
        steps = page_register.history(connection, session, world.students[0])
    assert [(one.code, one.by, one.note) for one in steps] == [
        ("L", "Lecturer0", "train stood still"), ("P", "Lecturer0", None)
    ]  # fmt: skip
    assert [row.at_ms for row in world.all(entries)] == [world.now_ms - MIN, world.now_ms]
    assert {row.rule for row in world.all(schema.mark)} == {"lough.tier.24h"}


def test_a_mark_that_somebody_else_changed_meanwhile_is_refused_and_says_who_and_what(world, lesson):
    session, scope = lesson
    other = staff(world, "registry")
    made = set_(world, scope, session, want(world, 0, "P"), want(world, 1, "P"))
    set_(world, other, session, want(world, 0, "A"))
    seen = [want(world, place, "L", late_min=5, seen_mark_id=made[world.students[place]]) for place in (0, 1)]
    error = refused(world, scope, session, *seen)
    assert (error.code, error.status, [one.person_id for one in error.problems]) == (
        "mark-changed", 409, [world.students[0]]
    )  # fmt: skip
    assert "S0 Example" in str(error) and "Registry" in str(error) and " A " in str(error)
    newly = refused(world, scope, session, want(world, 1, "A", seen_mark_id=0))
    assert newly.code == "mark-changed", "there was none when they looked"
    assert set_(world, scope, session, want(world, 1, "P", seen_mark_id=0)) == {}, "both want what holds already"


def test_the_same_form_twice_is_once(world, lesson):
    session, scope = lesson
    assert len(set_(world, scope, session, want(world, 0, "P"))) == 1
    assert set_(world, scope, session, want(world, 0, "P")) == {}
    assert len(world.all(schema.mark)) == 1


def test_a_session_of_somebody_else_is_not_there(world, lesson):
    session, _ = lesson
    with pytest.raises(NotFound):
        set_(world, staff(world, "lecturer"), session, want(world, 0, "P"))
    assert world.all(schema.mark) == []


def test_a_head_of_another_department_is_no_head_here(world, lesson):
    session, _ = lesson
    away = world.insert(department, source="t", source_id="d", code="D", title="Elsewhere")
    head = staff(world, "head", session, scope="department", scope_id=away)
    teaches = replace(head, grants=(*head.grants, Grant(role="lecturer")))
    error = refused(world, teaches, session, want(world, 0, "B"))
    assert (error.code, "head of department" in str(error)) == ("mark-not-allowed", True)


@rule("LOUGH-B")
def test_b_is_the_head_of_departments(world, lesson):
    session, scope = lesson
    assert refused(world, scope, session, want(world, 0, "B")).code == "mark-not-allowed"


@rule("LOUGH-H")
def test_h_is_never_for_the_whole_class(world, lesson):
    session, scope = lesson
    assert refused(world, scope, session, *(want(world, place, "H") for place in range(3))).code == "mark-not-allowed"
    set_(world, scope, session, want(world, 0, "H"), want(world, 1, "H"))
    assert refused(world, scope, session, want(world, 2, "H")).code == "mark-not-allowed", "one after another"


@rule("LOUGH-U")
def test_u_is_the_registers_teams_with_a_curriculum_managers_approval(world, lesson):
    session, scope = lesson
    mis = staff(world, "registry")
    assert refused(world, scope, session, want(world, 0, "U"), approvals=frozenset({"curriculum"}))
    assert refused(world, mis, session, want(world, 0, "U"))
    assert set_(world, mis, session, want(world, 0, "U"), approvals=frozenset({"curriculum"}))


@rule("LOUGH-V")
def test_v_needs_a_trip_whose_staff_confirmed_that_the_student_came(world, lesson):
    session, scope = lesson
    number = world.insert(trip, title="Museum", from_ms=NINE - HOUR, to_ms=NINE + HOUR, by_account_id=scope.account_id,
                          created_ms=0)  # fmt: skip
    world.insert(trip_person, trip_id=number, person_id=world.students[0], role="student", came=True)
    world.insert(trip_person, trip_id=number, person_id=world.students[1], role="student", came=False)
    assert refused(world, scope, session, want(world, 0, "V")), "nobody has confirmed anything yet"
    with writing(world.engine) as connection:
        connection.execute(update(trip).values(confirmed_ms=world.now_ms))
    assert refused(world, scope, session, want(world, 1, "V"))
    assert set_(world, scope, session, want(world, 0, "V"))


@rule("LOUGH-L")
def test_l_takes_its_minutes(world, lesson):
    session, scope = lesson
    assert refused(world, scope, session, want(world, 0, "L")).code == "mark-minutes"
    set_(world, scope, session, want(world, 0, "L", early_min=9))
    assert codes(world, session)[0] == "L"


@rule("LOUGH-21")
def test_r_is_for_what_was_reported_before_the_class(world, lesson):
    session, scope = lesson
    world.now_ms = NINE + 2 * DAY
    assert refused(world, scope, session, want(world, 0, "R"))
    world.insert(absence, person_id=world.students[0], kind="reported", from_ms=NINE, to_ms=NINE + HOUR, channel="phone",
                 reported_ms=NINE - HOUR, by_account_id=scope.account_id, state="open")  # fmt: skip
    assert set_(world, scope, session, want(world, 0, "R"))


@rule("LOUGH-22")
def test_a_becomes_r_afterwards_with_a_reason_and_evidence_by_the_lecturer(world, lesson):
    session, scope = lesson
    set_(world, scope, session, want(world, 0, "A"))
    assert refused(world, scope, session, want(world, 0, "R"))
    assert refused(world, scope, session, want(world, 0, "R", remark="ambulance"))
    assert (
        refused(world, scope, session, want(world, 0, "R", remark="ambulance", evidence=(77,))).code == "mark-evidence"
    )
    file = {"subject": "session", "subject_id": session, "file_name": "letter.pdf", "media_type": "application/pdf",
            "size": 1, "sha256": "0", "created_ms": 0}  # fmt: skip
    theirs = world.insert(attachment, stored_as="a", by_account_id=staff(world, "registry").account_id, **file)
    mine = world.insert(attachment, stored_as="b", by_account_id=scope.account_id, **file)
    assert refused(world, scope, session, want(world, 0, "R", remark="ambulance", evidence=(theirs,)))
    assert set_(world, scope, session, want(world, 0, "R", remark="ambulance", evidence=(mine,)))
    assert f'"evidence":{{"{world.students[0]}":["0"]}}' in world.all(entries)[-1].body
    assert whole(world)


@rule("LOUGH-31")
@rule("LOUGH-32")
def test_after_a_day_a_lecturer_asks_and_does_not_set(world, lesson):
    session, scope = lesson
    world.now_ms = NINE + HOUR + 24 * HOUR
    error = refused(world, scope, session, want(world, 0, "P"))
    answer = error.problems[0].answer
    assert (error.code, answer.by_request, answer.tier.name) == ("mark-not-allowed", True, "7d")
    world.now_ms -= 1
    assert set_(world, scope, session, want(world, 0, "P"))


@rule("STEP-1")
@rule("STEP-2")
@rule("STEP-3")
def test_in_step_the_courses_deadline_and_lock_hold(world):
    session = world.session(profile="step")
    run = world.insert(schema.course_run, course_id=world.insert(schema.course, source="t", source_id="c", code="C", title="C"),
                       code="r", marking_deadline_ms=NINE + 3 * DAY, lock_ms=NINE + 5 * DAY)  # fmt: skip
    with writing(world.engine) as connection:
        connection.execute(update(schema.class_group).values(course_run_id=run))
    scope, admin = staff(world, "lecturer", session), staff(world, "admin")
    world.now_ms = NINE + 3 * DAY - 1
    set_(world, scope, session, want(world, 0, "P"))
    with writing(world.engine) as connection:
        registers.verify(connection, scope, session, world.now_ms, world.profiles)
    for now_ms, by_request in ((NINE + 3 * DAY, True), (NINE + 5 * DAY, False)):
        world.now_ms = now_ms
        assert refused(world, scope, session, want(world, 0, "A")).problems[0].answer.by_request is by_request
        assert refused(world, admin, session, want(world, 0, "A"))
        with pytest.raises(Refused) as late, writing(world.engine) as connection:
            registers.verify(connection, scope, session, world.now_ms, world.profiles)
        assert late.value.code == "register-locked"
    assert codes(world, session)[0] == "P" and whole(world)


@rule("STEP-3")
def test_after_the_lock_neither_a_late_swipe_nor_a_decision_changes_a_mark(world):
    course = world.insert(schema.course, source="t", source_id="c", code="C", title="C")
    run = world.insert(schema.course_run, course_id=course, code="r", lock_ms=NINE + 2 * HOUR)
    session, board = world.session(profile="step"), world.reader()
    with writing(world.engine) as connection:
        connection.execute(update(schema.class_group).values(course_run_id=run))
    world.now_ms = NINE + HOUR
    world.deliver(board.hello(), *board.lines, board.swipe(UIDS[0], NINE + 10 * MIN))
    world.now_ms = NINE + 2 * HOUR
    # Another's card, and the first one's earlier tap, which would be another credit.
    world.deliver(board.swipe(UIDS[1], NINE), board.swipe(UIDS[0], NINE + 5 * MIN))
    assert codes(world, session) == ["P", None, None] and len(world.all(schema.mark)) == 1
    assert "mark-after-lock" in world.alarms()
    with pytest.raises(Refused) as error, writing(world.engine) as connection:
        registers.record(
            connection, world.institution_id, session, [want(world, 0, "LOA")], source="leave", rule="step.leave",
            authority=None, by_account_id=None, now_ms=world.now_ms, profiles=world.profiles,
        )  # fmt: skip
    assert error.value.code == "register-locked" and whole(world)


def test_what_was_decided_elsewhere_is_recorded_on_its_authority_and_only_over_what_was_seen(world, lesson):
    session, scope = lesson
    made = set_(world, scope, session, want(world, 0, "A"))
    world.now_ms += 40 * DAY

    def record(*wanted):
        with writing(world.engine) as connection:
            return registers.record(
                connection, world.institution_id, session, wanted, source="trip", rule="lough.tier.1m",
                authority="registry", by_account_id=scope.account_id, now_ms=world.now_ms, profiles=world.profiles,
            )  # fmt: skip

    with pytest.raises(registers.MarksRefused) as error:
        record(want(world, 0, "P", seen_mark_id=made[world.students[0]] + 1), want(world, 1, "P"))
    assert error.value.code == "mark-changed" and codes(world, session) == ["A", None, None]
    record(want(world, 0, "P", seen_mark_id=made[world.students[0]]))
    row = world.all(schema.mark)[-1]
    assert (row.code, row.source, row.authority, row.verified, row.ledgers) == (
        "P", "trip", "registry", True, "attendance,bursary"
    )  # fmt: skip
    assert '"authority":"registry"' in world.all(entries)[-1].body and whole(world)
