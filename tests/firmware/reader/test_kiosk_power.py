"""The power goes at each write of an enrolment and of an erasure: sensor, ledger and records never disagree after the start.

The ledger is the real one on SQLite, the slots are the emulated sensor's own memory in a file. Nothing is kept in memory
over a cut: the next start has the files only.
"""

import pytest

from firmware.contract.residents import ENROL, NO_PIN, RESIDENT, Entry
from firmware.reader.slots import Slots
from simulator.r30x_flash import SLOT_BYTES, PowerCut
from tests.firmware.reader.kiosk_world import ADA, CAT, GREEN, PowerOut, World, text, token
from tests.rules import rule

#: A step that is none of ours would end the search too early, or never.
STEPS_MOST = 60


def enrol_cat(world):
    world.give(world.everybody(ada_slot=3, cat_enrol=True))
    world.enrol(CAT)


def withdraw_ada(world):
    world.give(world.everybody())


def use_slot_again(world):
    """Ada's slot is given to Cat: erased, then enrolled anew."""
    everybody = [e for e in world.everybody() if e.token != token(CAT)]
    world.give([*everybody, Entry(token(CAT), 3, 12, RESIDENT | ENROL, NO_PIN)])
    world.enrol(CAT)


def started(folder, mark_first=False):
    world = World(folder)
    world.flash._mark_first = mark_first
    return world.start()


def again(world):
    """The power is back: the same files, and nothing else."""
    world.power_off()
    world.flash.cut_after = None
    world.boot()
    world.set_clock()
    world.find_sensor()
    world.pass_ms(12_000)


@rule("DDU-12")
@pytest.mark.parametrize("after", [False, True], ids=["before-the-write", "after-the-write"])
@pytest.mark.parametrize("act", [enrol_cat, withdraw_ada, use_slot_again])
def test_a_cut_at_each_step_leaves_slot_ledger_and_records_in_agreement(tmp_path, act, after):
    for step in range(STEPS_MOST):
        folder = tmp_path / f"{step}"
        folder.mkdir()
        world = started(folder)
        assert world.disagreement() is None
        world.steps.cut_at, world.steps.after = world.steps.count + step, after
        try:
            act(world)
        except PowerOut:
            again(world)
            assert world.disagreement() is None, f"cut at step {step}"
            assert "sensor-other" not in world.events(), "it was taken for another sensor"
            world.power_off()
            continue
        world.pass_ms(12_000)
        assert world.disagreement() is None
        assert step >= 3, "it was cut nowhere"
        return
    raise AssertionError("it never came to an end")


