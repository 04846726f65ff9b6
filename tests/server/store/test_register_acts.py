"""Cancelling, cover, proposals, and which registers were marked late."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from server.errors import NotAllowed, NotFound, Refused, StoreError
from server.policy import deadlines
from server.scope import ACTS, Grant
from server.store import (
    cancellations,
    compliance,
    cover,
    imported_staff,
    parts,
    proposals,
    report_inbox,
    schema,
    session_rows,
    sessions,
)
from server.store.engine import reading, writing
from server.store.schema_rights import department
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


def cancel(world, scope, session, reason="the teacher is ill"):
    with writing(world.engine) as connection:
        return cancellations.cancel(connection, scope, world.profiles, session, reason=reason, now_ms=world.now_ms)


def restore(world, scope, session):
    with writing(world.engine) as connection:
        return cancellations.restore(connection, scope, world.profiles, session, reason="", now_ms=world.now_ms)


# --- a cancelled class ------------------------------------------------------------------------------------------------


@rule("LOUGH-11")
@rule("LOUGH-D")
def test_d_is_set_only_by_cancelling_and_for_the_whole_class(world, lesson):
    session, scope = lesson
    board = world.reader()
    world.deliver(board.hello(), *board.lines, board.swipe(UIDS[0], NINE))
    assert refused(world, scope, session, *(want(world, place, "D") for place in range(3)))
    assert codes(world, session) == ["P", None, None]
    assert cancel(world, scope, session) == 3
    assert codes(world, session) == ["D", "D", "D"]
    world.derive()
    assert codes(world, session) == ["D", "D", "D"], "a swipe does not bring it back"
    assert len(world.all(schema.swipe)) == 1 and whole(world)
    assert refused(world, scope, session, want(world, 0, "P"))
    with pytest.raises(Refused) as error:
        cancel(world, scope, session)
    assert error.value.code == "session-cancelled"


def test_where_the_profile_has_no_d_nobody_has_a_mark_any_more(world):
    session, board = world.session(), world.reader()
    scope = staff(world, "lecturer", session)
    world.now_ms = NINE + 30 * MIN
    world.deliver(board.hello(), *board.lines, board.swipe(UIDS[0], NINE))
    assert cancel(world, scope, session) == 1
    world.derive()
    assert codes(world, session) == [None, None, None] and whole(world)
    assert "green-withdrawn" not in world.alarms(), "nobody lost a green: there was no class"


def test_within_the_day_it_is_taken_back_and_what_held_before_holds_again(world, lesson):
    session, scope = lesson
    board = world.reader()
    world.deliver(board.hello(), *board.lines, board.swipe(UIDS[0], NINE + 20 * MIN))
    set_(world, scope, session, want(world, 1, "A", remark="no word"))
    cancel(world, scope, session)
    world.derive()
    world.now_ms += HOUR
    assert restore(world, scope, session) == 3
    world.derive()
    assert codes(world, session) == ["L", "A", None] and whole(world)
    # No longer a person's mark: a tap that comes late is taken.
    world.deliver(board.swipe(UIDS[2], NINE + MIN))
    assert codes(world, session) == ["L", "A", "P"] and whole(world)


def test_on_another_day_a_cancellation_is_not_taken_back(world, lesson):
    session, scope = lesson
    cancel(world, scope, session)
    world.now_ms = int(datetime(2026, 9, 21, 23, 0, tzinfo=UTC).timestamp() * 1000)
    with pytest.raises(Refused) as error:
        restore(world, scope, session)
    assert error.value.code == "cancel-final", "in London the next day has begun"


def test_who_may_not_cancel_does_not(world, lesson):
    session, _ = lesson
    for scope in (staff(world, "curriculum"), staff(world, "auditor"), staff(world, "lecturer")):
        with pytest.raises(NotFound):
            cancel(world, scope, session)
    world.now_ms = NINE + HOUR + DAY
    with pytest.raises(NotAllowed):
        cancel(world, lesson[1], session)
    assert world.all(schema.mark) == []


# --- cover ------------------------------------------------------------------------------------------------------------


def hand(world, scope, session, to, **more):
    with writing(world.engine) as connection:
        return cover.hand_over(connection, scope, session, to, reason="ill since Monday", now_ms=world.now_ms, **more)


@rule("LOUGH-9")
@rule("STEP-1")
def test_whoever_covers_marks_it_and_who_handed_it_over_reads_it_until_they_take_it_back(world, lesson):
    session, scope = lesson
    colleague, student = staff(world, "lecturer"), world.students[0]
    with pytest.raises(NotFound):
        set_(world, colleague, session, want(world, 0, "P"))
    with pytest.raises(Exception, match="colleague who teaches"):
        hand(world, scope, session, student)
    hand(world, scope, session, colleague.person_id)
    with pytest.raises(Refused):
        hand(world, scope, session, colleague.person_id)
    assert set_(world, colleague, session, want(world, 0, "P"))
    with pytest.raises(NotFound):
        set_(world, scope, session, want(world, 1, "P"))
    with reading(world.engine) as connection:
        for one in (scope, colleague):
            assert [row.id for row in session_rows.today(connection, one, NINE, NINE + 1)] == [session]
        for act in sorted(parts.DELIVERING & {act for act in ACTS if act.startswith("register.")}):
            with pytest.raises(NotFound):
                sessions.need(connection, scope, session, act)
            if act != "register.verify":
                assert sessions.need(connection, colleague, session, act)
        assert session_rows.one(connection, scope, session).staff == ("lecturer1 Example",), (
            "who delivers it, not who is away"
        )
    entry = next(row for row in world.all(entries) if row.kind == "cover")
    assert f'"instead":[{scope.person_id}]' in entry.body and f'"to":{colleague.person_id}' in entry.body
    assert "ill" not in entry.body and whole(world)
    with writing(world.engine) as connection:
        assert colleague.person_id is not None
        cover.take_back(connection, scope, session, colleague.person_id, now_ms=world.now_ms)
    with pytest.raises(NotFound):
        set_(world, colleague, session, want(world, 1, "P"))
    assert set_(world, scope, session, want(world, 1, "P")), "it is theirs again"
    assert f'"back":[{scope.person_id}]' in world.all(entries)[-2].body and whole(world)


@rule("LOUGH-10")
def test_who_teaches_it_with_them_keeps_their_part_and_hands_over_no_part_but_their_own(world, lesson):
    session, scope = lesson
    other, colleague = staff(world, "lecturer", session), staff(world, "lecturer")
    with pytest.raises(StoreError) as error:
        hand(world, scope, session, colleague.person_id, instead=[scope.person_id, other.person_id])
    assert error.value.code == "cover-instead"
    hand(world, scope, session, colleague.person_id)
    assert set_(world, other, session, want(world, 0, "P")) and set_(world, colleague, session, want(world, 1, "P"))
    with pytest.raises(NotFound):
        set_(world, scope, session, want(world, 2, "P"))


@rule("LOUGH-9")
@pytest.mark.parametrize(
    ("instead", "away"), [(None, {"a", "b"}), ("b", {"b"}), ("nobody", set())], ids=["all", "one of them", "beside"]
)
def test_the_head_says_in_whose_place_a_colleague_comes(world, lesson, instead, away):
    session, first = lesson
    second, colleague, head = staff(world, "lecturer", session), staff(world, "lecturer"), staff(world, "head")
    chosen = {None: None, "b": [second.person_id], "nobody": []}[instead]
    hand(world, head, session, colleague.person_id, instead=chosen)
    for place, (name, scope) in enumerate({"a": first, "b": second}.items()):
        if name in away:
            with pytest.raises(NotFound):
                set_(world, scope, session, want(world, place, "P"))
        else:
            assert set_(world, scope, session, want(world, place, "P"))
    with pytest.raises(StoreError) as error:
        hand(world, head, session, staff(world, "lecturer").person_id, instead=[world.students[0]])
    assert error.value.code == "cover-instead"


@rule("LOUGH-9")
def test_who_covers_and_hands_it_on_has_it_no_longer(world, lesson):
    session, scope = lesson
    first, second = staff(world, "lecturer"), staff(world, "lecturer")
    hand(world, scope, session, first.person_id)
    hand(world, first, session, second.person_id)
    for gone in (scope, first):
        with pytest.raises(NotFound):
            set_(world, gone, session, want(world, 0, "P"))
    assert set_(world, second, session, want(world, 0, "P")) and whole(world)


@rule("LOUGH-9")
def test_an_import_of_the_class_gives_nobody_back_what_they_handed_over(world, lesson):
    session, scope = lesson
    world.insert(schema.enrolment, class_id=world.group, person_id=scope.person_id, role="teacher", source="import",
                 from_ms=0)  # fmt: skip
    colleague = staff(world, "lecturer")
    hand(world, scope, session, colleague.person_id)
    with writing(world.engine) as connection:
        imported_staff.staff_sessions(connection, world.institution_id, [session], world.now_ms)
    held = {row.person_id: row.role for row in world.all(schema.session_staff) if row.to_ms is None}
    assert held == {scope.person_id: "away", colleague.person_id: "cover"}


@rule("LOUGH-9")
def test_where_the_registry_takes_the_cover_off_it_is_theirs_again_who_handed_it_over(world, lesson):
    session, scope = lesson
    hand(world, scope, session, staff(world, "lecturer").person_id)
    with writing(world.engine) as connection:
        assert parts.set_staff(connection, world.institution_id, session, [scope.person_id], world.now_ms)
    assert set_(world, scope, session, want(world, 0, "P"))


# --- proposals --------------------------------------------------------------------------------------------------------


def test_a_proposal_is_accepted_as_an_own_act_or_refused_and_both_are_in_the_history(world, lesson):
    session, scope = lesson
    board = world.reader()
    set_(world, scope, session, want(world, 0, "A"), want(world, 1, "A"))
    world.deliver(board.hello(), *board.lines, board.swipe(UIDS[0], NINE), board.swipe(UIDS[1], NINE))
    first, second = world.all(schema.proposal)
    with writing(world.engine) as connection:
        proposals.accept(connection, scope, world.profiles, first.id, now_ms=world.now_ms)
    with writing(world.engine) as connection:
        proposals.refuse(connection, scope, second.id, now_ms=world.now_ms)
    assert codes(world, session) == ["P", "A", None]
    assert [row.outcome for row in world.all(schema.proposal)] == ["accepted", "refused"]
    assert world.all(entries)[-1].kind == "refuse-proposal" and whole(world)
    with pytest.raises(Refused), writing(world.engine) as connection:
        proposals.accept(connection, scope, world.profiles, second.id, now_ms=world.now_ms)
    stranger = staff(world, "lecturer")
    with pytest.raises(NotFound), writing(world.engine) as connection:
        proposals.refuse(connection, stranger, second.id, now_ms=world.now_ms)


# --- compliance -------------------------------------------------------------------------------------------------------


@rule("LOUGH-8")
def test_late_and_missing_registers_are_counted_by_department_and_lecturer(world):
    made = [world.session(NINE + place * HOUR, profile="lough") for place in range(5)]
    science = world.insert(department, source="t", source_id="s", code="S", title="Science")
    course = world.insert(schema.course, source="t", source_id="c", code="C1", title="C", department_id=science)
    with writing(world.engine) as connection:
        connection.execute(update(schema.class_group).values(course_id=course))
    scopes = [staff(world, "lecturer", session) for session in made]
    for session, scope, minutes in zip(made[:3], scopes, (10, 16, 10), strict=False):
        world.now_ms = NINE + made.index(session) * HOUR + minutes * MIN
        everybody = range(2 if session == made[2] else 3)
        set_(world, scope, session, *(want(world, place, "P") for place in everybody))
    cancel(world, scopes[3], made[3])
    world.now_ms = NINE + DAY
    mis = staff(world, "registry")
    with reading(world.engine) as connection:
        found = compliance.unmarked(connection, mis, world.profiles, NINE, NINE + DAY, world.now_ms)
        head = staff_scope(mis, "head", science)
        assert compliance.unmarked(connection, head, world.profiles, NINE, NINE + DAY, world.now_ms) == found
        away = staff_scope(mis, "head", science + 1)
        assert compliance.unmarked(connection, away, world.profiles, NINE, NINE + DAY, world.now_ms).rows == ()
        with pytest.raises(NotAllowed):
            compliance.unmarked(connection, scopes[0], world.profiles, NINE, NINE + DAY, world.now_ms)
    assert [(one.session_id, one.state, one.missing) for one in found.rows] == [
        (made[1], deadlines.LATE, 0), (made[2], deadlines.UNMARKED, 1), (made[4], deadlines.UNMARKED, 3)
    ]  # fmt: skip
    assert [(one.name, one.due, one.late, one.missing) for one in found.by_department] == [("Science", 4, 1, 2)]
    assert {(one.due, one.late, one.missing) for one in found.by_lecturer} == {(1, 0, 0), (1, 1, 0), (1, 0, 1)}
    assert found.rows[0].due_ms == NINE + HOUR + 15 * MIN


def staff_scope(scope, role, department_id):
    grant = Grant(role=role, scope="department", scope_id=department_id)
    return replace(scope, grants=(grant,))


@rule("LOUGH-8")
@rule("LOUGH-10")
def test_a_register_is_wanted_of_each_who_delivers_it_and_not_of_who_handed_it_over(world, lesson):
    session, scope = lesson
    other, colleague = staff(world, "lecturer", session), staff(world, "lecturer")
    hand(world, scope, session, colleague.person_id)
    world.now_ms = NINE + DAY
    mis = staff(world, "registry")
    with reading(world.engine) as connection:
        found = compliance.unmarked(connection, mis, world.profiles, NINE, NINE + DAY, world.now_ms)
    assert {one.id: one.missing for one in found.by_lecturer} == {other.person_id: 1, colleague.person_id: 1}


# --- completed --------------------------------------------------------------------------------------------------------


@rule("LOUGH-C")
def test_whoever_has_completed_is_on_the_registers_teams_list_for_the_exams_team_once(world, lesson):
    session, scope = lesson
    mis = staff(world, "registry")

    def listed():
        with reading(world.engine) as connection:
            return [(one.session_id, one.kind, one.note) for one in report_inbox.reports(connection, mis)]

    set_(world, scope, session, want(world, 0, "T"), want(world, 1, "W"))
    assert listed() == []
    set_(world, scope, session, want(world, 0, "C"), want(world, 1, "C"))
    assert listed() == [(session, "completed", None)] and whole(world)
    with writing(world.engine) as connection:
        (report,) = report_inbox.reports(connection, mis)
        assert report_inbox.close(connection, mis, report.id, world.now_ms)
    # The next lesson's says nothing new of them; somebody else's does.
    later = world.session(NINE + HOUR, profile="lough")
    world.insert(schema.session_staff, session_id=later, person_id=scope.person_id, from_ms=0)
    world.now_ms = NINE + HOUR + 30 * MIN
    set_(world, scope, later, want(world, 0, "C"), want(world, 1, "C"))
    assert listed() == []
    set_(world, scope, later, want(world, 2, "C"))
    assert listed() == [(later, "completed", None)] and whole(world)
