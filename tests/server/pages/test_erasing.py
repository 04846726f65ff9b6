"""Reasons, notes, callers' names, evidence and messages are erased for good by whoever may; the history goes on to hold."""

import re

import pytest

from server import audit_command
from server.store import attachments, cancellations, registers, reports, schema, schema_work
from server.store.engine import writing
from tests.rules import rule
from tests.server.filetypes.files import LETTER
from tests.server.pages.care_school import day, fill_in, form_to, people, send

SECRETS = ("ran a fever", "broken boiler", "called by Mrs Grey", "a note of shame")


@pytest.fixture
def school(school):
    people(school)
    return school


def scope(school, name):
    from server.store import absences
    from server.store.engine import reading

    with reading(school.world.engine) as connection:
        return absences.scope_of(connection, school.world.institution_id, school.accounts[name], school.now_ms)


def keys(text: str) -> dict[str, str]:
    """What stands beside each box that can be ticked -> the box's value."""
    found = re.findall(r'name="t" value="([^"]*)"[^>]*>([^<]*)', text)
    return {said.strip(): key for key, said in found}


@pytest.fixture
def written(school):
    """A register with a note on a mark, a remark and a report; and an absence that a parent called about."""
    session = school.session(starts_min=-20)
    ada = scope(school, "ada")
    with writing(school.world.engine) as connection:
        wanted = [registers.Wanted(person_id=school.students[0], code="A", remark="ran a fever")]
        registers.set_marks(connection, ada, school.world.profiles, session, wanted, now_ms=school.now_ms)
        reports.add_remark(connection, ada, session, "broken boiler", school.now_ms)
        reports.report(connection, ada, session, "problem", text="a note of shame", now_ms=school.now_ms)
    return session


def erase(visitor, path: str, *ticked: str, reason="asked for by the student", do="do"):
    csrf = visitor.csrf(path)
    return visitor.http.post(path, data={"csrf": csrf, "t": list(ticked), "reason": reason, "do": do})


@rule("LOUGH-39")
def test_a_note_is_looked_at_then_erased_and_every_page_says_erased_in_its_place(school, signed, written):
    path, student = f"/sessions/{written}/texts", school.students[0]
    reg, ada = signed("reg"), signed("ada")
    assert path in reg.get(f"/sessions/{written}").text, "the register leads there"
    found = keys(reg.get(path).text)
    assert {"ran a fever", "broken boiler", "a note of shame"} <= found.keys()
    chosen = [found[text] for text in ("ran a fever", "broken boiler", "a note of shame")]
    looked = erase(reg, path, *chosen, do="look")
    assert looked.status_code == 200 and "Nothing is erased yet" in looked.text and "ran a fever" in looked.text
    assert "cannot be brought back" in looked.text
    assert all(row.erased_ms is None for row in school.world.all(schema.note)), "a preview changes nothing"
    done = reg.http.post(path, data={
        "csrf": reg.csrf(path), "reason": "asked for by the student", "do": "do",
        "t": re.findall(r'name="t" value="([^"]*)"', looked.text),
    })  # fmt: skip
    assert done.headers["location"] == f"{path}?said=erased"
    texts = {row.text for row in school.world.all(schema.note) if row.erased_ms is not None}
    assert texts == {""} and len([row for row in school.world.all(schema.note) if row.salt is None]) == 3
    panel = ada.get(f"/sessions/{written}/people/{student}").text
    assert "(erased)" in panel and "ran a fever" not in panel
    register = ada.get(f"/sessions/{written}").text
    assert "(erased)" in register and "boiler" not in register and "shame" not in register
    assert "(erased)" in reg.get("/compliance/reports").text
    assert "shame" not in reg.get("/compliance/reports").text
    # The mark, who set it and when stay; that it was erased, by whom and why, is an entry of its own.
    entry = school.world.all(schema_work.history)[-1]
    assert entry.kind == "erase" and entry.by_account_id == school.accounts["reg"] and "asked for" not in entry.body
    again = reg.get(path).text
    assert "why something was erased" in again and "asked for by the student" in again and "ran a fever" not in again
    assert [row.code for row in school.world.all(schema.mark)] == ["A"]


