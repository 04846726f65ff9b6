"""What an approved request does: new marks, bursary, a learner off a list or onto another. All of it, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from server.errors import Refused
from server.policy import allowed, moments
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import (
    bursary,
    campus_enrolments,
    cancellations,
    hands,
    history,
    page_requests,
    request_lines,
    request_quotas,
    request_situations,
    request_terms,
    verifying,
    wanted_marks,
)
from server.store.request_kinds import BURSARY, CANCELLATION, MARKS, RESTORATION, SOURCE, SUBMISSION, TRANSFER
from server.store.request_situations import Situation
from server.store.schema import correction

#: what an entry of the history is called
LIST_CHANGED = "list"


def apply_lines(connection: Connection, scope: Scope, profiles: Profiles, row: Any, now: Situation) -> None:
    """Apply every line of a request; the register is locked. Raises MarksRefused(`mark-changed`) where a mark is not the
    one that held when it was asked, Refused(`session-cancelled`, `not-cancelled`, `request-list`, `request-quota`,
    `request-mark`)."""
    lines = request_lines.of(connection, row.id)
    request_quotas.lock(connection, now, row.kind, [line.person_id for line in lines])
    request_quotas.need_left(connection, now, row.kind, [line.person_id for line in lines])
    authority = f"request/{row.id}:{row.rule}"
    if row.kind in (CANCELLATION, RESTORATION):
        work = cancellations.enact if row.kind == CANCELLATION else cancellations.reinstate
        note_id = row.reason_note_id
        work(connection, scope, profiles, row.session_id, note_id, authority=authority, now_ms=now.now_ms)
    elif row.kind == SUBMISSION:
        verifying.submit(connection, scope, now.profile, row.session_id, authority=authority, now_ms=now.now_ms)
    elif row.kind == MARKS:
        _marks(connection, scope, profiles, row, now, lines)
    elif row.kind == BURSARY:
        _bursary(connection, scope, row, now, lines)
    else:
        _list(connection, scope, profiles, row, now, lines)


def _marks(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    row: Any,
    now: Situation,
    lines: Sequence[Any],
) -> None:
    _need_of_themselves(connection, now, lines)
    wanted = [
        wanted_marks.Wanted(
            person_id=line.person_id,
            code=line.code,
            late_min=line.late_min,
            early_min=line.early_min,
            seen_mark_id=line.from_mark_id or 0,
        )
        for line in lines
    ]
    made = hands.record(
        connection,
        scope.institution_id,
        row.session_id,
        wanted,
        source=SOURCE,
        rule=f"{now.profile.name}.tier.{row.tier}",
        authority=f"request/{row.id}:{row.rule}",
        by_account_id=scope.account_id,
        now_ms=now.now_ms,
        profiles=profiles,
    )
    day = moments.day_of(now.now_ms, now.zone).isoformat()
    connection.execute(
        correction.insert(),
        [
            {
                "institution_id": scope.institution_id,
                "mark_id": made[line.person_id],
                "person_id": line.person_id,
                "rule": row.rule,
                "day": day,
                "note_id": row.reason_note_id,
                "created_ms": now.now_ms,
            }
            for line in lines
        ],
    )


def _need_of_themselves(connection: Connection, now: Situation, lines: Sequence[Any]) -> None:
    """What the marks themselves ask for, asked again: other marks were set since, and trips taken back (LOUGH-H, LOUGH-V).

    Raises Refused(`request-mark`).
    """
    wanted = {line.person_id: line.code for line in lines}
    for code, about in request_situations.facts(connection, now, wanted, reason=True, evidence=True).values():
        answer = allowed.may_set(now.profile, code, about)
        if not answer.allowed and answer.rule.endswith((f".{code}.whole-class", f".{code}.confirmed")):
            raise Refused("request-mark", f"{answer.text.rstrip('.')}; reject the request")


def _bursary(connection: Connection, scope: Scope, row: Any, now: Situation, lines: Sequence[Any]) -> None:
    _tell(connection, scope, row, now, history.BURSARY, persons=[line.person_id for line in lines])
    bursary.grant(
        connection,
        scope.institution_id,
        row.session_id,
        [line.person_id for line in lines],
        request_id=row.id,
        account_id=scope.account_id,
        now_ms=now.now_ms,
    )


def _list(
    connection: Connection, scope: Scope, profiles: Profiles, row: Any, now: Situation, lines: Sequence[Any]
) -> None:
    from_ms = request_terms.list_from_ms(now, row.created_ms)
    classes = request_terms.classes_of(connection, row.session_id)
    about = {"to_class": row.to_class_id} if row.to_class_id is not None else {}
    _tell(
        connection, scope, row, now, LIST_CHANGED, persons=[line.person_id for line in lines], from_ms=from_ms, **about
    )
    for line in lines:
        ended = 0
        for class_id in classes:
            for place in campus_enrolments.open_places(connection, class_id, line.person_id, "student", from_ms):
                ended += 1
                campus_enrolments.end_place(connection, scope, place.id, class_id, "student", from_ms, now.now_ms)
        if not ended:
            name = page_requests.person_names(connection, [line.person_id])[line.person_id]
            raise Refused("request-list", f"{name} is off this list already: reject the request")
        if row.kind == TRANSFER:
            assert row.to_class_id is not None
            campus_enrolments.enrol(
                connection,
                scope,
                profiles,
                line.person_id,
                row.to_class_id,
                role="student",
                from_ms=from_ms,
                once=f"request-{row.id}-{line.person_id}",
                now_ms=now.now_ms,
            )


def _tell(connection: Connection, scope: Scope, row: Any, now: Situation, kind: str, **body: Any) -> None:
    history.append(
        connection,
        institution_id=scope.institution_id,
        session_id=row.session_id,
        kind=kind,
        body={"request": row.id, **body},
        by_account_id=scope.account_id,
        now_ms=now.now_ms,
    )
