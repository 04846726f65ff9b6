"""A browser that an account signed in with before: a cookie only we can make, worth nothing by itself.

It lets nobody in. It only tells apart the account's own browsers from a stranger's, so that a storm of wrong passwords
from elsewhere does not make the right person wait. It stops being one when the password changes, and after DAYS. For
other accounts, as on a classroom's machine, it is the browser of somebody we know: its mistakes count for itself.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from dataclasses import dataclass

from fastapi import Request

from server.errors import BadSetting
from server.store import logins, passwords
from server.store.engine import reading
from server.vault import Vault

COOKIE = "muster_device"
#: only the sign-in needs it
PATH = "/sign-in"
DAYS = 180
_ABOUT = "known device"


@dataclass(frozen=True, kw_only=True)
class _Made:
    account_id: int
    stamp: str
    nonce: str
    made_ms: int


def make(vault: Vault, account_id: int, stamp: str, now_ms: int) -> str:
    """The cookie's value for this account and its password's stamp (`logins.stamp`)."""
    said = json.dumps([account_id, stamp, secrets.token_hex(8), now_ms])
    return base64.urlsafe_b64encode(vault.seal(said.encode(), _ABOUT)).decode()


def known(request: Request, login_name: str, now_ms: int) -> str | None:
    """Which device of this account this browser is; None: no known one."""
    made = _made(request, now_ms)
    if made is None:
        return None
    with reading(request.app.state.engine) as connection:
        found = logins.stamp(connection, login_name)
    return made.nonce if found == (made.account_id, made.stamp) else None


def owner(request: Request, now_ms: int) -> int | None:
    """The account that signed in with this browser last; None: none that we know of."""
    made = _made(request, now_ms)
    if made is None:
        return None
    with reading(request.app.state.engine) as connection:
        stamp = passwords.stamp(connection, made.account_id)
    return made.account_id if stamp == made.stamp else None


def _made(request: Request, now_ms: int) -> _Made | None:
    made = _read(request.app.state.vault, request.cookies.get(COOKIE, ""))
    return made if made is not None and 0 <= now_ms - made.made_ms < DAYS * 86_400_000 else None


def _read(vault: Vault, value: str) -> _Made | None:
    if not value or len(value) > 1000:
        return None
    try:
        account_id, stamp, nonce, made_ms = json.loads(vault.open(base64.urlsafe_b64decode(value), _ABOUT))
    except (BadSetting, binascii.Error, ValueError):
        return None
    return _Made(account_id=account_id, stamp=stamp, nonce=nonce, made_ms=made_ms)
