"""The soak's judge: it must find each way in which the promise can be broken, and nothing where it is kept."""

from dataclasses import replace

from tests.soak.door import Hold
from tests.soak.oracle import Row, Seen, judge, token
from tests.soak.plan import Visit
from tests.soak.play import Outcome
from tests.soak.stage import Script

KEY = "11" * 32
ADA = Visit(student="s1", uid=b"\x04\x01\x02\x03\x04\x05\x06", session="c1@campus")
LOST = Visit(student="", uid=b"\x04\x01\x02\x03\x04\x05\x07", session="")


def seen(visit=ADA, light="green", at_ms=100_000.0):
    return Seen(
        reader="r101",
        visit=visit,
        hold=Hold(in_ms=at_ms, lit_ms=at_ms + 40 if light else None, out_ms=at_ms + 100, light=light),
    )


def row(visit=ADA, light="green", at_ms=100_020, seq=1, credits=True):
    return Row(
        reader="r101", journal="aa" * 8, seq=seq, token=token(KEY, visit.uid), light=light, at_ms=at_ms,
        uncertainty_ms=5, person=visit.student, session=visit.session, credits=credits,
    )  # fmt: skip


def test_a_green_that_is_one_swipe_of_the_right_person_is_well():
    verdict = judge([seen()], [row()], KEY)
    assert verdict.ok
    assert (verdict.greens, verdict.stored, verdict.credited) == (1, 1, 1)


def test_a_green_without_a_swipe_is_lost_even_beside_a_swipe_of_another_hold():
    assert judge([seen()], [], KEY).lost == 1
    assert judge([seen(), seen(at_ms=300_000.0)], [row()], KEY).lost == 1


def test_a_blue_double_flash_without_a_swipe_is_lost_and_a_red_is_not():
    assert judge([seen(light="blue")], [], KEY).lost_blue == 1
    refused = judge([seen(light="red")], [], KEY)
    assert refused.refused == 1
    assert refused.ok


def test_a_swipe_for_which_nobody_held_a_card_is_doubled():
    verdict = judge([seen()], [row(), row(seq=2, at_ms=100_060, credits=False)], KEY)
    assert verdict.doubled == 1
    assert not verdict.ok


def test_one_identity_that_stands_twice_is_doubled():
    holds = [seen(), seen(at_ms=300_000.0)]
    assert judge(holds, [row(), row(at_ms=300_020, credits=False)], KEY).doubled == 1


def test_a_hold_without_a_light_may_be_a_swipe_but_only_one():
    assert judge([seen(light="")], [], KEY).ok
    assert judge([seen(light="")], [row()], KEY).ok
    assert judge([seen(light="")], [row(), row(seq=2, credits=False)], KEY).doubled == 1


def test_a_swipe_at_a_time_when_the_card_was_not_there_is_misplaced():
    verdict = judge([seen()], [row(at_ms=110_000)], KEY)
    assert (verdict.misplaced, verdict.lost, verdict.doubled) == (1, 0, 0)
    assert not verdict.ok


def test_a_swipe_that_shows_another_light_than_was_seen_is_not_that_hold():
    verdict = judge([seen()], [row(light="red", credits=False)], KEY)
    assert verdict.lost == 1
    assert verdict.doubled == 1


def test_another_person_or_another_session_is_miscredited():
    assert judge([seen()], [replace(row(), person="s2")], KEY).miscredited > 0
    assert judge([seen()], [replace(row(), session="c2@campus")], KEY).miscredited > 0
    assert judge([seen(LOST, "red")], [replace(row(LOST, "red"), person="s1")], KEY).miscredited > 0


def test_a_credit_that_is_missing_or_there_twice_is_miscredited():
    assert judge([seen()], [row(credits=False)], KEY).miscredited == 1
    twice = judge([seen(), seen(at_ms=300_000.0)], [row(), row(seq=2, at_ms=300_020)], KEY)
    assert twice.miscredited == 1


def test_a_swipe_without_a_time_fits_any_hold_of_its_card_and_light():
    verdict = judge([seen(light="blue")], [replace(row(light="blue"), at_ms=None, session="", credits=False)], KEY)
    assert verdict.ok
    assert verdict.unplaced == 1


def came_to(drained_s, others):
    script = Script(
        database="sqlite", readers=1, students=1, swipes_per_s=1.0, seconds=1.0, seed=7, caged=False, root=False
    )
    return Outcome(
        script=script, verdict=judge([seen()], [row()], KEY), holds=1, lights={"green": 1}, faults={}, fell=0,
        played_s=1.0, cores={}, broken=(), drained_s=drained_s, others=others,
    )  # fmt: skip


def test_how_long_the_rest_took_is_judged_unless_others_keep_the_machine_busy():
    assert came_to(60.0, 0.0).ok
    assert not came_to(60.5, 0.0).ok
    assert came_to(60.5, 0.4).ok
    assert not came_to(None, 0.4).ok


def test_what_was_only_late_is_told_from_what_was_lost():
    assert came_to(60.5, 0.0).only_late
    assert not came_to(59.0, 0.0).only_late
    assert not came_to(None, 0.0).only_late
    assert not replace(came_to(60.5, 0.0), broken=("r101",)).only_late
