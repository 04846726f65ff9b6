"""The claim: a slot's one-time token in, the reader's settings out (docs/provisioning.md). HTTP, and nothing is kept."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from firmware.provision.errors import ProvisionError

TIMEOUT_S = 20.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What a token was good for. It cannot be asked for again."""

    #: docs/wire.md, Settings
    settings: dict[str, Any] = field(repr=False)
    room: str
    #: the reader whose door it takes over
    replaces: str | None


@dataclass(frozen=True, kw_only=True)
class Store:
    """Where the store is. address: http(s)://host[:port]; ca: a file of certificates to trust, PEM, or None."""

    address: str
    ca: Path | None = None
    #: what claims: pico or pi
    kind: str = "pico"

    def claim(self, token: str, board: str) -> Claimed:
        """Become the slot's reader. board: its own number. Raises ProvisionError with the store's code and text, or
        (`store-address`, `store-ca`, `store-silent`, `store-answer`)."""
        request = urllib.request.Request(
            f"{self._checked()}/api/provision/v1/claim",
            data=json.dumps({"board": board, "kind": self.kind}).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=self._context()) as answer:
                told = json.load(answer)
            return Claimed(settings=dict(told["settings"]), room=str(told["room"]), replaces=told["replaces"])
        except urllib.error.HTTPError as error:
            raise _refused(error) from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "reason", error)
            raise ProvisionError(
                "store-silent",
                f"the store at {self.address} did not answer ({why}): if it had, the token is used up, and the slot is made "
                "once more with the same name; do this again",
            ) from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ProvisionError(
                "store-answer", f"what answers at {self.address} is no store of Muster, or another release"
            ) from None

    def _checked(self) -> str:
        parts = urlsplit(self.address)
        plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not parts.hostname or not (parts.scheme == "https" or plain):
            raise ProvisionError(
                "store-address",
                "the store's address is https://name[:port]: a reader's keys never go over the network in the clear "
                "(http only on the store's own machine)",
            )
        return self.address.rstrip("/")

    def _context(self) -> ssl.SSLContext | None:
        if urlsplit(self.address).scheme != "https":
            return None
        try:
            return ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
        except OSError as error:
            raise ProvisionError("store-ca", f"{self.ca} holds no certificate that can be read: {error}") from None


def scanned(text: str) -> tuple[str | None, str]:
    """(store, token) of what was typed or scanned: a token alone, or a QR's `https://store/doors/slots#TOKEN`."""
    address, mark, token = text.strip().partition("#")
    if not mark:
        return None, address
    parts = urlsplit(address)
    return (f"{parts.scheme}://{parts.netloc}" if parts.netloc else None), token


def fingerprint(token: str) -> str:
    """By what a board's settings show which token they came from, without telling it: 16 hex digits."""
    letters = "".join(one for one in token.upper() if one.isalnum())
    return hashlib.sha256(b"muster-slot/" + letters.encode()).hexdigest()[:16]


def _refused(error: urllib.error.HTTPError) -> ProvisionError:
    try:
        told = json.loads(error.read())["error"]
        return ProvisionError(str(told["code"]), str(told["text"]))
    except (ValueError, KeyError, TypeError, RecursionError, OSError, http.client.HTTPException):
        return ProvisionError("store-answer", f"the store answered {error.code}: is its address right?")
