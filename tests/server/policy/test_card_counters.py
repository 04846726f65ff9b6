"""What a swipe proves of its card: by the card's own count and the time of the swipes, never by their arrival (PORT-9)."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.policy.card_counters import (
    ENCRYPTED,
    FORGED,
    NUMBER,
    OLDER,
    REPEATED,
    SIGNED,
    UNKNOWN_KEY,
    UNSIGNED,
    Said,
    judge,
)

pytestmark = pytest.mark.rule("PORT-9")


def said(swipe_id, at, counter, *, unsure=0, genuine=True):
    return Said(
        swipe_id=swipe_id,
        lo_ms=at - unsure,
        hi_ms=at + unsure,
        message=True,
        counter=counter,
        genuine=genuine,
        signs=True,
    )


def test_counts_that_rise_with_time_are_sound_in_whatever_order_they_arrived():
    swipes = [said(1, 100, 5), said(2, 200, 6), said(3, 300, 9)]
    for order in itertools.permutations(swipes):
        assert judge(order) == {1: SIGNED, 2: SIGNED, 3: SIGNED}


def test_a_message_that_is_played_again_is_a_doubt_and_the_first_is_none():
    assert judge([said(1, 100, 5), said(2, 900, 5)]) == {1: SIGNED, 2: REPEATED}
    # The copy came in first, from a door with a link; the card's own tap a day later, from one that was offline.
    assert judge([said(2, 900, 5), said(1, 100, 5)]) == {1: SIGNED, 2: REPEATED}


def test_where_nobody_knows_which_was_first_both_are_a_doubt():
    assert judge([said(1, 100, 5, unsure=500), said(2, 200, 5)]) == {1: REPEATED, 2: REPEATED}


def test_a_message_that_was_kept_back_is_older_than_one_that_the_card_had_said():
    assert judge([said(1, 100, 6), said(2, 900, 5), said(3, 950, 7)]) == {1: SIGNED, 2: OLDER, 3: SIGNED}


def test_an_order_that_the_clocks_cannot_tell_is_no_doubt():
    assert judge([said(1, 100, 6, unsure=400), said(2, 300, 5, unsure=400)]) == {1: SIGNED, 2: SIGNED}
    lost = Said(swipe_id=2, lo_ms=None, hi_ms=None, message=True, counter=5, genuine=True, signs=True)
    assert judge([said(1, 100, 6), lost]) == {1: SIGNED, 2: SIGNED}


def test_a_forged_message_says_nothing_of_the_others():
    assert judge([said(1, 100, 900, genuine=False), said(2, 200, 5)]) == {1: FORGED, 2: SIGNED}


def test_what_comes_without_a_message_or_with_one_nobody_can_check_is_told_as_that():
    assert judge(
        [
            Said(swipe_id=1, lo_ms=1, hi_ms=1, message=False),
            Said(swipe_id=2, lo_ms=1, hi_ms=1, message=False, signs=True),
            Said(swipe_id=3, lo_ms=1, hi_ms=1, message=True, counter=7),
            Said(swipe_id=4, lo_ms=1, hi_ms=1, message=True),
        ]
    ) == {1: NUMBER, 2: UNSIGNED, 3: UNKNOWN_KEY, 4: ENCRYPTED}


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=12, unique=True), st.randoms())
def test_an_honest_card_is_never_doubted_and_a_replay_always_is(times, rng):
    honest = [said(n, at, 3 + 2 * n) for n, at in enumerate(sorted(times))]
    rng.shuffle(honest)
    assert set(judge(honest).values()) == {SIGNED}
    one = rng.choice(honest)
    copy = said(99, 20_000, one.counter)
    found = judge([*honest, copy])
    assert found.pop(99) == REPEATED
    assert set(found.values()) == {SIGNED}
