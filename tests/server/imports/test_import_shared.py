"""The data made by others: a real campus in its time, two OneRoster packages, and calendars with a trap each."""

import time

import pytest

from server.imports.badrows import ImportRefused, RowsRefused
from server.imports.rules import Rules, read
from server.store import schema
from tests.server.imports.imports_world import COURSES, PACKAGE, ROLES, TERMS, USERS, Office, at, calendar


def classes(office, *codes: str) -> None:
    """Import classes with these codes and nothing else that matters."""
    lines = [
        "sourcedId,title,courseSourcedId,classCode",
        *(f'k{n},"{code}",c1,"{code}"' for n, code in enumerate(codes)),
    ]
    files = PACKAGE | {"classes": lines, "enrollments": PACKAGE["enrollments"][:1]}
    files |= {"courses": COURSES, "users": USERS, "roles": ROLES, "academicSessions": TERMS}
    office.roster(files)


def test_a_whole_campus_imports_and_a_second_import_changes_nothing(each_office, shared_data):
    campus = shared_data / "campus"
    begun = time.monotonic()
    roster = each_office.roster_at(campus)
    between = time.monotonic()
    sessions = each_office.timetable((campus / "timetable.ics").read_bytes())
    ended = time.monotonic()
    print(
        f"campus on {each_office.engine.dialect.name}: roster {between - begun:.2f} s, "
        f"timetable {ended - between:.2f} s, in all {ended - begun:.2f} s"
    )
    counts = {what: dict(how) for what, how in (roster.summary.counts | sessions.summary.counts).items()}
    assert counts == {
        "persons": {"added": 2022},
        "courses": {"added": 44},
        "course runs": {"added": 44},
        "classes": {"added": 174},
        "enrolments": {"added": 3315},
        "cards": {"assigned": 2002},
        "sessions": {"added": 3054},
        "rooms": {"added": 13},
    }
    assert each_office.count(schema.session_staff) == 3054
    assert not each_office.roster_at(campus).applied
    assert not each_office.timetable((campus / "timetable.ics").read_bytes()).applied


def test_a_one_dot_one_package_with_a_class_to_be_deleted(office, shared_data):
    office.now_ms = at("2022-05-01 12:00")
    done = office.roster_at(shared_data / "oneroster" / "v1p1-full.zip")
    assert {what: dict(how) for what, how in done.summary.counts.items()} == {
        "persons": {"added": 5},
        "classes": {"added": 1},
        "enrolments": {"added": 3},
    }
    assert office.rows(schema.class_group)[0].code == "Phys 100 - 1"
    assert office.members("Phys 100 - 1", office.now_ms) == {"usr-222-987654", "usr-222-1234561232"}
    assert "left out: 3 enrolments of a class or a person that ended" in done.summary.notes
    assert "left out: 1 users who are neither student nor teacher" in done.summary.notes


def test_a_one_dot_two_delta_adds_to_what_is_there(office, shared_data):
    office.roster()
    done = office.roster_at(shared_data / "oneroster" / "v1p2-delta.zip")
    assert {what: dict(how) for what, how in done.summary.counts.items()} == {
        "persons": {"added": 1},
        "courses": {"added": 1},
        "course runs": {"added": 1},
        "classes": {"added": 1},
        "enrolments": {"added": 1},
    }
    # No classCode: its title is what a timetable names it by.
    assert office.members("Basic Detection", office.now_ms) == {"USER_0"}
    assert not office.roster_at(shared_data / "oneroster" / "v1p2-delta.zip").applied


