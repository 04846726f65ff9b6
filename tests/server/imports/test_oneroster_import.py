"""OneRoster files become people, courses, classes and dated class lists; what goes missing ends and is not deleted."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import delete

from server.imports.badrows import NeedsConfirmation
from server.store import schema, session_profiles
from server.store.engine import writing
from tests.rules import rule
from tests.server.imports.imports_world import (
    CLASSES,
    COURSES,
    DAY,
    ENROLLMENTS,
    PACKAGE,
    ROLES,
    TERMS,
    USERS,
    at,
    calendar,
    event,
    with_status,
)


def without(lines: list[str], *sids: str) -> list[str]:
    return [line for line in lines if line.partition(",")[0] not in sids]


def test_a_first_import_brings_people_courses_classes_and_lists(each_office):
    done = each_office.roster()
    assert done.applied
    assert {what: dict(how) for what, how in done.summary.counts.items()} == {
        "persons": {"added": 5},
        "courses": {"added": 2},
        "course runs": {"added": 2},
        "classes": {"added": 2},
        "enrolments": {"added": 4},
    }
    names = {row.full_name: row.sort_name for row in each_office.rows(schema.person_name)}
    assert names["Ada Zuse"] == "zuse ada"
    course = each_office.rows(schema.course)[0]
    assert (course.code, course.title) == ("PHY1", "Physics")
    run = each_office.rows(schema.course_run)[0]
    assert each_office.local(run.starts_ms) == "2026-09-28 00:00"
    assert each_office.members("PHY1-A", each_office.now_ms) == {"s1", "s2"}
    assert each_office.members("PHY1-A", each_office.now_ms, "teacher") == {"t1"}
    assert [row.value for row in each_office.rows(schema.person_contact)] == ["ada@example.org"]


def test_a_second_import_of_the_same_changes_nothing(each_office):
    each_office.roster(cards=["userSourcedId,uid", "s1,04A1B2C3D4E501"])
    before = each_office.everything()
    each_office.now_ms += DAY
    done = each_office.roster(cards=["userSourcedId,uid", "s1,04A1B2C3D4E501"])
    assert not done.applied
    assert each_office.everything() == before


def test_a_dry_run_says_the_same_and_changes_nothing(each_office):
    before = each_office.everything()
    said = each_office.roster(dry=True)
    assert not said.applied
    assert each_office.everything() == before
    assert each_office.roster().summary.counts == said.summary.counts


def test_an_import_that_changes_something_lets_rosters_be_built_again(office):
    before = office.campus_change()
    office.roster()
    assert office.campus_change() == before + 1
    office.roster()
    assert office.campus_change() == before + 1


def test_the_run_of_an_import_is_written_down(college):
    run = college.rows(schema.import_run)[0]
    assert (run.kind, run.source, len(run.digest)) == ("oneroster", "oneroster", 64)
    assert '"persons": {"added": 5}' in run.summary


def test_a_person_missing_from_a_bulk_file_ends_with_lists_and_card(college):
    keys = college.keys()
    card = college.cards_of("s2")
    college.now_ms += DAY
    files = PACKAGE | {"users": without(USERS, "s2"), "enrollments": without(ENROLLMENTS, "e2")}
    college.roster(files, cards=["userSourcedId,uid", "s1,04A1B2C3D4E501", "s3,B0A1C203"], confirm=True)
    person = college.rows(schema.person, schema.person.c.id == college.person("s2"))[0]
    assert person.ended_ms == college.now_ms
    assert college.members("PHY1-A", college.now_ms) == {"s1"}
    assert college.members("PHY1-A", college.now_ms - 1) == {"s1", "s2"}
    assert (card, college.cards_of("s2"), college.cards_of("s2", college.now_ms - 1)) == (card, [], card)
    nothing_was_deleted(keys, college.keys())


def nothing_was_deleted(before, after):
    for table, keys in before.items():
        assert keys <= after[table], f"{table} lost {keys - after[table]}"


def test_an_import_that_deletes_what_is_missing_would_be_caught(college):
    # The saboteur: it deletes the missing person's enrolment where ours gives it an end.
    keys = college.keys()
    with writing(college.engine) as connection:
        connection.execute(delete(schema.enrolment).where(schema.enrolment.c.source_id == "e2"))
    with pytest.raises(AssertionError, match="enrolment lost"):
        nothing_was_deleted(keys, college.keys())


def test_a_person_who_comes_back_is_the_same_person_and_the_gap_stays(college):
    first = college.person("s2")
    college.now_ms = gone = at("2026-10-10 09:00")
    less = PACKAGE | {"users": without(USERS, "s2"), "enrollments": without(ENROLLMENTS, "e2")}
    college.roster(less, confirm=True)
    college.now_ms = back = at("2026-10-20 09:00")
    college.roster(confirm=True)
    assert college.person("s2") == first
    assert college.rows(schema.person, schema.person.c.id == first)[0].ended_ms is None
    listed = ["s2" in college.members("PHY1-A", ms) for ms in (gone - 1, gone, back - 1, back)]
    assert listed == [True, False, False, True]
    before = college.everything()
    college.roster()
    assert college.everything() == before


def test_a_late_starter_is_on_the_list_from_the_import_on_only(college):
    college.now_ms = at("2026-10-14 08:00")
    college.roster(PACKAGE | {"enrollments": [*ENROLLMENTS, "e9,k1,org,s3,student,,,"]})
    assert "s3" not in college.members("PHY1-A", at("2026-10-12 09:00"))
    assert "s3" in college.members("PHY1-A", at("2026-10-14 09:00"))


def test_whoever_is_in_a_class_from_the_first_import_is_on_its_list_from_the_terms_start(office):
    office.now_ms = at("2026-11-20 12:00")
    office.roster()
    assert "s1" in office.members("PHY1-A", at("2026-09-28 09:00"))


def test_begin_dates_are_included_and_end_dates_are_not(office):
    office.roster(PACKAGE | {"enrollments": [*ENROLLMENTS[:1], "e1,k1,org,s1,student,,2026-10-05,2026-10-26"]})
    days = ["2026-10-04 23:59", "2026-10-05 00:00", "2026-10-25 23:59", "2026-10-26 00:00"]
    assert ["s1" in office.members("PHY1-A", at(day)) for day in days] == [False, True, True, False]


def test_dates_that_the_registrar_corrects_are_corrected(office):
    office.roster(PACKAGE | {"enrollments": [*ENROLLMENTS[:1], "e1,k1,org,s1,student,,2026-10-05,2026-10-26"]})
    office.roster(PACKAGE | {"enrollments": [*ENROLLMENTS[:1], "e1,k1,org,s1,student,,2026-10-12,2026-11-02"]})
    assert office.count(schema.enrolment) == 1
    days = ["2026-10-11 23:59", "2026-10-12 00:00", "2026-11-01 23:59", "2026-11-02 00:00"]
    assert ["s1" in office.members("PHY1-A", at(day)) for day in days] == [False, True, True, False]


def test_an_enrolment_with_a_new_id_is_the_same_enrolment(college):
    college.roster(PACKAGE | {"enrollments": [line.replace("e1,", "e77,") for line in ENROLLMENTS]})
    assert college.count(schema.enrolment) == 4
    assert college.members("PHY1-A", college.now_ms) == {"s1", "s2"}


def test_an_id_that_comes_to_mean_another_person_is_another_enrolment(college):
    keys = college.keys()
    college.now_ms += DAY
    college.roster(
        PACKAGE | {"enrollments": [line.replace("e1,k1,org,s1", "e1,k1,org,s3") for line in ENROLLMENTS]}, confirm=True
    )
    assert college.members("PHY1-A", college.now_ms) == {"s2", "s3"}
    assert college.members("PHY1-A", college.now_ms - 1) == {"s1", "s2"}
    nothing_was_deleted(keys, college.keys())


def test_a_class_missing_from_a_bulk_file_ends_and_its_list_with_it(college):
    college.now_ms += DAY
    files = PACKAGE | {"classes": CLASSES[:2], "enrollments": without(ENROLLMENTS, "e3")}
    done = college.roster(files, confirm=True)
    assert done.summary.counts["classes"] == {"ended": 1}
    assert college.rows(schema.class_group)[1].ended_ms == college.now_ms
    assert college.members("HIS1-A", college.now_ms) == set()


@pytest.mark.parametrize(
    ("column", "files"),
    [
        ("title", {"classes": [line.replace("Physics A", "Physics for all") for line in CLASSES]}),
        ("course", {"courses": [line.replace("PHY1", "PHY9") for line in COURSES]}),
        ("term", {"academicSessions": [line.replace("2026-12-19", "2026-12-12") for line in TERMS]}),
        ("name", {"users": [line.replace("Zuse", "Zuse-Yi") for line in USERS]}),
        ("number", {"users": [line.replace("N1", "N77") for line in USERS]}),
        ("email", {"users": [line.replace("ada@", "zuse@") for line in USERS]}),
    ],
)
def test_a_change_is_one_change_and_then_none(college, column, files):
    keys = college.keys()
    done = college.roster(PACKAGE | files)
    assert {one.how for one in done.summary.items} == {"changed"}, column
    nothing_was_deleted(keys, college.keys())
    assert not college.roster(PACKAGE | files).applied


def test_two_people_may_swap_their_numbers(college):
    swapped = [line.replace(",N1,", ",NX,").replace(",N2,", ",N1,").replace(",NX,", ",N2,") for line in USERS]
    college.roster(PACKAGE | {"users": swapped})
    external = schema.person_external_id
    assert college.rows(external, external.c.external_id == "N2")[0].person_id == college.person("s1")
    assert not college.roster(PACKAGE | {"users": swapped}).applied


# --- 5 % -------------------------------------------------------------------------------------------------------------


def many(count: int) -> dict:
    """A package with so many students in one class."""
    users = [USERS[0], *(f"m{n},true,u{n},,Given{n},Family{n},,M{n}," for n in range(count))]
    roles = [ROLES[0], *(f"rm{n},m{n},primary,student,org" for n in range(count))]
    lists = [ENROLLMENTS[0], *(f"em{n},k1,org,m{n},student,,," for n in range(count))]
    return PACKAGE | {"users": users, "roles": roles, "enrollments": lists}


def test_five_percent_may_end_by_itself_and_more_needs_a_word(office):
    office.roster(many(100))
    assert office.roster(many(95)).applied
    before = office.everything()
    with pytest.raises(NeedsConfirmation, match="5 of 95 persons would end or move") as asked:
        office.roster(many(90))
    assert asked.value.code == "import-needs-confirmation"
    assert office.everything() == before
    assert office.roster(many(90), dry=True).stops
    assert office.roster(many(90), confirm=True).applied


# --- delta -----------------------------------------------------------------------------------------------------------


def test_a_delta_changes_only_what_it_names(college):
    college.now_ms += DAY
    files = {
        "users": with_status([USERS[0], "s4,true,dan,,Dan,Wu,,N4,", "s1,true,ada,,Ada,Zuse-Yi,,N1,ada@example.org"]),
        "roles": with_status([ROLES[0], "r9,s4,primary,student,org"]),
        "enrollments": with_status(
            [ENROLLMENTS[0], "e8,k1,org,s4,student,,,", "e2,k1,org,s2,student,,,"], "active", "tobedeleted"
        ),
    }
    done = college.roster(files, mode="delta", confirm=True)
    assert {what: dict(how) for what, how in done.summary.counts.items()} == {
        "persons": {"added": 1, "changed": 1},
        "enrolments": {"added": 1, "ended": 1},
    }
    assert college.members("PHY1-A", college.now_ms) == {"s1", "s4"}
    assert not college.roster(files, mode="delta").applied


def test_a_delta_that_deletes_a_user_ends_lists_and_cards(college):
    keys = college.keys()
    college.now_ms += DAY
    files = {"users": with_status([USERS[0], USERS[1]], "tobedeleted")}
    college.roster(files, mode="delta", confirm=True)
    assert college.members("PHY1-A", college.now_ms) == {"s2"}
    assert college.cards_of("s1") == []
    nothing_was_deleted(keys, college.keys())


# --- forms -----------------------------------------------------------------------------------------------------------


def test_bom_crlf_and_quotes_are_read(office):
    path = office.package()
    for file in path.iterdir():
        text = file.read_text().replace("Physics A", '"Physics, ""A"""')
        file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    office.roster_at(path)
    assert office.rows(schema.class_group)[0].title == 'Physics, "A"'
    assert office.members("PHY1-A", office.now_ms) == {"s1", "s2"}


