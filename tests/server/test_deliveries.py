"""From a delivered line to a receipt and a mark (docs/wire.md); and what the store does with what is wrong."""

import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from firmware.contract.mac import Key
from server import deliveries
from server.intake.answering import OFFER_MS, Answering
from server.intake.judge import Judge
from server.store import journals, schema
from server.store.engine import writing
from tests.server.store_world import HOUR, MIN, NINE, UIDS, World, told, wrap


@pytest.fixture
def lesson(world):
    world.now_ms = NINE + 30 * MIN
    return world.session(NINE)


def test_a_swipe_becomes_a_receipt_and_a_mark(world, lesson):
    board = world.reader()
    world.deliver(board.hello())
    answer = world.deliver(board.lines[0], board.swipe(UIDS[0], NINE, session=lesson))
    assert told(answer, "receipt") == [{"nonce": board.nonce, "journal": board.journal, "up_to": 1}]
    assert world.marks() == {(lesson, world.students[0]): ("P", None, None)}
    assert len(world.all(schema.swipe)) == 1


def the_same_again(world, lesson):
    """How two lines that are held already, each delivered twice more, are answered; and whether nothing changed."""
    board = world.reader()
    lines = [board.lines[0], board.swipe(UIDS[0], NINE, session=lesson)]
    world.deliver(board.hello(), *lines)
    before = world.all(schema.record), world.all(schema.mark)
    answer = world.deliver(*lines, *lines)
    return answer, (world.all(schema.record), world.all(schema.mark)) == before


def test_the_same_delivered_again_changes_nothing_and_is_receipted_again(world, lesson):
    answer, unchanged = the_same_again(world, lesson)
    assert unchanged
    assert (answer.new, answer.same) == (0, 4)
    assert told(answer, "receipt")[0]["up_to"] == 1


class WithoutUniqueKey(deliveries.Delivery):
    """Saboteur: inserts whatever comes."""

    def insert(self, rows):
        made = {}
        for row in rows:
            result = self.desk.connection.execute(schema.record.insert().values(**row))
            made[row["journal_id"], row["seq"]] = result.inserted_primary_key[0]
        return made


def test_a_store_without_the_unique_key_would_be_caught(new_sqlite):
    world = World(new_sqlite())
    with world.engine.begin() as connection:
        made = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = 'record'")).scalar_one()
        connection.execute(text("PRAGMA foreign_keys=OFF"))
        connection.execute(text("DROP TABLE record"))
        connection.execute(text(made.replace("UNIQUE (journal_id, seq)", "CHECK (seq >= 0)")))
    world.engine.dispose()
    world.delivery = WithoutUniqueKey
    world.now_ms = NINE + 30 * MIN
    answer, unchanged = the_same_again(world, world.session(NINE))
    assert (answer.new > 0, unchanged) == (True, False)
    world.close()


def forged_and_then_true(world, lesson):
    """What a forged swipe is answered and makes of the store, and then the true one in its place."""
    board = world.reader()
    forged = board.swipe(UIDS[0], NINE, session=lesson, key=Key(1, bytes(32)))
    answer = world.deliver(board.hello(), board.lines[0], forged)
    assert len(answer.done) == 3
    forged = told(answer, "receipt")[0]["up_to"], world.quarantined(), world.marks()
    # The true record takes the place that the forged one never had.
    board.seq -= 1
    board.lines.pop()
    answer = world.deliver(board.swipe(UIDS[0], NINE, session=lesson))
    return forged, (told(answer, "receipt")[0]["up_to"], len(world.credits()))


def test_a_wrong_mac_takes_no_identity_moves_no_receipt_and_earns_no_credit(world, lesson):
    assert forged_and_then_true(world, lesson) == ((0, {"mac": 1}, {}), (1, 1))


class SkipsTheMac(deliveries.Delivery):
    """Saboteur: believes everybody."""

    def __init__(self, desk):
        super().__init__(desk)
        self.judge = type("Trusting", (Judge,), {"made": lambda self, key, text, mac: True})(desk)


def test_a_store_that_skips_the_mac_would_be_caught(new_sqlite):
    world = World(new_sqlite())
    world.delivery, world.now_ms = SkipsTheMac, NINE + 30 * MIN
    (up_to, quarantined, marks), _ = forged_and_then_true(world, world.session(NINE))
    assert (up_to, quarantined, len(marks)) == (1, {}, 1)
    world.close()