def test_a_year_with_groups_in_the_description_and_blank_rooms(office, shared_data, tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text(
        'unmatched = "skip"\n[class]\nfields = ["DESCRIPTION"]\npattern = \'^RT1 +(\\S+)\'\n'
        "[room]\npattern = '^(\\S+)'\n"
    )
    classes(office, "TP1", "TP2", "TP3", "TP4", "TD1", "TD2", "promo")
    data = (shared_data / "timetables" / "ade-year.ics").read_bytes()
    done = office.timetable(data, read(rules))
    count = done.summary.counts["sessions"]["added"]
    skipped = [note for note in done.summary.notes if "name no class that is known" in note]
    print(f"ade-year: {count} sessions, {skipped[0] if skipped else 'none left out'}")
    assert count > 500
    found = office.sessions()
    assert any(not one["rooms"] for one in found)
    assert {"RT04", "A200"} <= {room for one in found for room in one["rooms"]}
    assert not office.timetable(data, read(rules)).applied


def test_floating_starts_beside_a_zone_are_in_that_zone_and_odd_uids_are_uids(office, shared_data):
    classes(office, "Data Collection and Analysis for Cognitive Neuroscience")
    office.now_ms = at("2024-09-01 12:00")
    done = office.timetable((shared_data / "timetables" / "syllabus-plus.ics").read_bytes())
    assert "14 events name no time zone: read as Europe/Brussels (the file's only VTIMEZONE)" in done.summary.notes
    first = office.sessions()[0]
    assert (first["uid"], first["rooms"]) == ("#SPLUS7666E4/20240909T090000@khronos.rug.nl", ["H.0296"])
    # Nine in Brussels is eight in London.
    assert first["starts"] == "2024-09-09 08:00"


@pytest.mark.parametrize(
    ("file", "codes"),
    [
        ("big_bad_calendar.ics", {"ics-no-uid", "ics-cut"}),
        ("event_with_recurrence_exdates_on_different_lines.ics", {"ics-not-a-calendar"}),
        ("issue_237_fail_to_parse_timezone_with_non_ascii_tzid.ics", {"ics-no-uid"}),
        ("issue_351_whitespace_in_property_and_params.ics", {"ics-no-end"}),
        ("issue_722_timezone_transition_ambiguity.ics", {"ics-no-end"}),
    ],
)
def test_a_file_that_lacks_what_a_session_needs_is_refused_with_the_reason(office, shared_data, file, codes):
    classes(office, "Daily Sync")
    before = office.everything()
    with pytest.raises(RowsRefused) as refused:
        office.timetable((shared_data / "timetables" / file).read_bytes())
    assert {row.code for row in refused.value.rows} == codes
    assert office.everything() == before


def test_a_calendar_of_nothing_but_a_bom_is_empty(office, shared_data):
    with pytest.raises(ImportRefused) as refused:
        office.timetable((shared_data / "timetables" / "bom_calendar.ics").read_bytes())
    assert refused.value.code == "timetable-empty"


def repaired(data: bytes, *changes: tuple[bytes, bytes]) -> bytes:
    """The file with what it lacks, so that its trap can be tried."""
    for old, new in changes:
        assert old in data
        data = data.replace(old, new)
    return data


def starts(office: Office) -> list[str]:
    office.zone = "UTC"
    return [one["starts"] for one in office.sessions()]


def test_exceptions_on_different_lines_all_count(office, shared_data):
    classes(office, "multiple exdates")
    office.now_ms = at("2012-03-01 12:00")
    name = "event_with_recurrence_exdates_on_different_lines.ics"
    bare = (shared_data / "timetables" / name).read_text().splitlines()
    office.timetable(calendar([bare[0], "UID:a", *bare[1:]]))
    found = starts(office)
    assert len(found) == 15 - 5
    assert "2012-04-24 08:00" in found and "2012-04-17 08:00" not in found


def test_a_zone_with_a_name_beyond_ascii_is_that_zone(office, shared_data):
    classes(office, "PHY1-A")
    name = "issue_237_fail_to_parse_timezone_with_non_ascii_tzid.ics"
    data = (shared_data / "timetables" / name).read_bytes()
    office.timetable(repaired(data, (b"BEGIN:VEVENT", b"BEGIN:VEVENT\r\nUID:a\r\nCATEGORIES:PHY1-A")))
    assert starts(office) == ["2017-05-11 16:30"]


def test_times_around_a_transition_are_on_their_own_side_of_it(office, shared_data):
    classes(office, "event", "Transition")
    data = (shared_data / "timetables" / "issue_722_timezone_transition_ambiguity.ics").read_bytes()
    office.timetable(repaired(data, (b"BEGIN:VEVENT", b"BEGIN:VEVENT\nDURATION:PT1H")))
    office.zone = "UTC"
    found = {one["uid"]: one["starts"] for one in office.sessions()}
    assert found == {"0": "2024-03-02 20:00", "1": "2024-08-02 22:00", "2": "2024-05-04 22:00", "3": "2024-05-04 19:00"}


def test_lines_that_are_no_properties_are_passed_over_and_said(office, shared_data):
    classes(office, "PHY1-A")
    data = (shared_data / "timetables" / "issue_168_input.ics").read_bytes()
    done = office.timetable(repaired(data, (b"UID:123", b"UID:123\r\nCATEGORIES:PHY1-A")))
    assert len(office.sessions()) == 1
    assert [note for note in done.summary.notes if note.startswith("line 7: passed over")]


def test_a_room_that_is_an_address_is_its_first_line(office, shared_data):
    classes(office, "Daily Sync")
    office.now_ms = at("2016-10-27 12:00")
    office.timetable((shared_data / "timetables" / "x_location.ics").read_bytes(), Rules())
    found = office.sessions()
    assert {room for one in found for room in one["rooms"]} == {"Roadstar 16"}
    # Without end, so up to about a year and a half ahead; 14:00 in Zurich is 13:00 in London on both sides of winter.
    assert found[0]["starts"] == "2016-10-28 13:00" and found[-1]["starts"].endswith("13:00")
    assert 300 < len(found) < 420
