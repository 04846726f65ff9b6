"""A rotation of card keys: the store learns a card's new token at the first tap that carries both (design, Cards)."""

import pytest
from sqlalchemy import select

from firmware.contract.mac import Key
from server.store import cards, revocations, schema
from server.store.accounts import at_the_console
from server.store.engine import writing
from tests.server.store_world import MIN, NINE, UIDS


@pytest.fixture
def board(world):
    """The reader holds two keys; the store knows cards by the older one only."""
    world.now_ms = NINE + 30 * MIN
    world.session(NINE)
    made = world.reader()
    made.card_keys = [world.second_card_key(), *world.keys]
    world.deliver(made.hello(), made.lines[0])
    return made


def tokens_of(world, uid, keys):
    wanted = [token for _, token in cards.token_for(uid, keys)]
    rows = world.rows(select(schema.card_token.c.card_id).where(schema.card_token.c.token.in_(wanted)))
    return [row.card_id for row in rows]


def test_the_first_tap_with_both_tokens_teaches_the_new_one(world, board):
    world.deliver(board.swipe(UIDS[0], NINE))
    cards_found = tokens_of(world, UIDS[0], board.card_keys)
    assert len(cards_found) == 2 and len(set(cards_found)) == 1
    board.card_keys = board.card_keys[:1]  # the rotation is over
    world.deliver(board.swipe(UIDS[0], NINE + 5 * MIN))
    assert [row.person_id for row in world.all(schema.reading)] == [world.students[0]] * 2


def test_a_tap_of_which_neither_token_is_known_teaches_nothing(world, board):
    stranger = bytes.fromhex("04ffeeddccbbaa")
    world.deliver(board.swipe(stranger, NINE))
    assert tokens_of(world, stranger, board.card_keys) == []


def test_a_tap_that_nobody_signed_teaches_nothing(world, board):
    world.deliver(board.swipe(UIDS[0], NINE, key=Key(1, b"f" * 32)))
    assert len(tokens_of(world, UIDS[0], board.card_keys)) == 1


def newest(world):
    return max(world.all(schema.reading), key=lambda row: row.swipe_id)


def forged(world, board, one, other, at_ms):
    """A swipe by whoever has the reader's key: this card's token under the first key, any token beside it."""
    return board.swipe(b"", at_ms, forged=[*cards.token_for(one, world.keys[:1]), other])


@pytest.mark.parametrize("key", [1, 3, 200])
def test_a_token_under_a_key_that_no_rotation_has_teaches_nothing_whoever_signed_it(world, board, key):
    stranger = bytes.fromhex("04ffeeddccbbaa")
    mine = cards.token_for(stranger, world.keys)[0][1] if key == 1 else b"\x07" * 8
    world.deliver(forged(world, board, UIDS[0], (key, mine), NINE))
    assert {row.key_id for row in world.all(schema.card_token)} == {1}
    assert len(world.all(schema.card_token)) == len(world.students)
    other = world.reader("a-9", room=1)
    world.deliver(other.lines[0], other.swipe(stranger, NINE + MIN))
    assert newest(world).person_id is None


def test_outside_a_rotation_nothing_is_learnt_and_what_comes_late_of_one_still_is(world, board):
    with writing(world.engine) as connection:
        connection.execute(schema.card_key.update().where(schema.card_key.c.key_id == 1).values(to_ms=NINE + 40 * MIN))
    world.now_ms = NINE + cards.LATE_MS
    world.deliver(board.swipe(UIDS[0], NINE))
    assert len(tokens_of(world, UIDS[0], board.card_keys)) == 2
    world.now_ms = NINE + 40 * MIN + cards.LATE_MS
    world.deliver(board.swipe(UIDS[1], NINE))
    assert len(tokens_of(world, UIDS[1], board.card_keys)) == 1


def test_what_a_stolen_reader_taught_is_taken_back_and_honest_doors_teach_again(world, board):
    """Within a rotation whoever has a reader's key can name anybody by any token: until it is revoked."""
    thief, honest = bytes.fromhex("04ffeeddccbbaa"), world.reader("a-9", room=1)
    honest.card_keys = board.card_keys
    world.deliver(board.swipe(UIDS[1], NINE))  # of before the theft: stays
    theft_ms = world.now_ms + 1
    world.now_ms = theft_ms + MIN
    mine = board.card_keys[0].token(thief)
    world.deliver(forged(world, board, UIDS[0], (2, mine), NINE + MIN), honest.lines[0], honest.swipe(thief, NINE))
    assert newest(world).person_id == world.students[0]
    with writing(world.engine) as connection:
        scope = at_the_console(world.institution_id)
        revocations.revoke(connection, scope, "a-1", since_ms=theft_ms, why="stolen", now_ms=world.now_ms)
    world.derive()
    assert tokens_of(world, thief, board.card_keys) == [], "nor is any left that an honest door learnt by it"
    assert (newest(world).person_id, newest(world).verdict) == (None, "unknown_card")
    assert len(tokens_of(world, UIDS[1], board.card_keys)) == 2
    world.deliver(honest.swipe(UIDS[0], NINE + 2 * MIN))
    assert len(tokens_of(world, UIDS[0], board.card_keys)) == 2


def test_rosters_are_built_again_when_a_token_was_learnt(world, board):
    before = world.rows(select(schema.institution.c.campus_change))[0].campus_change
    world.deliver(board.swipe(UIDS[0], NINE))
    assert world.rows(select(schema.institution.c.campus_change))[0].campus_change == before + 1
