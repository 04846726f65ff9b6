"""Change requests: asked for by whoever may not do it themselves, checked and applied by somebody else (LOUGH-32 to 35,
STEP-15, STEP-16, LOUGH-18). All or nothing, and everything in the register's history.

Whoever acts here holds the register's lock, so of two who decide at once one wins and the other is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from server.errors import NotAllowed, Refused, StoreError
from server.policy import requests as rules
from server.policy.profile import Profiles
from server.policy.tiers import Tier, people
from server.scope import Scope
from server.store import (
    attachments,
    campus,
    derivations,
    history,
    notes,
    page_requests,
    request_deciders,
    request_lines,
    request_situations,
    standing,
)
from server.store.attachments import Ready
from server.store.request_apply import apply_lines
from server.store.request_situations import Situation
from server.store.schema import account
from server.store.schema_work import change_request, message, request_approval

OPEN, APPLIED, REJECTED, WITHDRAWN = STATES = ("open", "applied", "rejected", "withdrawn")
REASON_MOST = 2000
#: what an entry of the history is called
ASKED, FILES, EVIDENCE, APPROVED, DECIDED, TAKEN_BACK = (
    "request",
    "request-files",
    "request-evidence",
    "request-approve",
    "request-decide",
    "request-withdraw",
)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What came of a decision: the state now, and the roles whose approval is still missing."""

    state: str
    missing: tuple[str, ...] = ()


def decide(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    request_id: int,
    *,
    accept: bool,
    comment: str,
    now_ms: int,
) -> Decision:
    """Approve and apply a request, or reject it with a comment. Decided twice alike by one person is once.

    Raises NotFound(`request`), NotAllowed(`request-decide`, `request-own`), Refused(`request-decided`, `request-locked`,
    `request-approval`, `mark-changed`), StoreError(`request-comment`).
    """
    row, now = _locked(connection, scope, profiles, request_id, now_ms)
    tier, wanted, mine = _deciding(connection, scope, row, now)
    comment = notes.within(comment, REASON_MOST)
    if row.state != OPEN:
        if row.decided_by_account_id == scope.account_id and row.state == (APPLIED if accept else REJECTED):
            return Decision(state=row.state)
        raise _decided(connection, row)
    if not accept:
        if not comment:
            raise StoreError("request-comment", "write why it is rejected: whoever asked reads it")
        _close(connection, scope, row, REJECTED, comment, now_ms, {})
        return Decision(state=REJECTED)
    if now.final:
        raise Refused("request-locked", f"{now.tier.text.rstrip('.')} ({now.tier.cites}): reject it")
    approved = _approve(connection, scope, row, wanted & mine, now_ms)
    if tier.approvers:
        if not mine & set(tier.approvers):
            return Decision(state=OPEN, missing=tuple(sorted(wanted - approved)))
        asked_ms = row.evidence_asked_ms
        files = attachments.of(connection, row.institution_id, attachments.REQUEST, [row.id])
        answer = rules.may_apply(
            tier,
            rules.Deciding(
                roles=mine,
                own=False,
                approvals=approved,
                wanted=wanted,
                has_evidence=any(asked_ms is None or one.created_ms >= asked_ms for one in files),
                evidence_asked=asked_ms is not None,
            ),
        )
        if not answer.allowed:
            raise Refused("request-approval", answer.text)
    elif wanted - approved:
        return Decision(state=OPEN, missing=tuple(sorted(wanted - approved)))
    _close(connection, scope, row, APPLIED, comment, now_ms, {"roles": sorted(mine)})
    apply_lines(connection, scope, profiles, row, now)
    return Decision(state=APPLIED)


def _deciding(
    connection: Connection, scope: Scope, row: Any, now: Situation
) -> tuple[Tier, frozenset[str], frozenset[str]]:
    """The request's tier, whose approval it wants besides, and which of the roles that decide it this scope holds.

    Raises NotAllowed(`request-decide`, `request-own`).
    """
    tier = request_deciders.tier_of(now, row.kind, row.tier)
    wanted = frozenset(role for role in row.approvals.split(",") if role)
    roles = [*tier.approvers, *sorted(wanted - set(tier.approvers))]
    mine = request_deciders.deciding(connection, scope, row.session_id, roles)
    if not mine:
        raise NotAllowed("request-decide", f"it is decided by {people(roles)}")
    need_anothers(connection, scope, row)
    return tier, wanted, mine


