"""Absences as they are kept and read (LOUGH-19, LOUGH-20, PORT-13, STEP-23).

What an absence does to registers is derived from it: server/derive/leave.py. Reasons, comments and who called stand in
erasable notes; the row itself holds ids, times and words of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, select, true

from server.errors import NotFound
from server.scope import Scope
from server.store import absence_reach, notes, rights
from server.store.absence_kinds import APPROVED, OPEN, REPORTED
from server.store.schema import account, note, person, person_name
from server.store.schema_work import absence, absence_session


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
    #: its rules left it to the faculty when it was reported; None: by its kind, as `faculty_decides` says
    by_faculty: bool | None
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

    @property
    def faculty_decides(self) -> bool:
        """Whether it is the faculty's head's to decide, and no other head's (PORT-13)."""
        return self.kind != REPORTED if self.by_faculty is None else self.by_faculty


def sessions_named(connection: Connection, absence_ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Absence id -> the sessions that it names, by id; those that name none are not in it."""
    found: dict[int, tuple[int, ...]] = {}
    query = (
        select(absence_session.c.absence_id, absence_session.c.session_id)
        .where(absence_session.c.absence_id.in_(absence_ids))
        .order_by(absence_session.c.session_id)
    )
    for row in connection.execute(query):
        found[row.absence_id] = (*found.get(row.absence_id, ()), row.session_id)
    return found


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
    named = sessions_named(connection, [row.id for row in rows])
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
    found = _read(connection, and_(absence.c.id == absence_id, absence_reach.visible(scope, act)))
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
    return _read(connection, and_(absence.c.person_id == person_id, absence_reach.visible(scope)), limit)


def listed(connection: Connection, scope: Scope, *, waiting: bool, since_ms: int, limit: int = 200) -> list[Absence]:
    """Those of others that this scope may read: the ones that wait for a decision, or those decided since then."""
    state = absence.c.state == OPEN if waiting else and_(absence.c.state != OPEN, absence.c.to_ms >= since_ms)
    others = absence.c.person_id != scope.person_id if scope.person_id is not None else true()
    return _read(connection, and_(state, others, absence_reach.visible(scope)), limit)


def texts(connection: Connection, note_ids: Iterable[int | None]) -> dict[int, str]:
    """note id -> its text, or that it was erased."""
    wanted = sorted(one for one in set(note_ids) if one is not None)
    query = select(note.c.id, notes.shown()).where(note.c.id.in_(wanted))
    return dict(connection.execute(query).all())
