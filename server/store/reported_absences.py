"""Absences reported or asked for (LOUGH-19, LOUGH-20): what may be reported by whom, and the same only once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from server.errors import NotFound, StoreError
from server.scope import Scope
from server.store import absences, campus, faculties, notes, people, sessions
from server.store.absence_kinds import APPROVED, CHANNELS, KINDS, OPEN, REPORTED, SELF
from server.store.schema import enrolment, person, session, session_class
from server.store.schema_work import absence, absence_session
from server.store.upsert import new_id

#: an absence lasts no longer than this, and is reported no later than this after its end
LASTS_MS, LATE_MS = 366 * 24 * 3_600_000, 62 * 24 * 3_600_000
SESSIONS_MAX, REASON_MAX = 60, 1000
#: what one reports oneself is reported now, give or take what the server takes for it
NOW_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is reported. Times are epoch ms, [from, to); with `session_ids` only those sessions, else all in the time."""

    person_id: int
    kind: str
    from_ms: int
    to_ms: int
    session_ids: tuple[int, ...] = ()
    reason: str
    channel: str
    #: who called, where it was a parent or carer: kept erasable (LOUGH-20)
    told_by: str = ""
    #: when it was told: for a call logged later, when the call was (LOUGH-21)
    reported_ms: int
    #: whether its rules leave it to the student's faculty; None: all but what is reported (PORT-13)
    by_faculty: bool | None = None


def report(connection: Connection, scope: Scope, wanted: Wanted, *, now_ms: int) -> int:
    """Report an absence. The same once more is the one that is there: its id comes back.

    Raises NotFound(`person`, `session`), StoreError(`absence-*`).
    """
    people.need(connection, scope, wanted.person_id, "absence.report")
    own = wanted.person_id == scope.person_id
    _check(connection, scope, wanted, own=own, now_ms=now_ms)
    # Of the same form that was sent twice at once, the second one sees what the first has made.
    connection.execute(select(person.c.id).where(person.c.id == wanted.person_id).with_for_update(key_share=True))
    there = _same(connection, scope, wanted)
    if there is not None:
        return there
    routed = None
    if wanted.kind != REPORTED if wanted.by_faculty is None else wanted.by_faculty:
        routed = faculties.of_person(connection, scope.institution_id, wanted.person_id, now_ms)
    told_by = None
    if wanted.told_by:
        told_by = notes.add(connection, scope.institution_id, wanted.told_by, scope.account_id, now_ms)
    made = connection.execute(
        absence.insert().values(
            institution_id=scope.institution_id,
            person_id=wanted.person_id,
            kind=wanted.kind,
            from_ms=wanted.from_ms,
            to_ms=wanted.to_ms,
            channel=wanted.channel,
            told_by_note_id=told_by,
            reason_note_id=notes.add(connection, scope.institution_id, wanted.reason, scope.account_id, now_ms),
            reported_ms=wanted.reported_ms,
            by_account_id=scope.account_id,
            department_id=routed,
            by_faculty=wanted.by_faculty,
        )
    )
    absence_id = new_id(made)
    if wanted.session_ids:
        connection.execute(
            absence_session.insert(),
            [
                {"institution_id": scope.institution_id, "absence_id": absence_id, "session_id": one}
                for one in sorted(set(wanted.session_ids))
            ],
        )
    campus.write_down(connection, scope, "absence.report", f"absence/{absence_id}", now_ms)
    return absence_id


def _check(connection: Connection, scope: Scope, wanted: Wanted, *, own: bool, now_ms: int) -> None:
    if wanted.kind not in KINDS or wanted.channel not in CHANNELS:
        raise StoreError("absence-kind", "choose what kind of absence it is, and how it was told")
    if own != (wanted.channel == SELF):
        raise StoreError("absence-channel", "say how the absence was told: by phone, by a parent or carer, or to staff")
    if not wanted.reason.strip():
        raise StoreError("absence-reason", "give the reason: without one an absence cannot be approved")
    if not wanted.from_ms < wanted.to_ms:
        raise StoreError("absence-time", "the absence ends before it begins: correct the days")
    if wanted.to_ms - wanted.from_ms > LASTS_MS:
        raise StoreError("absence-time", "an absence lasts a year at most: report the rest when it comes nearer")
    if wanted.to_ms < now_ms - LATE_MS:
        raise StoreError("absence-late", "this is too long ago to report: ask the registry what can still be done")
    if wanted.reported_ms > now_ms:
        raise StoreError("absence-told", "it cannot have been told later than now: correct when it was told")
    if own and now_ms - wanted.reported_ms > NOW_MS:
        raise StoreError("absence-told", "what you report yourself is reported now")
    if not _is_student(connection, wanted.person_id):
        raise StoreError("absence-person", "only somebody on a class list can be absent from a class")
    if len(wanted.session_ids) > SESSIONS_MAX:
        raise StoreError("absence-sessions", f"name at most {SESSIONS_MAX} sessions, or report days instead")
    if wanted.session_ids:
        mine = {row.id for row in sessions_of(connection, wanted.person_id, wanted.session_ids)}
        if mine != set(wanted.session_ids):
            raise NotFound("session", "one of these sessions is not on this student's timetable any more: look again")


def _is_student(connection: Connection, person_id: int) -> bool:
    query = select(enrolment.c.id).where(enrolment.c.person_id == person_id, enrolment.c.role == "student").limit(1)
    return connection.execute(query).first() is not None


def sessions_of(connection: Connection, person_id: int, session_ids: Iterable[int]) -> list[Any]:
    """Those of these sessions that have the student on their list: rows of `session`."""
    query = (
        select(session)
        .join(session_class, session_class.c.session_id == session.c.id)
        .join(enrolment, enrolment.c.class_id == session_class.c.class_id)
        .where(enrolment.c.person_id == person_id, session.c.id.in_(sorted(set(session_ids))), sessions.listed())
        .distinct()
        .order_by(session.c.starts_ms, session.c.id)
    )
    return list(connection.execute(query))


def _same(connection: Connection, scope: Scope, wanted: Wanted) -> int | None:
    """The absence that says the same already and is not withdrawn or refused: a form that was sent twice."""
    rows = connection.execute(
        select(absence.c.id).where(
            absence.c.institution_id == scope.institution_id,
            absence.c.person_id == wanted.person_id,
            absence.c.kind == wanted.kind,
            absence.c.from_ms == wanted.from_ms,
            absence.c.to_ms == wanted.to_ms,
            absence.c.state.in_((OPEN, APPROVED)),
        )
    ).scalars()
    named = tuple(sorted(set(wanted.session_ids)))
    return next((one for one in rows if absences.sessions_named(connection, [one]).get(one, ()) == named), None)
