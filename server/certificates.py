"""The institution's own small certificate authority: P-256 throughout, as the boards' mbedTLS reads it. No SQL, no files.

Two traps are answered here. A reader that lost the time believes no date but its floor (`tls.floor` in its settings, the
time when they were made): so whatever the broker shows is valid from the authority's own beginning on, however late it
was issued. And a reader's certificate is no broker's: each says what it is for (extended key usage), and only the
broker's has a name that readers look for.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firmware.contract import renewal
from server.errors import StoreError

#: a reader on a wall keeps the authority that it was given: it outlives the reader
AUTHORITY_DAYS = 20 * 365
BROKER_DAYS = 2 * 365
#: clocks differ: an authority holds from a day before it was made
BEFORE = timedelta(days=1)
#: bytes of a request that are looked at
REQUEST_MOST = 4096
_HOST = re.compile(r"(?!-)[a-zA-Z0-9-]{1,63}(?<!-)(\.(?!-)[a-zA-Z0-9-]{1,63}(?<!-))*")


@dataclass(frozen=True, kw_only=True)
class Authority:
    """An authority that can sign. certificate: DER. key: PKCS#8, DER."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


def make_authority(name: str, now_ms: int, *, since_ms: int | None = None) -> Authority:
    """A new authority with its key. name: the institution's, for people who read certificates. since_ms: when the one
    before it began: the next holds from then on, so that a reader that knows only an old floor takes it as well."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _called(f"Muster {name}"[:64])
    begins = _moment(now_ms) - BEFORE
    until = begins + timedelta(days=AUTHORITY_DAYS)
    if since_ms is not None:
        begins = min(begins, _moment(since_ms))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(
        certificate=made.public_bytes(serialization.Encoding.DER),
        key=key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def issue_broker(authority: Authority, hosts: Sequence[str], now_ms: int) -> Issued:
    """A key and a certificate for what answers under these names and addresses (a broker; any server of ours).

    Raises StoreError(`host`) for what is neither.
    """
    if not hosts:
        raise StoreError("host", "say with --host under which name or address readers reach it; several are allowed")
    key = ec.generate_private_key(ec.SECP256R1())
    until = _moment(now_ms) + timedelta(days=BROKER_DAYS)
    names = x509.SubjectAlternativeName([_alternative(host) for host in dict.fromkeys(hosts)])
    made = _issue(authority, hosts[0], key.public_key(), until, ExtendedKeyUsageOID.SERVER_AUTH, names)
    return Issued(
        certificate=made,
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def issue_reader(authority: Authority, request: bytes, reader: str, now_ms: int) -> bytes:
    """A reader's certificate (PEM) for the key in its request (PEM). Its name is the store's to say, not the request's.

    Raises StoreError(`certificate-request`) for what is no request for a P-256 key, signed by that key.
    """
    refused = StoreError(
        "certificate-request", "this is no signed request for a P-256 key: let the reader make a new key"
    )
    if len(request) > REQUEST_MOST:
        raise refused
    try:
        asked = x509.load_pem_x509_csr(request)
        key, signed = asked.public_key(), asked.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise refused from error
    if not signed or not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise refused
    until = _moment(now_ms) + timedelta(days=renewal.DAYS)
    return _issue(authority, reader, key, until, ExtendedKeyUsageOID.CLIENT_AUTH, None)


def pem(certificate: bytes) -> bytes:
    """The DER certificate as PEM."""
    return x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM)


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a DER certificate, in hex by pairs: what two people compare on the telephone."""
    return x509.load_der_x509_certificate(certificate).fingerprint(hashes.SHA256()).hex(":")


def span_ms(certificate: bytes) -> tuple[int, int]:
    """From when until when a certificate (DER) holds, UTC ms."""
    read = x509.load_der_x509_certificate(certificate)
    return int(read.not_valid_before_utc.timestamp() * 1000), int(read.not_valid_after_utc.timestamp() * 1000)


def ends_ms(certificate: bytes) -> int:
    """Until when a certificate (PEM) holds, UTC ms."""
    return int(x509.load_pem_x509_certificate(certificate).not_valid_after_utc.timestamp() * 1000)


def _issue(
    authority: Authority,
    name: str,
    key: ec.EllipticCurvePublicKey,
    until: datetime,
    purpose: x509.ObjectIdentifier,
    names: x509.SubjectAlternativeName | None,
) -> bytes:
    above = x509.load_der_x509_certificate(authority.certificate)
    signer = serialization.load_der_private_key(authority.key, password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    made = (
        x509.CertificateBuilder()
        .subject_name(_called(name[:64]))
        .issuer_name(above.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Not from now on: see above.
        .not_valid_before(above.not_valid_before_utc)
        .not_valid_after(min(until, above.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if names is not None:
        made = made.add_extension(names, critical=False)
    return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise StoreError("host", f"{host!r} is no name of a host and no IP address")
    return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _moment(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms // 1000, UTC)
