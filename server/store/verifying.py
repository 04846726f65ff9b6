"""Verifying a register: its lecturer saves it, and from then on its marks count (STEP-18). Marks are only appended."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, select, update

from server.errors import NotAllowed, Refused
from server.policy import verification
from server.policy.allowed import Answer, Facts
from server.policy.profile import Profile, Profiles
from server.scope import Scope
from server.store import campus, derivations, history, sessions, standing
from server.store.schema import mark, mark_current, session
from server.store.schema import register as register_table

#: what a verified mark takes over from the one that it verifies
_KEPT = (
    "institution_id",
    "session_id",
    "person_id",
    "code",
    "late_min",
    "early_min",
    "source",
    "authority",
    "rule",
    "ledgers",
    "flag",
    "credit_id",
    "note_id",
)


def verify(
    connection: Connection,
    scope: Scope,
    session_id: int,
    now_ms: int,
    profiles: Profiles,
) -> int:
    """The lecturer saves the register: every mark on it is verified and counts (STEP-18). Returns how many were new.

    Raises NotFound(`session`), Refused(`session-cancelled`, `verify-early`, `verify-late`,
    `register-locked`), NotAllowed(`verify-role`).
    """
    found = sessions.need(connection, scope, session_id, "register.verify")
    derivations.lock_registers(connection, found.institution_id, [session_id])
    # Read again under the lock: the class may have been cancelled just now.
    found = sessions.need(connection, scope, session_id, "register.verify")
    profile = standing.profile_of(profiles, found)
    _need_may(profile, standing.facts(connection, scope, found, "register.verify", profile=profile, now_ms=now_ms))
    return _save(connection, scope, profile, found, None, now_ms)


def set_before(connection: Connection, mark_ids: Collection[int], before_ms: int) -> bool:
    """Whether one of these marks was set before then."""
    if not mark_ids:
        return False
    query = select(mark.c.id).where(mark.c.id.in_(mark_ids), mark.c.created_ms < before_ms).limit(1)
    return connection.execute(query).first() is not None


def may(connection: Connection, scope: Scope, profile: Profile, session_id: int, now_ms: int) -> Answer:
    """Whether this scope may save the register now, and what to do instead. Raises NotFound(`session`)."""
    found = sessions.need(connection, scope, session_id, "register.verify")
    about = standing.facts(connection, scope, found, "register.verify", profile=profile, now_ms=now_ms)
    return verification.may_verify(profile, about)


def submit(
    connection: Connection, scope: Scope, profile: Profile, session_id: int, *, authority: str, now_ms: int
) -> int:
    """A programme's day is submitted after its deadline, on the authority of the request that was approved (DDU-6); its
    register is locked by the caller. Returns how many marks count from now on. Raises Refused(`session-cancelled`)."""
    found = connection.execute(
        select(session).where(session.c.id == session_id, session.c.institution_id == scope.institution_id)
    ).one()
    if found.cancelled_ms is not None:
        raise Refused("session-cancelled", "this class was cancelled: there is nothing to submit")
    return _save(connection, scope, profile, found, authority, now_ms)


def _save(
    connection: Connection, scope: Scope, profile: Profile, found: Any, authority: str | None, now_ms: int
) -> int:
    session_id = found.id
    query = (
        select(mark)
        .join(mark_current, mark_current.c.mark_id == mark.c.id)
        .where(mark_current.c.session_id == session_id, mark.c.code.is_not(None), mark.c.verified.is_(False))
        .order_by(mark.c.id)
    )
    rows = [_verified(row, scope, authority, now_ms) for row in connection.execute(query)]
    rows += _shown(connection, scope, profile, found, authority, now_ms)
    if rows:
        derivations.add_marks(connection, rows, history.VERIFY)
    else:
        history.append(
            connection,
            institution_id=found.institution_id,
            session_id=session_id,
            kind=history.VERIFY,
            body={"marks": []} if authority is None else {"marks": [], "authority": authority},
            by_account_id=scope.account_id,
            now_ms=now_ms,
        )
    connection.execute(
        update(register_table)
        .where(register_table.c.session_id == session_id)
        .values(verified_ms=now_ms, verified_by_account_id=scope.account_id)
    )
    derivations.touch(connection, [session_id])
    campus.write_down(connection, scope, "register.verify", f"session/{session_id}", now_ms)
    return len(rows)


def _shown(
    connection: Connection, scope: Scope, profile: Profile, found: Any, authority: str | None, now_ms: int
) -> list[dict[str, Any]]:
    """The marks of those on the list who have none, where the profile shows them with one until it is saved (STEP-18)."""
    code = verification.saved(profile, None)
    if code is None:
        return []
    held = {person for person, row in derivations.held_marks(connection, found.id).items() if row.code is not None}
    # Nobody sets a mark of their own, by this neither.
    waiting = [one for one in standing.members(connection, found.id) if one not in held and one != scope.person_id]
    blank = dict.fromkeys(_KEPT)
    return [
        blank
        | {
            "institution_id": found.institution_id,
            "session_id": found.id,
            "person_id": one,
            "code": code,
            "source": "person",
            "rule": f"{profile.name}.shown",
            "ledgers": profile.ledgers(code),
            "verified": True,
            "by_account_id": scope.account_id,
            "created_ms": now_ms,
        }
        | ({} if authority is None else {"authority": authority})
        for one in waiting
    ]


def _need_may(profile: Profile, facts: Facts) -> None:
    if facts.cancelled:
        raise Refused("session-cancelled", "this class was cancelled: there is nothing to verify")
    answer = verification.may_verify(profile, facts)
    if answer.allowed:
        return
    if answer.rule.endswith(".verify.by"):
        raise NotAllowed("verify-role", answer.text)
    why = answer.rule.rpartition(".verify.")[2]
    raise Refused({"before": "verify-early", "late": "verify-late"}.get(why, "register-locked"), answer.text)


def _verified(row: Any, scope: Scope, authority: str | None, now_ms: int) -> dict[str, Any]:
    return (
        {name: getattr(row, name) for name in _KEPT}
        | {
            "verified": True,
            "by_account_id": scope.account_id,
            "created_ms": now_ms,
        }
        | ({} if authority is None else {"authority": authority})
    )
