"""Real requests of whoever must not: another's object in the address or in a field, a role that ended, oneself."""

import re

import pytest

from server.store import parts, rights, schema, schema_rights, schema_work, tokens
from server.store.engine import writing
from tests.server.pages.registry_form import form_of
from tests.server.pages.school import Visitor
from tests.server.store_world import HOUR


def send(visitor, path, **fields):
    return visitor.post(path, {"csrf": visitor.csrf("/account")} | fields)


def test_a_student_whom_a_session_names_as_its_staff_sees_no_other_student(there, enter):
    """An assistant whose lecturer's role ended is on the sessions of that time still."""
    there.staff(there.sessions[1], "lou", "sam")
    absence = there.absence("tia")
    sam = enter("sam")
    for path in (f"/people/{there.people['tia']}/attendance", f"/absences/{absence}"):
        answer = sam.get(path)
        assert answer.status_code == 404 and "Tia" not in answer.text and "Secret" not in answer.text, path
    assert send(sam, f"/absences/{absence}/withdraw").status_code == 404
    (row,) = there.world.all(schema_work.absence)
    assert row.state == "open"
    # And their own is still theirs.
    own = there.absence("sam", reason="Mine")
    assert "Mine" in sam.get(f"/absences/{own}").text
    assert sam.get(f"/people/{there.people['sam']}/attendance").status_code == 200


def test_a_lecturer_who_was_taken_off_before_it_began_has_none_of_its_students_in_their_care(there, enter):
    coming = there.session("Coming", starts_min=24 * 60, staff=[])
    with writing(there.world.engine) as connection:
        parts.set_classes(connection, there.world.institution_id, coming, [there.groups[1]], there.now_ms)
    there.staff(coming, "lea")
    lea, tia = enter("lea"), there.people["tia"]
    assert lea.get(f"/people/{tia}/attendance").status_code == 200, "while she has the session, its students are hers"
    there.staff(coming, "lou")
    assert lea.get(f"/people/{tia}/attendance").status_code == 404
    assert lea.get(f"/absences/new?person={tia}").status_code == 404
    answer = send(lea, "/absences/new/student", number="N-tia")
    assert "no student in your care" in answer.text.lower() and "Tia" not in answer.text


def test_a_student_who_left_the_department_is_not_its_heads_any_more(there, enter):
    belonged = there.world.insert(
        schema_rights.person_department, person_id=there.people["tia"], department_id=there.departments[0], from_ms=0
    )
    absence, hal = there.absence("tia"), enter("hal")
    paths = (f"/people/{there.people['tia']}/attendance", f"/absences/{absence}")
    assert [hal.get(path).status_code for path in paths] == [200, 200]
    table = schema_rights.person_department
    with writing(there.world.engine) as connection:
        connection.execute(table.update().where(table.c.id == belonged).values(to_ms=there.now_ms - 1))
    assert [hal.get(path).status_code for path in paths] == [404, 404]
    assert send(hal, f"/absences/{absence}/decide", do="approve").status_code == 404
    assert there.world.all(schema_work.absence)[0].state == "open"


def test_an_absence_is_for_the_head_of_the_classes_that_the_student_is_in_at_that_time(there, enter):
    there.world.enrol(there.groups[0], there.people["tia"], 0, there.now_ms - 20 * 24 * HOUR)
    now = there.absence("tia")
    then = there.absence("tia", from_ms=there.now_ms - 22 * 24 * HOUR, to_ms=there.now_ms - 21 * 24 * HOUR)
    hal, hun = enter("hal"), enter("hun")
    assert (hal.get(f"/absences/{now}").status_code, hal.get(f"/absences/{then}").status_code) == (404, 200)
    assert hun.get(f"/absences/{now}").status_code == 200
    assert f'href="/absences/{now}"' not in hal.get("/absences").text


