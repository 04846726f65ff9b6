"""What is flagged of check-ins as they are judged (DDU-12): every oddity of one is said, and by the profile's own numbers."""

from dataclasses import replace

import pytest
from sqlalchemy import event

from server.policy.profile import Profiles
from server.store import check_ins, residence_admin, residence_flags, residence_pins, revocations
from server.store.engine import reading, writing
from server.store.schema_residence import check_in_reading, residence_flag
from tests.rules import rule
from tests.server.residence_world import CLOSES, HOUR, MIN, OPENS, UIDS, WARDEN_UID, Residence
from tests.server.store_world import World


@pytest.fixture
def hall(world):
    made = Residence(world)
    world.now_ms = OPENS + 2 * HOUR
    return made


def flags(hall):
    return sorted((row.kind, row.person_id) for row in hall.w.all(residence_flag))


@rule("DDU-12")
def test_a_witness_alone_is_flagged_whatever_else_was_odd_about_the_check_in(hall):
    person = hall.w.students[0]
    hall.check_in(UIDS[0], OPENS + MIN, method="witness", witness=WARDEN_UID, place="none", fix="none")
    hall.deliver(*hall.board.lines)
    assert [(day is not None, counts, why) for _, day, counts, why in hall.read()] == [(True, True, "no-fix")]
    assert flags(hall) == [("no-fix", None), ("witness-only", person)]
    hall.judge()
    assert [row.count for row in hall.w.all(residence_flag)] == [1, 1]


@rule("DDU-12")
def test_a_kiosk_with_no_receiver_and_no_place_is_told_apart_from_a_receiver_without_a_fix(hall):
    hall.deliver(hall.board.lines[0], hall.check_in(UIDS[0], OPENS + MIN, place="none", fix="lost"))
    assert [one[0] for one in open_flags(hall)] == ["no-fix"]
    close(hall)
    hall.deliver(hall.check_in(UIDS[1], OPENS + 2 * MIN, place="none"))
    assert open_flags(hall) == [("no-place", None, 1)]
    close(hall)
    # It is one thing to mend, however many come.
    hall.deliver(hall.check_in(UIDS[2], OPENS + 3 * MIN, place="none"))
    assert open_flags(hall) == [] and [why for *_, why in hall.read()] == ["no-fix"] * 3


@rule("DDU-12")
def test_where_the_profile_says_so_a_witness_alone_does_not_count_and_is_flagged_all_the_same(hall):
    shipped = hall.w.profiles
    hall.w.profiles = Profiles(
        one if one.residence is None else replace(one, residence=replace(one.residence, witness_alone_counts=False))
        for name in shipped
        for one in shipped.versions(name)
    )
    hall.check_in(UIDS[0], OPENS + MIN, method="witness", witness=WARDEN_UID)
    hall.check_in(UIDS[1], OPENS + MIN, method="pin", witness=WARDEN_UID)
    hall.deliver(*hall.board.lines, hall.board.hello(), hall.board.head(CLOSES + MIN))
    assert [(counts, why) for _, _, counts, why in hall.read()] == [(False, "witness-only"), (True, "")]
    assert flags(hall) == [("witness-only", hall.w.students[0])]


@rule("DDU-12")
def test_when_fingers_are_flagged_is_the_profiles_number(hall):
    shipped = hall.w.profiles
    for n in range(2):
        hall.event("finger-refused", OPENS + n * MIN, uid=UIDS[0])
    hall.deliver(*hall.board.lines)
    assert flags(hall) == []
    hall.w.profiles = Profiles(
        one
        if one.residence is None
        else replace(one, residence=replace(one.residence, odd=replace(one.residence.odd, card=2)))
        for name in shipped
        for one in shipped.versions(name)
    )
    hall.event("opened", OPENS + 9 * MIN)
    hall.deliver(*hall.board.lines)
    assert flags(hall) == [("one-card", hall.w.students[0]), ("opened", None)]


@rule("DDU-12")
@pytest.mark.parametrize("hours", range(24))
def test_a_kiosk_that_was_opened_is_flagged_once_at_whatever_hour_that_was(hall, hours):
    at_ms = OPENS + hours * HOUR
    hall.w.now_ms = at_ms + HOUR
    hall.event("opened", at_ms)
    hall.deliver(*hall.board.lines)
    hall.judge()
    assert [(row.kind, row.at_ms, row.count) for row in hall.w.all(residence_flag)] == [("opened", at_ms, 1)]


@rule("DDU-12")
def test_what_was_seen_at_a_time_that_is_not_known_is_flagged_by_when_it_was_told(hall):
    hall.board.say(
        "kiosk", event="opened", subject=None, by=None, slot=None, generation=None, detail=None, boot_ms=9000,
        wall_ms=None, clock="none", uncertainty_ms=None,
    )  # fmt: skip
    hall.deliver(*hall.board.lines)
    assert [(row.kind, row.at_ms, row.count) for row in hall.w.all(residence_flag)] == [("opened", hall.w.now_ms, 1)]


