"""A department's registry and somebody who belongs to another: only what concerns its own classes, and nothing for good."""

import re
from datetime import datetime

import pytest

from server.store import cards, schema, schema_rights, schema_work
from server.store.engine import writing
from tests.server.pages.school import LONDON
from tests.server.pages.test_campus_pages import do, fill, said
from tests.server.store_world import HOUR

UID = b"\x04\x31\x32\x33"


@pytest.fixture
def there(there):
    """Sam is ONE's, and takes a class of TWO's; Rex is TWO's registry."""
    made = there
    made.sam = made.people["sam"]
    made.world.insert(schema_rights.person_department, person_id=made.sam, department_id=made.departments[0], from_ms=0)
    made.world.enrol(made.groups[1], made.sam, made.now_ms - 24 * HOUR)
    made.world.insert(schema.person_contact, person_id=made.sam, kind="email", value="sam@example.org", from_ms=0)
    with writing(made.world.engine) as connection:
        cards.hold(connection, made.world.institution_id, made.sam, made.world.tokens(UID), 0)
    return made


def hidden(text):
    return dict(re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)"', text))


def filled(visitor, other, path):
    """The form of `path` as `other`, who may see it, gets it: with all that it needs, but of `visitor`'s own login."""
    return hidden(other.get(path).text) | {"csrf": visitor.csrf("/account"), "do": "do"}


def test_a_registry_sees_of_another_departments_student_its_own_classes_only(there, enter):
    text = enter("rex").get(f"/registry/people/{there.sam}").text
    assert "Sam Student" in text and "N-sam" in text and "C1-A" in text
    acts = [f"/people/{there.sam}/{act}" for act in ("card", "end", "change", "data")]
    for secret in ("C0-A", "sam@example.org", "Card ", *acts):
        assert secret not in text, secret
    assert "They belong to another department" in text
    found = enter("rex").find("/registry", "Sam Student").text
    assert "C1-A" in found and "C0-A" not in found
    whole = enter("rita").get(f"/registry/people/{there.sam}").text
    assert "C0-A" in whole and "sam@example.org" in whole and '/data"' in whole


#: what changes all of somebody: address, more fields than the page's own
WHOLE = [
    ("/registry/people/{sam}/change", {"given": "Sam", "family": "Stolen", "number": "N-sam", "email": "",
                                       "department": "{one}"}),
    ("/registry/people/{sam}/end", {}),
    ("/registry/people/{sam}/card", {"uid": "04 51 52 53", "tapped": ""}),
    ("/registry/people/{sam}/cards/{card}/block", {"why": "lost"}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "fields"), WHOLE, ids=("change", "end", "card", "block"))
def test_nobody_of_another_department_is_changed_as_a_whole(there, enter, path, fields):
    names = {
        "sam": there.sam,
        "one": there.departments[0],
        "card": there.world.all(schema.card_assignment)[0].card_id,
    }
    path, fields = path.format(**names), {name: value.format(**names) for name, value in fields.items()}
    tables = (
        schema.person,
        schema.person_name,
        schema.enrolment,
        schema.card_assignment,
        schema_rights.person_department,
    )
    before = [there.world.all(one) for one in tables]
    rex, rita = enter("rex"), enter("rita")
    assert rex.get(path).status_code == 403
    for button in ("look", "do"):
        answer = rex.post(path, filled(rex, rita, path) | fields | {"do": button})
        assert answer.status_code == 403 and "another department" in answer.text, button
    assert [there.world.all(one) for one in tables] == before
    # With the same fields it is done for whom it is theirs to do.
    assert rita.post(path, filled(rita, rita, path) | fields).status_code == 303
    assert [there.world.all(one) for one in tables] != before


def test_nobody_of_another_department_is_exported_as_a_whole(there, enter):
    rex, rita = enter("rex"), enter("rita")
    for visitor, status in ((rex, 403), (rita, 200)):
        answer = visitor.post(f"/people/{there.sam}/data/file", {"csrf": visitor.csrf("/account")})
        assert answer.status_code == status
        assert ("muster-person" in answer.text) == (status == 200)
        assert visitor.get(f"/people/{there.sam}/data").status_code == status


def test_a_registry_exports_and_ends_who_belongs_to_its_department(there, enter):
    """Also who has no department, and is in its classes alone; and takes back that they have left."""
    tia, rex = there.people["tia"], enter("rex")
    path = f"/registry/people/{tia}/end"
    assert rex.post(f"/people/{tia}/data/file", {"csrf": rex.csrf("/account")}).status_code == 200
    for ended in (True, False):
        assert rex.post(path, filled(rex, rex, path)).status_code == 303
        (row,) = [one for one in there.world.all(schema.person) if one.id == tia]
        assert (row.ended_ms is not None) == ended
    assert "Is back" not in rex.get(f"/registry/people/{tia}").text
    # Who has no department, and is in another's class too, is nobody's alone.
    lou = there.people["lou"]
    there.world.enrol(there.groups[1], lou)
    assert rex.get(f"/registry/people/{lou}/end").status_code == 200
    there.world.enrol(there.groups[0], lou)
    assert rex.get(f"/registry/people/{lou}/end").status_code == 403


