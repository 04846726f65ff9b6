"""An outage is a fact and never held against a person: where nobody could check in, nobody is missing (DDU-13, 14)."""

from datetime import timedelta

import pytest

from server.policy import downtime
from server.store import alarms, journals, readers, residence_admin, residence_board, residence_reports
from server.thinning import DAY_MS, Thinning
from tests.rules import rule
from tests.server.residence_world import CLOSES, DAY, HOUR, MIN, OPENS, UIDS, Residence
from tests.server.store_world import Board


@pytest.fixture
def hall(world):
    """A kiosk that was up until a minute before the evening."""
    made = Residence(world)
    world.now_ms = CLOSES + HOUR
    made.deliver(made.board.lines[0], made.board.head(OPENS - MIN))
    return made


def restart(hall, at_ms, board=None):
    """The kiosk is on again: its new journal, which goes on where the last one ended."""
    board = board or hall.board
    return board.boot(at_ms=at_ms)


def second(hall, name="k-2"):
    """Another kiosk in the same house, up since the day before."""
    w = hall.w
    board = w.reader(name, room=None)
    hall.do(residence_admin.place_kiosk, hall.admin, hall.ids()[name], hall.house, hall.since_ms, w.now_ms, capacity=9)
    hall.deliver(board.lines[0])
    assert isinstance(board, Board)
    return board


def states(hall):
    return [hall.states()[one] for one in hall.w.students]


def doubt(hall, place=1):
    found = hall.look(residence_board.board, hall.warden, hall.w.profiles, hall.house, DAY, hall.w.now_ms)
    return next(row.doubt for row in found.people if row.person_id == hall.w.students[place])


def percentage(hall, place=1):
    given = hall.w.profiles, hall.w.students[place], DAY, DAY, hall.w.now_ms
    return hall.look(residence_reports.percentage, hall.warden, *given)


@rule("DDU-13", "DDU-14")
def test_a_kiosk_that_was_off_all_evening_makes_nobody_missing_and_counts_against_nobody(hall):
    hall.deliver(restart(hall, CLOSES + 10 * MIN), hall.board.head(CLOSES + 20 * MIN))
    assert states(hall) == ["unknown"] * 3
    assert percentage(hall).fraction is None and [row.counted for row in percentage(hall).rows] == [0]
    found = doubt(hall)
    assert found is not None and found.why == downtime.DOWN
    [(begins, ends)] = found.spans
    assert abs(begins - OPENS) < MIN and ends == CLOSES


@rule("DDU-13")
def test_who_came_before_it_was_off_is_in_and_the_others_are_not_known(hall):
    came = hall.check_in(UIDS[0], OPENS + 5 * MIN)
    hall.deliver(came, hall.board.head(OPENS + HOUR))
    opened = restart(hall, OPENS + 2 * HOUR)
    late = hall.check_in(UIDS[2], OPENS + 3 * HOUR)
    hall.deliver(opened, late, hall.board.head(CLOSES + MIN))
    assert states(hall) == ["in", "unknown", "in"]
    found = doubt(hall)
    assert found is not None and [(round((a - OPENS) / MIN), round((b - OPENS) / MIN)) for a, b in found.spans] == [
        (60, 120)
    ]


@rule("DDU-13")
def test_a_restart_of_some_minutes_excuses_nobody(hall):
    hall.deliver(hall.board.head(OPENS + HOUR))
    opened = restart(hall, OPENS + HOUR + 14 * MIN)
    hall.deliver(opened, hall.board.head(CLOSES + MIN))
    assert states(hall) == ["missing"] * 3 and doubt(hall) is None


