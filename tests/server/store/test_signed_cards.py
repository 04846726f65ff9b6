"""Cards that sign, at the store: what they said is checked, kept, judged by their count, and never costs a swipe."""

import pytest

from firmware.contract import statement
from server import card_signature
from server.errors import StoreError
from server.policy import card_counters
from server.store import card_doubts, cards, emptying, schema, signed_cards
from server.store.engine import reading, writing
from server.store.schema_cards import card_signer, swipe_message
from tests.server.store_world import MIN, NINE

pytestmark = pytest.mark.rule("PORT-9")
UID = bytes.fromhex("04de5f1eacc040")


def key(world):
    with writing(world.engine) as connection:
        secret = signed_cards.secret(connection, world.vault, world.institution_id, world.now_ms)
    return card_signature.diversified(secret, UID)


def holder(world):
    return world.person("Signe", UID)


def register(world, mine=None):
    mine = mine or key(world)
    with writing(world.engine) as connection:
        ((card_id,),) = connection.execute(
            schema.card_token.select()
            .with_only_columns(schema.card_token.c.card_id)
            .where(schema.card_token.c.token == world.tokens(UID)[0][1])
        ).all()
        signer = signed_cards.Signer(uid=UID, key=mine)
        signed_cards.register(connection, world.vault, world.institution_id, card_id, signer, world.now_ms)
    return card_id


def message(world, counter, mine=None):
    return statement.Message(counter, card_signature.message_mac(mine or key(world), UID, counter))


def a_class(world):
    """A person with a card that signs, a session, a reader at its door."""
    who = holder(world)
    register(world)
    world.enrol(world.group, who)
    return who, world.session(), world.reader()


def kinds(world, session, who):
    with reading(world.engine) as connection:
        return [(one.at_ms, one.kind) for one in card_doubts.taps(connection, session, who)]


def test_a_signed_tap_is_checked_and_credits_as_any_other(world):
    who, session, board = a_class(world)
    world.now_ms = NINE + 10 * MIN
    world.deliver(board.lines[0], board.swipe(UID, NINE + MIN, session=session, said=message(world, 1)))
    assert world.marks()[session, who][0]
    assert kinds(world, session, who) == [(NINE + MIN, card_counters.SIGNED)]
    (kept,) = world.all(swipe_message)
    assert (kept.counter, kept.genuine) == (1, True)


@pytest.mark.parametrize(
    "said, kind",
    [
        (lambda world: statement.Message(1, bytes(8)), card_counters.FORGED),
        (lambda world: message(world, 1, b"x" * 16), card_counters.FORGED),
        (lambda world: None, card_counters.UNSIGNED),
        (lambda world: statement.Message(None, None), card_counters.ENCRYPTED),
    ],
)
def test_a_doubt_is_shown_and_the_swipe_is_kept_and_counts(world, said, kind):
    who, session, board = a_class(world)
    world.now_ms = NINE + 10 * MIN
    world.deliver(board.lines[0], board.swipe(UID, NINE + MIN, session=session, said=said(world)))
    assert {one[:2] for one in world.credits()} == {(session, who)}
    assert kinds(world, session, who) == [(NINE + MIN, kind)]


def test_a_message_played_again_is_seen_though_it_arrived_first(world):
    who, session, board = a_class(world)
    other = world.reader("a-2")
    world.now_ms = NINE + 30 * MIN
    # A copy of the card's message of the first minute, at a door with a link; the card itself was at one without.
    world.deliver(other.lines[0], other.swipe(UID, NINE + 5 * MIN, session=session, said=message(world, 8)))
    assert [kind for _, kind in kinds(world, session, who)] == [card_counters.SIGNED]
    world.now_ms += 24 * 60 * MIN
    world.deliver(board.lines[0], board.swipe(UID, NINE + MIN, session=session, said=message(world, 8)))
    assert len(world.all(schema.swipe)) == 2
    with reading(world.engine) as connection:
        (card_id,) = connection.execute(card_signer.select().with_only_columns(card_signer.c.card_id)).scalars()
        judged = card_doubts.judged(connection, [card_id])
        at = dict(
            connection.execute(
                schema.reading.select().with_only_columns(schema.reading.c.swipe_id, schema.reading.c.at_ms)
            ).all()
        )
    assert {at[one]: kind for one, kind in judged.items()} == {
        NINE + MIN: card_counters.SIGNED,
        NINE + 5 * MIN: card_counters.REPEATED,
    }


