"""The registry's pages through their own forms: found, looked at, done, and seen in the history."""

import re
from html import unescape

import pytest
from sqlalchemy import select

from server.store import accounts, rights, schema, schema_work
from server.store.engine import reading, writing
from server.store.schema_rights import department
from tests.server.pages.registry_form import form_of
from tests.server.pages.school import HASHER, HOSTILE, PASSWORD

DAY = 24 * 3_600_000


@pytest.fixture
def office(school, signed):
    """A registrar's browser, and a department's registrar beside it."""
    with writing(school.world.engine) as connection:
        one = connection.execute(
            department.insert().values(
                institution_id=school.world.institution_id, source="t", source_id="d", code="SCI", title="Science"
            )
        ).inserted_primary_key[0]
        for name, scope, scope_id in (("reg", "institution", None), ("sci", "department", one)):
            made = accounts.make(
                connection, school.world.institution_id, login_name=name, shown_name=name.title(),
                password_hash=HASHER.hash(PASSWORD), role="registry", person_id=None, now_ms=school.now_ms,
            )  # fmt: skip
            held = connection.execute(
                select(rights.account_role.c.id).where(rights.account_role.c.account_id == made)
            ).scalar_one()
            rights.revoke(connection, school.world.institution_id, held, school.now_ms - 1)
            rights.grant(connection, school.world.institution_id, made, "registry", scope=scope, scope_id=scope_id,
                         now_ms=school.now_ms - 1)  # fmt: skip
    school.science = one
    return signed("reg")


def fill(browser, path: str, /, **values):
    """Open the form, fill it in, look at what follows: the answer, and what its button would send."""
    asked = browser.get(path)
    assert asked.status_code == 200, asked.text
    fields = form_of(asked.text, path) | values
    looked = browser.post(path, {**fields, "do": "look"})
    return looked, (form_of(looked.text, path) if looked.status_code == 200 else fields)


def do(browser, path: str, /, **values):
    """The same, and done."""
    looked, fields = fill(browser, path, **values)
    assert looked.status_code == 200, said(looked)
    return browser.post(path, {**fields, "do": "do"})


def said(answer) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", answer.text))


def audits(school) -> list[str]:
    return [row.action for row in school.world.all(schema.audit)]


def test_a_late_starter_is_two_clicks_from_the_search(school, office):
    person = school.person("Late Starter", bytes([4, 9, 9, 9]))
    coming = school.session(starts_min=60)
    school.session(starts_min=-120)
    found = office.find("/registry", "starter").text
    path = f"/registry/people/{person}/enrol"
    looked = office.post(path, form_of(found, path) | {"class": "cs101-a", "do": "look"})
    assert "Late Starter is on the list of CS101-A as student for 1 coming session" in said(looked)
    assert "1 session since that day is over" in said(looked)
    assert [row for row in school.world.all(schema.enrolment) if row.person_id == person] == []
    done = office.post(path, form_of(looked.text, path) | {"do": "do"})
    assert done.headers["location"] == f"/registry/people/{person}?said=enrolled"
    assert "Late Starter" in office.get(f"/sessions/{coming}").text or school.world.all(schema.enrolment)
    row = next(row for row in school.world.all(schema.enrolment) if row.person_id == person)
    assert (row.source, row.role, row.to_ms, row.from_ms < school.now_ms) == ("muster", "student", None, True)
    assert "onto a class list as student" in office.get(done.headers["location"]).text


def test_enrolling_raises_the_campus_change_and_the_open_registers_version(school, office):
    session = school.session()
    board = school.reader()
    school.tap(board, 0)
    with reading(school.world.engine) as connection:
        before = connection.execute(select(schema.institution.c.campus_change)).scalar_one()
        version = connection.execute(select(schema.register.c.version)).scalar_one()
    person = school.person("Late Starter", bytes([4, 9, 9, 9]))
    do(office, f"/registry/people/{person}/enrol", **{"class": "CS101-A"})
    with reading(school.world.engine) as connection:
        assert connection.execute(select(schema.institution.c.campus_change)).scalar_one() > before
        assert connection.execute(select(schema.register.c.version)).scalar_one() > version
    assert "Late Starter" in office.get(f"/sessions/{session}").text


