"""No table, no column and no word of a choice is only read: what nobody can write is a rule that can never hold.

That was so of batches and programmes, and of the modes by which a class with a school or off site is judged: the rules,
the pages and their tests were there, and each test had put its row in by itself.
"""

import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import String, Text

from server.store import schema, schema_residence, schema_rights, schema_work
from tests.server.store.writers import Written

assert schema_residence and schema_rights and schema_work, "the metadata is whole"
TABLES = schema.metadata.tables
CHOICES = tomllib.loads((Path(__file__).parent / "choices.toml").read_text())

#: tables that nothing writes, and why they are there
UNWRITTEN = {
    "person_fact": "for facts that decide who may see somebody's absence: of a later issue",
    "person_relation": "guardians, employers, sponsors: of a later issue",
    "outside_status": "what TPG says of a mark: of a later issue",
    "shift": "a shift is worked out from its sessions (policy/shifts.py): none is kept",
}
#: columns that nothing writes
UNWRITTEN_COLUMNS = {
    "account.locked_until_ms": "of release 0.1.0, which locked accounts; written no more",
    "api_token.expires_ms": "a token ends by being revoked",
    "batch.course_run_id": "a class names its run and its batch itself",
    "pin_key.to_ms": "the key of PINs is not changed: a new one would want every PIN anew",
    "remark.person_id": "remarks are about sessions; what is about a student is the mark's note",
    "session.batch_id": "a session's batch is its classes'",
    "session.shift_id": "no shift is kept",
}


@pytest.fixture(scope="module")
def written(repo):
    return Written.by(repo, TABLES)


def words_of(column: str) -> list[str]:
    """The words that this column may hold, by the list."""
    if column in CHOICES["words"]:
        return CHOICES["words"][column].split()
    module, _, name = CHOICES["of"][column].partition(":")
    return list(getattr(import_module(module), name))


def test_every_table_has_a_writer(written):
    missing = set(TABLES) - written.inserted
    assert missing == set(UNWRITTEN), "nothing in server/ inserts into these (or an exception is one no more)"


def test_every_column_has_a_writer(written):
    found = {
        f"{name}.{column}"
        for name, table in TABLES.items()
        if name in written.inserted
        for column in set(table.c.keys()) - written.columns(name)
        # A number that the database gives.
        if column != "id"
    }
    assert found == set(UNWRITTEN_COLUMNS), "nothing in server/ writes these (or an exception is one no more)"


def test_every_column_of_words_is_a_choice_or_said_to_be_none():
    short = {
        f"{name}.{column.name}"
        for name, table in TABLES.items()
        for column in table.c
        if isinstance(column.type, String) and not isinstance(column.type, Text) and (column.type.length or 99) <= 48
    }
    others = [one for some in CHOICES["others"].values() for one in some.split()]
    listed = [*CHOICES["of"], *CHOICES["words"], *others]
    assert len(listed) == len(set(listed))
    assert sorted(short - set(listed)) == [], "say in choices.toml what it may hold, or what it is"
    assert sorted(set(listed) - short) == [], "in choices.toml, and in no table"


@pytest.mark.parametrize("column", [*CHOICES["of"], *CHOICES["words"]])
def test_every_word_of_a_choice_has_a_writer(written, column):
    words = words_of(column)
    assert words and len(words) == len(set(words))
    unwritten = [one for one in words if not written.puts(column.partition(".")[0], one)]
    assert unwritten == [], f"nothing in server/ puts these into {column}"


# What the reading must find, and once did not have: each a writer taken out of the code as it is.


def test_a_table_whose_only_insert_is_taken_out_is_found(written):
    assert "batch" not in written.but("server/store/batches.py", "batch.insert()", "select(batch)").inserted


def test_a_column_whose_only_update_is_taken_out_is_found(written):
    spoiled = written.but("server/store/batches.py", ".values(batch_id=becomes)", ".values()")
    assert "batch_id" in written.columns("class_group") and "batch_id" not in spoiled.columns("class_group")


def test_a_mode_that_no_form_offers_is_found(written):
    offered = '    (SCHOOL_LINK, "with a school: a school-link register"),\n'
    spoiled = written.but("server/pages/campus_session_form.py", offered, "")
    assert not spoiled.puts("session", "school-link") and spoiled.puts("session", "off-site")


def test_a_word_that_no_form_sends_any_more_is_found(written):
    spoiled = written.but("server/pages/templates/_below.html", 'name="kind" value="not-mine"', 'name="kind"')
    assert written.puts("register_report", "not-mine") and not spoiled.puts("register_report", "not-mine")


def test_a_word_that_is_only_compared_with_listed_or_explained_is_not_written():
    text = """
from server.store.schema_work import absence
KINDS = ("open", "shut")
WORDS = {"open": "is open"}

def read(row, connection):
    absence.insert().values(state="new")
    return row.state == "open" or row.state in ("shut",)
"""
    reading = Written({"server/store/one.py": text}, TABLES)
    assert reading.inserted == {"absence"} and reading.puts("absence", "new")
    assert not reading.puts("absence", "open") and not reading.puts("absence", "shut")
