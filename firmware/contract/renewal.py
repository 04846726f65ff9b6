"""How a reader asks the store for a certificate: what the MAC under its key covers, and how both travel.

`1|certificate|{reader}|{key}|{sha256 of the request}` is no statement: no kind of statement is called so, and it stands in
no journal. Whoever repeats one gets a certificate for a key that only the reader has.
"""

import hashlib
from collections import namedtuple

from firmware.contract.errors import Malformed
from firmware.contract.mac import MAC_BYTES, Key
from firmware.contract.topics import is_name

#: a certificate holds for so long from its issue. What it says itself is no measure: it begins with its authority, so that
#: a clock that is behind refuses none
DAYS = 30

Asked = namedtuple("Asked", ("reader", "key", "mac"))


def text(reader: str, key: int, request: bytes) -> bytes:
    """What the MAC covers. request: the certificate signing request, as it is sent."""
    return f"1|certificate|{reader}|{key}|{hashlib.sha256(request).digest().hex()}".encode()


def token(reader: str, key: Key, request: bytes) -> str:
    """The bearer token beside the request: reader, key id and MAC, joined by full stops."""
    return f"{reader}.{key.id}.{key.mac(text(reader, key.id, request)).hex()}"


def read(said: str) -> "Asked":
    """The parts of such a token. Raises Malformed(`renewal`)."""
    parts = said.split(".")
    wrong = Malformed("renewal", "this is not how a reader asks for a certificate: reader.key.mac")
    if len(parts) != 3 or not is_name(parts[0]) or not parts[1].isdigit() or len(parts[1]) > 3:
        raise wrong
    if len(parts[2]) != 2 * MAC_BYTES or parts[2].strip("0123456789abcdef"):
        raise wrong
    return Asked(parts[0], int(parts[1]), bytes.fromhex(parts[2]))
