"""What a whole session's taps rest on, asked for once: the same as of each tap alone, and never a question a student."""

from collections import Counter

import pytest
from sqlalchemy import event

from firmware.contract import statement
from server import card_signature
from server.policy import card_counters
from server.store import card_doubts, cards, revocations, signed_cards
from server.store.accounts import at_the_console
from server.store.card_doubts import Rests
from server.store.engine import reading, writing
from tests.server.store_world import MIN, NINE

pytestmark = pytest.mark.rule("PORT-9")
KEY = b"k" * 16


def uid(n):
    return bytes([4, n, 0x5F, 0x1E, 0xAC, 0xC0, 0x40])


def signing(world, n):
    """A student whose card signs."""
    who = world.person(f"Signe{n}", uid(n))
    world.enrol(world.group, who)
    with writing(world.engine) as connection:
        card_id = cards.known(connection, world.institution_id, world.tokens(uid(n)))
        assert card_id is not None
        signer = signed_cards.Signer(uid=uid(n), key=KEY)
        signed_cards.register(connection, world.vault, world.institution_id, card_id, signer, world.now_ms)
    return who


def message(n, counter, mac=None):
    return statement.Message(counter, mac or card_signature.message_mac(KEY, uid(n), counter))


def lesson(world, many=5):
    """A session with a tap of each kind, of cards that sign, and taps of cards that do not."""
    people = [signing(world, n) for n in range(1, many + 1)]
    session, board, other = world.session(), world.reader(), world.reader("a-2", room=1)
    world.now_ms = NINE + 30 * MIN
    said = [message(1, 3), message(2, 3, bytes(8)), None, message(4, 3), *(message(n, 1) for n in range(5, many + 1))]
    taps = [board.swipe(uid(n), NINE + n * MIN, session=session, said=each) for n, each in enumerate(said, 1)]
    # The fourth said the same at another door before.
    first = other.swipe(uid(4), NINE - 30 * MIN, said=message(4, 3))
    world.deliver(board.lines[0], other.lines[0], first, *taps)
    return session, people


def of_session(world, session, known=None):
    with reading(world.engine) as connection:
        return card_doubts.of_session(connection, session, known or {})


def test_every_tap_of_a_session_rests_on_what_it_rests_on_alone(world):
    session, people = lesson(world)
    found = of_session(world, session)
    with reading(world.engine) as connection:
        alone = {
            tap.swipe_id: Rests(who, tap.kind) for who in people for tap in card_doubts.taps(connection, session, who)
        }
    assert found == alone
    assert Counter(one.kind for one in found.values()) == {
        card_counters.SIGNED: 2, card_counters.FORGED: 1, card_counters.UNSIGNED: 1, card_counters.REPEATED: 1
    }  # fmt: skip


def test_what_was_found_before_is_taken_over_and_only_new_taps_are_judged(world):
    session, people = lesson(world)
    found = of_session(world, session)
    one = next(swipe for swipe, rests in found.items() if rests.person_id == people[0])
    known = {one: Rests(people[0], card_counters.OLDER)}
    again = of_session(world, session, known)
    assert again == found | known


def test_a_session_asks_as_often_for_many_cards_as_for_few(world):
    session, _ = lesson(world, many=12)
    asked = []
    event.listen(world.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    found = of_session(world, session)
    assert len(found) == 12
    assert len([one for one in asked if one.lstrip().upper().startswith("SELECT")]) <= 5, asked


def test_a_message_of_long_ago_is_seen_though_only_the_last_taps_are_looked_at_first(world):
    who, session, board = signing(world, 1), world.session(), world.reader()
    other = world.reader("a-2", room=1)
    many = card_doubts.BEFORE + 4
    before = [other.swipe(uid(1), NINE - (many - n) * 6 * MIN, said=message(1, n)) for n in range(1, many)]
    world.now_ms = NINE + 30 * MIN
    world.deliver(board.lines[0], other.lines[0], *before, board.swipe(uid(1), NINE + MIN, said=message(1, 1)))
    (found,) = of_session(world, session).values()
    assert found == Rests(who, card_counters.REPEATED)


def test_where_no_card_signs_one_question_is_asked_and_nothing_is_said(world):
    session, board = world.session(), world.reader()
    world.now_ms = NINE + 30 * MIN
    world.deliver(board.lines[0], board.swipe(bytes([4, 0, 2, 3]), NINE + MIN, session=session))
    asked = []
    event.listen(world.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    assert of_session(world, session) == {}
    assert len([one for one in asked if one.lstrip().upper().startswith("SELECT")]) == 1, asked


def test_what_a_stolen_reader_says_once_more_throws_no_doubt_on_the_owners_own_tap(world):
    """Whoever has its journal has messages of cards that sign, and says one of them with an earlier time."""
    who, session = signing(world, 1), world.session()
    board, stolen = world.reader(), world.reader("a-2", room=1)
    world.now_ms = NINE + 30 * MIN
    world.deliver(board.lines[0], board.swipe(uid(1), NINE + MIN, said=message(1, 3)))
    world.deliver(stolen.lines[0], stolen.swipe(uid(1), NINE - 5 * MIN, said=message(1, 3)))

    def kinds():
        with reading(world.engine) as connection:
            return [one.kind for one in card_doubts.taps(connection, session, who)], {
                one.kind for one in card_doubts.of_session(connection, session, {}).values()
            }

    assert kinds() == ([card_counters.REPEATED], {card_counters.REPEATED})
    with writing(world.engine) as connection:
        scope = at_the_console(world.institution_id)
        revocations.revoke(connection, scope, "a-2", since_ms=world.now_ms, why="stolen", now_ms=world.now_ms)
    world.derive()
    assert kinds() == ([card_counters.SIGNED], {card_counters.SIGNED})
