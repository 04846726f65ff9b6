"""What somebody looks for, kept out of addresses: names and numbers of persons never stand in one.

A search is posted. What was typed goes on in the address of what was found, sealed under the server's key and for the
account that typed it: a log, a proxy or a browser's history keeps a token that says nothing, and opens for nobody else.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import RedirectResponse

from server.errors import BadSetting
from server.pages.desk import Visit
from server.pages.guard import clean
from server.vault import Vault

#: characters that are looked for
LONGEST = 100
#: of a token: LONGEST characters of four bytes, sealed, in base64
_TOKEN_LONGEST = 700
#: the parameter of the addresses
NAME = "found"


def to(signed: Visit, address: str, words: str, **more: str) -> Response:
    """On to the page that shows what was found. more: what else its address says, such as a day."""
    wanted = clean(words, LONGEST).strip()
    said = {name: value for name, value in more.items() if value}
    if wanted:
        said[NAME] = sealed(signed.request.app.state.vault, signed.login.account_id, wanted)
    return RedirectResponse(f"{address}?{urlencode(said)}" if said else address, status_code=303)


def sealed(vault: Vault, account_id: int, words: str) -> str:
    """The words as they may stand in an address of this account's."""
    return base64.urlsafe_b64encode(vault.seal(words.encode(), _about(account_id))).decode().rstrip("=")


def opened(signed: Visit, token: str) -> str:
    """The words again; '' for a token that is none, or that was made for another account."""
    if not token or len(token) > _TOKEN_LONGEST:
        return ""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        return signed.request.app.state.vault.open(raw, _about(signed.login.account_id)).decode()
    except (BadSetting, binascii.Error, ValueError):
        return ""


def _about(account_id: int) -> str:
    return f"sought by {account_id}"