def receipts_around_a_gap(world):
    """Up to where each of some deliveries is receipted, as records 0 to 6 come in another order."""
    board = world.reader()
    lines = [board.lines[0], *(board.swipe(UIDS[n % 3], NINE + n * MIN) for n in range(6))]
    world.deliver(board.hello())
    batches = (lines[2:5], lines[:1], lines[6:], lines[1:2], lines[5:6])
    return [[one["up_to"] for one in told(world.deliver(*some), "receipt")] for some in batches]


def test_holes_that_close_in_several_journals_at_once_move_each_receipt_past_all_that_lay_behind(world):
    boards = [world.reader(f"a-{n}", room=None) for n in range(3)]
    counts = (1, 7, journals.STEP + 20)  # the last goes on in a second look
    lines = {
        board.name: [board.lines[0], *(board.swipe(UIDS[0], NINE + n) for n in range(count))]
        for board, count in zip(boards, counts, strict=True)
    }
    world.deliver(*(board.hello() for board in boards), derive=False)
    for board in boards:
        for at in range(1, len(lines[board.name]), 500):
            assert told(world.deliver(*lines[board.name][at : at + 500], derive=False), "receipt") == []
    answer = world.deliver(*(lines[board.name][0] for board in boards), derive=False)
    assert sorted(one["up_to"] for one in told(answer, "receipt")) == sorted(counts)
    assert {row.up_to for row in world.all(schema.journal)} == set(counts)


def test_a_receipt_never_goes_past_a_gap(world):
    assert receipts_around_a_gap(world) == [[], [0], [], [4], [6]]


class ReceiptsTheHighest(deliveries.Delivery):
    """Saboteur: receipts the highest record, whatever is missing below."""

    def __init__(self, desk):
        super().__init__(desk)
        self.answering = type("Hasty", (Answering,), {"covered": lambda self, journal: journal.highest})(desk)


def test_a_store_that_receipts_past_a_gap_would_be_caught(new_sqlite):
    world = World(new_sqlite())
    world.delivery = ReceiptsTheHighest
    assert receipts_around_a_gap(world)[:2] == [[], [4]], "record 1 has not come"
    world.close()


def test_without_a_hello_nothing_is_receipted(world):
    board = world.reader()
    assert told(world.deliver(board.lines[0]), "receipt") == []


def test_an_unknown_reader_goes_to_quarantine_and_blocks_nobody(world, lesson):
    board, ghost = world.reader(), world.reader("ghost")
    line = ghost.lines[0].replace("|ghost|", "|nobody|")
    answer = world.deliver(line, board.hello(), board.lines[0], board.swipe(UIDS[0], NINE))
    assert len(answer.done) == 4
    assert world.quarantined() == {"reader-unknown": 1}
    assert len(world.credits()) == 1


def test_another_text_under_the_same_identity_is_kept_beside_the_first_with_an_alarm(world, lesson):
    board = world.reader()
    first = board.swipe(UIDS[0], NINE, session=lesson)
    board.seq -= 1
    second = board.swipe(UIDS[1], NINE, session=lesson)
    world.deliver(board.hello(), board.lines[0], first)
    answer = world.deliver(second)
    assert told(answer, "receipt")[0]["up_to"] == 1
    assert {person for _, person, _, _ in world.credits()} == {world.students[0]}
    assert world.quarantined() == {"record-conflict": 1}
    assert "record-conflict" in world.alarms()
    world.deliver(first, second)
    assert [row.count for row in world.all(schema.quarantine)] == [2]


def test_two_texts_under_one_identity_in_one_batch_are_told_apart(world):
    board = world.reader()
    first = board.swipe(UIDS[0], NINE)
    board.seq -= 1
    world.deliver(first, board.swipe(UIDS[1], NINE))
    assert (len(world.all(schema.record)), world.quarantined()) == (1, {"record-conflict": 1})


def test_a_seq_that_goes_back_in_time_is_still_one_swipe_each(world, lesson):
    board = world.reader()
    late, early = board.swipe(UIDS[0], NINE + 20 * MIN), board.swipe(UIDS[0], NINE)
    world.deliver(board.hello(), early, late, board.lines[0])
    assert len(world.all(schema.swipe)) == 2
    assert world.credits() == {(lesson, world.students[0], 1, 2)}


