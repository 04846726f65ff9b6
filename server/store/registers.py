"""Registers: a session's students with their marks; and what a person does to them. Marks are append-only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from server.errors import StoreError
from server.policy.profile import Profile
from server.scope import Scope
from server.store import derivations, sessions
from server.store.schema import (
    account,
    audit,
    credit,
    enrolment,
    mark,
    mark_current,
    note,
    outage,
    person_external_id,
    person_name,
    proposal,
    reader,
    session,
    session_class,
)
from server.store.schema import register as register_table
from server.store.sessions import SessionRow
from server.store.upsert import new_id


@dataclass(frozen=True, kw_only=True)
class Row:
    """One student on a register."""

    person_id: int
    full_name: str
    external_id: str
    #: None: not marked
    code: str | None
    late_min: int | None
    early_min: int | None
    #: swipe, absence, person, import; None: nothing was decided yet
    source: str | None
    verified: bool
    #: whether it counts: verified, where the profile asks for that (STEP-18)
    counts: bool
    flag: str | None
    #: when the crediting swipe was
    at_ms: int | None
    #: on the class list at the session's start
    listed: bool
    #: what derivation would say instead of a person's mark
    proposal: str | None


@dataclass(frozen=True, kw_only=True)
class Outage:
    """A reader of this session was dead or not able: a fact, never held against a student."""

    reader: str
    from_ms: int
    to_ms: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Register:
    """A session's register."""

    session: SessionRow
    version: int
    evidence: str
    verified_ms: int | None
    verified_by: str | None
    outages: tuple[Outage, ...]
    rows: tuple[Row, ...]


def version(connection: Connection, scope: Scope, session_id: int) -> int:
    """A number that changes whenever anything that the register shows changes. 0: nothing happened yet.

    Raises NotFound(`session`).
    """
    query = (
        select(session.c.id, register_table.c.version)
        .outerjoin(register_table, register_table.c.session_id == session.c.id)
        .where(session.c.id == session_id, sessions.visible(scope))
    )
    row = connection.execute(query).first()
    if row is None:
        sessions.need(connection, scope, session_id)
        return 0
    return row.version or 0


def register_of(
    connection: Connection, scope: Scope, session_id: int, profiles: dict[str, Profile] | None = None
) -> Register:
    """The register as it is now. Raises NotFound(`session`)."""
    shown = sessions.one(connection, scope, session_id)
    state = connection.execute(select(register_table).where(register_table.c.session_id == session_id)).first()
    by = None
    if state is not None and state.verified_by_account_id is not None:
        by = connection.execute(
            select(account.c.shown_name).where(account.c.id == state.verified_by_account_id)
        ).scalar()
    outages = connection.execute(
        select(reader.c.name, outage.c.from_ms, outage.c.to_ms, outage.c.why)
        .join(reader, reader.c.id == outage.c.reader_id)
        .where(outage.c.session_id == session_id)
        .order_by(outage.c.from_ms, reader.c.name)
    )
    needs = profiles[shown.profile].verification_needed if profiles and shown.profile in profiles else False
    return Register(
        session=shown,
        version=state.version if state else 0,
        evidence=state.evidence if state else "pending",
        verified_ms=state.verified_ms if state else None,
        verified_by=by,
        outages=tuple(Outage(reader=r.name, from_ms=r.from_ms, to_ms=r.to_ms, why=r.why) for r in outages),
        rows=tuple(_rows(connection, session_id, needs)),
    )


def members(connection: Connection, session_id: int) -> list[int]:
    """Who is on the class list at the session's start."""
    query = (
        select(enrolment.c.person_id)
        .join(session_class, session_class.c.class_id == enrolment.c.class_id)
        .join(session, session.c.id == session_class.c.session_id)
        .where(session.c.id == session_id, sessions.listed())
        .distinct()
    )
    return sorted(connection.execute(query).scalars())


def _rows(connection: Connection, session_id: int, needs: bool) -> list[Row]:
    listed = (
        select(enrolment.c.person_id)
        .join(session_class, session_class.c.class_id == enrolment.c.class_id)
        .join(session, session.c.id == session_class.c.session_id)
        .where(session.c.id == session_id, sessions.listed())
    )
    on_list = set(connection.execute(listed).scalars())
    identifier = (
        select(person_external_id.c.person_id, func.min(person_external_id.c.external_id).label("external_id"))
        .where(person_external_id.c.source == "identifier")
        .group_by(person_external_id.c.person_id)
        .subquery()
    )
    query = (
        select(
            person_name.c.person_id,
            person_name.c.full_name,
            identifier.c.external_id,
            mark.c.code,
            mark.c.late_min,
            mark.c.early_min,
            mark.c.source,
            mark.c.verified,
            mark.c.flag,
            credit.c.at_ms,
            proposal.c.id.label("proposal_id"),
            proposal.c.code.label("proposal"),
        )
        .outerjoin(
            mark_current,
            and_(mark_current.c.person_id == person_name.c.person_id, mark_current.c.session_id == session_id),
        )
        .outerjoin(mark, mark.c.id == mark_current.c.mark_id)
        .outerjoin(
            credit,
            and_(
                credit.c.session_id == session_id,
                credit.c.person_id == person_name.c.person_id,
                credit.c.superseded_ms.is_(None),
            ),
        )
        .outerjoin(
            proposal,
            and_(
                proposal.c.session_id == session_id,
                proposal.c.person_id == person_name.c.person_id,
                proposal.c.closed_ms.is_(None),
            ),
        )
        .outerjoin(identifier, identifier.c.person_id == person_name.c.person_id)
        .where(
            or_(
                person_name.c.person_id.in_(listed),
                and_(mark.c.id.is_not(None), or_(mark.c.code.is_not(None), mark.c.flag.is_not(None))),
            )
        )
        .order_by(person_name.c.sort_name, person_name.c.person_id)
    )
    return [
        Row(
            person_id=row.person_id,
            full_name=row.full_name,
            external_id=row.external_id or "",
            code=row.code,
            late_min=row.late_min,
            early_min=row.early_min,
            source=row.source,
            verified=bool(row.verified),
            counts=row.code is not None and (bool(row.verified) or not needs),
            flag=row.flag,
            at_ms=row.at_ms,
            listed=row.person_id in on_list,
            proposal=(row.proposal or "-") if row.proposal_id is not None else None,
        )
        for row in connection.execute(query)
    ]


