"""Which hello is the newest: by arrival at the store. No gateway's clock decides anything; and impossible numbers."""

from server import deliveries
from server.intake.answering import Answering
from server.store import revocations, schema
from server.store.engine import reading, writing
from tests.server.staff_world import staff
from tests.server.store_world import HOUR, MIN, NINE, UIDS, World, told, wrap

DAY = 24 * HOUR
HUGE = 2**63 - 1


def nonces(answer):
    return [one["nonce"] for one in told(answer, "receipt")]


def test_after_a_hello_from_a_gateway_that_is_a_day_ahead_receipts_carry_the_newest_nonce(world):
    board = world.reader()
    world.deliver(wrap(board.hello(), received_ms=world.now_ms + DAY))
    for _ in range(3):
        world.now_ms += MIN
        answer = world.deliver(wrap(board.hello(), received_ms=world.now_ms), board.lines[0])
        assert nonces(answer)[0] == board.nonce
    assert world.all(schema.reader_state)[0].hello_ms == world.now_ms


def answered_after_a_late_hello(world):
    """The nonces of two hellos, the older of which comes last; and under which each answer after that is given."""
    board = world.reader()
    first, first_nonce = board.hello(), board.nonce
    second, second_nonce = board.hello(), board.nonce
    # The gateways' clocks are ten seconds apart, and the one that brings the older hello is ahead.
    world.deliver(wrap(second, received_ms=world.now_ms))
    world.deliver(wrap(first, received_ms=world.now_ms + 10_000))
    # The second is said again, because nothing answered it.
    answers = [nonces(world.deliver(one)) for one in (board.lines[0], wrap(second), board.lines[0])]
    return (first_nonce, second_nonce), answers


def test_a_hello_that_comes_late_by_another_gateway_leaves_receipts_under_the_newer_one(world):
    (first, second), (before, again, after) = answered_after_a_late_hello(world)
    assert before == after == [first, second], "the order stays"
    assert second in again, "what is said again is answered under its own nonce"


class OnlyTheLast(deliveries.Delivery):
    """Saboteur: answers under the hello that arrived last, and under no other."""

    def __init__(self, desk):
        super().__init__(desk)
        self.answering = type("Curt", (Answering,), {"nonces": lambda self, one: Answering.nonces(self, one)[:1]})(desk)


def test_a_store_that_answers_under_one_nonce_only_would_be_caught(new_sqlite):
    world = World(new_sqlite())
    world.delivery = OnlyTheLast
    (first, _), (before, _, after) = answered_after_a_late_hello(world)
    assert before == after == [first]
    world.close()


def test_receipts_go_out_under_three_hellos_at_most_and_for_touched_journals_only(world):
    board = world.reader()
    said = []
    world.deliver(board.lines[0])
    board.boot()
    for _ in range(5):
        world.deliver(board.hello())
        said.insert(0, board.nonce)
    answer = world.deliver(board.lines[1])
    assert nonces(answer) == said[:3]
    assert {one["journal"] for one in told(answer, "receipt")} == {board.journal}


def test_two_hellos_in_one_batch_are_ordered_as_they_stand_there(world):
    board = world.reader()
    one, older = board.hello(), board.nonce
    answer = world.deliver(wrap(one, received_ms=9), wrap(board.hello(), received_ms=3), board.lines[0])
    assert nonces(answer) == [board.nonce, older]


def test_a_head_is_noted_though_a_gateway_that_is_ahead_brought_the_one_before(world):
    world.now_ms = NINE
    board = world.reader()
    world.deliver(wrap(board.head(world.now_ms - MIN, able="full"), received_ms=world.now_ms + DAY))
    world.deliver(wrap(board.head(world.now_ms), received_ms=world.now_ms))
    assert world.all(schema.reader_state)[0].able == "ok"
    # One that comes late does not bring the old state back.
    world.deliver(board.head(world.now_ms - HOUR, able="full"))
    state = world.all(schema.reader_state)[0]
    assert (state.able, state.head_ms) == ("ok", world.now_ms)


def test_a_head_from_the_future_does_not_keep_later_ones_from_being_noted(world):
    world.now_ms = NINE
    board = world.reader()
    world.deliver(board.head(HUGE, able="full", boot_ms=5))
    world.deliver(board.head(world.now_ms))
    assert world.all(schema.reader_state)[0].able == "ok"


def test_an_impossible_class_list_version_is_ignored_with_an_alarm(world):
    board = world.reader()
    world.deliver(board.hello(roster=world.now_ms - HOUR))
    world.deliver(board.hello(roster=HUGE))
    assert world.all(schema.reader_state)[0].roster_ms == world.now_ms - HOUR
    alarm = world.all(schema.alarm)[0]
    assert (alarm.code, alarm.subject, alarm.closed_ms) == ("roster-version-impossible", "a-1", None)