def test_a_zip_reads_as_its_folder_does(office):
    path = office.package()
    packed = shutil.make_archive(str(path), "zip", path.parent, path.name)
    office.roster_at(path)
    assert not office.roster_at(Path(packed)).applied


def test_a_package_without_manifest_is_a_whole_export(college):
    college.roster_at(college.package(PACKAGE | {"users": without(USERS, "t2")}, manifest=False), confirm=True)
    assert college.rows(schema.person, schema.person.c.id == college.person("t2"))[0].ended_ms == college.now_ms


def test_one_dot_one_takes_the_role_from_the_users_file(office):
    roles = ["role", "student", "student", "parent", "teacher", "teacher"]
    users = [f"{line},{role}" for line, role in zip(USERS, roles, strict=True)]
    files = {name: lines for name, lines in PACKAGE.items() if name != "roles"}
    files |= {"users": users, "enrollments": without(ENROLLMENTS, "e3")}
    done = office.roster_at(office.package(files, version="1.1"))
    assert done.summary.counts["persons"] == {"added": 4}
    assert "left out: 1 users who are neither student nor teacher" in done.summary.notes


def test_a_new_teacher_is_given_the_sessions_that_are_not_over(college):
    lecture = [event("past", "20261002T090000", "20261002T100000"), event("next", "20261030T090000", "20261030T100000")]
    college.timetable(calendar(*lecture))
    college.now_ms = at("2026-10-20 12:00")
    files = PACKAGE | {"enrollments": [line.replace("e4,k1,org,t1", "e5,k1,org,t2") for line in ENROLLMENTS]}
    college.roster(files, confirm=True)
    assert [(one["uid"], one["staff"]) for one in college.sessions()] == [("past", ["t1"]), ("next", ["t2"])]


