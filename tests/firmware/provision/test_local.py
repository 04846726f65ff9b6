"""A Raspberry Pi becomes a reader on itself: the token once, the settings whole, and the same words again."""

import json
import stat
from typing import Any

import pytest

from firmware.provision import local
from firmware.provision.errors import ProvisionError
from tests.firmware.provision.provision_world import Quietly


@pytest.fixture
def path(tmp_path):
    return tmp_path / "etc" / "settings.json"


@pytest.fixture
def go(path, readers):
    def _go(token="T-1", *, certify=lambda settings: 0, **more: Any):
        more = {"talk": Quietly(), "data": path.parent / "none"} | more
        return local.provision(token, path, claim=readers.claim, certify=certify, **more)

    return _go


def test_a_pi_becomes_the_slots_reader_and_the_same_words_again_change_nothing(go, path, readers):
    made = go()
    assert (made.reader, made.room) == ("a-7", "R0")
    told = json.loads(path.read_text())
    assert told["key"] == readers.made[0]["key"] and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["settings.json"]
    assert go().room == "R0", "the same words give the same label"
    assert (go(None).reader, go(None).room) == ("a-7", None)
    assert json.loads(path.read_text()) == told and len(readers.made) == 1


def test_another_token_takes_no_pis_identity_away(go, path, readers):
    go()
    readers.tokens = {"T-2"}
    with pytest.raises(ProvisionError) as refused:
        go("T-2")
    assert (refused.value.code, readers.tokens) == ("board-taken", {"T-2"})


def test_records_of_a_reader_before_are_not_mixed_with_a_new_ones_and_no_token_is_used_up(go, readers, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "journal-1.db").write_bytes(b"records under another key")
    with pytest.raises(ProvisionError) as refused:
        go(data=data)
    assert (refused.value.code, readers.tokens) == ("board-journal", {"T-1"})
    (data / "journal-1.db").unlink()
    go(data=data)
    (data / "journal-1.db").write_bytes(b"its own")
    assert go(data=data).reader == go(None, data=data).reader == "a-7", "its own are no hindrance"


def test_where_settings_cannot_be_written_no_token_is_used_up(go, path, readers):
    path.parent.parent.mkdir(exist_ok=True)
    path.parent.write_text("a file, not a folder")
    with pytest.raises(ProvisionError) as refused:
        go()
    assert (refused.value.code, readers.tokens) == ("settings-file", {"T-1"})


def test_settings_that_cannot_be_read_are_left_alone(go, path, readers):
    path.parent.mkdir()
    path.write_text("{half")
    with pytest.raises(ProvisionError) as refused:
        go()
    assert (refused.value.code, path.read_text(), readers.tokens) == ("settings-file", "{half", {"T-1"})


def test_a_half_written_file_of_before_is_in_nobodys_way(go, path):
    path.parent.mkdir()
    path.with_name("settings.json.new").write_text("half")
    assert go().reader == "a-7"
    assert [one.name for one in path.parent.iterdir()] == ["settings.json"]


def test_a_pi_that_shows_a_certificate_gets_it_or_is_done_again(go, readers, path):
    before = readers.claim

    def with_certificate(token, board):
        got = before(token, board)
        got.settings["broker"]["tls"] = {"ca": ["x"], "name": "b", "floor": 0, "certificate": "c", "key": "k"}
        return got

    readers.claim = with_certificate
    asked = []
    with pytest.raises(ProvisionError) as refused:
        go(certify=lambda settings: asked.append(settings) or 1)
    assert (refused.value.code, asked) == ("certificate", [path])
    said = Quietly()
    assert go(certify=lambda settings: 0, talk=said).reader == "a-7", "the same words again, and no token is used up"
    assert "muster-pi-certificate.timer" in said.said[-1], "without it the door is shut after thirty days"


def test_a_pi_without_settings_and_without_a_token_says_what_it_wants(go):
    with pytest.raises(ProvisionError) as refused:
        go(None)
    assert refused.value.code == "token-needed"


def test_whose_releases_it_takes_is_said_at_the_claim_or_to_a_reader_that_is_there(go, path):
    first, second = ({"keys": [{"id": number, "n": f"{1 << 3071 | 1:x}"}]} for number in (1, 2))
    go(release=first)
    before = json.loads(path.read_text())
    assert before["release"] == first
    go(None)
    assert json.loads(path.read_text()) == before, "nobody said another"
    go(None, release=second)
    assert json.loads(path.read_text()) == before | {"release": second}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
