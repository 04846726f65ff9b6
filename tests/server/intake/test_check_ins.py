"""From a kiosk's record to an evening (DDU-12, 13): once a day, late, twice, in any order, and judged again."""

import itertools

import pytest

from server.store import cards, residence_admin, schema
from server.store.engine import writing
from server.store.schema_residence import check_in, check_in_reading, kiosk_event, residency
from tests.rules import rule
from tests.server.residence_world import CLOSES, DAY, HOUR, MIN, OPENS, UIDS, WARDEN_UID, Residence
from tests.server.store_world import World, told, wrap

DATE = DAY.isoformat()


@pytest.fixture
def hall(world):
    made = Residence(world)
    world.now_ms = OPENS + 2 * HOUR
    return made


@rule("DDU-12", "DDU-13")
def test_a_check_in_is_receipted_placed_and_counts_for_its_evening(hall):
    hall.deliver(hall.board.hello())
    answer = hall.deliver(hall.board.lines[0], hall.check_in(UIDS[0], OPENS + 5 * MIN, place="in", cell="51.50,-0.12"))
    assert told(answer, "receipt")[0]["up_to"] == 1
    assert hall.read() == [(hall.w.students[0], DATE, True, "")]
    row = hall.w.all(check_in)[0]
    assert (row.method, row.place, row.cell, row.verdict) == ("finger", "in", "51.50,-0.12", "green")
    assert hall.states()[hall.w.students[0]] == "in"


@rule("DDU-13")
def test_a_second_check_in_of_an_evening_is_a_repeat_and_the_next_evening_counts_again(hall):
    hall.w.now_ms = OPENS + 26 * HOUR
    times = (OPENS + MIN, OPENS + HOUR, OPENS + 24 * HOUR + MIN)
    hall.deliver(hall.board.lines[0], *(hall.check_in(UIDS[0], at) for at in times))
    person = hall.w.students[0]
    assert hall.read() == [(person, DATE, True, ""), (person, DATE, False, "repeat"), (person, "2026-09-22", True, "")]


@rule("DDU-13")
def test_delivered_twice_and_in_any_order_it_is_the_same(world):
    hall = Residence(world)
    world.now_ms = OPENS + 2 * HOUR
    board = hall.board
    lines = [
        board.lines[0],
        hall.check_in(UIDS[0], OPENS + 30 * MIN),
        hall.check_in(UIDS[0], OPENS + 10 * MIN),
        hall.check_in(UIDS[1], OPENS - MIN),
    ]
    hall.deliver(*reversed(lines))
    before = world.all(check_in), hall.read()
    hall.deliver(*lines, *lines)
    assert (world.all(check_in), hall.read()) == before
    by_time = {row.at_ms: (row.person_id, bool(row.counts), row.why) for row in world.all(check_in_reading)}
    assert by_time == {
        OPENS + 10 * MIN: (world.students[0], True, ""),
        OPENS + 30 * MIN: (world.students[0], False, "repeat"),
        OPENS - MIN: (world.students[1], False, "before"),
    }


@rule("DDU-13")
def test_whatever_the_order_of_arrival_the_same_one_counts(new_sqlite):
    found = set()
    for order in itertools.permutations(range(3)):
        world = World(new_sqlite())
        hall = Residence(world)
        world.now_ms = OPENS + 2 * HOUR
        said = [hall.check_in(UIDS[0], OPENS + n * MIN) for n in range(3)]
        hall.deliver(hall.board.lines[0])
        for at in order:
            hall.deliver(said[at])
        rows = sorted(world.all(check_in_reading), key=lambda row: row.at_ms)
        found.add(tuple((row.at_ms, bool(row.counts), row.why) for row in rows))
        world.close()
    assert len(found) == 1 and [one[1] for one in found.pop()] == [True, False, False]


@rule("DDU-13")
def test_without_a_clock_it_waits_keeps_its_owner_from_missing_and_a_clock_pair_places_it(hall):
    at = OPENS + 20 * MIN
    person = hall.w.students[0]
    hall.deliver(hall.board.lines[0], hall.check_in(UIDS[0], at, clock="none"))
    assert hall.read() == [(person, None, False, "unplaced")]
    hall.w.now_ms = CLOSES + HOUR
    hall.deliver(hall.board.head(CLOSES + MIN))
    assert hall.states() == dict.fromkeys(hall.w.students, "missing") | {person: "unknown"}
    hall.deliver(hall.board.pair(at + HOUR))
    assert hall.read() == [(person, DATE, True, "")]
    assert hall.states()[person] == "in"


