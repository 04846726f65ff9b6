"""A session that classes of two departments share: neither registry takes the other's class off it."""

import pytest
from sqlalchemy import select

from server.store import parts, schema
from server.store.engine import writing
from tests.server.pages.test_campus_pages import do, fill, said
from tests.server.pages.two_departments import signed_in


@pytest.fixture
def joint(there):
    """A session to come of both departments' classes."""
    session = there.session("Shared", starts_min=60)
    with writing(there.world.engine) as connection:
        parts.set_classes(connection, there.world.institution_id, session, there.groups, there.now_ms)
    return session


def classes(there, session: int) -> set[int]:
    table = schema.session_class
    query = select(table.c.class_id).where(table.c.session_id == session, table.c.to_ms.is_(None))
    return {row.class_id for row in there.world.rows(query)}


def test_a_departments_registry_does_not_take_anothers_class_off_a_session(there, joint):
    rex, path = signed_in(there.app(), "rex"), f"/registry/sessions/{joint}/change"
    looked, fields = fill(rex, path, classes="C1-A")
    assert looked.status_code == 422 and "ask its registry to take it off" in said(looked)
    assert rex.post(path, {**fields, "do": "do"}).status_code == 422
    assert classes(there, joint) == set(there.groups)
    # Another room it may have, and its own class it may take off.
    assert do(rex, f"/registry/sessions/{joint}/room", rooms="R1").status_code == 303
    assert classes(there, joint) == set(there.groups)
    done = do(rex, path, classes="C0-A")
    assert (done.status_code, done.headers["location"]) == (303, "/registry?said=changed")
    assert "The change is made" in said(rex.get(done.headers["location"]))
    assert classes(there, joint) == {there.groups[0]}


def test_the_whole_institutions_registry_takes_off_any(there, joint):
    rita = signed_in(there.app(), "rita")
    assert do(rita, f"/registry/sessions/{joint}/change", classes="C1-A").status_code == 303
    assert classes(there, joint) == {there.groups[1]}
