"""Change requests: who reads and decides them, sent twice, two at once, and what a form may hold."""

import json

import pytest

from server.store import schema, schema_rights, schema_work
from server.store.engine import writing
from server.store.hands import record
from server.store.wanted_marks import Wanted
from tests.server.filetypes.files import LETTER, docx
from tests.server.pages.requesting import Corrected, ask, decide, hidden, made, send, told

PROOF = [("letter.pdf", LETTER)]
MONTH = 32


@pytest.fixture
def school(tmp_path):
    made_ = Corrected(tmp_path)
    yield made_
    made_.close()


# --- who ------------------------------------------------------------------------------------------------------------------


def account(school, name):
    return next(row for row in school.world.all(schema.account) if row.id == school.accounts[name])


def test_nobody_decides_their_own_request_by_whatever_account(school, signed):
    session = school.aged(0.2)
    rita = signed("rita")
    request = made(ask(rita, session, {school.students[0]: "U"}, reason="Nobody knows"))
    # The same person has a curriculum manager's account too.
    with writing(school.world.engine) as connection:
        connection.execute(
            schema.account.update()
            .where(schema.account.c.id == school.accounts["cora"])
            .values(person_id=account(school, "rita").person_id)
        )
    answer = decide(signed("cora"), request, "apply")
    assert answer.status_code == 403 and "their own" in told(answer)
    assert school.state(request) == "open"


def test_whoever_may_not_read_a_request_finds_nothing_there(school, signed):
    session = school.aged(2)
    request = made(ask(signed("ada"), session, {school.students[0]: "P"}, reason="Was there", files=PROOF))
    file = school.world.all(schema_work.attachment)[0].id
    department = school.world.insert(
        schema_rights.department, source="t", source_id="d", code="D", title="Another department"
    )
    school.regrant("hedda", "head", "department", department)
    for name in ("bob", "hedda", "fay", "tess"):
        visitor = signed(name)
        assert visitor.get(f"/requests/{request}").status_code in (403, 404), name
        assert visitor.get(f"/attachments/{file}").status_code in (403, 404), name
        csrf = {"csrf": visitor.csrf("/account")}
        for what in ("decide", "withdraw", "ask-evidence", "evidence"):
            assert visitor.post(f"/requests/{request}/{what}", csrf).status_code in (403, 404), (name, what)
        assert visitor.post(f"/sessions/{session}/request", csrf).status_code in (403, 404), name
        if name != "tess":
            assert f"/requests/{request}" not in visitor.get("/requests").text
    assert school.state(request) == "open"


def test_a_co_teacher_reads_the_request_and_not_its_files(school, signed):
    session = school.aged(2, staff=[school.ada, school.bob])
    request = made(ask(signed("ada"), session, {school.students[0]: "P"}, reason="Was there", files=PROOF))
    file = school.world.all(schema_work.attachment)[0].id
    bob = signed("bob")
    page = bob.get(f"/requests/{request}")
    assert page.status_code == 200 and "letter.pdf" not in page.text and "Decide" not in page.text
    assert bob.get(f"/attachments/{file}").status_code == 404
    assert decide(bob, request, "apply").status_code == 403
    assert bob.post(f"/requests/{request}/withdraw", {"csrf": bob.csrf("/requests")}).status_code == 403


def test_a_file_is_handed_out_to_be_saved_and_never_shown(school, signed):
    session = school.aged(2)
    made(ask(signed("ada"), session, {school.students[0]: "P"}, reason="x", files=[("Attest März.docx", docx())]))
    row = school.world.all(schema_work.attachment)[0]
    answer = signed("rita").get(f"/attachments/{row.id}")
    assert answer.content == docx()
    assert (
        answer.headers["content-disposition"].startswith("attachment;")
        and "M%C3%A4rz" in answer.headers["content-disposition"]
    )
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"
    stored = school.folder / "attachments" / row.stored_as
    assert stored.stat().st_mode & 0o777 == 0o600 and "Attest" not in str(stored)
    stored.write_bytes(b"something else")
    assert signed("rita").get(f"/attachments/{row.id}").status_code == 409


# --- twice, at once, meanwhile -----------------------------------------------------------------------------------------------


def test_the_same_form_sent_twice_is_one_request(school, signed):
    session = school.aged(2)
    ada = signed("ada")
    shown = hidden(ada.get(f"/sessions/{session}/request").text)
    fields = shown | {f"mark-{school.students[0]}": "P", "reason": "Was there"}
    first, again = (made(send(ada, f"/sessions/{session}/request", fields, PROOF)) for _ in range(2))
    assert first == again and len(school.world.all(schema_work.change_request)) == 1
    assert len(school.world.all(schema_work.attachment)) == 1
    answer = send(ada, f"/sessions/{session}/request", fields | {"reason": "Another reason"})
    assert answer.status_code == 409 and f"request {first}" in told(answer)
    csrf = {"csrf": shown["csrf"]}
    for _ in range(2):
        assert ada.post(f"/requests/{first}/withdraw", csrf).status_code == 303
    assert school.state(first) == "withdrawn"
    assert made(send(ada, f"/sessions/{session}/request", fields)) != first


