"""Who may speak at the broker: a user and a password for each reader and gateway, of which only a hash is kept.

The hash is Mosquitto's own (`$7$`, PBKDF2-HMAC-SHA512): `server/broker_files.py` writes the password file from these
rows, and `muster broker keep` brings every change to a broker that runs. A password has 256 random bits and is never
chosen by a person, so no number of iterations would make it harder to guess; a few keep six hundred readers that
connect at once from costing the broker a minute of its processor.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, or_, select, update

from server.errors import NotFound, Refused
from server.store import gateways
from server.store.schema import gateway, reader
from server.store.schema_trust import broker_credential

#: Mosquitto's own default (`mosquitto_passwd -I`), see above
ITERATIONS = 101
_SALT_BYTES = 12
#: no reader has this in its name: a gateway's user is never a reader's
GATEWAY = "gateway."


@dataclass(frozen=True, kw_only=True)
class Credential:
    """What a reader or a gateway says to the broker. The password is nowhere else, and cannot be asked for again."""

    user: str
    #: 43 letters, digits, hyphens and underscores
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Held:
    """One that holds now, as a broker needs to know it."""

    user: str
    #: as in Mosquitto's password file
    hash: str
    #: only together with a client's certificate
    mutual: bool
    #: a gateway's rights, not a reader's
    is_gateway: bool


def make(
    connection: Connection, institution_id: int, reader_id: int, now_ms: int, *, mutual: bool = False
) -> Credential:
    """A new password for this reader; the one before it ends. Raises NotFound(`reader`), Refused(`reader-ended`).

    mutual: the broker takes it only with a client's certificate (a Raspberry Pi with `tls.certificate`).
    """
    found = connection.execute(
        select(reader.c.name, reader.c.ended_ms).where(
            reader.c.id == reader_id, reader.c.institution_id == institution_id
        )
    ).first()
    if found is None:
        raise NotFound("reader", "there is no such reader: `muster reader list` names them")
    name = found.name
    if found.ended_ms is not None:
        raise Refused("reader-ended", f"{name} is believed no more, and that stays: make a new reader for its board")
    end(connection, reader_id, now_ms)
    return _add(connection, institution_id, name, {"reader_id": reader_id, "mutual": mutual}, now_ms)


def make_for_gateway(connection: Connection, institution_id: int, name: str, now_ms: int) -> Credential:
    """A new password for the gateway of this name; the one before it ends. Raises NotFound(`gateway`)."""
    gateway_id = gateways.id_of(connection, institution_id, name)
    if gateway_id is None:
        raise NotFound("gateway", f"there is no gateway {name}: `muster gateway add {name}` makes it")
    _end(connection, broker_credential.c.gateway_id == gateway_id, now_ms)
    return _add(connection, institution_id, GATEWAY + name, {"gateway_id": gateway_id}, now_ms)


def end(connection: Connection, reader_id: int, now_ms: int) -> int:
    """The reader's password holds no more. Returns how many ended (0: it had none)."""
    return _end(connection, broker_credential.c.reader_id == reader_id, now_ms)


def held(connection: Connection, institution_id: int) -> list[Held]:
    """Every one that holds, by user."""
    query = (
        select(
            broker_credential.c.user,
            broker_credential.c.hash,
            broker_credential.c.mutual,
            broker_credential.c.gateway_id.is_not(None).label("is_gateway"),
        )
        .outerjoin(gateway, gateway.c.id == broker_credential.c.gateway_id)
        .where(
            broker_credential.c.institution_id == institution_id,
            broker_credential.c.to_ms.is_(None),
            or_(broker_credential.c.gateway_id.is_(None), gateway.c.revoked_ms.is_(None)),
        )
        .order_by(broker_credential.c.user)
    )
    return [
        Held(user=row.user, hash=row.hash, mutual=row.mutual, is_gateway=bool(row.is_gateway))
        for row in connection.execute(query)
    ]


def hash_of(password: str, salt: bytes | None = None) -> str:
    """The password as Mosquitto's password file has it: `$7$iterations$salt$hash` (mosquitto_passwd(1), 2.0)."""
    salt = os.urandom(_SALT_BYTES) if salt is None else salt
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}"


def _add(connection: Connection, institution_id: int, user: str, whose: dict[str, Any], now_ms: int) -> Credential:
    password = secrets.token_urlsafe(32)
    connection.execute(
        broker_credential.insert().values(
            institution_id=institution_id, user=user, hash=hash_of(password), from_ms=now_ms, **whose
        )
    )
    return Credential(user=user, password=password)


def _end(connection: Connection, whose: Any, now_ms: int) -> int:
    ended = connection.execute(
        update(broker_credential).where(whose, broker_credential.c.to_ms.is_(None)).values(to_ms=now_ms)
    )
    return ended.rowcount
