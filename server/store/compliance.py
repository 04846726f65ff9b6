"""How many registers were marked late or not at all (LOUGH-8), by department and lecturer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from server.names import plain
from server.policy import deadlines
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import judged_registers
from server.store.judged_registers import Judged

#: what is reported: the rest is in time, not due yet, or never due
REPORTED = (deadlines.LATE, deadlines.OVERDUE, deadlines.UNMARKED)


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many registers of a department, or of somebody, were to be marked, and how many were late or are missing."""

    #: department or person; None: without one
    id: int | None
    name: str
    due: int
    late: int
    missing: int


@dataclass(frozen=True, kw_only=True)
class Compliance:
    """What a scope may know of the registers that began in a time."""

    #: late, overdue, unmarked; by start
    rows: tuple[Judged, ...]
    by_department: tuple[Count, ...]
    by_lecturer: tuple[Count, ...]


def unmarked(
    connection: Connection, scope: Scope, profiles: Profiles, from_ms: int, to_ms: int, now_ms: int
) -> Compliance:
    """The late and missing registers of sessions that began in [from, to), and how many there are of each department
    and lecturer, the worst first."""
    every = [
        one
        for one in judged_registers.of(connection, scope, profiles, from_ms, to_ms, now_ms)
        if one.state != deadlines.NOT_DUE
    ]
    by_department = [(one, list(zip(one.department_ids, one.departments, strict=True))) for one in every]
    by_lecturer = [(one, list(zip(one.staff_ids, one.staff, strict=True))) for one in every]
    return Compliance(
        rows=tuple(one for one in every if one.state in REPORTED),
        by_department=_by(by_department),
        by_lecturer=_by(by_lecturer),
    )


def _by(due: Iterable[tuple[Judged, list[tuple[int, str]]]]) -> tuple[Count, ...]:
    """Registers counted by department or lecturer; one of several counts for each."""
    names: dict[int | None, str] = {}
    every: Counter[int | None] = Counter()
    late: Counter[int | None] = Counter()
    missing: Counter[int | None] = Counter()
    for one, groups in due:
        for number, name in groups or [(None, "")]:
            names[number] = name
            every[number] += 1
            late[number] += one.state == deadlines.LATE
            missing[number] += one.state in (deadlines.OVERDUE, deadlines.UNMARKED)
    made = [Count(id=one, name=names[one], due=every[one], late=late[one], missing=missing[one]) for one in every]
    return tuple(sorted(made, key=lambda one: (-one.missing, -one.late, plain(one.name), one.id or 0)))
