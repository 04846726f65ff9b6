"""A hostile broker and gateway: whatever it does is seen or harmless, never a credit, never a freed record (design.md)."""

import pytest

from server import deliveries
from server.intake.judge import Judge
from server.store import journals, schema
from server.store.engine import reading
from tests.server.hostile_line import KINDS, Hostile
from tests.server.store_world import MIN

ACTS = 10_000


def attacked(url, folder, seed, acts, delivery=None):
    """The line after so many lies, checked now and then."""
    line = Hostile(url, folder, seed, delivery)
    for _ in range(5):
        line.second(honest=True)
    for n in range(acts):
        if n % 4 == 0:
            line.second()
        if n % 23 == 0:
            line.tap()
        if n % 997 == 996:
            line.world.session(line.world.now_ms + 24 * 60 * MIN, 60)
            line.issue()
        line.act()
        if n % 100 == 99:
            line.check()
        if line.troubles:
            break
    return line


def told(line, seed):
    return f"seed {seed}: {line.troubles[:3]}"


@pytest.mark.parametrize("seed", [1, 2])
def test_six_hundred_lies_of_broker_and_gateway_are_seen_or_harmless_and_all_taps_arrive_once_it_is_honest(
    new_sqlite, tmp_path, seed
):
    line = attacked(new_sqlite(), tmp_path, seed, 600)
    assert not line.troubles, told(line, seed)
    line.make_good()
    assert not line.troubles, told(line, seed)
    assert set(line.acts) == set(KINDS)
    line.close()


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [20261123])
def test_ten_thousand_lies_of_broker_and_gateway_are_seen_or_harmless(new_sqlite, tmp_path, seed):
    line = attacked(new_sqlite(), tmp_path, seed, ACTS)
    assert not line.troubles, told(line, seed)
    line.make_good(20)
    assert not line.troubles, told(line, seed)
    assert sum(line.acts.values()) == ACTS and min(line.acts.values()) > 200
    line.close()


def test_a_store_that_believes_any_mac_would_be_caught(new_sqlite, tmp_path):
    class Trusting(Judge):
        def made(self, key, text, mac):
            return True

    class Delivery(deliveries.Delivery):
        def __init__(self, desk):
            super().__init__(desk)
            self.judge = Trusting(desk)

    line = attacked(new_sqlite(), tmp_path, 3, 300, Delivery)
    assert any("believed" in one for one in line.troubles)
    line.close()


# --- withholding


@pytest.fixture
def line(new_sqlite, tmp_path):
    made = Hostile(new_sqlite(), tmp_path, 7)
    for _ in range(90):
        made.second(honest=True)
    yield made
    made.close()


def state_of(line, name="a-1"):
    ids = {row.name: row.id for row in line.world.all(schema.reader)}
    return next(row for row in line.world.all(schema.reader_state) if row.reader_id == ids[name])


def gap(line):
    with reading(line.world.engine) as connection:
        return sum(journals.backlogs(connection, line.world.institution_id).values())


def through(line, seconds, keeps):
    """The middle passes all but what `keeps` says; the readers' answers come."""
    for _ in range(seconds):
        line.second(honest=False)
        for one in line.victims:
            lines, one.kept_up = one.kept_up, []
            line.up([each for each in lines if not keeps(each)])
            line.hand_down(one)


@pytest.fixture
def passing(line):
    """A middle that passes things in order: its dice always say so."""
    line.random.random = lambda: 1.0
    return line


@pytest.mark.parametrize("place", [0, 2, 5], ids=["first", "amidst", "last"])
def test_one_swipe_that_is_withheld_for_good_is_a_gap_within_a_minute(passing, place):
    """Of the last one only a head tells: no record follows it that would show the hole."""
    line = passing
    board = line.victims[0].reader
    line.tap(1)
    missing = board.journal.head(board.journal.live) + place
    for _ in range(5):
        line.tap(2)
    withheld = []

    def keeps(said):
        if said.split("|")[1] == "swipe" and said.split("|")[5] == str(missing):
            withheld.append(said)
        return said in withheld

    through(line, 61, keeps)
    assert withheld and gap(line) >= 1
    known_ms = state_of(line).known_until_ms
    through(line, 120, keeps)
    assert state_of(line).known_until_ms == known_ms, "the door is known no further"


def test_a_middle_that_passes_nothing_of_a_reader_leaves_a_stale_head_and_a_gap_at_the_next_contact(passing):
    line = passing
    before = state_of(line)
    line.tap(1)
    through(line, 300, lambda said: "|a-1|" in said)
    stale = state_of(line)
    assert stale.head_ms == before.head_ms and line.world.now_ms - stale.head_ms > 4 * MIN
    assert stale.known_until_ms == before.known_until_ms
    # Contact again, and it goes on keeping the swipe.
    one = line.victims[0]
    one.reader.unlinked(one.up_ms)
    one.reader.linked(one.up_ms)
    through(line, 60, lambda said: "|swipe|a-1|" in said)
    assert gap(line) >= 1


def test_old_heads_said_again_make_nothing_fresh(passing):
    line = passing
    heads = [said for said in line.victims[0].said if "|head|" in said]
    before = state_of(line)
    line.tap(1)
    for _ in range(5):
        through(line, 60, lambda said: "|a-1|" in said)
        line.up(heads)
    after = state_of(line)
    assert (after.head_ms, after.known_until_ms) == (before.head_ms, before.known_until_ms)


def test_receipts_that_are_withheld_free_nothing_and_the_swipes_are_in_the_store_all_the_same(passing):
    line = passing
    one = line.victims[0]
    line.tap(1)
    for _ in range(120):
        line.second()
        for each in line.victims:
            lines, each.kept_up = each.kept_up, []
            line.up(lines)
            each.kept_down = []
    assert one.reader.journal.backlog() == 2 and len(line.world.all(schema.swipe)) == 1
    line.make_good(6)
    assert one.reader.journal.backlog() == 0 and not line.troubles
