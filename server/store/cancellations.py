"""Cancelling a class (LOUGH-11), and taking that back within the day. Swipes and earlier marks stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select, update

from server.errors import NotAllowed, Refused
from server.policy import allowed, cancellation
from server.policy.profile import Profile, Profiles
from server.scope import Scope
from server.store import campus, corrections, derivations, due, history, institutions, notes, sessions, standing
from server.store.schema import mark, session

#: what stands as the rule of marks that a cancellation set, after the profile's name; and of those taken back
CANCELLED, RESTORED = "cancelled", "restored"


def cancel(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    session_id: int,
    *,
    reason: str,
    now_ms: int,
) -> int:
    """The class does not take place. Its profile's mark for that (D) is set for everybody on the list; where the profile
    has none, nobody has a mark any more: a cancelled session is in no denominator. Returns how many marks were set.

    An import does not bring it back. Raises NotFound(`session`), NotAllowed(`cancel-not-allowed`),
    Refused(`session-cancelled`).
    """
    found = _locked(connection, scope, session_id)
    if found.cancelled_ms is not None:
        raise Refused("session-cancelled", "this class is cancelled already")
    profile = standing.profile_of(profiles, found)
    _need_may(connection, scope, profile, found, now_ms)
    note_id = notes.add(connection, found.institution_id, reason, scope.account_id, now_ms) if reason else None
    return _cancel(connection, scope, profile, found, note_id, None, now_ms)


def enact(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    session_id: int,
    note_id: int | None,
    *,
    authority: str,
    now_ms: int,
) -> int:
    """Cancel a class on the authority of the request that was approved (LOUGH-32 to 34); its register is locked by the
    caller. Returns how many marks were set. Raises Refused(`session-cancelled`, `register-locked`)."""
    found = connection.execute(
        select(session).where(session.c.id == session_id, session.c.institution_id == scope.institution_id)
    ).one()
    if found.cancelled_ms is not None:
        raise Refused("session-cancelled", "this class is cancelled already")
    standing.need_open(connection, profiles, found, now_ms)
    return _cancel(connection, scope, standing.profile_of(profiles, found), found, note_id, authority, now_ms)


def _cancel(
    connection: Connection,
    scope: Scope,
    profile: Profile,
    found: Any,
    note_id: int | None,
    authority: str | None,
    now_ms: int,
) -> int:
    session_id = found.id
    listed = standing.members(connection, session_id)
    there = derivations.held_marks(connection, session_id)
    code = profile.cancels_to
    concerned = set(listed) | {person for person, row in there.items() if row.code is not None}
    if code is None:
        concerned = {person for person, row in there.items() if row.code is not None}
    about = _about(connection, note_id)
    rows = [
        {
            "institution_id": found.institution_id,
            "session_id": session_id,
            "person_id": person_id,
            "code": code,
            "source": "person",
            "by_account_id": scope.account_id,
            "authority": authority,
            "verified": True,
            "rule": f"{profile.name}.{CANCELLED}",
            "ledgers": profile.ledgers(code),
            "note_id": note_id,
            "created_ms": now_ms,
        }
        for person_id in sorted(concerned)
    ]
    _tell(connection, scope, found, rows, history.CANCEL, about, now_ms)
    waiting = derivations.open_proposals(connection, [session_id])
    derivations.close_proposals(connection, [row.id for row in waiting.values()], "overtaken", now_ms)
    _set_cancelled(connection, found, now_ms, scope.account_id, now_ms)
    campus.write_down(connection, scope, "session.cancel", f"session/{session_id}", now_ms)
    return len(rows)


def restore(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    session_id: int,
    *,
    reason: str,
    now_ms: int,
) -> int:
    """It takes place after all: what held before the cancellation holds again. Only on the day of the cancellation, by
    whoever may cancel, and only where a person cancelled it; afterwards by a request (`reinstate`). Returns how many
    marks were set.

    Raises NotFound(`session`), NotAllowed(`cancel-not-allowed`), Refused(`not-cancelled`, `cancel-final`).
    """
    found = _locked(connection, scope, session_id)
    if found.cancelled_ms is None:
        raise Refused("not-cancelled", "this class is not cancelled")
    profile = standing.profile_of(profiles, found)
    answer = _answer(connection, scope, profile, found, now_ms)
    if not answer.allowed:
        if ".restore." in answer.rule:
            raise Refused("cancel-final", f"{answer.text[:1].lower()}{answer.text[1:].rstrip('.')}")
        raise NotAllowed("cancel-not-allowed", answer.text)
    note_id = notes.add(connection, found.institution_id, reason, scope.account_id, now_ms) if reason else None
    return _restore(connection, scope, profile, found, _about(connection, note_id), now_ms)


def reinstate(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    session_id: int,
    note_id: int | None,
    *,
    authority: str,
    now_ms: int,
) -> int:
    """Bring a class back on the authority of the request that was approved; its register is locked by the caller.
    Returns how many marks were set. Raises Refused(`not-cancelled`, `cancel-final`, `register-locked`)."""
    found = connection.execute(
        select(session).where(session.c.id == session_id, session.c.institution_id == scope.institution_id)
    ).one()
    if found.cancelled_ms is None:
        raise Refused("not-cancelled", "this class is not cancelled any more")
    if found.cancelled_by_account_id is None:
        raise Refused("cancel-final", "the timetable cancelled this class: it comes back with the timetable's import")
    standing.need_open(connection, profiles, found, now_ms)
    about = {**_about(connection, note_id), "authority": authority}
    return _restore(connection, scope, standing.profile_of(profiles, found), found, about, now_ms)


def _restore(
    connection: Connection, scope: Scope, profile: Profile, found: Any, about: Mapping[str, Any], now_ms: int
) -> int:
    were = _before_cancelling(connection, found.id, f"{profile.name}.{CANCELLED}")
    rows = [_as_before(row, before, scope, now_ms) for row, before in were]
    corrected = corrections.of_marks(connection, [before.id for _, before in were if before is not None])
    if corrected:
        # So that the chain says which of these marks are corrections, as it does of the first ones.
        about = {**about, history.CORRECTED: sorted(row.person_id for row in corrected)}
    made = _tell(connection, scope, found, rows, history.RESTORE, about, now_ms)
    corrections.again(connection, corrected, {person: mark_id for (_, person), mark_id in made.items()})
    _set_cancelled(connection, found, None, None, now_ms)
    campus.write_down(connection, scope, "session.restore", f"session/{found.id}", now_ms)
    return len(rows)


def may(connection: Connection, scope: Scope, profile: Profile, session_id: int, now_ms: int) -> allowed.Answer:
    """Whether this scope may cancel the class now, or take that back; where not, the way that is left (LOUGH-11).

    Raises NotFound(`session`).
    """
    found = sessions.need(connection, scope, session_id, "register.cancel")
    return _answer(connection, scope, profile, found, now_ms)


def _answer(connection: Connection, scope: Scope, profile: Profile, found: Any, now_ms: int) -> allowed.Answer:
    about = standing.facts(connection, scope, found, "register.cancel", profile=profile, now_ms=now_ms)
    if found.cancelled_ms is None:
        return cancellation.may_cancel(profile, about)
    by_person = found.cancelled_by_account_id is not None
    return cancellation.may_restore(profile, about, cancelled_ms=found.cancelled_ms, by_person=by_person)


def _locked(connection: Connection, scope: Scope, session_id: int) -> Any:
    """The session's row once nobody else acts on its register. Raises NotFound(`session`)."""
    found = sessions.need(connection, scope, session_id, "register.cancel")
    derivations.lock_registers(connection, found.institution_id, [session_id])
    return sessions.need(connection, scope, session_id, "register.cancel")