def test_a_class_that_was_on_a_session_by_mistake_opens_it_to_nobody(there, enter):
    coming = there.session("Coming secret", starts_min=24 * 60, staff=[there.people["lou"]])
    world = there.world
    with writing(world.engine) as connection:
        parts.set_classes(connection, world.institution_id, coming, there.groups, there.now_ms)
    hal = enter("hal")
    assert hal.get(f"/sessions/{coming}").status_code == 200
    with writing(world.engine) as connection:
        parts.set_classes(connection, world.institution_id, coming, [there.groups[1]], there.now_ms)
    answer = hal.get(f"/sessions/{coming}")
    assert answer.status_code == 404 and "Coming secret" not in answer.text
    assert enter("hun").get(f"/sessions/{coming}").status_code == 200


def test_nobody_sets_a_mark_of_their_own(there, enter):
    """Staff study too, and may be on the list of a register that they mark."""
    session, lea = there.sessions[0], there.people["lea"]
    there.world.enrol(there.groups[0], lea)
    visitor = enter("lea")
    with writing(there.world.engine) as connection:
        token = tokens.make(connection, "lea", "walk", there.now_ms)
    program = {"authorization": f"Bearer {token}"}
    answers = [
        send(visitor, f"/sessions/{session}/people/{lea}", code="P", seen="0"),
        send(visitor, f"/sessions/{session}/marks", p=f"{lea}.0", code="P"),
        send(visitor, f"/sessions/{session}/marks", set=f"{lea}.0.P"),
        send(visitor, f"/sessions/{session}/marks", all="yes", code="P"),
    ]
    assert [answer.status_code for answer in answers] == [422] * 4
    assert all("nobody sets a mark of their own" in answer.text.lower() for answer in answers)
    api = Visitor(there.app()).http.put(f"/api/v1/sessions/{session}/marks/{lea}", json={"code": "P"}, headers=program)
    assert (api.status_code, api.json()["error"]["code"]) == (409, "mark-own")
    assert there.world.all(schema.mark) == []
    # Who is not on the list does not walk in there by themselves either.
    rita = enter("rita")
    answer = send(rita, f"/sessions/{session}/add", person=str(there.people["rita"]))
    assert answer.status_code in (403, 409, 422) or there.world.all(schema_work.walk_in) == []
    assert send(visitor, f"/sessions/{session}/people/{there.people['sam']}", code="P", seen="0").status_code == 303


def test_nobody_decides_about_themselves_through_a_second_account_or_a_second_role(there, enter):
    there.account("sams-other", "registry", there.people["sam"])
    with writing(there.world.engine) as connection:
        rights.grant(connection, there.world.institution_id, there.accounts["sam"], "registry", now_ms=there.now_ms - 1)
    absence = there.absence("sam")
    for name in ("sam", "sams-other"):
        answer = send(enter(name), f"/absences/{absence}/decide", do="approve", comment="")
        assert answer.status_code == 403, name
    assert there.world.all(schema_work.absence)[0].state == "open"
    assert send(enter("rita"), f"/absences/{absence}/decide", do="approve", comment="").status_code == 303


def test_a_role_that_ends_or_narrows_holds_for_a_live_token_at_once(there):
    with writing(there.world.engine) as connection:
        token = tokens.make(connection, "rita", "walk", there.now_ms)
    http = Visitor(there.app()).http
    http.headers["authorization"] = f"Bearer {token}"
    registers = [f"/api/v1/sessions/{one}/register" for one in there.sessions]
    assert [http.get(path).status_code for path in registers] == [200, 200]
    table = schema_rights.account_role
    with writing(there.world.engine) as connection:
        (row,) = [one for one in there.world.all(table) if one.account_id == there.accounts["rita"]]
        rights.revoke(connection, there.world.institution_id, row.id, there.now_ms)
        rights.grant(
            connection, there.world.institution_id, there.accounts["rita"], "registry", scope="department",
            scope_id=there.departments[1], now_ms=there.now_ms,
        )  # fmt: skip
    assert [http.get(path).status_code for path in registers] == [404, 200]
    with writing(there.world.engine) as connection:
        rights.revoke(
            connection, there.world.institution_id, max(one.id for one in there.world.all(table)), there.now_ms
        )
    assert [http.get(path).status_code for path in registers] == [403, 403]


