"""Sign-ins under way at a provider or with a passkey. A row is used once, and not after FLOW_MS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select

from server.store.logins import hash_of
from server.store.schema_rights import sign_in_flow

FLOW_MS = 10 * 60_000


@dataclass(frozen=True, kw_only=True)
class Flow:
    """What was kept of it."""

    #: whose account it is about; None: nobody is signed in yet
    account_id: int | None
    detail: Mapping[str, Any]


def begin(
    connection: Connection, kind: str, state: str, detail: Mapping[str, str], now_ms: int, account_id: int | None = None
) -> None:
    """Keep it until the browser comes back with the state. What is too old goes."""
    connection.execute(delete(sign_in_flow).where(sign_in_flow.c.created_ms <= now_ms - FLOW_MS))
    connection.execute(
        sign_in_flow.insert().values(
            state_hash=hash_of(state),
            kind=kind,
            account_id=account_id,
            detail=json.dumps(dict(detail)),
            created_ms=now_ms,
        )
    )


def take(connection: Connection, kind: str, state: str, now_ms: int) -> Flow | None:
    """The flow of this state, which is then used up; None: there is none, it was used, or it is too old."""
    here = (sign_in_flow.c.state_hash == hash_of(state), sign_in_flow.c.kind == kind)
    row = connection.execute(select(sign_in_flow).where(*here)).first()
    if row is None or connection.execute(delete(sign_in_flow).where(sign_in_flow.c.id == row.id)).rowcount != 1:
        return None
    if row.created_ms <= now_ms - FLOW_MS:
        return None
    return Flow(account_id=row.account_id, detail=json.loads(row.detail))