def test_an_impossible_version_noted_earlier_gives_way(world):
    board = world.reader()
    with world.engine.begin() as connection:
        connection.execute(schema.reader_state.update().values(roster_ms=HUGE))
    world.deliver(board.hello(roster=world.now_ms))
    assert world.all(schema.reader_state)[0].roster_ms == world.now_ms


def with_roster(board, version_ms):
    line = board.swipe(UIDS[0], NINE).split("|")[:-1]
    text = "|".join([*line[:-1], str(version_ms)])
    return f"{text}|{board.key.mac(text.encode()).hex()}"


def test_a_swipe_tells_which_class_list_the_reader_has(world):
    board = world.reader()
    world.deliver(board.hello(), board.lines[0], with_roster(board, 5000), with_roster(board, 4000))
    assert world.all(schema.reader_state)[0].roster_ms == 5000
    world.deliver(board.hello(roster=6000), with_roster(board, 5500))
    assert world.all(schema.reader_state)[0].roster_ms == 6000
    world.deliver(with_roster(board, HUGE))
    assert world.all(schema.reader_state)[0].roster_ms == 6000
    assert world.alarms() == {"roster-version-impossible"}


def test_the_greatest_numbers_that_an_authentic_statement_can_carry_break_nothing(world):
    world.now_ms = NINE + 30 * MIN
    session, board = world.session(NINE), world.reader()
    token = board.swipe(UIDS[0], NINE, session=session).split("|")[6]
    board.lines.pop()
    board.seq -= 1
    more = [
        board.seal("swipe", journal=board.journal, seq=1, evidence=token, boot_ms=HUGE, wall_ms=NINE, clock="hold",
                   uncertainty_ms=HUGE, verdict="green", session=HUGE, roster=HUGE),
        board.seal("swipe", journal=board.journal, seq=2, evidence=token, boot_ms=HUGE, wall_ms=HUGE, clock="sync",
                   uncertainty_ms=HUGE, verdict="green", session=None, roster=None),
        board.seal("swipe", journal=board.journal, seq=3, evidence=token, boot_ms=HUGE, wall_ms=None, clock="none",
                   uncertainty_ms=None, verdict="check", session=None, roster=None),
        board.seal("clock", journal=board.journal, seq=4, boot_ms=0, wall_ms=HUGE, uncertainty_ms=HUGE),
        board.seal("clock", journal=board.journal, seq=5, boot_ms=HUGE, wall_ms=0, uncertainty_ms=HUGE),
        board.seal("swipe", journal=board.journal, seq=6, evidence=token, boot_ms=0, wall_ms=None, clock="none",
                   uncertainty_ms=None, verdict="check", session=None, roster=None),
        board.seal("head", nonce="0" * 16, boot_ms=HUGE, wall_ms=0, clock="sync", uncertainty_ms=HUGE, able="ok",
                   journals=board.held()),
    ]  # fmt: skip
    answer = world.deliver(board.hello(), board.lines[0], *more)
    assert told(answer, "receipt")[0]["up_to"] == 6
    world.now_ms += DAY
    world.settle()


def test_a_stolen_reader_that_said_the_greatest_numbers_is_revoked_and_released_like_any_other(world):
    world.now_ms = NINE + 30 * MIN
    session, board, scope = world.session(NINE), world.reader(), staff(world, "technician")
    token = board.swipe(UIDS[0], NINE, session=session).split("|")[6]
    board.lines.pop()
    board.seq -= 1
    huge = [
        board.seal("swipe", journal=board.journal, seq=seq, evidence=token, boot_ms=0, wall_ms=wall_ms, clock=clock,
                   uncertainty_ms=unsure_ms, verdict="green", session=session, roster=None)
        for seq, wall_ms, clock, unsure_ms in ((1, NINE, "hold", HUGE), (2, HUGE, "sync", HUGE), (3, HUGE, "sync", 0))
    ]  # fmt: skip
    world.deliver(board.hello(), board.lines[0], *huge)
    for work, more in ((revocations.revoke, {"since_ms": NINE, "why": "stolen"}), (revocations.release, {})):
        with writing(world.engine) as connection:
            work(connection, scope, "a-1", now_ms=world.now_ms, **more)
        world.derive()
        with reading(world.engine) as connection:
            assert [one.withheld for one in revocations.listed(connection, scope)] == [3]
    assert world.credits() == set()


def test_an_authentic_record_whose_number_is_no_ascii_digit_is_quarantined_and_blocks_nobody(world):
    board = world.reader()
    body = f"1|swipe|a-1|1|{board.journal}|²|x"
    line = f"{body}|{board.key.mac(body.encode()).hex()}"
    assert world.deliver(wrap(line), board.lines[0]).new == 1
    assert sum(world.quarantined().values()) == 1
