"""Staff in the store's test world, and what their hands do to its registers."""

import pytest

from server.scope import Grant, Scope
from server.store import chains, registers, rights, schema
from server.store.engine import reading, writing
from server.store.schema_work import history as entries


def staff(world, role, session=None, *, scope="institution", scope_id=None):
    """Somebody with this role; of the session's staff where one is named."""
    name = f"{role}{len(world.all(schema.account))}"
    person_id = world.person(name)
    if session is not None:
        world.insert(schema.session_staff, session_id=session, person_id=person_id, from_ms=0)
    values = {"login": name, "shown_name": name.title(), "password_hash": "", "role": role}
    account_id = world.insert(schema.account, person_id=person_id, created_ms=world.now_ms, **values)
    with writing(world.engine) as connection:
        rights.grant(connection, world.institution_id, account_id, role, scope=scope, scope_id=scope_id, now_ms=0)
    grant = Grant(role=role, scope=scope, scope_id=scope_id)
    return Scope(institution_id=world.institution_id, account_id=account_id, person_id=person_id, grants=(grant,))


def want(world, place, code, **more):
    return registers.Wanted(person_id=world.students[place], code=code, **more)


def set_(world, scope, session, *wanted, **more):
    with writing(world.engine) as connection:
        return registers.set_marks(connection, scope, world.profiles, session, wanted, now_ms=world.now_ms, **more)


def refused(world, scope, session, *wanted, **more):
    """(code of each student's problem), and nothing was set."""
    before = len(world.all(schema.mark)), len(world.all(entries))
    with pytest.raises(registers.MarksRefused) as error:
        set_(world, scope, session, *wanted, **more)
    assert (len(world.all(schema.mark)), len(world.all(entries))) == before, "all or nothing"
    return error.value


def codes(world, session):
    found = world.marks()
    return [found.get((session, person), (None,))[0] for person in world.students]


def whole(world):
    """Whether every chain is whole and says what the registers say."""
    with reading(world.engine) as connection:
        return chains.walk(connection).breaks == []
