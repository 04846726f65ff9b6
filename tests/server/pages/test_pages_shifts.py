"""A programme's shifts on the pages: full, half and absent; occasions; what a day weighs and pays (DDU-2 to 4, 10, 11)."""

import re

import pytest

from server.store import schema
from server.store.engine import writing
from server.store.hands import record
from server.store.wanted_marks import Wanted
from tests.rules import rule
from tests.server.filetypes.files import LETTER
from tests.server.pages.requesting import DAY, Corrected, ask, decide, hidden, made
from tests.server.pages.test_campus_pages import said as said_

HALF_SHIFT, SHIFT = 240, 300


@pytest.fixture
def school(tmp_path):
    found = Corrected(tmp_path)
    yield found
    found.close()


@pytest.fixture
def batch(school):
    """It began 20 days ago: its second block is in its fifth day."""
    return school.world.insert(schema.batch, code="b", starts_ms=school.now_ms - 20 * DAY)


def said(answer) -> str:
    return " ".join(said_(answer).split())


def shift(school, batch, days: int, *, minutes=SHIFT, marks=(), at_min=0) -> int:
    """A shift so many days ago. marks: (code, late, early) of the first students."""
    session = school.session(
        starts_min=-days * 24 * 60 + at_min, minutes=minutes, profile="ddu", batch_id=batch, title=f"Day {days}"
    )
    with writing(school.world.engine) as connection:
        record(
            connection, school.world.institution_id, session,
            [Wanted(person_id=person, code=code, late_min=late, early_min=early)
             for person, (code, late, early) in zip(school.students, marks, strict=False)],
            source="import", rule="test", authority=None, by_account_id=None, now_ms=school.now_ms - days * DAY,
            profiles=school.world.profiles,
        )  # fmt: skip
    return session


def attended(school, signed, student: int = 0) -> str:
    return said(signed("rita").get(f"/people/{school.students[student]}/attendance"))


@rule("DDU-3", "STEP-23", "PORT-13")
@pytest.mark.parametrize(
    ("profile", "codes", "numbers"),
    [("ddu", "PHA", "Present 2 of 5 Absent 1 Not marked 2"),
     ("step", ["P", "LOA", "A"], "Present 1 of 5 Absent 1 Other marks 1 Not marked 2"),
     ("port", ["P", "E", "A"], "Present 1 of 5 Absent 1 Other marks 1 Not marked 2")],
)  # fmt: skip
def test_a_register_with_a_half_day_or_a_leave_is_shown_and_counted(school, signed, profile, codes, numbers):
    session = school.session(starts_min=-30, profile=profile)
    with writing(school.world.engine) as connection:
        record(
            connection, school.world.institution_id, session,
            [Wanted(person_id=person, code=code) for person, code in zip(school.students, codes, strict=False)],
            source="leave", rule="test", authority=None, by_account_id=None, now_ms=school.now_ms,
            profiles=school.world.profiles,
        )  # fmt: skip
    ada = signed("ada")
    page = ada.get(f"/sessions/{session}")
    assert page.status_code == 200
    assert numbers in said(page)
    today = ada.get("/today")
    assert today.status_code == 200 and f"{2 if profile == 'ddu' else 1} of 5" in said(today)


@rule("DDU-3", "DDU-2")
def test_who_submits_the_day_is_told_whose_occasions_are_used_up_in_this_block(school, signed, batch):
    late, on_time = ("P", 40, None), ("P", 15, None)
    for days in (16, 4, 3):
        shift(school, batch, days, marks=[late, late if days == 3 else on_time, late])
    # Shifts of the other kind have occasions of their own.
    shift(school, batch, 2, minutes=HALF_SHIFT, marks=[("P", 0, None), late])
    session = shift(school, batch, 1, marks=[late, late, ("H", 40, None), ("P", 40, 40), ("P", 20, 0)])
    page = said(signed("ada").get(f"/sessions/{session}"))
    assert "Student 000 has P, and DDU-3 says H. Half: 2 occasions in these days are used up." in page
    # One used; used two and marked half already; both sides together; the first of two.
    assert "Student 001 has" not in page and "Student 002 has" not in page and "Student 004 has" not in page
    assert "Student 003 has P, and DDU-3 says H. Half: 80 minutes missed, more than 60." in page