def test_what_was_written_to_another_departments_student_is_not_listed_or_erased(there, enter):
    def wrote(text, session):
        return there.world.insert(
            schema_work.message, to_person_id=there.sam, session_id=session, kind="notice", subject="S", text=text,
            created_ms=there.now_ms,
        )  # fmt: skip

    at_one, at_none, _ = (
        wrote(text, session)
        for text, session in (("About ONE", there.sessions[0]), ("About none", None), ("About TWO", there.sessions[1]))
    )
    rex, path = enter("rex"), f"/people/{there.sam}/texts"
    text = rex.get(path).text
    assert "About TWO" in text and "About ONE" not in text and "About none" not in text
    for key in (at_one, at_none):
        fields = {"csrf": rex.csrf("/account"), "t": f"message-{key}", "reason": "Asked", "do": "do"}
        assert rex.post(path, fields).status_code == 404
    assert [row.erased_ms for row in there.world.all(schema_work.message)] == [None] * 3
    text = enter("rita").get(path).text
    assert all(f"About {one}" in text for one in ("ONE", "none", "TWO"))


def test_a_place_that_was_put_right_at_once_opens_nobody(there, enter):
    at_ms = there.now_ms - 24 * HOUR
    lea = there.people["lea"]
    there.world.enrol(there.groups[1], lea, at_ms, at_ms)
    rex = enter("rex")
    assert rex.get(f"/registry/people/{lea}").status_code == 404
    assert "Lea Lecturer" not in rex.find("/registry", "Lea").text
    there.world.enrol(there.groups[1], lea, at_ms, at_ms + HOUR)
    assert rex.get(f"/registry/people/{lea}").status_code == 200


def test_a_lecturer_has_nobody_in_their_care_who_had_left_before_they_came(there, enter):
    """Whoever takes over a class reaches those who are on its list, not those of years ago."""
    gone = there.person("Gone Long-Ago")
    there.world.enrol(there.groups[0], gone, 0, there.now_ms - 300 * 24 * HOUR)
    coming = there.person("Coming Next-Year")
    there.world.enrol(there.groups[0], coming, there.now_ms + 300 * 24 * HOUR)
    lea = enter("lea")
    for person in (gone, coming):
        answer = lea.get(f"/people/{person}/attendance")
        assert answer.status_code == 404 and "Gone" not in answer.text and "Coming" not in answer.text
    assert lea.get(f"/people/{there.sam}/attendance").status_code == 200


def test_a_lecturer_who_logs_a_call_is_shown_no_class_or_mark_of_anothers(there, enter):
    """LOUGH-20: what is told of a whole day may be logged; the student's other classes and their marks are not shown."""
    there.world.insert(
        schema.mark_current,
        session_id=there.sessions[1],
        person_id=there.sam,
        mark_id=there.world.insert(
            schema.mark, session_id=there.sessions[1], person_id=there.sam, code="B", source="person", verified=True,
            rule="r", ledgers="", created_ms=there.now_ms,
        ),
    )  # fmt: skip
    lea, path = enter("lea"), f"/absences/new?person={there.sam}"
    text = lea.get(path).text
    assert "Secret 0" in text and "Secret 1" not in text and "marked B" not in text
    assert "marked B" in enter("lou").get(path).text, "it is Lou's"
    assert "Secret 1" in enter("rita").get(path).text
    fields = {"csrf": lea.csrf("/account"), "person": str(there.sam), "reason": "Ill", "channel": "phone",
              "told_day": "2026-10-05", "told_time": "08:00"}  # fmt: skip
    assert lea.post("/absences/new", fields | {f"session-{there.sessions[1]}": "yes"}).status_code == 422
    assert there.world.all(schema_work.absence) == []
    assert lea.post("/absences/new", fields | {"first": "2026-10-06"}).status_code == 303


def test_a_card_of_another_departments_person_does_not_say_whose_it_is(there, enter):
    taken = b"\x04\x61\x62\x63"
    with writing(there.world.engine) as connection:
        cards.hold(connection, there.world.institution_id, there.people["lea"], there.world.tokens(taken), 0)
    path = f"/registry/people/{there.people['tia']}/card"
    for name, says, hides in (
        ("rex", "somebody of another department", "Lea Lecturer"),
        ("rita", "Lea Lecturer", "another dep"),
    ):
        visitor = enter(name)
        sent = filled(visitor, visitor, path) | {"uid": taken.hex(), "tapped": ""}
        answer = visitor.post(path, sent)
        assert answer.status_code == 422 and says in answer.text and hides not in answer.text


