"""Certificates for tests: an authority in DER, and a broker's of it as PEM files, with any name and any dates."""

import base64
import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
DAY_S = 86_400


def _at(epoch_s: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(epoch_s, datetime.UTC)


class Authority:
    """A small authority. from_s, until_s: its own dates, epoch seconds."""

    def __init__(self, from_s: int, until_s: int, name: str = "authority.test") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._sign(self._name, self._key.public_key(), from_s, until_s, None)

    @property
    def der(self) -> bytes:
        """Its certificate."""
        return self._certificate.public_bytes(DER)

    @property
    def pem(self) -> bytes:
        """Its certificate, as a broker's cafile wants it."""
        return self._certificate.public_bytes(PEM)

    @property
    def setting(self) -> str:
        """Its certificate as the settings file has it."""
        return base64.b64encode(self.der).decode()

    def issue(self, folder: Path, name: str, from_s: int, until_s: int) -> tuple[Path, Path]:
        """A certificate and its key as PEM files in `folder`; both are called by the name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), from_s, until_s, name)
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(PEM))
        plain = serialization.NoEncryption()
        paths[1].write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain))
        return paths

    def _sign(self, subject, key, from_s, until_s, name):
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        made = (
            made.serial_number(x509.random_serial_number()).not_valid_before(_at(from_s)).not_valid_after(_at(until_s))
        )
        made = made.add_extension(x509.BasicConstraints(ca=name is None, path_length=None), critical=True)
        if name is not None:
            made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        return made.sign(self._key, hashes.SHA256())
