"""A store that was put back from a backup believes nobody whom the store before it believed no more."""

import shutil
from pathlib import Path

import pytest

from server import certificates
from server.release_pack import Key
from server.store import (
    agents,
    authorities,
    carried,
    credentials,
    endings,
    readers,
    releases,
    revocations,
    rollouts,
    turning,
)
from server.store.accounts import at_the_console
from server.store.engine import reading, writing
from server.store.schema_releases import release_key
from server.store.schema_trust import reader_revocation
from tests.firmware.pico import release_packs
from tests.server.store_world import HOUR, MIN, NINE, UIDS, World


@pytest.fixture
def restored(new_sqlite):
    """`restored(change)`: a world with a credited swipe; `change` is done after the backup; the world that was put back."""
    made = []

    def put_back(change):
        old = World(new_sqlite())
        made.append(old)
        old.door, old.lesson = old.reader(), old.session(NINE)
        old.now_ms = NINE + 5 * MIN
        old.deliver(old.door.lines[0], old.door.swipe(UIDS[0], NINE + 4 * MIN))
        with writing(old.engine) as connection:
            reader_id = readers.by_name(connection, ["a-1"])["a-1"].id
            old.first = credentials.make(connection, old.institution_id, reader_id, old.now_ms)
        file = Path(str(old.engine.url.database))
        old.engine.dispose()
        copy = file.with_suffix(".copy")
        shutil.copy(file, copy)
        old.now_ms = NINE + 3 * HOUR
        with writing(old.engine) as connection:
            change(old, connection)
        with reading(old.engine) as connection:
            kept = carried.read(connection)
        new = World(f"sqlite:///{copy}", filled={**old.remembered()})
        made.append(new)
        new.now_ms, new.door, new.lesson = NINE + 4 * HOUR, old.door, old.lesson
        with writing(new.engine) as connection:
            new.changes = carried.apply(connection, kept, new.now_ms)
        new.derive()
        return new

    yield put_back
    for one in made:
        one.close()


def revoke(old, connection, since_ms=NINE + 2 * MIN):
    scope = at_the_console(old.institution_id)
    revocations.revoke(connection, scope, "a-1", since_ms=since_ms, why="stolen", now_ms=old.now_ms)


def held(world):
    with reading(world.engine) as connection:
        return {one.user: one.hash for one in credentials.held(connection, world.institution_id)}


def test_a_reader_that_was_revoked_after_the_backup_is_believed_no_more_and_its_credit_goes(restored):
    new = restored(revoke)
    assert new.changes.revoked == ["a-1"]
    assert new.credits() == set()
    assert held(new) == {}
    (row,) = new.all(reader_revocation)
    assert (row.since_ms, row.called_ms) == (NINE + 2 * MIN, NINE + 3 * HOUR)


def test_what_was_credited_before_the_theft_goes_on_to_count_there(restored):
    new = restored(lambda old, connection: revoke(old, connection, since_ms=NINE + HOUR))
    assert len(new.credits()) == 1
    new.deliver(new.door.swipe(UIDS[1], NINE + 6 * MIN))
    assert len(new.credits()) == 1


def test_a_release_key_that_was_trusted_no_more_is_not_trusted_again(restored):
    told = []

    def change(old, connection):
        scope = at_the_console(old.institution_id)
        for number in (1, 2):
            releases.trust(connection, scope, Key(number, release_packs.key(number).n), old.now_ms)
        rollouts.distrust(connection, scope, 1, old.now_ms)
        told.append(releases.keys(connection, old.institution_id))

    new = restored(change)
    with reading(new.engine) as connection:
        assert releases.keys(connection, new.institution_id) == told[0] == [Key(2, release_packs.key(2).n)]
    assert [(row.number, row.ended_ms) for row in new.all(release_key)] == [(1, NINE + 3 * HOUR), (2, None)]


def test_a_password_that_had_ended_does_not_hold_again(restored):
    told = []

    def change(old, connection):
        reader_id = readers.by_name(connection, ["a-1"])["a-1"].id
        credentials.make(connection, old.institution_id, reader_id, old.now_ms)
        told.append({one.user: one.hash for one in credentials.held(connection, old.institution_id)})

    new = restored(change)
    assert [held(new)] == told


def test_the_authority_and_the_brokers_agent_that_were_made_since_are_there(restored):
    told = []

    def change(old, connection):
        told.append(authorities.make(connection, old.vault, old.institution_id, "college", old.now_ms))
        told.append(agents.make(connection, old.institution_id, "broker", old.now_ms))
        issued = certificates.issue_broker(told[0], ["b"], old.now_ms)
        endings.note(connection, old.institution_id, "broker", issued.certificate, old.now_ms)
        told.append(endings.every(connection, old.institution_id))

    new = restored(change)
    with reading(new.engine) as connection:
        assert authorities.signing(connection, new.vault, new.institution_id) == told[0]
        assert agents.find(connection, told[1]) is not None
        assert endings.every(connection, new.institution_id) == told[2]


def test_an_authority_that_was_turned_to_since_the_backup_signs_there_and_who_knows_it_is_known(restored):
    told = []

    def change(old, connection):
        scope = at_the_console(old.institution_id)
        authorities.make(connection, old.vault, old.institution_id, "college", old.now_ms)
        turning.prepare(connection, old.vault, scope, "college", old.now_ms)
        turning.told(connection, old.institution_id, "a-1", turning.trusted(connection, old.institution_id), old.now_ms)
        assert turning.turn(connection, scope, old.now_ms) == []
        told.append(turning.trusted(connection, old.institution_id))

    new = restored(change)
    with reading(new.engine) as connection:
        assert turning.trusted(connection, new.institution_id) == told[0]
        assert authorities.signing(connection, new.vault, new.institution_id).certificate == told[0][0]
        assert turning.unaware_of(connection, new.institution_id, told[0][0]) == []