def set_mark(
    connection: Connection,
    scope: Scope,
    profiles: dict[str, Profile],
    session_id: int,
    person_id: int,
    *,
    code: str | None,
    late_min: int | None = None,
    early_min: int | None = None,
    remark: str = "",
    now_ms: int,
) -> None:
    """A person sets a mark: appended, and derivation never changes it. code None: takes the mark away.

    Raises NotFound(`session`), StoreError(`mark-code`, `mark-minutes`, `mark-person`).
    """
    found = sessions.need(connection, scope, session_id)
    profile = profiles[found.profile]
    if code is not None and code not in profile.codes:
        raise StoreError("mark-code", f"the profile {profile.name} has the marks {', '.join(profile.codes)}")
    if any(minutes is not None and not 0 <= minutes <= 1440 for minutes in (late_min, early_min)):
        raise StoreError("mark-minutes", "minutes are between 0 and 1440")
    derivations.lock_registers(connection, found.institution_id, [session_id])
    there = derivations.marks_of(connection, [session_id], [person_id])
    if person_id not in members(connection, session_id) and not there:
        raise StoreError("mark-person", "this person is not on the register")
    note_id = None
    if remark:
        made = connection.execute(
            note.insert().values(
                institution_id=found.institution_id, text=remark, by_account_id=scope.account_id, created_ms=now_ms
            )
        )
        note_id = new_id(made)
    derivations.add_marks(
        connection,
        [
            {
                "institution_id": found.institution_id,
                "session_id": session_id,
                "person_id": person_id,
                "code": code,
                "late_min": late_min,
                "early_min": early_min,
                "source": "person",
                "by_account_id": scope.account_id,
                "verified": True,
                "rule": "person",
                "ledgers": profile.ledgers(code),
                "note_id": note_id,
                "created_ms": now_ms,
            }
        ],
    )
    waiting = derivations.open_proposals(connection, [session_id]).get((session_id, person_id))
    if waiting is not None:
        derivations.close_proposals(connection, [waiting.id], "accepted" if waiting.code == code else "refused", now_ms)
    derivations.touch(connection, [session_id])
    _audit(connection, scope, "mark.set", f"session/{session_id}/person/{person_id}", now_ms)


def verify(connection: Connection, scope: Scope, session_id: int, now_ms: int) -> int:
    """The lecturer saves the register: every mark on it is verified and counts (STEP-18). Returns how many were new.

    Raises NotFound(`session`).
    """
    found = sessions.need(connection, scope, session_id)
    derivations.lock_registers(connection, found.institution_id, [session_id])
    query = (
        select(mark)
        .join(mark_current, mark_current.c.mark_id == mark.c.id)
        .where(mark_current.c.session_id == session_id, mark.c.code.is_not(None), mark.c.verified.is_(False))
    )
    rows = [_verified(row, scope, now_ms) for row in connection.execute(query)]
    derivations.add_marks(connection, rows)
    connection.execute(
        update(register_table)
        .where(register_table.c.session_id == session_id)
        .values(verified_ms=now_ms, verified_by_account_id=scope.account_id)
    )
    derivations.touch(connection, [session_id])
    _audit(connection, scope, "register.verify", f"session/{session_id}", now_ms)
    return len(rows)


def _verified(row: Any, scope: Scope, now_ms: int) -> dict[str, Any]:
    keep = (
        "institution_id",
        "session_id",
        "person_id",
        "code",
        "late_min",
        "early_min",
        "source",
        "rule",
        "ledgers",
        "flag",
        "credit_id",
        "note_id",
    )
    return {name: getattr(row, name) for name in keep} | {
        "verified": True,
        "by_account_id": scope.account_id,
        "created_ms": now_ms,
    }


def _audit(connection: Connection, scope: Scope, action: str, subject: str, now_ms: int) -> None:
    connection.execute(
        audit.insert().values(
            institution_id=scope.institution_id,
            at_ms=now_ms,
            account_id=scope.account_id,
            action=action,
            subject=subject,
        )
    )
