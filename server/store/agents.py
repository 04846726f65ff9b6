"""Who stands beside a broker and asks for its credentials (`muster broker keep`): known by a token, kept as a hash."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, select, update

from server.store.logins import hash_of
from server.store.schema_trust import broker_agent
from server.store.upsert import new_id

#: how often it is written down that one is there
SEEN_EVERY_MS = 10_000


def make(connection: Connection, institution_id: int, name: str, now_ms: int) -> str:
    """A token for the agent of this name; what it had before holds no more."""
    token = secrets.token_urlsafe(32)
    found = connection.execute(
        select(broker_agent.c.id).where(broker_agent.c.institution_id == institution_id, broker_agent.c.name == name)
    ).scalar()
    if found is None:
        made = connection.execute(
            broker_agent.insert().values(
                institution_id=institution_id, name=name, token_hash=hash_of(token), created_ms=now_ms
            )
        )
        new_id(made)
    else:
        connection.execute(
            update(broker_agent)
            .where(broker_agent.c.id == found)
            .values(token_hash=hash_of(token), created_ms=now_ms, seen_ms=None)
        )
    return token


def find(connection: Connection, token: str) -> Any | None:
    """The agent's row (id, institution_id, name, seen_ms) for this token; None: no agent's."""
    query = select(broker_agent.c.id, broker_agent.c.institution_id, broker_agent.c.name, broker_agent.c.seen_ms).where(
        broker_agent.c.token_hash == hash_of(token)
    )
    return connection.execute(query).first()


def seen(connection: Connection, agent_id: int, now_ms: int) -> None:
    """It asked: it is there."""
    connection.execute(update(broker_agent).where(broker_agent.c.id == agent_id).values(seen_ms=now_ms))


def seen_ms(connection: Connection, institution_id: int) -> dict[str, int | None]:
    """When each agent asked last, by name; None: never."""
    query = (
        select(broker_agent.c.name, broker_agent.c.seen_ms)
        .where(broker_agent.c.institution_id == institution_id)
        .order_by(broker_agent.c.name)
    )
    return {row.name: row.seen_ms for row in connection.execute(query)}
