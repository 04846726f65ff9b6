"""Exports, unmarked registers, the inbox, profiles and the emergency page, through their own forms."""

import csv
import io
import re
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from server.pages import sheets
from server.pages.local import Local
from server.scope import Scope
from server.store import exports, registers, rights, schema, schema_residence
from server.store.engine import reading, writing
from server.store.exports import Line
from server.store.schema_work import register_report
from tests.server.pages.school import HOSTILE, Visitor
from tests.server.pages.test_campus_pages import do, fill, office, said  # noqa: F401  a fixture
from tests.server.store_world import MIN

HOUR = 60 * MIN


def rows(answer) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def actions(school) -> list[tuple[str, str]]:
    return [(row.action, row.subject) for row in school.world.all(schema.audit)]


@pytest.mark.rule("LOUGH-6", "STEP-17")
def test_a_register_is_exported_with_every_field_of_a_register(school, signed):
    session = school.session("Computing", starts_min=-90)
    board = school.reader()
    school.tap(board, 0, ago_s=55 * 60)
    answer = signed("ada").get(f"/sessions/{session}/export/file?form=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == f'attachment; filename="register-session-{session}-20261005.csv"'
    head, *lines = rows(answer)
    assert head == list(sheets.HEADINGS)
    assert [line[0] for line in lines] == [f"Student 00{n}" for n in range(5)]
    assert lines[0][2:8] == ["CS101", "Computing for all", "Computing", "2026-10-05", "08:50", "09:50"]
    assert ("register.export", f"session/{session}") in actions(school)


@pytest.mark.rule("STEP-17")
def test_selected_students_and_nobody_else_are_exported(school, signed):
    session = school.session()
    browser = signed("ada")
    page = browser.get(f"/sessions/{session}/export").text
    ids = re.findall(r'name="p" value="(\d+)"', page)
    assert ids == [str(one) for one in school.students]
    answer = browser.get(f"/sessions/{session}/export/file?form=csv&who=selected&p={ids[1]}&p={ids[3]}")
    assert [line[0] for line in rows(answer)[1:]] == ["Student 001", "Student 003"]
    nobody = browser.get(f"/sessions/{session}/export/file?form=csv&who=selected")
    assert nobody.status_code == 400 and "tick at least one" in nobody.text
    assert browser.get(f"/sessions/{session}/export/file?form=exe").status_code == 400


@pytest.mark.rule("STEP-17")
@pytest.mark.parametrize(
    "name",
    ["=1+1", "+SUM(A1)", "-2", "@cmd", "\t=1", "\r=1", " =1", "＝1", "\n=1", "\u3000=1", "\u200b=1", HOSTILE,
     "x;=1+1", "x; @cmd", "x\t=1", "x\n=1"],
)  # fmt: skip
@pytest.mark.parametrize("parted", [",", ";", "\t"])
def test_no_cell_of_a_csv_is_a_formula_whatever_a_country_parts_cells_by(name, parted):
    line = a_line(name)
    local = Local(time_zone="Europe/London", now_ms=0)
    text = b"".join(sheets.as_csv([line], local)).decode("utf-8-sig")
    # Some take a quote for one only where a cell begins with it.
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
        for cells in list(csv.reader(io.StringIO(text, newline=""), delimiter=parted, quoting=quoting))[1:]:
            begun = [cell.strip(" \t\r\n\u3000\u200b") for cell in cells]
            assert not [cell for cell in begun if cell.startswith(("=", "+", "-", "@", "＝"))]
    first = list(csv.reader(io.StringIO(text, newline="")))[1][0]
    assert first.replace("'", "") == name.replace("'", ""), "nothing but apostrophes is put to it"


@given(st.text(alphabet=st.sampled_from("=+-@\t\r\n ＝＋－＠'\"\u00a0aZ1,;|é")), st.text(max_size=20))
def test_a_guarded_cell_keeps_its_text_and_begins_no_formula(risky, more):
    text = risky + more
    found = sheets.guarded(text)
    assert found.replace("'", "") == text.replace("'", "")
    for part in re.split(r"[;|\t\r\n]", found):
        assert not part.strip(" \u00a0").startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    assert not found.startswith(("\t", "\r", "\n"))
    # Read back from the file it is the same cell, whatever quotes and commas are in it.
    content = b"".join(sheets.as_csv([a_line(text)], Local(time_zone="Europe/London", now_ms=0))).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(content, newline="")))[1][0] == found


def a_line(name: str) -> Line:
    return Line(
        full_name=name, number=name, course_code=name, course_title=name, title=name, starts_ms=0, ends_ms=HOUR,
        rooms=name, staff=name, classes=name, cancelled=False, code=name, meaning=name, late_min=7, early_min=None,
        verified=True, counts=True, tapped_ms=None, source=name,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["=1+1", "https://example.org", "12", HOSTILE])
