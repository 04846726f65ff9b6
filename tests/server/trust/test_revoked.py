"""A reader that was stolen: what came before counts, what came since does not, whatever it says of its own time."""

import pytest

from firmware.contract import roster, statement
from firmware.contract.mac import Key
from server import deliveries
from server.derive.rosters import build as build_rosters
from server.errors import NotFound, Refused, StoreError
from server.intake.placing import Placing
from server.store import cards, credentials, emergency, readers, revocations, rosters, schema, withheld_taps
from server.store.accounts import at_the_console
from server.store.engine import reading, writing
from server.store.schema_trust import broker_credential
from tests.server.residence_world import HOUR as EVENING_HOUR
from tests.server.residence_world import OPENS, Residence
from tests.server.staff_world import staff
from tests.server.store_world import HOUR, MIN, NINE, UIDS, World

THEFT = NINE + 2 * HOUR


@pytest.fixture
def stolen(world):
    """A door with a lesson at nine, one at ten and one at eleven; the reader is stolen at eleven, and missed at noon."""
    world.door = world.reader()
    world.lessons = [world.session(NINE + n * HOUR) for n in range(4)]
    world.now_ms = NINE
    world.scope = staff(world, "technician")
    world.tap = lambda n, at_ms: tap(world, n, at_ms)
    world.revoke = lambda since_ms=THEFT, name="a-1": do(
        world, revocations.revoke, name, since_ms=since_ms, why="stolen"
    )
    world.release = lambda name="a-1": do(world, revocations.release, name)
    return world


def do(world, work, name, **more):
    with writing(world.engine) as connection:
        made = work(connection, world.scope, name, now_ms=world.now_ms, **more)
    world.derive()
    return made


def tap(world, n, at_ms, *, session=None):
    """Student n taps then; the line is returned, not delivered."""
    return world.door.swipe(UIDS[n], at_ms, session=session)


def credited(world):
    """(lesson's number, student's number) of what holds."""
    return {(world.lessons.index(session), world.students.index(person)) for session, person, _, _ in world.credits()}


def with_a_room(world):
    """The students' numbers whose taps have a room. Without one a tap credits nothing and names no place, whoever asks:
    that the judging looks at the revocation as well is a second lock, and no reason to leave this one open."""
    return {world.students.index(row.person_id) for row in world.all(schema.reading) if row.room_id is not None}


def arrive(world, at_ms, *lines):
    world.now_ms = at_ms
    return world.deliver(*lines)


def begin(world):
    arrive(world, NINE + MIN, world.door.lines[0], world.door.hello())


def test_what_the_store_had_before_the_theft_goes_on_to_count(stolen):
    begin(stolen)
    arrive(stolen, NINE + 5 * MIN, stolen.tap(0, NINE + 4 * MIN))
    arrive(stolen, NINE + 65 * MIN, stolen.tap(1, NINE + 64 * MIN))
    stolen.now_ms = NINE + 3 * HOUR
    stolen.revoke()
    assert credited(stolen) == {(0, 0), (1, 1)}


def test_what_was_credited_between_the_theft_and_the_call_is_withdrawn(stolen):
    begin(stolen)
    arrive(stolen, NINE + 5 * MIN, stolen.tap(0, NINE + 4 * MIN))
    arrive(stolen, THEFT + 5 * MIN, stolen.tap(1, THEFT + 4 * MIN))
    assert credited(stolen) == {(0, 0), (2, 1)}
    stolen.now_ms = NINE + 3 * HOUR
    stolen.revoke()
    assert credited(stolen) == {(0, 0)}
    # Nobody is absent for it: the lesson had no door from then on.
    assert stolen.marks()[stolen.lessons[2], stolen.students[1]][0] is None


def test_what_comes_after_the_call_counts_for_nothing_whatever_it_says_of_its_time(stolen):
    begin(stolen)
    stolen.now_ms = THEFT + HOUR
    stolen.revoke()
    answer = arrive(
        stolen,
        THEFT + HOUR + MIN,
        stolen.tap(0, NINE + 4 * MIN),
        stolen.tap(1, THEFT + 5 * MIN),
        stolen.tap(2, THEFT + HOUR),
    )
    assert (answer.new, credited(stolen), with_a_room(stolen)) == (3, set(), set())
    assert len(stolen.all(schema.swipe)) == 3
    assert "revoked-delivers" in stolen.alarms()


