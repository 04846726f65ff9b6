"""People stand on lists, and are found, by the letters of their names: on both databases alike."""

import pytest

from server.store import campus_people, exports, page_requests, registers, schema, walk_ins
from server.store.engine import reading
from tests.rules import rule
from tests.server.imports.imports_world import PACKAGE, calendar, event
from tests.server.imports.test_import_by_hand import registrar

PEOPLE = ["Zoe,Adams", "Ana,Álvarez", "Bo,alvarez", "Ann,Oakley", "Tomás,Ó Briain", "Una,O'Brien", "Ewa,Ząb"]
ORDER = ["Zoe Adams", "Ana Álvarez", "Bo alvarez", "Ann Oakley", "Tomás Ó Briain", "Una O'Brien", "Ewa Ząb"]


@pytest.fixture
def filled(each_office):
    """Those people in one class, in no order, with a session."""
    sids = {f"p{n}": one for n, one in enumerate(reversed(PEOPLE))}
    users = [f"{sid},true,,,{name},,," for sid, name in sids.items()]
    roles = [f"r-{sid},{sid},primary,student,org" for sid in sids]
    places = [f"e-{sid},k1,org,{sid},student,,," for sid in sids]
    each_office.roster(
        PACKAGE
        | {
            "users": [PACKAGE["users"][0], *users],
            "roles": [PACKAGE["roles"][0], *roles],
            "enrollments": [PACKAGE["enrollments"][0], *places],
        }
    )
    each_office.timetable(calendar(event("a", "20261005T090000", "20261005T100000")))
    return each_office


@rule("LOUGH-6")
def test_a_register_names_people_where_somebody_looks_for_them(filled):
    scope, (session,) = registrar(filled), [row.id for row in filled.rows(schema.session)]
    with reading(filled.engine) as connection:
        found = registers.register_of(connection, scope, session, filled.store.profiles)
        exported = exports.register(connection, scope, filled.store.profiles, session)
        ids = [row.person_id for row in filled.rows(schema.person_name)]
        listed = page_requests.person_names(connection, ids)
    assert [row.full_name for row in found.rows] == ORDER
    assert [line.full_name for line in exported] == ORDER
    assert list(listed.values()) == ORDER


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("alvarez", ["Ana Álvarez", "Bo alvarez"]),
        ("Álvarez Ana", ["Ana Álvarez"]),
        ("o brien", ["Una O'Brien"]),
        ("Ó Briain", ["Tomás Ó Briain"]),
        ("zab", ["Ewa Ząb"]),
    ],
)
def test_people_are_found_with_and_without_accents(filled, typed, names):
    scope, (session,) = registrar(filled), [row.id for row in filled.rows(schema.session)]
    with reading(filled.engine) as connection:
        assert [one.full_name for one in campus_people.search(connection, scope, typed)] == names
        assert [one.full_name for one in walk_ins.search(connection, scope, session, typed)] == names
