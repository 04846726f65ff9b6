"""Approved absences on registers: filled, also later; taken back for the future; a tap wins and asks."""

import pytest

from server.derive import leave
from server.errors import NotAllowed, NotFound, Refused, StoreError
from server.store import absence_decisions, absences, registers, schema, schema_work
from server.store.engine import reading, writing
from tests.rules import rule
from tests.server.care_world import Care, at
from tests.server.store_world import UIDS


@pytest.fixture
def care(world):
    return Care(world)


@rule("LOUGH-19", "LOUGH-R")
def test_an_absence_reported_in_advance_becomes_r_on_every_register_once_approved(care):
    care.world.now_ms = at("2026-10-05 08:00")
    one, two = care.session("2026-10-05 09:00"), care.session("2026-10-05 11:00", staff=("lou",))
    later = care.session("2026-10-06 09:00")
    absence_id = care.report("sam", "2026-10-05 00:00", "2026-10-06 00:00")
    assert care.codes() == {}
    assert care.decide("lee", absence_id)
    assert care.codes() == {one: "R", two: "R"}
    assert care.history(two) == [("R", "leave", "lough.R.told-before", f"absence/{absence_id}")]
    assert later not in care.codes()
    # Decided twice is decided once.
    assert not care.decide("lee", absence_id)
    assert len(care.history(one)) == 1


def test_an_absence_names_sessions_and_touches_no_other(care):
    care.world.now_ms = at("2026-10-05 08:00")
    one, two = care.session("2026-10-05 09:00"), care.session("2026-10-05 11:00")
    absence_id = care.report("sam", "2026-10-05 09:00", "2026-10-05 10:00", session_ids=(one,))
    care.decide("reg", absence_id)
    assert care.codes() == {one: "R"}
    assert two not in care.codes()


def test_sessions_made_later_are_filled_and_moved_ones_are_taken_back(care):
    care.world.now_ms = at("2026-10-01 08:00")
    absence_id = care.report("sam", "2026-10-05 00:00", "2026-10-08 00:00")
    care.decide("reg", absence_id)
    made = care.session("2026-10-06 09:00")
    assert care.codes() == {}
    assert care.work() == [1]
    assert care.codes() == {made: "R"}
    assert care.work() == [0]
    with writing(care.world.engine) as connection:
        begins = at("2026-10-12 09:00")
        connection.execute(
            schema.session.update()
            .where(schema.session.c.id == made)
            .values(starts_ms=begins, ends_ms=begins + 3_600_000, opens_ms=begins, closes_ms=begins + 3_600_000)
        )
    assert care.work() == [1]
    assert care.codes() == {made: None}
    assert care.history(made)[-1][1:3] == ("absence", "leave.taken-back")


def test_withdrawn_it_is_taken_back_for_the_future_and_the_past_stays(care):
    care.world.now_ms = at("2026-10-01 08:00")
    past, future = care.session("2026-10-05 09:00"), care.session("2026-10-06 09:00")
    absence_id = care.report("sam", "2026-10-05 00:00", "2026-10-08 00:00")
    care.decide("reg", absence_id)
    care.world.now_ms = at("2026-10-05 12:00")
    with writing(care.world.engine) as connection:
        absence_decisions.withdraw(connection, care.scope("sam"), absence_id, now_ms=care.world.now_ms)
        leave.fill_person(connection, care.world.profiles, absence_id, now_ms=care.world.now_ms)
    assert care.codes() == {past: "R", future: None}


def test_cut_short_the_rest_is_taken_back_but_what_another_absence_covers_stays(care):
    care.world.now_ms = at("2026-10-01 08:00")
    days = [care.session(f"2026-10-{day:02} 09:00") for day in (5, 6, 7)]
    first = care.report("sam", "2026-10-05 00:00", "2026-10-08 00:00")
    care.decide("reg", first)
    care.decide("reg", care.report("sam", "2026-10-07 00:00", "2026-10-08 00:00"))
    with writing(care.world.engine) as connection:
        now_ms = care.world.now_ms
        absence_decisions.cut_short(connection, care.scope("reg"), first, at("2026-10-06 00:00"), now_ms=now_ms)
        leave.fill_person(connection, care.world.profiles, first, now_ms=now_ms)
    assert care.codes() == dict(zip(days, ("R", None, "R"), strict=True))


