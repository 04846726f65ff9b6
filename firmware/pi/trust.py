"""Whom the Pi's link trusts: a TLS context with the settings' authorities, and the Pi's own certificate.

A context is made for each connection, so that a certificate that was renewed meanwhile is used from the next one on.
"""

import ssl
import time
from collections.abc import Callable
from typing import Any

from firmware.reader.settings import Tls

#: OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python has no name for (openssl/x509_vfy.h).
NO_CHECK_TIME = 0x200000


class _Named(ssl.SSLContext):
    """Checks the certificate for the settings' name: paho hands in the host, which is an address."""

    name: str

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        kwargs["server_hostname"] = self.name
        return super().wrap_socket(*args, **kwargs)


def context(tls: Tls, now_s: Callable[[], float] = time.time) -> ssl.SSLContext:
    """A context for one connection. now_s: the system's clock, epoch seconds.

    A Pi without a battery may start years back, until it hears from an NTP server. While its clock is earlier than the
    settings' floor it knows no date: then dates alone are not looked at. Raises OSError (ssl.SSLError is one) where a file
    is missing or something in it is no certificate.
    """
    made = _Named(ssl.PROTOCOL_TLS_CLIENT)
    made.name = tls.name
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    for der in tls.ca:
        made.load_verify_locations(cadata=der)
    if tls.certificate is not None:
        made.load_cert_chain(tls.certificate, tls.key)
    if now_s() < tls.floor_s:
        made.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
    return made