def test_two_journals_with_one_predecessor_are_both_kept_with_an_alarm(world, lesson):
    board = world.reader()
    first = board.journal
    world.deliver(board.hello(), board.lines[0])
    one = [board.boot(), board.swipe(UIDS[0], NINE)]
    two = [board.boot(before=first), board.swipe(UIDS[1], NINE)]
    world.deliver(*one)
    assert world.alarms() == set()
    world.deliver(*two)
    assert world.alarms() == {"journal-clone"}
    assert len(world.credits()) == 2


def test_a_hello_after_the_store_was_restored_asks_reader_and_gateway_again(world):
    board = world.reader()
    lines = [board.lines[0], *(board.swipe(UIDS[0], NINE + n * MIN) for n in range(5))]
    world.deliver(board.hello(), *lines[:2])
    answer = world.deliver(board.hello(freed=4, roster=7))
    assert told(answer, "again") == [{"nonce": board.nonce, "journal": board.journal, "first": 2, "last": 4}]
    assert answer.replay == [{"site": "main", "reader": "a-1", "journal": board.journal, "first": 2, "last": 4}]
    assert told(world.deliver(*lines[2:]), "receipt")[0]["up_to"] == 5
    assert told(world.deliver(board.hello(freed=4)), "again") == []


def test_a_hole_after_three_offers_raises_an_alarm(world):
    board = world.reader()
    lines = [board.lines[0], *(board.swipe(UIDS[0], NINE + n * MIN) for n in range(3))]
    world.deliver(board.hello(), lines[0], lines[3])
    for _ in range(3):
        assert "journal-hole" not in world.alarms()
        world.now_ms += OFFER_MS
        world.deliver(board.hello())
    assert "journal-hole" in world.alarms()


def test_an_old_hello_delivered_again_does_not_bring_its_nonce_back(world):
    board = world.reader()
    old = wrap(board.hello(), received_ms=10)
    world.deliver(old)
    world.deliver(wrap(board.hello(), received_ms=20))
    world.deliver(old)
    assert told(world.deliver(board.lines[0]), "receipt")[0]["nonce"] == board.nonce


def test_hello_and_head_are_answered_with_the_time_under_their_nonce(world):
    board, world.now_ms = world.reader(), NINE
    answer = world.deliver(board.hello(), board.head(world.now_ms))
    assert [said["wall_ms"] for said in told(answer, "time")] == [world.now_ms] * 2
    assert told(answer, "time")[0]["nonce"] == board.nonce


def test_an_authentic_record_of_an_unknown_form_counts_as_received(world, lesson):
    board = world.reader()
    body = f"1|dance|a-1|1|{board.journal}|1|x"
    line = f"{body}|{board.key.mac(body.encode()).hex()}"
    board.seq = 1
    answer = world.deliver(board.hello(), board.lines[0], wrap(line), board.swipe(UIDS[0], NINE))
    assert told(answer, "receipt")[0]["up_to"] == 2
    assert world.quarantined() == {"statement-kind": 1}
    assert len(world.credits()) == 1


def test_what_the_gateway_could_not_read_is_kept_as_it_came(world):
    raw = bytes(range(256))
    item = deliveries.Item(
        id="x", site="main", reader="a-1", kind="raw", topic="muster/v1/\0", raw_b64=base64.b64encode(raw).decode()
    )
    assert world.deliver(item).done == ["x"]
    assert [(row.code, row.content) for row in world.all(schema.quarantine)] == [("raw", raw)]


any_text = st.text(st.characters(codec=None), max_size=60)
any_item = st.builds(
    deliveries.Item,
    id=st.text(max_size=5),
    site=any_text,
    reader=st.one_of(any_text, st.just("a-1")),
    kind=st.one_of(st.sampled_from(["record", "hello", "head", "status", "health", "raw"]), any_text),
    line=st.one_of(
        any_text,
        st.builds("1|{}|a-1|1|{}".format, st.sampled_from(["swipe", "head", "x"]), any_text),
        st.sampled_from(['{"state": "online"}', "{}", "[" * 5000, '{"state": NaN}', "1|open|a-1|1|" + "0" * 16]),
    ),
    received_ms=st.integers(-5, 2**62),
    topic=any_text,
    raw_b64=any_text,
)


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(items=st.lists(any_item, max_size=6))
def test_any_bytes_are_quarantined_and_the_good_goes_on(request, database, items):
    name = f"kept_{database}"
    if not hasattr(request.node, name):
        world = World(request.getfixturevalue(f"new_{database}")())
        setattr(request.node, name, (world, world.reader()))
        request.addfinalizer(world.close)
    world, board = getattr(request.node, name)
    good = board.swipe(UIDS[0], NINE)
    answer = world.deliver(*items, good, derive=False)
    assert answer.done == [item.id for item in items] + [wrap(good).id]
    assert answer.new == 1


