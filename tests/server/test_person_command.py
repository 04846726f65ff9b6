"""`muster person`: everything about one person into a file, and erasing whoever has left after a look."""

import json
import stat

from server import person_command
from server.store import schema
from server.store.engine import writing
from tests.rules import rule


@rule("DDU-12")
def test_everything_about_one_person_is_put_into_a_file_for_its_owner_alone(console, tmp_path, capsys):
    out = tmp_path / "s1.json"
    assert person_command.main(["export", "S1", "--out", str(out)]) == 0
    made = json.loads(out.read_text())
    assert made["kept"]["person_name"]["rows"][0]["full_name"] == "S1 Example" and "S2 Example" not in out.read_text()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "Read the texts" in capsys.readouterr().out
    assert [(row.action, row.subject, row.account_id) for row in console.all(schema.audit)][-1] == (
        "person.export", f"person/{console.students[1]}", None,
    )  # fmt: skip
    assert person_command.main(["export", "S1", "--out", str(out)]) == 1
    assert "[export-file]" in capsys.readouterr().err
    assert person_command.main(["export", "S1"]) == 0
    assert json.loads(capsys.readouterr().out)["person_id"] == console.students[1]
    assert person_command.main(["export", "nobody"]) == 1


def test_whoever_has_left_is_erased_with_do_and_only_looked_at_without(console, capsys):
    student = console.students[0]
    assert person_command.main(["erase", "S0", "--reason", "asked for"]) == 1
    assert "[person-here]" in capsys.readouterr().err
    with writing(console.engine) as connection:
        connection.execute(schema.person.update().where(schema.person.c.id == student).values(ended_ms=console.now_ms))
    assert person_command.main(["erase", "S0", "--reason", "asked for"]) == 0
    said = capsys.readouterr().out
    assert "Would be erased" in said and "names" in said and "Marks and the history" in said
    assert "S0 Example" in {row.full_name for row in console.all(schema.person_name)}
    assert person_command.main(["erase", "S0", "--reason", "asked for", "--do"]) == 0
    assert capsys.readouterr().out.replace("Erased:", "Would be erased (--do does it):") == said
    assert {row.full_name for row in console.all(schema.person_name)} == {
        f"erased {student}",
        "S1 Example",
        "S2 Example",
    }
