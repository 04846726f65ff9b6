"""The Pi's own certificate: asked for under the reader's key, looked at, renewed at half of its life."""

import base64
import http.client
import json
import os
import ssl
import urllib.error
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware.contract import renewal
from firmware.contract.mac import Key
from firmware.pi import certificate, trust
from firmware.reader.settings import Settings, Tls

NOW = datetime.now(UTC)
KEY = Key(3, b"r" * 32)


class Authority:
    """A store's, that signs what it is asked, for `days`."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.der = self.sign(self.name, self.key.public_key(), 3650, ca=True).public_bytes(serialization.Encoding.DER)
        self.asked: list[tuple[str, str]] = []
        self.knows: list[list[str]] = []

    def sign(self, subject, key, days, *, ca=False):
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
        made = made.serial_number(x509.random_serial_number()).not_valid_before(NOW - timedelta(days=400))
        made = made.not_valid_after(NOW + timedelta(days=days))
        return made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), True).sign(self.key, hashes.SHA256())

    def answer(self, *, days=30, key=None, names=None, mac=None):
        """names: the authorities that it says are to be trusted; mac: what it says instead of its own MAC over them."""

        def ask(address: str, body: bytes, token: str) -> str:
            request, knows = json.loads(body)["request"].encode(), json.loads(body)["knows"]
            said = renewal.read(token)
            assert (said.reader, said.key) == ("p-1", 3)
            assert KEY.made(renewal.text("p-1", 3, request, knows), said.mac)
            self.asked.append((address, token))
            self.knows.append(knows)
            asked = x509.load_pem_x509_csr(request)
            made = self.sign(asked.subject, key or asked.public_key(), days)
            told: dict[str, object] = {"certificate": made.public_bytes(serialization.Encoding.PEM).decode()}
            if names is not None:
                told["authorities"] = [base64.b64encode(one).decode() for one in names]
                told["mac"] = (mac or KEY.mac(renewal.answer_text("p-1", 3, request, names))).hex()
            return json.dumps(told)

        return ask


@pytest.fixture
def authority():
    return Authority()


@pytest.fixture(params=["one file", "two files"])
def settings(request, authority, tmp_path):
    pair = tmp_path / "pair.pem"
    paths = (str(pair), str(pair)) if request.param == "one file" else (str(tmp_path / "c"), str(tmp_path / "k"))
    tls = Tls((authority.der,), "broker", 0, *paths)
    return Settings("main", "p-1", KEY, [KEY], {}, None, tls)


def test_what_it_got_is_a_pair_that_tls_takes(settings, authority):
    until = certificate.renew(settings, "https://store/", authority.answer(), NOW)
    assert abs(until - NOW - timedelta(days=30)) < timedelta(seconds=2)
    assert authority.asked[0][0] == "https://store/api/reader/v1/certificate"
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(settings.tls.certificate, settings.tls.key)
    assert certificate.is_fresh(settings.tls, "p-1", NOW)


def test_it_learns_the_next_authority_by_the_stores_word_and_takes_what_that_one_issues(settings, authority):
    other = Authority()
    certificate.renew(settings, "https://store", authority.answer(names=[authority.der, other.der]), NOW)
    assert trust.authorities(settings.tls) == [authority.der, other.der]
    # It says so the next time, and the one before may end.
    certificate.renew(settings, "https://store", other.answer(names=[other.der]), NOW)
    assert other.knows == [[renewal.digest(authority.der), renewal.digest(other.der)]]
    assert trust.authorities(settings.tls) == [other.der]
    assert certificate.is_fresh(settings.tls, "p-1", NOW)


def test_what_was_turned_to_without_it_it_learns_all_the_same(settings, authority):
    other = Authority()
    certificate.renew(settings, "https://store", other.answer(names=[other.der, authority.der]), NOW)
    assert trust.authorities(settings.tls) == [other.der, authority.der]


@pytest.mark.parametrize("wrong", ["mac", "none", "three", "no certificate"])
def test_an_authority_that_the_store_did_not_name_is_not_trusted(settings, authority, wrong):
    other = Authority()
    names = {"none": [], "three": [authority.der] * 3, "no certificate": [b"x"]}.get(wrong, [authority.der, other.der])
    mac = bytes(16) if wrong == "mac" else None
    with pytest.raises(certificate.RenewalError):
        certificate.renew(settings, "https://store", authority.answer(names=names, mac=mac), NOW)
    assert trust.authorities(settings.tls) == [authority.der] and not Path(settings.tls.certificate).exists()


def test_settings_that_were_made_since_are_trusted_and_not_what_was_learnt_before(settings, authority):
    other = Authority()
    certificate.renew(settings, "https://store", authority.answer(names=[other.der, authority.der]), NOW)
    later = settings.tls._replace(floor_s=int(NOW.timestamp()) + 3600)
    assert trust.authorities(later) == [authority.der]
    trust.beside(settings.tls).write_bytes(b"damaged")
    assert trust.authorities(settings.tls) == [authority.der]


def test_it_is_renewed_when_half_of_it_is_over_and_then_with_another_key(settings, authority):
    certificate.renew(settings, "https://store", authority.answer(), NOW)
    assert certificate.is_fresh(settings.tls, "p-1", NOW + timedelta(days=14, hours=23))
    assert not certificate.is_fresh(settings.tls, "p-1", NOW + timedelta(days=15, hours=1))
    before = Path(settings.tls.key).read_bytes()
    certificate.renew(settings, "https://store", authority.answer(), NOW)
    assert Path(settings.tls.key).read_bytes() != before


def test_the_certificate_of_the_reader_that_this_pi_was_before_is_no_fresh_one(settings, authority):
    certificate.renew(settings, "https://store", authority.answer(), NOW)
    assert certificate.is_fresh(settings.tls, "p-1", NOW) and not certificate.is_fresh(settings.tls, "p-2", NOW)


@pytest.mark.parametrize(
    "what",
    [
        "another authority",
        "another key",
        "over",
        "no certificate",
        "no json",
        "deep",
        "refused",
        "away",
        "no scheme",
        "no HTTP",
    ],
)
def test_what_is_wrong_leaves_what_was_there(settings, authority, what):
    certificate.renew(settings, "https://store", authority.answer(), NOW)
    before = Path(settings.tls.certificate).read_bytes()

    def raises(error):
        def ask(*_):
            raise error

        return ask

    asks = {
        "another authority": Authority().answer(),
        "another key": authority.answer(key=ec.generate_private_key(ec.SECP256R1()).public_key()),
        "over": authority.answer(days=-1),
        "no certificate": lambda *_: json.dumps({"certificate": "x"}),
        "no json": lambda *_: "<html>",
        "deep": lambda *_: "[" * 200_000,
        "refused": raises(urllib.error.HTTPError("x", 403, "no", Message(), None)),
        "away": raises(OSError("no route")),
        "no scheme": raises(ValueError("unknown url type")),
        "no HTTP": raises(http.client.BadStatusLine("x")),
    }
    with pytest.raises(certificate.RenewalError):
        certificate.renew(settings, "https://store", asks[what], NOW)
    assert Path(settings.tls.certificate).read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_gets_at_the_provisioning_is_the_readers_to_read(settings, authority, tmp_path):
    os.chown(tmp_path, 65_534, 65_534)
    certificate.renew(settings, "https://store", authority.answer(), NOW)
    for path in {settings.tls.certificate, settings.tls.key}:
        assert (Path(path).stat().st_uid, Path(path).stat().st_mode & 0o777) == (65_534, 0o600)


def test_a_pair_that_does_not_fit_is_not_fresh(settings, authority, tmp_path):
    assert not certificate.is_fresh(settings.tls, "p-1", NOW)
    certificate.renew(settings, "https://store", authority.answer(), NOW)
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "other").write_bytes(other)
    assert not certificate.is_fresh(settings.tls._replace(key=str(tmp_path / "other")), "p-1", NOW)