# --- what rests on classes and numbers -------------------------------------------------------------------------------


@rule("PORT-2")
def test_a_class_that_moves_to_another_course_goes_by_its_profile_from_then_on(each_office):
    office = each_office
    office.roster()
    history = next(row.id for row in office.rows(schema.course) if row.code == "HIS1")
    with writing(office.engine) as connection:
        session_profiles.assign(connection, office.institution.id, "course", str(history), "ddu", 0)
    office.timetable(
        calendar(event("a", "20261005T090000", "20261005T100000"), event("b", "20261012T090000", "20261012T100000"))
    )
    office.now_ms = at("2026-10-05 09:30")
    assert {row.profile for row in office.rows(schema.session)} == {"port"}
    office.roster(PACKAGE | {"classes": [line.replace("k1,Physics A,c1", "k1,Physics A,c2") for line in CLASSES]})
    begun, coming = sorted(office.rows(schema.session), key=lambda row: row.starts_ms)
    assert (begun.profile, coming.profile) == ("port", "ddu")
    expected = office.store.profiles["ddu"].window(coming.starts_ms, coming.ends_ms)
    assert (coming.opens_ms, coming.closes_ms) == expected


def test_a_number_that_changes_has_open_registers_drawn_anew(college):
    college.timetable(calendar(event("a", "20261005T090000", "20261005T100000")))
    session = college.rows(schema.session)[0].id
    with writing(college.engine) as connection:
        connection.execute(
            schema.register.insert().values(session_id=session, institution_id=college.institution.id, version=4)
        )
    college.roster(PACKAGE | {"users": [line.replace(",N3,", ",N33,") for line in USERS]})
    assert college.rows(schema.register)[0].version == 4, "not on this list"
    college.roster(PACKAGE | {"users": [line.replace(",N1,", ",N11,") for line in USERS]})
    assert college.rows(schema.register)[0].version == 5
