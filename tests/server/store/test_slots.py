"""Slots: one token, one board, 15 minutes; of two boards that show one token at once, one becomes the reader."""

import hashlib
import json
import threading
import time
from typing import Any

import pytest

from firmware.contract.mac import Key
from server.errors import NotAllowed, NotFound, NotSignedIn, Refused, StoreError
from server.scope import LECTURER, Grant, Scope
from server.store import accounts, institutions, readers, schema, schema_slots, schema_trust, slots
from server.store.engine import reading, writing
from tests.server.store_world import MIN, NINE, UIDS, Board


@pytest.fixture
def scope(world):
    return accounts.at_the_console(world.institution_id)


@pytest.fixture
def make(world, scope):
    def _make(**wanted: Any):
        wanted = {"name": "a-7", "room_code": "R0"} | wanted
        with writing(world.engine) as connection:
            return slots.make(connection, scope, now_ms=world.now_ms, **wanted)

    return _make


@pytest.fixture
def claim(world):
    def _claim(token, board="e66141"):
        with writing(world.engine) as connection:
            return slots.claim(connection, world.vault, token, board=board, now_ms=world.now_ms)

    return _claim


def code_of(work, *arguments, **more):
    with pytest.raises(StoreError) as refused:
        work(*arguments, **more)
    return refused.value.code


def test_a_claim_makes_the_reader_its_key_its_password_and_its_place_at_the_door(world, make, claim):
    made = make()
    assert (made.reader, made.room_code, made.expires_ms - world.now_ms) == ("a-7", "R0", 15 * MIN)
    got = claim(made.token)
    assert (got.reader, got.site, got.room_code, got.key[0], len(got.key[1])) == ("a-7", "main", "R0", 1, 32)
    assert got.credential.user == "a-7" and len(got.credential.password) >= 32
    assert len(got.card_keys) == 1
    with reading(world.engine) as connection:
        found = readers.by_name(connection, ["a-7"])["a-7"]
        [key] = readers.keys(connection, readers.KeyRing(world.vault), [found]).values()
        assert (key.id, key.mac(b"x")) == (1, Key(*got.key).mac(b"x"))
        assert readers.at_door(connection, found.id, world.now_ms).room_code == "R0"


def test_a_token_has_128_bits_and_only_its_hash_is_kept(world, make):
    made = make()
    token = slots.token_in(made.token) or b""
    assert len(token) == 16 and slots.token_in(slots.told(token)) == token
    [row] = world.all(schema_slots.slot)
    assert bytes(row.token_hash) == hashlib.sha256(token).digest()
    kept = repr(row) + repr(world.all(schema.audit))
    assert made.token not in kept and token.hex() not in kept and token not in bytes(row.token_hash)


def test_a_token_is_read_however_it_was_typed_and_nothing_else_is_one(make):
    made = make()
    token = slots.token_in(made.token)
    assert slots.token_in(f" {made.token.lower().replace('-', ' ')}\n") == token
    for text in ("", "x", made.token[:-1], made.token + "AAAAAAAA", "1" * 26, "é" * 26, "\0", "=" * 26):
        assert slots.token_in(text) is None, text


def test_a_token_that_was_used_is_refused_and_changes_nothing(world, make, claim):
    made = make()
    first = claim(made.token)
    before = [world.all(table) for table in (schema.reader_key, schema_trust.broker_credential, schema.placement)]
    assert code_of(claim, made.token, board="other") == "slot-claimed"
    assert [
        world.all(table) for table in (schema.reader_key, schema_trust.broker_credential, schema.placement)
    ] == before
    [row] = world.all(schema_slots.slot)
    assert (row.board, first.reader) == ("e66141", "a-7")


def test_a_token_holds_until_its_last_millisecond_and_no_longer(world, make, claim):
    made = make()
    world.now_ms = made.expires_ms
    assert code_of(claim, made.token) == "slot-expired"
    world.now_ms -= 1
    assert claim(made.token).reader == "a-7"


