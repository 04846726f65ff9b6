"""Verifying a register: its lecturer saves it, and from then on its marks count (STEP-18). Marks are only appended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, update

from server.errors import NotAllowed, Refused
from server.policy import profile as profiles_
from server.policy import verification
from server.policy.allowed import Facts
from server.policy.profile import Profile
from server.scope import ADMIN, Scope
from server.store import derivations, hands, history, sessions, standing
from server.store.schema import mark, mark_current
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
    profiles: Mapping[str, Profile] | None = None,
) -> int:
    """The lecturer saves the register: every mark on it is verified and counts (STEP-18). Returns how many were new.

    Raises NotFound(`session`), Refused(`session-cancelled`, `verify-early`, `register-locked`), NotAllowed(`verify-role`).
    """
    found = sessions.need(connection, scope, session_id, "register.verify")
    profile = standing.profile_of(profiles or profiles_.read_all(), found)
    _need_may(profile, standing.facts(connection, scope, found, "register.verify", now_ms=now_ms))
    derivations.lock_registers(connection, found.institution_id, [session_id])
    query = (
        select(mark)
        .join(mark_current, mark_current.c.mark_id == mark.c.id)
        .where(mark_current.c.session_id == session_id, mark.c.code.is_not(None), mark.c.verified.is_(False))
        .order_by(mark.c.id)
    )
    rows = [_verified(row, scope, now_ms) for row in connection.execute(query)]
    if rows:
        derivations.add_marks(connection, rows, history.VERIFY)
    else:
        history.append(
            connection,
            institution_id=found.institution_id,
            session_id=session_id,
            kind=history.VERIFY,
            body={"marks": []},
            by_account_id=scope.account_id,
            now_ms=now_ms,
        )
    connection.execute(
        update(register_table)
        .where(register_table.c.session_id == session_id)
        .values(verified_ms=now_ms, verified_by_account_id=scope.account_id)
    )
    derivations.touch(connection, [session_id])
    hands.add_audit(connection, scope, "register.verify", f"session/{session_id}", now_ms)
    return len(rows)


def _need_may(profile: Profile, facts: Facts) -> None:
    if facts.cancelled:
        raise Refused("session-cancelled", "this class was cancelled: there is nothing to verify")
    if ADMIN in facts.roles:
        # An administrator stands in for others.
        facts = replace(facts, roles=facts.roles | set(profile.verified_by), staffs=True)
    answer = verification.may_verify(profile, facts)
    if answer.allowed:
        return
    if answer.rule.endswith(".verify.by"):
        raise NotAllowed("verify-role", answer.text)
    raise Refused("verify-early" if answer.rule.endswith(".verify.before") else "register-locked", answer.text)


def _verified(row: Any, scope: Scope, now_ms: int) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _KEPT} | {
        "verified": True,
        "by_account_id": scope.account_id,
        "created_ms": now_ms,
    }