def test_what_a_kiosk_told_of_an_evening_is_found_by_its_time_however_much_it_ever_told(new_sqlite):
    world = World(new_sqlite())
    said = []

    @event.listens_for(world.engine, "before_cursor_execute")
    def _note(_connection, _cursor, statement, parameters, _context, _many) -> None:
        if statement.startswith("SELECT") and "FROM kiosk_event" in statement:
            said.append((statement, parameters))

    with reading(world.engine) as c:
        assert residence_flags.events_of(c, [1, 2], OPENS, CLOSES) == []
    with world.engine.connect() as c:
        plans = [c.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all() for sql, values in said]
    assert [[row[3].partition(" ix_")[2] for row in plan] for plan in plans] == [
        ["kiosk_event_reader (reader_id=? AND at_ms>? AND at_ms<?)"],
        ["kiosk_event_reader (reader_id=? AND at_ms=?)"],
    ]
    world.close()


@rule("DDU-12")
def test_what_was_flagged_by_its_arrival_is_not_flagged_again_once_it_is_known_when_it_was(hall):
    hall.w.now_ms = OPENS + 26 * HOUR
    opened = hall.board.say(
        "kiosk", event="opened", subject=None, by=None, slot=None, generation=None, detail=None,
        boot_ms=OPENS + HOUR - hall.board.booted_ms, wall_ms=None, clock="none", uncertainty_ms=None,
    )  # fmt: skip
    hall.deliver(hall.board.lines[0], opened)
    assert open_flags(hall) == [("opened", None, 1)]
    hall.deliver(hall.board.pair(OPENS + 2 * HOUR))
    assert open_flags(hall) == [("opened", None, 1)], "it was on the evening before, and is told already"
    hall.deliver(hall.event("opened", OPENS + 3 * HOUR))
    assert [row.count for row in hall.w.all(residence_flag)] == [1, 2], "another one of that evening is"


@rule("DDU-12")
def test_what_is_judged_again_after_weeks_raises_nothing_and_what_comes_after_weeks_does(hall):
    """A house's place or a card that is taken in makes evenings of months ago due."""
    south, there = hall.other_house()
    lou = hall.account("residence", scope="residence", scope_id=south)
    hall.deliver(hall.board.lines[0], there.lines[0], hall.check_in(UIDS[0], OPENS + HOUR, board=there))
    with writing(hall.w.engine) as c:
        c.execute(residence_flag.delete())  # a release that raised none of these
    hall.w.now_ms += 60 * 24 * HOUR
    with writing(hall.w.engine) as c:
        c.execute(check_in_reading.update().values(due=True))
    hall.judge()
    assert flags(hall) == []
    hall.deliver(hall.check_in(UIDS[1], OPENS + 2 * HOUR, board=there))
    assert flags(hall) == [("other-house", hall.w.students[1])] and open_flags(hall, lou) == []


def test_cards_on_other_sites_are_looked_for_by_time_and_not_in_all_that_ever_was(new_sqlite):
    world = World(new_sqlite())
    said = []

    @event.listens_for(world.engine, "before_cursor_execute")
    def _note(_connection, _cursor, statement, parameters, _context, _many) -> None:
        if statement.startswith("SELECT") and "FROM check_in_reading" in statement:
            said.append((statement, parameters))

    with reading(world.engine) as c:
        assert residence_flags.far_taps(c, world.institution_id, OPENS, MIN) == []
        assert not check_ins.any_since(c, world.institution_id, OPENS)
    with world.engine.connect() as c:
        plans = [c.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all() for sql, values in said]
    assert len(plans) == 3
    for plan in plans:
        (first,) = [row[3] for row in plan if row[3].split()[1] == "check_in_reading"]
        assert "ix_check_in_reading_at (institution_id=? AND at_ms>" in first
    world.close()


# --- over the kiosks of a house


def second(hall, name="k-3"):
    """Another kiosk in the same house."""
    w = hall.w
    board = w.reader(name, room=None)
    hall.do(residence_admin.place_kiosk, hall.admin, hall.ids()[name], hall.house, hall.since_ms, w.now_ms, capacity=9)
    return board


def refused(hall, board, *minutes, who=0):
    return [hall.event("finger-refused", OPENS + at * MIN, uid=UIDS[who], board=board) for at in minutes]


def open_flags(hall, scope=None):
    found = hall.look(residence_flags.waiting, scope or hall.warden)
    return sorted((one.kind, one.person_id, one.count) for one in found)


def close(hall, scope=None):
    for one in hall.look(residence_flags.waiting, scope or hall.warden):
        hall.do(residence_flags.close, scope or hall.warden, one.id, "looked", hall.w.now_ms)