@rule("DDU-13")
def test_the_other_kiosk_of_a_house_covers_one_that_is_off_and_not_where_it_is_off_too(hall):
    other = second(hall)
    hall.deliver(restart(hall, CLOSES + 10 * MIN), hall.board.head(CLOSES + 20 * MIN), other.head(CLOSES + MIN))
    assert states(hall) == ["missing"] * 3
    opened = other.boot(at_ms=OPENS + 24 * HOUR + 30 * MIN)
    hall.w.now_ms = CLOSES + 25 * HOUR
    hall.deliver(opened, other.head(CLOSES + 24 * HOUR + MIN))
    opened = hall.board.boot(at_ms=OPENS + 24 * HOUR + 20 * MIN)
    hall.deliver(opened, hall.board.head(CLOSES + 24 * HOUR + MIN))
    found = hall.states(DAY + timedelta(days=1))
    assert set(found.values()) == {"unknown"}, "until 18:20 neither of them was on"


@rule("DDU-13")
def test_a_kiosk_that_says_that_it_can_take_nobody_is_as_one_that_is_off(hall):
    hall.deliver(hall.board.head(OPENS + HOUR), hall.board.head(OPENS + 2 * HOUR, able="card"))
    hall.deliver(hall.board.head(OPENS + 3 * HOUR), hall.board.head(CLOSES + MIN))
    assert states(hall) == ["unknown"] * 3


@rule("DDU-13")
def test_where_no_kiosk_stood_for_a_part_of_the_evening_nobody_is_missing(hall):
    hall.deliver(hall.board.head(CLOSES + MIN))
    assert states(hall) == ["missing"] * 3
    hall.do(residence_admin.end_kiosk, hall.admin, hall.reader_id, OPENS + 3 * HOUR, hall.w.now_ms)
    assert states(hall) == ["unknown"] * 3
    found = doubt(hall)
    assert found is not None and found.spans == ((OPENS + 3 * HOUR, CLOSES),)


@rule("DDU-13")
def test_while_there_may_be_two_of_a_kiosk_nobody_is_missing_until_a_person_closed_the_alarm(hall):
    hall.deliver(hall.board.head(CLOSES + MIN))
    w = hall.w
    hall.do(alarms.raise_, w.institution_id, alarms.CLONE, "k-1", "two", w.now_ms, reader_id=hall.reader_id)
    found = doubt(hall)
    assert states(hall) == ["unknown"] * 3 and found is not None
    assert (found.why, found.kiosks) == (downtime.TWICE, ("k-1",))
    [one] = hall.look(alarms.open_alarms, w.institution_id)
    assert hall.do(alarms.close, w.institution_id, one.id, None, w.now_ms)
    assert states(hall) == ["missing"] * 3


@rule("DDU-13")
def test_check_ins_declared_lost_that_may_have_been_of_the_evening_make_nobody_missing(hall):
    w = hall.w
    first = hall.check_in(UIDS[0], OPENS + 5 * MIN)
    hall.check_in(UIDS[1], OPENS + 6 * MIN)
    third = hall.check_in(UIDS[2], OPENS + 7 * MIN)
    hall.deliver(first, third, hall.board.head(CLOSES + MIN))
    lose(hall)
    assert states(hall) == ["in", "unknown", "in"]
    found = doubt(hall)
    assert found is not None and (found.why, found.kiosks) == (downtime.LOST, ("k-1",))
    w.now_ms = CLOSES + 25 * HOUR
    hall.deliver(hall.board.head(CLOSES + 24 * HOUR + MIN))
    assert set(hall.states(DAY + timedelta(days=1)).values()) == {"missing"}, "what was lost was of the evening before"


def lose(hall, up_to_ms=CLOSES + 2 * MIN, last=2):
    def work(connection):
        found = readers.by_name(connection, [hall.board.name])[hall.board.name]
        held = journals.known(connection, found.id, hall.board.journal)
        assert held is not None
        journals.declare_lost(connection, held, hall.w.institution_id, last, "gone", None, hall.w.now_ms)

    hall.do(work)
    hall.deliver(hall.board.head(up_to_ms))


