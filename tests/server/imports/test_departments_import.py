"""A student belongs to the department that the files name, and to none that they do not: all about them is read by it."""

import pytest

from server.imports.badrows import NeedsConfirmation
from server.store import schema_rights
from server.store.engine import writing
from tests.rules import rule
from tests.server.imports.imports_world import DAY, PACKAGE, ROLES, USERS, with_status

ORGS = [
    "sourcedId,name,type,identifier",
    "org,College,school,",
    "o1,Natural Sciences,department,SCI",
    "o2,Arts,department,",
    "o3,Law,department,LAW",
]


def in_orgs(*pairs: str) -> list[str]:
    """roles.csv with these: `s1:o1` is a student of o1."""
    head, *lines = ROLES
    for number, pair in enumerate(pairs):
        sid, _, org = pair.partition(":")
        lines.append(f"x{number},{sid},primary,student,{org}")
    return [head, *lines]


def package(*pairs: str, **more):
    return PACKAGE | {"orgs": ORGS, "roles": in_orgs(*pairs)} | more


@pytest.fixture
def office(each_office):
    """Two departments of three that the files name: by their code, and by their title."""
    with writing(each_office.engine) as connection:
        for code, title in (("sci", "Science"), ("ART", "arts")):
            connection.execute(
                schema_rights.department.insert().values(
                    institution_id=each_office.institution.id, source="muster", source_id=code, code=code, title=title
                )
            )
    return each_office


def places(office) -> dict[str, str]:
    """sourcedId -> the code of the department now."""
    codes = {row.id: row.code for row in office.rows(schema_rights.department)}
    persons = {office.person(sid): sid for sid in ("s1", "s2", "s3", "t1", "t2")}
    return {
        persons[row.person_id]: codes[row.department_id]
        for row in office.rows(schema_rights.person_department)
        if row.to_ms is None
    }


def test_a_student_belongs_where_their_role_says_and_nobody_is_guessed_into_a_department(office):
    done = office.roster(package("s1:o1", "s2:o2", "s2:org"))
    assert places(office) == {"s1": "sci", "s2": "ART"}
    assert done.summary.counts["places in departments"] == {"added": 2}
    office.now_ms += DAY
    assert not office.roster(package("s1:o1", "s2:o2", "s2:org")).applied


def test_what_is_not_said_of_one_department_alone_changes_nothing_and_is_told(office):
    office.roster(package("s1:o1"))
    done = office.roster(package("s1:o1", "s1:o2", "s2:o3", "s3:o1", "s3:o3"), dry=True)
    notes = " / ".join(done.summary.notes)
    assert "2 students are in several departments" in notes
    assert "'Law' of orgs.csv is none of this institution's by its code or title: 1 of its students" in notes.replace(
        '"', "'"
    )
    # Whom the files leave without one keeps theirs, as it was set by hand or by a file before.
    office.roster(package())
    assert places(office) == {"s1": "sci"}


def test_whoever_works_there_is_put_into_no_department(office):
    files = package("t1:o1", "s1:o1")
    files["roles"] = [*files["roles"], "y1,s1,primary,administrator,org"]
    office.roster(files)
    assert places(office) == {}


@rule("LOUGH-39")
def test_a_move_to_another_department_keeps_what_was_and_many_of_them_wait_for_a_word(office):
    office.roster(package("s1:o1", "s2:o1"))
    office.now_ms += DAY
    with pytest.raises(NeedsConfirmation, match="places in departments"):
        office.roster(package("s1:o2", "s2:o1"))
    assert places(office) == {"s1": "sci", "s2": "sci"}
    office.roster(package("s1:o2", "s2:o1"), confirm=True)
    assert places(office) == {"s1": "ART", "s2": "sci"}
    held = [row for row in office.rows(schema_rights.person_department) if row.person_id == office.person("s1")]
    assert [(row.from_ms, row.to_ms) for row in held] == [(office.now_ms - DAY, office.now_ms), (office.now_ms, None)]


def test_the_primary_organisation_goes_before_several(office):
    users = [f"{USERS[0]},primaryOrgSourcedId", f"{USERS[1]},o2", *(f"{line}," for line in USERS[2:])]
    office.roster(package("s1:o1", "s1:o2", users=users))
    assert places(office) == {"s1": "ART"}


def test_a_department_at_an_end_is_nobodys_and_one_that_the_file_ends_is_not_read(office):
    with writing(office.engine) as connection:
        table = schema_rights.department
        connection.execute(table.update().where(table.c.code == "sci").values(ended_ms=1))
    office.roster(package("s1:o1", "s2:o2", orgs=with_status(ORGS, "active", "active", "tobedeleted")))
    assert places(office) == {}


def test_of_version_1_1_the_organisations_stand_with_the_user(office):
    users = [f"{USERS[0]},role,orgSourcedIds"]
    users += [f"{line},{'teacher' if line[0] == 't' else 'student'}," for line in USERS[1:]]
    users[1] += '"org,o1"'
    users[4] += "o1"
    files = {name: lines for name, lines in PACKAGE.items() if name != "roles"} | {"orgs": ORGS, "users": users}
    office.roster_at(office.package(files, version="1.1"))
    assert places(office) == {"s1": "sci"}
