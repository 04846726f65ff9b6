"""Messages to a session's students (STEP-6), and what the job that sends messages reads and writes."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, exists, func, or_, select, update

from server.errors import Refused, StoreError
from server.scope import Scope
from server.store import derivations, history, sessions, standing, walk_ins
from server.store.schema import mark, mark_current, person_contact
from server.store.schema_work import mail, message

KIND = "session-notice"
#: to whom: everybody, or who has no mark, or an absence's mark
ALL, UNMARKED, ABSENT = TO = ("all", "unmarked", "absent")
SUBJECT_LIMIT, TEXT_LIMIT = 120, 4000
#: the same message to somebody within this time is the same message: the form was sent twice
AGAIN_MS = 10 * 60_000


def send(
    connection: Connection,
    scope: Scope,
    session_id: int,
    *,
    to: str,
    subject: str,
    text: str,
    absent: frozenset[str] = frozenset(),
    now_ms: int,
) -> int:
    """Write a message to each of a session's students; the job sends them. absent: the marks of whoever did not attend.
    Returns to how many; whoever was sent the same within AGAIN_MS does not get it twice.

    Raises NotFound(`session`), StoreError(`notice-to`, `notice-text`), Refused(`notice-nobody`).
    """
    if to not in TO:
        raise StoreError("notice-to", "choose to whom it goes")
    if not subject or not text:
        raise StoreError("notice-text", "give a subject and a text")
    found = sessions.need(connection, scope, session_id, "register.notify")
    derivations.lock_registers(connection, found.institution_id, [session_id])
    again = select(message.c.to_person_id).where(
        message.c.session_id == session_id,
        message.c.by_account_id == scope.account_id,
        message.c.kind == KIND,
        message.c.subject == subject,
        message.c.text == text,
        message.c.created_ms > now_ms - AGAIN_MS,
    )
    told = set(connection.execute(again).scalars())
    persons = set(standing.members(connection, session_id)) | walk_ins.persons(connection, session_id)
    query = (
        select(mark_current.c.person_id, mark.c.code)
        .join(mark, mark.c.id == mark_current.c.mark_id)
        .where(mark_current.c.session_id == session_id)
    )
    codes = dict(connection.execute(query).all())
    if to == UNMARKED:
        persons = {one for one in persons if codes.get(one) is None}
    elif to == ABSENT:
        persons = {one for one in persons if codes.get(one) in absent}
    if not persons:
        raise Refused("notice-nobody", "there is nobody of whom that is so: choose to whom it goes")
    # The same words to others are no second sending: whoever has them already does not get them again.
    persons -= told
    if not persons:
        return 0
    history.append(
        connection,
        institution_id=found.institution_id,
        session_id=session_id,
        kind="notify",
        body={"to": to, "students": len(persons)},
        by_account_id=scope.account_id,
        now_ms=now_ms,
    )
    connection.execute(
        message.insert(),
        [
            {
                "institution_id": found.institution_id,
                "to_person_id": person_id,
                "session_id": session_id,
                "kind": KIND,
                "subject": subject,
                "text": text,
                "by_account_id": scope.account_id,
                "created_ms": now_ms,
            }
            for person_id in sorted(persons)
        ],
    )
    return len(persons)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message to a session's students, as it stands with all of them."""

    subject: str
    text: str
    created_ms: int
    people: int
    sent: int
    failed: int


def of_session(connection: Connection, session_id: int) -> list[Sent]:
    """The messages to a session's students, newest first."""
    query = (
        select(
            message.c.subject,
            message.c.text,
            message.c.created_ms,
            func.count().label("people"),
            func.count(message.c.sent_ms).label("sent"),
            func.count(message.c.failed_why).label("failed"),
        )
        .where(message.c.session_id == session_id, message.c.kind == KIND, message.c.erased_ms.is_(None))
        .group_by(message.c.subject, message.c.text, message.c.created_ms)
        .order_by(message.c.created_ms.desc())
        .limit(20)
    )
    return [Sent(**row._mapping) for row in connection.execute(query)]


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One message that has to be sent."""

    id: int
    #: None: nobody knows where to
    address: str | None
    subject: str
    text: str
    created_ms: int


def unsent(connection: Connection, now_ms: int, limit: int = 100, *, begun: bool = True) -> list[Letter]:
    """The oldest messages that are neither sent nor failed, with the person's newest address. begun: also those that
    are on their way by SMTP (store/mails.py)."""
    address = (
        select(func.max(person_contact.c.value))
        .where(
            person_contact.c.person_id == message.c.to_person_id,
            person_contact.c.kind == "email",
            person_contact.c.from_ms <= now_ms,
            or_(person_contact.c.to_ms.is_(None), person_contact.c.to_ms > now_ms),
        )
        .scalar_subquery()
    )
    query = (
        select(message.c.id, address.label("address"), message.c.subject, message.c.text, message.c.created_ms)
        .where(message.c.sent_ms.is_(None), message.c.failed_why.is_(None), message.c.erased_ms.is_(None))
        .order_by(message.c.id)
        .limit(limit)
    )
    if not begun:
        query = query.where(~exists().where(mail.c.message_id == message.c.id))
    return [Letter(**row._mapping) for row in connection.execute(query)]


def settle(connection: Connection, sent: list[int], failed: dict[int, str], now_ms: int) -> None:
    """These were sent; these could not be, and why."""
    waiting = and_(message.c.sent_ms.is_(None), message.c.failed_why.is_(None))
    if sent:
        connection.execute(update(message).where(message.c.id.in_(sent), waiting).values(sent_ms=now_ms))
    for message_id, why in failed.items():
        connection.execute(update(message).where(message.c.id == message_id, waiting).values(failed_why=why))
