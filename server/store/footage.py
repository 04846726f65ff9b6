"""The reference to footage on which a programme's marks were corrected: how long it is kept (DDU-9).

It is what whoever asked wrote and attached to a request that was applied, or that is open still (DDU-8). It cannot be
erased before: the rule is policy/quotas.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Select, func, select

from server.errors import Refused
from server.policy import moments, quotas
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import course_times, standing
from server.store.request_kinds import MARKS, SUBMISSION
from server.store.schema import batch, class_group, session
from server.store.schema_work import change_request
from server.store.texts import Kept

#: what a text or a file of a request is called (server/store/texts.py)
_WHERE = ("request", "evidence")
#: requests that name footage, while they are
KINDS, STATES = (MARKS, SUBMISSION), ("open", "applied")


def until(
    connection: Connection, profiles: Profiles, scope: Scope, session_ids: Iterable[int]
) -> dict[int, int | None]:
    """session id -> until when the references of its corrections are kept; None: the end of its batch is not known yet.
    Sessions of no programme, and those that nobody corrected, are left out."""
    query = (
        select(session.c.id, session.c.profile, session.c.starts_ms)
        .join(change_request, change_request.c.session_id == session.c.id)
        .where(
            session.c.id.in_(sorted(set(session_ids))),
            session.c.institution_id == scope.institution_id,
            change_request.c.kind.in_(KINDS),
            change_request.c.state.in_(STATES),
        )
        .distinct()
    )
    rows = {row.id: standing.profile_of(profiles, row) for row in connection.execute(query)}
    rows = {one: profile for one, profile in rows.items() if profile.programme is not None}
    if not rows:
        return {}
    zone = standing.zone_of(connection, scope.institution_id)
    ends = {
        one: _ends(connection, dates.batch_id) if dates.batch_id is not None else (None, None)
        for one, dates in course_times.of(connection, rows).items()
    }
    return {
        one: quotas.footage_until(profile, completed_ms=completed_ms, closed_early_ms=closed_ms, zone=zone)
        if (completed_ms := ends[one][0]) is not None
        else None
        for one, profile in rows.items()
        for closed_ms in (ends[one][1],)
    }


def _ends(connection: Connection, batch_id: int) -> tuple[int | None, int | None]:
    """When the batch is completed, and when it was closed early: all its classes ended before."""
    completed_ms = connection.execute(select(batch.c.ends_ms).where(batch.c.id == batch_id)).scalar()
    classes, ended, last_ms = connection.execute(
        select(func.count(), func.count(class_group.c.ended_ms), func.max(class_group.c.ended_ms)).where(
            class_group.c.batch_id == batch_id
        )
    ).one()
    early = classes and ended == classes and (completed_ms is None or last_ms < completed_ms)
    return (last_ms if completed_ms is None and early else completed_ms), (last_ms if early else None)


def need_past(connection: Connection, profiles: Profiles, scope: Scope, chosen: Iterable[Kept], now_ms: int) -> None:
    """Raises Refused(`footage-kept`) where one of these texts or files belongs to a correction whose reference is still
    to be kept."""
    wanted = {
        place.session_id
        for one in chosen
        if one.erased_ms is None
        for place in one.places
        if place.what in _WHERE and place.session_id is not None and place.absence_id is None
    }
    last = until_when(connection, scope, until(connection, profiles, scope, wanted), now_ms)
    if last is None:
        return
    raise Refused(
        "footage-kept",
        f"a reference to footage is among them, and a correction rests on it: it is kept until {last} (DDU-9): "
        "leave it out",
    )


def until_when(connection: Connection, scope: Scope, kept: Mapping[int, int | None], now_ms: int) -> str | None:
    """Until when the last of these (of `until`) is kept, as a sentence ends; None: none is any more."""
    waiting = [at_ms for at_ms in kept.values() if at_ms is None or now_ms < at_ms]
    if not waiting:
        return None
    zone = standing.zone_of(connection, scope.institution_id)
    return "the batch is completed" if None in waiting else moments.said(max(at for at in waiting if at), zone)


def rested_on(
    connection: Connection, profiles: Profiles, scope: Scope, request_ids: Select, now_ms: int
) -> tuple[list[Any], str | None]:
    """Of these requests (a query of ids) the rows on whose footage a correction rests still (DDU-9), and until when."""
    asked = change_request.c
    query = select(change_request).where(
        asked.id.in_(request_ids), asked.kind.in_(KINDS), asked.state.in_(STATES), asked.session_id.is_not(None)
    )
    rows = connection.execute(query).all()
    kept = until(connection, profiles, scope, {row.session_id for row in rows})
    waits = {one: at_ms for one, at_ms in kept.items() if at_ms is None or now_ms < at_ms}
    return [row for row in rows if row.session_id in waits], until_when(connection, scope, waits, now_ms)
