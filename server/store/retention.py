"""What a retention rule finds, and its doing: rows by the rule's own words, in bites.

policy/retention.py says what a rule may do at all; here stands a second guard, by the tables themselves, so that no
mistake in one place alone can take a fact away.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, update

from server.errors import BadSetting
from server.policy.retention import Rule, before_ms
from server.store import emptying, notes
from server.store.schema import import_run, login, metadata, note, quarantine, swipe
from server.store.schema_fleet import fleet_alert, fleet_notice, reader_command, reader_outage
from server.store.schema_misuse import misuse_flag, misuse_tap
from server.store.schema_residence import check_in, duty_note, evening_act, kiosk_event, residence_flag, residence_leave
from server.store.schema_rights import sign_in_flow
from server.store.schema_work import import_schedule, mail, message

FACTS = (swipe, check_in, kiosk_event)
#: rows of these prove nothing: only they are ever removed
REMOVABLE = (
    login,
    sign_in_flow,
    misuse_tap,
    misuse_flag,
    reader_outage,
    fleet_alert,
    fleet_notice,
    reader_command,
)
#: their texts go, and the rows stay
NOTES = {
    duty_note: ("note_id",),
    evening_act: ("note_id",),
    residence_leave: ("note_id", "answer_note_id"),
    residence_flag: ("note_id",),
    misuse_flag: ("note_id",),
}
#: column -> what it becomes
EMPTY: dict[Any, dict[str, str | bytes]] = {
    mail: {"address": ""},
    message: {"subject": "", "text": ""},
    import_run: {"summary": "{}"},
    import_schedule: {"last_report": ""},
    quarantine: {"content": b""},
}


def waiting(connection: Connection, rule: Rule, now_ms: int) -> int:
    """How many rows the rule would empty or remove now."""
    return connection.execute(select(func.count()).select_from(_table(rule)).where(_due(rule, now_ms))).scalar_one()


def bite(connection: Connection, rule: Rule, now_ms: int, most: int) -> int:
    """Do the rule for so many rows at most. Returns how many. Raises BadSetting(`retention-forbidden`)."""
    table = _table(rule)
    key = next(iter(table.primary_key.columns))
    query = select(key).where(_due(rule, now_ms)).order_by(key).limit(most)
    ids = list(connection.execute(query).scalars())
    if not ids:
        return 0
    some = key.in_(ids)
    if rule.removes:
        if table is misuse_flag:
            _without_words(connection, ids, now_ms)
        connection.execute(delete(table).where(some))
    elif table in FACTS:
        emptying.empty(connection, table, ids, rule.empties)
    elif table in NOTES:
        told = select(table.c.institution_id, *(table.c[name] for name in rule.empties)).where(some)
        for row in connection.execute(told).all():
            notes.erase(connection, row.institution_id, [one for one in row[1:] if one is not None], now_ms)
    else:
        values: dict[str, Any] = {name: EMPTY[table][name] for name in rule.empties}
        connection.execute(
            update(table).where(some).values(values | ({"erased_ms": now_ms} if table is message else {}))
        )
    return len(ids)


def _without_words(connection: Connection, flag_ids: list[int], now_ms: int) -> None:
    """A suspicion goes wholly: what it rested on, and what was said of it."""
    query = select(misuse_flag.c.institution_id, misuse_flag.c.note_id).where(misuse_flag.c.id.in_(flag_ids))
    for row in connection.execute(query.where(misuse_flag.c.note_id.is_not(None))).all():
        notes.erase(connection, row.institution_id, [row.note_id], now_ms)
    connection.execute(delete(misuse_tap).where(misuse_tap.c.flag_id.in_(flag_ids)))


def _table(rule: Rule) -> Any:
    """The rule's table, if the rule can be done. Raises BadSetting(`retention-forbidden`)."""
    table = metadata.tables.get(rule.table)
    fits = table is not None and (
        table in REMOVABLE
        if rule.removes
        else set(rule.empties) <= set(emptying.MAY_EMPTY[table])
        if table in FACTS
        else set(rule.empties) <= set(NOTES[table])
        if table in NOTES
        else set(rule.empties) <= set(EMPTY.get(table, {}))
    )
    if table is None or not fits:
        raise BadSetting(
            "retention-forbidden", f"the retention rule {rule.name} would take what must stay: {rule.table}"
        )
    return table


def _due(rule: Rule, now_ms: int) -> ColumnElement[bool]:
    table = _table(rule)
    old = table.c[rule.after] < before_ms(rule, now_ms)
    if rule.removes:
        # What has not gone out yet is still tried.
        gone = or_(fleet_notice.c.sent_ms.is_not(None), fleet_notice.c.failed_ms.is_not(None))
        return and_(old, gone) if table is fleet_notice else old
    if table in FACTS:
        return and_(old, or_(*(table.c[name].is_not(None) for name in rule.empties)))
    if table in NOTES:
        written = select(note.c.id).where(note.c.erased_ms.is_(None))
        return and_(old, or_(*(table.c[name].in_(written) for name in rule.empties)))
    there = or_(*(table.c[name] != EMPTY[table][name] for name in rule.empties))
    # A mail that is still to go needs its address; what is not sent yet keeps its text; what a reader sealed, and the
    # store has taken without being able to use it, waits for somebody to look at it.
    goes = {
        mail: mail.c.state.in_(("sent", "failed")),
        message: message.c.sent_ms.is_not(None),
        quarantine: or_(quarantine.c.authentic.is_(False), quarantine.c.closed_ms.is_not(None)),
    }
    return and_(old, there, goes[table]) if table in goes else and_(old, there)
