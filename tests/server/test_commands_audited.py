"""Every command that changes the store writes a line of the audit, as the page of the same act does (LOUGH-39).

A new command, or a new sub-command, has to be put here: among those that change the store, with words that make it do
so and the action that it writes down, or among those that do not, with the reason.
"""

import gc
import json
import os
import pwd
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime

import pytest

import muster
from tests.rules import rule

NOW = datetime.now(UTC).isoformat(timespec="seconds")
CARD = "04DE5F1EACC040"
#: in this order in one store: the command, what follows it, and the action of the line that it writes
CHANGES: tuple[tuple[str, str, str], ...] = (
    ("gateway add", "g1", "gateway.add"),
    ("staff add", "tess --role technician --password-file password", "account.add"),
    ("staff grant", "tess registry", "account.grant"),
    ("staff revoke", "tess registry", "account.revoke"),
    ("staff token", "tess", "token.make"),
    ("reader new", "n-1 --room R9 --new-room --no-qr", "slot.make"),
    ("reader new", "n-1 --room R8 --new-room --no-qr", "room.add"),
    ("reader add", "a-1 --room R1 --new-room --out a.json", "reader.add"),
    ("reader add", "k-1 --kiosk H1 --new-house North --out k.json", "kiosk.place"),
    ("reader adopt", "b.json --room R1 --from 2026-10-05T08:00:00+00:00", "reader.adopt"),
    ("reader move", "a-1 --room R2 --new-room", "reader.move"),
    ("reader move", "a-1", "reader.move"),
    ("reader lost", f"a-1 {'ab' * 8} 5 --by tess --why destroyed", "reader.lost"),
    ("reader heads", "", "heads.thin"),
    ("reader revoke", f"a-1 --since {NOW}", "reader.revoke"),
    ("reader release", "a-1", "reader.release"),
    ("ca init", "", "ca.make"),
    ("ca issue", "out --host broker.example", "ca.issue"),
    ("ca forget", "broker.example", "ca.forget"),
    ("ca next", "", "ca.next"),
    ("ca turn", "--force", "ca.turn"),
    ("ca end", "--force", "ca.end"),
    ("release trust", "keys.json", "release.trust"),
    ("release distrust", "1", "release.distrust"),
    ("broker config", "broker --host broker.example", "broker.config"),
    ("broker password", "--gateway g1", "broker.password"),
    ("gateway revoke", "g1", "gateway.revoke"),
    ("broker password", "--reader b-1", "broker.password"),
    ("batch", "B1 --first 2026-10-05 --do", "batch.change"),
    ("programme", "P1 --title Welding --do", "programme.change"),
    ("card sign", "cards.txt", "card.sign"),
    ("card secret", "--out secret.txt", "card.secret"),
    ("person export", "S1 --out person.json", "person.export"),
    ("person erase", "S1 --reason asked --do", "person.erase"),
    ("retention", "", "retention.run"),
    ("mail", "--again", "mail.again"),
    ("restore", "backup.muster --over", "store.restore"),
)
#: what changes nothing in the store, or says so in another place
NOT: dict[str, str] = {
    "server migrate": "a line where the schema is another then; tried below",
    "upgrade": "a line where the schema is another then; tried in test_backup_and_restore",
    "server run": "serves; whoever does something there is signed in",
    "import oneroster": "a row of import_run, with what it changed, which the pages show",
    "import timetable": "as above",
    "import residence": "as above",
    "reader list": "reads",
    "ca show": "reads",
    "broker keep": "runs beside the broker, and asks the store by its API",
    "audit heads": "reads",
    "audit key": "makes a file in the data folder at most",
    "audit verify": "reads",
    "backup": "reads",
}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSTER_RETENTION", "yes")
    monkeypatch.setenv("MUSTER_READER_BROKER", "mqtt://broker.example")
    monkeypatch.delenv("SUDO_USER", raising=False)

    def _run(*words):
        # As if the command before had ended its process: its connections are closed.
        gc.collect()
        status = muster.main(list(words))
        said = capsys.readouterr()
        return status, said.out, said.err

    return _run


