"""What is old is emptied or removed by the rules, and nothing else: facts keep identity and MAC (DDU-12, PORT-1)."""

import dataclasses

import pytest

from firmware.contract import statement
from server import retention_command
from server.errors import BadSetting
from server.outbox import FORGET_MS, Outbox
from server.policy import retention as policy
from server.retention import REST_MS, Retention
from server.store import emptying, notes, retention, schema, schema_fleet, schema_residence, schema_rights, schema_work
from server.store.engine import open_engine, writing
from tests.rules import rule
from tests.server.store.personal_world import Personal
from tests.server.store_world import NINE, UIDS

DAY = policy.DAY_MS
#: the times in the made rows are small numbers: everything is as old as can be
NOW = 1_800_000_000_000
#: what is kept of readers, and goes whole
OF_READERS = ("reader_outage", "fleet_alert", "fleet_notice", "reader_command")


@pytest.fixture
def two(database_url):
    engine = open_engine(database_url)
    made = Personal(engine)
    with writing(engine) as connection:
        connection.execute(schema_work.mail.update().values(state="sent"))
        for name in ("duty_note", "import_run", "import_schedule", "quarantine", *OF_READERS):
            made._connection = connection
            made._add(schema.metadata.tables[name], "shared")
        connection.execute(schema.quarantine.update().values(authentic=False))
        # Each text its own, so that none goes by another's rule.
        for table, columns in retention.NOTES.items():
            for row in connection.execute(table.select()).all():
                values = {name: notes.add(connection, row.institution_id, "a text", None, 5) for name in columns}
                connection.execute(table.update().where(table.c.id == row.id).values(values))
    yield made
    engine.dispose()


@pytest.fixture
def outbox(two, tmp_path):
    """The folder with a letter of each message, and one of a message that the store does not know."""
    for row in everything(two.engine)["message"]:
        (tmp_path / f"message-{row.id}.eml").write_bytes(b"Subject: x")
    (tmp_path / "message-999.eml").write_bytes(b"Subject: x")
    (tmp_path / "message-1.part").write_bytes(b"")
    return tmp_path


def everything(engine) -> dict:
    with engine.connect() as connection:
        return {table.name: connection.execute(table.select()).all() for table in schema.metadata.sorted_tables}


def rules(**changed):
    found = policy.load(policy.Path())
    return [dataclasses.replace(one, **changed.get(one.name.replace("-", "_"), {})) for one in found]


@rule("DDU-12")
def test_each_rule_takes_what_it_says_and_a_dry_run_takes_nothing(two, outbox):
    before = everything(two.engine)
    lay = {path.name for path in outbox.iterdir()}
    work = Retention(two.engine, rules(), letters_in=outbox)
    counted = {one.name: many for one, many in work.counts(NOW)}
    assert set(counted) == {one.name for one in rules()} and all(counted.values()), "there is something of each"
    assert everything(two.engine) == before and {path.name for path in outbox.iterdir()} == lay
    done = {one.name: many for one, many in work.all(NOW)}
    assert done == counted and done["outbox-letters"] == len(before["message"])
    assert {path.name for path in outbox.iterdir()} == {"message-999.eml", "message-1.part"}
    after = everything(two.engine)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {
        "check_in", "swipe", "kiosk_event", "login", "sign_in_flow", "mail", "message", "import_run", "note",
        "quarantine", "import_schedule", "misuse_flag", "misuse_tap", "swipe_message",
        *OF_READERS,
    }  # fmt: skip
    assert all(many == 0 for _, many in work.counts(NOW)), "nothing is found twice"
    assert after["swipe_message"] == [], "what a card said stands in the same field as its token"
    assert after["login"] == after["sign_in_flow"] == after["misuse_flag"] == after["misuse_tap"] == []
    assert [after[name] for name in OF_READERS] == [[]] * 4
    assert {row.cell for row in after["check_in"]} == {None} and {row.token for row in after["swipe"]} == {None}
    for name in ("swipe", "check_in", "kiosk_event"):
        kept = set(emptying.MAY_EMPTY[schema.metadata.tables[name]])
        for old, new in zip(before[name], after[name], strict=True):
            assert {k: v for k, v in old._mapping.items() if k not in kept} == {
                k: v for k, v in new._mapping.items() if k not in kept
            }
    assert [row.mac for row in before["record"]] == [row.mac for row in after["record"]]
    erased = [row for row in after["note"] if row.erased_ms is not None]
    wanted = {
        row.note_id for name in ("duty_note", "evening_act", "residence_leave", "residence_flag") for row in after[name]
    }
    wanted |= {row.answer_note_id for row in after["residence_leave"]}
    wanted |= {row.note_id for row in before["misuse_flag"]}
    assert {row.id for row in erased} == wanted - {None} and {row.text for row in erased} == {""}
    assert [row.digest for row in before["quarantine"]] == [row.digest for row in after["quarantine"]]


def test_what_is_young_or_still_to_go_stays(two):
    with writing(two.engine) as connection:
        connection.execute(schema_work.mail.update().values(state="waiting"))
        connection.execute(schema_work.message.update().values(sent_ms=None))
        connection.execute(schema.login.update().values(expires_ms=NOW - 90 * DAY))
    counted = {one.name: many for one, many in Retention(two.engine, rules()).counts(NOW)}
    assert counted["mails"] == counted["messages"] == counted["logins"] == 0 < counted["check-in-cells"]


