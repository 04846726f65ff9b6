"""Any bytes in place of a file: a clear refusal with a code, never a crash, and nothing is applied."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from server.errors import StoreError
from server.imports.badrows import BadRows, RowsRefused
from tests.server.imports.imports_world import CARDS, PACKAGE, calendar, event

ICS = calendar(
    event("a", "20261005T090000", "20261005T100000", "RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE:20261012T080000Z"),
    event("b", "20261006T090000", "20261006T100000", "DESCRIPTION:x"),
    event("a", "20261013T090000", "20261013T100000", "RECURRENCE-ID;TZID=Europe/London:20261012T090000"),
    ["BEGIN:VTIMEZONE", "TZID:Ours", "BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0100",
     "TZOFFSETTO:+0100", "END:STANDARD", "END:VTIMEZONE"],
)  # fmt: skip

#: each example is one import: enough to find what is weak, few enough for every run
some = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """The bytes with pieces cut out, doubled, swapped for other bytes, or the end gone."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        upto = min(len(data), at + draw(st.integers(0, 30)))
        how = draw(st.sampled_from(["cut", "double", "swap", "end"]))
        if how == "cut":
            del data[at:upto]
        elif how == "double":
            data[at:at] = data[at:upto]
        elif how == "swap":
            data[at:upto] = draw(st.binary(max_size=12) | st.sampled_from([b"\n", b'"', b",", b":", b";", b"\r\n "]))
        else:
            del data[at:]
    return bytes(data)


def amiss(office, work) -> list[str]:
    """What is wrong with how the work ended: a refusal says why, row by row; and what is not applied changed nothing."""
    before = office.everything()
    found = []
    try:
        applied = work().applied
    except StoreError as refused:
        applied = False
        rows = refused.rows if isinstance(refused, RowsRefused) else ()
        if not all([refused.code, str(refused), *(row.code and row.text and row.line >= 0 for row in rows)]):
            found.append("refused without saying why")
    if not applied and office.everything() != before:
        found.append("not applied, and yet changed")
    return found


@some
@given(data=damaged(ICS) | st.binary(max_size=200))
@example(
    data=b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART:00010101T000000Z\nDTEND:00010101T010000Z\nEND:VEVENT\nEND:VCALENDAR\n"
)
@example(
    data=b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART;TZID=Asia/Tokyo:00010101T000000\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR\n"
)
@example(
    data=b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART:99991231T235900Z\nDURATION:P99999999999D\nEND:VEVENT\nEND:VCALENDAR\n"
)
@example(
    data=b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nSEQUENCE:x\nDTSTART:20261005T090000Z\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR\n"
)
@example(data=ICS.replace(b"DTSTART", b"DTSTART;VALUE=PERIOD", 1))
@example(data=ICS.replace(b"RECURRENCE-ID;TZID=Europe/London:20261012T", b"RECURRENCE-ID:", 1))
@example(data=ICS.replace(b"RECURRENCE-ID", b"RECURRENCE-ID:20261013T090000\r\nRECURRENCE-ID", 1))
@example(data=ICS.replace(b"SUMMARY", b"SUMMARY:x\r\nSUMMARY", 1))
@example(data=ICS.replace(b"UID:b", b"UID:b\r\nX-MUSTER-LINE:no", 1))
def test_any_calendar_is_imported_or_refused(college, data):
    assert amiss(college, lambda: college.timetable(data, confirm=True)) == []


@some
@given(name=st.sampled_from([*PACKAGE, "manifest", "cards"]), data=st.data())
def test_any_csv_is_imported_or_refused(college, name, data):
    path = college.package(cards=CARDS)
    file = path / f"{name}.csv"
    file.write_bytes(data.draw(damaged(file.read_bytes()) | st.binary(max_size=200)))
    assert amiss(college, lambda: college.roster_at(path, confirm=True)) == []


@some
@given(data=st.data())
def test_any_zip_is_imported_or_refused(college, tmp_path_factory, data):
    packed = Path(shutil.make_archive(str(tmp_path_factory.mktemp("zip") / "p"), "zip", college.package(cards=CARDS)))
    packed.write_bytes(data.draw(damaged(packed.read_bytes())))
    assert amiss(college, lambda: college.roster_at(packed, confirm=True)) == []


def test_a_crash_would_be_caught(college):
    # The saboteur: an import that lets an error of its own out.
    def crash():
        raise KeyError("classSourcedId")

    with pytest.raises(KeyError):
        amiss(college, crash)


def test_a_part_that_stays_after_a_refusal_would_be_caught(college):
    # The saboteur: an import that says no, and has written all the same.
    def half():
        college.timetable(ICS)
        raise StoreError("import-bad-rows", "refused, and yet changed")

    assert amiss(college, half) == ["not applied, and yet changed"]


def test_a_refusal_that_says_nothing_would_be_caught(college):
    # The saboteur: an import that refuses a row without a word.
    def silent():
        bad = BadRows()
        bad.add("x.csv", 1, "", "")
        raise RowsRefused(bad)

    assert amiss(college, silent) == ["refused without saying why"]