@rule("DDU-12")
def test_a_card_given_later_or_moved_on_is_judged_again(hall):
    hall.deliver(hall.board.lines[0], hall.check_in(UIDS[9], OPENS + MIN))
    assert hall.read() == [(None, DATE, False, "unknown-card")]
    with writing(hall.w.engine) as c:
        cards.hold(c, hall.w.institution_id, hall.w.students[1], hall.w.tokens(UIDS[9]), OPENS)
    hall.judge()
    assert hall.read() == [(hall.w.students[1], DATE, True, "")]
    with writing(hall.w.engine) as c:
        cards.hold(c, hall.w.institution_id, hall.w.students[2], hall.w.tokens(UIDS[9]), OPENS)
    hall.judge()
    assert hall.read() == [(hall.w.students[2], DATE, True, "")]
    assert hall.states()[hall.w.students[1]] == "expected"


@rule("DDU-12")
def test_where_somebody_lives_is_judged_again_when_it_changes(hall):
    stranger = hall.w.person("S9", UIDS[9])
    hall.deliver(hall.board.lines[0], hall.check_in(UIDS[9], OPENS + MIN))
    assert hall.read() == [(stranger, DATE, False, "not-resident")]
    south, _ = hall.other_house()
    made = hall.do(residence_admin.add_resident, hall.admin, south, stranger, OPENS - HOUR, hall.w.now_ms)
    hall.judge()
    assert hall.read() == [(stranger, DATE, False, "other-house")]
    hall.do(residence_admin.end_resident, hall.admin, made, OPENS - HOUR, hall.w.now_ms)
    hall.do(residence_admin.add_resident, hall.admin, hall.house, stranger, OPENS - HOUR, hall.w.now_ms)
    hall.judge()
    assert hall.read() == [(stranger, DATE, True, "")]


@rule("DDU-12")
def test_a_pin_counts_as_a_finger_does_where_somebody_on_duty_stood_by(hall):
    hall.deliver(
        hall.board.lines[0],
        hall.check_in(UIDS[0], OPENS + MIN, method="pin", witness=WARDEN_UID),
        hall.check_in(UIDS[1], OPENS + MIN, method="pin", witness=UIDS[2]),
        hall.check_in(UIDS[2], OPENS + MIN, method="witness", witness=WARDEN_UID),
    )
    zero, one, two = hall.w.students
    assert hall.read() == [
        (zero, DATE, True, ""),
        (one, DATE, False, "no-witness"),
        (two, DATE, True, "witness-only"),
    ]
    assert hall.states() == {zero: "in-alternative", one: "expected", two: "in-alternative"}
    # It was a warden after all: the list of who is on duty came late.
    hall.do(residence_admin.add_duty, hall.admin, hall.house, two, OPENS - HOUR, hall.w.now_ms)
    hall.judge()
    assert hall.read()[1] == (one, DATE, True, "")


@rule("DDU-12")
@pytest.mark.parametrize(
    ("place", "counts", "why"), [("out", False, "outside"), ("none", True, "no-fix"), ("in", True, "")]
)
def test_outside_the_fence_or_without_a_fix_it_is_as_the_profile_says_and_never_silent(hall, place, counts, why):
    hall.deliver(
        hall.board.lines[0], hall.check_in(UIDS[0], OPENS + MIN, place=place, fix="good" if place == "in" else "none")
    )
    assert hall.read() == [(hall.w.students[0], DATE, counts, why)]
    flags = {row.kind for row in hall.w.all(schema.metadata.tables["residence_flag"])}
    assert flags == ({why} if why else set())


@rule("DDU-12")
def test_kiosk_events_are_kept_with_who_and_when(hall):
    hall.deliver(hall.board.lines[0], hall.event("enrolled", OPENS, uid=UIDS[0], by=WARDEN_UID, slot=3, generation=7))
    row = hall.w.all(kiosk_event)[0]
    assert (row.person_id, row.by_person_id, row.at_ms) == (hall.w.students[0], hall.warden_person, OPENS)
    assert (row.event, row.slot, row.generation, bool(row.due)) == ("enrolled", 3, 7, False)


@rule("DDU-12")
def test_a_forged_check_in_earns_nothing(hall):
    line = hall.check_in(UIDS[0], OPENS + MIN)
    forged = line[:-1] + ("0" if line[-1] != "0" else "1")
    hall.deliver(hall.board.lines[0], wrap(forged))
    assert hall.read() == [] and hall.w.quarantined() == {"mac": 1}


