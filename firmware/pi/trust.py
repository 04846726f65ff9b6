"""Whom the Pi's link trusts: a TLS context with the authorities that it knows, and the Pi's own certificate.

A context is made for each connection, so that a certificate that was renewed meanwhile is used from the next one on.
"""

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from firmware.reader.settings import Tls

#: OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python has no name for (openssl/x509_vfy.h).
NO_CHECK_TIME = 0x200000


class _Named(ssl.SSLContext):
    """Checks the certificate for the settings' name: paho hands in the host, which is an address."""

    name: str

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        kwargs["server_hostname"] = self.name
        return super().wrap_socket(*args, **kwargs)


def beside(tls: Tls) -> Path | None:
    """Where the authorities stand that were learnt since the settings were made (`muster pi certificate`), PEM."""
    return None if tls.certificate is None else Path(f"{tls.certificate}.ca")


def authorities(tls: Tls) -> list[bytes]:
    """Every authority that is trusted, DER: those that the store named last, else the settings'. What it named takes the
    settings' place, so that an authority that has ended is trusted no more; not of settings that were made since."""
    path = beside(tls)
    try:
        since = path is not None and path.stat().st_mtime >= tls.floor_s
        learnt = x509.load_pem_x509_certificates(path.read_bytes()) if path is not None and since else []
    except (OSError, ValueError):
        learnt = []
    return [one.public_bytes(Encoding.DER) for one in learnt] or list(tls.ca)


def context(tls: Tls, now_s: Callable[[], float] = time.time) -> ssl.SSLContext:
    """A context for one connection. now_s: the system's clock, epoch seconds.

    A Pi without a battery may start years back, until it hears from an NTP server. While its clock is earlier than the
    settings' floor it knows no date: then dates alone are not looked at. Raises OSError (ssl.SSLError is one) where a file
    is missing or something in it is no certificate.
    """
    made = _Named(ssl.PROTOCOL_TLS_CLIENT)
    made.name = tls.name
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    for der in authorities(tls):
        made.load_verify_locations(cadata=der)
    if tls.certificate is not None:
        made.load_cert_chain(tls.certificate, tls.key)
    if now_s() < tls.floor_s:
        made.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
    return made