def test_what_is_withheld_says_so_and_not_that_no_session_was_open(stolen):
    begin(stolen)
    # One that repeats, within two minutes, an answer of before the theft; and one long after it.
    arrive(stolen, THEFT - 1000, stolen.tap(0, THEFT - 2000))
    stolen.now_ms = THEFT + HOUR
    stolen.revoke()
    arrive(stolen, THEFT + HOUR + MIN, stolen.tap(0, THEFT + 30_000), stolen.tap(1, NINE + 4 * MIN))
    said = {row.at_ms: (row.verdict, row.session_id, row.credits) for row in stolen.all(schema.reading)}
    assert said[THEFT + 30_000] == said[NINE + 4 * MIN] == ("withheld", None, False)
    assert said[THEFT - 2000][0] == "green"
    with reading(stolen.engine) as connection:
        found = [withheld_taps.of_person(connection, one, NINE, THEFT + HOUR) for one in stolen.students[:3]]
        assert [[(one.at_ms, one.since_ms, one.waits) for one in mine] for mine in found] == [
            [(THEFT + 30_000, THEFT, False)],
            [(NINE + 4 * MIN, THEFT, True)],
            [],
        ]
    assert stolen.release() == 1
    said = {row.at_ms: row.verdict for row in stolen.all(schema.reading)}
    assert (said[NINE + 4 * MIN], said[THEFT + 30_000]) == ("green", "withheld")


def test_a_revoked_reader_gets_no_password_again(stolen):
    begin(stolen)
    stolen.now_ms = THEFT + HOUR
    reader_id = stolen.revoke()
    with writing(stolen.engine) as connection, pytest.raises(Refused) as refused:
        credentials.make(connection, stolen.institution_id, reader_id, stolen.now_ms)
    assert refused.value.code == "reader-ended" and stolen.all(broker_credential) == []


def test_its_class_list_is_taken_from_brokers_and_gateways_once(stolen):
    begin(stolen)

    def listed():
        with writing(stolen.engine) as connection:
            build_rosters(connection, stolen.ring, stolen.institution_id, stolen.now_ms)
            [row] = rosters.after(connection, stolen.institution_id, 0)
        return roster.decode(bytes(row.payload), stolen.door.key, "a-1")

    assert len(listed().sessions) == 4
    stolen.now_ms = THEFT
    stolen.revoke()
    emptied = listed()
    assert emptied.sessions == []
    # Once: it is not issued again and again for a reader that is gone.
    stolen.now_ms += 24 * HOUR
    assert listed().version_ms == emptied.version_ms


def test_a_revoked_reader_gets_no_answer(stolen):
    begin(stolen)
    stolen.now_ms = THEFT + HOUR
    stolen.revoke()
    answer = arrive(
        stolen, THEFT + HOUR + MIN, stolen.tap(0, NINE), stolen.door.hello(), stolen.door.head(THEFT + HOUR)
    )
    assert answer.down == []
    assert len(answer.done) == 3


def test_a_person_releases_what_is_older_than_the_theft_and_nothing_else(stolen):
    # In the middle of the second lesson: there a swipe that may be a moment later would be credited like one before it.
    theft_ms = THEFT - 50 * MIN
    begin(stolen)
    stolen.now_ms = THEFT + HOUR
    stolen.revoke(theft_ms)
    arrive(
        stolen,
        THEFT + HOUR + MIN,
        stolen.tap(0, NINE + 4 * MIN),
        stolen.tap(1, THEFT + 5 * MIN),
        stolen.door.swipe(UIDS[2], theft_ms - 5, uncertainty_ms=10),
    )
    assert with_a_room(stolen) == set()
    assert stolen.release() == 1
    assert credited(stolen) == {(0, 0)} and with_a_room(stolen) == {0}
    # And what comes still later, from before it.
    arrive(
        stolen,
        THEFT + 2 * HOUR,
        stolen.tap(1, NINE + 65 * MIN),
        stolen.tap(2, THEFT + 70 * MIN),
        stolen.door.swipe(UIDS[2], theft_ms - 4, uncertainty_ms=10),
        stolen.door.swipe(UIDS[0], theft_ms - 11, uncertainty_ms=10),
    )
    assert credited(stolen) == {(0, 0), (1, 0), (1, 1)}
    with pytest.raises(Refused, match="counts already"):
        stolen.release()