@rule("DDU-13")
def test_the_check_ins_around_lost_ones_tell_of_which_evening_they_were(hall):
    """Two evenings; what is lost lies between two check-ins of the second, so the first is whole."""
    w = hall.w
    w.now_ms = CLOSES + 25 * HOUR
    night = 24 * HOUR
    first = hall.check_in(UIDS[0], OPENS + night + 5 * MIN)
    hall.check_in(UIDS[1], OPENS + night + 6 * MIN)
    third = hall.check_in(UIDS[2], OPENS + night + 7 * MIN)
    hall.deliver(first, third, hall.board.head(CLOSES + night + MIN))
    lose(hall, CLOSES + night + 2 * MIN)
    assert set(hall.states().values()) == {"missing"}
    assert [hall.states(DAY + timedelta(days=1))[one] for one in w.students] == ["in", "unknown", "in"]


@rule("DDU-13", "DDU-14")
def test_thinning_old_heads_changes_no_evening(hall):
    """Three evenings: the first whole, in the second an hour off, in the third unable for a while."""
    w, night = hall.w, 24 * HOUR
    w.now_ms = CLOSES + 4 * night
    hall.deliver(*(hall.board.head(OPENS + n * 10 * MIN) for n in range(26)))
    hall.deliver(*(hall.board.head(OPENS + night + n * 10 * MIN) for n in range(7)))
    opened = hall.board.boot(at_ms=OPENS + night + 2 * HOUR)
    hall.deliver(opened, *(hall.board.head(OPENS + night + n * 10 * MIN) for n in range(13, 26)))
    able = {n: "card" if n in (5, 6, 7) else "ok" for n in range(26)}
    hall.deliver(*(hall.board.head(OPENS + 2 * night + n * 10 * MIN, able=able[n]) for n in range(26)))
    hall.deliver(*(hall.board.head(OPENS + 2 * night + 8 * HOUR + n * 10 * MIN) for n in range(6)))
    days = [DAY + timedelta(days=n) for n in range(3)]

    def all_of():
        return [
            hall.look(residence_board.board, hall.warden, w.profiles, hall.house, day, w.now_ms).people for day in days
        ]

    before = all_of()
    assert [{row.state for row in people} for people in before] == [{"missing"}, {"unknown"}, {"unknown"}]
    w.now_ms += 90 * DAY_MS
    said = Thinning(w.engine, 60).all(w.now_ms).heads
    assert said["goes"] > 40, "most of them say nothing that another does not"
    assert all_of() == before


@rule("DDU-13", "DDU-14")
def test_a_check_in_that_may_be_of_either_of_two_evenings_makes_neither_missing(hall):
    """At four in the afternoon of the second day, or 20 hours before or after it: it counts for the second evening."""
    w, night = hall.w, 24 * HOUR
    w.now_ms = CLOSES + 3 * night
    unsure = hall.check_in(UIDS[0], OPENS + night - HOUR, uncertainty_ms=20 * HOUR)
    sure = hall.check_in(UIDS[1], OPENS + night + HOUR)
    hall.deliver(unsure, sure, hall.board.head(CLOSES + 2 * night + MIN))
    days = [hall.states(DAY + timedelta(days=n)) for n in range(3)]
    assert [one[w.students[0]] for one in days] == ["unknown", "in", "missing"]
    assert [one[w.students[1]] for one in days] == ["missing", "in", "missing"]
    found = doubt(hall, 0)
    assert found is not None and found.why == downtime.ELSEWHEN


@rule("DDU-13")
def test_the_second_check_in_of_an_evening_may_be_the_first_of_another(hall):
    w, night = hall.w, 24 * HOUR
    w.now_ms = CLOSES + 2 * night
    lines = [
        hall.check_in(UIDS[0], OPENS + HOUR),
        hall.check_in(UIDS[0], CLOSES - HOUR, uncertainty_ms=22 * HOUR),
        hall.check_in(UIDS[1], CLOSES - HOUR, uncertainty_ms=22 * HOUR, method="pin", witness=UIDS[2]),
    ]
    hall.deliver(*lines, hall.board.head(CLOSES + night + MIN))
    days = [hall.states(DAY + timedelta(days=n)) for n in range(2)]
    assert [one[w.students[0]] for one in days] == ["in", "unknown"]
    assert [one[w.students[1]] for one in days] == ["missing", "missing"], "nobody on duty stood by at any time"
