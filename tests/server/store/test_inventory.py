"""Everything that is stored has a line that says of whom, what and why: a new table or column cannot come without one."""

import pytest

from server.store import schema, schema_residence, schema_rights, schema_work
from server.store.inventory import CLASSES, NOBODY, SECRET, TOKEN
from server.store.inventory_all import EVERY, as_markdown, of_group
from server.store.inventory_groups import GROUPS
from tests.rules import rule

assert schema_residence and schema_rights and schema_work, "the metadata is whole"


@rule("DDU-12")
def test_every_table_has_a_line():
    missing = sorted(set(schema.metadata.tables) - set(EVERY))
    assert not missing, f"say in server/store/inventory_*.py of whom, what and why: {missing}"
    assert not set(EVERY) - set(schema.metadata.tables), "a line for a table that is gone"


@pytest.mark.parametrize("kept", EVERY.values(), ids=EVERY)
def test_every_column_has_a_class_and_every_line_a_purpose(kept):
    assert {kept.column_class(one.name) for one in kept.table.c} <= set(CLASSES)
    assert set(kept.columns) <= {one.name for one in kept.table.c}, "a class for a column that is gone"
    assert kept.group in GROUPS and kept.holds.endswith(".")


@pytest.mark.parametrize("kept", EVERY.values(), ids=EVERY)
def test_a_table_that_names_a_person_says_how_their_rows_are_found(kept):
    if "person_id" in kept.table.c:
        assert kept.way is not None and "person_id" in kept.own and kept.whose != NOBODY


def test_a_text_without_a_class_is_found():
    from sqlalchemy import Column, MetaData, Table, Text

    from server.store.inventory import Kept

    new = Kept(table=Table("new", MetaData(), Column("words", Text)), holds="Something.", group="who")
    with pytest.raises(KeyError, match=r"new\.words"):
        new.column_class("words")


def test_what_opens_something_or_stands_for_a_card_is_classed_so():
    found = {f"{one.table.name}.{name}" for one in EVERY.values() for name in one.table.c.keys()  # noqa: SIM118
             if one.column_class(name) in (SECRET, TOKEN)}  # fmt: skip
    named = {f"{one.table.name}.{column.name}" for one in EVERY.values() for column in one.table.c
             if any(word in column.name for word in ("secret", "token", "password", "salt", "csrf"))}  # fmt: skip
    others = {"check_in.witness_token", "kiosk_event.by_token", "check_in.witness_key_id"}
    assert named - found - others == set()


def test_every_purpose_is_used_and_the_docs_say_what_the_table_says(repo):
    assert all(of_group(group) for group in GROUPS)
    assert as_markdown() in (repo / "docs" / "privacy.md").read_text(), (
        "docs/privacy.md is stale: put the output of `python -m server.store.inventory_all` in"
    )
