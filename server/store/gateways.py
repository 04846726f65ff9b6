"""Gateways: each known by its token, of which only the hash is kept."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, select, update

from server.errors import NotFound, Refused
from server.store.logins import hash_of
from server.store.schema import gateway


def add(connection: Connection, institution_id: int, name: str, now_ms: int) -> str:
    """Make a gateway's token. Raises Refused(`gateway-exists`)."""
    if connection.execute(select(gateway.c.id).where(gateway.c.name == name)).first() is not None:
        raise Refused("gateway-exists", f"there is a gateway {name} already: choose another name")
    token = secrets.token_urlsafe(32)
    connection.execute(
        gateway.insert().values(institution_id=institution_id, name=name, token_hash=hash_of(token), created_ms=now_ms)
    )
    return token


def find(connection: Connection, token: str) -> Any | None:
    """The gateway's row (id, institution_id, name, seen_ms) for this token; None: no gateway's, or revoked."""
    query = select(gateway.c.id, gateway.c.institution_id, gateway.c.name, gateway.c.seen_ms).where(
        gateway.c.token_hash == hash_of(token), gateway.c.revoked_ms.is_(None)
    )
    return connection.execute(query).first()


def id_of(connection: Connection, institution_id: int, name: str) -> int | None:
    """The id of the gateway of this name; None: there is none, or it was revoked."""
    query = select(gateway.c.id).where(
        gateway.c.name == name, gateway.c.institution_id == institution_id, gateway.c.revoked_ms.is_(None)
    )
    return connection.execute(query).scalar()


def revoke(connection: Connection, institution_id: int, name: str, now_ms: int) -> int:
    """This gateway is ours no more: from the commit on its token and its account at the broker hold no more, and nobody
    misses it. Returns its id. Raises NotFound(`gateway`)."""
    found = id_of(connection, institution_id, name)
    if found is None:
        raise NotFound("gateway", f"there is no gateway {name} that may deliver: the page of doors names them")
    connection.execute(update(gateway).where(gateway.c.id == found).values(revoked_ms=now_ms))
    return found


def seen(connection: Connection, gateway_id: int, now_ms: int) -> None:
    """A gateway asked for rosters: it is there."""
    connection.execute(update(gateway).where(gateway.c.id == gateway_id).values(seen_ms=now_ms))
