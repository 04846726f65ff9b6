"""A row that cannot be used is named by file, line and reason; then nothing of the package is applied."""

import pytest

from server.imports.badrows import ImportRefused, RowsRefused
from tests.server.imports.imports_world import CLASSES, ENROLLMENTS, PACKAGE, ROLES, TERMS, USERS


def bad_of(office, files, **more) -> set[tuple[str, int, str]]:
    """(file, line, code) of every bad row; nothing may have been applied."""
    before = office.everything()
    with pytest.raises(RowsRefused) as refused:
        office.roster(files, **more)
    assert office.everything() == before
    return {(row.file, row.line, row.code) for row in refused.value.rows}


def test_a_delta_needs_a_status_in_every_row(college):
    assert bad_of(college, {"users": USERS[:2]}, mode="delta") == {("users.csv", 2, "row-status")}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"users": [*USERS, "s9,true,x"]}, ("users.csv", 7, "csv-columns"), id="too few cells"),
        pytest.param({"users": [*USERS, USERS[1]]}, ("users.csv", 7, "row-twice"), id="the same id twice"),
        pytest.param({"users": [*USERS, ",true,x,,X,Y,,N7,"]}, ("users.csv", 7, "row-id"), id="no id"),
        pytest.param(
            {"users": [*USERS, "s9,true,x,,,,,N7,"], "roles": [*ROLES, "r9,s9,primary,student,org"]},
            ("users.csv", 7, "user-name"),
            id="no name",
        ),
        pytest.param(
            {"users": [*USERS, "s9,true,x,,X,Y,,N1,"], "roles": [*ROLES, "r9,s9,primary,student,org"]},
            ("users.csv", 7, "user-identifier-twice"),
            id="the number of somebody else",
        ),
        pytest.param({"roles": [*ROLES, "r9,s1,primary,pupil,org"]}, ("roles.csv", 7, "row-role"), id="unknown role"),
        pytest.param(
            {"enrollments": [*ENROLLMENTS, "e9,k9,org,s1,student,,,"]},
            ("enrollments.csv", 6, "enrolment-class"),
            id="a class that is not there",
        ),
        pytest.param(
            {"enrollments": [*ENROLLMENTS, "e9,k1,org,s9,student,,,"]},
            ("enrollments.csv", 6, "enrolment-user"),
            id="a user who is not there",
        ),
        pytest.param(
            {"enrollments": [*ENROLLMENTS, "e9,k1,org,s3,student,,5.10.2026,"]},
            ("enrollments.csv", 6, "row-date"),
            id="a date that is none",
        ),
        pytest.param(
            {"enrollments": [*ENROLLMENTS, "e9,k1,org,s3,student,,2026-10-09,2026-10-02"]},
            ("enrollments.csv", 6, "row-date"),
            id="an end before the beginning",
        ),
        pytest.param(
            {"classes": [*CLASSES, "k9,X,c9,X1,scheduled,org,autumn"]},
            ("classes.csv", 4, "class-course"),
            id="a course that is not there",
        ),
        pytest.param(
            {"classes": [*CLASSES, "k9,X,c1,X1,scheduled,org,spring"]},
            ("classes.csv", 4, "class-term"),
            id="a term that is not there",
        ),
        pytest.param(
            {"classes": [*CLASSES, f"k9,X,c1,{'X' * 65},scheduled,org,autumn"]},
            ("classes.csv", 4, "row-long"),
            id="a code that is too long",
        ),
        pytest.param(
            {"academicSessions": [*TERMS, "x,X,term,,"]}, ("academicSessions.csv", 3, "row-date"), id="no dates"
        ),
        pytest.param(
            {"orgs": ["sourcedId,name,type,status", "org,C,school,gone"]}, ("orgs.csv", 2, "row-status"), id="status"
        ),
        pytest.param({"users": ["sourcedId,name", "s1,Ada"]}, ("users.csv", 1, "csv-header"), id="a column is missing"),
        pytest.param({"users": [*USERS, 's9,"open']}, ("users.csv", 7, "csv-syntax"), id="an open quote"),
        pytest.param({"users": [*USERS, "s9,true,x,,X\x00,Y,,N7,"]}, ("users.csv", 7, "csv-character"), id="a NUL"),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_reason_and_nothing_is_applied(college, files, expected):
    assert expected in bad_of(college, PACKAGE | files)


def test_every_bad_row_is_reported_not_only_the_first(college):
    files = PACKAGE | {
        "users": [*USERS, "s7,true", USERS[1]],
        "enrollments": [*ENROLLMENTS, "e8,k9,org,s1,student,,,", "e9,k1,org,s1,pupil,,,"],
    }
    assert bad_of(college, files) == {
        ("users.csv", 7, "csv-columns"),
        ("users.csv", 8, "row-twice"),
        ("enrollments.csv", 6, "enrolment-class"),
        ("enrollments.csv", 7, "row-role"),
    }


def test_a_file_that_cannot_be_read_does_not_make_every_row_that_names_it_bad(office):
    assert bad_of(office, PACKAGE | {"users": [USERS[0], '"open', *USERS[1:]]}) == {("users.csv", 7, "csv-syntax")}


def test_a_manifest_that_promises_a_file_which_is_not_there_is_a_bad_row(office):
    path = office.package()
    (path / "roles.csv").unlink()
    with pytest.raises(RowsRefused) as refused:
        office.roster_at(path)
    assert "manifest-file" in {row.code for row in refused.value.rows}


@pytest.mark.parametrize(
    ("version", "code"), [("1.0", "oneroster-version"), ("2", "oneroster-version"), ("", "oneroster-version")]
)
def test_another_version_of_oneroster_is_refused(office, version, code):
    with pytest.raises(ImportRefused) as refused:
        office.roster_at(office.package(version=version))
    assert refused.value.code == code