@rule("DDU-12")
def test_fingers_refused_with_one_card_are_one_cause_over_the_kiosks_of_a_house(hall):
    other = second(hall)
    hall.deliver(*hall.board.lines, *refused(hall, hall.board, 1, 2))
    assert flags(hall) == []
    hall.deliver(*other.lines, *refused(hall, other, 3, 4))
    assert flags(hall) == [("one-card", hall.w.students[0])]
    (row,) = hall.w.all(residence_flag)
    assert (row.count, row.at_ms, row.last_ms) == (4, OPENS + MIN, OPENS + 4 * MIN)


@rule("DDU-12")
def test_a_closed_flag_of_somebody_at_two_kiosks_stays_closed_until_something_new_is_seen(hall):
    other, person = second(hall), hall.w.students[0]
    hall.deliver(*hall.board.lines, *refused(hall, hall.board, 1, 4, 7, 10))
    hall.deliver(*other.lines, *refused(hall, other, 30, 35, 40))
    assert open_flags(hall) == [("one-card", person, 7)]
    close(hall)
    # Whoever else comes, at either kiosk: there is nothing new about this card.
    hall.deliver(hall.check_in(UIDS[1], OPENS + 50 * MIN))
    hall.deliver(hall.check_in(UIDS[2], OPENS + 51 * MIN, board=other))
    hall.deliver(hall.event("opened", OPENS + 52 * MIN))
    assert open_flags(hall) == [("opened", None, 1)]
    hall.deliver(*refused(hall, other, 60))
    assert ("one-card", person, 8) in open_flags(hall)


@rule("DDU-12")
def test_another_time_for_what_was_seen_opens_no_closed_flag(hall):
    hall.deliver(hall.board.lines[0], hall.check_in(UIDS[0], OPENS + MIN, method="witness", witness=WARDEN_UID))
    assert open_flags(hall) == [("witness-only", hall.w.students[0], 1)]
    close(hall)
    with writing(hall.w.engine) as c:
        c.execute(check_in_reading.update().values(at_ms=check_in_reading.c.at_ms + 2 * MIN, due=True))
    hall.judge()
    assert open_flags(hall) == []


@rule("DDU-12")
def test_a_pin_locked_by_tries_over_two_kiosks_is_flagged_once_to_their_own_house(hall):
    w, person = hall.w, hall.w.students[0]
    _, there = hall.other_house()
    w.now_ms = OPENS - MIN
    hall.do(residence_pins.set_pin, hall.warden, w.vault, person, "4821", w.now_ms)
    w.now_ms = OPENS + 2 * HOUR
    wrong = [hall.event("pin-refused", OPENS + n * MIN, uid=UIDS[0]) for n in (1, 2)]
    more = [hall.event("pin-refused", OPENS + n * MIN, uid=UIDS[0], board=there) for n in (3, 4)]
    hall.deliver(hall.board.lines[0], there.lines[0], *wrong, *more)
    assert open_flags(hall) == []
    hall.deliver(hall.event("pin-refused", OPENS + 5 * MIN, uid=UIDS[0]))
    assert open_flags(hall) == [("pin-locked", person, 1)]
    close(hall)
    hall.deliver(hall.check_in(UIDS[1], OPENS + 6 * MIN), hall.check_in(UIDS[0], OPENS + 7 * MIN))
    assert open_flags(hall) == [] and flags(hall) == [("pin-locked", person)]


@rule("DDU-12")
def test_what_comes_to_count_because_another_ceased_to_is_flagged(hall):
    other, person = second(hall), hall.w.students[0]
    first = hall.check_in(UIDS[0], OPENS + 10 * MIN)
    word = hall.check_in(UIDS[0], OPENS + 20 * MIN, method="witness", witness=WARDEN_UID, board=other)
    hall.deliver(hall.board.lines[0], other.lines[0], first, word)
    assert [one[2:] for one in hall.read()] == [(True, ""), (False, "repeat")] and flags(hall) == []
    # The first was before the evening, as a clock record says.
    with writing(hall.w.engine) as c:
        mine = check_in_reading.c.reader_id == hall.reader_id
        c.execute(check_in_reading.update().where(mine).values(at_ms=OPENS - 10 * MIN, due=True))
    hall.judge()
    assert [one[2:] for one in hall.read()] == [(False, "before"), (True, "witness-only")]
    assert flags(hall) == [("witness-only", person)]