#: nothing in these addresses is another's; their fields are
FIELDS = [
    ("lea", "/sessions/{s0}/people/{tia}", {"code": "P", "seen": "0"}),
    ("lea", "/sessions/{s0}/marks", {"p": "{tia}.0", "code": "P"}),
    ("lea", "/sessions/{s0}/marks", {"set": "{tia}.0.P"}),
    ("lea", "/sessions/{s0}/people/{tia}/leave", {}),
    ("lea", "/sessions/{s0}/people/{tia}/proposal", {"answer": "accept"}),
    ("lea", "/sessions/{s0}/cover", {"do": "give", "person": "{tia}", "reason": "x"}),
    ("lea", "/sessions/{s0}/cover", {"do": "end", "person": "{lou}"}),
    ("lea", "/sessions/{s0}/taps/{swipe}", {"outcome": "dismissed", "reason": "x"}),
    ("lea", "/sessions/{s0}/request", {"kind": "marks", "mark-{tia}": "P", "reason": "x"}),
    ("lea", "/absences/new", {"person": "{tia}", "first": "2026-10-05", "reason": "x", "channel": "phone",
                              "told_day": "2026-10-05", "told_time": "08:00"}),
    ("lea", "/absences/new/student", {"number": "N-tia"}),
    ("lea", "/sessions/{s1}/notify", {"to": "all", "subject": "x", "text": "x"}),
    ("hal", "/sessions/{s1}/notify", {"to": "all", "subject": "x", "text": "x"}),
    ("sam", "/sessions/{s0}/notify", {"to": "all", "subject": "x", "text": "x"}),
    ("sam", "/me/absence", {"session-{s1}": "yes", "reason": "x"}),
    ("lea", "/trips/new", {"title": "T", "first_day": "2026-10-06", "first_time": "09:00", "last_day": "2026-10-06",
                           "last_time": "10:00", "numbers": "N-tia", "me": "yes"}),
    ("admin", "/accounts/{lea_account}/roles/{lous_role}/revoke", {}),
    ("admin", "/accounts/{lea_account}/tokens/{lous_token}/revoke", {}),
    ("lea", "/account/tokens/{lous_token}/revoke", {}),
]  # fmt: skip


#: address -> who may: with the same fields it is done, so that nothing but the right was missing
WHO_MAY = {
    "/absences/new": "rita",
    "/trips/new": "rita",
    "/sessions/{s1}/notify": "lou",
    "/sessions/{s0}/notify": "lea",
}


def test_what_is_ones_own_in_the_address_carries_nobody_elses_in_a_field(there, enter):
    board = there.reader("c-1", room=1)
    there.tap(board, b"\x04\x77\x77\x77", ago_s=60)
    with writing(there.world.engine) as connection:
        tokens.make(connection, "lou", "walk", there.now_ms)
    roles = {row.account_id: row.id for row in there.world.all(schema_rights.account_role)}
    names = {
        "s0": there.sessions[0],
        "s1": there.sessions[1],
        "swipe": there.world.all(schema.reading)[0].swipe_id,
        "lea_account": there.accounts["lea"],
        "lous_role": roles[there.accounts["lou"]],
        "lous_token": there.world.all(schema.api_token)[0].id,
        **there.people,
    }
    tables = (schema.mark, schema_work.walk_in, schema_work.change_request, schema_work.absence, schema_work.trip,
              schema.session_staff, schema.enrolment, schema.person_name, schema_work.swipe_resolution,
              schema_rights.account_role, schema_rights.person_department, schema.api_token, schema.session_class,
              schema_work.message)  # fmt: skip
    before = [there.world.all(one) for one in tables]
    visitors = {who: enter(who) for who, _, _ in FIELDS}
    wrong = []
    for who, path, fields in FIELDS:
        filled = {name.format(**names): value.format(**names) for name, value in fields.items()}
        answer = send(visitors[who], path.format(**names), **filled)
        # Where a thing is done already, or is none, the answer is the page again.
        told = answer.status_code >= 500 or any(word in answer.text for word in ("Tia", "Secret 1"))
        if told or [there.world.all(one) for one in tables] != before:
            wrong.append((who, path, fields, answer.status_code))
            before = [there.world.all(one) for one in tables]
    assert wrong == []
    for path, fields in {path: fields for _, path, fields in FIELDS if path in WHO_MAY}.items():
        filled = {name.format(**names): value.format(**names) for name, value in fields.items()}
        assert send(enter(WHO_MAY[path]), path.format(**names), **filled).status_code == 303, path
        after = [there.world.all(one) for one in tables]
        assert after != before, path
        before = after


