"""Whoever has moved to another house is in the care of its staff, and of nobody else but in the old house's own evenings."""

from datetime import timedelta

import pytest

from server.errors import NotFound
from server.store import (
    residence_acts,
    residence_admin,
    residence_leaves,
    residence_pins,
    residence_reports,
    residence_templates,
)
from tests.rules import rule
from tests.server.residence_world import DAY, HOUR, OPENS, Residence

NEXT = DAY + timedelta(days=1)


@pytest.fixture
def hall(world):
    """The first resident moves to South House the day after the evening; leave of theirs waits."""
    made = Residence(world)
    world.now_ms = OPENS + 2 * HOUR
    made.south, _ = made.other_house()
    made.new_warden = made.account("residence", scope="residence", scope_id=made.south)
    made.person = world.students[0]
    made.leave = made.do(residence_leaves.ask, made.warden, made.person, NEXT, NEXT, "my father is ill", world.now_ms)
    world.now_ms = OPENS + 20 * HOUR
    made.do(residence_admin.add_resident, made.admin, made.south, made.person, world.now_ms, world.now_ms)
    world.now_ms += HOUR
    return made


@rule("DDU-12")
def test_staff_of_the_old_house_neither_read_nor_change_what_is_beside_their_evenings(hall):
    w, old, new = hall.w, hall.warden, hall.new_warden
    person, now_ms = hall.person, hall.w.now_ms
    for look in (residence_leaves.of_person, residence_templates.consents, residence_templates.of_person,
                 residence_pins.of_person):  # fmt: skip
        with pytest.raises(NotFound):
            hall.look(look, old, person, now_ms)
        hall.look(look, new, person, now_ms)
        hall.look(look, hall.account("student", person), person, now_ms)
    assert hall.look(residence_leaves.waiting, old, now_ms) == []
    for change in (
        lambda: hall.do(residence_leaves.decide, old, hall.leave, True, "", now_ms),
        lambda: hall.do(residence_leaves.withdraw, old, hall.leave, now_ms),
        lambda: hall.do(residence_leaves.ask, old, person, NEXT, NEXT, "", now_ms),
        lambda: hall.do(residence_pins.set_pin, old, w.vault, person, "4729", now_ms),
        lambda: hall.do(residence_pins.end, old, person, now_ms),
        lambda: hall.do(residence_templates.withdraw, old, person, now_ms),
        lambda: hall.do(residence_templates.arm, old, person, hall.reader_id, "2026-11-22", now_ms),
        lambda: hall.do(residence_acts.act, old, w.profiles, person, NEXT, "entry", "injury", "", now_ms),
    ):
        with pytest.raises(NotFound):
            change()
    assert [one.id for one in hall.look(residence_leaves.waiting, new, now_ms)] == [hall.leave]
    hall.do(residence_leaves.decide, new, hall.leave, True, "", now_ms)
    hall.do(residence_pins.set_pin, new, w.vault, person, "4729", now_ms)


@rule("DDU-12", "DDU-14")
def test_each_house_reads_its_own_evenings_and_the_registry_all(hall):
    def days(scope):
        given = hall.w.profiles, hall.person, DAY, NEXT, hall.w.now_ms
        return [one.day for one in hall.look(residence_reports.history, scope, *given)]

    assert days(hall.warden) == [DAY] and days(hall.new_warden) == [NEXT]
    assert days(hall.account("registry")) == [DAY, NEXT]
    # What was is put right by those who were there.
    hall.do(residence_acts.act, hall.warden, hall.w.profiles, hall.person, DAY, "entry", "injury", "", hall.w.now_ms)
    assert hall.look(residence_leaves.of_person, hall.account("registry"), hall.person, hall.w.now_ms)
