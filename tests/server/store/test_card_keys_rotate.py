"""A rotation of card keys: the store learns a card's new token at the first tap that carries both (design, Cards)."""

import os

import pytest
from sqlalchemy import select

from firmware.contract.mac import Key
from server.store import cards, schema
from tests.server.store_world import MIN, NINE, UIDS


@pytest.fixture
def board(world):
    """The reader holds two keys; the store knows cards by the older one only."""
    world.now_ms = NINE + 30 * MIN
    world.session(NINE)
    made = world.reader()
    made.card_keys = [Key(2, os.urandom(32)), *world.keys]
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


def test_rosters_are_built_again_when_a_token_was_learnt(world, board):
    before = world.rows(select(schema.institution.c.campus_change))[0].campus_change
    world.deliver(board.swipe(UIDS[0], NINE))
    assert world.rows(select(schema.institution.c.campus_change))[0].campus_change == before + 1