@rule("DDU-12")
def test_a_kiosk_that_changed_house_is_flagged_to_each_house_for_what_was_seen_there(hall):
    w = hall.w
    south, _ = hall.other_house()
    lou = hall.account("residence", scope="residence", scope_id=south)
    taken, placed = OPENS - 4 * HOUR, OPENS - 3 * HOUR
    hall.do(residence_admin.end_kiosk, hall.admin, hall.reader_id, taken + MIN, w.now_ms)
    hall.do(residence_admin.place_kiosk, hall.admin, hall.reader_id, south, placed, w.now_ms, capacity=9)
    hall.deliver(hall.board.lines[0], hall.event("opened", taken), hall.event("opened", OPENS + HOUR))
    here, there = (hall.look(residence_flags.waiting, scope) for scope in (hall.warden, lou))
    assert [(one.kind, one.at_ms, one.count) for one in here] == [("opened", taken, 1)]
    assert [(one.kind, one.at_ms, one.count) for one in there] == [("opened", OPENS + HOUR, 1)]


@rule("DDU-12")
def test_a_witnessed_check_in_at_another_house_is_flagged_to_the_residents_own_house(hall):
    w, person = hall.w, hall.w.students[0]
    south, there = hall.other_house()
    lou = hall.account("residence", scope="residence", scope_id=south)
    porter = w.person("W1", UIDS[41])
    hall.do(residence_admin.add_duty, hall.admin, south, porter, OPENS - HOUR, w.now_ms)
    word = hall.check_in(UIDS[0], OPENS + HOUR, method="witness", witness=UIDS[41], board=there)
    hall.deliver(hall.board.lines[0], there.lines[0], word)
    assert open_flags(hall) == [("other-house", person, 1)] and open_flags(hall, lou) == []


@rule("DDU-12")
def test_a_witnessed_check_in_with_nobodys_card_is_flagged_where_it_was(hall):
    hall.deliver(
        hall.board.lines[0],
        hall.check_in(UIDS[8], OPENS + HOUR, method="witness", witness=WARDEN_UID),
        hall.check_in(UIDS[9], OPENS + HOUR + MIN, method="witness", witness=WARDEN_UID),
    )
    assert open_flags(hall) == [("stranger", None, 2)]


@rule("DDU-12")
def test_a_closed_flag_of_many_fingers_stays_closed_when_one_more_is_refused_an_hour_later(hall):
    hall.deliver(*hall.board.lines, *(hall.event("finger-refused", OPENS + n * MIN, uid=UIDS[n % 3]) for n in range(8)))
    assert ("many-fingers", None, 8) in open_flags(hall)
    close(hall)
    hall.deliver(hall.event("finger-refused", OPENS + HOUR, uid=UIDS[3]))
    assert open_flags(hall) == []
    hall.deliver(*(hall.event("finger-refused", OPENS + HOUR + n * MIN, uid=UIDS[4]) for n in range(1, 8)))
    assert ("many-fingers", None, 16) in open_flags(hall)


# --- a card that is far away within minutes


def far_away(hall, uid, *, stolen=None):
    """Held at the kiosk of another house on another site, with a porter; and at a door here three minutes before."""
    w = hall.w
    south, there = hall.other_house()
    porter = w.person("W1", UIDS[41])
    hall.do(residence_admin.add_duty, hall.admin, south, porter, OPENS - HOUR, w.now_ms)
    door = w.reader("d-9", room=0)
    if stolen is not None:
        since_ms = w.now_ms - HOUR
        hall.do(revocations.revoke, hall.console, stolen, since_ms=since_ms, why="stolen", now_ms=w.now_ms)
    word = hall.check_in(uid, OPENS + HOUR, method="witness", witness=UIDS[41], board=there)
    hall.deliver(hall.board.lines[0], there.lines[0], word, door.lines[0], door.swipe(uid, OPENS + HOUR - 3 * MIN))
    hall.judge()
    return hall.account("residence", scope="residence", scope_id=south)


@rule("DDU-12")
def test_where_a_resident_was_is_told_to_their_own_house_and_not_to_the_one_whose_kiosk_they_used(hall):
    lou = far_away(hall, UIDS[0])
    person = hall.w.students[0]
    assert open_flags(hall) == [("elsewhere", person, 1), ("other-house", person, 1)]
    assert open_flags(hall, lou) == []


@rule("DDU-12")
@pytest.mark.parametrize("stolen", ["d-9", "k-2"])
def test_what_a_stolen_reader_or_kiosk_says_accuses_no_resident(hall, stolen):
    far_away(hall, UIDS[0], stolen=stolen)
    told = {kind for kind, _, _ in open_flags(hall)}
    assert "elsewhere" not in told, "whoever has its key has every student's token"


@rule("DDU-12")
def test_of_somebody_who_lives_in_no_house_it_is_said_where_they_checked_in_and_not_who_they_are(hall):
    hall.w.person("S9", UIDS[8])
    lou = far_away(hall, UIDS[8])
    assert open_flags(hall) == []
    assert open_flags(hall, lou) == [("elsewhere", None, 1), ("stranger", None, 1)]
    hall.judge()
    assert len(flags(hall)) == 2, "once for a cause"
