"""Messages to persons: written at once, sent by a job, kept as evidence that they went (STEP-6)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, select

from server.scope import Scope
from server.store.notes import ERASED
from server.store.schema_work import message


def write(
    connection: Connection, scope: Scope, person_id: int, kind: str, subject: str, text: str, now_ms: int
) -> None:
    """Write a message to a person; a job sends it."""
    connection.execute(
        message.insert().values(
            institution_id=scope.institution_id,
            to_person_id=person_id,
            kind=kind,
            subject=subject,
            text=text,
            by_account_id=scope.account_id,
            created_ms=now_ms,
        )
    )


@dataclass(frozen=True, kw_only=True)
class Message:
    """What somebody was told."""

    kind: str
    subject: str
    text: str
    created_ms: int


def to_person(connection: Connection, person_id: int, limit: int = 20) -> list[Message]:
    """The newest messages to a person; of erased ones that there was one."""
    gone = message.c.erased_ms.is_not(None)
    query = (
        select(
            message.c.kind,
            case((and_(gone, message.c.subject == ""), ERASED), else_=message.c.subject).label("subject"),
            case((and_(gone, message.c.subject != ""), ERASED), else_=message.c.text).label("text"),
            message.c.created_ms,
        )
        .where(message.c.to_person_id == person_id)
        .order_by(message.c.created_ms.desc(), message.c.id.desc())
        .limit(limit)
    )
    return [Message(**row._mapping) for row in connection.execute(query)]