#: what the registry of TWO must not send, of its own things or another's; and the institution's may
OF_THE_REGISTRY = [
    ("/registry/people/{tia}/enrol", {"class": "C0-A", "role": "student", "day": "2026-10-06"}),
    ("/registry/people/{tia}/change", {"family": "Two", "department": "{one}"}),
    ("/registry/people/{sam}/change", {"family": "Stolen"}),
    ("/registry/people/{sam}/end", {}),
    ("/registry/sessions/{s0}/change", {"title": "Stolen"}),
    ("/registry/sessions/{s1}/change", {"classes": "C0-A"}),
    ("/registry/sessions/{s1}/change", {"classes": "C0-A\nC1-A"}),
    ("/registry/courses/new", {"code": "NEW", "title": "New", "department_id": "{one}"}),
    ("/registry/courses/new", {"code": "NEW", "title": "New", "department_id": ""}),
    ("/registry/courses/{c1}/change", {"department_id": "{one}"}),
    ("/registry/courses/{c1}/change", {"department_id": ""}),
    ("/registry/classes/new", {"code": "NEW", "title": "New", "course_id": "{c0}"}),
    ("/registry/classes/new", {"code": "NEW-2", "title": "New", "course_id": ""}),
    ("/registry/classes/{g1}/change", {"course_id": "{c0}"}),
    ("/registry/classes/{g1}/change", {"course_id": ""}),
]  # fmt: skip


def test_a_departments_registry_sends_nothing_that_only_the_institutions_may(there, enter):
    names = {
        **{f"s{n}": one for n, one in enumerate(there.sessions)},
        **{f"c{n}": one for n, one in enumerate(there.courses)},
        **{f"g{n}": one for n, one in enumerate(there.groups)},
        "one": there.departments[0],
        **there.people,
    }
    tables = (schema.person, schema.person_name, schema.enrolment, schema.session, schema.session_class, schema.course,
              schema.class_group, schema_rights.person_department)  # fmt: skip
    rex, rita = enter("rex"), enter("rita")

    def sent(path, fields):
        """The whole form as whoever may see it is shown it: nothing is missing but the right to send it."""
        return form_of(rita.get(path).text, path) | {name: value.format(**names) for name, value in fields.items()}

    before = [there.world.all(one) for one in tables]
    for path, fields in ((path.format(**names), fields) for path, fields in OF_THE_REGISTRY):
        answer = rex.post(path, sent(path, fields) | {"csrf": rex.csrf("/account"), "do": "do"})
        assert answer.status_code in (403, 404, 422), path
        assert [there.world.all(one) for one in tables] == before, (path, fields)
    for path, fields in ((path.format(**names), fields) for path, fields in OF_THE_REGISTRY):
        before = [there.world.all(one) for one in tables]
        assert rita.post(path, sent(path, fields) | {"do": "do"}).status_code == 303, (path, fields)
        assert [there.world.all(one) for one in tables] != before, (path, fields)


def test_a_departments_registry_gives_itself_no_student_of_another_department(there, enter):
    table = schema_rights.person_department
    tia = there.people["tia"]
    there.world.insert(table, person_id=tia, department_id=there.departments[1], from_ms=0)
    there.world.enrol(there.groups[0], tia)
    path, before = f"/registry/people/{tia}/change", there.world.all(table)
    rex = enter("rex")
    page = rex.get(path).text
    hidden = dict(re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)"', page))
    assert hidden["seen"] and f'<option value="{there.departments[0]}"' not in page
    fields = hidden | {"given": "Tia", "family": "Two", "do": "do"}
    for wanted in (there.departments[0], ""):
        assert rex.post(path, fields | {"department": str(wanted)}).status_code in (403, 422)
    assert there.world.all(table) == before
    # What is no department's stays theirs to put right.
    assert rex.post(path, fields | {"department": str(there.departments[1]), "family": "Corrected"}).status_code == 303
    assert there.world.all(table) == before


