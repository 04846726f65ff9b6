"""`muster card`: cards that sign, from the list of whoever wrote them."""

import stat

import pytest

from server import card_command, card_signature
from server.store import schema, signed_cards
from server.store.engine import writing
from server.store.schema_cards import card_signer, signing_key
from tests.server.store_world import UIDS

UID, OTHER = "04DE5F1EACC040", "04:95:8C:AA:5C:5E:80"


def opened(world) -> dict[bytes, bytes]:
    found = [signed_cards.opened(world.vault, row.card_id, row.sealed) for row in world.all(card_signer)]
    return {one.uid: one.key for one in found}


def test_a_list_of_cards_is_sealed_each_with_its_key_and_twice_is_once(console, tmp_path, capsys):
    listed = tmp_path / "cards.txt"
    listed.write_text(f"# from the printer\n{UID}\n\n{OTHER},{'00' * 16}\n")
    for _ in range(2):
        assert card_command.main(["sign", str(listed)]) == 0
        assert "2 cards sign from now on" in capsys.readouterr().out
    found = opened(console)
    with writing(console.engine) as connection:
        secret = signed_cards.secret(connection, console.vault, console.institution_id, console.now_ms)
    uid = bytes.fromhex(UID)
    assert found == {uid: card_signature.diversified(secret, uid), bytes.fromhex(OTHER.replace(":", "")): bytes(16)}
    kept = " ".join(str(row) for table in schema.metadata.sorted_tables for row in console.all(table)).lower()
    assert UID.lower() not in kept and repr(uid)[2:-1].lower() not in kept
    assert [row.action for row in console.all(schema.audit)].count("card.sign") == 2


@pytest.mark.parametrize("line", ["04DE5F1E", "xyz", f"{UID},00", f"{UID},", UIDS[0].hex(), f"{UID} {UID}"])
def test_a_line_that_is_no_card_is_named_by_its_place_alone(console, tmp_path, capsys, line):
    listed = tmp_path / "cards.txt"
    listed.write_text(f"{OTHER}\n{line}\n")
    status = card_command.main(["sign", str(listed)])
    told = capsys.readouterr().err
    if line.endswith(","):
        assert status == 0
        return
    assert status == 1 and "line 2" in told and line not in told
    assert console.all(card_signer) == []


def test_the_secret_is_written_for_its_owner_alone_and_a_second_one_is_refused(console, tmp_path, capsys):
    out = tmp_path / "secret"
    assert card_command.main(["secret", "--out", str(out)]) == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert len(bytes.fromhex(out.read_text())) == 16
    assert card_command.main(["secret", "--out", str(out)]) == 1
    assert card_command.main(["secret", "--take", str(out)]) == 1
    assert "[signing-key-there]" in capsys.readouterr().err
    (row,) = console.all(signing_key)
    assert bytes.fromhex(out.read_text()) not in bytes(row.secret)


def test_a_secret_that_was_made_elsewhere_is_taken_over_and_nonsense_is_not(console, tmp_path, capsys):
    made = tmp_path / "made"
    for text in ("zz", "00" * 15, ""):
        made.write_text(text)
        assert card_command.main(["secret", "--take", str(made)]) == 1
    assert card_command.main(["secret", "--take", str(tmp_path / "missing")]) == 1
    assert "[card-file]" in capsys.readouterr().err
    made.write_text("0123456789abcdef" * 2 + "\n")
    assert card_command.main(["secret", "--take", str(made)]) == 0
    with writing(console.engine) as connection:
        secret = signed_cards.secret(connection, console.vault, console.institution_id, console.now_ms)
    assert secret.hex() == "0123456789abcdef" * 2
