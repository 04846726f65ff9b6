"""Alerts by rule: each stretch in which something was down, once; and the messages that tell of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, or_, select, update

from server.store.schema_fleet import fleet_alert, fleet_notice, fleet_watch

MAIL, WEBHOOK = CHANNELS = ("mail", "webhook")


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One stretch. cleared_ms None: it goes on."""

    id: int
    reader_id: int | None
    rule: str
    subject: str
    text: str
    raised_ms: int
    cleared_ms: int | None


_ALERT = tuple(fleet_alert.c[name] for name in Alert.__dataclass_fields__)


def open_alerts(connection: Connection, institution_id: int) -> list[Alert]:
    """Those that go on, the oldest first."""
    query = (
        select(*_ALERT)
        .where(fleet_alert.c.institution_id == institution_id, fleet_alert.c.cleared_ms.is_(None))
        .order_by(fleet_alert.c.raised_ms, fleet_alert.c.id)
    )
    return [Alert(**row._mapping) for row in connection.execute(query)]


def lock(connection: Connection, institution_id: int) -> None:
    """Let no other server raise or end alerts of this institution before this transaction ends."""
    connection.execute(
        select(fleet_watch.c.looked_ms).where(fleet_watch.c.institution_id == institution_id).with_for_update()
    )


def of_reader(connection: Connection, reader_id: int, from_ms: int, to_ms: int, limit: int) -> list[Alert]:
    """A reader's that were on in [from, to), the newest first."""
    query = (
        select(*_ALERT)
        .where(
            fleet_alert.c.reader_id == reader_id,
            fleet_alert.c.raised_ms < to_ms,
            or_(fleet_alert.c.cleared_ms.is_(None), fleet_alert.c.cleared_ms >= from_ms),
        )
        .order_by(fleet_alert.c.raised_ms.desc())
        .limit(limit)
    )
    return [Alert(**row._mapping) for row in connection.execute(query)]


def raise_(
    connection: Connection, institution_id: int, reader_id: int | None, rule: str, subject: str, text: str, now_ms: int
) -> None:
    """It is down."""
    connection.execute(
        fleet_alert.insert().values(
            institution_id=institution_id,
            reader_id=reader_id,
            rule=rule,
            subject=subject[:128],
            text=text,
            raised_ms=now_ms,
        )
    )


def clear(connection: Connection, alert_id: int, now_ms: int) -> None:
    """It is up again."""
    connection.execute(
        update(fleet_alert)
        .where(fleet_alert.c.id == alert_id, fleet_alert.c.cleared_ms.is_(None))
        .values(cleared_ms=now_ms)
    )


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A message that waits."""

    id: int
    institution_id: int
    channel: str
    subject: str
    body: str
    created_ms: int
    tries: int


def write(connection: Connection, institution_id: int, channel: str, subject: str, body: str, now_ms: int) -> None:
    """A message is to go out: in the transaction that notes what it tells of."""
    connection.execute(
        fleet_notice.insert().values(
            institution_id=institution_id,
            channel=channel,
            subject=subject,
            body=body,
            created_ms=now_ms,
            next_ms=now_ms,
        )
    )


def due(connection: Connection, now_ms: int, limit: int = 20) -> list[Notice]:
    """Those that may be tried now, the oldest first."""
    query = (
        select(*(fleet_notice.c[name] for name in Notice.__dataclass_fields__))
        .where(fleet_notice.c.sent_ms.is_(None), fleet_notice.c.failed_ms.is_(None), fleet_notice.c.next_ms <= now_ms)
        .order_by(fleet_notice.c.id)
        .limit(limit)
    )
    return [Notice(**row._mapping) for row in connection.execute(query)]


def take(connection: Connection, notice_id: int, now_ms: int, until_ms: int) -> bool:
    """Try this one now; by then, where it is not known what came of it, it may be tried again. False: another server on
    the same database has taken it, or sent it."""
    taken = connection.execute(
        update(fleet_notice)
        .where(
            fleet_notice.c.id == notice_id,
            fleet_notice.c.sent_ms.is_(None),
            fleet_notice.c.failed_ms.is_(None),
            fleet_notice.c.next_ms <= now_ms,
        )
        .values(next_ms=until_ms)
    )
    return taken.rowcount == 1


def tried(
    connection: Connection, notice_id: int, code: str, *, sent_ms: int | None, failed_ms: int | None, next_ms: int
) -> None:
    """How a try ended: sent, given up, or tried again then."""
    connection.execute(
        update(fleet_notice)
        .where(fleet_notice.c.id == notice_id)
        .values(tries=fleet_notice.c.tries + 1, code=code[:32], sent_ms=sent_ms, failed_ms=failed_ms, next_ms=next_ms)
    )
