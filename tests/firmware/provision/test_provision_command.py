"""`muster provision` as it is given, at a Pi that is a reader already: its label, its release keys, where its renewal asks."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware.provision import command
from firmware.provision.claim import fingerprint

STORE = "https://muster.example"


@pytest.fixture
def path(tmp_path):
    """Its settings, of a slot that the token T-1 was for."""
    path = tmp_path / "settings.json"
    told = {
        "v": 1,
        "site": "main",
        "reader": "a-7",
        "key": {"id": 1, "secret": "ab" * 32},
        "card_keys": [{"id": 1, "secret": "cd" * 32}],
        "broker": {"host": "127.0.0.1", "port": 1, "user": "a-7", "password": "x"},
        "slot": fingerprint("T-1"),
        "room": "BK 0.12",
        "replaces": None,
    }
    path.write_text(json.dumps(told))
    return path


@pytest.fixture
def go(path, capsys):
    def _go(*words, token="T-1"):
        said = ["--pi", "--settings", str(path), "--store", STORE, "--no-test", "--unattended"]
        status = command.main([*said, *(["--token", token] if token else []), *map(str, words)])
        return status, "".join(capsys.readouterr())

    return _go


def test_a_label_that_cannot_be_written_is_said_and_the_same_words_again_write_it(go, tmp_path):
    status, said = go("--label", tmp_path / "none" / "label.svg")
    assert status == command.FAILED and "a-7 is ready" in said and "--label FILE" in said and "BK 0.12" in said
    status, said = go("--label", tmp_path / "label.svg")
    assert status == command.OK and "BK 0.12" in (tmp_path / "label.svg").read_text()


def test_without_a_token_no_label_is_made_of_a_door_where_it_may_be_no_more(go, tmp_path):
    status, _ = go("--label", tmp_path / "label.svg", token=None)
    assert (status, (tmp_path / "label.svg").exists()) == (command.OK, False)


def test_release_keys_are_taken_as_the_command_printed_them_and_nothing_else_is(go, path, tmp_path):
    keys = {"keys": [{"id": 2, "n": f"{1 << 3071 | 1:x}"}]}
    before = json.loads(path.read_text())
    for wrong in ("", "[]", "{}", '{"release": {"keys": []}}', '{"release": {"keys": [{"id": 2, "n": "ff"}]}}'):
        (tmp_path / "keys.json").write_text(wrong)
        status, said = go("--release", tmp_path / "keys.json", token=None)
        assert status == command.FAILED and "[release-keys]" in said, wrong
    assert json.loads(path.read_text()) == before
    (tmp_path / "keys.json").write_text(json.dumps({"release": keys}))
    assert go("--release", tmp_path / "keys.json", token=None)[0] == command.OK
    assert json.loads(path.read_text()) == before | {"release": keys}


def test_where_the_renewal_of_its_certificate_asks_stands_beside_its_settings(go, path, tmp_path):
    pair = tmp_path / "broker.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a-7")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=30))
        .sign(key, hashes.SHA256())
        .public_bytes
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair.write_bytes(secret + made(serialization.Encoding.PEM))
    told = json.loads(path.read_text())
    der = base64.b64encode(made(serialization.Encoding.DER)).decode()
    told["broker"]["tls"] = {"ca": [der], "name": "b", "floor": 0, "certificate": str(pair), "key": str(pair)}
    path.write_text(json.dumps(told))
    assert go("--label", tmp_path / "label.svg")[0] == command.OK
    assert (tmp_path / "pi.env").read_text() == f"STORE={STORE}\n"
