"""A release that the store carries goes out in stages and stops by itself: the reader's own code takes it, over a line
that loses, through whichever of two gateways."""

import json
from pathlib import Path

import pytest

from server.errors import NotFound, Refused, StoreError
from server.fleet.alerting import Alerting
from server.policy import fleet_rules
from server.policy import rollout as policy
from server.store import fleet_alerts, releases, rollout_progress, rollouts, schema
from server.store.engine import reading, writing
from server.store.schema_fleet import fleet_alert
from tests.firmware.pico import release_packs as made
from tests.server.releases.release_world import Fleet
from tests.server.store_world import wrap


def test_a_release_reaches_every_reader_over_a_line_that_loses(world, tmp_path):
    fleet = Fleet(world, tmp_path, 12, loses=0.1)
    one = fleet.until_over(fleet.start(fleet.add(made.signed(2))))
    assert (one.state, one.why) == (rollouts.DONE, None), fleet.takers(one.id)
    assert fleet.running() == [2] * 12
    assert {state for stage in one.stages for state in stage} == {policy.CONFIRMED}
    assert [sum(stage.values()) for stage in one.stages] == [1, 1, 10]
    assert fleet.packs.asked == 2, "each gateway fetched the pack once"


def test_a_release_that_does_not_run_stops_at_the_first_reader_and_says_so(world, tmp_path):
    fleet = Fleet(world, tmp_path, 12)
    for door in fleet.doors.values():
        door.bad_from = 2
    one = fleet.until_over(fleet.start(fleet.add(made.signed(2))))
    assert one.state == rollouts.STOPPED and one.why.startswith("1 of 1 readers are not well with it")
    assert fleet.running() == [1] * 12
    with reading(world.engine) as connection:
        assert rollout_progress.stopped_by_themselves(connection, world.institution_id) == 1
    fleet.seconds(120)
    assert [one.state for one in fleet.takers(one.id).values()].count(policy.WAITING) == 11, "nobody else was asked"


def test_a_release_after_which_readers_take_no_cards_goes_no_further(world, tmp_path):
    fleet = Fleet(world, tmp_path, 12)
    real = {door: door.head for door in fleet.doors.values()}

    def head(door):
        door.able = "chip" if door.pack.counter == 2 else "ok"
        return real[door]()

    for door in fleet.doors.values():
        door.head = lambda door=door: head(door)
    one = fleet.until_over(fleet.start(fleet.add(made.signed(2))))
    assert one.state == rollouts.STOPPED and fleet.running().count(2) == 1


def test_whoever_forges_health_reports_cannot_let_a_release_go_on(world, tmp_path):
    fleet = Fleet(world, tmp_path, 12)
    for door in fleet.doors.values():
        door.there = False
    one = fleet.start(fleet.add(made.signed(2)))
    lie = '{"v": 1, "update": {"board": "pico", "counter": 2, "have": 0, "tag": null}}'
    for _ in range(30):
        fleet.seconds(60)
        fleet.up(*(wrap(lie, reader=name, kind="health") for name in fleet.doors))
        # Their heads are their own, and as they were.
        fleet.up(*(door.head() for door in fleet.doors.values()))
    assert fleet.one(one).state == rollouts.RUNNING
    assert [taker.state for taker in fleet.takers(one).values()].count(policy.CONFIRMED) == 0


def test_readers_that_are_gone_meanwhile_are_left_for_another_time(world, tmp_path):
    fleet = Fleet(world, tmp_path, 12)
    rollout_id = fleet.start(fleet.add(made.signed(2)), soak_min=0)
    gone = [taker.reader for taker in fleet.takers(rollout_id).values() if taker.stage == 3][:3]
    for name in gone:
        fleet.doors[name].there = False
    one = fleet.until_over(rollout_id)
    assert one.state == rollouts.DONE and one.stages[2] == {policy.CONFIRMED: 7, policy.SILENT: 3}
    # Begun again, it is sent to those alone.
    for name in gone:
        fleet.doors[name].there = True
    fleet.seconds(360)
    again = fleet.until_over(fleet.start(one.release_id, soak_min=0))
    assert sorted(fleet.takers(again.id)) == sorted(gone) and fleet.running() == [2] * 12


def test_stopped_by_a_person_nothing_more_is_sent_and_it_goes_on_where_it_was(world, tmp_path):
    fleet = Fleet(world, tmp_path, 4)
    rollout_id = fleet.start(fleet.add(made.signed(2)), percents=(100,), soak_min=0)
    while not any(taker.state == policy.TAKING for taker in fleet.takers(rollout_id).values()):
        fleet.seconds(1)
    fleet.act(rollouts.stop, rollout_id)
    before = len(fleet.offers)
    fleet.seconds(180)
    assert len(fleet.offers) == before
    with pytest.raises(Refused, match="not so any more"):
        fleet.act(rollouts.stop, rollout_id)
    fleet.act(rollouts.go_on, rollout_id)
    assert fleet.until_over(rollout_id).state == rollouts.DONE and fleet.running() == [2] * 4


