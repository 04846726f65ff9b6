"""Old head statements are thinned, and no answer to whether a door was known, or a reader alive, changes by it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from server import heads_command
from server.policy import head_keeping
from server.policy.head_keeping import GOES, KNOWN, OPEN, Stated, judge
from server.policy.outages import outages
from server.store import heads, schema
from server.store.engine import reading, writing
from server.thinning import DAY_MS, REST_MS, Thinning
from tests.server.store_world import HOUR, MIN, NINE, World

DAYS = 60


def stated(*rows) -> list[Stated]:
    """(minute, held or not) each."""
    return [Stated(id=n, wall_ms=at * MIN, uncertainty_ms=5, held=held) for n, (at, held) in enumerate(rows)]


def known_by(rows: list[Stated], closes_ms: int) -> int | None:
    """The first head by which the door was known at that time: its id."""
    return next((one.id for one in rows if one.held and one.sure_ms is not None and one.sure_ms >= closes_ms), None)


def test_of_a_day_the_heads_stay_by_which_a_door_was_known_at_a_sessions_end():
    rows = stated(*((minute, True) for minute in range(100)))
    judged, known_ms = judge(rows, [30 * MIN, 30 * MIN + 10, 60 * MIN], None)
    assert [one.id for one, verdict in judged if verdict == KNOWN] == [31, 61]
    assert known_ms == 99 * MIN - 5


def test_a_head_of_which_records_are_missing_stays_and_makes_nothing_known():
    judged, known_ms = judge(stated((10, True), (40, False), (50, True)), [30 * MIN], None)
    assert [verdict for _, verdict in judged] == [GOES, OPEN, KNOWN]
    assert known_ms == 50 * MIN - 5


@given(
    minutes=st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.booleans(), st.integers(0, 90)), max_size=60),
    closes=st.lists(st.integers(0, 420), max_size=12),
    bite=st.integers(1, 20),
)
def test_whatever_was_stated_each_session_keeps_the_head_that_made_it_known_and_a_second_look_takes_nothing(
    minutes, closes, bite
):
    rows = [
        Stated(id=n, wall_ms=at * MIN, uncertainty_ms=unsure * 1000, held=held, timed=timed)
        for n, (at, held, timed, unsure) in enumerate(sorted(minutes))
    ]
    ends = sorted(at * MIN for at in closes)

    def thinned(some: list[Stated], size: int) -> list[Stated]:
        left, known_ms = [], None
        for start in range(0, len(some), size):
            judged, known_ms = judge(
                some[start : start + size], [c for c in ends if known_ms is None or c > known_ms], known_ms
            )
            left += [one for one, verdict in judged if verdict != GOES]
        return left

    left = thinned(rows, bite)
    assert [known_by(left, end) for end in ends] == [known_by(rows, end) for end in ends]
    assert [one for one in left if not one.held] == [one for one in rows if not one.held]
    assert thinned(left, 7) == left, "whoever begins anew comes to the same"


@pytest.fixture
def years(world):
    return story(world)


def story(world):
    """Sessions of two days long ago, and one of yesterday; a reader that stated heads; and a hole that stays open."""
    board = world.reader()
    sessions = [world.session(NINE + n * HOUR) for n in range(3)]
    world.deliver(board.hello(), *board.lines, board.pair(NINE))
    world.now_ms = NINE + 5 * HOUR
    world.deliver(*(board.head(NINE + minute * MIN) for minute in range(0, 5 * 60, 2)))
    held_back = board.swipe(b"\x04\x00\x01\x09", world.now_ms)
    world.now_ms = NINE + 6 * HOUR
    world.deliver(*(board.head(NINE + minute * MIN) for minute in range(5 * 60, 6 * 60, 2)))
    return board, sessions, held_back


def known(world) -> int | None:
    (row,) = world.all(schema.reader_state)
    return row.known_until_ms


def alive(world, from_ms: int, to_ms: int) -> list:
    (one,) = {row.reader_id for row in world.all(schema.reader_state)}
    with reading(world.engine) as connection:
        return heads.stated(connection, one, from_ms, to_ms)


def run(world, days=DAYS, dry=False):
    return Thinning(world.engine, days, dry=dry).all(world.now_ms).heads


def test_a_dry_run_says_what_goes_and_takes_nothing_and_the_real_one_takes_just_that(world, years):
    _board, sessions, _ = years
    before = world.all(schema.head)
    world.now_ms = NINE + (DAYS + 1) * DAY_MS
    said = run(world, dry=True)
    assert world.all(schema.head) == before
    assert run(world) == said
    left = world.all(schema.head)
    assert len(left) == len(before) - said[GOES] and said[GOES] > 100
    closes = {row.closes_ms for row in world.all(schema.session) if row.id in sessions}
    rows = [(row.wall_ms, row.uncertainty_ms or 0, row.held_ms) for row in before]
    for end in closes:
        first = min(wall for wall, unsure, held in rows if held is not None and wall - unsure >= end)
        assert first in {row.wall_ms for row in left}, "by which the door became known at the session's end"
    assert run(world)[GOES] == 0


def test_nothing_younger_is_touched_and_nothing_of_the_answers_changes(world, years):
    _board, _, held_back = years
    before, was = known(world), world.all(schema.head)
    world.now_ms = NINE + 30 * DAY_MS
    assert run(world)[GOES] == 0 and world.all(schema.head) == was
    world.now_ms = NINE + (DAYS + 1) * DAY_MS
    begins = world.now_ms - 30 * DAY_MS
    answers = [alive(world, begins + n * DAY_MS, begins + (n + 1) * DAY_MS) for n in range(3)]
    assert answers[0], "the last one before tells when the reader was last alive"
    run(world)
    assert known(world) == before
    assert [alive(world, begins + n * DAY_MS, begins + (n + 1) * DAY_MS) for n in range(3)] == answers
    # The record that was missing comes after all: what waited for it is known now, as if nothing had been thinned.
    world.deliver(held_back)
    last = max(row.wall_ms - (row.uncertainty_ms or 0) for row in was)
    assert known(world) == last > (before or 0)


@given(gaps=st.lists(st.integers(1, 200), min_size=1, max_size=8), missing=st.integers(0, 8), back=st.booleans())
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_two_stores_of_which_one_thins_all_the_time_never_differ_in_what_is_known(new_sqlite, gaps, missing, back):
    plain, thin = World(new_sqlite()), World(new_sqlite())
    try:
        told = []
        for world in (plain, thin):
            board = world.reader()
            world.session(NINE)
            world.now_ms = NINE
            world.deliver(board.hello(), *board.lines, board.pair(NINE))
            told.append((board, []))
        for n, gap in enumerate(gaps):
            for world, (board, held) in zip((plain, thin), told, strict=True):
                world.now_ms += gap * HOUR
                line = board.swipe(b"\x04\x00\x01\x09", world.now_ms)
                if n == missing:
                    held.append(line)
                world.deliver(*([] if n == missing else [line]), board.head(world.now_ms))
            run(thin, days=2)
            assert known(thin) == known(plain)
        if back:
            for world, (_, held) in zip((plain, thin), told, strict=True):
                world.deliver(*held)
            assert known(thin) == known(plain)
    finally:
        plain.close()
        thin.close()


def test_the_jobs_take_a_bite_at_a_time_and_rest_when_all_is_done(world, years, monkeypatch):
    monkeypatch.setattr("server.thinning.BITE", 20)
    world.now_ms = NINE + (DAYS + 1) * DAY_MS
    thinning = Thinning(world.engine, DAYS)
    bites = []
    while gone := thinning.step(world.now_ms):
        bites.append(gone)
    assert len(bites) > 5 and max(bites) <= 20
    assert thinning.step(world.now_ms + 1) == 0
    world.now_ms += REST_MS + 1
    assert run(world)[GOES] == 0


def test_heads_without_a_time_go_but_the_newest(world):
    board = world.reader()
    world.deliver(board.hello(), *board.lines)
    for n in range(5):
        world.now_ms = NINE + n * MIN
        world.deliver(board.head(world.now_ms))
    with writing(world.engine) as connection:
        connection.execute(update(schema.head).values(wall_ms=None, clock="none"))
    world.now_ms = NINE + (DAYS + 1) * DAY_MS
    assert run(world)[GOES] == 4
    assert len(world.all(schema.head)) == 1


def test_the_command_says_what_it_would_do_and_refuses_what_registers_still_need(
    world, years, monkeypatch, tmp_path, capsys
):
    if world.engine.dialect.name != "sqlite":
        pytest.skip("the command's words are the same")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSTER_DATABASE_URL", f"sqlite:///{world.engine.url.database}")
    monkeypatch.setenv("MUSTER_DATA_DIR", str(tmp_path))
    (tmp_path / "server.key").write_text((b"k" * 32).hex())
    (tmp_path / "server.key").chmod(0o600)
    before = len(world.all(schema.head))
    assert heads_command.main(["--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "would go" in said and len(world.all(schema.head)) == before
    assert heads_command.main(["--days", "10"]) == 2
    assert "[usage]" in capsys.readouterr().err
    assert heads_command.main([]) == 0
    assert len(world.all(schema.head)) < before


@given(
    boots=st.lists(
        st.tuples(
            st.integers(0, 90), st.lists(st.tuples(st.sampled_from([1, 1, 1, 5]), st.booleans(), st.integers(0, 3)))
        ),
        max_size=6,
    ),
    window=st.tuples(st.integers(0, 200), st.integers(1, 240)),
)
def test_of_a_kiosk_the_heads_that_stay_tell_the_same_of_when_it_was_alive_and_able(boots, window):
    """A head each minute or so, able or not, with an uncertainty; off for some minutes between two boots."""
    at, rows = 0, []
    for off, minutes in boots:
        at += off
        begun = at
        for gap, able, unsure in minutes:
            at += gap
            rows.append(
                Stated(
                    id=len(rows),
                    wall_ms=at * MIN,
                    uncertainty_ms=unsure * 1000,
                    held=True,
                    boot_ms=(at - begun) * MIN,
                    able="ok" if able else "card",
                )
            )
    stay = head_keeping.alive(rows)
    begins, ends = window[0] * MIN, (window[0] + window[1]) * MIN

    def told(some: list[Stated]) -> list:
        """As `heads.stated` picks them: those inside, the last before, the first after, and the first surely after."""
        before = [one for one in some if one.wall_ms < begins][-1:]
        after = [one for one in some if one.wall_ms > ends]
        sure = [one for one in after if one.wall_ms - one.uncertainty_ms >= ends]
        picked = {
            one.id: one
            for one in (*before, *(one for one in some if begins <= one.wall_ms <= ends), *after[:1], *sure[:1])
        }
        return [
            heads.Stated(wall_ms=one.wall_ms, boot_ms=one.boot_ms, able=one.able, unsure_ms=one.uncertainty_ms)
            for one in sorted(picked.values(), key=lambda one: one.wall_ms)
        ]

    def down(some: list[Stated]) -> list[int]:
        """The seconds in which it was down, by the minute's half."""
        found = outages(told(some), begins, ends)
        middles = range(begins + 30_000, ends, MIN)
        return [middle for middle in middles if any(one <= middle < other for one, other, _ in found)]

    assert down([one for one in rows if one.id in stay]) == down(rows)
