"""Every outcome of a swipe against the class lists held."""

import pytest

from firmware.contract import roster, statement
from gateway import judge

HOUR = 3_600_000
ANNA, BEN, STRANGER = b"annaanna", b"benbenbe", b"stranger"


@pytest.fixture
def judging(lines):
    made = judge.Judge()
    at = lines.now_ms
    sessions = [
        (lines.window(1, at, at + HOUR), [ANNA]),
        (lines.window(2, at + 2 * HOUR, at + 3 * HOUR), [ANNA, BEN]),
    ]
    made.hold("main", roster.decode(lines.roster(sessions=sessions)))

    def outcome(token, after_ms=0, seq=0, reader="a-101", **more):
        line = lines.swipe(reader, seq, token=token, **{"wall_ms": at + after_ms, **more})
        return made.judged(f"main/{reader}/9f8e7d6c5b4a3210", statement.read(line))

    return outcome


def test_a_card_on_the_list_of_the_open_session_matches(judging):
    assert judging(ANNA) == judge.MATCHED


def test_the_same_card_within_two_minutes_is_repeated_and_so_is_one_recorded_already(judging):
    assert judging(ANNA) == judge.MATCHED
    assert judging(ANNA, 60_000, seq=1) == judge.REPEATED
    assert judging(ANNA, 20 * 60_000, seq=2) == judge.REPEATED


@pytest.mark.parametrize(("boot_ms", "outcome"), [(119_999, judge.REPEATED), (120_000, judge.NO_SESSION)])
def test_a_repeat_is_told_by_the_readers_own_clock_where_one_boot_measured_both(judging, boot_ms, outcome):
    assert judging(BEN, 3 * HOUR, boot_ms=0) == judge.MATCHED
    # By its time of day it is twenty minutes later, after the end.
    assert judging(BEN, 3 * HOUR + 20 * 60_000, seq=1, boot_ms=boot_ms) == outcome


def test_a_card_of_another_class_is_not_listed(judging):
    assert judging(BEN) == judge.NOT_LISTED


def test_a_card_on_no_list_is_unknown(judging):
    assert judging(STRANGER) == judge.UNKNOWN_CARD


def test_a_known_card_while_no_window_is_open_has_no_session(judging):
    assert judging(BEN, HOUR + 20 * 60_000) == judge.NO_SESSION


def test_a_swipe_one_second_after_the_window_has_no_session(judging):
    assert judging(ANNA, HOUR + 15 * 60_000, seq=0) == judge.MATCHED
    assert judging(BEN, HOUR + 15 * 60_000 + 1000, seq=1) == judge.NO_SESSION


def test_a_swipe_without_a_time_or_across_a_windows_edge_has_an_unsure_clock(judging):
    assert judging(ANNA, wall_ms=None) == judge.CLOCK_UNSURE
    assert judging(ANNA, HOUR + 15 * 60_000, seq=1, around_ms=5000) == judge.CLOCK_UNSURE
    assert judging(BEN, HOUR + 15 * 60_000, seq=2, around_ms=5000) == judge.CLOCK_UNSURE


def test_a_swipe_offered_again_is_not_judged_again(judging):
    assert judging(ANNA, seq=5) == judge.MATCHED
    assert judging(ANNA, seq=5) is None


def test_a_door_without_a_roster_is_not_judged(judging):
    assert judging(ANNA, reader="b-202") is None


def test_either_token_of_a_rotation_matches(lines):
    at = lines.now_ms
    held = roster.decode(lines.roster(sessions=[(lines.window(1, at, at + HOUR), [BEN])]))
    both = [statement.Token(1, STRANGER), statement.Token(2, BEN)]
    swipe = statement.read(lines.swipe())
    swipe.values["evidence"] = statement.evidence_of(both)
    found = judge.judge(held, swipe, {BEN}, {}, None)
    assert (found.outcome, found.session, found.token, found.credits) == (judge.MATCHED, 1, BEN, True)