@rule("DDU-13")
def test_missing_is_said_only_when_the_evening_is_over_and_the_kiosk_is_known_to_its_end(hall):
    person = hall.w.students[0]
    hall.deliver(hall.board.lines[0], hall.board.head(OPENS + HOUR))
    assert hall.states()[person] == "expected"
    hall.w.now_ms = CLOSES + HOUR
    assert hall.states()[person] == "unknown"
    late = hall.check_in(UIDS[0], CLOSES - MIN)
    hall.deliver(hall.board.head(CLOSES + MIN))
    assert hall.states()[person] == "unknown", "a record that the head counts has not come"
    hall.deliver(late)
    assert hall.states() == dict.fromkeys(hall.w.students, "missing") | {person: "in"}


@rule("DDU-13")
def test_a_check_in_that_has_come_and_is_not_judged_yet_makes_nobody_missing(hall):
    hall.w.now_ms = CLOSES + HOUR
    hall.w.deliver(hall.board.lines[0], hall.check_in(UIDS[0], OPENS + MIN), hall.board.head(CLOSES + MIN))
    assert hall.states() == dict.fromkeys(hall.w.students, "unknown")
    hall.judge()
    assert hall.states() == dict.fromkeys(hall.w.students, "missing") | {hall.w.students[0]: "in"}


@rule("DDU-12", "DDU-13")
def test_a_witness_who_may_have_been_on_duty_still_is_one_and_one_who_was_not_is_none(world):
    """The duty ends at 19:00 by the list; the kiosk's clock says 19:01, give or take two minutes."""
    hall = Residence(world)
    world.now_ms = OPENS + 2 * HOUR
    second = world.person("W1", UIDS[41])
    made = hall.do(residence_admin.add_duty, hall.admin, hall.house, second, OPENS - HOUR, world.now_ms)
    hall.do(residence_admin.end_duty, hall.admin, made, OPENS + HOUR, world.now_ms)
    pin = {"method": "pin", "witness": UIDS[41]}
    hall.deliver(
        hall.board.lines[0],
        hall.check_in(UIDS[0], OPENS + HOUR + MIN, uncertainty_ms=2 * MIN, **pin),
        hall.check_in(UIDS[1], OPENS + HOUR + 3 * MIN, uncertainty_ms=2 * MIN, **pin),
        hall.check_in(UIDS[2], OPENS + HOUR - MIN, uncertainty_ms=2 * MIN, **pin),
    )
    zero, one, two = world.students
    assert hall.read() == [(zero, DATE, True, "unsure"), (one, DATE, False, "no-witness"), (two, DATE, True, "")]


@rule("DDU-12", "DDU-13")
def test_whoever_may_have_lived_there_still_did(hall):
    w = hall.w
    homes = {row.person_id: row.id for row in w.all(residency)}
    for person in w.students[:2]:
        hall.do(residence_admin.end_resident, hall.admin, homes[person], OPENS + HOUR, w.now_ms)
    hall.deliver(
        hall.board.lines[0],
        hall.check_in(UIDS[0], OPENS + HOUR + MIN, uncertainty_ms=2 * MIN),
        hall.check_in(UIDS[1], OPENS + HOUR + 3 * MIN, uncertainty_ms=2 * MIN),
    )
    assert hall.read() == [(w.students[0], DATE, True, "unsure"), (w.students[1], DATE, False, "not-resident")]


@rule("DDU-12", "DDU-13")
def test_a_kiosk_that_may_have_stood_in_the_house_already_did_and_its_witness_is_judged_again(hall):
    w = hall.w
    south, _ = hall.other_house()
    hall.do(residence_admin.place_kiosk, hall.admin, hall.reader_id, south, OPENS + HOUR, w.now_ms, capacity=10)
    hall.deliver(
        hall.board.lines[0],
        hall.check_in(UIDS[0], OPENS + HOUR + MIN, uncertainty_ms=2 * MIN),
        hall.check_in(UIDS[1], OPENS + HOUR + MIN, uncertainty_ms=2 * MIN, method="pin", witness=UIDS[2]),
        hall.check_in(UIDS[2], OPENS + HOUR + 3 * MIN, uncertainty_ms=2 * MIN),
    )
    zero, one, two = w.students
    expected = [(zero, DATE, True, "unsure"), (one, DATE, False, "no-witness"), (two, DATE, False, "other-house")]
    assert hall.read() == expected
    hall.do(residence_admin.add_duty, hall.admin, hall.house, two, OPENS - HOUR, w.now_ms)
    hall.judge()
    assert hall.read()[1] == (one, DATE, True, "unsure")
