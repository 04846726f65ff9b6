"""What may be misuse of cards, and what is not (PORT-9): every case by the rule's own numbers."""

from dataclasses import replace
from itertools import count
from zoneinfo import ZoneInfo

import pytest

from server.errors import BadSetting
from server.policy import misuse, misuse_rule, profile
from server.policy.misuse import Tap
from server.policy.parameters import Table
from tests.rules import rule as requirement

pytestmark = requirement("PORT-9")
ZONE = ZoneInfo("Europe/London")


def _ports() -> misuse_rule.MisuseRule:
    rule = profile.read_all()["port"].misuse
    assert rule is not None
    return rule


RULE = _ports()
S, MIN, DAY = 1000, 60_000, 86_400_000
NINE = 1_790_000_000_000 // 3_600_000 * 3_600_000
_numbers = count(1)


def tap(at_ms, reader=1, *, person=1, site=1, room=None, unsure_ms=0, check_in=False):
    return Tap(
        record=next(_numbers),
        person_id=person,
        reader_id=reader,
        site_id=site,
        room_id=reader if room is None else room,
        at_ms=at_ms,
        unsure_ms=unsure_ms,
        check_in=check_in,
    )


def kinds(*taps):
    return [(one.kind, one.count) for one in misuse.two_places(lambda _at: RULE, taps, ZONE)]


def test_two_sites_within_ten_minutes_are_too_far_and_a_second_more_is_not():
    assert kinds(tap(NINE), tap(NINE + 10 * MIN, 2, site=2)) == [("two-doors", 1)]
    assert kinds(tap(NINE), tap(NINE + 10 * MIN + 1, 2, site=2)) == []


def test_two_rooms_of_one_site_within_three_seconds_are_too_far_and_the_next_door_is_not():
    assert kinds(tap(NINE), tap(NINE + 3 * S, 2)) == [("two-doors", 1)]
    assert kinds(tap(NINE), tap(NINE + 3 * S + 1, 2)) == []


def test_two_doors_of_one_room_and_one_door_twice_are_no_misuse():
    assert kinds(tap(NINE, 1, room=5), tap(NINE + S, 2, room=5), tap(NINE + 2 * S, 2, room=5)) == []


def test_an_unsure_clock_accuses_nobody():
    assert kinds(tap(NINE), tap(NINE + 9 * MIN, 2, site=2, unsure_ms=MIN + 1)) == []
    assert kinds(tap(NINE, unsure_ms=30 * S), tap(NINE + 9 * MIN, 2, site=2, unsure_ms=30 * S)) == [("two-doors", 1)]


def test_two_persons_at_two_doors_are_two_persons():
    assert kinds(tap(NINE, person=1), tap(NINE, 2, person=2, site=2)) == []


def test_one_day_is_one_flag_however_often_and_the_next_day_is_another():
    taps = [tap(NINE + n * DAY + k * 3_600_000, door, site=door) for n in (0, 1) for k in (0, 1) for door in (1, 2)]
    found = misuse.two_places(lambda _at: RULE, taps, ZONE)
    assert [(one.subject, one.count, len(one.taps)) for one in found] == [
        ("person:1:2026-09-21", 2, 4),
        ("person:1:2026-09-22", 2, 4),
    ]


def test_a_door_and_a_kiosk_of_one_site_at_once_are_told_and_of_two_sites_the_residence_tells():
    kiosk = tap(NINE, 9, check_in=True)
    assert kinds(kiosk, tap(NINE + 2 * S, 1)) == [("elsewhere", 1)]
    assert kinds(kiosk, tap(NINE + 2 * S, 1, site=2)) == []
    assert kinds(kiosk, tap(NINE + 2 * S, 8, check_in=True)) == []


def test_the_rule_of_the_taps_day_holds_and_not_todays():
    later = replace(RULE, far_within_min=60)
    taps = [tap(NINE + n * DAY + k * 30 * MIN, door, site=door) for n in (0, 1) for k, door in ((0, 1), (1, 2))]
    found = misuse.two_places(lambda at_ms: later if at_ms >= NINE + DAY else RULE, taps, ZONE)
    assert [one.subject for one in found] == ["person:1:2026-09-22"]


