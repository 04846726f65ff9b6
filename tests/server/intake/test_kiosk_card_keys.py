"""A rotation of card keys at a kiosk: who checks in there alone is known under the new key as well (design, Cards)."""

import pytest

from server.store import schema
from tests.rules import rule
from tests.server.residence_world import HOUR, MIN, OPENS, UIDS, Residence


@pytest.fixture
def hall(world):
    """The kiosk holds two keys; the store knows cards by the older one only."""
    made = Residence(world)
    world.now_ms = OPENS + 2 * HOUR
    made.older = list(world.keys)
    made.deliver(made.board.hello(), made.board.lines[0])
    world.keys = [world.second_card_key(), *made.older]
    return made


def tokens(hall):
    """(person, key id) of every token that the store knows."""
    owner = {row.card_id: row.person_id for row in hall.w.all(schema.card_assignment)}
    return {(owner[row.card_id], row.key_id) for row in hall.w.all(schema.card_token)}


@rule("DDU-12")
def test_a_check_in_teaches_the_cards_new_token_and_the_next_one_needs_no_other(hall):
    person = hall.w.students[0]
    assert (person, 2) not in tokens(hall)
    hall.deliver(hall.check_in(UIDS[0], OPENS + MIN))
    assert (person, 2) in tokens(hall) and hall.states()[person] == "in"
    hall.w.keys = hall.w.keys[:1]  # the rotation is over
    hall.deliver(hall.check_in(UIDS[0], OPENS + 2 * MIN))
    assert [row[0] for row in hall.read()] == [person, person]


def test_what_came_under_the_new_key_alone_before_it_was_learnt_is_theirs(hall):
    both, person = hall.w.keys, hall.w.students[1]
    hall.w.keys = both[:1]
    hall.deliver(hall.check_in(UIDS[1], OPENS + MIN))
    assert [row[0] for row in hall.read()] == [None]
    hall.w.keys = both
    hall.deliver(hall.check_in(UIDS[1], OPENS + 2 * MIN))
    assert [row[0] for row in hall.read()] == [person, person]


def test_a_check_in_of_an_unknown_card_or_with_a_wrong_mac_teaches_nothing(hall):
    before = tokens(hall)
    values = hall.check_in(bytes(range(7)), OPENS + MIN, method="witness", witness=None)
    forged = hall.check_in(UIDS[0], OPENS + 2 * MIN)
    hall.deliver(values, forged[:-1] + ("0" if forged[-1] != "0" else "1"))
    assert tokens(hall) == before
