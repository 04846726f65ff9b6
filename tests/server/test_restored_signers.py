"""`muster restore` and cards that sign: their keys stand nowhere else, so they are taken over, or said to be lacking."""

from pathlib import Path

import pytest

from server import settings
from server.store import schema, signed_cards
from server.store.schema_cards import card_signer, signing_key
from server.vault import Vault
from tests.server.test_backup_and_restore import engine, rows, run

assert run  # the fixture
pytestmark = pytest.mark.rule("PORT-9")
BEFORE, SINCE = "04DE5F1EACC040", "041E3C8A2D6B80"


def vault():
    return Vault.from_file(settings.load({}, Path.cwd()).server_key_file)


def signers():
    """(number, key) of each card that signs, and the secrets, opened."""
    opened = vault()
    held = {signed_cards.opened(opened, row.card_id, row.sealed) for row in rows(card_signer)}
    return (
        {(one.uid, one.key) for one in held},
        {signed_cards.open_secret(opened, row.institution_id, row.secret) for row in rows(signing_key)},
    )


def sign(run, number):
    Path("cards.txt").write_text(number + "\n")
    assert run("card", "sign", "cards.txt")[0] == 0


@pytest.mark.parametrize(("file", "many"), [("one", 2), ("none-yet", 3)])
def test_cards_that_sign_registered_since_and_their_secret_are_taken_over(run, file, many):
    run("backup", "none-yet")
    sign(run, BEFORE)
    run("backup", "one")
    # A card of another number in between: the same card has another number in the restored store.
    sign(run, "04AAAAAAAAAA80")
    sign(run, SINCE)
    held, secrets = signers()
    assert len(held) == 3 and len(secrets) == 1
    status, said = run("restore", file, "--over")
    assert (status, f"cards that sign registered since, taken over: {many}" in said) == (0, True), said
    assert ("secret of which signing cards' keys are made" in said) is (file == "none-yet"), said
    assert signers() == (held, secrets), "each signs with its own key, sealed under its number here"
    assert len(rows(schema.card)) == 3
    assert BEFORE.lower() not in said.lower() and SINCE.lower() not in said.lower()


def test_where_the_old_store_cannot_be_read_it_is_said_what_must_be_registered_again(run, monkeypatch):
    run("backup", "one")
    sign(run, SINCE)
    made = engine()
    with made.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    made.dispose()
    status, said = run("restore", "one", "--over")
    assert (status, "cards that sign registered since must be registered again" in said) == (0, True), said
    assert rows(card_signer) == []