@pytest.mark.parametrize("mark_first", [False, True])
@pytest.mark.parametrize(
    "at", [0, 1, 2, SLOT_BYTES // 2, SLOT_BYTES, SLOT_BYTES + 1, SLOT_BYTES + 300, 2 * SLOT_BYTES - 1]
)
def test_a_cut_inside_the_sensors_own_write_leaves_no_template_that_nobody_accounts_for(tmp_path, at, mark_first):
    world = started(tmp_path, mark_first)
    world.give(world.everybody(ada_slot=3, cat_enrol=True))
    world.flash.cut_after = at
    with pytest.raises(PowerCut):
        world.enrol(CAT)
    again(world)
    assert world.disagreement() is None
    assert world.events()[-1] == "enrol-failed"
    assert (set(world.flash.held()), world.flash.load(7)) == ({3}, None)


def test_an_enrolment_whose_record_is_not_kept_yet_follows_when_there_is_room(tmp_path):
    world = started(tmp_path)
    world.give(world.everybody(ada_slot=3, cat_enrol=True))
    world.store.receipts = False
    world.card(b"\x04sam...")
    world.card(CAT)
    world.medium.capacity = world.medium.waiting()
    world.obey(CAT)
    assert (world.shows, world.lamp == GREEN) == ("not-recorded", False)
    world.medium.capacity = 100_000
    world.reader.journal.room_again()
    world.pass_ms(3000)
    assert world.events()[-1] == "enrolled"
    assert world.disagreement() is None


@rule("DDU-12")
def test_who_withdraws_is_erased_at_the_next_contact_and_that_is_told(tmp_path):
    world = started(tmp_path)
    world.lose_sensor()
    world.give(world.everybody())
    world.card(ADA)
    assert (world.shows, world.flash.held()) == ("pin", [3])
    world.find_sensor()
    assert world.flash.held() == []
    said = world.records("kiosk")[-1]
    assert (said["event"], said["slot"], said["generation"], said["subject"]) == ("erased", 3, 1, text(ADA))
    assert world.disagreement() is None


def test_an_older_list_after_a_start_undoes_no_enrolment(tmp_path):
    world = started(tmp_path)
    enrol_cat(world)
    # The shelf lost all lists but one from before the enrolment.
    del world.medium.rosters[1:]
    again(world)
    assert world.flash.held() == [3, 7]
    assert world.disagreement() is None


@rule("DDU-12")
def test_another_sensor_in_its_place_is_seen_told_and_nothing_on_it_is_matched(tmp_path):
    world = started(tmp_path)
    world.lose_sensor()
    world.flash.wipe()
    for slot in (3, 5):
        world.flash.store(slot, b"\x03\x03".ljust(512, b"\0"))
    orders = []
    serve, world.serve = world.serve, lambda: None
    world.there = True
    world.kiosk.sensor_found({3, 5}, world.ms)
    orders += world.kiosk.actions()
    world.card(ADA)
    assert (world.shows, world.verifying) == ("pin", None)
    world.serve = serve
    assert "sensor-other" in world.events()
    for action in orders:
        world._carry_out(action)
    world.serve()
    world.pass_ms(10_000)
    assert world.flash.held() == []
    told = [(s["event"], s["slot"], s["generation"], s["detail"]) for s in world.records("kiosk")[-3:]]
    assert told[0][0] == "sensor-other"
    assert sorted(told[1:], key=str) == [("erased", 3, 1, "sensor-other"), ("erased", 5, None, "sensor-other")]
    assert world.disagreement() is None


def test_a_wiped_sensor_is_told_and_everybody_enrols_anew(tmp_path):
    world = started(tmp_path)
    world.lose_sensor()
    world.flash.wipe()
    world.find_sensor()
    assert world.events()[-2:] == ["sensor-wiped", "erased"]
    assert world.disagreement() is None
    world.card(ADA)
    assert world.shows == "pin"


def test_a_sensor_emptied_while_it_runs_is_seen_at_the_next_finger(tmp_path):
    world = started(tmp_path)
    world.flash.wipe()
    world.card(ADA)
    world.finger("no-template")
    assert world.shows == "pin"
    assert world.events()[-2:] == ["sensor-wiped", "erased"]
    assert world.disagreement() is None


def test_a_lost_ledger_leaves_no_template_that_nobody_accounts_for(tmp_path):
    world = started(tmp_path)
    world.power_off()
    (tmp_path / "kiosk.db").write_bytes(b"no database at all, but a text that is longer than a page's header" * 99)
    for tail in ("-wal", "-shm"):
        (tmp_path / f"kiosk.db{tail}").unlink(missing_ok=True)
    world.boot()
    assert world.ledger.alarms == ["kiosk-ledger-damaged"]
    world.set_clock()
    world.find_sensor()
    assert world.flash.held() == []
    assert {"sensor-other", "erased"} <= set(world.events())


class Forgetful(Slots):
    """A saboteur: it does not write down what it is about to do."""

    def intend(self, entry, subject, by):
        return True


class Hasty(Slots):
    """A saboteur: it takes a slot for erased once it has asked for that."""

    def _erase(self, now_ms):
        Slots._erase(self, now_ms)
        if self._erasing is not None:
            self._ledger.drop(self._erasing)


@pytest.mark.parametrize("saboteur, act", [(Forgetful, enrol_cat), (Hasty, withdraw_ada)])
def test_the_saboteurs_of_that_order_are_found(tmp_path, saboteur, act):
    found = []
    for step in range(12):
        folder = tmp_path / f"{step}"
        folder.mkdir()
        world = started(folder)
        world.kiosk.slots.__class__ = saboteur
        world.steps.cut_at, world.steps.after = world.steps.count + step, True
        try:
            act(world)
        except PowerOut:
            world.kiosk.slots.__class__ = Slots
            again(world)
            told = [s for s in world.records("kiosk") if s["event"] in ("enrol-failed", "erased", "sensor-other")]
            found.append(world.disagreement() or [s["event"] for s in told])
        else:
            found.append(world.disagreement())
        world.power_off()
    assert any("sensor-other" in str(one) for one in found), found