def store(tmp_path):
    return closing(sqlite3.connect(tmp_path / "muster-data" / "muster.db", isolation_level=None))


def lines(tmp_path) -> list[tuple]:
    with store(tmp_path) as opened:
        query = "SELECT id, action, account_id, json_extract(detail, '$.console'), detail FROM audit ORDER BY id"
        return opened.execute(query).fetchall()


def leaves(capsys) -> set[str]:
    """Every command of the store, with its sub-commands as `--help` lists them."""
    found = set()
    for name, command in muster.COMMANDS.items():
        if not command.target.startswith("server."):
            continue
        with pytest.raises(SystemExit):
            muster.load(command)(["--help"])
        listed = re.search(r"positional arguments:\n  [A-Z]+\n((?:    .*\n)+)", capsys.readouterr().out)
        below = re.findall(r"^    (\S+)", listed[1], re.MULTILINE) if listed else []
        found |= {f"{name} {one}" for one in below} if below else {name}
    return found


@rule("LOUGH-39")
def test_every_command_of_the_store_is_known_to_change_it_or_not(capsys):
    assert leaves(capsys) == {name for name, _, _ in CHANGES} | set(NOT)


@rule("LOUGH-39")
def test_what_a_command_changes_stands_in_the_audit_with_who_ran_it(run, repo, tmp_path):
    def migrate():
        # In a process of its own: alembic lets a connection go late, and a restore wants to be alone.
        subprocess.run([sys.executable, str(repo / "muster.py"), "server", "migrate"], check=True, capture_output=True)

    migrate()
    me = pwd.getpwuid(os.getuid()).pw_name
    ((_, action, by, console, _),) = lines(tmp_path)
    assert (action, by, console) == ("store.upgrade", None, me)
    migrate()
    assert len(lines(tmp_path)) == 1, "nothing was changed: nothing is said"
    (tmp_path / "password").write_text("correct horse battery\n")
    (tmp_path / "cards.txt").write_text(f"{CARD}\n")
    keys = {"keys": [{"id": 1, "n": f"{(1 << 3071) + 1:x}"}]}
    (tmp_path / "keys.json").write_text(json.dumps({"release": keys}))
    for name, rest, wanted in CHANGES:
        prepare(run, tmp_path, name)
        last = max(one[0] for one in lines(tmp_path))
        status, said, wrong = run(*name.split(), *rest.split())
        assert status == 0, (name, rest, wrong)
        fresh = [one for one in lines(tmp_path) if one[0] > last]
        assert wanted in [one[1] for one in fresh], (name, rest, fresh)
        assert {one[3] for one in fresh} == {me}, (name, rest, fresh)
        assert all(by is None for _, action, by, _, _ in fresh if action != "reader.lost"), "at the console"
        secrets = re.findall(r"[\w-]{43}|[A-Z2-7]{5}(?:-[A-Z2-7]{1,5}){5}", said)
        assert not any(one in detail for one in secrets for *_, detail in fresh), (name, "a secret in the audit")
    ((technician,),) = [one[2:3] for one in lines(tmp_path) if one[1] == "reader.lost"]
    assert technician is not None, "who answers for it"


def prepare(run, tmp_path, name: str) -> None:
    """What a command needs that no other command makes."""
    if name == "reader adopt":
        told = (tmp_path / "a.json").read_text().replace('"a-1"', '"b-1"')
        (tmp_path / "b.json").write_text(told)
    elif name == "reader lost":
        with store(tmp_path) as opened:
            opened.execute(
                "INSERT INTO journal (institution_id, reader_id, journal, opened_ms)"
                " SELECT institution_id, id, ?, 0 FROM reader WHERE name = 'a-1'",
                ["ab" * 8],
            )
    elif name == "person export":
        with store(tmp_path) as opened:
            opened.execute("INSERT INTO person (institution_id, created_ms, ended_ms) SELECT id, 0, 1 FROM institution")
            opened.execute(
                "INSERT INTO person_external_id (institution_id, person_id, source, external_id, from_ms)"
                " SELECT institution_id, id, 'identifier', 'S1', 0 FROM person"
            )
    elif name == "restore":
        assert run("backup", "backup.muster")[0] == 0
