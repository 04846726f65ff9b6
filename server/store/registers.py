"""Registers: a session's students with their marks. What a person does to them: hands.py, whose names are here too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, or_, select

from server.policy.profile import Profile
from server.scope import Scope
from server.store import sessions
from server.store.hands import MarksRefused as MarksRefused
from server.store.hands import Problem as Problem
from server.store.hands import Wanted as Wanted
from server.store.hands import record as record
from server.store.hands import set_marks as set_marks
from server.store.schema import (
    account,
    credit,
    enrolment,
    mark,
    mark_current,
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
from server.store.standing import members as members
from server.store.standing import profile_of
from server.store.verifying import verify as verify


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
    connection: Connection, scope: Scope, session_id: int, profiles: Mapping[str, Profile] | None = None
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
    # As it held for this session: a later version of the profile does not change what counted then.
    known = profiles is not None and shown.profile in profiles
    needs = profile_of(profiles, shown).verification_needed if profiles and known else False
    return Register(
        session=shown,
        version=state.version if state else 0,
        evidence=state.evidence if state else "pending",
        verified_ms=state.verified_ms if state else None,
        verified_by=by,
        outages=tuple(Outage(reader=r.name, from_ms=r.from_ms, to_ms=r.to_ms, why=r.why) for r in outages),
        rows=tuple(_rows(connection, session_id, needs)),
    )


def _rows(connection: Connection, session_id: int, needs: bool) -> list[Row]:
    listed = (
        select(enrolment.c.person_id)
        .join(session_class, session_class.c.class_id == enrolment.c.class_id)
        .join(session, session.c.id == session_class.c.session_id)
        .where(session.c.id == session_id, sessions.listed())
    )
    on_list = set(connection.execute(listed).scalars())
    identifier = (
        select(func.min(person_external_id.c.external_id))
        .where(person_external_id.c.person_id == person_name.c.person_id, person_external_id.c.source == "identifier")
        .scalar_subquery()
    )
    # The few persons concerned are found first: a term's thousands are not walked through for one register.
    concerned = listed.union(select(mark_current.c.person_id).where(mark_current.c.session_id == session_id))
    query = (
        select(
            person_name.c.person_id,
            person_name.c.full_name,
            identifier.label("external_id"),
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
        .where(
            person_name.c.person_id.in_(concerned),
            or_(
                person_name.c.person_id.in_(listed),
                and_(mark.c.id.is_not(None), or_(mark.c.code.is_not(None), mark.c.flag.is_not(None))),
            ),
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
    profiles: Mapping[str, Profile],
    session_id: int,
    person_id: int,
    *,
    code: str | None,
    late_min: int | None = None,
    early_min: int | None = None,
    remark: str = "",
    now_ms: int,
) -> None:
    """`set_marks` for one student, whatever holds now."""
    one = Wanted(person_id=person_id, code=code, late_min=late_min, early_min=early_min, remark=remark)
    set_marks(connection, scope, profiles, session_id, [one], now_ms=now_ms)