def _locked(
    connection: Connection, scope: Scope, profiles: Profiles, request_id: int, now_ms: int
) -> tuple[Any, Situation]:
    """The request as it is once nobody else acts on its register. Raises NotFound(`request`)."""
    row = page_requests.need(connection, scope, request_id)
    derivations.lock_registers(connection, scope.institution_id, [row.session_id])
    row = page_requests.need(connection, scope, request_id)
    found = page_requests.session_of(connection, row.session_id)
    stands = standing.of(connection, scope, row.session_id, "request.read")
    return row, request_situations.at(connection, profiles, found, stands, now_ms)


def need_anothers(connection: Connection, scope: Scope, row: Any) -> None:
    """Nobody decides what they asked for, by whatever account, or what is about themselves. Raises
    NotAllowed(`request-own`)."""
    asker = connection.execute(select(account.c.person_id).where(account.c.id == row.asked_by_account_id)).scalar()
    same = scope.person_id is not None and asker == scope.person_id
    about = any(line.person_id == scope.person_id for line in request_lines.of(connection, row.id))
    if row.asked_by_account_id == scope.account_id or same or (scope.person_id is not None and about):
        raise NotAllowed("request-own", "nobody decides their own request: somebody else must")


def _decided(connection: Connection, row: Any) -> Refused:
    by = page_requests.account_names(connection, [row.decided_by_account_id]).get(row.decided_by_account_id, "somebody")
    what = {APPLIED: "applied", REJECTED: "rejected", WITHDRAWN: "withdrawn"}[row.state]
    return Refused("request-decided", f"{by} has {what} it already: look at it again")


def _approve(connection: Connection, scope: Scope, row: Any, roles: Iterable[str], now_ms: int) -> frozenset[str]:
    """Write down the approvals that this scope gives. Returns all that are there."""
    there = set(page_requests.approvals(connection, row.id))
    for role in sorted(set(roles) - there):
        there.add(role)
        connection.execute(
            request_approval.insert().values(
                institution_id=row.institution_id,
                request_id=row.id,
                role=role,
                by_account_id=scope.account_id,
                created_ms=now_ms,
            )
        )
        tell(connection, scope, row.session_id, APPROVED, now_ms, request=row.id, role=role)
        campus.write_down(connection, scope, "request.approve", f"request/{row.id}", now_ms)
    return frozenset(there)


def _close(
    connection: Connection,
    scope: Scope,
    row: Any,
    state: str,
    comment: str,
    now_ms: int,
    about: Mapping[str, Any],
) -> None:
    note_id = notes.add(connection, row.institution_id, comment, scope.account_id, now_ms) if comment else None
    connection.execute(
        update(change_request)
        .where(change_request.c.id == row.id)
        .values(state=state, decided_by_account_id=scope.account_id, decided_note_id=note_id, decided_ms=now_ms)
    )
    cited = {"note": notes.cited(connection, [note_id])[note_id]} if note_id is not None else {}
    kind = TAKEN_BACK if state == WITHDRAWN else DECIDED
    tell(connection, scope, row.session_id, kind, now_ms, request=row.id, state=state, **cited, **about)
    campus.write_down(connection, scope, f"request.{state}", f"request/{row.id}", now_ms)
    if state != WITHDRAWN:
        tell_asker(connection, scope, row, f"request-{state}", f"Your request was {state}", comment, now_ms)


def withdraw(connection: Connection, scope: Scope, profiles: Profiles, request_id: int, now_ms: int) -> None:
    """Whoever asked takes it back. Twice is once. Raises NotFound(`request`), NotAllowed(`request-not-yours`),
    Refused(`request-decided`)."""
    row, _ = _locked(connection, scope, profiles, request_id, now_ms)
    _need_mine(scope, row)
    if row.state == WITHDRAWN:
        return
    if row.state != OPEN:
        raise _decided(connection, row)
    _close(connection, scope, row, WITHDRAWN, "", now_ms, {})


def need_mine(connection: Connection, scope: Scope, request_id: int) -> None:
    """Raises NotFound(`request`), NotAllowed(`request-not-yours`) unless this scope asked for it."""
    _need_mine(scope, page_requests.need(connection, scope, request_id))


