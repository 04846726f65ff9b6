"""How a reader asks the store for a certificate: what the MAC under its key covers, and how both travel.

`1|certificate|{reader}|{key}|{sha256 of the request}` is no statement: no kind of statement is called so, and it stands in
no journal. Whoever repeats one gets a certificate for a key that only the reader has. A reader that says which authorities
it knows adds `|{sha256 of their digests, in hex, joined by commas}`.

The answer names the authorities that are to be trusted, MACed under the reader's key over
`1|authorities|{reader}|{key}|{sha256 of the request}|{sha256 of each, joined by commas}`: each request has a key of its own,
so no answer is good twice. That is how a reader learns the next authority: by nobody's word but the store's.
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


def text(reader: str, key: int, request: bytes, knows=()) -> bytes:
    """What the MAC covers. request: the certificate signing request, as it is sent. knows: what `digest` says of each
    authority that the reader knows; none: it says nothing of them."""
    said = f"1|certificate|{reader}|{key}|{hashlib.sha256(request).digest().hex()}"
    if knows:
        said += "|" + hashlib.sha256(",".join(knows).encode()).digest().hex()
    return said.encode()


def token(reader: str, key: Key, request: bytes, knows=()) -> str:
    """The bearer token beside the request: reader, key id and MAC, joined by full stops."""
    return f"{reader}.{key.id}.{key.mac(text(reader, key.id, request, knows)).hex()}"


def digest(authority: bytes) -> str:
    """SHA-256 of an authority's certificate (DER), in hex."""
    return hashlib.sha256(authority).digest().hex()


def answer_text(reader: str, key: int, request: bytes, authorities) -> bytes:
    """What the MAC beside an answer's authorities (DER, in order) covers. request: the one that it answers, as it was sent."""
    joined = ",".join([digest(one) for one in authorities])
    return f"1|authorities|{reader}|{key}|{hashlib.sha256(request).digest().hex()}|{joined}".encode()


def read(said: str) -> "Asked":
    """The parts of such a token. Raises Malformed(`renewal`)."""
    parts = said.split(".")
    wrong = Malformed("renewal", "this is not how a reader asks for a certificate: reader.key.mac")
    if len(parts) != 3 or not is_name(parts[0]) or not 1 <= len(parts[1]) <= 3 or parts[1].strip("0123456789"):
        raise wrong
    if len(parts[2]) != 2 * MAC_BYTES or parts[2].strip("0123456789abcdef"):
        raise wrong
    return Asked(parts[0], int(parts[1]), bytes.fromhex(parts[2]))
