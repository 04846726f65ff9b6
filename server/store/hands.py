"""What a person's hand does to a register: set marks, record what was decided elsewhere. All or nothing.

Every act here appends: to the marks, and to the register's history. Nothing is changed in place (LOUGH-39).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, select

from server.errors import Refused
from server.policy.profile import Profile, Profiles
from server.scope import Scope
from server.store import derivations, history, notes, reports, sessions, standing, wanted_marks
from server.store.schema import audit, mark, session, session_class
from server.store.schema_work import attachment
from server.store.wanted_marks import Wanted


def set_marks(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    session_id: int,
    wanted: Iterable[Wanted],
    *,
    now_ms: int,
    approvals: frozenset[str] = frozenset(),
) -> dict[int, int]:
    """A person sets marks: all of them or none. Appended; derivation never changes them. Answers person id -> mark id;
    what a person set exactly so before is not set again.

    approvals: roles of others who have approved it (U). Raises NotFound(`session`), MarksRefused (`mark-code`,
    `mark-minutes`, `mark-person`, `mark-twice`, `mark-evidence`: the values; `mark-changed`: somebody else was quicker;
    `mark-not-allowed`: the profile's rules; `mark-own`).
    """
    found = sessions.need(connection, scope, session_id, "register.mark")
    mine = list(wanted)
    if not mine:
        return {}
    derivations.lock_registers(connection, found.institution_id, [session_id])
    # Read again under the lock: the class may have been cancelled just now.
    found = sessions.need(connection, scope, session_id, "register.mark")
    profile = standing.profile_of(profiles, found)
    there = _held(connection, session_id, mine)
    wanted_marks.need_possible(connection, found, profile, mine, there, scope.account_id)
    wanted_marks.need_anothers(scope, mine)
    wanted_marks.need_seen(connection, mine, there)
    new = [one for one in mine if not wanted_marks.is_so(one, there.get(one.person_id))]
    rules = wanted_marks.need_allowed(connection, scope, profile, found, mine, there, approvals, now_ms)
    return _append(
        connection,
        found,
        profile,
        new,
        rules,
        source="person",
        authority=None,
        by_account_id=scope.account_id,
        now_ms=now_ms,
    )


def record(
    connection: Connection,
    institution_id: int,
    session_id: int,
    wanted: Iterable[Wanted],
    *,
    source: str,
    rule: str,
    authority: str | None,
    by_account_id: int | None,
    now_ms: int,
    profiles: Profiles,
) -> dict[int, int]:
    """Record what was decided elsewhere, and may be: an approved request, an absence, a trip. No rule is asked again,
    but that the session is not cancelled, its lock date is not past, and the marks seen still hold. Answers person id -> mark id.

    source: request, absence-report, leave, trip ...; authority: on whose. Raises Refused(`session-cancelled`,
    `register-locked`), MarksRefused as `set_marks`.
    """
    derivations.lock_registers(connection, institution_id, [session_id])
    found = connection.execute(
        select(session).where(session.c.id == session_id, session.c.institution_id == institution_id)
    ).one()
    if found.cancelled_ms is not None:
        raise Refused("session-cancelled", "this class was cancelled: its marks do not change")
    profile = standing.profile_of(profiles, found)
    mine = list(wanted)
    if not mine:
        return {}
    if not standing.tier_now(connection, profile, found, now_ms).roles:
        raise Refused("register-locked", "the lock date is past: the records are final and do not change any more")
    there = _held(connection, session_id, mine)
    wanted_marks.need_possible(connection, found, profile, mine, there, None)
    wanted_marks.need_seen(connection, mine, there)
    return _append(
        connection,
        found,
        profile,
        mine,
        {one.person_id: rule for one in mine},
        source=source,
        authority=authority,
        by_account_id=by_account_id,
        now_ms=now_ms,
    )


def _held(connection: Connection, session_id: int, wanted: list[Wanted]) -> dict[int, Any]:
    rows = derivations.marks_of(connection, [session_id], [one.person_id for one in wanted])
    return {person_id: row for (_, person_id), row in rows.items()}


def _append(
    connection: Connection,
    found: Any,
    profile: Profile,
    wanted: list[Wanted],
    rules: Mapping[int, str],
    *,
    source: str,
    authority: str | None,
    by_account_id: int | None,
    now_ms: int,
) -> dict[int, int]:
    if not wanted:
        return {}
    rows = []
    for one in wanted:
        note_id = None
        if one.remark:
            note_id = notes.add(connection, found.institution_id, one.remark, by_account_id, now_ms)
        rows.append(
            {
                "institution_id": found.institution_id,
                "session_id": found.id,
                "person_id": one.person_id,
                "code": one.code,
                "late_min": one.late_min,
                "early_min": one.early_min,
                "source": source,
                "by_account_id": by_account_id,
                "authority": authority,
                "verified": True,
                "rule": rules[one.person_id],
                "ledgers": profile.ledgers(one.code),
                "note_id": note_id,
                "created_ms": now_ms,
            }
        )
    proofs = _proofs(connection, wanted)
    made = derivations.add_marks(connection, rows, history.MARK, {"evidence": proofs} if proofs else None)
    _settle_proposals(connection, found.id, {one.person_id: one.code for one in wanted}, now_ms)
    if by_account_id is not None and _first_told(connection, found, profile, wanted, made.values()):
        reports.completed(connection, found, by_account_id, now_ms)
    derivations.touch(connection, [found.id])
    subject = f"session/{found.id}"
    if len(wanted) == 1:
        subject += f"/person/{wanted[0].person_id}"
    connection.execute(
        audit.insert().values(
            institution_id=found.institution_id,
            at_ms=now_ms,
            account_id=by_account_id,
            action="mark.set",
            subject=subject,
        )
    )
    return {person_id: mark_id for (_, person_id), mark_id in made.items()}


def _first_told(
    connection: Connection, found: Any, profile: Profile, wanted: list[Wanted], made: Iterable[int]
) -> bool:
    """Whether one of these is the first such mark of its student in this class of which the exams team is told: each
    later lesson's says nothing new."""
    told = [one for one in wanted if one.code is not None and profile.codes[one.code].exams_told]
    if not told:
        return False
    here = select(session_class.c.class_id).where(session_class.c.session_id == found.id)
    before = (
        select(mark.c.person_id)
        .join(session_class, session_class.c.session_id == mark.c.session_id)
        .where(
            mark.c.person_id.in_([one.person_id for one in told]),
            mark.c.code.in_([one.code for one in told]),
            mark.c.id.not_in(list(made)),
            session_class.c.class_id.in_(here),
        )
    )
    return bool({one.person_id for one in told} - set(connection.execute(before).scalars()))


def _proofs(connection: Connection, wanted: list[Wanted]) -> dict[str, list[str]]:
    """person -> the digests of the files that prove their mark, as history cites them."""
    ids = {one for mine in wanted for one in mine.evidence}
    if not ids:
        return {}
    query = select(attachment.c.id, attachment.c.sha256).where(attachment.c.id.in_(ids))
    digests = dict(connection.execute(query).all())
    return {str(one.person_id): [digests[file_id] for file_id in one.evidence] for one in wanted if one.evidence}


def _settle_proposals(connection: Connection, session_id: int, codes: Mapping[int, str | None], now_ms: int) -> None:
    """Whoever sets a mark has answered what derivation proposed."""
    accepted, refused = [], []
    for (_, person_id), waiting in derivations.open_proposals(connection, [session_id]).items():
        if person_id in codes:
            (accepted if waiting.code == codes[person_id] else refused).append(waiting.id)
    derivations.close_proposals(connection, accepted, "accepted", now_ms)
    derivations.close_proposals(connection, refused, "refused", now_ms)