def test_a_tap_wins_over_an_approved_absence_with_a_proposal(care):
    world = care.world
    board = world.reader()
    world.now_ms = at("2026-10-05 08:00")
    session = care.session("2026-10-05 09:00")
    care.decide("reg", care.report("sam", "2026-10-05 00:00", "2026-10-06 00:00"))
    world.now_ms = at("2026-10-05 09:01")
    board.boot(at_ms=at("2026-10-05 07:00"))
    board.swipe(UIDS[0], at("2026-10-05 09:01"))
    world.deliver(*board.lines)
    assert care.codes() == {session: "R"}
    assert care.proposals() == [(session, care.sam, "P")]


def test_an_absence_approved_after_the_tap_asks_and_overwrites_nothing(care):
    world = care.world
    board = world.reader()
    session = care.session("2026-10-05 09:00")
    world.now_ms = at("2026-10-05 08:00")
    absence_id = care.report("sam", "2026-10-05 00:00", "2026-10-06 00:00")
    world.now_ms = at("2026-10-05 09:01")
    board.boot(at_ms=at("2026-10-05 07:00"))
    board.swipe(UIDS[0], at("2026-10-05 09:01"))
    world.deliver(*board.lines)
    care.decide("lee", absence_id)
    assert care.codes() == {session: "P"}
    assert care.proposals() == [(session, care.sam, "R")]
    # Looked at again it is not asked twice, also when the question was answered.
    assert care.work() == [0]
    with writing(world.engine) as connection:
        connection.execute(schema.proposal.update().values(closed_ms=1, outcome="refused"))
    care.work()
    assert care.proposals() == []


def test_a_mark_that_a_person_set_stays(care):
    world = care.world
    session = care.session("2026-10-05 09:00")
    world.now_ms = at("2026-10-05 08:00")
    absence_id = care.report("sam", "2026-10-05 00:00", "2026-10-06 00:00")
    world.now_ms = at("2026-10-05 09:10")
    with writing(world.engine) as connection:
        registers.set_marks(
            connection,
            care.scope("lee"),
            world.profiles,
            session,
            [registers.Wanted(person_id=care.sam, code="L", late_min=7)],
            now_ms=world.now_ms,
        )
    care.decide("lee", absence_id)
    assert care.codes() == {session: "L"}


def _mark_absent(care, session: int) -> None:
    with writing(care.world.engine) as connection:
        registers.set_marks(
            connection,
            care.scope("lee"),
            care.world.profiles,
            session,
            [registers.Wanted(person_id=care.sam, code="A")],
            now_ms=care.world.now_ms,
        )


@rule("LOUGH-21")
@pytest.mark.parametrize(
    ("reported", "decided", "by", "code"),
    [
        # LOUGH-21: told in advance, until a week after the class
        ("2026-10-05 08:59", "2026-10-12 09:59", "lee", "R"),
        ("2026-10-05 08:59", "2026-10-12 10:00", "lee", "A"),
        ("2026-10-05 08:59", "2026-10-12 09:59", "reg", "R"),
        # Told when it had begun, without evidence: never
        ("2026-10-05 09:00", "2026-10-05 12:00", "lee", "A"),
    ],
)
def test_a_becomes_r_where_it_was_told_in_advance_and_for_a_week(care, reported, decided, by, code):
    session = care.session("2026-10-05 09:00")
    care.world.now_ms = at(reported)
    absence_id = care.report("sam", "2026-10-05 00:00", "2026-10-06 00:00")
    care.world.now_ms = at("2026-10-05 09:20")
    _mark_absent(care, session)
    care.world.now_ms = at(decided)
    care.decide(by, absence_id)
    assert care.codes() == {session: code}


@rule("LOUGH-22")
@pytest.mark.parametrize(
    ("decided", "by", "code"),
    [
        # LOUGH-22: the lecturer, until the end of the day after the class
        ("2026-10-06 23:59", "lee", "R"),
        ("2026-10-07 00:00", "lee", "A"),
        ("2026-10-06 12:00", "reg", "A"),
        ("2026-10-06 12:00", "hel", "A"),
    ],
)
def test_told_afterwards_with_evidence_the_lecturer_alone_makes_r_of_a_within_a_day(care, decided, by, code):
    session = care.session("2026-10-05 09:00")
    care.world.now_ms = at("2026-10-05 09:20")
    _mark_absent(care, session)
    care.world.now_ms = at("2026-10-05 14:00")
    absence_id = care.report("sam", "2026-10-05 09:00", "2026-10-05 10:00", session_ids=(session,))
    with writing(care.world.engine) as connection:
        connection.execute(
            schema_work.attachment.insert().values(
                institution_id=care.world.institution_id, subject="absence", subject_id=absence_id, file_name="n.pdf",
                media_type="application/pdf", size=1, sha256="0", stored_as="x", created_ms=1,
                by_account_id=care.scopes["sam"],
            )
        )  # fmt: skip
    care.world.now_ms = at(decided)
    care.decide(by, absence_id)
    assert care.codes() == {session: code}


