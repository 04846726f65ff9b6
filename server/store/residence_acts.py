"""What staff on duty do about an evening: enter somebody with a reason, excuse, note a call; and what a shift tells the
next (DDU-12). Every act stays, also one that was withdrawn; the reasons' words stand in notes, which can be erased."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, select, update

from server.errors import NotFound, Refused
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import campus, notes, residence_reach
from server.store.campus import FieldRefused
from server.store.residence_evenings import CALL, ENTRY, EXCUSE, KINDS, NOT_THEN, NOTE
from server.store.residence_rules import Calendar
from server.store.schema import account, note
from server.store.schema_residence import duty_note, evening_act, residency
from server.store.upsert import new_id

TEND = "residence.tend"
#: why somebody is entered or excused; in words beside it
REASONS = ("guest-visit", "injury", "leave", "work", "family", "kiosk-out-of-order", "no-card", "other")
TEXT_MAX = 2_000
#: the same again from the same account within this time is a form that was sent twice, ms
TWICE_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class DutyNote:
    """What one shift told the next."""

    id: int
    day: date
    text: str
    by: str
    at_ms: int


def act(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    person_id: int,
    day: date,
    kind: str,
    reason: str,
    text: str,
    now_ms: int,
) -> int:
    """Do something about a resident on an evening: entry (counts as a check-in), excuse, call, note; not-then (a check-in
    of which it is not known when it was was not of this evening). Returns its id. Sent twice it is done once.

    Raises NotFound(`resident`), FieldRefused(`kind`, `reason`, `text`), Refused(`not-resident`, `own`, `evening-not-yet`).
    """
    house_id = _lived(connection, scope, profiles, person_id, day, now_ms)
    if kind not in KINDS:
        raise FieldRefused("kind", "kind", f"choose one of {', '.join(KINDS)}")
    if kind in (ENTRY, EXCUSE, NOT_THEN) and person_id == scope.person_id:
        raise Refused("own", "nobody enters or excuses themselves: ask somebody else on duty")
    if kind in (ENTRY, EXCUSE):
        if reason not in REASONS:
            raise FieldRefused("reason", "reason", f"say why: {', '.join(REASONS)}")
    elif reason and reason not in REASONS:
        raise FieldRefused("reason", "reason", f"choose one of {', '.join(REASONS)}, or none")
    text = _text(text, needed=kind in (CALL, NOTE, NOT_THEN) or reason == "other")
    campus.begin(connection, scope)
    if (before := _sent_before(connection, scope, person_id, day, (kind, reason, text), now_ms)) is not None:
        return before
    note_id = notes.add(connection, scope.institution_id, text, scope.account_id or None, now_ms) if text else None
    made = connection.execute(
        evening_act.insert().values(
            institution_id=scope.institution_id,
            person_id=person_id,
            house_id=house_id,
            evening=day.isoformat(),
            kind=kind,
            reason=reason,
            note_id=note_id,
            by_account_id=scope.account_id,
            at_ms=now_ms,
        )
    )
    found = new_id(made)
    campus.write_down(
        connection,
        scope,
        f"evening.{kind}",
        f"person:{person_id}",
        now_ms,
        act=found,
        house=house_id,
        evening=day.isoformat(),
        reason=reason,
        note=None if note_id is None else notes.cited(connection, [note_id])[note_id],
    )
    return found


def withdraw(connection: Connection, scope: Scope, act_id: int, now_ms: int) -> None:
    """Take an act back; it stays to be read. Raises NotFound(`act`)."""
    scope.need(TEND)
    row = connection.execute(
        select(evening_act).where(evening_act.c.id == act_id, evening_act.c.institution_id == scope.institution_id)
    ).first()
    if row is None:
        raise NotFound("act", "there is no such entry")
    residence_reach.need_house(connection, scope, row.house_id, TEND)
    if row.person_id == scope.person_id:
        raise Refused("own", "this is about yourself: ask somebody else on duty")
    done = connection.execute(
        update(evening_act)
        .where(evening_act.c.id == act_id, evening_act.c.withdrawn_ms.is_(None))
        .values(withdrawn_ms=now_ms, withdrawn_by_account_id=scope.account_id)
    )
    if done.rowcount:
        campus.write_down(
            connection, scope, "evening.withdraw", f"person:{row.person_id}", now_ms, act=act_id, kind=row.kind
        )


def hand_over(connection: Connection, scope: Scope, house_id: int, day: date, text: str, now_ms: int) -> int:
    """Leave a note for the next shift. Returns its id. Sent twice it is left once.

    Raises NotFound(`house`), FieldRefused(`text`).
    """
    scope.need(TEND)
    residence_reach.need_house(connection, scope, house_id, TEND)
    text = _text(text, needed=True)
    campus.begin(connection, scope)
    last = connection.execute(
        select(duty_note.c.id, note.c.text)
        .join(note, note.c.id == duty_note.c.note_id)
        .where(
            duty_note.c.house_id == house_id,
            duty_note.c.evening == day.isoformat(),
            duty_note.c.by_account_id == scope.account_id,
            duty_note.c.at_ms > now_ms - TWICE_MS,
        )
        .order_by(duty_note.c.id.desc())
        .limit(1)
    ).first()
    if last is not None and last.text == text:
        return last.id
    note_id = notes.add(connection, scope.institution_id, text, scope.account_id or None, now_ms)
    made = connection.execute(
        duty_note.insert().values(
            institution_id=scope.institution_id,
            house_id=house_id,
            evening=day.isoformat(),
            note_id=note_id,
            by_account_id=scope.account_id,
            at_ms=now_ms,
        )
    )
    cited = notes.cited(connection, [note_id])[note_id]
    campus.write_down(
        connection, scope, "evening.hand-over", f"house:{house_id}", now_ms, evening=day.isoformat(), note=cited
    )
    return new_id(made)


def hand_overs(connection: Connection, scope: Scope, house_id: int, first: date, last: date) -> list[DutyNote]:
    """What shifts left for the next on these evenings, newest first. Raises NotFound(`house`)."""
    scope.need("residence.read")
    residence_reach.need_house(connection, scope, house_id, "residence.read")
    query = (
        select(duty_note, notes.shown().label("text"), account.c.shown_name)
        .join(note, note.c.id == duty_note.c.note_id)
        .outerjoin(account, account.c.id == duty_note.c.by_account_id)
        .where(
            duty_note.c.house_id == house_id,
            duty_note.c.evening >= first.isoformat(),
            duty_note.c.evening <= last.isoformat(),
        )
        .order_by(duty_note.c.id.desc())
    )
    return [
        DutyNote(
            id=row.id, day=date.fromisoformat(row.evening), text=row.text, by=row.shown_name or "", at_ms=row.at_ms
        )
        for row in connection.execute(query)
    ]


def _lived(connection: Connection, scope: Scope, profiles: Profiles, person_id: int, day: date, now_ms: int) -> int:
    """The house in which they lived that evening, if it is in reach."""
    scope.need(TEND)
    residence_reach.need_person(connection, scope, person_id, TEND)
    evening = Calendar(connection, scope.institution_id, profiles).of_day(day).evening(day)
    lives = residence_reach.lives_at(evening.closes_ms - 1)
    query = select(residency.c.house_id).where(residency.c.person_id == person_id, lives)
    house_id = connection.execute(query.order_by(residency.c.from_ms.desc(), residency.c.id.desc())).scalar()
    if house_id is None:
        raise Refused("not-resident", "they did not live in the residence on that evening")
    residence_reach.need_house(connection, scope, house_id, TEND)
    if day > Calendar(connection, scope.institution_id, profiles).at(now_ms).tonight(now_ms):
        raise Refused("evening-not-yet", "that evening has not come: for days to come there is leave")
    return house_id


def _sent_before(
    connection: Connection, scope: Scope, person_id: int, day: date, said: tuple[str, str, str], now_ms: int
) -> int | None:
    """The account's last act about them on that evening, if it is this one and just now. said: kind, reason, text."""
    last = connection.execute(
        select(evening_act.c.id, evening_act.c.kind, evening_act.c.reason, note.c.text)
        .outerjoin(note, note.c.id == evening_act.c.note_id)
        .where(
            evening_act.c.person_id == person_id,
            evening_act.c.evening == day.isoformat(),
            evening_act.c.by_account_id == scope.account_id,
            evening_act.c.withdrawn_ms.is_(None),
            evening_act.c.at_ms > now_ms - TWICE_MS,
        )
        .order_by(evening_act.c.id.desc())
        .limit(1)
    ).first()
    return last.id if last is not None and (last.kind, last.reason, last.text or "") == said else None


def _text(text: str, *, needed: bool) -> str:
    text = text.strip()
    if needed and not text:
        raise FieldRefused("text", "text", "say it in a few words")
    if len(text) > TEXT_MAX:
        raise FieldRefused("text", "text", f"at most {TEXT_MAX} characters")
    return text