@pytest.mark.rule("LOUGH-7")
def test_a_changed_room_is_two_clicks_from_the_search_and_kept_by_hand(school, office):
    session = school.session("Astronomy", starts_min=60)
    school.reader("a-101", room=0)
    school.reader("b-202", room=1)
    found = office.find("/registry", "astronomy").text
    path = f"/registry/sessions/{session}/room"
    looked = office.post(path, form_of(found, path) | {"rooms": "R1", "do": "look"})
    text = said(looked)
    assert "Moves from R0 to R1" in text
    assert "The door of R1 takes its cards from now on" in text and "The door of R0 takes them no more" in text
    assert "From now on imports leave it as it is" in text
    done = office.post(path, form_of(looked.text, path) | {"do": "do"})
    assert done.headers["location"] == f"/registry/sessions/{session}?said=changed"
    row = next(row for row in school.world.all(schema.session) if row.id == session)
    assert row.kept_by_hand
    rooms = {row.room_id: row.to_ms for row in school.world.all(schema.session_room) if row.session_id == session}
    assert rooms[school.world.rooms[1]] is None and rooms[school.world.rooms[0]] == school.now_ms
    shown = office.get(done.headers["location"]).text
    assert "kept by hand" in shown and "rooms R0 → R1" in shown
    # On the register's own chain too: where cards count is part of what it rests on (LOUGH-7).
    assert [row.kind for row in school.world.all(schema_work.history)] == ["timetable"]


def test_a_sessions_times_change_and_the_preview_says_whose_window(school, office):
    session = school.session("Astronomy", starts_min=60)
    path = f"/registry/sessions/{session}/change"
    looked, fields = fill(office, path, begins="14:00", ends="15:30")
    assert "5 students: the window changes from" in said(looked)
    assert office.post(path, {**fields, "do": "do"}).status_code == 303
    row = next(row for row in school.world.all(schema.session) if row.id == session)
    assert (row.ends_ms - row.starts_ms, row.closes_ms) == (90 * 60_000, row.ends_ms)
    assert "session.change" in audits(school)


def test_a_session_changed_meanwhile_is_shown_and_not_overwritten(school, office):
    session = school.session("Astronomy", starts_min=60)
    path = f"/registry/sessions/{session}/change"
    _, mine = fill(office, path, title="Mine")
    assert do(office, path, title="Theirs").status_code == 303
    answer = office.post(path, {**mine, "do": "do"})
    assert answer.status_code == 409
    assert "changed while you looked" in said(answer) and 'value="Theirs"' in answer.text
    assert next(row for row in school.world.all(schema.session) if row.id == session).title == "Theirs"


def test_bad_values_are_named_at_their_fields_and_nothing_is_changed(school, office):
    session = school.session("Astronomy", starts_min=60)
    path = f"/registry/sessions/{session}/change"
    looked, _ = fill(office, path, title="", day="2026-13-01", begins="x", classes="NOPE", rooms="R9", staff="404")
    assert looked.status_code == 422
    for text in ("Fill in the title", "Fill in a day", "Fill in a time", "no class 'NOPE'", "no room 'R9'",
                 "no person with the number '404'"):  # fmt: skip
        assert text in said(looked), text
    assert next(row for row in school.world.all(schema.session) if row.id == session).title == "Astronomy"
    # 29 March 2026: the clocks go forward from 01:00 to 02:00
    looked, _ = fill(office, path, day="2027-03-28", begins="01:30", ends="03:00")
    assert "leave this time out" in said(looked)


def test_a_new_session_sent_twice_is_one_session(school, office):
    path = "/registry/sessions/new"
    looked, fields = fill(office, path, title="Extra", day="2026-10-06", begins="09:00", ends="10:00", rooms="R0",
                          classes="CS101-A")  # fmt: skip
    assert "for 5 students" in said(looked) and "Nobody teaches it" in said(looked)
    assert [row for row in school.world.all(schema.session) if row.title == "Extra"] == []
    first = office.post(path, {**fields, "do": "do"})
    assert office.post(path, {**fields, "do": "do"}).headers["location"] == first.headers["location"]
    made = [row for row in school.world.all(schema.session) if row.title == "Extra"]
    assert [(row.source, row.kept_by_hand) for row in made] == [("muster", True)]


def test_a_person_is_added_once_however_often_the_form_is_sent(school, office):
    path = "/registry/people/new"
    looked, fields = fill(office, path, given="Zoë", family="van der Berg", number="N77", email="zoe@example.org")
    assert looked.status_code == 200
    first = office.post(path, {**fields, "do": "do"})
    assert office.post(path, {**fields, "do": "do"}).headers["location"] == first.headers["location"]
    assert [row.full_name for row in school.world.all(schema.person_name)].count("Zoë van der Berg") == 1
    shown = office.get(first.headers["location"]).text
    assert "N77" in shown and "zoe@example.org" in shown
    assert "Zoë van der Berg" in office.find("/registry", "n77").text


