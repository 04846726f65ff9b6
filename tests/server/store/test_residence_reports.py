"""Reports (DDU-14): every evening of residence counts once, exactly; leave leaves, and moving in or out is no absence."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest

from server.errors import NotFound
from server.store import residence_acts, residence_admin, residence_leaves, residence_reports
from server.store.schema_residence import residency
from tests.rules import rule
from tests.server.residence_world import CLOSES, DAY, HOUR, MIN, OPENS, UIDS, Residence

NIGHT = 24 * HOUR


@pytest.fixture
def hall(world):
    """Four evenings: the first student came on three, the second on none."""
    made = Residence(world, since_ms=OPENS - HOUR)
    world.now_ms = OPENS - HOUR
    made.deliver(made.board.lines[0])
    world.now_ms = CLOSES + 3 * NIGHT + HOUR
    made.deliver(
        *(made.check_in(UIDS[0], OPENS + n * NIGHT + MIN) for n in range(3)),
        made.board.head(CLOSES + 3 * NIGHT + MIN),
    )
    return made


def percentage(hall, place=0, scope=None, last=3):
    given = hall.w.profiles, hall.w.students[place], DAY, DAY + timedelta(days=last), hall.w.now_ms
    return hall.look(residence_reports.percentage, scope or hall.warden, *given)


@rule("DDU-14")
def test_the_percentage_is_exact_and_each_evening_says_its_part(hall):
    found = percentage(hall)
    assert (found.sum, found.reached) == ("3/4 = 75.0 %", True)
    assert [(row.key.day, row.code) for row in found.rows] == [(21, "in"), (22, "in"), (23, "in"), (24, "missing")]
    assert percentage(hall, 1).fraction == 0


@rule("DDU-14")
def test_an_entry_counts_as_a_check_in_and_leave_leaves_the_denominator(hall):
    w = hall.w
    hall.do(residence_acts.act, hall.warden, w.profiles, w.students[1], DAY, "entry", "injury", "", w.now_ms)
    assert percentage(hall, 1).fraction == Fraction(1, 4)
    own = hall.account("student", w.students[1])
    days = DAY + timedelta(days=1), DAY + timedelta(days=2)
    leave = hall.do(residence_leaves.ask, own, w.students[1], *days, "", w.now_ms)
    assert percentage(hall, 1).fraction == Fraction(1, 4), "asked is not approved"
    hall.do(residence_leaves.decide, hall.warden, leave, True, "", w.now_ms)
    assert percentage(hall, 1).sum == "1/2 = 50.0 %"


@rule("DDU-14")
def test_evenings_before_moving_in_and_after_moving_out_do_not_count(hall):
    home = next(row for row in hall.w.all(residency) if row.person_id == hall.w.students[0])
    hall.do(residence_admin.end_resident, hall.admin, home.id, OPENS + 3 * NIGHT, hall.w.now_ms)
    hall.judge()
    found = percentage(hall)
    assert (found.sum, len(found.rows)) == ("3/3 = 100.0 %", 3)
    early = hall.look(
        residence_reports.percentage,
        hall.warden,
        hall.w.profiles,
        hall.w.students[0],
        DAY - timedelta(days=9),
        DAY,
        hall.w.now_ms,
    )
    assert early.sum == "1/1 = 100.0 %"


@rule("DDU-14")
def test_the_evening_that_is_on_and_those_not_known_do_not_count_yet(hall):
    hall.w.now_ms = OPENS + 4 * NIGHT + HOUR
    assert percentage(hall, last=4).sum == "3/4 = 75.0 %"
    hall.w.now_ms = CLOSES + 5 * NIGHT
    assert percentage(hall, last=5).sum == "3/4 = 75.0 %"


@rule("DDU-14")
def test_a_resident_reads_their_own_and_staff_of_another_house_nothing(hall):
    assert percentage(hall, scope=hall.account("student", hall.w.students[0])).sum == "3/4 = 75.0 %"
    south, _ = hall.other_house()
    for scope in (
        hall.account("residence", scope="residence", scope_id=south),
        hall.account("student", hall.w.students[1]),
    ):
        with pytest.raises(NotFound):
            percentage(hall, scope=scope)


@rule("DDU-14")
def test_a_month_has_everybody_who_lived_there_by_name(hall):
    rows = hall.look(residence_reports.month, hall.warden, hall.w.profiles, hall.house, 2026, 9, hall.w.now_ms)
    assert [one.number for one in rows] == ["S0", "S1", "S2"]
    assert rows[0].states[DAY] == "in" and rows[0].count("in") == 3 and rows[0].count("missing") == 1
    assert rows[0].percentage.sum == "3/4 = 75.0 %" and date(2026, 9, 20) not in rows[0].states
    assert max(rows[0].states) == DAY + timedelta(days=3) and rows[0].count("expected") == 0, (
        "the rest of the month has not come"
    )


@rule("DDU-13")
def test_on_the_days_when_the_clocks_change_an_evening_is_18_to_22_on_the_wall(world):
    hall = Residence(world)
    world.now_ms = int(datetime(2026, 10, 26, 12, tzinfo=UTC).timestamp() * 1000)
    # The clocks went back that morning: 18:30 in London is 18:30 UTC, the day before it was 17:30.
    sunday, saturday = datetime(2026, 10, 25, 18, 30, tzinfo=UTC), datetime(2026, 10, 24, 17, 30, tzinfo=UTC)
    too_early = datetime(2026, 10, 25, 17, 30, tzinfo=UTC)
    times = [int(one.timestamp() * 1000) for one in (saturday, sunday)]
    hall.deliver(hall.board.lines[0], *(hall.check_in(UIDS[0], at) for at in times))
    hall.deliver(hall.check_in(UIDS[1], int(too_early.timestamp() * 1000)))
    assert hall.read() == [
        (world.students[0], "2026-10-24", True, ""),
        (world.students[0], "2026-10-25", True, ""),
        (world.students[1], "2026-10-25", False, "before"),
    ]
