"""The crucial property: what is credited and marked does not depend on how the records arrived."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.store import schema
from tests.server.store_world import HOUR, MIN, NINE, UIDS, World, wrap

STUDENTS = 3
#: seconds from 9:00; around windows' and repeats' edges as well as in the middle
TIMES = st.one_of(
    st.integers(-45 * 60, 135 * 60),
    st.sampled_from([-1800, -1801, 0, 300, 3600, 3601, 7200, 7201]),
)


@st.composite
def taps(draw):
    """(second, student, door, clock, uncertainty) of some taps, several of them close to one another."""
    found = []
    for _ in range(draw(st.integers(1, 8))):
        second = draw(TIMES)
        one = (
            draw(st.integers(0, STUDENTS - 1)),
            draw(st.integers(0, 1)),
            draw(st.sampled_from(["sync", "sync", "hold", "none"])),
            draw(st.sampled_from([0, 10, 2_000, 120_000])),
        )
        found.append((second, *one))
        if draw(st.booleans()):
            found.append((second + draw(st.integers(0, 180)), *one))
    return sorted(found)


def play(url: str, planned, order) -> tuple:
    """Two lessons back to back at door 0, one beside them at door 1, with the taps delivered in that order."""
    world = World(url, students=STUDENTS, now_ms=NINE - 24 * HOUR)
    try:
        sessions = [
            world.session(NINE, profile="lough"),
            world.session(NINE + HOUR),
            world.session(NINE + 30 * MIN, room=1),
        ]
        boards = [world.reader("a-0", room=0), world.reader("a-1", room=1)]
        lines = [board.lines[0] for board in boards]
        for second, student, door, clock, unsure in planned:
            lines.append(boards[door].swipe(UIDS[student], NINE + second * 1000, clock=clock, uncertainty_ms=unsure))
        lines += [board.pair(NINE + 3 * HOUR) for board in boards]
        lines += [board.head(NINE + 3 * HOUR + MIN) for board in boards]
        world.now_ms = NINE + 4 * HOUR
        for batch, derive in order(lines):
            world.deliver(*[wrap(line) for line in batch], derive=derive)
            if derive:
                world.settle()
        world.derive()
        world.settle()
        assert {world.evidence(session) for session in sessions} == {"complete"}
        people = {person: n for n, person in enumerate(world.students)}
        lessons = {session: n for n, session in enumerate(sessions)}
        marks = {(lessons[s], people[p]): mark for (s, p), mark in world.marks().items() if mark != (None, None, None)}
        credits = {(lessons[s], people[p], reader, seq) for s, p, reader, seq in world.credits()}
        worth = {
            (row.reader_id, row.at_ms, row.verdict, lessons.get(row.session_id), row.credits, row.differs)
            for row in world.all(schema.reading)
        }
        assert not world.all(schema.quarantine)
        return marks, credits, worth, len(world.all(schema.swipe))
    finally:
        world.close()


def in_one(lines):
    return [(lines, True)]


def shuffled(seed):
    """Any order, some twice, in batches of any size, derived after some of them."""

    def order(lines):
        rng = random.Random(seed)
        every = lines + rng.sample(lines, rng.randint(0, len(lines)))
        rng.shuffle(every)
        while every:
            size = rng.randint(1, 5)
            yield every[:size], rng.random() < 0.5
            every = every[size:]

    return order


def both_ways(make_url, planned, seed):
    """What comes of the taps in one delivery, and in any other way."""
    return play(make_url(), planned, in_one), play(make_url(), planned, shuffled(seed))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(planned=taps(), seed=st.integers(0, 2**32))
def test_any_order_duplication_and_interleaving_gives_the_same_marks(new_sqlite, planned, seed):
    straight, mixed = both_ways(new_sqlite, planned, seed)
    assert straight == mixed
    assert straight[3] == len(planned), "one swipe each"


@pytest.mark.needs("postgres")
def test_any_order_gives_the_same_marks_on_postgres(new_postgres, rng):
    planned = sorted(
        (
            rng.randint(-2700, 8000),
            rng.randrange(STUDENTS),
            rng.randrange(2),
            rng.choice(["sync", "hold", "none"]),
            rng.choice([0, 10, 120_000]),
        )
        for _ in range(30)
    )
    straight, mixed = both_ways(new_postgres, planned, rng.randrange(2**32))
    assert straight == mixed
    assert straight[3] == len(planned), "one swipe each"
