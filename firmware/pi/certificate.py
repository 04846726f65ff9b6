"""`muster pi certificate`: the Pi's own certificate for its connection to the broker, renewed at half of its life.

    muster pi certificate --settings settings.json --store https://muster.example.org

A timer runs it each day. It makes a new key, asks the store under the reader's own key, looks at what it gets, and puts
both in their places; the reader uses them from its next connection on. The private key never leaves the Pi. Until the
store answers, what was there stays.
"""

import argparse
import base64
import contextlib
import http.client
import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware.contract import renewal
from firmware.pi import trust
from firmware.reader import settings as reader_settings
from firmware.reader.errors import SettingsError
from firmware.reader.settings import Settings, Tls

OK, FAILED, USAGE = 0, 1, 2
TIMEOUT_S = 20.0
#: an answer is a certificate of some hundred bytes
ANSWER_MOST = 16_384
LIFE_S = renewal.DAYS * 24 * 3600
#: asks the store: (address, body, token) -> answer's text. Raises OSError
Ask = Callable[[str, bytes, str], str]


class RenewalError(Exception):
    """It did not get a certificate. The text says what to do."""


def main(argv: list[str]) -> int:
    """The command. Returns the exit status: 0 there is a good certificate, 1 it could not be renewed, 2 called wrongly."""
    parser = argparse.ArgumentParser(prog="muster pi certificate", description="The Pi's certificate for the broker.")
    parser.add_argument("--settings", type=Path, required=True, help="the JSON file that `muster reader add` made")
    parser.add_argument("--store", required=True, help="the store's address: https://host:port")
    parser.add_argument("--now", action="store_true", help="renew it, however new it is")
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as leave:
        return int(leave.code or 0)
    try:
        settings = reader_settings.parse(arguments.settings.read_text())
    except (OSError, SettingsError) as error:
        print(f"muster pi: {error}", file=sys.stderr)
        return USAGE
    tls = settings.tls
    if tls is None or tls.certificate is None or tls.key is None:
        print("muster pi: these settings name no certificate: make them with muster reader add --pi", file=sys.stderr)
        return USAGE
    now = datetime.now(UTC)
    if not arguments.now and is_fresh(tls, settings.reader, now):
        return OK
    try:
        before = trust.authorities(tls)
        until = renew(settings, arguments.store, over_http(tls), now)
        if trust.authorities(tls) != before:
            # Once more, so that the store hears that it is known: it turns to the next authority by that.
            until = renew(settings, arguments.store, over_http(tls), now)
    except RenewalError as error:
        print(f"muster pi: {error}", file=sys.stderr)
        return FAILED
    print(f"the certificate holds until {until:%Y-%m-%d}")
    return OK


def is_fresh(tls: Tls, reader: str, now: datetime) -> bool:
    """Whether the certificate is there, is this reader's, fits its key, and more than half of its life is left."""
    try:
        held = x509.load_pem_x509_certificate(Path(tls.certificate).read_bytes())
        key = serialization.load_pem_private_key(Path(tls.key).read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return False
    if key.public_key() != held.public_key():
        return False
    if [one.value for one in held.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] != [reader]:
        # Of the reader that this Pi was before.
        return False
    return (held.not_valid_after_utc - now).total_seconds() > LIFE_S / 2


def renew(settings: Settings, store: str, ask: Ask, now: datetime) -> datetime:
    """Get a certificate for a new key, and put both in place; and learn which authorities are to be trusted from now on.
    Returns until when it holds. Raises RenewalError."""
    tls = settings.tls
    assert tls is not None
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, settings.reader)])
    asked = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    request = asked.public_bytes(serialization.Encoding.PEM)
    known = trust.authorities(tls)
    knows = [renewal.digest(one) for one in known]
    body = json.dumps({"request": request.decode(), "knows": knows}).encode()
    address = store.rstrip("/") + "/api/reader/v1/certificate"
    try:
        answer = ask(address, body, renewal.token(settings.reader, settings.key, request, knows))
    except urllib.error.HTTPError as error:
        raise RenewalError(f"the store refused it ({error.code}): {_said(error)}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise RenewalError(
            f"the store at {store} cannot be reached: check the address (https://…) and the network"
        ) from error
    try:
        said = json.loads(answer)
        made = x509.load_pem_x509_certificate(said["certificate"].encode())
        named = _named(settings, request, said)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RenewalError("what answered is no store: check --store") from error
    if made.public_key() != key.public_key() or not any(_signed(made, der) for der in (*known, *named)):
        raise RenewalError("the certificate is not of the authority in the settings, or for another key: check --store")
    if made.not_valid_after_utc <= now:
        raise RenewalError("the certificate is over already: look at the clocks of this Pi and of the store")
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        path = trust.beside(tls)
        if named and path is not None and named != known:
            pems = (x509.load_der_x509_certificate(one).public_bytes(serialization.Encoding.PEM) for one in named)
            _put_file(path, b"".join(pems))
        _put(tls, secret, made.public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        raise RenewalError(f"{tls.certificate} and {tls.key} cannot be written: {error.strerror}") from error
    return made.not_valid_after_utc


def over_http(tls: Tls) -> Ask:
    """Asks over HTTP or HTTPS; a store whose certificate is of the settings' authority, or of one the system knows."""

    def ask(address: str, body: bytes, token: str) -> str:
        context = ssl.create_default_context()
        for der in trust.authorities(tls):
            context.load_verify_locations(cadata=der)
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        wanted = urllib.request.Request(address, data=body, headers=headers)
        with urllib.request.urlopen(wanted, timeout=TIMEOUT_S, context=context) as answer:
            return answer.read(ANSWER_MOST).decode("utf-8", "replace")

    return ask


def _named(settings: Settings, request: bytes, said: dict[str, Any]) -> list[bytes]:
    """The authorities that the answer names (DER), where the reader's own key says that the store did; else none. An older
    store names none. Raises ValueError, KeyError, TypeError for an answer that is none."""
    if "authorities" not in said:
        return []
    named = [base64.b64decode(one, validate=True) for one in said["authorities"]]
    mac = bytes.fromhex(said["mac"])
    covers = renewal.answer_text(settings.reader, settings.key.id, request, named)
    if not 1 <= len(named) <= reader_settings.TLS_CA_MAX or not settings.key.made(covers, mac):
        raise ValueError("not the store's word")
    for one in named:
        x509.load_der_x509_certificate(one)
    return named


def _signed(made: x509.Certificate, der: bytes) -> bool:
    try:
        made.verify_directly_issued_by(x509.load_der_x509_certificate(der))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _put(tls: Tls, secret: bytes, made: bytes) -> None:
    """Both whole. One file may hold both (`muster reader add --pi` says so): then no power cut leaves a pair that does not
    fit; of two files one may be left, and the next run sees it."""
    files = {tls.key: secret}
    files[tls.certificate] = files.get(tls.certificate, b"") + made
    for name, said in files.items():
        _put_file(Path(name), said)


def _put_file(path: Path, said: bytes) -> None:
    """The file whole or not at all, for its owner alone."""
    beside = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        if os.geteuid() == 0:
            # Made by root at the provisioning, and read by the reader, whose folder it is.
            of_folder = path.parent.stat()
            os.fchown(file.fileno(), of_folder.st_uid, of_folder.st_gid)
        file.write(said)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(ANSWER_MOST))["error"]["text"])
    except (ValueError, KeyError, TypeError, RecursionError, OSError, http.client.HTTPException):
        return "look whether this is the store's address"
