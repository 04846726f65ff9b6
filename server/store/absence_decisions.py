"""Deciding on absences: approve, refuse, take back, end earlier. Nobody decides on their own (LOUGH-19, PORT-13)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, update

from server.errors import NotAllowed, Refused, StoreError
from server.policy.tiers import people
from server.scope import ACTS, OWN, ROLES, Scope
from server.store import campus, faculties, messages, notes
from server.store.absence_kinds import APPROVED, OPEN, REJECTED, REPORTED, WITHDRAWN
from server.store.absence_reach import granted, staffed
from server.store.absences import Absence, need
from server.store.schema_work import absence


def act_to_decide(found: Absence) -> str:
    """The act (server/scope.py) that whoever decides it needs."""
    return "absence.approve" if found.kind == REPORTED else "leave.approve"


def may_decide(
    connection: Connection, scope: Scope, found: Absence, approvers: frozenset[str] | None = None
) -> str | None:
    """None: this scope may approve or refuse it (LOUGH-19); else why not, and who may. Nobody decides their own.

    approvers: the roles to which the rules of its classes leave that (STEP-22); None: whoever has the act.
    """
    if scope.person_id is not None and found.person_id == scope.person_id:
        return "nobody decides on an absence of their own"
    if approvers is not None:
        if not scope.roles & approvers:
            return f"by the rules of its classes this is for {people(sorted(approvers))}"
        scope = replace(scope, grants=tuple(one for one in scope.grants if one.role in approvers))
    reach = scope.reach(act_to_decide(found))
    if reach.all:
        return None
    if found.faculty_decides:
        # As over a week, or leave: the faculty's head (PORT-13), not everybody who has the student in a class.
        if found.department_id is not None and found.department_id in reach.departments:
            return None
        name = faculties.title(connection, found.department_id)
        return f"this is for the head of {name}" if name else "this is for the registry: no faculty is known for it"
    act = act_to_decide(found)
    if reach.departments or reach.courses:
        query = select(absence.c.id).where(absence.c.id == found.id, granted(scope, act))
        if connection.execute(query).first() is not None:
            return None
    if reach.own:
        query = select(absence.c.id).where(absence.c.id == found.id, staffed(scope, act))
        if connection.execute(query).first() is not None:
            return None
    if not any(ACTS[act].get(role) == OWN for role in ROLES):
        return "this is for the head of a department of one of its sessions, or the registry"
    return "this is for the staff of one of its sessions, their head of department, or the registry"


def decide(
    connection: Connection,
    scope: Scope,
    absence_id: int,
    *,
    approve: bool,
    comment: str,
    now_ms: int,
    approvers: frozenset[str] | None = None,
) -> bool:
    """Approve or refuse. Done already, the same way: False. The student is told. approvers: as in `may_decide`.

    Raises NotFound(`absence`), NotAllowed(`absence-decide`), Refused(`absence-decided`), StoreError(`absence-comment`).
    """
    found = need(connection, scope, absence_id)
    told = may_decide(connection, scope, found, approvers)
    if told is not None:
        raise NotAllowed("absence-decide", told)
    wanted = APPROVED if approve else REJECTED
    if found.state == wanted and found.decided_by_account_id == scope.account_id:
        return False
    if found.state != OPEN:
        raise Refused("absence-decided", f"this absence is {found.state} already: load the page again")
    if not approve and not comment.strip():
        raise StoreError("absence-comment", "say why it is refused: the student reads it")
    values: dict[str, Any] = {"state": wanted, "decided_by_account_id": scope.account_id, "decided_ms": now_ms}
    if comment.strip():
        values["decided_note_id"] = notes.add(
            connection, scope.institution_id, comment.strip(), scope.account_id, now_ms
        )
    done = connection.execute(
        update(absence).where(absence.c.id == absence_id, absence.c.state == OPEN).values(**values)
    )
    if done.rowcount != 1:
        raise Refused("absence-decided", "somebody else decided on this absence just now: load the page again")
    campus.write_down(
        connection, scope, f"absence.{'approve' if approve else 'reject'}", f"absence/{absence_id}", now_ms
    )
    messages.write(
        connection,
        scope,
        found.person_id,
        "absence-decided",
        "Your absence was approved" if approve else "Your absence was not approved",
        comment.strip() or "Nothing was added to it.",
        now_ms,
    )
    return True


def may_change(connection: Connection, scope: Scope, found: Absence) -> bool:
    """Whether this scope may take it back or end it earlier: whose it is, who logged it, and who decides on it."""
    own = scope.person_id is not None and found.person_id == scope.person_id
    return own or found.by_account_id == scope.account_id or may_decide(connection, scope, found) is None


def needed(connection: Connection, scope: Scope, absence_id: int) -> Absence:
    """The absence that this scope may change. Raises NotFound(`absence`), NotAllowed(`absence-change`)."""
    found = need(connection, scope, absence_id, "absence.report")
    if not may_change(connection, scope, found):
        raise NotAllowed("absence-change", "this is for the student, who logged it, and who decides on it")
    return found


def withdraw(connection: Connection, scope: Scope, absence_id: int, *, now_ms: int) -> bool:
    """Take an absence back. What is past stays. Again: False.

    Raises NotFound(`absence`), NotAllowed(`absence-change`), Refused(`absence-decided`, `absence-over`).
    """
    found = needed(connection, scope, absence_id)
    if found.state == WITHDRAWN:
        return False
    if found.state == REJECTED:
        raise Refused("absence-decided", "this absence was refused: there is nothing to take back")
    if found.state == APPROVED and found.to_ms <= now_ms:
        raise Refused("absence-over", "this absence is over: its marks are corrected by a change request")
    done = connection.execute(
        update(absence).where(absence.c.id == absence_id, absence.c.state == found.state).values(state=WITHDRAWN)
    )
    if done.rowcount != 1:
        raise Refused("absence-decided", "somebody else decided on this absence just now: load the page again")
    campus.write_down(connection, scope, "absence.withdraw", f"absence/{absence_id}", now_ms)
    return True


def cut_short(connection: Connection, scope: Scope, absence_id: int, to_ms: int, *, now_ms: int) -> bool:
    """It ends earlier: from then on its marks are taken back. The same end again: False.

    Raises NotFound(`absence`), NotAllowed(`absence-change`), Refused(`absence-decided`), StoreError(`absence-time`).
    """
    found = needed(connection, scope, absence_id)
    if found.to_ms == to_ms:
        return False
    if found.state not in (OPEN, APPROVED):
        raise Refused("absence-decided", f"this absence is {found.state}: its end cannot be changed any more")
    if not found.from_ms < to_ms < found.to_ms:
        raise StoreError(
            "absence-time", "the new end lies between its first day and its last: to end later, report more"
        )
    if to_ms < now_ms and found.state == APPROVED:
        raise StoreError("absence-time", "what is past stays as it was: choose today or a later day as the last")
    connection.execute(update(absence).where(absence.c.id == absence_id).values(to_ms=to_ms))
    campus.write_down(connection, scope, "absence.cut-short", f"absence/{absence_id}", now_ms)
    return True
