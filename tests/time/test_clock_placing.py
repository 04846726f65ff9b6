"""Clocks that are absent, drift, are stepped in class or wrong by 30 years: a swipe's time is within what is said of it,
or it has none and waits for review. The truth is known to the test only. Never a silent guess."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.contract import decide
from server.policy import marking, profile
from server.store import swipes
from tests.time.clock_line import HOUR_US, T0_MS, ClockLine

#: whole milliseconds: of the question, the answer, the tap, and the store's clock
ROUNDING_MS = 5
SECOND_US = 1_000_000
YEARS_30_US = 30 * 365 * 24 * HOUR_US
LOUGH = profile.read_all()["lough"]

waits = st.integers(0, 3 * HOUR_US)
ways = st.integers(0, 20 * SECOND_US)
what_happens = st.one_of(
    st.tuples(st.just("tap")),
    st.tuples(st.just("wait"), waits),
    st.tuples(st.just("ask"), ways, ways),
    st.tuples(st.just("boot")),
)
#: by what the store's clock is wrong: seconds, a lesson, a day, 30 years
steps = st.one_of(
    st.integers(-HOUR_US, HOUR_US), st.sampled_from([-YEARS_30_US, YEARS_30_US, -24 * HOUR_US, 24 * HOUR_US])
)


def play(line: ClockLine, doings) -> ClockLine:
    for what, *how in doings:
        getattr(line, what)(*how)
    return line


def right(one, unseen_ms=0.0) -> bool:
    return one.at_ms is not None and abs(one.at_ms - one.true_ms) <= one.uncertainty_ms + unseen_ms


@settings(max_examples=300)
@given(st.floats(-50, 50), st.lists(what_happens, max_size=25))
def test_with_a_right_store_every_swipe_is_placed_within_what_is_said_or_waits(drift_ppm, doings):
    for one in play(ClockLine(drift_ppm=drift_ppm), [("wait", HOUR_US), *doings]).placed():
        if one.at_ms is None:
            assert one.clock == "none" and one.how == "unplaced"
            continue
        assert right(one), one
        if one.clock != "none":
            assert one.uncertainty_ms <= one.bound_ms + ROUNDING_MS, one
        else:
            assert one.how == "clock", one


@settings(max_examples=300)
@given(
    st.floats(-50, 50),
    st.lists(st.tuples(steps, st.lists(st.integers(0, HOUR_US), min_size=1, max_size=3)), min_size=1, max_size=4),
    st.integers(0, 2 * SECOND_US), st.integers(0, 2 * SECOND_US),
)  # fmt: skip
def test_with_a_store_that_was_stepped_no_swipe_is_placed_wrongly_once_its_clock_is_right_again(
    drift_ppm, wrong, up_us, down_us
):
    line = ClockLine(drift_ppm=drift_ppm)
    line.wait(HOUR_US)
    line.ask(up_us, down_us)
    line.tap()
    for step_us, pauses in wrong:
        line.wait(SECOND_US)
        line.step(step_us)
        line.ask(up_us, down_us)
        for pause_us in pauses:
            line.wait(pause_us)
            line.tap()
    line.wait(SECOND_US)
    line.step(0)
    line.ask(up_us, down_us)
    line.tap()
    # A step that is smaller than what two answers and their age leave open cannot be seen, and each does no more than that.
    aged_ms = 2 * 50e-6 * (line.store_ms - T0_MS)
    unseen_ms = ((up_us + down_us) / 1000 + 2 * ROUNDING_MS + aged_ms) * (len(wrong) + 1)
    for one in line.placed():
        assert one.at_ms is None or right(one, unseen_ms), one


@settings(max_examples=150)
@given(st.floats(60, 5000), st.sampled_from([-1, 1]), st.lists(waits, min_size=2, max_size=8))
def test_a_crystal_that_drifts_more_than_it_may_is_found_out_at_the_next_answer(drift_ppm, sign, pauses):
    line = ClockLine(drift_ppm=sign * drift_ppm)
    line.wait(HOUR_US)
    line.ask(20_000, 20_000)
    for pause_us in pauses:
        line.wait(pause_us)
        line.tap()
    line.wait(SECOND_US)
    line.ask(20_000, 20_000)
    for one in line.placed():
        assert one.at_ms is None or right(one, unseen_ms=40 + 2 * ROUNDING_MS), one


def by_the_wall(boot_ms, wall_ms, clock, uncertainty_ms, received_ms, pairs):
    """Saboteur: what the reader said is the time; without a clock it is the time of arrival."""
    if wall_ms is None:
        return received_ms, 0, "wall"
    return wall_ms, uncertainty_ms, "wall"


def test_a_store_that_believes_the_wall_clock_is_caught():
    for boots in (False, True):
        line = ClockLine(place=by_the_wall)
        line.wait(HOUR_US)
        line.ask(20_000, 20_000)
        if boots:
            line.boot()
        else:
            line.step(-HOUR_US)
            line.ask(20_000, 20_000)
        line.tap()
        line.wait(SECOND_US)
        line.step(0)
        line.ask(20_000, 20_000)
        assert not all(right(one) for one in line.placed())
        line._place = swipes.place
        assert all(right(one) for one in line.placed())


def test_thirty_years_ahead_is_not_believed_and_thirty_years_back_is_refused_by_the_reader():
    for step_us, clock in ((YEARS_30_US, "sync"), (-YEARS_30_US, "none")):
        line = ClockLine()
        line.step(step_us)
        line.ask(1000, 1000)
        line.tap()
        line.step(0)
        [one] = line.placed()
        assert (one.clock, one.at_ms) == (clock, None), "no time: it waits for review"


@settings(max_examples=300)
@given(st.integers(-HOUR_US // 1000, 2 * HOUR_US // 1000), st.integers(0, 20 * 60_000))
def test_where_the_interval_straddles_an_edge_nothing_is_credited_and_no_minutes_are_given(at_ms, unsure_ms):
    """decide.worth and marking.from_tap, for every time that the interval may hide: one answer, or a flag."""
    starts_ms = T0_MS
    window = decide.Window(1, starts_ms - 30 * 60_000, starts_ms, starts_ms + 60 * 60_000, starts_ms + 60 * 60_000)
    at_ms += starts_ms
    found = decide.worth([window], (), None, at_ms, unsure_ms)
    limit_ms = starts_ms + LOUGH.late_from_min * 60_000
    lo, hi = at_ms - unsure_ms, at_ms + unsure_ms
    edges = sorted(e for e in (window.opens_ms, window.closes_ms + 1, limit_ms) if lo <= e <= hi)
    moments = [lo, hi, *edges, *(max(lo, e - 1) for e in edges)]
    inside = {decide.is_open(window, moment) for moment in moments}
    if len(inside) > 1:
        assert (found.session, found.credits, found.sure) == (None, False, False)
        return
    assert found.sure and found.credits == inside.pop()
    if not found.credits:
        return
    mark = marking.from_tap(LOUGH, starts_ms=starts_ms, at_ms=at_ms, uncertainty_ms=unsure_ms)
    if len({moment >= limit_ms for moment in moments}) > 1:
        assert (mark.code, mark.late_min, mark.flag) == (LOUGH.present, None, marking.TIME_UNSURE)
    else:
        assert mark.flag is None
        assert (mark.code == LOUGH.late) == (at_ms >= limit_ms)


def test_the_time_of_arrival_decides_nothing_but_that_nothing_comes_from_the_future():
    """A gateway's clock stands nowhere in it; the store's own arrival may be hours later or be stepped back a little."""
    line = play(ClockLine(), [("wait", HOUR_US), ("ask", 3000, 90_000), ("tap",), ("wait", 60 * SECOND_US), ("tap",)])
    now_ms = line.store_ms
    for one, other in pairwise([line.placed(ms) for ms in (now_ms, now_ms + 3_600_000, now_ms - 30_000)]):
        assert one == other
