"""A reader's settings file (docs/wire.md): its keys, its broker, and the file that nobody else may read."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from server.errors import StoreError
from server.release_pack import Key
from server.store import slots


def told(
    name: str, site: str, key: tuple[int, bytes], card_keys: list[tuple[int, bytes]], broker: dict[str, Any]
) -> dict[str, Any]:
    """The settings file of a reader (docs/wire.md). Wi-Fi is for whoever mounts it to fill in."""
    return {
        "v": 1,
        "site": site,
        "reader": name,
        "key": {"id": key[0], "secret": key[1].hex()},
        "card_keys": [{"id": key_id, "secret": secret.hex()} for key_id, secret in card_keys],
        "broker": {"user": name, "password": ""} | broker,
        "wifi": {"ssid": "", "password": ""},
    }


_BROKER = (
    "what --broker names is no broker: write mqtt://host:port or mqtt://user:password@host:port, "
    "and in the password %2F for /, %3F for ?, %23 for #"
)


def broker(url: str) -> dict[str, Any]:
    """The broker that an address names, as a settings file says it. Raises StoreError(`broker`)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Neither the address nor what Python says of it: a password stands in them, or a part of it.
        raise StoreError("broker", _BROKER) from None
    # An unquoted / ? # in the password ends the host's part of an address early: then the user would be the host.
    rest = parts.path.removeprefix("/") + parts.query + parts.fragment
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or rest:
        raise StoreError("broker", _BROKER)
    told: dict[str, Any] = {"host": parts.hostname, "port": port or (8883 if parts.scheme == "mqtts" else 1883)}
    if parts.username:
        told |= {"user": unquote(parts.username), "password": unquote(parts.password or "")}
    return told


#: where a Raspberry Pi keeps its certificate and the key of it, in one file (`muster pi certificate` makes it)
PI_PAIR = "/var/lib/muster-reader/broker.pem"


def secured(told: dict[str, Any], address: str, authorities: Sequence[bytes], now_ms: int, *, pi: bool = False) -> None:
    """Say in these settings how the broker proves who it is, where its address is mqtts://; else leave them as they are.

    authorities: the institution's certificates, DER: two while one authority follows another. pi: the reader shows a certificate of its own, which it asks the store
    for. No clock of the reader's may be earlier than now: one without a clock can so still tell whether a certificate
    holds. Raises StoreError(`no-ca`, `pi-plain`).
    """
    if not address.startswith("mqtts://"):
        if pi:
            raise StoreError(
                "pi-plain", "a certificate is for TLS: write mqtts://host:port of the listener that wants one"
            )
        return
    if not authorities:
        raise StoreError("no-ca", "there is no certificate authority that the reader could know: `muster ca init`")
    tls = {
        "ca": [base64.b64encode(one).decode() for one in authorities],
        "name": told["broker"]["host"],
        "floor": now_ms // 1000,
    }
    if pi:
        tls |= {"certificate": PI_PAIR, "key": PI_PAIR}
    told["broker"]["tls"] = tls


def updatable(told: dict[str, Any], keys: Iterable[Key]) -> None:
    """Say in these settings whose releases the reader takes; where the store trusts no key it takes none."""
    listed = [{"id": key.id, "n": f"{key.n:x}"} for key in keys]
    if listed:
        told["release"] = {"keys": listed}


def of_slots(address: str) -> dict[str, Any]:
    """The broker of readers that are made by slots, from the setting `reader_broker`. Raises StoreError(`broker`,
    `no-broker`)."""
    if not address:
        raise StoreError(
            "no-broker",
            "the store does not know under which address readers reach the broker: set reader_broker (docs/settings.md)",
        )
    return broker(address)


def claimed(
    made: slots.Claimed, address: str, authorities: Sequence[bytes], now_ms: int, *, pi: bool = False
) -> dict[str, Any]:
    """The settings of a reader that a board has just become. address, authorities, pi: as in `secured`. Raises StoreError."""
    own = {"user": made.credential.user, "password": made.credential.password}
    found = told(made.reader, made.site, made.key, made.card_keys, of_slots(address) | own)
    secured(found, address, authorities, now_ms, pi=pi)
    return found


def write(path: Path, told: dict[str, Any]) -> None:
    """Write the file, for its owner alone; one that is there is never overwritten. Raises StoreError(`file`)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StoreError("file", f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(told, file, indent=2)
        file.write("\n")
