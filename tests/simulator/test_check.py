"""The demo's check must catch what it exists for: each case below is a store that broke the promise in one way."""

import pytest

from simulator.check import Outcome, Row, compare, delays, quantiles
from simulator.people import Tap
from simulator.world import Seen

AT = 1_790_000_000_000.0


def seen(student="s1", light="green", at=AT, session="A", reader="r101"):
    tap = Tap(room="R101", student=student, uid=b"\x04123456", why="due", session=session)
    return Seen(tap=tap, reader=reader, at_ms=at, light=light, light_ms=12.0 if light else None)


def row(person="s1", seq=1, at=AT + 20, session="A", credits=True, shown="green", reader="r101", journal="j1"):
    return Row(
        reader=reader, journal=journal, seq=seq, person=person, session=session, credits=credits, shown=shown,
        at_ms=at, stored_ms=at + 100,
    )  # fmt: skip


def test_a_store_that_has_every_green_once_and_credits_it_is_right():
    assert compare([seen()], [row()]) == Outcome(stored=1, lost=0, duplicated=0, credited=1, miscredited=0, wrong=())


def test_a_green_without_a_swipe_in_the_store_is_lost():
    assert compare([seen()], []).lost == 1


def test_a_green_is_lost_even_where_another_tap_of_the_same_card_was_kept_that_nobody_saw():
    unseen = seen(light="", at=AT)
    later = seen(at=AT + 10_000)
    assert compare([unseen, later], [row(at=AT + 20)]).lost == 1


def test_two_greens_need_two_swipes():
    assert compare([seen(), seen(at=AT + 900)], [row()]).lost == 1


def test_a_swipe_shown_red_does_not_stand_for_a_green():
    assert compare([seen()], [row(shown="red")]).lost == 1


def test_the_same_identity_twice_is_a_duplicate():
    assert compare([seen(), seen(at=AT + 500)], [row(), row()]).duplicated == 1


def test_more_swipes_than_cards_held_there_are_duplicates():
    assert compare([seen()], [row(), row(seq=2, credits=False)]).duplicated == 1


def test_a_tap_that_was_recorded_and_whose_light_was_not_seen_is_no_duplicate():
    taps = [seen(light=""), seen(at=AT + 900)]
    assert compare(taps, [row(), row(seq=2, at=AT + 920, credits=False)]).duplicated == 0


def test_a_green_that_credits_nothing_is_miscredited():
    assert compare([seen()], [row(credits=False)]).miscredited == 1


def test_a_credit_for_another_session_counts_on_both_sides():
    assert compare([seen()], [row(session="B")]).miscredited == 2


def test_a_credit_for_somebody_in_the_wrong_room_is_miscredited():
    assert compare([seen(light="red", session="")], [row(shown="red")]).miscredited == 1


def test_one_session_credited_twice_is_miscredited():
    taps = [seen(), seen(at=AT + 500)]
    assert compare(taps, [row(), row(seq=2, at=AT + 520)]).miscredited == 1


def test_the_delay_is_from_the_card_to_the_commit():
    assert delays([seen()], [row()]) == [120.0]


@pytest.mark.parametrize(
    ("values", "p50", "p99"), [([], None, None), ([5.0], 5.0, 5.0), (list(range(1, 101)), 51, 100)]
)
def test_quantiles_of_nothing_are_none_and_else_some_of_the_values(values, p50, p99):
    assert quantiles(values) == {"p50": p50, "p99": p99}
