"""Erasing a person, in every table: what says who they are goes, what proves stays, and nobody else is touched (DDU-12)."""

from typing import Any

import pytest

from server.errors import NotAllowed, Refused, StoreError
from server.policy import profile
from server.scope import DEPARTMENT, REGISTRY, Grant, Scope
from server.store import accounts, campus, person_erasure, schema, schema_residence, schema_rights, schema_work
from server.store.engine import open_engine, writing
from server.store.inventory import NAME, TEXT, TOKEN
from server.store.inventory_all import EVERY
from tests.rules import rule
from tests.server.store.personal_world import Personal

NOW = 1_800_000_000_000
PROFILES = profile.read_all()
#: rows of these end: their `to_ms` says when
ENDED = {"card_assignment", "enrolment", "residency", "duty", "account_role"}


@pytest.fixture
def two(database_url, tmp_path):
    engine = open_engine(database_url)
    made = Personal(engine)
    made.folder = tmp_path
    yield made
    engine.dispose()


def everything(two) -> dict:
    with two.engine.connect() as connection:
        return {
            name: {
                tuple(row._mapping[one.name] for one in kept.table.primary_key.columns): dict(row._mapping)
                for row in connection.execute(kept.table.select())
            }
            for name, kept in EVERY.items()
        }


def erase(two, whose="a", *, reason="asked for", scope=None):
    scope = scope or accounts.at_the_console(two.id("institution", "shared"))

    def work(connection):
        person_id = two.id("person", whose)
        return person_erasure.erase(connection, two.folder, scope, PROFILES, person_id, reason=reason, now_ms=NOW)

    return work


@rule("DDU-12")
def test_what_says_who_somebody_is_goes_from_every_table_and_nobody_else_is_touched(two):
    before = everything(two)
    with writing(two.engine) as connection:
        done = erase(two)(connection)
    after = everything(two)
    for name, kept in EVERY.items():
        if kept.way is None:
            continue
        assert after[name][two.key(name, "b")] == before[name][two.key(name, "b")], f"{name}: another person's row"
        old, new = before[name][two.key(name, "a")], after[name].get(two.key(name, "a"))
        assert (new is None) == kept.goes, name
        if new is None:
            continue
        for column in kept.table.c:
            # What goes in a class of its own; what nobody knows them by stays.
            if kept.column_class(column.name) in (NAME, TEXT, TOKEN) and old[column.name]:
                assert new[column.name] != old[column.name], f"{name}.{column.name} still says it"
    token = two.rows["swipe", "a"]["token"]
    assert all(bytes(token) not in (row["token"], row["token2"]) for row in after["swipe"].values())
    assert {row["text"] for row in after["note"].values() if row["id"] == two.id("note", "a")} == {""}
    assert {name for name in EVERY if before[name] == after[name]} >= {
        "mark",
        "mark_current",
        "credit",
        "reading",
        "session",
    }
    assert all(bytes(row["mac"]) == bytes(before["record"][key]["mac"]) for key, row in after["record"].items())
    for name in ENDED & set(after):
        found = after[name].get(two.key(name, "a"))
        assert found is None or found["to_ms"] in (NOW, before[name][two.key(name, "a")]["to_ms"]), name
    with_the_card = {table.name for table in person_erasure.WITH_THE_CARD}
    assert {one.table.name for one in EVERY.values() if one.goes} - with_the_card == set(person_erasure.WORDS)
    assert done.goes["names"] == 1 and done.goes["fingers in sensors"] == 1


@rule("DDU-12")
def test_a_consent_ends_and_keeps_its_words_digest_and_a_template_is_to_be_erased(two):
    before = everything(two)
    with writing(two.engine) as connection:
        connection.execute(schema_residence.consent.update().values(withdrawn_ms=None, withdrawn_by_account_id=None))
        done = erase(two)(connection)
    after = everything(two)
    key = two.key("consent", "a")
    assert after["consent"][key]["withdrawn_ms"] == NOW
    assert after["consent"][two.key("consent", "b")]["withdrawn_ms"] is None
    assert after["consent"][key]["text_digest"] == before["consent"][key]["text_digest"]
    assert after["template"][two.key("template", "a")]["state"] == "erasing"
    assert after["check_in"][two.key("check_in", "a")]["cell"] is None
    assert any("A sensor still holds a finger" in one for one in done.kept)


def test_a_preview_is_the_same_work_undone(two):
    before = everything(two)
    looked = campus.tried(two.engine, erase(two))
    assert everything(two) == before
    with writing(two.engine) as connection:
        assert erase(two)(connection) == looked


def test_what_an_open_decision_needs_is_kept_and_said(two):
    with writing(two.engine) as connection:
        connection.execute(schema_work.absence.update().values(state="open"))
        done = erase(two)(connection)
    assert any("waits for a decision" in one for one in done.kept)
    after = everything(two)
    assert after["note"][two.key("note", "a")]["erased_ms"] is None
    assert after["attachment"][two.key("attachment", "a")]["erased_ms"] is None
    with writing(two.engine) as connection, pytest.raises(Refused, match="erased already"):
        erase(two)(connection)


def test_whoever_is_here_oneself_and_others_care_are_refused(two):
    institution = two.id("institution", "shared")
    before = everything(two)
    whole = (Grant(role=REGISTRY),)
    own = Scope(institution_id=institution, account_id=1, person_id=two.id("person", "a"), grants=whole)
    part = Scope(
        institution_id=institution, account_id=1, person_id=None,
        grants=(Grant(role=REGISTRY, scope=DEPARTMENT, scope_id=two.rows["person_department", "a"]["department_id"]),),
    )  # fmt: skip
    with writing(two.engine) as connection:
        tried: list[tuple[type[StoreError], dict[str, Any]]] = [
            (Refused, {"scope": own}),
            (NotAllowed, {"scope": part}),
            (StoreError, {"reason": " "}),
        ]
        connection.execute(schema_rights.person_department.update().values(to_ms=None))
        for refused, arguments in tried:
            with pytest.raises(refused) as error:
                erase(two, **arguments)(connection)
            assert error.value.code in ("person-oneself", "not-allowed", "erase-reason")
        connection.execute(schema.person.update().values(ended_ms=None))
        with pytest.raises(Refused) as error:
            erase(two)(connection)
        assert error.value.code == "person-here"
        connection.execute(schema.person.update().values(ended_ms=5))
    after = everything(two)
    assert {name for name in EVERY if before[name] != after[name]} <= {"person", "person_department"}