#: who may not: a lecturer of another session, whoever handed it over, another department, and roles that only read
NOTICES = [("lou", 0, 404), ("hun", 0, 404), ("rex", 0, 404), ("sam", 0, 403), ("hal", 1, 404), ("lea", 1, 404)]


@pytest.mark.parametrize(("name", "which", "status"), NOTICES)
def test_nobody_reads_or_writes_the_notices_of_a_session_that_is_not_theirs(there, enter, name, which, status):
    session, lecturer = there.sessions[which], ("lea", "lou")[which]
    told = {"to": "all", "subject": "Room", "text": "Secret notice"}
    assert send(enter(lecturer), f"/sessions/{session}/notify", **told).status_code == 303
    assert "Secret notice" in enter(lecturer).get(f"/sessions/{session}/notify").text
    before = len(there.world.all(schema_work.message))
    assert before
    visitor = enter(name)
    answers = [visitor.get(f"/sessions/{session}/notify"), send(visitor, f"/sessions/{session}/notify", **told)]
    assert [one.status_code for one in answers] == [status] * 2
    assert not any("Secret" in one.text for one in answers)
    assert len(there.world.all(schema_work.message)) == before


@pytest.mark.parametrize(
    ("name", "status"), [("rita", 303), ("admin", 303), ("otto", 403), ("cora", 403), ("tess", 403)]
)
def test_a_role_that_only_reads_registers_writes_to_no_student(there, enter, name, status):
    for login, role in (("otto", "auditor"), ("cora", "curriculum")):
        there.account(login, role, None)
    visitor = enter(name)
    assert visitor.get(f"/sessions/{there.sessions[0]}/notify").status_code == (200 if status == 303 else 403)
    told = {"to": "all", "subject": "Room", "text": "x"}
    assert send(visitor, f"/sessions/{there.sessions[0]}/notify", **told).status_code == status
    assert bool(there.world.all(schema_work.message)) == (status == 303)


@pytest.mark.parametrize(("name", "status"), [("lea", 200), ("hal", 200), ("rita", 200), ("lou", 404), ("hun", 404),
                                              ("rex", 404), ("sam", 403), ("tia", 403), ("tess", 403)])  # fmt: skip
def test_the_history_of_a_mark_is_read_by_whoever_reads_its_register_and_by_nobody_else(there, enter, name, status):
    """A student sees the mark, and not who changed it and why (LOUGH-16)."""
    session, sam = there.sessions[0], there.people["sam"]
    lea = enter("lea")
    marked = send(lea, f"/sessions/{session}/people/{sam}", code="L", late_min="10", seen="0", note="Secret: the bus")
    assert marked.status_code == 303
    panel = enter(name).get(f"/sessions/{session}/people/{sam}")
    assert panel.status_code == status
    assert ("Secret: the bus" in panel.text) == (status == 200)
    if name == "sam":
        assert "Secret: the bus" not in enter("sam").get("/me").text


def test_whoever_handed_a_session_over_reads_it_and_writes_to_nobody(there, enter):
    session = there.sessions[0]
    fields = {"do": "give", "person": str(there.people["lou"]), "reason": "At a conference"}
    assert send(enter("lea"), f"/sessions/{session}/cover", **fields).status_code == 303
    lea, lou = enter("lea"), enter("lou")
    told = {"to": "all", "subject": "Room", "text": "x"}
    assert lea.get(f"/sessions/{session}").status_code == 200
    assert send(lea, f"/sessions/{session}/notify", **told).status_code == 404
    assert send(lou, f"/sessions/{session}/notify", **told).status_code == 303
