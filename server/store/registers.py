"""Registers: a session's students with their marks. What a person does to them: hands.py, whose names are here too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, Select, and_, bindparam, func, literal, or_, select

from server.errors import NotFound
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import session_rows, sessions
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
from server.store.session_rows import SessionRow
from server.store.standing import members as members
from server.store.standing import profile_of
from server.store.verifying import verify as verify
from server.store.wanted_marks import MarksRefused as MarksRefused
from server.store.wanted_marks import Problem as Problem
from server.store.wanted_marks import Wanted as Wanted

#: `source` of a mark that is there because nothing was tapped
NO_TAP = "absence"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One student on a register."""

    person_id: int
    full_name: str
    external_id: str
    #: the mark that holds: what a form says it has seen. 0: none
    mark_id: int
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
    row = connection.execute(_version(scope), {"session": session_id}).first()
    if row is None:
        raise NotFound("session", "there is no such session, or it is not yours")
    return row.version or 0


@lru_cache(maxsize=256)
def _version(scope: Scope) -> Select:
    return (
        select(session.c.id, register_table.c.version)
        .outerjoin(register_table, register_table.c.session_id == session.c.id)
        .where(session.c.id == bindparam("session"), sessions.visible(scope))
    )


def register_of(connection: Connection, scope: Scope, session_id: int, profiles: Profiles) -> Register:
    """The register as it is now. Raises NotFound(`session`)."""
    shown = session_rows.one(connection, scope, session_id)
    of = {"session": session_id}
    state = connection.execute(_STATE, of).first()
    outages = connection.execute(_OUTAGES, of)
    # As it held for this session: a later version of the profile does not change what counted then.
    known = profiles is not None and shown.profile in profiles
    needs = profile_of(profiles, shown).verification_needed if profiles and known else False
    return Register(
        session=shown,
        version=state.version if state else 0,
        evidence=state.evidence if state else "pending",
        verified_ms=state.verified_ms if state else None,
        verified_by=state.verified_by if state else None,
        outages=tuple(Outage(reader=r.name, from_ms=r.from_ms, to_ms=r.to_ms, why=r.why) for r in outages),
        rows=tuple(_rows(connection, session_id, needs)),
    )


_STATE = (
    select(register_table, account.c.shown_name.label("verified_by"))
    .outerjoin(account, account.c.id == register_table.c.verified_by_account_id)
    .where(register_table.c.session_id == bindparam("session"))
)
_OUTAGES = (
    select(reader.c.name, outage.c.from_ms, outage.c.to_ms, outage.c.why)
    .join(reader, reader.c.id == outage.c.reader_id)
    .where(outage.c.session_id == bindparam("session"))
    .order_by(outage.c.from_ms, reader.c.name)
)


def _of_session() -> Select:
    """Everybody who is or was on a register, with what holds of them. Made once; one statement, whoever is on it."""
    listed = (
        select(enrolment.c.person_id)
        .join(session_class, session_class.c.class_id == enrolment.c.class_id)
        .join(session, session.c.id == session_class.c.session_id)
        .where(session.c.id == bindparam("session"), sessions.listed())
        .distinct()
        .cte("listed")
    )
    marked = select(mark_current.c.person_id, literal(0).label("listed")).where(
        mark_current.c.session_id == bindparam("session"),
        mark_current.c.person_id.not_in(select(listed.c.person_id)),
    )
    # The few persons concerned are found first: a term's thousands are not walked through for one register.
    concerned = select(listed.c.person_id, literal(1).label("listed")).union_all(marked).subquery("concerned")
    identifier = (
        select(func.min(person_external_id.c.external_id))
        .where(person_external_id.c.person_id == concerned.c.person_id, person_external_id.c.source == "identifier")
        .where(person_external_id.c.to_ms.is_(None))
        .scalar_subquery()
    )
    return (
        select(
            person_name.c.person_id,
            person_name.c.full_name,
            identifier.label("external_id"),
            mark.c.id.label("mark_id"),
            mark.c.code,
            mark.c.late_min,
            mark.c.early_min,
            mark.c.source,
            mark.c.verified,
            mark.c.flag,
            credit.c.at_ms,
            concerned.c.listed,
            proposal.c.id.label("proposal_id"),
            proposal.c.code.label("proposal"),
        )
        .select_from(concerned)
        .join(person_name, person_name.c.person_id == concerned.c.person_id)
        .outerjoin(
            mark_current,
            and_(
                mark_current.c.session_id == bindparam("session"),
                mark_current.c.person_id == concerned.c.person_id,
            ),
        )
        .outerjoin(mark, mark.c.id == mark_current.c.mark_id)
        .outerjoin(
            credit,
            and_(
                credit.c.session_id == bindparam("session"),
                credit.c.person_id == concerned.c.person_id,
                credit.c.superseded_ms.is_(None),
            ),
        )
        .outerjoin(
            proposal,
            and_(
                proposal.c.session_id == bindparam("session"),
                proposal.c.person_id == concerned.c.person_id,
                proposal.c.closed_ms.is_(None),
            ),
        )
        .where(or_(concerned.c.listed == 1, mark.c.code.is_not(None), mark.c.flag.is_not(None)))
        .order_by(person_name.c.sort_name, person_name.c.person_id)
    )


_ROWS = _of_session()


def _rows(connection: Connection, session_id: int, needs: bool) -> list[Row]:
    found = []
    for (person_id, full_name, external_id, mark_id, code, late_min, early_min, source, verified, flag, at_ms, listed,
         proposal_id, proposed) in connection.execute(_ROWS, {"session": session_id}):  # fmt: skip
        found.append(
            Row(
                person_id=person_id,
                full_name=full_name,
                external_id=external_id or "",
                mark_id=mark_id or 0,
                code=code,
                late_min=late_min,
                early_min=early_min,
                source=source,
                verified=bool(verified),
                counts=code is not None and (bool(verified) or not needs),
                flag=flag,
                at_ms=at_ms,
                listed=bool(listed),
                proposal=(proposed or "-") if proposal_id is not None else None,
            )
        )
    return found


def set_mark(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    session_id: int,
    person_id: int,
    *,
    code: str | None,
    late_min: int | None = None,
    early_min: int | None = None,
    remark: str = "",
    seen_mark_id: int | None = None,
    blind: bool = False,
    now_ms: int,
) -> None:
    """`set_marks` for one student, whatever holds now unless it is said what was seen, or that nothing was."""
    one = Wanted(
        person_id=person_id, code=code, late_min=late_min, early_min=early_min, remark=remark,
        seen_mark_id=seen_mark_id, blind=blind,
    )  # fmt: skip
    set_marks(connection, scope, profiles, session_id, [one], now_ms=now_ms)