def _need_mine(scope: Scope, row: Any) -> None:
    if row.asked_by_account_id != scope.account_id:
        raise NotAllowed("request-not-yours", "only whoever asked does this")


def ask_for_evidence(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    request_id: int,
    comment: str,
    now_ms: int,
) -> None:
    """The registers team asks for evidence, before or after it has applied the request (LOUGH-32, LOUGH-33).

    Raises NotFound(`request`), NotAllowed(`request-decide`, `request-own`), Refused(`request-decided`,
    `request-evidence-tier`), StoreError(`request-comment`).
    """
    row, now = _locked(connection, scope, profiles, request_id, now_ms)
    tier, _, mine = _deciding(connection, scope, row, now)
    answer = rules.may_ask_evidence(tier, rules.Deciding(roles=mine, own=False))
    if not answer.allowed:
        raise Refused("request-evidence-tier", answer.text)
    if row.state not in (OPEN, APPLIED):
        raise _decided(connection, row)
    comment = notes.within(comment, REASON_MOST)
    if not comment:
        raise StoreError("request-comment", "write which evidence is wanted")
    note_id = notes.add(connection, row.institution_id, comment, scope.account_id, now_ms)
    connection.execute(update(change_request).where(change_request.c.id == row.id).values(evidence_asked_ms=now_ms))
    cited = notes.cited(connection, [note_id])[note_id]
    tell(connection, scope, row.session_id, EVIDENCE, now_ms, request=row.id, note=cited)
    campus.write_down(connection, scope, "request.evidence", f"request/{row.id}", now_ms)
    tell_asker(connection, scope, row, "request-evidence", "Evidence is wanted for your request", comment, now_ms)


def add_files(
    connection: Connection,
    folder: Path,
    scope: Scope,
    profiles: Profiles,
    request_id: int,
    files: Sequence[Ready],
    now_ms: int,
) -> None:
    """Whoever asked adds evidence: while it is open, and afterwards where evidence was asked for. The same file again
    is one. Raises NotFound(`request`), NotAllowed(`request-not-yours`), Refused(`request-decided`),
    StoreError(`request-evidence`, `file-*`)."""
    row, _ = _locked(connection, scope, profiles, request_id, now_ms)
    _need_mine(scope, row)
    if row.state != OPEN and not (row.state == APPLIED and row.evidence_asked_ms is not None):
        raise _decided(connection, row)
    if not files:
        raise StoreError("request-evidence", "choose the file first")
    there = {one.sha256 for one in attachments.of(connection, row.institution_id, attachments.REQUEST, [row.id])}
    new = [one for one in files if one.sha256 not in there]
    for ready in new:
        attachments.add(connection, folder, scope, attachments.REQUEST, row.id, ready.file_name, ready, now_ms)
    if new:
        digests = [one.sha256 for one in new]
        tell(connection, scope, row.session_id, FILES, now_ms, request=row.id, files=digests)
        campus.write_down(connection, scope, "request.files", f"request/{row.id}", now_ms)


def tell(connection: Connection, scope: Scope, session_id: int, kind: str, now_ms: int, **body: Any) -> None:
    """Append to the register's history."""
    history.append(
        connection,
        institution_id=scope.institution_id,
        session_id=session_id,
        kind=kind,
        body=body,
        by_account_id=scope.account_id,
        now_ms=now_ms,
    )


def tell_asker(
    connection: Connection, scope: Scope, row: Any, kind: str, subject: str, comment: str, now_ms: int
) -> None:
    """Write to whoever asked."""
    to = connection.execute(select(account.c.person_id).where(account.c.id == row.asked_by_account_id)).scalar()
    if to is not None:
        text = f"Request {row.id}.{f' {comment}' if comment else ''}"
        send(connection, scope, to, row.session_id, kind, subject, text, now_ms)


def send(
    connection: Connection,
    scope: Scope,
    person_id: int,
    session_id: int,
    kind: str,
    subject: str,
    text: str,
    now_ms: int,
) -> None:
    """Write a message to a person; a job sends it."""
    connection.execute(
        message.insert().values(
            institution_id=scope.institution_id,
            to_person_id=person_id,
            session_id=session_id,
            kind=kind,
            subject=subject,
            text=text,
            by_account_id=scope.account_id,
            created_ms=now_ms,
        )
    )