def _need_may(connection: Connection, scope: Scope, profile: Profile, found: Any, now_ms: int) -> None:
    answer = _answer(connection, scope, profile, found, now_ms)
    if not answer.allowed:
        raise NotAllowed("cancel-not-allowed", answer.text)


def _about(connection: Connection, note_id: int | None) -> dict[str, Any]:
    return {} if note_id is None else {"note": notes.cited(connection, [note_id])[note_id]}


def _tell(
    connection: Connection,
    scope: Scope,
    found: Any,
    rows: list[dict[str, Any]],
    kind: str,
    about: Mapping[str, Any],
    now_ms: int,
) -> dict[tuple[int, int], int]:
    if rows:
        return derivations.add_marks(connection, rows, kind, about)
    history.append(
        connection,
        institution_id=found.institution_id,
        session_id=found.id,
        kind=kind,
        body={**about, "marks": []},
        by_account_id=scope.account_id,
        now_ms=now_ms,
    )
    return {}


def _set_cancelled(
    connection: Connection, found: Any, cancelled_ms: int | None, account_id: int | None, now_ms: int
) -> None:
    # Before: a swipe in its window may now be worth another session, and the other way round.
    due.sessions(connection, found.institution_id, [found.id], now_ms)
    connection.execute(
        update(session)
        .where(session.c.id == found.id)
        .values(cancelled_ms=cancelled_ms, cancelled_by_account_id=account_id)
    )
    derivations.touch(connection, [found.id])
    institutions.campus_changed(connection, found.institution_id)


def _before_cancelling(connection: Connection, session_id: int, rule: str) -> list[tuple[Any, Any]]:
    """(the cancellation's mark that holds, the mark before it or None) of each student who still has it."""
    held = [row for row in derivations.held_marks(connection, session_id).values() if row.rule == rule]
    if not held:
        return []
    found = []
    for row in held:
        last = select(func.max(mark.c.id)).where(
            mark.c.session_id == session_id, mark.c.person_id == row.person_id, mark.c.id < row.id
        )
        found.append((row, connection.execute(select(mark).where(mark.c.id == last.scalar_subquery())).first()))
    return found


def _as_before(row: Any, before: Any, scope: Scope, now_ms: int) -> dict[str, Any]:
    """The mark before, said again; where there was none: no mark, and derivation's to say."""
    made = {
        "institution_id": row.institution_id,
        "session_id": row.session_id,
        "person_id": row.person_id,
        "by_account_id": scope.account_id,
        "created_ms": now_ms,
    }
    kept = ("code", "late_min", "early_min", "source", "authority", "verified", "rule", "ledgers", "flag", "credit_id")
    if before is not None:
        return made | {name: getattr(before, name) for name in kept} | {"note_id": before.note_id}
    none = dict.fromkeys((*kept, "note_id")) | {"source": "absence", "verified": False, "ledgers": ""}
    return made | none | {"rule": f"{row.rule.split('.')[0]}.{RESTORED}"}
