"""`muster person`: everything about one person into a file, and erasing whoever has left after a look."""

import json
import stat

import pytest

from server import person_command
from server.store import schema
from server.store.engine import writing
from tests.rules import rule

KEY = (b"k" * 32).hex()


@pytest.fixture
def here(world, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSTER_DATABASE_URL", world.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("MUSTER_SERVER_KEY_FILE", str(tmp_path / "server.key"))
    (tmp_path / "server.key").write_text(KEY)
    (tmp_path / "server.key").chmod(0o600)
    return world


@rule("DDU-12")
def test_everything_about_one_person_is_put_into_a_file_for_its_owner_alone(here, tmp_path, capsys):
    out = tmp_path / "s1.json"
    assert person_command.main(["export", "S1", "--out", str(out)]) == 0
    made = json.loads(out.read_text())
    assert made["kept"]["person_name"]["rows"][0]["full_name"] == "S1 Example" and "S2 Example" not in out.read_text()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "Read the texts" in capsys.readouterr().out
    assert [(row.action, row.subject, row.account_id) for row in here.all(schema.audit)][-1] == (
        "person.export", f"person/{here.students[1]}", None,
    )  # fmt: skip
    assert person_command.main(["export", "S1", "--out", str(out)]) == 1
    assert "[export-file]" in capsys.readouterr().err
    assert person_command.main(["export", "S1"]) == 0
    assert json.loads(capsys.readouterr().out)["person_id"] == here.students[1]
    assert person_command.main(["export", "nobody"]) == 1


def test_whoever_has_left_is_erased_with_do_and_only_looked_at_without(here, capsys):
    student = here.students[0]
    assert person_command.main(["erase", "S0", "--reason", "asked for"]) == 1
    assert "[person-here]" in capsys.readouterr().err
    with writing(here.engine) as connection:
        connection.execute(schema.person.update().where(schema.person.c.id == student).values(ended_ms=here.now_ms))
    assert person_command.main(["erase", "S0", "--reason", "asked for"]) == 0
    said = capsys.readouterr().out
    assert "Would be erased" in said and "names" in said and "Marks and the history" in said
    assert "S0 Example" in {row.full_name for row in here.all(schema.person_name)}
    assert person_command.main(["erase", "S0", "--reason", "asked for", "--do"]) == 0
    assert capsys.readouterr().out.replace("Erased:", "Would be erased (--do does it):") == said
    assert {row.full_name for row in here.all(schema.person_name)} == {f"erased {student}", "S1 Example", "S2 Example"}