def test_every_text_of_a_workbook_is_a_string(name):
    local = Local(time_zone="Europe/London", now_ms=0)
    content = b"".join(sheets.as_xlsx([a_line(name)], local))
    book = zipfile.ZipFile(io.BytesIO(content))
    sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet and "hyperlink" not in sheet
    assert sheet.count('t="inlineStr"') + sheet.count('t="s"') >= len(sheets.HEADINGS) + 8
    # Minutes alone are numbers.
    assert re.findall(r'<c r="[A-Z]+2"(?: s="\d+")?><v>(\d+)</v>', sheet) == ["7"]


def test_a_range_of_a_class_is_exported_as_workbook_and_as_paper(school, signed):
    school.session("One", starts_min=-200)
    school.session("Two", starts_min=-90)
    school.session("Other", starts_min=-90, staff=[school.bob])
    browser = signed("ada")
    page = browser.get("/export").text
    assert f'<option value="{school.group}">CS101-A</option>' in page
    asked = f"/export/file?since=2026-10-05&until=2026-10-05&group={school.group}&form="
    lines = rows(browser.get(asked + "csv"))[1:]
    # Bob's session is not Ada's, though the class is the same.
    assert {line[4] for line in lines} == {"One", "Two"} and len(lines) == 10
    book = browser.get(asked + "xlsx")
    assert zipfile.ZipFile(io.BytesIO(book.content)).testzip() is None
    paper = browser.get(asked + "print").text
    assert paper.count('<section class="sheet paper">') == 2
    assert "Student 004" in paper and "CS101 Computing for all" in paper and "08:50 – 09:50" in paper
    one = rows(browser.get(f"/export/file?since=2026-10-05&until=2026-10-05&student={school.students[2]}&form=csv"))
    assert {line[0] for line in one[1:]} == {"Student 002"}


def test_bad_ranges_say_what_is_wrong(school, signed):
    browser = signed("ada")
    for path, told in (
        ("/export/file?since=x&until=2026-10-05&group=1&form=csv", "which day"),
        ("/export/file?since=2026-10-06&until=2026-10-05&group=1&form=csv", "not before the first"),
        ("/export/file?since=2026-10-05&until=2026-10-05&form=csv", "hoose a class"),
        (f"/export/file?since=2026-10-05&until=2026-10-05&group={school.group}&form=exe", "hoose how"),
    ):
        answer = browser.get(path)
        assert answer.status_code == 400 and told in said(answer), path


def test_nobody_exports_what_is_not_theirs(school, signed):
    session = school.session(staff=[school.bob])
    stranger = school.person("Not Hers")
    ada, tess = signed("ada"), signed("tess")
    for path in (f"/sessions/{session}/export", f"/sessions/{session}/export/file?form=csv",
                 f"/export/file?since=2026-10-05&until=2026-10-05&student={stranger}&form=csv"):  # fmt: skip
        assert ada.get(path).status_code == 404, path
        assert tess.get(path).status_code == 403, path
    assert rows(ada.get(f"/export/file?since=2026-10-05&until=2026-10-05&group={school.group}&form=csv"))[1:] == []


def test_a_register_that_is_handed_over_during_an_export_is_left_out(school, signed):
    mine, lost = school.session("Mine", starts_min=-90), school.session("Lost", starts_min=-200, staff=[school.bob])
    with reading(school.world.engine) as connection:
        account = next(row for row in connection.execute(select(schema.account)) if row.login == "ada")
        grants = rights.grants_of(connection, account.id, school.now_ms)
    scope = Scope(
        institution_id=account.institution_id, account_id=account.id, person_id=account.person_id, grants=grants
    )
    profiles = school.app().state.profiles
    found = list(exports.lines(school.world.engine, scope, profiles, [lost, mine]))
    assert {one.title for one in found} == {"Mine"}


@pytest.mark.rule("LOUGH-8")
def test_an_unmarked_register_stands_under_its_department_and_lecturer(school, office):  # noqa: F811
    course = school.world.all(schema.course)[0].id
    do(office, f"/registry/courses/{course}/change", department_id=str(school.science))
    session = school.session("Forgotten", starts_min=-3 * 24 * 60)
    school.session("Cancelled", starts_min=-3 * 24 * 60, cancelled_ms=school.now_ms)
    text = office.get("/compliance").text
    assert text.index("Science") < text.index("Ada Lecturer") < text.index(f'href="/sessions/{session}"')
    assert "unmarked" in text and "Cancelled" not in text
    assert "Forgotten" not in office.get("/compliance?since=2026-10-05&until=2026-10-05").text