def test_somebody_with_a_full_name_alone_has_it_taken_apart_in_the_form(school, office):
    person = school.person("Tomás Ó Briain")
    path = f"/registry/people/{person}/change"
    fields = form_of(office.get(path).text, path)
    assert (fields["given"], fields["family"]) == ("Tomás", "Ó Briain")
    assert do(office, path, number="N5").status_code == 303
    (row,) = [row for row in school.world.all(schema.person_name) if row.person_id == person]
    assert (row.full_name, row.given_name, row.family_name) == ("Tomás Ó Briain", "Tomás", "Ó Briain")


def test_a_middle_name_that_the_form_does_not_show_stays_while_the_others_do(school, office):
    do(office, "/registry/people/new", given="Ada", family="Zuse", number="N1")
    name = schema.person_name
    with writing(school.world.engine) as connection:
        ada = name.c.family_name == "Zuse"
        connection.execute(name.update().where(ada).values(full_name="Ada Mary Zuse"))
        person = connection.execute(select(name.c.person_id).where(ada)).scalar_one()

    def full() -> str:
        return next(row.full_name for row in school.world.all(name) if row.person_id == person)

    path = f"/registry/people/{person}/change"
    do(office, path, number="N2")
    assert full() == "Ada Mary Zuse"
    do(office, path, given="Eva")
    assert full() == "Eva Zuse"


def test_a_number_that_somebody_else_has_is_refused_at_its_field(school, office):
    do(office, "/registry/people/new", given="A", family="One", number="N1")
    _, fields = fill(office, "/registry/people/new", given="B", family="Two", number="N1")
    answer = office.post("/registry/people/new", {**fields, "do": "do"})
    assert answer.status_code == 422 and "omebody else has or had this number" in said(answer)
    assert "Two" not in {row.family_name for row in school.world.all(schema.person_name)}


@pytest.mark.rule("PORT-8")
def test_a_person_who_leaves_is_off_the_lists_and_their_card_stops(school, office):
    person = school.students[0]
    looked, _ = fill(office, f"/registry/people/{person}/end")
    assert "1 card stops at every door" in said(looked) and "Comes off 1 class list" in said(looked)
    done = do(office, f"/registry/people/{person}/end")
    assert "has left" not in said(done)
    row = next(row for row in school.world.all(schema.enrolment) if row.person_id == person)
    card = next(row for row in school.world.all(schema.card_assignment) if row.person_id == person)
    assert (row.to_ms, card.to_ms, card.ended_why) == (school.now_ms, school.now_ms, "returned")
    shown = office.get(f"/registry/people/{person}").text
    assert "Is back" in shown and "left: off every class list" in shown
    assert do(office, f"/registry/people/{person}/end").status_code == 303
    assert next(row for row in school.world.all(schema.person) if row.id == person).ended_ms is None


@pytest.mark.rule("PORT-8")
def test_a_lost_card_is_blocked_and_a_new_one_given_by_its_tap(school, office):
    board = school.reader()
    person = school.students[0]
    card = next(row for row in school.world.all(schema.card_assignment) if row.person_id == person)
    assert do(office, f"/registry/people/{person}/cards/{card.card_id}/block").status_code == 303
    assert next(row for row in school.world.all(schema.card_assignment) if row.id == card.id).ended_why == "lost"
    unknown = bytes([4, 8, 8, 8])
    school.tap(board, unknown, ago_s=60)
    path = f"/registry/people/{person}/card"
    asked = office.get(path).text
    tap = re.search(r'<option value="(\d+)">tapped', asked)[1]
    assert do(office, path, tapped=tap).headers["location"].endswith("said=card")
    school.tap(board, unknown)
    with reading(school.world.engine) as connection:
        owners = connection.execute(select(schema.reading.c.person_id)).scalars().all()
    assert owners.count(person) == 1


