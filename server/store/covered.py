"""The sessions that an absence or a trip covers, with the marks that hold there; and the marks that it has set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, exists, or_, select

from server.store import sessions
from server.store.schema import enrolment, mark, mark_current, proposal, session, session_class
from server.store.schema_work import absence, absence_session, trip

#: what a mark's `source` says where an absence or a trip set it; its `authority` names which, such as `absence/7`
LEAVE, TRIP = "leave", "trip"
#: what the jobs look at: absences and trips that end no longer ago. Sessions made later still get their marks
RECENT_MS = 8 * 24 * 3_600_000
CHUNK = 200


@dataclass(frozen=True, kw_only=True)
class Covered:
    """One student in one session, and the mark that holds there."""

    id: int
    person_id: int
    title: str
    starts_ms: int
    ends_ms: int
    opens_ms: int
    kind: str
    mode: str
    profile: str
    cancelled_ms: int | None
    #: None: nothing was ever decided here
    mark_id: int | None
    code: str | None
    source: str | None
    authority: str | None
    rule: str | None
    verified: bool
    #: when that mark was set
    created_ms: int | None
    #: a card's swipe credits it
    tapped: bool


def between(
    connection: Connection, person_ids: Iterable[int], from_ms: int, to_ms: int, session_ids: Iterable[int] = ()
) -> list[Covered]:
    """Every session that has one of these students on its list and touches [from, to), or only those named, whenever
    they are now. By start."""
    named = sorted(set(session_ids))
    when = session.c.id.in_(named) if named else and_(session.c.starts_ms < to_ms, session.c.ends_ms > from_ms)
    wanted = sorted(set(person_ids))
    found: list[Covered] = []
    for start in range(0, len(wanted), CHUNK):
        query = (
            select(
                session.c.id,
                enrolment.c.person_id,
                session.c.title,
                session.c.starts_ms,
                session.c.ends_ms,
                session.c.opens_ms,
                session.c.kind,
                session.c.mode,
                session.c.profile,
                session.c.cancelled_ms,
                mark.c.id.label("mark_id"),
                mark.c.code,
                mark.c.source,
                mark.c.authority,
                mark.c.rule,
                mark.c.verified,
                mark.c.created_ms,
                mark.c.credit_id,
            )
            .select_from(enrolment)
            .join(session_class, session_class.c.class_id == enrolment.c.class_id)
            .join(session, session.c.id == session_class.c.session_id)
            .outerjoin(
                mark_current,
                and_(mark_current.c.session_id == session.c.id, mark_current.c.person_id == enrolment.c.person_id),
            )
            .outerjoin(mark, mark.c.id == mark_current.c.mark_id)
            .where(enrolment.c.person_id.in_(wanted[start : start + CHUNK]), sessions.listed(), when)
            .distinct()
        )
        found += [_covered(row) for row in connection.execute(query)]
    return sorted(found, key=lambda one: (one.starts_ms, one.id, one.person_id))


def _covered(row: Any) -> Covered:
    values: dict[str, Any] = dict(row._mapping)
    tapped = values.pop("credit_id") is not None
    values["verified"] = bool(values["verified"])
    return Covered(**values, tapped=tapped)


def set_by(connection: Connection, person_ids: Iterable[int], source: str, authority: str) -> list[Covered]:
    """The marks of these students that hold and that this absence or trip has set, wherever it stands now."""
    wanted = sorted(set(person_ids))
    found: list[Covered] = []
    for start in range(0, len(wanted), CHUNK):
        query = (
            select(
                session.c.id,
                mark.c.person_id,
                session.c.title,
                session.c.starts_ms,
                session.c.ends_ms,
                session.c.opens_ms,
                session.c.kind,
                session.c.mode,
                session.c.profile,
                session.c.cancelled_ms,
                mark.c.id.label("mark_id"),
                mark.c.code,
                mark.c.source,
                mark.c.authority,
                mark.c.rule,
                mark.c.verified,
                mark.c.created_ms,
                mark.c.credit_id,
            )
            .select_from(mark)
            .join(
                mark_current,
                and_(mark_current.c.session_id == mark.c.session_id, mark_current.c.person_id == mark.c.person_id),
            )
            .join(session, session.c.id == mark.c.session_id)
            .where(
                mark.c.person_id.in_(wanted[start : start + CHUNK]),
                mark.c.source == source,
                mark.c.authority == authority,
                mark.c.code.is_not(None),
                mark_current.c.mark_id == mark.c.id,
            )
        )
        found += [_covered(row) for row in connection.execute(query)]
    return sorted(found, key=lambda one: (one.starts_ms, one.id, one.person_id))


def proposed(connection: Connection, session_id: int, person_id: int, rule: str) -> bool:
    """Whether this was proposed here before, for the mark that holds: a refused proposal is not made again."""
    query = (
        select(proposal.c.id)
        .join(
            mark_current,
            and_(
                mark_current.c.session_id == proposal.c.session_id,
                mark_current.c.person_id == proposal.c.person_id,
                mark_current.c.mark_id == proposal.c.mark_id,
            ),
        )
        .where(proposal.c.session_id == session_id, proposal.c.person_id == person_id, proposal.c.rule == rule)
        .limit(1)
    )
    return connection.execute(query).first() is not None


def absences_at(connection: Connection, institution_id: int, now_ms: int) -> list[int]:
    """The approved absences that may still fill something: not over, or only just."""
    query = select(absence.c.id).where(
        absence.c.institution_id == institution_id,
        absence.c.state == "approved",
        or_(
            absence.c.to_ms >= now_ms - RECENT_MS,
            exists(
                select(absence_session.c.id)
                .join(session, session.c.id == absence_session.c.session_id)
                .where(absence_session.c.absence_id == absence.c.id, session.c.ends_ms >= now_ms - RECENT_MS)
                .correlate(absence)
            ),
        ),
    )
    return sorted(connection.execute(query).scalars())


def trips_at(connection: Connection, institution_id: int, now_ms: int) -> list[int]:
    """The confirmed trips that may still fill something."""
    query = select(trip.c.id).where(
        trip.c.institution_id == institution_id,
        trip.c.confirmed_ms.is_not(None),
        trip.c.cancelled_ms.is_(None),
        trip.c.to_ms >= now_ms - RECENT_MS,
    )
    return sorted(connection.execute(query).scalars())