def test_what_is_no_token_is_told_nothing_of_what_is_one(make, claim):
    make()
    for token in ("", "no token", slots.told(b"\0" * 16), slots.told(b"\xff" * 16)):
        with pytest.raises(NotSignedIn) as refused:
            claim(token)
        assert refused.value.code == "slot-token"


def test_of_two_boards_that_show_one_token_at_once_one_becomes_the_reader(world, make):
    for round_ in range(8):
        made = make(name=f"r-{round_}")
        together, outcomes = threading.Barrier(4), []

        def board(number, token=made.token, together=together, outcomes=outcomes):
            together.wait()
            try:
                with writing(world.engine) as connection:
                    got = slots.claim(connection, world.vault, token, board=str(number), now_ms=world.now_ms)
                outcomes.append((str(number), got.key[1]))
            except StoreError as error:
                outcomes.append((str(number), error.code))

        threads = [threading.Thread(target=board, args=(number,)) for number in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        won = [number for number, what in outcomes if isinstance(what, bytes)]
        assert len(won) == 1 and [what for _, what in outcomes if what == "slot-claimed"] == ["slot-claimed"] * 3
        [row] = [row for row in world.all(schema_slots.slot) if row.reader_name == f"r-{round_}"]
        assert row.board == won[0]
        [key] = [one for one in world.all(schema.reader_key) if one.reader_id == row.reader_id]
        assert world.vault.open(key.secret, f"reader-key/r-{round_}/1") == dict(outcomes)[won[0]]


def test_of_two_slots_that_are_made_at_once_for_one_room_each_has_a_name_of_its_own(world, scope, claim):
    for round_ in range(3):
        together, made, problems = threading.Barrier(2), [], []

        def technician(together=together, made=made, problems=problems):
            together.wait()
            try:
                with writing(world.engine) as connection:
                    made.append(slots.make(connection, scope, name=None, room_code="R1", now_ms=world.now_ms))
                    # Whoever comes beside it must wait for the commit, and see it then.
                    time.sleep(0.02)
            except StoreError as error:
                problems.append(error.code)

        threads = [threading.Thread(target=technician) for _ in range(2)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert len({one.reader for one in made}) == 2 and problems == [], round_
        # Under one name the second board's claim would have made the first one's key worth nothing.
        assert [claim(one.token).key[0] for one in made] == [1, 1]


def test_a_slot_made_anew_ends_the_token_before_it(make, claim):
    first, second = make(), make()
    assert code_of(claim, first.token) == "slot-withdrawn"
    assert claim(second.token).reader == "a-7"


def test_a_claim_whose_settings_never_reached_a_board_is_made_good_by_a_new_token_and_a_new_key(world, make, claim):
    lost = claim(make().token)
    again = claim(make().token)
    assert (again.reader, again.key[0]) == ("a-7", 2) and again.key[1] != lost.key[1]
    assert again.credential.password != lost.credential.password
    with reading(world.engine) as connection:
        found = readers.by_name(connection, ["a-7"])["a-7"]
        keys = readers.keys(connection, readers.KeyRing(world.vault), [found])
    assert [(key.id, key.mac(b"x")) for key in keys.values()] == [(2, Key(*again.key).mac(b"x"))], (
        "the lost key is gone"
    )
    assert [row.reader_id for row in world.all(schema.placement) if row.to_ms is None].count(found.id) == 1


def test_a_reader_that_was_heard_is_never_given_away_by_a_slot(world, make, claim):
    got = claim(make().token)
    waiting = make()
    world.deliver(Board("a-7", Key(*got.key), world.keys).hello())
    assert code_of(claim, waiting.token) == "reader-exists"
    assert code_of(make) == "reader-exists"
    [row] = [row for row in world.all(schema_slots.slot) if row.id == waiting.slot_id]
    assert row.claimed_ms is None, "the claim was undone whole"


def test_a_reader_made_by_hand_is_never_given_away_by_a_slot(world, make):
    world.reader("a-7")
    assert code_of(make) == "reader-exists"


def test_a_new_board_takes_over_the_door_and_the_old_one_delivers_what_it_recorded_before(world, make, claim):
    session_id = world.session()
    old = world.reader("a-1")
    old.boot(at_ms=NINE)
    old.swipe(UIDS[0], NINE + MIN, session=session_id)
    world.now_ms = NINE + 5 * MIN
    got = claim(make(name=None, room_code=None, replaces="a-1").token)
    assert (got.reader, got.replaces, got.room_code) == ("a-1-2", "a-1", "R0")
    old.swipe(UIDS[1], NINE + 6 * MIN, session=session_id)
    world.now_ms = NINE + 20 * MIN
    world.deliver(*old.lines)
    assert len(world.all(schema.swipe)) == 2, "both are kept"
    owner = {row.person_id for row in world.all(schema.credit)}
    assert owner == {world.students[0]}, "what it took after the new one took over counts at no door"


def test_a_swap_leaves_the_old_reader_at_the_door_where_somebody_moved_it_meanwhile(world, make, claim):
    world.reader("a-1")
    made = make(name=None, room_code=None, replaces="a-1")
    with writing(world.engine) as connection:
        readers.move(connection, world.institution_id, "a-1", "R1", world.now_ms, world.now_ms)
    got = claim(made.token)
    assert (got.room_code, got.replaces) == ("R0", None), "nobody is told that it left a door"
    with reading(world.engine) as connection:
        old = readers.by_name(connection, ["a-1"])["a-1"]
        assert readers.at_door(connection, old.id, world.now_ms).room_code == "R1"


def test_a_reader_that_was_never_heard_is_at_the_door_and_site_of_its_newest_slot(world, make, claim):
    world.insert(schema.room, code="R9")
    with writing(world.engine) as connection:
        readers.ensure_site(connection, world.institution_id, "north")
        readers.ensure_site(connection, world.institution_id, "south")
    first = claim(make(room_code="R9", site_name="north").token)
    with writing(world.engine) as connection:
        readers.move(connection, world.institution_id, "a-7", "R0", world.now_ms, world.now_ms)
    again = claim(make(room_code="R9", site_name="south").token)
    assert (first.site, again.site, again.room_code) == ("north", "south", "R9")
    with reading(world.engine) as connection:
        found = readers.by_name(connection, ["a-7"])["a-7"]
        assert found.site == "south", "what is passed down goes where the board listens"
        assert readers.at_door(connection, found.id, world.now_ms).room_code == "R9", "as its label says"


def test_a_reader_without_a_door_is_not_swapped(world, make):
    world.reader("a-1")
    with writing(world.engine) as connection:
        readers.move(connection, world.institution_id, "a-1", None, world.now_ms, world.now_ms)
    assert code_of(make, name=None, room_code=None, replaces="a-1") == "door-none"
    assert code_of(make, name=None, room_code=None, replaces="a-2") == "reader"


def test_a_name_is_found_where_none_is_given(world, make):
    world.reader("r0")
    assert make(name=None).reader == "r0-2"
    second = make(name="")
    assert second.reader == "r0-3", "a room with two doors has two slots, and each token stays good"
    world.now_ms = second.expires_ms
    assert make(name=None).reader == "r0-2", "what has expired is free again"


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"room_code": "nowhere"}, "room"),
        ({"room_code": ""}, "slot-room"),
        ({"name": "A 7"}, "reader-name"),
        ({"site_name": "Ö"}, "reader-name"),
    ],
)
def test_a_slot_that_cannot_be_is_refused_with_its_code(world, make, wanted, code):
    assert code_of(make, **wanted) == code
    assert world.all(schema_slots.slot) == []


