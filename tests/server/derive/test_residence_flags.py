"""What is flagged of check-ins as they are judged (DDU-12): every oddity of one is said, and by the profile's own numbers."""

from dataclasses import replace

import pytest

from server.policy.profile import Profiles
from server.store.schema_residence import residence_flag
from tests.rules import rule
from tests.server.residence_world import CLOSES, HOUR, MIN, OPENS, UIDS, WARDEN_UID, Residence


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
    hall.check_in(UIDS[0], OPENS + MIN, method="witness", witness=WARDEN_UID, place="none")
    hall.deliver(*hall.board.lines)
    assert [(day is not None, counts, why) for _, day, counts, why in hall.read()] == [(True, True, "no-fix")]
    assert flags(hall) == [("no-fix", None), ("witness-only", person)]
    hall.judge()
    assert [row.count for row in hall.w.all(residence_flag)] == [1, 1]


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
