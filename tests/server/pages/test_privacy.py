"""The page about what is stored, everything about oneself as a file, and erasing whoever has left (DDU-12, LOUGH-39)."""

import asyncio
import json
import re
from urllib.parse import urlencode

import pytest
from starlette.requests import ClientDisconnect

from server import audit_command
from server.pages import privacy
from server.store import (
    absences,
    campus_people,
    campus_person_changes,
    person_export,
    registers,
    schema,
    schema_rights,
    schema_work,
)
from server.store.engine import reading, writing
from server.store.inventory_groups import GROUPS
from tests.rules import rule
from tests.server.pages.care_school import fill_in, people

NAME, NOTE = "Student 000", "ran a fever"


@pytest.fixture
def school(school):
    people(school)
    board = school.reader()
    session = school.session(starts_min=-20)
    school.tap(board, 0, ago_s=60)
    school.board, school.one = board, session
    with reading(school.world.engine) as connection:
        ada = absences.scope_of(connection, school.world.institution_id, school.accounts["ada"], school.now_ms)
    with writing(school.world.engine) as connection:
        wanted = [registers.Wanted(person_id=school.students[0], code="L", late_min=5, remark=NOTE)]
        registers.set_marks(connection, ada, school.world.profiles, session, wanted, now_ms=school.now_ms)
    return school


def leave(school, student):
    with reading(school.world.engine) as connection:
        admin = absences.scope_of(connection, school.world.institution_id, school.accounts["admin"], school.now_ms)
        seen = campus_people.one(connection, admin, student, now_ms=school.now_ms).seen
    with writing(school.world.engine) as connection:
        assert campus_person_changes.end(connection, admin, student, seen=seen, now_ms=school.now_ms) == []


def erase(visitor, student, *, do="do", reason="asked for by letter"):
    path = f"/people/{student}/data"
    return visitor.post(f"{path}/erase", {"csrf": visitor.csrf(path), "reason": reason, "do": do})


def verified(school, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSTER_DATABASE_URL", school.world.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("MUSTER_SERVER_KEY_FILE", str(tmp_path / "server.key"))
    (tmp_path / "server.key").write_text((b"k" * 32).hex())
    (tmp_path / "server.key").chmod(0o600)
    capsys.readouterr()
    code = audit_command.main(["verify"])
    return code, capsys.readouterr().out


@rule("DDU-12")
@pytest.mark.parametrize("name", ["sam", "ada", "tess"])
def test_everybody_signed_in_reads_what_is_stored_and_why(school, signed, name):
    text = signed(name).get("/privacy").text
    assert all(one.title in text for key, one in GROUPS.items() if key != "campus")
    assert "never needed" in text and "cannot be read out" in text
    assert "not switched these on yet" in text, "what is not done is not promised"
    assert ("Get my data" in text) == (name != "tess"), "who is no person has nothing to take"


@rule("DDU-12")
def test_a_student_takes_everything_about_themselves_and_it_is_written_down(school, signed):
    sam = signed("sam")
    answer = sam.post("/me/data", {"csrf": sam.csrf("/privacy")})
    assert answer.status_code == 200 and "attachment" in answer.headers["content-disposition"]
    made = answer.json()
    assert made["person_id"] == school.students[0]
    assert made["kept"]["person_name"]["rows"][0]["full_name"] == NAME
    assert [row["code"] for row in made["kept"]["mark"]["rows"]][-1] == "L"
    assert [row["text"] for row in made["kept"]["note"]["rows"]] == [NOTE]
    assert len(made["kept"]["swipe"]["rows"]) == 1 and made["sessions"][0]["title"] == "Computing"
    assert "Ada" not in answer.text and "Student 001" not in answer.text
    row = school.world.all(schema.audit)[-1]
    assert (row.action, row.subject) == ("person.export", f"person/{school.students[0]}")
    assert row.account_id == school.accounts["sam"] and json.loads(row.detail) == {"own": True}


def test_only_one_file_at_a_time_is_made_for_an_account(school, signed, monkeypatch):
    sam = signed("sam")
    csrf = sam.csrf("/privacy")
    seen = []

    def slow(*arguments):
        seen.append(sam.post("/me/data", {"csrf": csrf}).status_code)
        yield "{}"

    monkeypatch.setattr(person_export, "stream", slow)
    assert sam.post("/me/data", {"csrf": csrf}).status_code == 200
    assert seen == [413]
    assert not privacy._busy, "the next one may begin"
    assert sam.post("/me/data", {"csrf": "forged"}).status_code == 403


def test_whoever_goes_away_before_the_first_piece_may_ask_again(school, signed, app):
    sam = signed("sam")
    body = urlencode({"csrf": sam.csrf("/privacy")}).encode()
    cookies = "; ".join(f"{name}={value}" for name, value in sam.http.cookies.items())
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "POST",
        "path": "/me/data", "raw_path": b"/me/data", "query_string": b"", "root_path": "", "scheme": "http",
        "server": ("t", 80), "client": ("127.0.0.1", 1),
        "headers": [(b"cookie", cookies.encode()), (b"content-type", b"application/x-www-form-urlencoded")],
    }  # fmt: skip

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def gone(message):
        raise OSError("nobody is there any more")

    with pytest.raises(ClientDisconnect):
        asyncio.run(app(scope, receive, gone))
    answer = sam.post("/me/data", {"csrf": sam.csrf("/privacy")})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize("name", ["ada", "tess", "hel", "sue"])
