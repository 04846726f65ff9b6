"""What derivation would say instead of a person's mark: accepted, or refused, by whoever may mark the register."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from server.errors import NotFound, Refused
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import campus, derivations, hands, history, sessions, wanted_marks
from server.store.schema import proposal


def accept(connection: Connection, scope: Scope, profiles: Profiles, proposal_id: int, *, now_ms: int) -> int:
    """Set the mark that is proposed, as this person's own act: by the same rules as if they had chosen it themselves.
    Returns the mark's id.

    Raises NotFound(`proposal`), Refused(`proposal-closed`), MarksRefused as `hands.set_marks`.
    """
    row = _open(connection, scope, proposal_id)
    wanted = wanted_marks.Wanted(
        person_id=row.person_id, code=row.code, late_min=row.late_min, seen_mark_id=row.mark_id, remark=""
    )
    made = hands.set_marks(connection, scope, profiles, row.session_id, [wanted], now_ms=now_ms)
    derivations.close_proposals(connection, [row.id], "accepted", now_ms)
    mark_id = made.get(row.person_id)
    return row.mark_id if mark_id is None else mark_id


def refuse(connection: Connection, scope: Scope, proposal_id: int, *, now_ms: int) -> None:
    """The person's mark stays. Raises NotFound(`proposal`), Refused(`proposal-closed`)."""
    row = _open(connection, scope, proposal_id)
    history.append(
        connection,
        institution_id=row.institution_id,
        session_id=row.session_id,
        kind="refuse-proposal",
        body={"person": row.person_id, "mark": row.mark_id, "code": row.code, "rule": row.rule},
        by_account_id=scope.account_id,
        now_ms=now_ms,
    )
    derivations.close_proposals(connection, [row.id], "refused", now_ms)
    derivations.touch(connection, [row.session_id])
    campus.write_down(connection, scope, "proposal.refuse", f"session/{row.session_id}/person/{row.person_id}", now_ms)


def _open(connection: Connection, scope: Scope, proposal_id: int) -> Any:
    """The open proposal's row, its register locked."""
    found = connection.execute(select(proposal).where(proposal.c.id == proposal_id)).first()
    if found is None:
        raise NotFound("proposal", "there is no such proposal, or it is not yours")
    sessions.need(connection, scope, found.session_id, "register.mark")
    derivations.lock_registers(connection, found.institution_id, [found.session_id])
    # Read again under the lock: somebody else may have answered.
    now = connection.execute(select(proposal).where(proposal.c.id == proposal_id)).one()
    if now.closed_ms is not None:
        raise Refused("proposal-closed", "this proposal was answered meanwhile: look again")
    return now