def test_nobody_is_absent_by_the_word_of_a_revoked_reader(stolen):
    begin(stolen)
    arrive(stolen, NINE + 30 * MIN, stolen.door.head(NINE + 30 * MIN))
    # It was off line for the lesson at ten; the thief turns it on, and it says that nobody came.
    stolen.now_ms = THEFT + HOUR
    stolen.revoke()
    arrive(stolen, THEFT + HOUR + MIN, stolen.door.head(THEFT + HOUR))
    stolen.now_ms = NINE + 30 * HOUR
    stolen.settle()
    for lesson in stolen.lessons[1:]:
        assert stolen.evidence(lesson) != "complete"
        assert not [key for key, mark in stolen.marks().items() if key[0] == lesson and mark[0] is not None]


def test_what_a_thief_says_between_theft_and_call_makes_nobody_absent_either(stolen):
    begin(stolen)
    arrive(stolen, NINE + 30 * MIN, stolen.door.head(NINE + 30 * MIN))
    # Off line at ten. Turned on after the theft: two swipes are delivered, and a head says that this is all.
    late = [stolen.tap(0, NINE + 65 * MIN), stolen.door.head(THEFT + 10 * MIN)]
    arrive(stolen, THEFT + 10 * MIN, *late)
    assert credited(stolen) == {(1, 0)}
    stolen.now_ms = THEFT + HOUR
    stolen.revoke()
    stolen.now_ms = NINE + 30 * HOUR
    stolen.settle()
    assert credited(stolen) == with_a_room(stolen) == set()
    assert stolen.evidence(stolen.lessons[1]) != "complete"
    assert not [mark for key, mark in stolen.marks().items() if key[0] == stolen.lessons[1] and mark[0] is not None]


def test_a_stolen_reader_teaches_the_store_no_cards(stolen):
    begin(stolen)
    stolen.now_ms = THEFT + HOUR
    stolen.revoke()
    before = stolen.all(schema.card_token)
    # A card key more, and with the stolen reader's key: the first student's card, and the thief's own under the new one.
    newer = Key(2, bytes(32))
    secret = stolen.vault.seal(bytes(32), f"card-key/{stolen.institution_id}/2")
    stolen.insert(schema.card_key, key_id=2, secret=secret, from_ms=0)
    both = [*cards.token_for(UIDS[0], stolen.keys), *cards.token_for(UIDS[50], [newer])]
    line = stolen.door.say(
        "swipe",
        evidence=statement.evidence_of([statement.Token(key, token) for key, token in both]),
        boot_ms=5,
        wall_ms=THEFT + HOUR,
        clock="sync",
        uncertainty_ms=10,
        verdict="green",
        session=None,
        roster=None,
    )
    arrive(stolen, THEFT + HOUR + MIN, line)
    assert [row.token for row in stolen.all(schema.card_token)] == [row.token for row in before]


def test_revoking_ends_its_password_and_is_written_down_once(stolen):
    with writing(stolen.engine) as connection:
        reader_id = readers.by_name(connection, ["a-1"])["a-1"].id
        credentials.make(connection, stolen.institution_id, reader_id, stolen.now_ms)
    stolen.now_ms = THEFT + HOUR
    stolen.revoke()
    assert [row.to_ms for row in stolen.all(broker_credential)] == [stolen.now_ms]
    with pytest.raises(Refused, match="believed no more already"):
        stolen.revoke()
    assert [row.action for row in stolen.all(schema.audit)].count("reader.revoke") == 1


def test_it_is_refused_for_whoever_does_not_tend_doors_and_for_what_cannot_be(stolen):
    stolen.now_ms = THEFT + HOUR
    with pytest.raises(StoreError, match="last 30 days"):
        stolen.revoke(stolen.now_ms + MIN)
    with pytest.raises(StoreError, match="last 30 days"):
        stolen.revoke(stolen.now_ms - 31 * 24 * HOUR)
    with pytest.raises(NotFound):
        stolen.revoke(name="a-9")
    stolen.scope = staff(stolen, "lecturer")
    with pytest.raises(StoreError, match="this is for"):
        stolen.revoke()
    with pytest.raises(StoreError, match="this is for"):
        stolen.release()


def test_a_revoked_reader_serves_no_door_any_more(stolen):
    stolen.now_ms = THEFT + HOUR
    stolen.revoke()
    with writing(stolen.engine) as connection, pytest.raises(Refused, match="new reader"):
        readers.move(connection, stolen.institution_id, "a-1", "R1", stolen.now_ms, stolen.now_ms)


