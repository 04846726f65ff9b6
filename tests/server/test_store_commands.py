"""`muster server migrate`, `muster reader`, `muster staff`, `muster gateway add`, as a person runs them."""

import json
import sqlite3
import stat

import pytest

import muster


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def _run(*words):
        status = muster.main(list(words))
        said = capsys.readouterr()
        return status, said.out, said.err

    assert _run("reader", "list")[0] == 1
    assert _run("server", "migrate")[0] == 0
    return _run


def test_a_reader_is_made_with_its_key_and_its_settings(run, tmp_path):
    status, _, _ = run(
        "reader",
        "add",
        "a-1",
        "--room",
        "R1",
        "--new-room",
        "--broker",
        "mqtt://u:p%40ss@broker.example:1884",
        "--out",
        "a.json",
    )
    assert status == 0
    told = json.loads((tmp_path / "a.json").read_text())
    assert (told["v"], told["reader"], told["site"], len(told["key"]["secret"])) == (1, "a-1", "main", 64)
    assert told["broker"] == {"user": "u", "password": "p@ss", "host": "broker.example", "port": 1884}
    assert [len(key["secret"]) for key in told["card_keys"]] == [64]
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o600
    for file in (tmp_path / "muster-data").iterdir():
        assert told["key"]["secret"] not in file.read_bytes().hex(), "encrypted at rest"
    assert "R1" in run("reader", "list")[1]


@pytest.mark.parametrize("address", ["mqtt://u:12/p@host", "mqtt://u:12#p@host", "mqtt://u:12?p@host", "host:1883"])
def test_an_address_whose_password_would_cut_it_short_makes_no_reader(run, tmp_path, address):
    status, _, said = run("reader", "add", "a-1", "--broker", address, "--out", "a.json")
    assert (status, "[broker]" in said, "12" in said) == (1, True, False)
    assert not (tmp_path / "a.json").exists()


def test_a_folder_that_cannot_be_made_is_said_and_makes_no_reader(run, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, said = run("reader", "add", "a-1", "--out", "file/a.json")
    assert (status, "[file]" in said) == (1, True)
    assert "a-1" not in run("reader", "list")[1]


def test_a_reader_that_exists_is_refused_with_its_code(run):
    assert run("reader", "add", "a-1", "--out", "a.json")[0] == 0
    status, _, said = run("reader", "add", "a-1", "--out", "b.json")
    assert (status, "[reader-exists]" in said) == (1, True)


def test_many_readers_are_made_at_once_or_none(run, tmp_path):
    (tmp_path / "r.csv").write_text("name,room\nb-1,R1\nb-2,R2\n")
    assert run("reader", "add", "--bulk", "r.csv", "--out-dir", "d", "--new-room")[0] == 0
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["b-1.json", "b-2.json"]
    (tmp_path / "r.csv").write_text("name,room\nc-1,R1\nb-2,R2\n")
    assert run("reader", "add", "--bulk", "r.csv", "--out-dir", "e")[0] == 1
    assert "c-1" not in run("reader", "list")[1]


def test_staff_and_gateways_are_made_once(run, tmp_path):
    (tmp_path / "pw").write_text("correct horse battery\n")
    assert run("staff", "add", "boss", "--role", "admin", "--password-file", "pw")[0] == 0
    assert run("staff", "add", "boss", "--role", "admin", "--password-file", "pw")[0] == 1
    assert len(run("staff", "token", "boss")[1].strip()) == 43
    assert len(run("gateway", "add", "g1")[1].strip()) == 43
    assert "[gateway-exists]" in run("gateway", "add", "g1")[2]


def test_a_role_is_given_and_taken_in_a_department_or_course_by_its_code(run, tmp_path):
    (tmp_path / "pw").write_text("correct horse battery\n")
    assert run("staff", "add", "hana", "--role", "lecturer", "--password-file", "pw")[0] == 0
    store = sqlite3.connect(tmp_path / "muster-data" / "muster.db")
    store.execute(
        "INSERT INTO department (institution_id, source, source_id, code, title) SELECT id, 't', 'A', 'ART', 'Arts'"
        " FROM institution"
    )
    store.commit()
    assert run("staff", "grant", "hana", "head", "--department", "ART")[1] == "hana: head in department ART\n"
    assert "already" in run("staff", "grant", "hana", "head", "--department", "ART")[2]
    assert "[scope-code]" in run("staff", "grant", "hana", "head", "--course", "none")[2]
    assert "[role]" in run("staff", "grant", "hana", "king")[2]
    assert "[account]" in run("staff", "grant", "nobody", "head")[2]
    query = "SELECT role, scope FROM account_role WHERE to_ms IS NULL ORDER BY id"
    assert store.execute(query).fetchall() == [("lecturer", "institution"), ("head", "department")]
    assert run("staff", "revoke", "hana", "head", "--department", "ART")[0] == 0
    assert run("staff", "revoke", "hana", "head", "--department", "ART")[0] == 1
    assert store.execute(query).fetchall() == [("lecturer", "institution")]
    done = store.execute("SELECT action, account_id FROM audit ORDER BY id").fetchall()
    assert done[-2:] == [("account.grant", None), ("account.revoke", None)], "by nobody's account: at the console"
    store.close()


def test_only_a_named_technician_declares_records_lost(run, tmp_path):
    (tmp_path / "pw").write_text("a long password\n")
    assert run("reader", "add", "a-1", "--out", "a.json")[0] == 0
    assert run("staff", "add", "tess", "--role", "technician", "--password-file", "pw")[0] == 0
    assert run("staff", "add", "lee", "--role", "lecturer", "--password-file", "pw")[0] == 0
    words = ("reader", "lost", "a-1", "0" * 16, "5", "--why", "destroyed", "--by")
    assert "[not-a-technician]" in run(*words, "lee")[2]
    assert "[not-lost]" in run(*words, "tess")[2], "a journal that nobody has heard of"


def test_a_damaged_database_is_said_with_a_code(run, tmp_path, monkeypatch):
    sound = (tmp_path / "muster-data" / "muster.db").read_bytes()
    for n, garbage in enumerate((b"no database at all" * 300, sound[:100] + b"\xff" * (len(sound) - 100))):
        (tmp_path / f"{n}.db").write_bytes(garbage)
        monkeypatch.setenv("MUSTER_DATABASE_URL", f"sqlite:///{tmp_path}/{n}.db")
        status, _, said = run("reader", "list")
        assert (status, "[database-damaged]" in said, "Traceback" in said) == (1, True, False), said


def test_a_gateway_is_named_as_readers_are(run):
    for name in ("../g", "G1", "", "a" * 33, "a b", "é"):
        status, out, said = run("gateway", "add", name)
        assert (status, out, "[gateway-name]" in said) == (1, "", True), name
    assert run("gateway", "add", "a" * 32)[0] == 0


def test_a_reader_without_a_place_for_its_settings_is_a_wrong_use(run):
    status, _, said = run("reader", "add", "a-1")
    assert (status, "--out" in said, "[usage]" in said) == (2, True, True)
    assert run("reader", "add", "--bulk", "x.csv")[0] == 2
    assert run("reader", "list")[1] == ""


def test_a_brokers_password_is_never_said_back(run):
    for address in ("http://u:pa55word@h", "mqtt://u:pa55word@h:port", "mqtt://u:pa55word/x@h", "mqtt://u:pa55word@["):
        status, out, said = run("reader", "add", "a-1", "--out", "a.json", "--broker", address)
        assert (status, "[broker]" in said) == (1, True), address
        assert "pa55word" not in said + out