def test_swipes_before_the_clock_wait_and_are_placed_by_a_clock_record(world, lesson):
    board = world.reader()
    swipe = board.swipe(UIDS[0], NINE + 5 * MIN, clock="none", verdict="check")
    world.deliver(board.lines[0], swipe)
    assert [row.verdict for row in world.all(schema.reading)] == ["unplaced"]
    assert world.credits() == set()
    world.now_ms = NINE + 2 * HOUR
    world.deliver(board.pair(NINE + HOUR))
    row = world.all(schema.reading)[0]
    # 55 minutes at 50 ppm
    assert (row.at_ms, row.uncertainty_ms, row.placed_by) == (NINE + 5 * MIN, 10 + 3 + 165, "clock")
    assert len(world.credits()) == 1


def test_a_swipe_that_a_later_clock_record_contradicts_goes_to_review_and_its_green_is_not_withdrawn_silently(
    world, lesson
):
    """The store's clock was an hour behind for a while; the reader was told so, and tells by a clock record."""
    board = world.reader()
    early = board.swipe(UIDS[1], NINE - 5 * MIN)
    board.pair(NINE - 4 * MIN)
    wrong = board.swipe(UIDS[0], NINE + 5 * MIN, session=lesson)
    world.now_ms = NINE + 2 * HOUR
    world.deliver(*board.lines)
    assert {person for _, person, *_ in world.credits()} == set(world.students[:2])
    board.booted_ms += HOUR  # what the board's ticks are, now that the store says an hour more
    world.deliver(board.pair(NINE + HOUR + 10 * MIN))
    read = {row.swipe_id: row for row in world.all(schema.reading)}
    doubted, before = (read[row.id] for row in sorted(world.all(schema.swipe), key=lambda row: -row.seq))
    assert doubted.placed_by == "doubted"
    assert abs(doubted.at_ms - (NINE + 5 * MIN)) <= doubted.uncertainty_ms
    assert abs(doubted.at_ms - (NINE + HOUR + 5 * MIN)) <= doubted.uncertainty_ms
    assert (doubted.verdict, doubted.credits) == ("unsure", False)
    assert "green-withdrawn" in world.alarms()
    assert before.placed_by == "doubted", "what an older record agreed with is no better known"
    assert early and wrong


def test_a_time_after_its_own_arrival_is_not_believed(world, lesson):
    board = world.reader()
    world.deliver(board.lines[0], board.swipe(UIDS[0], world.now_ms + 2 * MIN))
    assert [(row.placed_by, row.at_ms) for row in world.all(schema.reading)] == [("future", None)]
    assert world.credits() == set()


def test_receipts_go_past_what_a_technician_declared_lost(world):
    board = world.reader()
    lines = [board.lines[0], *(board.swipe(UIDS[0], NINE + n * MIN) for n in range(5))]
    world.deliver(board.hello(), lines[0], lines[3], lines[5])
    with writing(world.engine) as connection:
        held = journals.ensure(connection, {1: world.institution_id}, [(1, board.journal)], world.now_ms)
        (one,) = held.values()
        journals.declare_lost(connection, one, world.institution_id, 2, "flash replaced", None, world.now_ms)
    assert told(world.deliver(board.hello()), "receipt")[0]["up_to"] == 3
    assert [(row.first, row.last) for row in world.all(schema.lost_range)] == [(1, 2)]
    assert told(world.deliver(lines[4]), "receipt")[0]["up_to"] == 5


def test_a_gateways_clock_makes_no_time_credible(world, lesson):
    board = world.reader()
    tomorrow = NINE + 24 * HOUR
    line = board.swipe(UIDS[0], tomorrow)
    world.deliver(board.lines[0], wrap(line, received_ms=tomorrow + MIN))
    assert [(row.placed_by, row.at_ms) for row in world.all(schema.reading)] == [("future", None)]
    assert [row.received_ms for row in world.all(schema.record)] == [world.now_ms] * 2
    assert [row.received_ms for row in world.all(schema.swipe)] == [world.now_ms]