def test_a_slot_is_withdrawn_once_and_its_token_is_good_for_nothing(world, scope, make, claim):
    made = make()
    for expected in (True, False):
        with writing(world.engine) as connection:
            assert slots.withdraw(connection, scope, made.slot_id, world.now_ms) is expected
    assert code_of(claim, made.token) == "slot-withdrawn"
    with writing(world.engine) as connection, pytest.raises(NotFound):
        slots.withdraw(connection, scope, made.slot_id + 99, world.now_ms)


def test_slots_are_listed_with_what_became_of_them(world, scope, make, claim):
    claim(make(name="a-1").token)
    first = make(name="a-2")
    make(name="a-3")
    with writing(world.engine) as connection:
        slots.withdraw(connection, scope, first.slot_id, world.now_ms)
    with reading(world.engine) as connection:
        states = {one.reader: one.state for one in slots.listed(connection, scope, world.now_ms)}
        assert states == {"a-1": "claimed", "a-2": "withdrawn", "a-3": "open"}
        later = {one.reader: one.state for one in slots.listed(connection, scope, world.now_ms + 15 * MIN)}
    assert later["a-3"] == "expired"


def test_slots_are_for_whoever_tends_doors(world):
    lecturer = Scope(institution_id=world.institution_id, account_id=1, person_id=None, grants=(Grant(role=LECTURER),))
    with writing(world.engine) as connection:
        with pytest.raises(NotAllowed):
            slots.make(connection, lecturer, name="a-1", room_code="R0", now_ms=world.now_ms)
        with pytest.raises(NotAllowed):
            slots.listed(connection, lecturer, world.now_ms)
        with pytest.raises(NotAllowed):
            slots.withdraw(connection, lecturer, 1, world.now_ms)