def test_people_see_how_much_is_withheld(stolen):
    begin(stolen)
    stolen.now_ms = THEFT + HOUR
    stolen.revoke()
    arrive(stolen, THEFT + HOUR + MIN, stolen.tap(0, NINE + 4 * MIN), stolen.tap(1, THEFT + 5 * MIN))
    with reading(stolen.engine) as connection:
        (one,) = revocations.listed(connection, stolen.scope)
    assert (one.reader, one.since_ms, one.withheld, one.older, one.released_ms) == ("a-1", THEFT, 2, 1, None)


def test_check_ins_at_a_stolen_kiosk_are_withdrawn_and_released_alike(world):
    hall = Residence(world)
    world.scope = at_the_console(world.institution_id)
    world.now_ms = OPENS + EVENING_HOUR
    hall.deliver(hall.board.lines[0], hall.check_in(UIDS[0], OPENS + 10 * MIN))
    world.now_ms = OPENS + 3 * EVENING_HOUR
    hall.deliver(hall.check_in(UIDS[1], OPENS + 130 * MIN))
    assert [(person, counts) for person, _, counts, _ in hall.read()] == [
        (world.students[0], True),
        (world.students[1], True),
    ]
    do(world, revocations.revoke, "k-1", since_ms=OPENS + 2 * EVENING_HOUR, why="stolen")
    hall.judge()
    world.now_ms += MIN
    hall.deliver(hall.check_in(UIDS[2], OPENS + 60 * MIN), hall.event("pin-locked", OPENS + 60 * MIN, uid=UIDS[0]))
    assert [(counts, why) for _, _, counts, why in hall.read()] == [(True, ""), (False, "revoked"), (False, "revoked")]
    assert do(world, revocations.release, "k-1") == 1
    hall.judge()
    assert [(counts, why) for _, _, counts, why in hall.read()] == [(True, ""), (False, "revoked"), (True, "")]


def test_in_an_emergency_nobody_was_seen_by_a_stolen_reader(stolen):
    begin(stolen)
    arrive(stolen, NINE + 5 * MIN, stolen.tap(0, NINE + 4 * MIN))
    stolen.now_ms = THEFT + HOUR
    stolen.revoke()
    arrive(stolen, THEFT + HOUR + MIN, stolen.tap(1, THEFT + HOUR))
    with reading(stolen.engine) as connection:
        scope = at_the_console(stolen.institution_id)
        found = emergency.house(connection, scope, stolen.profiles, NINE, stolen.now_ms)
    assert [one.person_id for one in found.seen] == [stolen.students[0]]


@pytest.mark.needs("postgres")
def test_what_was_on_its_way_into_the_store_while_its_reader_was_revoked_does_not_count(new_postgres):
    made = World(new_postgres())
    try:
        made.door, made.lesson = made.reader(), made.session(NINE)
        made.scope, made.now_ms = staff(made, "technician"), NINE + 5 * MIN

        class Late(deliveries.Delivery):
            def insert(self, rows):
                if rows[0]["kind"] == "swipe":
                    # The reader was looked up as one that is believed; now somebody else revokes it.
                    do(made, revocations.revoke, "a-1", since_ms=NINE, why="stolen")
                return super().insert(rows)

        made.deliver(made.door.lines[0])
        made.delivery = Late
        answer = made.deliver(made.door.swipe(UIDS[0], NINE + 4 * MIN))
        assert (answer.new, made.credits()) == (1, set())
    finally:
        made.close()


@pytest.mark.needs("postgres")
def test_a_reader_that_is_revoked_after_its_swipe_was_placed_gets_no_answer_and_no_credit(new_postgres):
    made = World(new_postgres())
    try:
        made.door, made.lesson = made.reader(), made.session(NINE)
        made.scope, made.now_ms = staff(made, "technician"), NINE + 5 * MIN

        class Placed(Placing):
            def read(self, new, held):
                super().read(new, held)
                # The swipe has its room, and nothing is locked yet that whoever revokes waits for: they commit now.
                with writing(made.engine) as connection:
                    revocations.revoke(connection, made.scope, "a-1", since_ms=NINE, why="stolen", now_ms=made.now_ms)

        class Late(deliveries.Delivery):
            def __init__(self, desk):
                super().__init__(desk)
                self.placing = Placed(desk)

        begun = made.deliver(made.door.lines[0], made.door.hello())
        made.delivery = Late
        answer = made.deliver(made.door.swipe(UIDS[0], NINE + 4 * MIN))
        assert begun.down and (answer.new, answer.down) == (1, [])
        assert made.credits() == with_a_room(made) == set()
        assert "revoked-delivers" in made.alarms()
    finally:
        made.close()