@pytest.mark.rule("PORT-1")
def test_a_cards_number_stands_in_no_table_and_bad_ones_are_named(school, office):
    person = school.students[1]
    path = f"/registry/people/{person}/card"
    for typed, told in (("xyz", "pairs of 0 to 9"), ("08A1B2C3", "random or a phone"), ("04A1B2", "pairs of 0 to 9"),
                        ("04A1B2C3D4", "4, 7 or 10 bytes"), ("", "Type the card")):  # fmt: skip
        looked, _ = fill(office, path, uid=typed)
        assert looked.status_code == 422 and told in said(looked), (typed, said(looked))
    assert do(office, path, uid="04:A1:B2:C3").status_code == 303
    stored = " ".join(str(row) for table in schema.metadata.sorted_tables for row in school.world.all(table))
    assert "04A1B2C3" not in stored and "04:A1" not in stored and repr(bytes.fromhex("04A1B2C3")) not in stored
    taken, _ = fill(office, f"/registry/people/{school.students[2]}/card", uid="04A1B2C3")
    assert taken.status_code == 422 and "his is the card of Student 001" in said(taken)


@pytest.mark.parametrize(("plural", "values", "told"), [
    ("rooms", {"code": "B 1.01", "title": "Lab"}, "B 1.01"),
    ("terms", {"title": "Autumn", "from_ms": "2026-09-28", "to_ms": "2026-12-18"}, "Autumn"),
    ("departments", {"code": "ART", "title": "Arts"}, "Arts"),
    ("courses", {"code": "PHY1", "title": "Physics", "lms_url": "https://lms.example.org/phy1"}, "Physics"),
    ("classes", {"code": "PHY1-A", "title": "Physics A"}, "Physics A"),
])  # fmt: skip
def test_each_thing_is_added_once_changed_and_ended(school, office, plural, values, told):
    path = f"/registry/{plural}/new"
    looked, fields = fill(office, path, **values)
    assert looked.status_code == 200, said(looked)
    first = office.post(path, {**fields, "do": "do"})
    assert first.status_code == 303, said(first)
    assert office.post(path, {**fields, "do": "do"}).headers["location"] == first.headers["location"]
    assert office.get(f"/registry/{plural}").text.count(told) >= 1
    where = first.headers["location"].partition("?")[0]
    assert do(office, f"{where}/change", title="Other").headers["location"] == f"{where}?said=changed"
    assert "Other" in office.get(where).text and "changed: title" in office.get(where).text
    do(office, f"{where}/change", ended="yes")
    assert "ended" in office.get(where).text
    empty, _ = fill(office, path, **dict.fromkeys(values, ""))
    assert empty.status_code == 422 and "Fill in" in said(empty)


def test_a_department_registrar_reaches_their_own_and_nobody_elses(school, office, signed):
    mine = signed("sci")
    session, person = school.session(starts_min=60), school.students[0]
    paths = (f"/registry/sessions/{session}", f"/registry/people/{person}", f"/registry/people/{person}/enrol",
             f"/registry/classes/{school.group}", f"/registry/sessions/{session}/change")  # fmt: skip
    assert [mine.get(path).status_code for path in paths] == [404] * 5
    token = mine.csrf("/registry/sessions/new")
    post = mine.post(f"/registry/people/{person}/enrol", {"csrf": token, "class": "CS101-A", "do": "do"})
    assert post.status_code == 404
    course = next(row.id for row in school.world.all(schema.course))
    do(office, f"/registry/courses/{course}/change", department_id=str(school.science))
    assert [mine.get(path).status_code for path in paths] == [200] * 5
    assert mine.get("/registry/people/new").status_code == 403
    assert mine.get("/registry/rooms/new").status_code == 403


def test_a_lecturer_a_student_and_a_stranger_do_not_get_in(school, office, signed, anonymous):
    person = school.students[0]
    for path in ("/registry", f"/registry/people/{person}", "/registry/rooms", "/registry/sessions/new"):
        assert signed("ada").get(path).status_code == 403, path
        assert anonymous.get(path).status_code == 303, path
    assert "/registry" not in signed("ada").get("/today").text


def test_a_form_without_the_logins_token_changes_nothing(school, office):
    person = school.students[0]
    for token in ("", "wrong"):
        for path in (f"/registry/people/{person}/end", "/registry/rooms/new", f"/registry/people/{person}/change"):
            assert office.post(path, {"csrf": token, "do": "do", "family": "X", "code": "X"}).status_code == 403
    assert audits(school) == []


def test_hostile_words_are_words_everywhere(school, office):
    do(office, "/registry/people/new", given=HOSTILE, family="X", number="N5")
    do(office, "/registry/rooms/new", code="R<b>5", title=HOSTILE)
    for text in (office.find("/registry", "X").text, office.get("/registry/rooms").text,
                 office.find("/registry", HOSTILE).text):  # fmt: skip
        assert "<script>alert" not in text and "R<b>5" not in text