def test_another_institutions_slots_and_readers_are_not_there(world, scope, make):
    made = make()
    world.reader("a-1")
    with writing(world.engine) as connection:
        made_too = institutions.ensure(connection, "other", "Europe/London", world.now_ms)
        other = accounts.at_the_console(made_too.id)
        assert slots.listed(connection, other, world.now_ms) == []
        with pytest.raises(NotFound):
            slots.withdraw(connection, other, made.slot_id, world.now_ms)
        with pytest.raises(NotFound):
            slots.make(connection, other, name=None, room_code=None, replaces="a-1", now_ms=world.now_ms)
        with pytest.raises(NotFound):
            slots.make(connection, other, name="x-1", room_code="R0", now_ms=world.now_ms)
        with pytest.raises(Refused):
            readers.ensure_room(connection, other.institution_id, "R0")
            slots.make(connection, other, name="a-1", room_code="R0", now_ms=world.now_ms)


def test_what_was_done_with_a_slot_is_written_down_without_its_token(world, scope, make, claim):
    made = make()
    claim(made.token)
    second = make(name="a-8")
    with writing(world.engine) as connection:
        slots.withdraw(connection, scope, second.slot_id, world.now_ms)
    lines = {row.action: row for row in world.all(schema.audit)}
    assert {"slot.make", "slot.claim", "slot.withdraw"} <= set(lines)
    assert json.loads(lines["slot.claim"].detail)["key"] == 1
    assert made.token not in repr(lines) and made.token.replace("-", "") not in repr(lines)


def at_site(world, code, site):
    """A room that the registry has at this site."""
    with writing(world.engine) as connection:
        found = readers.ensure_site(connection, world.institution_id, site)
    return world.insert(schema.room, code=code, site_id=found)


def test_a_reader_is_at_the_site_of_its_room_and_else_somebody_says_which(world, make, claim):
    world.reader("a-1")
    at_site(world, "N-101", "north")
    assert make(name="n-1", room_code="N-101").site == "north"
    assert make(room_code="N-101", site_name="north").site == "north"
    assert make(name="b-1").site == "main", "a reader at this door is at main"
    world.insert(schema.room, code="R9")
    assert code_of(make, room_code="R9") == "slot-site", "which of two is not to be guessed"
    assert make(name="r-9", room_code="R9", site_name="north").site == "north"
    got = claim(make(name="r-10", room_code="R9", site_name="south", new_site=True).token)
    assert (got.site, make(name="r-11", room_code="R9").site) == ("south", "south")


def test_the_room_of_another_site_and_a_site_that_nobody_named_are_refused(world, make):
    world.reader("a-1")
    at_site(world, "N-101", "north")
    assert code_of(make, room_code="N-101", site_name="main") == "slot-site", "another room was meant"
    assert code_of(make, site_name="mian") == "slot-site"
    assert world.all(schema_slots.slot) == []
