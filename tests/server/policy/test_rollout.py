"""How a release goes out, case by case: what a report moves, what is sent next, when a stage is over, when all stops."""

import pytest

from server.policy import rollout
from server.policy.rollout import (
    AGAIN_MS,
    ASKED,
    CONFIRMED,
    FAILED,
    REFUSED,
    SILENT,
    SILENT_MS,
    TAKING,
    THERE_MS,
    TRIAL,
    TRIAL_MS,
    WAITING,
    Progress,
    Seen,
    Sent,
)

SENT = Sent(tag="aa" * 8, counter=5, head=700, size=700 + 5 * 1024 + 10, firmware="muster-0.5")
SOAK = 600_000
LAST = "taking, and the last of it was sent"
MINE = {"tag": SENT.tag, "counter": 1}


@pytest.mark.parametrize(
    "before, told, says, state, have, code",
    [
        (ASKED, {}, None, ASKED, 0, None),
        (ASKED, {"counter": "x", "have": [], "tag": 7}, None, ASKED, 0, None),
        (ASKED, {"counter": True, "failed": None}, None, ASKED, 0, None),
        (ASKED, MINE | {"have": 700}, None, TAKING, 700, None),
        (ASKED, MINE | {"have": 700 + 1024}, None, TAKING, 700 + 1024, None),
        (ASKED, MINE | {"have": 701}, None, ASKED, 0, None),
        (ASKED, MINE | {"have": 10**9}, None, ASKED, 0, None),
        (ASKED, {"tag": "bb" * 8, "have": 700, "counter": 1}, None, ASKED, 0, None),
        (TAKING, MINE | {"have": SENT.size}, None, TRIAL, SENT.size, None),
        (TAKING, {"tag": None, "counter": 1}, None, ASKED, 0, None),
        (TAKING, {"trial": 5, "counter": 1}, None, TRIAL, 700, None),
        (TAKING, {"trial": 4, "tag": SENT.tag, "have": 700}, None, TAKING, 700, None),
        (ASKED, {"refused_tag": SENT.tag, "refused": "update-unsigned"}, None, REFUSED, 0, "update-unsigned"),
        (ASKED, {"refused_tag": "bb" * 8, "refused": "update-unsigned"}, None, ASKED, 0, None),
        (TRIAL, {"counter": 5}, "muster-0.5", CONFIRMED, 700, None),
        # Its hello, which is MACed, does not say so.
        (TRIAL, {"counter": 5}, "muster-0.4", TRIAL, 700, None),
        (TRIAL, {"counter": 5}, None, TRIAL, 700, None),
        (ASKED, {"counter": 5}, "muster-0.4", TRIAL, 0, None),
        # A late report of the time before moves nothing back.
        (TRIAL, MINE | {"have": 700}, None, TRIAL, 700, None),
        (TRIAL, {"failed": 5, "counter": 1}, "muster-0.5", FAILED, 700, "update-failed"),
        (TRIAL, {"failed": 4, "counter": 1}, None, TRIAL, 700, None),
        (CONFIRMED, {"failed": 5}, None, CONFIRMED, 700, None),
        (WAITING, {"counter": 5}, "muster-0.5", WAITING, 0, None),
    ],
)
def test_what_a_health_report_moves(before, told, says, state, have, code):
    had = 0 if before in (ASKED, WAITING) else 700
    after = rollout.heard(Progress(state=before, have=had, heard_ms=1, sent_ms=1), told, SENT, says, 9_000)
    assert (after.state, after.have, after.code) == (state, have, code)


@pytest.mark.parametrize(
    "have, until", [(0, 700), (700, 700 + 4096), (700 + 4096, SENT.size), (700 + 5 * 1024, SENT.size)]
)
def test_what_is_sent_next(have, until):
    due = rollout.due(Progress(state=TAKING, have=have), SENT, 50_000)
    assert due is not None and (due.have, due.until, due.sent_ms) == (have, until, 50_000)
    assert rollout.due(due, SENT, 50_000 + AGAIN_MS - 1) is None
    assert rollout.due(due, SENT, 50_000 + AGAIN_MS) is not None
    assert rollout.due(due, SENT, 10) is not None, "a clock that was put back holds nothing up"


@pytest.mark.parametrize("state", [WAITING, TRIAL, CONFIRMED, REFUSED, FAILED, SILENT])
def test_nothing_is_sent_to_whoever_takes_nothing(state):
    assert rollout.due(Progress(state=state), SENT, 1) is None


