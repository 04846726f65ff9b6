"""Which profile holds where, from a day on (PORT-2). What was before that day, or has begun on it, is judged as it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, or_, select

from server.errors import NotFound
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import campus, institutions, residence_rules, session_profiles, sessions
from server.store.campus import FieldRefused
from server.store.imported_registers import chunks
from server.store.schema import (
    class_group,
    course,
    enrolment,
    profile_assignment,
    programme,
    session,
    session_class,
)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One row: this profile holds there, from and to."""

    id: int
    scope: str
    scope_value: str
    #: what the scope is called
    name: str
    profile: str
    from_ms: int
    #: not after from_ms: it was taken back before it began, and never held
    to_ms: int | None
    #: of a session: when it starts
    starts_ms: int | None = None

    @property
    def back(self) -> bool:
        """Whether it was taken back before it began."""
        return self.to_ms is not None and self.to_ms <= self.from_ms

    def over(self, now_ms: int) -> bool:
        """Whether it holds no more, and will not."""
        # What is ended now holds to the end of this millisecond.
        return self.to_ms is not None and self.to_ms <= max(now_ms + 1, self.from_ms)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What an assignment, or its end, does to sessions from its day on."""

    #: sessions in its scope from then on, until another begins that was planned already
    sessions: int
    #: of them, those judged by another profile, and those whose window changes
    judged: int
    windows: int
    #: students on the lists of sessions that change
    students: int
    #: profile -> how many sessions it judges now that another one judged
    by: Mapping[str, int] = field(default_factory=dict)
    #: sessions of that day that have begun: they keep the profile that they have
    begun: int = 0
    #: when another profile begins there that was planned already; None: none
    until_ms: int | None = None


NOTHING = Effect(sessions=0, judged=0, windows=0, students=0)


def listed(connection: Connection, scope: Scope) -> list[Assignment]:
    """Every assignment, those that hold or will hold first."""
    campus.need_whole(scope, "profiles.change")
    query = (
        select(profile_assignment)
        .where(profile_assignment.c.institution_id == scope.institution_id)
        .order_by(
            profile_assignment.c.to_ms.is_not(None), profile_assignment.c.scope, profile_assignment.c.from_ms.desc()
        )
    )
    rows = connection.execute(query).all()
    held = sessions_named(connection, scope, [row.scope_value for row in rows if row.scope == "session"])
    names = {kind: _names(connection, scope, kind) for kind in ("course", "programme")}
    names["session"] = {number: title for number, (title, _) in held.items()}
    return [
        Assignment(
            id=row.id,
            scope=row.scope,
            scope_value=row.scope_value,
            name=names.get(row.scope, {}).get(row.scope_value) or row.scope_value,
            profile=row.profile,
            from_ms=row.from_ms,
            to_ms=row.to_ms,
            starts_ms=held[row.scope_value][1] if row.scope == "session" and row.scope_value in held else None,
        )
        for row in rows
    ]


def sessions_named(connection: Connection, scope: Scope, numbers: Iterable[str]) -> dict[str, tuple[str, int]]:
    """number -> title and start of these sessions, of those that there are."""
    found: dict[str, tuple[str, int]] = {}
    for some in chunks(int(one) for one in numbers if one.isascii() and one.isdigit() and len(one) <= 18):
        query = select(session.c.id, session.c.title, session.c.starts_ms).where(
            session.c.institution_id == scope.institution_id, session.c.id.in_(some)
        )
        found |= {str(row.id): (row.title, row.starts_ms) for row in connection.execute(query)}
    return found


def choices(connection: Connection, scope: Scope) -> Mapping[str, dict[str, str]]:
    """Scope -> what can be named in it: value -> words. Of sessions there are too many: `sessions_named`."""
    kinds = select(session.c.kind).where(session.c.institution_id == scope.institution_id).distinct()
    return {
        "session_kind": {kind: kind for kind in sorted(connection.execute(kinds).scalars())},
        "course": _names(connection, scope, "course"),
        "programme": _names(connection, scope, "programme"),
    }


def _names(connection: Connection, scope: Scope, kind: str) -> dict[str, str]:
    table = course if kind == "course" else programme
    query = (
        select(table.c.id, table.c.code, table.c.title)
        .where(table.c.institution_id == scope.institution_id, table.c.ended_ms.is_(None))
        .order_by(table.c.code)
    )
    return {str(row.id): f"{row.code} – {row.title}" for row in connection.execute(query)}


def seen(connection: Connection, scope: Scope) -> str:
    """Stands for every assignment that holds."""
    return campus.digest(listed(connection, scope))


def assign(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    where: str,
    value: str,
    name: str,
    from_ms: int,
    *,
    seen_: str,
    now_ms: int,
) -> Effect:
    """From then on this profile holds there, until the next that is planned. What has begun keeps its own: no earlier than
    now. Raises NotAllowed, ChangedMeanwhile, FieldRefused(`profile`, `profile-session`, `profile-past`).
    """
    campus.need_whole(scope, "profiles.change")
    campus.begin(connection, scope)
    held = listed(connection, scope)
    day_ms, from_ms = from_ms, max(from_ms, now_ms + 1)
    if any((one.scope, one.scope_value, one.profile) == (where, value, name) and day_ms <= one.from_ms <= from_ms
           and (one.to_ms is None or one.to_ms > from_ms) for one in held):  # fmt: skip
        # The form was sent twice.
        return NOTHING
    campus.need_seen(seen_, campus.digest(held))
    if name not in profiles:
        raise FieldRefused("profile", "profile", f"there is no profile {name}")
    if where == "session":
        try:
            found = sessions.need(connection, scope, int(value), "campus.change")
        except (NotFound, ValueError):
            raise FieldRefused("profile-session", "value", "there is no session with this number") from None
        if found.starts_ms <= now_ms:
            raise FieldRefused("profile-past", "value", "this session has begun: its profile stays")
        from_ms = min(from_ms, found.starts_ms)
    begun = len(_concerned(connection, scope, where, value, day_ms, from_ms)) if day_ms < from_ms else 0
    until_ms = session_profiles.assign(connection, scope.institution_id, where, value, name, from_ms)
    before = _concerned(connection, scope, where, value, from_ms, until_ms)
    effect = _planned(connection, scope, profiles, before, now_ms, begun=begun, until_ms=until_ms)
    _residence(connection, scope, where, from_ms, now_ms)
    campus.write_down(
        connection, scope, "profile.assign", "profiles", now_ms, profile=name, where=where, value=value, from_ms=from_ms
    )
    return effect


def one(connection: Connection, scope: Scope, assignment_id: int) -> Assignment:
    """One assignment. Raises NotAllowed, NotFound(`profile`)."""
    found = next((one for one in listed(connection, scope) if one.id == assignment_id), None)
    if found is None:
        raise NotFound("profile", "there is no such profile given anywhere")
    return found


def end(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    assignment_id: int,
    to_ms: int,
    *,
    seen_: str,
    now_ms: int,
) -> Effect:
    """This one holds no longer from then on, no earlier than now: a wider one does, or what it was to follow where it had not
    begun by then. Raises NotAllowed, NotFound, ChangedMeanwhile, FieldRefused(`profile-ends`)."""
    campus.need_whole(scope, "profiles.change")
    campus.begin(connection, scope)
    held = one(connection, scope, assignment_id)
    to_ms = max(to_ms, now_ms + 1, held.from_ms)
    if held.over(now_ms) or held.to_ms == to_ms:
        # It is over, was taken back, or ends then: the form was sent twice.
        return NOTHING
    campus.need_seen(seen_, seen(connection, scope))
    if held.to_ms is not None and held.to_ms < to_ms:
        raise FieldRefused("profile-ends", "day", "it ends before that day already: give one anew for what is after it")
    before = _concerned(connection, scope, held.scope, held.scope_value, to_ms, held.to_ms)
    session_profiles.end(connection, held.id, to_ms)
    effect = _planned(connection, scope, profiles, before, now_ms)
    _residence(connection, scope, held.scope, to_ms, now_ms)
    campus.write_down(
        connection, scope, "profile.end", "profiles", now_ms, profile=held.profile, where=held.scope,
        value=held.scope_value, from_ms=to_ms,
    )  # fmt: skip
    return effect


def _residence(connection: Connection, scope: Scope, where: str, from_ms: int, now_ms: int) -> None:
    """The residence goes by the profile of the whole institution: its check-ins are judged again."""
    if where == "institution":
        residence_rules.changed(connection, scope.institution_id, from_ms, now_ms)


def _planned(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    before: Mapping[int, tuple[str, int, int]],
    now_ms: int,
    *,
    begun: int = 0,
    until_ms: int | None = None,
) -> Effect:
    """The sessions of `before` by the assignments as they are now, and what that did."""
    changed = session_profiles.again(connection, scope.institution_id, before, now_ms, profiles)
    after = _held(connection, changed)
    institutions.campus_changed(connection, scope.institution_id)
    by = Counter(after[key][0] for key in changed if before[key][0] != after[key][0])
    return Effect(
        sessions=len(before),
        judged=by.total(),
        windows=sum(before[key][1:] != after[key][1:] for key in changed),
        students=_students(connection, changed),
        by=dict(sorted(by.items())),
        begun=begun,
        until_ms=until_ms,
    )


def _held(connection: Connection, ids: list[int]) -> dict[int, tuple[str, int, int]]:
    found: dict[int, tuple[str, int, int]] = {}
    for some in chunks(ids):
        query = select(session.c.id, session.c.profile, session.c.opens_ms, session.c.closes_ms).where(
            session.c.id.in_(some)
        )
        found |= {row.id: (row.profile, row.opens_ms, row.closes_ms) for row in connection.execute(query)}
    return found


def _concerned(
    connection: Connection, scope: Scope, where: str, value: str, from_ms: int, to_ms: int | None = None
) -> dict[int, tuple[str, int, int]]:
    """session id -> profile, opens, closes of every session there that starts from then on, and before to_ms."""
    query = select(session.c.id, session.c.profile, session.c.opens_ms, session.c.closes_ms).where(
        session.c.institution_id == scope.institution_id, session.c.starts_ms >= from_ms
    )
    if to_ms is not None:
        query = query.where(session.c.starts_ms < to_ms)
    if where == "session":
        query = query.where(session.c.id == int(value))
    elif where == "session_kind":
        query = query.where(session.c.kind == value)
    elif where in ("course", "programme"):
        column = course.c.id if where == "course" else course.c.programme_id
        taught = (
            select(session_class.c.session_id)
            .join(class_group, class_group.c.id == session_class.c.class_id)
            .join(course, course.c.id == class_group.c.course_id)
            .where(column == int(value), session_class.c.to_ms.is_(None))
        )
        query = query.where(session.c.id.in_(taught))
    return {row.id: (row.profile, row.opens_ms, row.closes_ms) for row in connection.execute(query)}


def _students(connection: Connection, ids: list[int]) -> int:
    found: set[int] = set()
    for some in chunks(ids):
        query = (
            select(enrolment.c.person_id)
            .join(session_class, session_class.c.class_id == enrolment.c.class_id)
            .join(session, session.c.id == session_class.c.session_id)
            .where(session.c.id.in_(some), session_class.c.to_ms.is_(None), enrolment.c.role == "student")
            .where(enrolment.c.from_ms <= session.c.starts_ms)
            .where(or_(enrolment.c.to_ms.is_(None), enrolment.c.to_ms > session.c.starts_ms))
            .distinct()
        )
        found |= set(connection.execute(query).scalars())
    return len(found)


def counted(connection: Connection, scope: Scope) -> dict[str, int]:
    """profile -> how many coming and past sessions it judges."""
    query = (
        select(session.c.profile, func.count())
        .where(session.c.institution_id == scope.institution_id)
        .group_by(session.c.profile)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
