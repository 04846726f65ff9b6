"""The institution's own authority: what it signs, what it does not, and where its key is."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from server import certificates
from server.errors import BadSetting, NotFound, Refused, StoreError
from server.store import authorities
from server.store.engine import reading, writing
from server.store.schema_trust import authority
from server.vault import Vault
from tests.server.trust.asking import request

NOW = 1_790_000_000_000
YEAR = 365 * 24 * 3_600_000


@pytest.fixture(scope="module")
def made():
    return certificates.make_authority("college", NOW)


def test_a_broker_has_its_names_and_a_reader_has_none(made):
    broker = x509.load_pem_x509_certificate(
        certificates.issue_broker(made, ["mqtt.example.org", "192.0.2.10"], NOW).certificate
    )
    names = broker.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mqtt.example.org"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.10"]
    reader = x509.load_pem_x509_certificate(certificates.issue_reader(made, request(), "a-1", NOW))
    for one, purpose in ((broker, ExtendedKeyUsageOID.SERVER_AUTH), (reader, ExtendedKeyUsageOID.CLIENT_AUTH)):
        one.verify_directly_issued_by(x509.load_der_x509_certificate(made.certificate))
        assert list(one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [purpose]
        assert not one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    with pytest.raises(x509.ExtensionNotFound):
        reader.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_a_reader_whose_clock_stands_at_its_floor_takes_a_broker_certificate_of_years_later(made):
    later = NOW + 5 * YEAR
    broker = x509.load_pem_x509_certificate(certificates.issue_broker(made, ["b"], later).certificate)
    floor = datetime.fromtimestamp(NOW / 1000, UTC)
    assert broker.not_valid_before_utc < floor
    assert broker.not_valid_after_utc > floor + timedelta(days=5 * 365)


def test_whose_certificate_it_is_says_the_store_and_not_the_request(made):
    got = x509.load_pem_x509_certificate(certificates.issue_reader(made, request(name="b-2"), "a-1", NOW))
    assert got.subject.rfc4514_string() == "CN=a-1"
    assert got.not_valid_after_utc - datetime.fromtimestamp(NOW / 1000, UTC) == timedelta(days=30)


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"nothing",
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        request(ec.generate_private_key(ec.SECP384R1())),
        request(rsa.generate_private_key(65537, 2048)),
        request().replace(b"\n", b"\n" * 5000),
    ],
)
def test_what_is_no_request_for_such_a_key_is_refused(made, wrong):
    with pytest.raises(StoreError) as refused:
        certificates.issue_reader(made, wrong, "a-1", NOW)
    assert refused.value.code == "certificate-request"


@pytest.mark.parametrize("host", ["", "a b", "-x", "x..y", "host:8883", "x" * 64, "ä.example"])
def test_what_is_no_host_gets_no_certificate(made, host):
    with pytest.raises(StoreError) as refused:
        certificates.issue_broker(made, [host], NOW)
    assert refused.value.code == "host"


def test_the_key_is_sealed_and_there_is_one_authority(world):
    with writing(world.engine) as connection:
        made = authorities.make(connection, world.vault, world.institution_id, "college", NOW)
    (row,) = world.all(authority)
    assert bytes(row.certificate) == made.certificate
    assert made.key not in bytes(row.key)
    with reading(world.engine) as connection:
        assert authorities.signing(connection, world.vault, world.institution_id) == made
        with pytest.raises(BadSetting):
            authorities.signing(connection, Vault(b"x" * 32), world.institution_id)
    with writing(world.engine) as connection, pytest.raises(Refused):
        authorities.make(connection, world.vault, world.institution_id, "college", NOW)


def test_without_an_authority_nothing_is_signed(world):
    with reading(world.engine) as connection, pytest.raises(NotFound):
        authorities.signing(connection, world.vault, world.institution_id)


def test_a_key_is_in_no_text_that_may_reach_a_log(made):
    for one in (made, certificates.issue_broker(made, ["b"], NOW)):
        assert "PRIVATE" not in repr(one) and "key=" not in repr(one)
