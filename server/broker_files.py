"""Mosquitto's configuration for Muster: its lines, who may say what, and the password files. Text in, text out.

Two listeners: TLS with a password (Pico W, gateways), and TLS with a client's certificate and a password (Raspberry Pi).
Each has a password file of its own, so a password that wants a certificate beside it is worth nothing without one.
Whoever speaks is who the password says, everywhere: `%u` in the access list, and the client id, so that no reader can
throw another off by taking its id.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from firmware.contract import topics
from server.errors import StoreError
from server.store.credentials import Held

CONF, ACL, PASSWORDS, MUTUAL = "muster.conf", "muster.acl", "passwords", "passwords-mutual"
CA, CERTIFICATE, KEY, TOKEN = "ca.crt", "broker.crt", "broker.key", "agent.token"
#: what changes while the broker runs, in the order in which it is written
LIVING = (PASSWORDS, MUTUAL, ACL)


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """Where the broker listens. bind: an address, or empty for all."""

    port: int = 8883
    mutual_port: int = 8884
    bind: str = ""


def conf(folder: Path, where: Listeners) -> str:
    """mosquitto.conf(5) for 2.0. Paths are absolute: Mosquitto reads them again at SIGHUP, from wherever it runs."""
    lines = [
        "# Mosquitto for Muster, made by `muster broker config`: made anew rather than edited. docs/trust.md explains it.",
        "# Each listener has its own accounts: what wants a certificate is not taken without one.",
        "per_listener_settings true",
        "# What waits for a gateway that is away is kept, all of it: the default of 1,000 drops silently, while acknowledging.",
        "max_queued_messages 0",
        "max_inflight_messages 200",
        "# A roster of some thousand tokens fits; nothing larger is ours.",
        "message_size_limit 131072",
    ]
    for port, passwords, mutual in ((where.port, PASSWORDS, False), (where.mutual_port, MUTUAL, True)):
        lines += [
            "",
            f"listener {port} {where.bind}".rstrip(),
            f"certfile {folder / CERTIFICATE}",
            f"keyfile {folder / KEY}",
            "tls_version tlsv1.2",
            "allow_anonymous false",
            f"password_file {folder / passwords}",
            f"acl_file {folder / ACL}",
            "# Who connects is who the password says: nobody takes another's id and throws it off.",
            "use_username_as_clientid true",
        ]
        if mutual:
            lines += [f"cafile {folder / CA}", "require_certificate true"]
    return "\n".join(lines) + "\n"


def acl(held: Iterable[Held]) -> str:
    """Who may say what. A reader: under its own name only. A gateway: what passes through it, whoever's it is."""
    lines = ["# A reader speaks and hears under its own name only. %u works in pattern lines alone."]
    lines += [f"pattern write {topics.ROOT}/+/%u/{kind}" for kind in topics.UP]
    lines += [f"pattern read {topics.ROOT}/+/%u/{kind}" for kind in topics.DOWN]
    for one in held:
        if one.is_gateway:
            lines += [f"user {one.user}"]
            lines += [f"topic read {topics.ROOT}/+/+/{kind}" for kind in topics.UP]
            lines += [
                f"topic {'readwrite' if kind == 'roster' else 'write'} {topics.ROOT}/+/+/{kind}" for kind in topics.DOWN
            ]
    return "\n".join(lines) + "\n"


def passwords(held: Iterable[Held], *, mutual: bool) -> str:
    """A password file: those that want a client's certificate, or the others."""
    return "".join(f"{one.user}:{one.hash}\n" for one in held if one.mutual == mutual)


def living(held: list[Held]) -> dict[str, str]:
    """The files that change while the broker runs, by name."""
    return {PASSWORDS: passwords(held, mutual=False), MUTUAL: passwords(held, mutual=True), ACL: acl(held)}


def digest(held: Iterable[Held]) -> str:
    """Whether anything changed: SHA-256 over all that the files are made of."""
    made = hashlib.sha256()
    for one in held:
        made.update(f"{one.user}\0{one.hash}\0{one.mutual:d}{one.is_gateway:d}\n".encode())
    return made.hexdigest()


def make_folder(folder: Path) -> None:
    """The folder, if it is not there. Others may look into it: what is secret is so by itself, and a gateway reads the
    authority's certificate there. Raises StoreError(`file`)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
    except OSError as error:
        raise StoreError(
            "file", f"{folder} cannot be made: {error.strerror}. Name a folder where this user may write, and --at"
        ) from error


def put(folder: Path, name: str, text: str | bytes, *, secret: bool = True) -> bool:
    """Write a file whole or not at all: Mosquitto never reads half of one. False: it said the same already.

    It stays whose the one before it was. Raises StoreError(`file`).
    """
    path, said = folder / name, text.encode() if isinstance(text, str) else text
    try:
        before = path.stat() if path.exists() else None
        if before is not None and path.read_bytes() == said:
            return False
        beside = folder / f".{name}.new"
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o644)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600 if secret else 0o644)  # whatever the umask is
            file.write(said)
            if before is not None and os.geteuid() == 0:
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
        folder_handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(folder_handle)
        finally:
            os.close(folder_handle)
    except OSError as error:
        raise StoreError("file", f"{path} cannot be written: {error.strerror}") from error
    return True
