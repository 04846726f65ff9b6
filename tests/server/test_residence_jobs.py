"""The jobs judge check-ins, issue residents lists and flag cards in two places, each by itself (DDU-12, 13)."""

from server.clock import Clock
from server.derive import check_ins as judging
from server.jobs import Jobs
from server.store import schema
from server.store.schema_residence import check_in_reading, residence_flag
from tests.rules import rule
from tests.server.residence_world import DAY, HOUR, MIN, OPENS, UIDS, Residence
from tests.server.store_world import World


def jobs_of(world):
    return Jobs(world.engine, world.ring, world.profiles, Clock(real=lambda: world.now_ms / 1000))


@rule("DDU-12", "DDU-13")
def test_a_step_judges_what_came_and_issues_the_list_once(new_sqlite):
    world = World(new_sqlite())
    hall = Residence(world)
    world.now_ms = OPENS + HOUR
    jobs = jobs_of(world)
    jobs.step(everything=True)
    assert (jobs.issued, hall.listed().count) == (1, 4)
    world.deliver(hall.board.lines[0], hall.check_in(UIDS[0], OPENS + MIN), hall.event("opened", OPENS))
    jobs.step(everything=True)
    assert hall.read() == [(world.students[0], DAY.isoformat(), True, "")]
    assert (jobs.judged, jobs.issued, jobs.failures) == (2, 1, 0)
    assert [row.kind for row in world.all(residence_flag)] == ["opened"]
    world.close()


def test_a_kiosk_with_a_room_too_gets_its_residents_list_and_no_class_list(new_sqlite):
    world = World(new_sqlite())
    hall = Residence(world)
    with world.engine.begin() as c:
        c.execute(
            schema.placement.insert().values(
                institution_id=world.institution_id, reader_id=hall.reader_id, room_id=world.rooms[0], from_ms=0
            )
        )
    world.session(OPENS)
    jobs_of(world).step(everything=True)
    assert [bytes(row.payload[:4]) for row in world.all(schema.roster)] == [b"MRS1"]
    world.close()


@rule("DDU-13")
def test_more_than_a_batch_is_judged_in_one_step(new_sqlite, monkeypatch):
    monkeypatch.setattr(judging, "BATCH", 3)
    world = World(new_sqlite())
    hall = Residence(world)
    world.now_ms = OPENS + HOUR
    lines = [hall.check_in(UIDS[n % 3], OPENS + n * MIN) for n in range(10)]
    world.deliver(hall.board.lines[0], *lines)
    jobs_of(world).step()
    assert not any(row.due for row in world.all(check_in_reading))
    assert [row[2] for row in hall.read()] == [True] * 3 + [False] * 7
    world.close()


def test_an_institution_without_a_residence_costs_no_write(new_sqlite):
    world = World(new_sqlite())
    jobs = jobs_of(world)
    jobs.step(everything=True)
    assert (jobs.judged, jobs.failures) == (0, 0)
    world.close()