def test_what_goes_on_at_a_reader_and_what_was_not_said_yet_stays(two):
    with writing(two.engine) as connection:
        connection.execute(schema_fleet.reader_outage.update().values(to_ms=None))
        connection.execute(schema_fleet.fleet_alert.update().values(cleared_ms=None))
        connection.execute(schema_fleet.fleet_notice.update().values(sent_ms=None, failed_ms=None))
        connection.execute(schema_fleet.reader_command.update().values(counter=NOW - 400 * DAY))
    work = Retention(two.engine, [one for one in rules() if one.table in OF_READERS])
    assert [many for _, many in work.all(NOW)] == [0] * 4
    with writing(two.engine) as connection:
        connection.execute(schema_fleet.fleet_notice.update().values(failed_ms=5))
    assert {one.name: many for one, many in work.all(NOW) if many} == {"reader-notices": 1}


def test_what_a_reader_sealed_stays_in_quarantine_until_somebody_has_looked_at_it(two):
    work = Retention(two.engine, [one for one in rules() if one.name == "quarantine"])
    with writing(two.engine) as connection:
        connection.execute(schema.quarantine.update().values(authentic=True, closed_ms=None))
    assert [many for _, many in work.all(NOW)] == [0]
    with writing(two.engine) as connection:
        connection.execute(schema.quarantine.update().values(closed_ms=7))
    assert [many for _, many in work.all(NOW)] == [1]
    (row,) = everything(two.engine)["quarantine"]
    assert row.content == b""


def test_a_letter_of_a_message_that_was_erased_goes_within_a_minute(two, outbox):
    post = Outbox(outbox)
    first, *rest = sorted(row.id for row in everything(two.engine)["message"])
    post.work(two.engine, NOW)
    assert (outbox / f"message-{first}.eml").exists()
    with writing(two.engine) as connection:
        connection.execute(
            schema_work.message.update().where(schema_work.message.c.id == first).values(erased_ms=NOW + 1)
        )
    post.work(two.engine, NOW + FORGET_MS - 1)
    assert (outbox / f"message-{first}.eml").exists(), "it is looked for once a minute"
    post.work(two.engine, NOW + FORGET_MS)
    assert not (outbox / f"message-{first}.eml").exists()
    assert all((outbox / f"message-{one}.eml").exists() for one in rest)


def test_it_works_in_bites_and_rests_when_all_is_done(two, monkeypatch):
    monkeypatch.setattr("server.retention.BITE", 1)
    work = Retention(two.engine, [one for one in rules() if one.name == "swipe-tokens"])
    assert [work.step(NOW) for _ in range(4)] == [1, 1, 0, 0]
    with writing(two.engine) as connection:
        connection.execute(schema.swipe.update().values(token=b"12345678"))
    assert work.step(NOW + REST_MS) == 0 and work.step(NOW + REST_MS + 1) == 1


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("record", {"removes": True, "empties": ()}),
        ("record", {"empties": ("mac",)}),
        ("swipe", {"removes": True, "empties": ()}),
        ("swipe", {"empties": ("token", "seq")}),
        ("mark", {"removes": True, "empties": ()}),
        ("history", {"empties": ("body",)}),
        ("head", {"removes": True, "empties": ()}),
    ],
)
def test_a_saboteur_who_widens_what_rules_may_do_still_takes_no_fact(two, table, change):
    """The list of what rules may do is broken on purpose: the store says no by itself."""
    made = dataclasses.replace(rules()[0], table=table, removes=False, after="received_ms", days=1)
    bad = dataclasses.replace(made, **change)
    before = everything(two.engine)
    with pytest.raises(BadSetting) as refused:
        Retention(two.engine, [bad]).all(NOW)
    assert refused.value.code == "retention-forbidden" and everything(two.engine) == before


@rule("PORT-1")
def test_marks_stay_and_a_record_brought_again_is_the_same_after_its_token_went(world):
    session, board = world.session(), world.reader()
    board.swipe(UIDS[0], NINE + 60_000)
    world.now_ms = NINE + 120_000
    world.deliver(*board.lines)
    marks, record = world.marks(), world.all(schema.record)[-1]
    assert marks[session, world.students[0]][0] is not None
    tokens = next(one for one in rules(swipe_tokens={"days": 35}) if one.name == "swipe-tokens")
    later = world.now_ms + 36 * DAY
    with writing(world.engine) as connection:
        assert retention.bite(connection, tokens, later, 10) == 1
    emptied = world.all(schema.record)[-1]
    assert emptied.mac == record.mac and emptied.text == record.text.replace(record.text.split("|")[6], "-")
    assert statement.read(board.lines[-1]).values["evidence"] not in emptied.text
    world.deliver(*board.lines, board.pair(NINE + 200_000, uncertainty_ms=5))
    assert world.marks() == marks and not world.quarantined() and "record-conflict" not in world.alarms()
    assert [row.person_id for row in world.all(schema.reading)] == [world.students[0]]


def test_the_command_says_the_counts_and_is_off_until_it_is_switched_on(two, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSTER_DATABASE_URL", two.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("MUSTER_SERVER_KEY_FILE", str(tmp_path / "server.key"))
    monkeypatch.setenv("MUSTER_CLOCK", f"origin_s=0,offset_s={NOW // 1000},scale=0.000000001")
    with writing(two.engine) as connection:
        connection.execute(schema.login.update().values(expires_ms=NOW - 91 * DAY))
    before = everything(two.engine)
    assert retention_command.main(["--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "2  logins: logins on the web that are over, 90 days after expires_ms" in said
    assert "MUSTER_RETENTION is off" in said and everything(two.engine) == before
    assert retention_command.main([]) == 1
    assert "[retention-off]" in capsys.readouterr().err and everything(two.engine) == before
    monkeypatch.setenv("MUSTER_RETENTION", "yes")
    assert retention_command.main([]) == 0
    assert everything(two.engine)["login"] == []


assert schema_residence and schema_rights, "every table is there"