def test_late_taps_of_an_offline_door_are_no_doubt(world):
    _who, session, board = a_class(world)
    other = world.reader("a-2")
    world.now_ms = NINE + 30 * MIN
    world.deliver(other.lines[0], other.swipe(UID, NINE + 20 * MIN, session=session, said=message(world, 9)))
    world.now_ms += 24 * 60 * MIN
    world.deliver(board.lines[0], board.swipe(UID, NINE + MIN, session=session, said=message(world, 8)))
    with reading(world.engine) as connection:
        (card_id,) = connection.execute(card_signer.select().with_only_columns(card_signer.c.card_id)).scalars()
        assert set(card_doubts.judged(connection, [card_id]).values()) == {card_counters.SIGNED}


def test_what_a_card_said_before_its_key_was_known_is_checked_when_it_is(world):
    who = holder(world)
    world.enrol(world.group, who)
    session, board = world.session(), world.reader()
    world.now_ms = NINE + 10 * MIN
    world.deliver(board.lines[0], board.swipe(UID, NINE + MIN, session=session, said=message(world, 1)))
    assert [kind for _, kind in kinds(world, session, who)] == [card_counters.UNKNOWN_KEY]
    register(world, b"x" * 16)
    assert [kind for _, kind in kinds(world, session, who)] == [card_counters.FORGED]
    register(world)
    assert [kind for _, kind in kinds(world, session, who)] == [card_counters.SIGNED]


def test_a_card_that_identifies_nobody_is_a_tap_of_nobody(world):
    session, board = world.session(), world.reader()
    world.now_ms = NINE + 10 * MIN
    answer = world.deliver(board.lines[0], board.swipe(b"", NINE + MIN, verdict="check"))
    assert len(answer.done) == 2
    (kept,) = world.all(schema.swipe)
    assert (kept.key_id, kept.token, kept.key2_id, kept.token2) == (None, None, None, None)
    (read,) = world.all(schema.reading)
    assert (read.verdict, read.person_id, read.at_ms) == ("unknown_card", None, NINE + MIN)
    assert world.credits() == set()
    assert session


def test_neither_the_cards_number_nor_its_key_stands_in_a_table(world):
    a_class(world)
    for table in (card_signer, schema.card, schema.card_token):
        for row in world.all(table):
            for value in row:
                if isinstance(value, bytes | memoryview):
                    assert UID not in bytes(value)
                    assert key(world) not in bytes(value)
                    assert UID[::-1] not in bytes(value)


def test_what_a_card_said_goes_with_its_token(world):
    who, session, board = a_class(world)
    world.now_ms = NINE + 10 * MIN
    world.deliver(board.lines[0], board.swipe(UID, NINE + MIN, session=session, said=message(world, 1)))
    with writing(world.engine) as connection:
        (swipe_id,) = connection.execute(schema.swipe.select().with_only_columns(schema.swipe.c.id)).scalars()
        emptying.empty(connection, schema.swipe, [swipe_id], ("key_id", "token", "key2_id", "token2"))
    assert world.all(swipe_message) == []
    assert who


def test_a_second_secret_is_refused_and_a_short_key_is_too(world):
    key(world)
    with writing(world.engine) as connection:
        with pytest.raises(StoreError) as refused:
            signed_cards.put_secret(connection, world.vault, world.institution_id, bytes(16), world.now_ms)
        assert refused.value.code == "signing-key-there"
        card_id = cards.hold(connection, world.institution_id, world.students[0], world.tokens(UID), 0)
        with pytest.raises(StoreError) as refused:
            short = signed_cards.Signer(uid=UID, key=b"short")
            signed_cards.register(connection, world.vault, world.institution_id, card_id, short, world.now_ms)
        assert refused.value.code == "card-signs-length"