@rule("DDU-3")
def test_a_new_block_of_days_begins_with_new_occasions_and_no_batch_has_none(school, signed, batch):
    late = [("P", 40, None)]
    for days in (8, 7):
        shift(school, batch, days, marks=late)
    # 20 days ago was the first day: its first block ended 6 days ago.
    for days, told in ((6, True), (5, False)):
        session = shift(school, batch, days, marks=late)
        page = said(signed("ada").get(f"/sessions/{session}"))
        assert ("2 occasions in these days are used up" in page) == told, days
    alone = shift(school, None, 1, marks=late)
    assert "has P, and" not in said(signed("ada").get(f"/sessions/{alone}"))


@rule("DDU-3", "DDU-4")
def test_minutes_of_a_shift_are_given_with_its_mark(school, signed, batch):
    session = school.session(starts_min=-120, minutes=SHIFT, profile="ddu", batch_id=batch)
    ada, person = signed("ada"), school.students[0]
    address = f"/sessions/{session}/people/{person}"
    panel = ada.get(address).text
    assert 'name="late_min"' in panel and 'name="early_min"' in panel
    sent = ada.post(address, hidden(panel) | {"code": "H", "late_min": "70", "early_min": "20"})
    assert sent.status_code == 303
    row = school.world.all(schema.mark)[-1]
    assert (row.code, row.late_min, row.early_min) == ("H", 70, 20)
    page = said(ada.get(f"/sessions/{session}"))
    assert "half; 70 min late; left 20 min early" in page and "has H, and" not in page
    # None is needed, more than all of it is none, and what was not there missed no minutes.
    for code, minutes, status in (("P", "", 303), ("P", "301", 422), ("A", "70", 303)):
        fields = hidden(ada.get(address).text) | {"code": code, "late_min": minutes, "early_min": ""}
        assert ada.post(address, fields).status_code == status, (code, minutes)
    assert school.world.all(schema.mark)[-1].late_min is None


@rule("DDU-4", "DDU-1")
def test_each_shift_of_two_is_half_a_day_and_half_halves_that(school, signed, batch):
    shift(school, batch, 3, marks=[("P", None, None)])
    for at_min in (0, 300):
        shift(school, batch, 2, minutes=HALF_SHIFT, at_min=at_min, marks=[("P" if at_min else "H", None, None)])
    shift(school, batch, 1, minutes=HALF_SHIFT, marks=[("A", None, None)])
    # 1 whole day, 1/2 and 1/4 of the second, 0 of half the third: 1.75 of 2.5.
    assert "1.75/2.5 = 70.0 %" in attended(school, signed)


@rule("DDU-11")
def test_any_mark_of_a_day_pays_the_whole_day_and_none_pays_nothing(school, signed, batch):
    for at_min, code in ((0, "A"), (300, "H")):
        shift(school, batch, 3, minutes=HALF_SHIFT, at_min=at_min, marks=[(code, None, None)])
    shift(school, batch, 2, marks=[("A", None, None)])
    # Not marked yet: no day to pay.
    shift(school, batch, 1)
    text = attended(school, signed)
    assert "To-and-fro 1 of 2 days" in text
    assert text.count("pays the whole day: H") == 2 and text.count("pays nothing: no mark that day") == 1


@rule("DDU-11")
def test_who_tapped_and_is_marked_absent_is_paid_the_day(school, signed, batch):
    board = school.reader()
    session = school.session(starts_min=-250, minutes=SHIFT, profile="ddu", batch_id=batch)
    school.tap(board, 0, ago_s=60)
    ada = signed("ada")
    address = f"/sessions/{session}/people/{school.students[0]}"
    assert school.world.marks()[session, school.students[0]][0] == "A"
    assert ada.post(address, hidden(ada.get(address).text) | {"code": "A"}).status_code == 303
    text = attended(school, signed)
    assert "To-and-fro 1 of 1 day" in text and "pays the whole day: a swipe" in text


@rule("DDU-10")
def test_a_correction_after_the_fortnight_counts_for_attendance_and_pays_nothing(school, signed, batch):
    session = shift(school, batch, 19, marks=[("A", None, None)] * 5)
    rita = signed("rita")
    request = made(ask(signed("ada"), session, {school.students[0]: "P"}, reason="CCTV", files=[("a.pdf", LETTER)]))
    assert decide(rita, request, "apply").status_code == 303
    text = attended(school, signed)
    assert "1/1 = 100.0 %" in text and "To-and-fro 0 of 1 day" in text


def test_other_profiles_pay_no_days(school, signed):
    school.aged(3)
    text = signed("rita").get(f"/people/{school.students[0]}/attendance").text
    assert "To-and-fro" not in text and re.search(r'columnheader">Bursary<', text)