def test_nobody_but_the_registry_takes_or_erases_anothers(school, signed, name):
    visitor, student = signed(name), school.students[0]
    csrf = visitor.csrf("/privacy") if name in ("ada", "sue", "hel") else re.search(
        r'name="csrf" value="([^"]*)"', visitor.get("/account").text)[1]  # fmt: skip
    assert visitor.get(f"/people/{student}/data").status_code in (403, 404)
    for path in ("data/file", "data/erase"):
        assert visitor.post(f"/people/{student}/{path}", {"csrf": csrf}).status_code in (403, 404)


@rule("LOUGH-39")
def test_whoever_has_left_is_erased_after_a_look_and_the_history_holds(school, signed, monkeypatch, capsys, tmp_path):
    student, reg = school.students[0], signed("reg")
    fill_in(signed("sam"), "/me/absence", first="2026-10-06", reason="a family matter")
    refused = erase(reg, student)
    assert refused.status_code == 422 and "have not left" in refused.text
    leave(school, student)
    looked = erase(reg, student, do="look")
    assert "Nothing is erased yet" in looked.text and "waits for a decision" in looked.text
    assert school.world.all(schema.person_name)[0].full_name == NAME, "a preview changes nothing"
    assert erase(reg, student, reason=" ").status_code == 422
    facts = {row.id: (row.journal_id, row.seq, bytes(row.mac)) for row in school.world.all(schema.record)}
    marks = school.world.all(schema.mark)
    assert erase(reg, student).headers["location"].endswith("said=erased")
    world = school.world
    assert {row.id: (row.journal_id, row.seq, bytes(row.mac)) for row in world.all(schema.record)} == facts
    assert world.all(schema.mark) == marks
    named = {row.person_id: row.full_name for row in world.all(schema.person_name)}
    assert named[student] == f"erased {student}" and named[school.students[1]] == "Student 001"
    assert student not in {row.person_id for row in world.all(schema.person_external_id)}
    swipe = world.all(schema.swipe)[0]
    assert (swipe.token, swipe.key_id) == (None, None)
    token = world.tokens(school.uids[0])[0][1]
    assert token.hex() not in "".join(row.text for row in world.all(schema.record))
    assert [row.person_id for row in world.all(schema.reading)] == [student], "whose it was stays, by number"
    texts = {row.text: row.erased_ms for row in world.all(schema.note)}
    assert NOTE not in texts and texts["a family matter"] is None, "what a decision needs is kept"
    account = next(row for row in world.all(schema.account) if row.person_id == student)
    assert account.login == f"erased-{account.id}" and account.disabled_ms is not None and not account.password_hash
    assert not [row for row in world.all(schema.login) if row.account_id == account.id]
    ada = signed("ada")
    register = ada.get(f"/sessions/{school.one}").text
    assert f"erased {student}" in register and NAME not in register
    assert NAME not in reg.find("/registry", "Student").text
    entry = [row for row in world.all(schema.audit) if row.action == "person.erase"]
    assert len(entry) == 1 and entry[0].account_id == school.accounts["reg"]
    assert "letter" not in entry[0].detail, "the reason is a note, which can be erased"
    assert "erased already" in erase(reg, student).text
    code, out = verified(school, monkeypatch, capsys, tmp_path)
    assert code == 0 and "Everything is as it was written." in out


@rule("PORT-1")
def test_a_record_that_a_gateway_brings_again_after_it_is_the_same_one(school, signed):
    leave(school, school.students[0])
    assert erase(signed("reg"), school.students[0]).status_code == 303
    before = school.world.all(schema.swipe)
    school.deliver(*school.board.lines)
    assert school.world.all(schema.swipe) == before and not school.world.quarantined()
    assert "record-conflict" not in school.world.alarms()
    # The same number with another sentence, or from another key, still is none.
    last = school.board.seq
    school.board.seq = last - 1
    school.board.lines.clear()
    school.board.swipe(school.uids[1], school.now_ms - 60_000)
    school.deliver(*school.board.lines)
    assert "record-conflict" in school.world.quarantined()
    assert not school.world.all(schema_work.history)[-1].body.count("Student")


@rule("DDU-12")
@pytest.mark.parametrize("on", [True, False])
def test_the_servers_own_work_does_the_rules_only_where_they_are_switched_on(school, on):
    values = {"state_hash": b"s", "kind": "oidc", "detail": "{}", "created_ms": school.now_ms - 2 * 86_400_000}
    with writing(school.world.engine) as connection:
        connection.execute(schema_rights.sign_in_flow.insert().values(**values))
    school.now_ms += 60 * 86_400_000  # the shipped rules have begun
    app = school.app(retention=on)
    app.state.jobs.step(everything=True)
    assert len(school.world.all(schema_rights.sign_in_flow)) == (0 if on else 1)
