"""Which class and which rooms an event is for: by default, and by a rules file."""

import pytest

from server.errors import BadSetting
from server.imports import matching, rules
from server.imports.badrows import RowsRefused
from server.imports.rules import Rules
from server.store import schema
from tests.server.imports.imports_world import PACKAGE, Office, at, calendar, event

MONDAY = event("a", "20261005T090000", "20261005T100000")


def shown(office, *names: str) -> list[tuple]:
    return [tuple(one[name] for name in names) for one in office.sessions()]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["CATEGORIES:PHY1-A"], ["PHY1-A"]),
        (["CATEGORIES:Lecture,phy1-a"], ["PHY1-A"]),
        (["SUMMARY:PHY1-A: waves"], ["PHY1-A"]),
        (["SUMMARY:Waves (PHY1-A / HIS1-A)"], ["HIS1-A", "PHY1-A"]),
        (["SUMMARY:Waves", "DESCRIPTION:\\n\\nPHY1-A\\n\\n(Updated: today)"], ["PHY1-A"]),
        (["CATEGORIES:HIS1-A", "SUMMARY:PHY1-A"], ["HIS1-A"]),
    ],
)
def test_the_class_is_found_in_categories_summary_or_description(college, lines, found):
    times = ["DTSTART:20261005T090000Z", "DTEND:20261005T100000Z"]
    college.timetable(calendar(["BEGIN:VEVENT", "UID:a", *times, *lines, "END:VEVENT"]))
    assert shown(college, "classes") == [(found,)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("C1-1 and C1-11", ["C1-1", "C1-11"]),
        ("C1-1.", ["C1-1"]),
        ("C1-1/C1-11", ["C1-1", "C1-11"]),
        ("XC1-1 C1-1x C1-1-9 9-C1-1 C1-1.2", []),
        ("Physics  ONE b", ["Physics one B"]),
        ("2 of 12", []),
    ],
)
def test_a_code_is_found_only_as_a_word_of_its_own(text, found):
    codes = matching.Codes(["C1-1", "C1-11", "Physics one B", "2"])
    if "/" in text:
        # A slash may join two codes, and may be part of one: it is taken as part.
        found = []
    assert codes.inside(text) == found
    assert codes.alone("2") == "2"


def test_an_event_of_no_known_class_refuses_the_file_or_is_skipped_by_rule(college):
    meeting = event("m", "20261005T120000", "20261005T130000", code="Staff")
    with pytest.raises(RowsRefused) as refused:
        college.timetable(calendar(MONDAY, meeting))
    assert [(row.line, row.code) for row in refused.value.rows] == [(12, "event-class")]
    assert college.sessions() == []
    college.timetable(calendar(MONDAY, meeting), Rules(unmatched="skip"))
    assert shown(college, "uid") == [("a",)]


def test_two_classes_with_one_code_are_not_guessed_between(office):
    twice = PACKAGE | {"classes": [*PACKAGE["classes"], "k3,Other,c2,PHY1-A,scheduled,org,autumn"]}
    office.roster(twice)
    with pytest.raises(RowsRefused) as refused:
        office.timetable(calendar(MONDAY))
    assert [row.code for row in refused.value.rows] == ["event-class-ambiguous"]


@pytest.mark.parametrize(
    ("location", "rooms"),
    [
        ("R1\\, R2", ["R1", "R2"]),
        ("R1;R2", ["R1", "R2"]),
        ("Roadstar 16\\n12764 Happyville\\nDenmark", ["Roadstar 16"]),
        ("", []),
        (" r1 ", ["R1"]),
    ],
)
def test_rooms_are_made_if_new_and_known_ones_are_known_however_written(college, location, rooms):
    college.timetable(calendar(MONDAY))
    college.timetable(calendar(MONDAY, event("b", "20261006T090000", "20261006T100000", room=location)))
    assert shown(college, "rooms")[1] == (rooms,)


def test_a_room_name_that_is_too_long_is_a_bad_row(college):
    with pytest.raises(RowsRefused) as refused:
        college.timetable(calendar(event("a", "20261005T090000", "20261005T100000", room="R" * 65)))
    assert [row.code for row in refused.value.rows] == ["event-room"]


RULES = """
source = "central"
zone = "Europe/Paris"
unmatched = "skip"
ignore = ["^Staff"]
kind = "lab"

[class]
fields = ["DESCRIPTION"]
pattern = 'RT(\\d+ \\w+)'

[class.names]
"1 TP1" = "PHY1-A"
"1 promo" = ["PHY1-A", "HIS1-A"]

[room]
pattern = '^(\\S+)'

[room.names]
"online" = []
"""


def test_a_rules_file_says_what_the_timetables_words_mean(college, tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    made = rules.read(path)

    def one(uid: str, day: int, about: str, room: str, summary: str = "Lab") -> list[str]:
        times = [f"DTSTART:202610{day:02}T090000", f"DTEND:202610{day:02}T100000"]
        return [
            "BEGIN:VEVENT", f"UID:{uid}", *times, f"SUMMARY:{summary}", f"DESCRIPTION:{about}", f"LOCATION:{room}",
            "END:VEVENT",
        ]  # fmt: skip

    done = college.timetable(
        calendar(
            one("a", 5, "RT1 TP1 S2", "RT04 [I04]"),
            one("b", 6, "RT1 promo S2", "online"),
            one("c", 7, "nothing", "R1"),
            one("d", 8, "RT1 TP1", "R1", "Staff meeting"),
        ),
        made,
    )
    assert shown(college, "uid", "classes", "rooms", "starts") == [
        ("a", ["PHY1-A"], ["RT04"], "2026-10-05 08:00"),
        ("b", ["HIS1-A", "PHY1-A"], [], "2026-10-06 08:00"),
    ]
    assert {row.source for row in college.rows(schema.session)} == {"central"}
    assert {row.kind for row in college.rows(schema.session)} == {"lab"}
    assert "1 events are ignored by the rules" in done.summary.notes


@pytest.mark.parametrize(
    "text",
    [
        "sauce = 'x'",
        "[class]\nfields = ['TITLE']",
        "[class]\npattern = '('",
        "zone = 'Mars/Base'",
        "unmatched = 'guess'",
        "class = 3",
        "= ",
        "[room]\nnames = 4",
        "source = 4",
    ],
)
def test_a_rules_file_that_says_nonsense_is_refused(tmp_path, text):
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(BadSetting) as refused:
        rules.read(path)
    assert refused.value.code in ("rules-file", "time-zone")


def test_an_institution_at_an_odd_offset_reads_its_own_times(new_sqlite, tmp_path):
    office = Office(new_sqlite(), tmp_path, "Asia/Kathmandu")
    try:
        office.roster()
        office.timetable(calendar(event("a", "20261005T090000", "20261005T100000", zone="")))
        assert shown(office, "starts", "opens") == [("2026-10-05 09:00", "2026-10-05 08:30")]
        assert office.rows(schema.session)[0].starts_ms == at("2026-10-05 03:15", "UTC")
    finally:
        office.close()
