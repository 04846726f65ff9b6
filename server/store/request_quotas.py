"""How often the state body may still be asked: late submissions of a batch (DDU-6), corrections of a candidate (DDU-8).

Counted from what was applied. Whoever applies holds the batch's or the candidates' rows until the transaction ends, so
that two at once cannot both take the last one.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from server.errors import Refused
from server.policy import moments, quotas
from server.policy.quotas import Correction, Quota
from server.store import corrections as applied
from server.store import course_times
from server.store.request_kinds import MARKS, SUBMISSION
from server.store.request_situations import Situation
from server.store.schema import batch, person, person_name, session
from server.store.schema_work import change_request

_APPLIED = "applied"


def lock(connection: Connection, now: Situation, kind: str, person_ids: Iterable[int]) -> None:
    """Keep everybody else from counting these quotas until the transaction ends. The register is locked before.

    FOR NO KEY UPDATE: marks and swipes of these persons go on meanwhile.
    """
    if now.profile.programme is None:
        return
    if kind == MARKS:
        rows = select(person.c.id).where(person.c.id.in_(sorted(set(person_ids)))).order_by(person.c.id)
        connection.execute(rows.with_for_update(key_share=True)).all()
    if kind == SUBMISSION and now.times.batch_id is not None:
        connection.execute(
            select(batch.c.id).where(batch.c.id == now.times.batch_id).with_for_update(key_share=True)
        ).all()


def need_left(connection: Connection, now: Situation, kind: str, person_ids: Iterable[int]) -> None:
    """Raises Refused(`request-quota`) where a quota is used up."""
    if now.profile.programme is None:
        return
    if kind == SUBMISSION:
        found = late_submissions(connection, now)
        if found is not None and not found.left:
            raise Refused("request-quota", f"{_said(found)}: this register cannot be submitted late ({found.cites})")
    if kind == MARKS:
        used = {one: quota for one, quota in corrections(connection, now, person_ids).items() if not quota.left}
        if used:
            one = min(used)
            query = select(person_name.c.full_name).where(person_name.c.person_id == one)
            name = connection.execute(query).scalar() or "a candidate"
            raise Refused("request-quota", f"{name}: {_said(used[one])}; leave this candidate out ({used[one].cites})")


def _said(found: Quota) -> str:
    return found.text.rstrip(".")


def said(connection: Connection, now: Situation, kind: str, person_ids: Iterable[int]) -> list[str]:
    """What is used of the quotas that a request of this kind would count for, in sentences."""
    if now.profile.programme is None or (now.tier.direct and kind == MARKS):
        return []
    if kind == SUBMISSION:
        found = late_submissions(connection, now)
        return ["It belongs to no batch: nothing is counted."] if found is None else [found.text]
    if kind == MARKS:
        every = corrections(connection, now, person_ids)
        of = now.profile.programme.corrections
        used = sum(not one.left for one in every.values())
        text = (
            f"At most {of} corrections of one candidate in a calendar month; {used} of {len(every)} have used them up."
        )
        return [text] if every else []
    return []


def corrections(connection: Connection, now: Situation, person_ids: Iterable[int]) -> dict[int, Quota]:
    """person -> what is used of their corrections in this calendar month, in sessions of this profile (DDU-8)."""
    wanted = sorted(set(person_ids))
    rows = [
        Correction(at_ms=at_ms, kind="correction", person_id=person_id)
        for person_id, at_ms in applied.of_persons(connection, now.session.institution_id, now.profile.name, wanted)
    ]
    return {
        one: quotas.corrections(now.profile, rows, person_id=one, now_ms=now.now_ms, zone=now.zone) for one in wanted
    }


def late_submissions(connection: Connection, now: Situation) -> Quota | None:
    """What is used of the batch's late submissions (DDU-6); None: the session belongs to no batch. One is a day of the
    batch, however many shifts it had: this session's own day is not counted against it."""
    batch_id = now.times.batch_id
    if batch_id is None:
        return None
    query = (
        select(session.c.starts_ms, change_request.c.decided_ms)
        .join(session, session.c.id == change_request.c.session_id)
        .where(
            change_request.c.institution_id == now.session.institution_id,
            change_request.c.kind == SUBMISSION,
            change_request.c.state == _APPLIED,
            change_request.c.session_id != now.session.id,
            course_times.of_batch(batch_id),
        )
    )
    days: dict[object, int] = {}
    for row in connection.execute(query):
        day = moments.day_of(row.starts_ms, now.zone)
        days[day] = min(row.decided_ms, days.get(day, row.decided_ms))
    days.pop(moments.day_of(now.session.starts_ms, now.zone), None)
    rows = [Correction(at_ms=at_ms, kind="late-submission", batch_id=batch_id) for at_ms in days.values()]
    return quotas.late_submissions(now.profile, rows, batch_id=batch_id, now_ms=now.now_ms, zone=now.zone)