def test_one_that_stopped_by_itself_goes_on_without_those_that_failed(world, tmp_path):
    fleet = Fleet(world, tmp_path, 12)
    one = fleet.start(fleet.add(made.signed(2)), soak_min=0)
    (first,) = [taker.reader for taker in fleet.takers(one).values() if taker.stage == 1]
    fleet.doors[first].bad_from = 2
    assert fleet.until_over(one).state == rollouts.STOPPED
    with pytest.raises(Refused, match="under way or stopped"):
        fleet.start(fleet.one(one).release_id)
    fleet.act(rollouts.go_on, one)
    assert fleet.until_over(one).state == rollouts.DONE
    assert fleet.running().count(2) == 11 and fleet.takers(one)[first].code == "update-failed"


def test_a_reader_that_ended_is_sent_nothing(world, tmp_path):
    fleet = Fleet(world, tmp_path, 2)
    one = fleet.start(fleet.add(made.signed(2)), percents=(100,), soak_min=0)
    with writing(world.engine) as connection:
        connection.execute(schema.reader.update().where(schema.reader.c.name == "r-0").values(ended_ms=fleet.now_ms))
    fleet.until_over(one)
    assert {offer["reader"] for offer in fleet.offers} == {"r-1"}


def test_no_more_readers_take_it_at_once_than_may(world, tmp_path):
    fleet = Fleet(world, tmp_path, policy.AT_ONCE + 4)
    one = fleet.start(fleet.add(made.signed(2)), percents=(100,), soak_min=0)
    for _ in range(60):
        fleet.seconds(1)
        states = [taker.state for taker in fleet.takers(one).values()]
        assert sum(state in policy.BUSY for state in states) <= policy.AT_ONCE
    assert fleet.until_over(one).state == rollouts.DONE


@pytest.mark.parametrize("percents, soak_min", [((), 10), ((10, 1), 10), ((0, 10), 10), ((101,), 10), ((1,), -1)])
def test_stages_that_cannot_be_are_refused(world, tmp_path, percents, soak_min):
    fleet = Fleet(world, tmp_path, 1)
    release_id = fleet.add(made.signed(2))
    with pytest.raises(StoreError):
        fleet.start(release_id, percents=percents, soak_min=soak_min)


def test_another_institutions_gateway_does_not_get_the_pack(world, tmp_path):
    fleet = Fleet(world, tmp_path, 0)
    fleet.add(made.signed(2))
    with reading(world.engine) as connection:
        (one,) = releases.listed(connection, world.institution_id)
        with pytest.raises(NotFound):
            releases.pack(connection, world.institution_id + 1, one.tag)


def test_a_reader_that_goes_back_after_it_was_confirmed_stops_it(world, tmp_path):
    fleet = Fleet(world, tmp_path, 4)
    one = fleet.start(fleet.add(made.signed(2)))
    (first,) = [taker.reader for taker in fleet.takers(one).values() if taker.stage == 1]
    while fleet.takers(one)[first].state != policy.CONFIRMED:
        fleet.seconds(10)
    door = fleet.doors[first]
    hello = door.board.seal("hello", nonce="0" * 16, boot_ms=5, roster=None, firmware="muster-0.1", journals=[])
    fleet.up(wrap(hello))
    assert fleet.until_over(one).state == rollouts.STOPPED and fleet.running().count(2) == 1


def test_a_roll_out_that_stopped_by_itself_is_an_alert_until_somebody_ends_it(world, tmp_path):
    fleet = Fleet(world, tmp_path, 1)
    fleet.doors["r-0"].bad_from = 2
    one = fleet.start(fleet.add(made.signed(2)))
    fleet.until_over(one)
    alerting = Alerting(world.engine, fleet_rules.load(Path()))

    def alerts() -> list[str]:
        world.now_ms += 10_000
        alerting.step(world.now_ms)
        with reading(world.engine) as connection:
            return [alert.rule for alert in fleet_alerts.open_alerts(connection, world.institution_id)]

    assert "rollout" in alerts() and "rollout" in alerts()
    assert [row.rule for row in world.all(fleet_alert)].count("rollout") == 1
    fleet.act(rollouts.end, one)
    assert "rollout" not in alerts()


@pytest.mark.parametrize("said", ["\ud800", "\0"])
def test_a_report_that_no_database_can_hold_keeps_nobodys_swipes_out(world, tmp_path, said):
    fleet = Fleet(world, tmp_path, 1)
    one = fleet.start(fleet.add(made.signed(2)), percents=(100,), soak_min=0)
    fleet.look()
    door = fleet.doors["r-0"]
    door.there = False
    fleet.up(door.head())
    lie = {"v": 1, "update": {"refused_tag": fleet.offers[0]["tag"], "refused": said}}
    fleet.up(wrap(json.dumps(lie), reader="r-0", kind="health"), door.head())
    # What the judge did not take moved nothing either.
    assert fleet.takers(one)["r-0"].code in (None, "update-refused")


def test_a_report_that_the_judge_refused_moves_nothing(world, tmp_path):
    fleet = Fleet(world, tmp_path, 1)
    one = fleet.start(fleet.add(made.signed(2)), percents=(100,), soak_min=0)
    fleet.look()
    fleet.doors["r-0"].there = False
    lie = {"v": 1, "update": {"failed": 2}, "more": "x" * 5000}
    fleet.up(wrap(json.dumps(lie), reader="r-0", kind="health"))
    assert fleet.takers(one)["r-0"].state == policy.ASKED
