"""The residence's people and evenings: by seed, with somebody of each kind, and a truth that holds together."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.campus import invent
from simulator.residence_faults import faults_of, fitted
from simulator.residence_people import found
from simulator.residence_plan import CLOSES_MIN, OPENS_MIN, plan
from tests.rules import rule


def residence(seed=7, residents=200, kiosks=3):
    campus = invent(seed=seed, rooms=1, students=residents, now_ms=1_790_000_000_000)
    return found(campus, seed=seed, residents=residents, kiosks=kiosks)


def test_two_hundred_live_in_two_houses_with_three_kiosks_and_no_card_is_two_peoples():
    made = residence()
    assert [len(one.kiosks) for one in made.houses] == [2, 1]
    assert len(made.residents) == 200 and len(made.staff) == 4
    cards = [one.uid for one in made.residents.values()] + [one.uid for one in made.staff.values()]
    assert len(set(cards)) == len(cards)
    for one in made.residents.values():
        assert one.kiosk in made.house(one.house).kiosks
    assert max(Counter(one.kiosk for one in made.residents.values()).values()) <= 67


@rule("DDU-12")
def test_the_alternative_is_chosen_by_some_and_everybody_of_them_has_a_pin():
    made = residence()
    ways = Counter(one.way for one in made.residents.values())
    assert 15 <= ways["pin"] <= 35
    assert all(one.pin for one in made.residents.values() if one.way == "pin")
    assert any(not one.pin for one in made.residents.values() if one.way == "finger")


@given(st.integers(0, 10_000), st.integers(12, 60), st.integers(1, 4))
def test_whoever_is_not_away_comes_or_is_missing_and_nobody_is_both(seed, residents, kiosks):
    made = residence(seed, residents, kiosks)
    evening = plan(made, seed=seed)
    away = {one.id for one in made.away()}
    coming = evening.coming()
    assert away and evening.missing
    assert coming | evening.missing | away == set(made.residents)
    assert not coming & evening.missing and not coming & away and not evening.missing & away
    assert Counter(v.resident for q in evening.visits.values() for v in q if v.why == "due").most_common(1)[0][1] == 1


@rule("DDU-13")
@given(st.integers(0, 10_000))
def test_everybody_comes_between_six_and_ten_in_order_and_to_a_kiosk_that_knows_them(seed):
    made = residence(seed, 40, 2)
    evening = plan(made, seed=seed)
    assert set(evening.visits) == set(made.kiosks)
    for kiosk, queue in evening.visits.items():
        assert [one.at_min for one in queue] == sorted(one.at_min for one in queue)
        for one in queue:
            assert OPENS_MIN <= one.at_min <= CLOSES_MIN
            person = made.residents[one.resident]
            assert kiosk == person.kiosk or (kiosk in person.fingers_at and one.why == "again")


@rule("DDU-12")
@given(st.integers(0, 10_000), st.integers(12, 60), st.integers(1, 4))
def test_two_people_are_enrolled_at_both_kiosks_of_their_house_and_one_of_them_withdraws(seed, residents, kiosks):
    made = residence(seed, residents, kiosks)
    both = [one for one in made.residents.values() if len(one.fingers_at) == 2]
    assert len(both) == (2 if kiosks > 1 else 0)
    assert all(one.fingers_at == (one.kiosk, one.also) and one.also in made.house(one.house).kiosks for one in both)
    (gone,) = [one for one in made.residents.values() if one.withdraws]
    assert gone.way == "finger" and not gone.away
    visits = [v for q in plan(made, seed=seed).visits.values() for v in q]
    assert not [v for v in visits if v.why == "stranger" and gone.id in (v.resident, v.other)]


@given(st.integers(0, 10_000))
def test_a_stranger_has_another_residents_finger_and_a_card_that_opens_by_finger(seed):
    made = residence(seed, 40, 2)
    strangers = [v for q in plan(made, seed=seed).visits.values() for v in q if v.why == "stranger"]
    assert strangers
    for one in strangers:
        assert one.other != one.resident
        assert made.residents[one.resident].way == made.residents[one.other].way == "finger"


def test_a_large_evening_has_every_kind_of_trouble():
    evening = plan(residence(), seed=7)
    visits = [one for queue in evening.visits.values() for one in queue]
    assert {one.finger for one in visits} == {"clean", "dirty", "wet"}
    assert any(one.refused for one in visits) and any(one.wrong_pin for one in visits)
    faults = {fault.kind: fault for fault in faults_of(evening, seed=7)}
    assert set(faults) == {"unplug", "cut", "move"}
    # Only a kiosk with a receiver can know that it was carried off.
    assert faults["move"].kiosk in fitted(tuple(evening.visits)) != tuple(evening.visits)


def test_the_same_seed_is_the_same_evening_and_another_is_not():
    made = residence()
    assert plan(made, seed=3) == plan(made, seed=3)
    assert plan(made, seed=3) != plan(made, seed=4)


@pytest.mark.parametrize(("residents", "kiosks"), [(13, 2), (12, 0), (12, 17), (3, 4)])
def test_what_cannot_be_is_refused(residents, kiosks):
    campus = invent(seed=7, rooms=1, students=12, now_ms=1_790_000_000_000)
    with pytest.raises(ValueError, match="as many students as residents"):
        found(campus, seed=7, residents=residents, kiosks=kiosks)