def test_a_lost_card_is_told_from_the_moment_of_the_report_and_not_where_it_may_have_been_before():
    taps = [(tap(NINE, unsure_ms=u), lost_ms) for u, lost_ms in ((0, NINE), (1, NINE), (0, NINE + 1))]
    assert [(one.count, one.taps) for one in misuse.lost(taps, ZONE)] == [(1, (taps[0][0],))]


# --- pairs


def habit(person, times=8, *, days=4, after_s=0, reader=1):
    """Taps of somebody who comes so many times, on so many days."""
    each = -(-times // days)
    return [
        tap(NINE + n // each * DAY + n % each * 3_600_000 + after_s * S, reader, person=person) for n in range(times)
    ]


def test_two_cards_always_together_of_which_one_is_never_seen_otherwise_are_a_pair():
    mine, theirs = habit(7), [*habit(3, after_s=4), tap(NINE + 20 * DAY, person=3)]
    found = misuse.pair(RULE, mine, theirs, ZONE)
    assert (found.kind, found.subject, found.person_id, found.other_person_id) == ("pair", "pair:3:7", 7, 3)
    assert (found.count, found.apart, len(found.taps), found.again) == (8, 1, 16, 8)
    assert misuse.pair(RULE, theirs, mine, ZONE) is None, "the other one is seen without them"


def test_friends_who_come_together_and_were_apart_once_are_no_pair():
    mine, theirs = habit(7), habit(3, after_s=4)
    assert (
        misuse.pair(RULE, [*mine, tap(NINE + 9 * DAY, person=7)], [*theirs, tap(NINE + 8 * DAY, person=3)], ZONE)
        is None
    )


def test_eleven_seconds_between_them_once_are_no_pair():
    mine = habit(7)
    last = mine[-1]
    assert misuse.pair(RULE, mine, habit(3, after_s=10), ZONE) is not None
    slower = [*habit(3, after_s=10)[:-1], tap(last.at_ms + 10_001, person=3)]
    assert misuse.pair(RULE, mine, slower, ZONE) is None


def test_seven_times_or_on_three_days_are_no_habit():
    assert misuse.pair(RULE, habit(7, 7), habit(3, 7), ZONE) is None
    assert misuse.pair(RULE, habit(7, 8, days=3), habit(3, 8, days=3), ZONE) is None


def test_at_two_doors_at_once_they_are_not_together():
    assert misuse.pair(RULE, habit(7), habit(3, reader=2), ZONE) is None


def test_who_taps_twice_was_there_once():
    twice = [tap(one.at_ms + 5 * S, person=7) for one in habit(7)]
    assert misuse.pair(RULE, [*habit(7, 4), *twice[:4]], habit(3, 4), ZONE) is None


def test_of_two_who_are_never_seen_alone_one_case_is_made_from_either_side():
    mine, theirs = habit(7), habit(3, after_s=2)
    one, other = misuse.pair(RULE, mine, theirs, ZONE), misuse.pair(RULE, theirs, mine, ZONE)
    assert one == other and (one.person_id, one.other_person_id, one.apart) == (3, 7, 0)
    assert misuse.together([found for found in (one, other) if found]) == [one]


# --- the rule itself


def test_where_a_profile_says_nothing_the_source_of_the_rule_does():
    profiles = profile.read_all()
    assert profiles["lough"].misuse is None
    assert misuse.rule_of(profiles, "lough", NINE) == RULE == misuse.rule_of(profiles, "unknown", NINE)


@pytest.mark.parametrize(("name", "value"), [("pair_times", 1), ("pair_in", 3), ("pair_in", 61), ("far_within", -1)])
def test_numbers_that_make_no_sense_are_refused(name, value):
    units = {"far_within": "min", "same_within": "s", "pair_within": "s", "pair_times": "times", "pair_on": "days"}
    held = {"far_within": 10, "same_within": 3, "pair_within": 10, "pair_times": 8, "pair_on": 4, "pair_in": 28}
    table = {one: {"value": number, "unit": units.get(one, "days")} for one, number in (held | {name: value}).items()}
    with pytest.raises(BadSetting):
        misuse_rule.read(Table("own.toml", "misuse", table | {"rule": "PORT-9"}, "", []))
