"""Everything about one person, and nothing of anybody else: a canary in every table (DDU-12)."""

import json

import pytest

from server.store import person_export, schema
from server.store.engine import open_engine, writing
from server.store.inventory import OTHERS, SECRET, WIRE
from server.store.inventory_all import EVERY
from tests.rules import rule
from tests.server.store.personal_world import ANOTHERS, STAFF, Personal, canary


@pytest.fixture
def two(database_url):
    engine = open_engine(database_url)
    yield Personal(engine)
    engine.dispose()


def exported(two, whose):
    institution = two.id("institution", "shared")
    return "".join(person_export.stream(two.engine, institution, two.id("person", whose), 9))


@rule("DDU-12")
def test_a_row_of_every_table_stands_in_its_own_persons_export_and_in_no_others(two):
    texts = {one: exported(two, one) for one in ("a", "b")}
    made = {one: json.loads(text) for one, text in texts.items()}
    for name, kept in EVERY.items():
        if kept.way is None:
            continue
        for mine, other in (("a", "b"), ("b", "a")):
            keys = [one.name for one in kept.table.primary_key.columns]
            found = [tuple(row[key] for key in keys) for row in made[mine]["kept"][name]["rows"]]
            assert two.key(name, mine) in found, f"{name}: the person's own row is missing"
            assert two.key(name, other) not in found, f"{name}: another person's row"
    for mine, other in (("a", "b"), ("b", "a")):
        for name in EVERY:
            assert canary(name, other) not in texts[mine], f"{name}: another person's data"
        assert STAFF not in texts[mine] and ANOTHERS not in texts[mine]


@rule("DDU-12")
def test_what_is_said_of_each_row_is_all_but_what_opens_something_or_is_anothers(two):
    made = json.loads(exported(two, "a"))["kept"]
    for name, kept in EVERY.items():
        if kept.way is None or ("a" not in [whose for table, whose in two.rows if table == name]):
            continue
        row = made[name]["rows"][0]
        assert set(row) == {one.name for one in kept.table.c}
        for column in kept.table.c:
            if kept.column_class(column.name) in (SECRET, OTHERS, WIRE) and name != "history":
                assert row[column.name] is None or str(row[column.name]).startswith("(withheld"), column
    assert [one["id"] for one in json.loads(exported(two, "a"))["houses"]] == [two.id("house", "shared")]
    assert made["mark"]["rows"][0]["by_account_id"] == "another"
    assert canary("note", "a") in made["note"]["rows"][0]["text"]
    assert canary("attachment", "a") in made["attachment"]["rows"][0]["file_name"]
    assert made["swipe"]["rows"][0]["token"] == two.rows["swipe", "a"]["token"].hex()


def test_names_of_others_are_left_out_of_texts_and_an_own_one_is_not(two):
    with writing(two.engine) as connection:
        words = f"seen with {STAFF.upper()}, not {STAFF}er"
        connection.execute(schema.note.update().where(schema.note.c.id == two.id("note", "a")).values(text=words))
    text = json.loads(exported(two, "a"))["kept"]["note"]["rows"][0]["text"]
    assert text == f"seen with (another person), not {STAFF}er"


def test_what_staff_did_is_told_without_whom(two):
    institution, staff = two.id("institution", "shared"), two.id("person", "staff")
    text = "".join(person_export.stream(two.engine, institution, staff, 9))
    did = json.loads(text)["did"]
    assert [one[0] for one in did["mark.by_account_id"]] == [two.id("mark", "a"), two.id("mark", "b")]
    # What was done is a word of ours; to whom it was done is not said.
    assert {row["subject"] for row in json.loads(text)["kept"]["audit"]["rows"]} == {"person"}
    assert not any(canary(name, whose) in text for name in EVERY if name != "audit" for whose in "ab")