def test_the_next_pieces_go_as_soon_as_all_that_was_sent_is_there():
    sent = Progress(state=TAKING, have=700, until=700 + 4096, heard_ms=1, sent_ms=1)
    half = rollout.heard(sent, MINE | {"have": 700 + 2048}, SENT, None, 2)
    assert rollout.due(half, SENT, 2) is None, "the rest is on its way"
    whole = rollout.heard(half, MINE | {"have": 700 + 4096}, SENT, None, 3)
    assert rollout.due(whole, SENT, 3) is not None


@pytest.mark.parametrize(
    "state, waited_ms, after",
    [
        (ASKED, SILENT_MS, ASKED),
        (ASKED, SILENT_MS + 1, SILENT),
        (TAKING, SILENT_MS + 1, SILENT),
        (LAST, SILENT_MS + 1, TAKING),
        (LAST, TRIAL_MS, TAKING),
        (LAST, TRIAL_MS + 1, FAILED),
        (TRIAL, TRIAL_MS, TRIAL),
        (TRIAL, TRIAL_MS + 1, FAILED),
        (CONFIRMED, 10 * TRIAL_MS, CONFIRMED),
        (WAITING, 10 * TRIAL_MS, WAITING),
    ],
)
def test_whoever_says_nothing_is_left_and_whoever_never_came_back_has_failed(state, waited_ms, after):
    before = Progress(state=TAKING if state == LAST else state, until=SENT.size if state == LAST else 0, heard_ms=1000)
    assert rollout.aged(before, SENT, 1000 + waited_ms).state == after


@pytest.mark.parametrize("told", [{}, {"counter": 1}, {"counter": 9}, {"counter": 5}, {"trial": 5}])
def test_whoever_says_nothing_good_of_what_is_on_trial_is_not_heard_anew_by_it(told):
    before = Progress(state=TRIAL, have=SENT.size, heard_ms=1000)
    assert rollout.heard(before, told, SENT, "muster-0.4", 60_000) == before


@pytest.mark.parametrize("said", ["\ud800", "\0", "a" * 33, "", None, 7, ["x"], "<b>", "update unsigned"])
def test_what_is_no_code_is_not_kept(said):
    told = {"refused_tag": SENT.tag, "refused": said}
    after = rollout.heard(Progress(state=ASKED, heard_ms=1, sent_ms=1), told, SENT, None, 9_000)
    assert (after.state, after.code) == (REFUSED, "update-refused")


@pytest.mark.parametrize(
    "states, over_ms, said",
    [
        ([CONFIRMED] * 100, 0, (False, False)),
        ([CONFIRMED] * 100, SOAK, (True, False)),
        ([CONFIRMED] * 98 + [FAILED] * 2, SOAK, (True, False)),
        ([CONFIRMED] * 97 + [FAILED] * 3, 0, (False, True)),
        ([CONFIRMED] * 97 + [REFUSED] * 3, 0, (False, True)),
        ([FAILED] * 3 + [TAKING] * 97, 0, (False, True)),
        ([FAILED], 0, (False, True)),
        ([SILENT] * 100, 0, (False, True)),
        ([SILENT] * 99 + [CONFIRMED], SOAK, (True, False)),
        ([CONFIRMED] * 99 + [TRIAL], 0, (False, False)),
        ([], SOAK, (True, False)),
    ],
)
def test_what_a_stages_readers_say_decides(states, over_ms, said):
    stage = [Seen(name=f"r-{n}", state=state, well=True, was_well=True) for n, state in enumerate(states)]
    decision = rollout.decide(stage, over_for_ms=over_ms, soak_ms=SOAK)
    assert (decision.go, decision.stop is not None) == said


@pytest.mark.parametrize(
    "was_well, over_ms, stops", [(True, THERE_MS, True), (True, THERE_MS - 1, False), (False, SOAK, False)]
)
def test_a_reader_that_is_not_well_any_more_stops_it_and_one_that_never_was_does_not(was_well, over_ms, stops):
    stage = [Seen(name="r-1", state=CONFIRMED, well=False, was_well=was_well)]
    assert (rollout.decide(stage, over_for_ms=over_ms, soak_ms=SOAK).stop is not None) == stops


def test_every_reader_is_in_one_stage_and_stages_are_spread():
    names = [f"{building}-{n}" for building in "abcdef" for n in range(100)]
    first, second, third = rollout.stages(names)
    assert (len(first), len(second), len(third)) == (6, 54, 540)
    assert sorted(first + second + third) == sorted(names)
    assert len({name[0] for name in second}) == 6
    assert rollout.stages(["a"]) == [["a"]] and rollout.stages([]) == []
