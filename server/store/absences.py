"""Absences that were reported or asked for (LOUGH-19, LOUGH-20, PORT-13, STEP-23): who may report, read and decide them.

What an absence does to registers is derived from it: server/derive/leave.py. Reasons, comments and who called stand in
erasable notes; the row itself holds ids, times and words of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, false, or_, select, true

from server.errors import NotFound, StoreError
from server.scope import Scope
from server.store import campus, faculties, notes, people, rights, sessions
from server.store.schema import (
    account,
    class_group,
    course,
    enrolment,
    note,
    person,
    person_name,
    session,
    session_class,
    session_staff,
)
from server.store.schema_rights import person_department
from server.store.schema_work import absence, absence_session
from server.store.upsert import new_id

REPORTED, AUTHORISED, LEAVE = KINDS = ("reported", "authorised", "leave")
SELF, PHONE, PARENT, STAFF = CHANNELS = ("self", "phone", "parent", "staff")
OPEN, APPROVED, REJECTED, WITHDRAWN = STATES = ("open", "approved", "rejected", "withdrawn")
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


@dataclass(frozen=True, kw_only=True)
class Absence:
    """One absence as pages show it."""

    id: int
    person_id: int
    full_name: str
    kind: str
    from_ms: int
    to_ms: int
    channel: str
    reported_ms: int
    state: str
    department_id: int | None
    by_account_id: int
    #: shown names of the accounts
    by: str
    decided_by: str | None
    decided_by_account_id: int | None
    decided_ms: int | None
    reason_note_id: int | None
    told_by_note_id: int | None
    decided_note_id: int | None
    #: the sessions that it names; none: every one in its time
    session_ids: tuple[int, ...]


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
    if wanted.kind != REPORTED:
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
    return next((one for one in rows if _named(connection, [one]).get(one, ()) == named), None)


def _named(connection: Connection, absence_ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    query = (
        select(absence_session.c.absence_id, absence_session.c.session_id)
        .where(absence_session.c.absence_id.in_(absence_ids))
        .order_by(absence_session.c.session_id)
    )
    for row in connection.execute(query):
        found[row.absence_id] = (*found.get(row.absence_id, ()), row.session_id)
    return found


# --- who may see and decide ------------------------------------------------------------------------------------------


def visible(scope: Scope, act: str = "absence.read") -> ColumnElement[bool]:
    """The condition on `absence` and `person` (joined) under which this scope reaches it.

    A request over a week is its faculty's head's and the registry's (PORT-13). Whoever only teaches the student reads
    what was reported for a session of theirs, and no other.
    """
    inside = absence.c.institution_id == scope.institution_id
    reach = scope.reach(act)
    if reach.all:
        return inside
    ways: list[ColumnElement[bool]] = [absence.c.department_id.in_(reach.departments)]
    if reach.oneself:
        ways.append(absence.c.person_id == scope.person_id)
    if reach.own:
        ways.append(and_(absence.c.kind == REPORTED, staffed(scope, act)))
    if reach.departments or reach.courses:
        ways.append(and_(absence.c.kind == REPORTED, granted(scope, act)))
    return and_(inside, or_(*ways))


def staffed(scope: Scope, act: str) -> ColumnElement[bool]:
    """The condition on `absence` under which the scope's person teaches a session that it is about, with a part in it
    that gives this act."""
    if scope.person_id is None:
        return false()
    named = exists().where(absence_session.c.absence_id == absence.c.id)
    return exists(
        select(session.c.id)
        .join(session_staff, session_staff.c.session_id == session.c.id)
        .join(session_class, session_class.c.session_id == session.c.id)
        .join(enrolment, enrolment.c.class_id == session_class.c.class_id)
        .where(
            session_staff.c.person_id == scope.person_id,
            sessions.part_of(act),
            enrolment.c.person_id == absence.c.person_id,
            sessions.listed(),
            session.c.starts_ms < absence.c.to_ms,
            session.c.ends_ms > absence.c.from_ms,
            or_(
                ~named,
                exists().where(
                    absence_session.c.absence_id == absence.c.id, absence_session.c.session_id == session.c.id
                ),
            ),
        )
        .correlate(absence)
    )


def granted(scope: Scope, act: str) -> ColumnElement[bool]:
    """The condition on `absence` by grants alone: whom one merely teaches does not count here. Who belonged to the
    department, or was in one of its classes, at another time only is not in its care any more."""
    reach = scope.reach(act)
    belongs = exists().where(
        person_department.c.person_id == absence.c.person_id,
        person_department.c.department_id.in_(reach.departments),
        person_department.c.to_ms.is_(None),
    )
    taught = exists(
        select(enrolment.c.id)
        .join(class_group, class_group.c.id == enrolment.c.class_id)
        .join(course, course.c.id == class_group.c.course_id)
        .where(
            enrolment.c.person_id == absence.c.person_id,
            enrolment.c.role == "student",
            enrolment.c.from_ms < absence.c.to_ms,
            or_(enrolment.c.to_ms.is_(None), enrolment.c.to_ms > absence.c.from_ms),
            or_(course.c.department_id.in_(reach.departments), course.c.id.in_(reach.courses)),
        )
        .correlate(absence)
    )
    return or_(belongs, taught)


_COLUMNS = (
    absence,
    person_name.c.full_name,
    account.c.shown_name.label("by"),
)


def _read(connection: Connection, where: ColumnElement[bool], limit: int = 1) -> list[Absence]:
    query = (
        select(*_COLUMNS)
        .join(person, person.c.id == absence.c.person_id)
        .join(person_name, person_name.c.person_id == absence.c.person_id)
        .join(account, account.c.id == absence.c.by_account_id)
        .where(where)
        .order_by(absence.c.from_ms.desc(), absence.c.id.desc())
        .limit(limit)
    )
    rows = connection.execute(query).all()
    named = _named(connection, [row.id for row in rows])
    deciders = _shown_names(connection, {row.decided_by_account_id for row in rows} - {None})
    return [
        Absence(
            **{name: getattr(row, name) for name in Absence.__dataclass_fields__ if name in row._mapping},
            decided_by=deciders.get(row.decided_by_account_id),
            session_ids=named.get(row.id, ()),
        )
        for row in rows
    ]


def _shown_names(connection: Connection, account_ids: Iterable[int]) -> dict[int, str]:
    query = select(account.c.id, account.c.shown_name).where(account.c.id.in_(sorted(account_ids)))
    return dict(connection.execute(query).all())


def need(connection: Connection, scope: Scope, absence_id: int, act: str = "absence.read") -> Absence:
    """One absence. Raises NotFound(`absence`) where there is none, or not for this scope and act."""
    found = _read(connection, and_(absence.c.id == absence_id, visible(scope, act)))
    if not found:
        raise NotFound("absence", "there is no such absence, or it is not in your care")
    return found[0]


def one(connection: Connection, absence_id: int) -> Absence:
    """One absence, whoever asks: for what follows from it. Raises NotFound(`absence`)."""
    found = _read(connection, absence.c.id == absence_id)
    if not found:
        raise NotFound("absence", "there is no such absence")
    return found[0]


def institution_of(connection: Connection, absence_id: int) -> int:
    """The institution that an absence belongs to. Raises NotFound(`absence`)."""
    found = connection.execute(select(absence.c.institution_id).where(absence.c.id == absence_id)).scalar()
    if found is None:
        raise NotFound("absence", "there is no such absence")
    return found


def scope_of(connection: Connection, institution_id: int, account_id: int, now_ms: int) -> Scope:
    """What an account may do now, where it is not the one who asks."""
    person_id = connection.execute(select(account.c.person_id).where(account.c.id == account_id)).scalar()
    return Scope(
        institution_id=institution_id,
        account_id=account_id,
        person_id=person_id,
        grants=rights.grants_of(connection, account_id, now_ms),
    )


def approved_of(connection: Connection, person_id: int, since_ms: int) -> list[int]:
    """The ids of a student's approved absences that end after that."""
    query = select(absence.c.id).where(
        absence.c.person_id == person_id, absence.c.state == APPROVED, absence.c.to_ms >= since_ms
    )
    return sorted(connection.execute(query).scalars())


def of_person(connection: Connection, scope: Scope, person_id: int, limit: int = 50) -> list[Absence]:
    """A student's absences that this scope may read, newest first."""
    return _read(connection, and_(absence.c.person_id == person_id, visible(scope)), limit)


def listed(connection: Connection, scope: Scope, *, waiting: bool, since_ms: int, limit: int = 200) -> list[Absence]:
    """Those of others that this scope may read: the ones that wait for a decision, or those decided since then."""
    state = absence.c.state == OPEN if waiting else and_(absence.c.state != OPEN, absence.c.to_ms >= since_ms)
    others = absence.c.person_id != scope.person_id if scope.person_id is not None else true()
    return _read(connection, and_(state, others, visible(scope)), limit)


def texts(connection: Connection, note_ids: Iterable[int | None]) -> dict[int, str]:
    """note id -> its text, or that it was erased."""
    wanted = sorted(one for one in set(note_ids) if one is not None)
    query = select(note.c.id, notes.shown()).where(note.c.id.in_(wanted))
    return dict(connection.execute(query).all())