@rule("LOUGH-22")
@pytest.mark.parametrize("attached", ["2026-10-05 16:00", "2026-10-26 16:00"])
def test_evidence_that_came_after_the_approval_changes_no_mark_by_itself(care, attached):
    """Nobody has looked at it: the lecturer sets R while they may, and after that it is asked for."""
    session = care.session("2026-10-05 09:00")
    care.world.now_ms = at("2026-10-05 09:20")
    _mark_absent(care, session)
    care.world.now_ms = at("2026-10-05 14:00")
    absence_id = care.report("sam", "2026-10-05 09:00", "2026-10-05 10:00", session_ids=(session,))
    care.world.now_ms = at("2026-10-05 15:00")
    care.decide("lee", absence_id)
    assert care.codes() == {session: "A"}
    care.world.now_ms = at(attached)
    care.world.insert(
        schema_work.attachment, subject="absence", subject_id=absence_id, file_name="n.pdf", size=1, sha256="0",
        media_type="application/pdf", stored_as="x", created_ms=care.world.now_ms, by_account_id=care.scopes["sam"],
    )  # fmt: skip
    with writing(care.world.engine) as connection:
        leave.fill_person(connection, care.world.profiles, absence_id, now_ms=care.world.now_ms)
    assert care.work() in ([], [0]) and care.codes() == {session: "A"}
    wanted = registers.Wanted(person_id=care.sam, code="R")
    with writing(care.world.engine) as connection:
        if attached < "2026-10-07":
            registers.set_marks(
                connection, care.scope("lee"), care.world.profiles, session, [wanted], now_ms=care.world.now_ms
            )
        else:
            with pytest.raises(registers.MarksRefused):
                registers.set_marks(
                    connection, care.scope("lee"), care.world.profiles, session, [wanted], now_ms=care.world.now_ms
                )
    assert care.codes() == {session: "R" if attached < "2026-10-07" else "A"}


@rule("STEP-23", "PORT-13")
def test_leave_fills_by_the_profile_and_is_routed_to_the_faculty(care):
    care.world.now_ms = at("2026-10-01 08:00")
    step = care.session("2026-10-05 09:00", profile="step")
    lough = care.session("2026-10-06 09:00")
    absence_id = care.report("sam", "2026-10-05 00:00", "2026-10-20 00:00", kind="leave")
    with reading(care.world.engine) as connection:
        assert absences.one(connection, absence_id).department_id == care.faculty
    for nobody in ("lee", "hel", "art"):
        with pytest.raises(NotFound):
            care.decide(nobody, absence_id)
    care.decide("fay", absence_id)
    assert care.codes() == {step: "LOA"}
    assert lough not in care.codes()


@rule("PORT-13")
def test_an_authorised_absence_of_port_leaves_the_denominator_as_excused(care):
    care.world.now_ms = at("2026-10-01 08:00")
    session = care.session("2026-10-05 09:00", profile="port")
    care.decide("fay", care.report("sam", "2026-10-05 00:00", "2026-10-20 00:00", kind="authorised"))
    assert care.codes() == {session: "E"}


@rule("LOUGH-19")
def test_nobody_decides_on_their_own_and_no_other_teacher_or_department_sees_it(care):
    care.world.now_ms = at("2026-10-05 08:00")
    care.session("2026-10-05 09:00")
    absence_id = care.report("sam", "2026-10-05 00:00", "2026-10-06 00:00")
    with pytest.raises(NotAllowed, match="own"):
        care.decide("sam", absence_id)
    for nobody in ("lou", "art", "sue"):
        with pytest.raises(NotFound):
            care.decide(nobody, absence_id)
    with pytest.raises(StoreError, match="why"):
        care.decide("hel", absence_id, approve=False)
    assert care.decide("hel", absence_id, approve=False, comment="No reason was given")
    with pytest.raises(Refused, match="rejected"):
        care.decide("lee", absence_id)
    assert care.codes() == {}
    told = care.world.all(schema_work.message)
    assert [(one.to_person_id, one.kind, one.text) for one in told] == [
        (care.sam, "absence-decided", "No reason was given")
    ]