def test_a_head_of_department_sees_their_own_department_and_a_lecturer_nothing(school, office, signed):  # noqa: F811
    school.session("Forgotten", starts_min=-3 * 24 * 60)
    assert "Forgotten" in office.get("/compliance").text
    assert "Forgotten" not in signed("sci").get("/compliance").text
    assert signed("ada").get("/compliance").status_code == 403


@pytest.mark.rule("LOUGH-12", "LOUGH-5")
def test_a_report_about_a_register_waits_until_it_is_closed_once(school, office, signed):  # noqa: F811
    session = school.session("Strange")
    with writing(school.world.engine) as connection:
        connection.execute(
            insert(register_report).values(
                institution_id=school.world.institution_id, session_id=session, kind="not-mine",
                by_account_id=school.accounts["ada"], created_ms=school.now_ms,
            )
        )  # fmt: skip
    page = office.get("/compliance/reports").text
    assert "not my register" in page and "Strange" in page and "by Ada" in page
    path = re.search(r'action="(/compliance/reports/\d+/close)"', page)[1]
    token = office.csrf("/compliance/reports")
    assert signed("sci").post(path, {"csrf": signed("sci").csrf("/compliance/reports?closed=yes")}).status_code in (
        403,
        404,
    )
    assert office.post(path, {"csrf": token}).headers["location"].endswith("said=closed")
    assert office.post(path, {"csrf": token}).headers["location"].endswith("said=same")
    assert "Strange" not in office.get("/compliance/reports").text
    assert "Strange" in office.get("/compliance/reports?closed=yes").text