def test_a_departments_registry_is_offered_its_own_departments_and_courses_only(there, enter):
    rex = enter("rex")
    for path, own, anothers in (
        ("/registry/courses/new", there.departments[1], there.departments[0]),
        (f"/registry/courses/{there.courses[1]}/change", there.departments[1], there.departments[0]),
        ("/registry/classes/new", there.courses[1], there.courses[0]),
    ):
        owner = re.search(r'<select[^>]*name="(?:department|course)_id".*?</select>', rex.get(path).text, re.S)[0]
        options = re.findall(r'<option value="([^"]*)"', owner)
        assert options == [str(own)] and str(anothers) not in options, path
    path = "/registry/courses/new"
    sent = filled(rex, rex, path) | {
        "code": "NEW",
        "title": "New",
        "lms_url": "",
        "department_id": str(there.departments[1]),
    }
    made = rex.post(path, sent).headers["location"]
    assert "NEW" in rex.get(made).text


def test_who_is_in_no_class_now_belongs_where_all_are_that_they_ever_were_in(there, enter):
    """Between terms: the lists have ended with the last one, and a card is lost all the same."""
    past, day = there.person("Past Student"), 24 * HOUR
    there.world.enrol(there.groups[1], past, 0, there.now_ms - day)
    rex, card = enter("rex"), f"/registry/people/{past}/card"
    assert rex.get(card).status_code == 200 and card in rex.get(f"/registry/people/{past}").text
    there.world.enrol(there.groups[0], past, 0, there.now_ms - 2 * day)
    assert rex.get(card).status_code == 403
    there.world.enrol(there.groups[1], past, there.now_ms - HOUR)
    assert rex.get(card).status_code == 200, "and in a class again they are whose that is"


def test_a_place_that_never_held_takes_nobody_away_and_one_to_come_does(there, enter):
    tia, monday = there.people["tia"], there.now_ms + 7 * 24 * HOUR
    rex, here = enter("rex"), f"/registry/people/{there.people['tia']}"
    there.world.enrol(there.groups[0], tia, monday, monday)
    assert rex.get(f"{here}/card").status_code == 200
    there.world.enrol(there.groups[0], tia, monday)
    refused = rex.get(f"{here}/card")
    assert refused.status_code == 403
    # She has no department: its registry cannot be asked.
    for text in (refused.text, rex.get(here).text):
        assert "department has them alone" in text and "another department" not in text


def test_nothing_is_said_of_cards_that_are_not_ones_own_to_see(there, enter):
    there.world.insert(
        schema.class_group, source="t", source_id="C1-B", code="C1-B", title="B", course_id=there.courses[1]
    )
    rex = enter("rex")
    for person, none in ((there.sam, False), (there.people["tia"], True)):
        looked, _ = fill(rex, f"/registry/people/{person}/enrol", **{"class": "C1-B"})
        assert "is on the list of C1-B" in said(looked)
        assert ("They have no card that works: give them one" in said(looked)) == none


def test_a_card_that_cannot_be_blocked_there_is_not_said_to_be(there, enter):
    """Sam takes a class of TWO's: his card is nothing of its registry's."""
    path = f"/registry/people/{there.people['tia']}/card"
    for name, is_told in (("rex", False), ("rita", True)):
        visitor = enter(name)
        answer = visitor.post(path, filled(visitor, visitor, path) | {"uid": UID.hex(), "tapped": ""})
        assert answer.status_code == 422
        assert ("block it there first" in answer.text) == ("Sam Student" in answer.text) == is_told


@pytest.mark.parametrize("role, day", [("student", "2026-10-12"), ("teacher", "2026-10-06")])
def test_whoever_takes_off_a_list_whom_they_do_not_reach_then_is_led_to_a_page_of_theirs(there, enter, role, day):
    begins = int(datetime(2026, 10, 12, tzinfo=LONDON).timestamp() * 1000) if role == "student" else 0
    place = there.world.insert(
        schema.enrolment, class_id=there.groups[1], person_id=there.people["lea"], role=role, source="test",
        from_ms=begins,
    )  # fmt: skip
    rex = enter("rex")
    done = do(rex, f"/registry/enrolments/{place}/end", day=day)
    assert (done.status_code, done.headers["location"]) == (303, "/registry?said=left")
    assert "They are off the class list" in said(rex.get(done.headers["location"]))


def test_a_class_list_leads_to_nobody_whose_page_is_not_ones_own(there, enter):
    for name in ("lou", "tia"):
        values = {"class_id": there.groups[1], "person_id": there.people[name], "source": "test", "from_ms": 0}
        there.world.insert(schema.enrolment, role="teacher" if name == "lou" else "student", **values)
    for name, leads in (("rex", {"tia"}), ("rita", {"lou", "tia"})):
        text = enter(name).get(f"/registry/classes/{there.groups[1]}").text
        assert "Lou Lecturer" in text and "Tia Student" in text
        assert {one for one in ("lou", "tia") if f'/registry/people/{there.people[one]}"' in text} == leads
