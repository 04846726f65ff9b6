"""A password's hash is slow on purpose: while it is made nobody waits for the database."""

import threading

import pytest

from server.store import account_changes, accounts, passwords, schema, schema_rights
from server.store.campus import FieldRefused
from server.store.engine import writing
from tests.server.pages.school import HASHER


class Watching:
    """Hashes, and has somebody else write meanwhile. waited: whether they could not."""

    def __init__(self, world) -> None:
        self.world, self.waited, self.asked = world, False, 0

    def hash(self, password: str) -> str:
        self.asked += 1

        def write():
            with writing(self.world.engine) as connection:
                connection.execute(schema.institution.update().values(campus_change=schema.institution.c.campus_change))

        other = threading.Thread(target=write, daemon=True)
        other.start()
        other.join(3)
        self.waited = self.waited or other.is_alive()
        return HASHER.hash(password)

    def verify(self, hashed: str, password: str) -> bool:
        return HASHER.verify(hashed, password)


@pytest.fixture
def watching(world):
    return Watching(world)


def add(world, hasher, **values) -> int:
    wanted = {"login_name": "new", "shown_name": "New", "password": "a long password", "role": "technician",
              "scope_kind": "institution", "scope_code": "", "person": ""} | values  # fmt: skip
    scope = accounts.at_the_console(world.institution_id)
    return account_changes.add(world.engine, scope, hasher, now_ms=world.now_ms, **wanted)


def test_others_write_while_a_new_accounts_password_is_hashed(world, watching):
    made = add(world, watching)
    assert watching.asked == 1 and not watching.waited
    assert [row.login for row in world.all(schema.account) if row.id == made] == ["new"]


def test_others_write_while_another_password_is_given_and_while_ones_own_is_changed(world, watching):
    made = add(world, HASHER)
    scope = accounts.at_the_console(world.institution_id)
    account_changes.set_password(world.engine, scope, watching, made, "another password", world.now_ms)
    own = scope.__class__(institution_id=world.institution_id, account_id=made, person_id=None)
    passwords.change_password(
        world.engine, own, watching, now="another password", new="a third password", again="a third password",
        now_ms=world.now_ms,
    )  # fmt: skip
    assert watching.asked == 2 and not watching.waited


def test_what_is_refused_after_the_hash_leaves_nothing(world, watching):
    add(world, HASHER)
    for values in ({}, {"login_name": "other", "role": "student"}, {"login_name": "other", "person": "nobody"}):
        with pytest.raises(FieldRefused):
            add(world, watching, **values)
    assert [row.login for row in world.all(schema.account)].count("new") == 1
    assert not [row for row in world.all(schema.account) if row.login == "other"]
    assert len({row.account_id for row in world.all(schema_rights.account_role)}) == len(world.all(schema.account))
