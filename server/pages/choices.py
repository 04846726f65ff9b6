"""The marks of a profile for one student: which may be set now, and of the others why not and by which way (LOUGH-17)."""

from __future__ import annotations

from dataclasses import dataclass

from server.pages.desk import Visit
from server.pages.register import Shown
from server.policy import allowed
from server.policy.profile import Code
from server.store import sessions, standing
from server.store.engine import Connection


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One mark, as the panel offers it."""

    code: str
    meaning: str
    #: it may be set now; what is still needed is asked for in the form
    allowed: bool
    #: why not, or what follows
    text: str
    #: a change request can ask for it
    by_request: bool
    #: reason, evidence, minutes
    needs: frozenset[str]


def of(signed: Visit, connection: Connection, shown: Shown, person_id: int) -> list[Choice]:
    """Every mark of the profile, and taking the mark away."""
    row = shown.snapshot.register.session
    profile = signed.desk.profile(row.profile, row.starts_ms)
    found = sessions.need(connection, signed.scope, row.id)
    stands = standing.of(connection, signed.scope, row.id)
    times = standing.times_of(connection, profile, found)
    submitted = standing.submitted(connection, profile, row.id)
    told = standing.told(connection, found, [person_id]).get(person_id, standing.Told())
    came = standing.came_along(connection, found, [person_id])
    rows = shown.snapshot.rows
    listed = [one for one in rows.values() if one["listed"]]
    current = rows[person_id]["code"]
    made = []
    for code in [*profile.codes.values(), None]:
        name = code.code if code is not None else None
        others = sum(one["code"] == name for one in listed if one["person_id"] != person_id)
        answer = allowed.may_set(
            profile,
            name,
            allowed.Facts(
                roles=stands.roles,
                staffs=stands.staffs,
                starts_ms=row.starts_ms,
                ends_ms=row.ends_ms,
                now_ms=shown.local.now_ms,
                zone=standing.zone_of(connection, signed.scope.institution_id),
                current=current,
                cancelled=row.cancelled_ms is not None,
                students_set=others + bool(rows[person_id]["listed"]),
                students_all=len(listed),
                marking_deadline_ms=times.marking_deadline_ms,
                lock_ms=times.lock_ms,
                batch_starts_ms=times.batch_starts_ms,
                submitted=submitted,
                mode=found.mode,
                reported_ms=told.reported_ms,
                # A reason and evidence can be given in the form: whether they are is judged when it is sent.
                has_reason=True,
                has_evidence=True,
                trip_confirmed=person_id in came,
            ),
        )
        made.append(_choice(code, answer))
    return made


def _choice(code: Code | None, answer: allowed.Answer) -> Choice:
    return Choice(
        code=code.code if code is not None else "",
        meaning=code.meaning if code is not None else "no mark",
        allowed=answer.allowed,
        text=answer.text,
        by_request=answer.by_request,
        needs=answer.needs,
    )