@pytest.fixture
def early(tmp_path):
    """A folder with a profile of the institution's own: doors open an hour before."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    text = 'name = "early"\nlike = "lough"\n[window]\nopens_before = { value = 60, unit = "min" }\n'
    (folder / "early.toml").write_text(text)
    return folder


@pytest.mark.rule("PORT-2")
def test_a_profile_is_given_to_a_course_from_a_day_on_and_the_past_keeps_its_own(school, office, early):  # noqa: F811
    world = school.world
    past = world.session(school.now_ms - 24 * HOUR, group=school.group)
    coming = world.session(school.now_ms + 24 * HOUR, group=school.group)
    course = world.all(schema.course)[0].id
    browser = Visitor(school.app(profiles_dir=early))
    browser.sign_in("reg")
    path, values = "/registry/profiles/new", {"where": f"course:{course}", "profile": "early"}
    looked, fields = fill(browser, path, **values)
    assert "1 session from that day on: 1 is judged by early" in said(looked)
    assert "1 session has another window: for 5 students the doors open" in said(looked)
    assert {row.profile for row in world.all(schema.session)} == {"port"}
    assert browser.post(path, {**fields, "do": "do"}).status_code == 303
    assert browser.post(path, {**fields, "do": "do"}).status_code == 303
    found = {row.id: (row.profile, (row.starts_ms - row.opens_ms) // MIN) for row in world.all(schema.session)}
    assert found == {past: ("port", 30), coming: ("early", 60)}
    assert len(world.all(schema.profile_assignment)) == 1
    assert "judged by the profile early" in browser.get("/registry/profiles").text
    looked, _ = fill(browser, path, **values, day="2026-10-01")
    assert looked.status_code == 422 and "From today on" in said(looked)


@pytest.mark.parametrize("odd", ["²", "٣", "9" * 19, "9" * 400, "-1", "", "0{session}"])
def test_a_profile_is_given_to_no_session_by_an_odd_number(school, office, odd):  # noqa: F811
    session = school.session(starts_min=60)
    before = school.world.all(schema.profile_assignment)
    looked, fields = fill(
        office, "/registry/profiles/new", where=f"session:{odd.format(session=session)}", profile="lough"
    )
    done = office.post("/registry/profiles/new", {**fields, "do": "do"})
    assert (looked.status_code, done.status_code) == (422, 422) and "Choose one of the list" in said(looked)
    assert school.world.all(schema.profile_assignment) == before
    looked, _ = fill(office, "/registry/profiles/new", where=f"session:{session}", profile="port")
    assert "1 session from that day on" in said(looked)


@pytest.mark.rule("PORT-2")
def test_a_session_that_was_given_a_profile_is_named_by_its_title_and_start(school, office):  # noqa: F811
    session = school.session("Astronomy", starts_min=24 * 60, profile="port")
    path = "/registry/profiles/new"
    asked = said(office.get(f"{path}?scope=session&value={session}"))
    assert do(office, path, where=f"session:{session}", profile="lough").status_code == 303
    text = " ".join(said(office.get("/registry/profiles")).split())
    named = re.search(r"one session (Astronomy, \w+ \d+ \w+ 2026, \d\d:\d\d)", text)[1]
    assert f"one session: {named}" in asked and f"one session {session}" not in text
    end = re.search(r"/registry/profiles/\d+/end", office.get("/registry/profiles").text)[0]
    assert f"for one session {named}" in said(office.get(end))


@pytest.mark.rule("LOUGH-38")
def test_the_house_says_who_was_last_seen_where_and_what_it_does_not_know(school, office):  # noqa: F811
    school.session(room=0)
    school.session("Other", room=1)
    first, second = school.reader("a-101", room=0), school.reader("b-202", room=1)
    school.tap(first, 0, ago_s=3000)
    school.tap(second, 0, ago_s=600)
    school.tap(first, 1, ago_s=900)
    school.tap(first, bytes([4, 7, 7, 7]), ago_s=500)
    page = office.get("/emergency").text
    text = " ".join(said(office.get("/emergency")).split())
    assert "2 people seen in the last 4 h" in text
    # Student 000 was at R0 before, and at R1 last.
    assert page.index("Student 001") < page.index("R1") < page.index("Student 000")
    assert page.count("Student 000") == 1
    assert "1 card of nobody known was tapped" in text and "R0 1 seen, 1 card of nobody known" in text
    assert "2 of 2 doors are not known up to now" in text and "known up to" in text
    assert "not where they are" in text
    assert "2 people seen" in said(office.get("/emergency?hours=24")) and "hours=99" not in page
    assert office.get("/emergency?hours=99").status_code == 200
    assert ("emergency.read", "house") in actions(school)


@pytest.mark.rule("LOUGH-38")
def test_somebody_marked_present_by_hand_is_seen_and_an_old_tap_is_not(school, office, signed):  # noqa: F811
    session = school.session(starts_min=-20)
    board = school.reader()
    board.boot(at_ms=school.now_ms - 8 * HOUR)
    school.tap(board, 2, ago_s=7 * 3600)
    ada = signed("ada")
    path = f"/sessions/{session}/people/{school.students[3]}"
    fields = {"csrf": ada.csrf(path), "code": "P", "seen": "0"}
    assert ada.post(path, fields).status_code in (200, 303), ada.post(path, fields).text
    text = " ".join(said(office.get("/emergency")).split())
    assert "Student 003" in text and "marked by hand, lesson from 10:00" in text
    assert "Student 002" not in text


@pytest.mark.rule("LOUGH-38")
def test_who_is_in_a_lesson_that_is_still_on_is_seen_however_long_ago_it_began(school, office):  # noqa: F811
    now_ms, world = school.now_ms, school.world
    for student, starts_min, minutes in ((0, -300, 360), (1, -360, 60)):
        session = school.session(starts_min=starts_min, minutes=minutes)
        with writing(world.engine) as connection:
            registers.record(
                connection, world.institution_id, session,
                [registers.Wanted(person_id=school.students[student], code="P")], source="person", rule="test",
                authority=None, by_account_id=school.accounts["ada"], now_ms=now_ms, profiles=world.profiles,
            )  # fmt: skip
    text = " ".join(said(office.get("/emergency")).split())
    assert "Student 000" in text and "marked by hand, lesson from 05:20" in text and "Student 001" not in text


@pytest.mark.rule("LOUGH-38", "LOUGH-B", "LOUGH-V")
def test_who_only_counts_as_attended_is_not_on_site(school, office, signed):  # noqa: F811
    """Ill at home, or on a trip: whoever counts heads does not look for them here."""
    session = school.session(starts_min=-20)
    with writing(school.world.engine) as connection:
        registers.record(
            connection, school.world.institution_id, session,
            [registers.Wanted(person_id=one, code=code) for one, code in zip(school.students, "PBVR", strict=False)],
            source="person", rule="test", authority=None, by_account_id=school.accounts["ada"],
            now_ms=school.now_ms, profiles=school.world.profiles,
        )  # fmt: skip
    assert "residence" not in said(office.get("/emergency"))
    school.world.insert(schema_residence.house, source="t", code="N", name="North")
    text = " ".join(said(office.get("/emergency")).split())
    assert "Student 000" in text and "1 person seen" in text
    assert "Check-ins at 1 residence are not among these" in text
    assert not any(name in text for name in ("Student 001", "Student 002", "Student 003"))
    register = " ".join(said(signed("ada").get(f"/sessions/{session}")).split())
    assert "Present 1 of 5" in register and "Other marks 2" in register
    assert ">1 of 5<" in signed("ada").get("/today").text


def test_only_those_who_count_heads_read_the_house(school, office, signed):  # noqa: F811
    assert [signed(name).get("/emergency").status_code for name in ("ada", "tess")] == [403, 403]
    assert signed("admin").get("/emergency").status_code == 200
