"""Mails on their way by SMTP: what was tried and how it ended. Texts stay in their messages, answers are digits alone.

A try is written down before it begins, and its end after it: a mail whose try began and has no end was perhaps taken
by the mail system. It is tried again under the same name when its lease is over: at least once, never silently not.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, case, func, select, update

from server.store.notices import Letter
from server.store.schema_work import mail, message

WAITING, SENT, FAILED = STATES = ("waiting", "sent", "failed")
#: nobody else tries a mail within this after a try began; a try never takes so long
LEASE_MS = 10 * 60_000
ERASED = "erased"


@dataclass(frozen=True, kw_only=True)
class Due:
    """A mail that may be tried now."""

    letter: Letter
    address: str
    tries: int
    #: when it was new, or was asked for again
    taken_ms: int


def add(connection: Connection, letter: Letter, institution_id: int, name: str, address: str, now_ms: int) -> None:
    """A message goes out by SMTP from now on."""
    connection.execute(
        mail.insert().values(
            message_id=letter.id,
            institution_id=institution_id,
            name=name,
            address=address,
            sha256="",
            size=0,
            next_ms=now_ms,
            created_ms=now_ms,
        )
    )


def institutions_of(connection: Connection, message_ids: list[int]) -> dict[int, int]:
    """message id -> institution id."""
    query = select(message.c.id, message.c.institution_id).where(message.c.id.in_(message_ids))
    return {row.id: row.institution_id for row in connection.execute(query)}


def due(connection: Connection, now_ms: int, limit: int = 100) -> list[Due]:
    """Mails that may be tried now, the longest waiting first."""
    query = (
        select(mail, message.c.subject, message.c.text, message.c.created_ms.label("written_ms"), message.c.erased_ms)
        .join(message, message.c.id == mail.c.message_id)
        .where(mail.c.state == WAITING, mail.c.next_ms <= now_ms)
        # Sent meanwhile as a file, while the settings named no SMTP server: not again.
        .where(message.c.erased_ms.is_(None), message.c.sent_ms.is_(None), message.c.failed_why.is_(None))
        .order_by(mail.c.next_ms, mail.c.message_id)
        .limit(limit)
    )
    return [
        Due(
            letter=Letter(
                id=row.message_id,
                address=row.address,
                subject=row.subject,
                text=row.text,
                created_ms=row.written_ms,
            ),
            address=row.address,
            tries=row.tries,
            taken_ms=row.created_ms,
        )
        for row in connection.execute(query)
    ]


def begin(connection: Connection, message_id: int, sha256: str, size: int, now_ms: int) -> bool:
    """A try begins, with exactly these bytes. False: another server has begun one, or it is not waiting any more."""
    done = connection.execute(
        update(mail)
        .where(mail.c.message_id == message_id, mail.c.state == WAITING, mail.c.next_ms <= now_ms)
        .values(
            tries=mail.c.tries + 1,
            begun_ms=now_ms,
            ended_ms=None,
            next_ms=now_ms + LEASE_MS,
            sha256=sha256,
            size=size,
        )
    )
    return done.rowcount == 1


def end(
    connection: Connection, message_id: int, state: str, code: str, reply: int | None, now_ms: int, next_ms: int = 0
) -> None:
    """A try ended. next_ms: of one that waits again."""
    connection.execute(
        update(mail)
        .where(mail.c.message_id == message_id, mail.c.state == WAITING)
        .values(state=state, code=code, reply=reply, ended_ms=now_ms, next_ms=next_ms)
    )
    waiting = (message.c.id == message_id, message.c.sent_ms.is_(None), message.c.failed_why.is_(None))
    if state == SENT:
        connection.execute(update(message).where(*waiting).values(sent_ms=now_ms))
    elif state == FAILED:
        connection.execute(update(message).where(*waiting).values(failed_why=code))


_ERASED = select(message.c.id).where(message.c.erased_ms.is_not(None))
_OF_ERASED = and_(mail.c.message_id.in_(_ERASED), mail.c.address != "")


def any_erased(connection: Connection) -> bool:
    """Whether a message was erased whose mail still holds its address."""
    return connection.execute(select(mail.c.message_id).where(_OF_ERASED).limit(1)).first() is not None


def drop_erased(connection: Connection, now_ms: int) -> int:
    """Mails of messages that were erased: they do not go, and hold no address. Returns how many there were."""
    connection.execute(
        update(mail).where(_OF_ERASED, mail.c.state == WAITING).values(state=FAILED, code=ERASED, ended_ms=now_ms)
    )
    return connection.execute(update(mail).where(_OF_ERASED).values(address="")).rowcount


def again(connection: Connection, now_ms: int) -> int:
    """Mails that failed wait again, and are tried at once; so are those that wait. Returns how many there are."""
    failed = select(mail.c.message_id).where(mail.c.state == FAILED, mail.c.address != "")
    connection.execute(update(message).where(message.c.id.in_(failed)).values(failed_why=None))
    lent = mail.c.begun_ms.is_not(None) & mail.c.ended_ms.is_(None)
    done = connection.execute(
        update(mail)
        .where((mail.c.state == FAILED) & (mail.c.address != "") | (mail.c.state == WAITING) & ~lent)
        .values(state=WAITING, next_ms=now_ms, created_ms=now_ms)
    )
    return done.rowcount


def counts(connection: Connection) -> dict[tuple[str, str], int]:
    """(state, how the last try ended; empty: none did) -> mails."""
    code = func.coalesce(mail.c.code, "")
    query = select(mail.c.state, code.label("code"), func.count().label("mails")).group_by(mail.c.state, code)
    return {(row.state, row.code): row.mails for row in connection.execute(query)}


@dataclass(frozen=True, kw_only=True)
class Counted:
    """An institution's messages, by SMTP or as files of the outbox; one that was erased before it went is none of them."""

    #: state -> messages
    by_state: dict[str, int]
    #: when the oldest that waits was written; None: none waits
    oldest_ms: int | None


_SENT = select(func.count()).where(message.c.institution_id == bindparam("here"), message.c.sent_ms.is_not(None))
_UNSENT = select(
    func.count().filter(message.c.failed_why.is_(None)).label(WAITING),
    func.count(message.c.failed_why).label(FAILED),
    func.min(case((message.c.failed_why.is_(None), message.c.created_ms))).label("oldest_ms"),
).where(message.c.institution_id == bindparam("here"), message.c.sent_ms.is_(None), message.c.erased_ms.is_(None))


def counted(connection: Connection, institution_id: int) -> Counted:
    """How many there are of each state. Asked at each scrape: what was sent, all that piles up, is counted in the index
    alone, and rows are read only of what was not."""
    here = {"here": institution_id}
    sent = connection.execute(_SENT, here).scalar_one()
    row = connection.execute(_UNSENT, here).one()
    return Counted(by_state={WAITING: row.waiting, SENT: sent, FAILED: row.failed}, oldest_ms=row.oldest_ms)


@dataclass(frozen=True, kw_only=True)
class Troubled:
    """A mail that failed, or whose last try did. No address: whose it is stands with the message."""

    message_id: int
    state: str
    code: str
    reply: int | None
    tries: int
    ended_ms: int | None
    next_ms: int


def troubled(connection: Connection, limit: int = 50) -> list[Troubled]:
    """The newest of them."""
    query = (
        select(*(mail.c[name] for name in Troubled.__dataclass_fields__))
        .where(mail.c.state != SENT, mail.c.code.is_not(None))
        .order_by(mail.c.ended_ms.desc(), mail.c.message_id)
        .limit(limit)
    )
    return [Troubled(**row._mapping) for row in connection.execute(query)]