@rule("LOUGH-39")
def test_the_audit_holds_after_it_and_says_so_where_an_erased_text_comes_back(
    school, signed, written, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSTER_DATABASE_URL", school.world.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("MUSTER_SERVER_KEY_FILE", str(tmp_path / "server.key"))
    (tmp_path / "server.key").write_text((b"k" * 32).hex())
    (tmp_path / "server.key").chmod(0o600)
    reg, path = signed("reg"), f"/sessions/{written}/texts"
    assert audit_command.main(["verify"]) == 0
    assert erase(reg, path, *keys(reg.get(path).text).values()).status_code == 303
    capsys.readouterr()
    assert audit_command.main(["verify"]) == 0
    assert "Everything is as it was written." in capsys.readouterr().out
    with writing(school.world.engine) as connection:
        cited = next(row.note_id for row in school.world.all(schema.mark) if row.note_id is not None)
        connection.execute(schema.note.update().where(schema.note.c.id == cited).values(text="ran a cold"))
    assert audit_command.main(["verify"]) == 1
    assert f"note {cited} was erased, and says something again" in capsys.readouterr().out


@rule("LOUGH-20", "LOUGH-39")
def test_a_callers_name_a_reason_a_comment_and_the_message_that_repeats_it_go_together(school, signed):
    school.session(starts_min=-20)
    ada, reg, sam = signed("ada"), signed("reg"), signed("sam")
    answer = fill_in(
        ada, f"/absences/new?person={school.students[0]}", channel="parent", told_by="called by Mrs Grey", told_time="08:30",
        first=day(school, 0), reason="ran a fever",
    )  # fmt: skip
    address = answer.headers["location"].partition("?")[0]
    shown = ada.get(address).text
    send(ada, form_to(shown, f"{address}/decide"), do="reject", comment="a note of shame")
    assert "a note of shame" in sam.get("/me").text
    path = f"/people/{school.students[0]}/texts"
    assert path in reg.get(address).text and path in reg.get(f"/people/{school.students[0]}/attendance").text
    found = keys(reg.get(path).text)
    note = [found[text] for text in ("called by Mrs Grey", "ran a fever")]
    shame = next(row.id for row in school.world.all(schema.note) if row.text == "a note of shame")
    assert erase(reg, path, *note, f"note-{shame}").status_code == 303
    for page in (ada.get(address).text, sam.get("/me").text, sam.get(address).text, reg.get(address).text):
        assert not any(secret in page for secret in SECRETS)
    assert ada.get(address).text.count("(erased)") == 3, "caller, reason and comment"
    assert "(erased)" in sam.get("/me").text
    assert not any(row.text in SECRETS for row in school.world.all(schema_work.message))
    audit = [row for row in school.world.all(schema.audit) if row.action == "text.erase"]
    assert {row.subject for row in audit} == {
        f"person/{school.students[0]}",
        address.strip("/").replace("absences", "absence"),
    }
    assert not any(secret in row.detail for row in audit for secret in SECRETS)
    assert "texts erased" in reg.get(f"/registry/people/{school.students[0]}").text


def test_a_file_is_erased_with_its_name_and_its_bytes(school, signed):
    session = school.session(starts_min=30)
    sam, reg = signed("sam"), signed("reg")
    fill_in(sam, f"/me/absence?session={session}", reason="ran a fever")
    absence = school.world.all(schema_work.absence)[0].id
    sam.http.post(
        f"/absences/{absence}/files", data={"csrf": sam.csrf("/me/absence")}, files=[("files", ("fever.pdf", LETTER))]
    )
    file = school.world.all(schema_work.attachment)[0]
    place = attachments.folder_of(school.folder) / file.stored_as
    assert place.exists() and reg.get(f"/attachments/{file.id}").status_code == 200
    path = f"/people/{school.students[0]}/texts"
    assert "fever.pdf" in keys(reg.get(path).text)
    assert erase(reg, path, f"file-{file.id}").status_code == 303
    assert not place.exists() and reg.get(f"/attachments/{file.id}").status_code == 404
    assert "a file that was erased" in reg.get(f"/absences/{absence}").text
    assert "fever" not in reg.get(path).text.replace("ran a fever", "")


def test_why_a_class_was_cancelled_goes_from_every_mark_at_once(school, signed):
    session, reg = school.session(starts_min=-20), signed("reg")
    with writing(school.world.engine) as connection:
        cancellations.cancel(
            connection, scope(school, "ada"), school.world.profiles, session, reason="broken boiler",
            now_ms=school.now_ms,
        )  # fmt: skip
    path = f"/sessions/{session}/texts"
    text = reg.get(path).text
    assert list(keys(text)) == ["broken boiler"] and "why the class was cancelled" in text
    assert erase(reg, path, *keys(text).values()).status_code == 303
    for person in school.students:
        panel = reg.get(f"/sessions/{session}/people/{person}").text
        assert "(erased)" in panel and "boiler" not in panel


@pytest.mark.parametrize("name", ["ada", "hel", "sam", "tess"])
def test_nobody_else_reads_that_page_or_erases(school, signed, written, name):
    visitor = signed(name)
    for path in (f"/sessions/{written}/texts", f"/people/{school.students[0]}/texts"):
        assert visitor.get(path).status_code == 403
        sent = {"csrf": visitor.csrf("/account"), "t": "note-1", "reason": "x", "do": "do"}
        assert visitor.http.post(path, data=sent).status_code == 403
    if name == "ada":
        assert "/texts" not in visitor.get(f"/sessions/{written}").text
    assert all(row.erased_ms is None for row in school.world.all(schema.note))


def test_what_is_missing_is_said_and_what_belongs_elsewhere_is_not_erased(school, signed, written):
    other = school.session(starts_min=-90)
    reg = signed("reg")
    path = f"/sessions/{other}/texts"
    theirs = keys(reg.get(f"/sessions/{written}/texts").text)["ran a fever"]
    for answer in (erase(reg, path, do="look"), erase(reg, path)):
        assert answer.status_code == 422
        assert "Tick at least one" in answer.text
    assert erase(reg, path, theirs).status_code == 404
    assert erase(reg, path, "note-9999999", do="look").status_code == 404
    here = f"/sessions/{written}/texts"
    for how in ("look", "do"):
        answer = erase(reg, here, theirs, reason=" ", do=how)
        assert answer.status_code == 422 and "Say why they are erased" in answer.text and " checked" in answer.text
    assert all(row.erased_ms is None for row in school.world.all(schema.note))
    # Sent twice it is erased once.
    for _ in range(2):
        assert erase(reg, here, theirs).status_code == 303
    assert [row.kind for row in school.world.all(schema_work.history)].count("erase") == 1
