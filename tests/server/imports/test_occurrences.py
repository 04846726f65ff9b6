"""Events in UTC: recurrence, exceptions, overrides, cancellations and zones, also over a DST change."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from server.imports import icsfile, occurrences
from server.imports.badrows import BadRows
from tests.server.imports.imports_world import OCTOBER, at, calendar, event


def read(data: bytes, zone: str = "Europe/London", now_ms: int = OCTOBER):
    bad = BadRows()
    made = icsfile.read("t.ics", data, bad)
    name, _ = occurrences.floating_zone(made, None, zone)
    found = occurrences.read(made, ZoneInfo(name), now_ms, bad)
    return found, [(row.line, row.code) for row in bad.rows]


def starts(data: bytes, **more) -> list[str]:
    """The starts in UTC, sorted; nothing may be wrong with the file."""
    found, bad = read(data, **more)
    assert not bad
    return sorted(utc(one.starts_ms) for one in found.events if not one.cancelled)


def utc(ms: int) -> str:
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("why", "zone", "first", "rule", "expected"),
    [
        ("autumn in London: nine stays nine", "Europe/London", "20261019T090000", "FREQ=WEEKLY;COUNT=3",
         ["2026-10-19 08:00", "2026-10-26 09:00", "2026-11-02 09:00"]),
        ("spring in London", "Europe/London", "20270322T090000", "FREQ=WEEKLY;COUNT=2",
         ["2027-03-22 09:00", "2027-03-29 08:00"]),
        ("half an hour's change in Lord Howe", "Australia/Lord_Howe", "20270329T090000", "FREQ=WEEKLY;COUNT=2",
         ["2027-03-28 22:00", "2027-04-04 22:30"]),
        ("an odd offset in Kathmandu", "Asia/Kathmandu", "20261005T090000", "FREQ=DAILY;COUNT=2",
         ["2026-10-05 03:15", "2026-10-06 03:15"]),
        ("a time that is there twice: the first", "Europe/London", "20261025T013000", "FREQ=DAILY;COUNT=1",
         ["2026-10-25 00:30"]),
        ("a time that is not there: the offset before", "Europe/London", "20270328T013000", "FREQ=DAILY;COUNT=1",
         ["2027-03-28 01:30"]),
        ("until, in UTC, included", "Europe/London", "20261019T090000", "FREQ=WEEKLY;UNTIL=20261026T090000Z",
         ["2026-10-19 08:00", "2026-10-26 09:00"]),
        ("two days a week", "Europe/London", "20261019T090000", "FREQ=WEEKLY;BYDAY=MO,TH;COUNT=4",
         ["2026-10-19 08:00", "2026-10-22 08:00", "2026-10-26 09:00", "2026-10-29 09:00"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("floating", [False, True])
def test_local_times_become_utc(why, zone, first, rule, expected, floating):
    ends = first[:9] + f"{int(first[9:11]) + 2:02}" + first[11:]
    data = calendar(event("a", first, ends, f"RRULE:{rule}", zone="" if floating else zone))
    assert starts(data, zone=zone if floating else "UTC") == expected, why


def test_utc_events_stay_where_they_are():
    data = calendar(event("a", "20261026T090000Z", "20261026T100000Z", zone=""))
    assert starts(data, zone="Australia/Lord_Howe") == ["2026-10-26 09:00"]


def test_exceptions_on_lines_of_their_own_and_extra_dates():
    series = event(
        "a", "20261019T090000", "20261019T100000", "RRULE:FREQ=WEEKLY;COUNT=4",
        "EXDATE;TZID=Europe/London:20261026T090000", "EXDATE;TZID=Europe/London:20261102T090000",
        "RDATE;TZID=Europe/London:20261104T140000",
    )  # fmt: skip
    assert starts(calendar(series)) == ["2026-10-19 08:00", "2026-11-04 14:00", "2026-11-09 09:00"]


def test_an_override_keeps_the_recurrence_id_of_the_time_it_replaces():
    series = event("a", "20261019T090000", "20261019T100000", "RRULE:FREQ=WEEKLY;COUNT=2")
    moved = event("a", "20261027T110000", "20261027T120000", "RECURRENCE-ID;TZID=Europe/London:20261026T090000")
    found, bad = read(calendar(series, moved))
    assert not bad
    assert {one.recurrence_id: utc(one.starts_ms) for one in found.events} == {
        "20261019T080000Z": "2026-10-19 08:00",
        "20261026T090000Z": "2026-10-27 11:00",
    }


def test_a_cancelled_occurrence_is_cancelled_and_no_other():
    series = event("a", "20261019T090000", "20261019T100000", "RRULE:FREQ=WEEKLY;COUNT=2")
    gone = [
        "BEGIN:VEVENT",
        "UID:a",
        "RECURRENCE-ID;TZID=Europe/London:20261026T090000",
        "STATUS:CANCELLED",
        "END:VEVENT",
    ]
    found, bad = read(calendar(series, gone))
    assert not bad
    assert {one.recurrence_id: one.cancelled for one in found.events} == {
        "20261019T080000Z": False,
        "20261026T090000Z": True,
    }


def test_the_newer_of_two_versions_of_an_event_counts():
    old = event("a", "20261019T090000", "20261019T100000", "SEQUENCE:1")
    new = event("a", "20261019T110000", "20261019T120000", "SEQUENCE:2")
    assert starts(calendar(new, old)) == starts(calendar(old, new)) == ["2026-10-19 10:00"]


def test_a_series_without_end_is_unrolled_around_now():
    data = calendar(event("a", "20160104T090000", "20160104T100000", "RRULE:FREQ=WEEKLY"))
    found = starts(data, now_ms=at("2026-10-01 12:00"))
    assert found[0].startswith("2025-08") and found[-1].startswith("2028-03")


def test_the_same_month_unrolls_a_series_without_end_alike():
    data = calendar(event("a", "20160104T090000", "20160104T100000", "RRULE:FREQ=WEEKLY"))
    days = ["2026-10-05 08:00", "2026-10-20 21:00"]
    assert starts(data, now_ms=at(days[0])) == starts(data, now_ms=at(days[1]))


ZONE = [
    "BEGIN:VTIMEZONE", "TZID:(UTC-03:00) Brasília", "BEGIN:STANDARD", "DTSTART:16010101T000000",
    "TZOFFSETFROM:-0300", "TZOFFSETTO:-0300", "END:STANDARD", "END:VTIMEZONE",
]  # fmt: skip


def test_a_zone_of_the_files_own_with_a_name_beyond_ascii():
    data = calendar(ZONE, event("a", "20261005T090000", "20261005T100000", zone='"(UTC-03:00) Brasília"'))
    assert starts(data) == ["2026-10-05 12:00"]


def test_a_zone_that_another_file_defined_under_the_same_name_is_not_used():
    mine = [line.replace("(UTC-03:00) Brasília", "Ours") for line in ZONE]
    other = [line.replace("-0300", "+0500") for line in mine]
    one = event("a", "20261005T090000", "20261005T100000", zone="Ours")
    assert starts(calendar(mine, one)) == ["2026-10-05 12:00"]
    assert starts(calendar(other, one)) == ["2026-10-05 04:00"]


@pytest.mark.parametrize(
    ("head", "zones", "expected"),
    [
        ((), [], "2026-10-05 08:00"),
        (("X-WR-TIMEZONE:Asia/Tokyo",), [], "2026-10-05 00:00"),
        ((), [["BEGIN:VTIMEZONE", "TZID:Europe/Brussels", *ZONE[2:]]], "2026-10-05 07:00"),
        ((), [["BEGIN:VTIMEZONE", "TZID:Ours", *ZONE[2:]]], "2026-10-05 08:00"),
    ],
)
def test_a_start_without_a_zone_is_in_the_files_own_or_the_institutions(head, zones, expected):
    one = event("a", "20261005T090000", "20261005T100000", zone="")
    assert starts(calendar(*zones, one, head=head)) == [expected]


def test_a_duration_ends_an_event_and_all_day_events_are_no_sessions():
    lasts = ["BEGIN:VEVENT", "UID:a", "DTSTART:20261005T090000Z", "DURATION:PT50M", "END:VEVENT"]
    day = ["BEGIN:VEVENT", "UID:b", "DTSTART;VALUE=DATE:20261006", "SUMMARY:Reading week", "END:VEVENT"]
    found, bad = read(calendar(lasts, day))
    assert not bad and found.all_day == [9]
    assert [utc(one.ends_ms) for one in found.events] == ["2026-10-05 09:50"]


def one_event(*lines: str) -> bytes:
    return calendar(["BEGIN:VEVENT", *lines, "END:VEVENT"])


NINE = ("DTSTART:20261005T090000Z", "DTEND:20261005T100000Z")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(one_event(*NINE), (4, "ics-no-uid"), id="no UID"),
        pytest.param(one_event("UID:a"), (4, "ics-no-start"), id="no start"),
        pytest.param(one_event("UID:a", NINE[0]), (4, "ics-no-end"), id="no end"),
        pytest.param(one_event("UID:a", NINE[0], "DTEND:20261005T090000Z"), (4, "ics-length"), id="no length"),
        pytest.param(one_event("UID:a", NINE[0], "DTEND:20261005T080000Z"), (4, "ics-length"), id="ends before it begins"),
        pytest.param(one_event("UID:a", "DTSTART:tomorrow"), (4, "ics-property"), id="a start that is none"),
        *(
            pytest.param(one_event("UID:a", *NINE, twice, twice), (4, "ics-property"), id=f"two of {twice.partition(':')[0]}")
            for twice in (
                "UID:a", NINE[0], NINE[1], "DURATION:PT1H", "RECURRENCE-ID:20261005T090000", "STATUS:CONFIRMED", "SEQUENCE:1"
            )
        ),
        *(
            pytest.param(one_event("UID:a", *lines), (4, "ics-property"), id=lines[-1].partition(":")[0])
            for lines in (
                (NINE[1], "DTSTART;VALUE=TIME:090000"), (NINE[0], "DTEND;VALUE=TIME:100000"),
                (NINE[1], "DTSTART;VALUE=PERIOD:20261005T090000Z/PT1H"), (*NINE, "RECURRENCE-ID;VALUE=TIME:090000"),
                (NINE[0], "DURATION;VALUE=TIME:010000"), (NINE[0], "DURATION;VALUE=DATE:20261005"),
            )
        ),
        pytest.param(one_event("UID:a", *NINE, "RRULE:FREQ=SOMETIMES"), (4, "ics-property"), id="a rule that is none"),
        pytest.param(one_event("UID:a", *NINE, "RRULE:FREQ=SECONDLY"), (4, "ics-rule"), id="a rule for a clock"),
        pytest.param(
            one_event("UID:a", *NINE, "RRULE:FREQ=DAILY;COUNT=999999"), (4, "ics-too-many"), id="a rule without measure"
        ),
        pytest.param(
            one_event("UID:a", "DTSTART;TZID=Nowhere/Land:20261005T090000", "DTEND;TZID=Nowhere/Land:20261005T100000"),
            (4, "ics-zone"),
            id="a zone that is none",
        ),
        pytest.param(one_event("UID:a", *NINE, "SUMMARY:\x01"), (8, "ics-character"), id="control characters"),
        pytest.param(one_event("UID:" + "a" * 256, *NINE), (4, "ics-uid"), id="a UID without measure"),
        pytest.param(
            calendar(event("a", *(t.partition(":")[2] for t in NINE), zone="")) [:-27], (4, "ics-cut"), id="cut off"
        ),
        pytest.param(b"BEGIN:VEVENT\nEND:VEVENT\n", (1, "ics-not-a-calendar"), id="a bare event"),
        pytest.param(b"<html>", (1, "ics-not-a-calendar"), id="a web page"),
        pytest.param(b"", (0, "ics-not-a-calendar"), id="nothing"),
        pytest.param(b"BEGIN:VCALENDAR\nEND:VEVENT\n", (2, "ics-structure"), id="an end of nothing"),
        pytest.param("BEGIN:VCALENDAR\nX:é".encode("latin-1"), (2, "ics-encoding"), id="not UTF-8"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_by_its_line_and_reason(data, expected):
    _, bad = read(data)
    assert bad == [expected]


def test_the_same_uid_twice_with_neither_newer_is_bad():
    one = event("a", "20261019T090000", "20261019T100000")
    two = event("a", "20261020T090000", "20261020T100000")
    assert read(calendar(one, two))[1] == [(12, "ics-uid-twice")]


def test_one_bad_event_hides_no_other():
    good = event("a", "20261019T090000", "20261019T100000")
    none = ["BEGIN:VEVENT", "END:VEVENT"]
    found, bad = read(calendar(none, good, none))
    assert len(found.events) == 1
    assert bad == [(4, "ics-no-uid"), (14, "ics-no-uid")]


def test_a_line_that_is_no_property_is_passed_over_and_said():
    bad = BadRows()
    made = icsfile.read("t.ics", calendar(event("a", *(t.partition(":")[2] for t in NINE), "X-RADIUS=4", zone="")), bad)
    assert not bad
    assert [line for line, _ in made.passed] == [11]


def test_folded_lines_are_put_together():
    data = calendar(event("a", "20261019T090000", "20261019T100000", "DESCRIPTION:one"))
    folded = data.replace(b"DESCRIPTION:one", b"DESCRI\r\n PTION:o\r\n\tne")
    assert read(folded)[0].events[0].description == "one"