def test_the_same_report_twice_is_one(care):
    care.world.now_ms = at("2026-10-05 08:00")
    session = care.session("2026-10-05 09:00")
    first = care.report("sam", "2026-10-05 00:00", "2026-10-06 00:00")
    assert care.report("sam", "2026-10-05 00:00", "2026-10-06 00:00") == first
    assert care.report("sam", "2026-10-05 00:00", "2026-10-06 00:00", session_ids=(session,)) != first
    assert care.report("reg", "2026-10-05 00:00", "2026-10-06 00:00", person=care.sam) == first


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"reason": "  "}, "absence-reason"),
        ({"to_ms": at("2026-10-05 00:00")}, "absence-time"),
        ({"to_ms": at("2028-10-05 00:00")}, "absence-time"),
        ({"from_ms": at("2026-01-01 00:00"), "to_ms": at("2026-01-02 00:00")}, "absence-late"),
        ({"reported_ms": at("2026-10-05 09:00")}, "absence-told"),
        ({"reported_ms": at("2026-10-04 09:00")}, "absence-told"),
        ({"channel": "phone"}, "absence-channel"),
        ({"kind": "sick"}, "absence-kind"),
        ({"session_ids": tuple(range(1, 70))}, "absence-sessions"),
    ],
)
def test_a_report_that_cannot_be_is_refused_with_what_to_do(care, values, code):
    care.world.now_ms = at("2026-10-05 08:00")
    care.session("2026-10-05 09:00")
    with pytest.raises(StoreError) as raised:
        care.report("sam", "2026-10-05 00:00", "2026-10-06 00:00", **values)
    assert raised.value.code == code
    assert care.world.all(schema_work.absence) == []


def test_nobody_reports_for_whom_they_do_not_teach_nor_names_others_sessions(care):
    care.world.now_ms = at("2026-10-05 08:00")
    care.session("2026-10-05 09:00")
    other = care.world.class_group("X", [care.world.students[2]])
    theirs = care.session("2026-10-05 09:00", group=other)
    with pytest.raises(NotFound):
        care.report("lou", "2026-10-05 00:00", "2026-10-06 00:00", person=care.sam)
    with pytest.raises(NotFound):
        care.report("sue", "2026-10-05 00:00", "2026-10-06 00:00", person=care.sam)
    with pytest.raises(NotFound):
        care.report("sam", "2026-10-05 09:00", "2026-10-05 10:00", session_ids=(theirs,))
    with pytest.raises(StoreError, match="class list"):
        care.report("lee", "2026-10-05 00:00", "2026-10-06 00:00")


@rule("LOUGH-20")
def test_who_called_is_an_erasable_note_and_a_call_logged_later_counts_from_when_it_came(care):
    session = care.session("2026-10-05 09:00")
    care.world.now_ms = at("2026-10-05 12:00")
    absence_id = care.report(
        "lee", "2026-10-05 00:00", "2026-10-06 00:00",
        person=care.sam, channel="parent", told_by="Their mother", reported_ms=at("2026-10-05 08:30"),
    )  # fmt: skip
    care.decide("lee", absence_id)
    assert care.codes() == {session: "R"}
    row = care.world.all(schema_work.absence)[0]
    notes = {one.id: one.text for one in care.world.all(schema.note)}
    assert notes[row.told_by_note_id] == "Their mother"
    assert notes[row.reason_note_id] == "A reason"
    assert all("mother" not in str(one) for one in care.world.all(schema_work.history))


def test_a_cancelled_class_and_one_whose_records_are_final_are_left_alone(care):
    care.world.now_ms = at("2026-10-01 08:00")
    cancelled = care.session("2026-10-05 09:00")
    run = care.world.insert(
        schema.course_run, course_id=care.world.all(schema.course)[0].id, code="r", lock_ms=at("2026-10-01 07:00")
    )
    final = care.session("2026-10-05 11:00", profile="step")
    with writing(care.world.engine) as connection:
        connection.execute(schema.session.update().where(schema.session.c.id == cancelled).values(cancelled_ms=1))
        connection.execute(schema.session.update().where(schema.session.c.id == final).values(course_run_id=run))
    care.decide("reg", care.report("sam", "2026-10-05 00:00", "2026-10-20 00:00", kind="leave"))
    care.decide("reg", care.report("sam", "2026-10-05 00:00", "2026-10-06 00:00"))
    assert care.codes() == {}


def test_a_day_of_twenty_five_hours_is_whole(care):
    """The clocks go back on 25 October 2026: the day's last session is in it, the next day's first is not."""
    care.world.now_ms = at("2026-10-24 08:00")
    last = care.session("2026-10-25 23:30", minutes=20)
    first = care.session("2026-10-26 00:10", minutes=20)
    care.decide("reg", care.report("sam", "2026-10-25 00:00", "2026-10-26 00:00"))
    assert care.codes() == {last: "R"}
    assert first not in care.codes()