def test_a_mark_that_was_changed_meanwhile_is_shown_and_not_overwritten(school, signed):
    session = school.aged(2)
    one, other = school.students[:2]
    request = made(ask(signed("ada"), session, {one: "P", other: "P"}, reason="Were there"))
    stale = hidden(signed("ada").get(f"/sessions/{session}/request").text)
    with writing(school.world.engine) as connection:
        record(
            connection, school.world.institution_id, session, [Wanted(person_id=other, code="R")], source="absence",
            rule="test", authority=None, by_account_id=None, now_ms=school.now_ms, profiles=school.world.profiles,
        )  # fmt: skip
    rita = signed("rita")
    page = rita.get(f"/requests/{request}").text
    assert "A mark was changed after this was asked for" in page and "now R" in page and "Approve and apply" not in page
    assert decide(rita, request, "apply").status_code == 409
    assert school.codes(session)[:2] == ["A", "R"] and school.state(request) == "open"
    answer = send(signed("ada"), f"/sessions/{session}/request", stale | {"csrf": signed("ada").csrf("/requests")})
    assert answer.status_code == 403  # of another login
    ada = signed("ada")
    fields = stale | {"csrf": ada.csrf("/requests"), f"mark-{other}": "P", "reason": "Was there"}
    answer = send(ada, f"/sessions/{session}/request", fields)
    assert answer.status_code == 409 and "changed while you looked" in told(answer)
    assert decide(rita, request, "reject").status_code == 422
    assert decide(rita, request, "reject", "Look again").status_code == 303
    assert school.state(request) == "rejected"


def test_of_two_who_decide_one_wins_and_the_other_is_told(school, signed):
    session = school.aged(2)
    request = made(ask(signed("ada"), session, {school.students[0]: "P"}, reason="Was there"))
    rita, rolf = signed("rita"), signed("rolf")
    assert decide(rita, request, "apply").status_code == 303
    # Pressed twice: no harm, and nothing more.
    assert decide(rita, request, "apply").status_code == 303
    answer = decide(rolf, request, "reject", "No")
    assert answer.status_code == 409 and "Rita has applied it already" in told(answer)
    assert len([row for row in school.world.all(schema.mark) if row.source == "request"]) == 1


# --- what a form may hold -----------------------------------------------------------------------------------------------------


def test_a_form_that_lacks_something_names_it_keeps_the_rest_and_changes_nothing(school, signed):
    session = school.aged(2)
    ada, one = signed("ada"), school.students[0]
    for chosen, fields, said in (
        ({}, {"reason": "x"}, "Choose at least one student"),
        ({one: "P"}, {"reason": "  "}, "Write the reason"),
        ({one: "A"}, {"reason": "x"}, "has this mark already"),
        ({one: "L"}, {"reason": "x"}, "how many minutes"),
        ({one: "L"}, {"reason": "x", f"late-{one}": "seven"}, "whole number"),
        ({one: "L"}, {"reason": "x", f"late-{one}": "9999"}, "whole number"),
        ({one: "Q"}, {"reason": "x"}, "Choose one of the marks"),
        ({one: "D"}, {"reason": "x"}, "cancel the class"),
        ({one: "V"}, {"reason": "x"}, "trip"),
        (dict.fromkeys(school.students, "H"), {"reason": "x"}, "never for the whole class"),
        ({one: "P"}, {"reason": "x" * 2001}, "at most 2000"),
        ({one: "P"}, {"reason": "x", "seen-999999": "0", "mark-999999": "P"}, "not on the register"),
    ):
        answer = ask(ada, session, chosen, **fields)
        assert answer.status_code in (403, 422), said
        assert said in told(answer), (said, told(answer))
        assert 'role="alert"' in answer.text and ("reason" not in fields or fields["reason"].strip() in answer.text)
    assert school.world.all(schema_work.change_request) == []


def test_history_cites_reasons_by_digest_and_files_by_sha256_only(school, signed):
    session = school.aged(2)
    request = made(ask(signed("ada"), session, {school.students[0]: "P"}, reason="A secret illness", files=PROOF))
    decide(signed("rita"), request, "reject", "No proof of it")
    bodies = [row.body for row in school.world.all(schema_work.history)]
    file = school.world.all(schema_work.attachment)[0]
    assert any(file.sha256 in json.loads(body).get("files", ()) for body in bodies)
    for secret in ("illness", "letter.pdf", "No proof", file.stored_as, "Student"):
        assert not any(secret in body for body in bodies)


def test_the_form_for_one_student_begins_with_the_mark_that_was_chosen_on_the_register(school, signed):
    session = school.aged(2)
    one, other = school.students[:2]
    text = signed("ada").get(f"/sessions/{session}/request?person={one}&code=B").text
    assert f'name="mark-{one}"' in text and f'name="mark-{other}"' not in text
    assert text.count(" selected>") == 1 and '<option value="B" selected>' in text
    odd = signed("ada").get(f"/sessions/{session}/request?person=9999&code=%00%3Cb%3E&kind=nothing")
    assert odd.status_code == 200 and f'name="mark-{other}"' in odd.text
