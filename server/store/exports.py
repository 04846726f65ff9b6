"""What an export reads: registers in reach, one after the other, each with LOUGH-6's fields. Who exported is written down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, exists, or_, select

from server.errors import NotFound
from server.policy.profile import DEFAULT, Profiles
from server.scope import Scope
from server.store import campus, campus_classes, registers, sessions
from server.store.engine import Engine, reading
from server.store.schema import class_group, course, enrolment, mark_current, session, session_class

#: registers of one range at most: more is asked for in parts
MOST = 5_000


@dataclass(frozen=True, kw_only=True)
class Line:
    """One student in one register (LOUGH-6)."""

    full_name: str
    number: str
    course_code: str
    course_title: str
    title: str
    starts_ms: int
    ends_ms: int
    rooms: str
    staff: str
    classes: str
    cancelled: bool
    #: '' : not marked
    code: str
    meaning: str
    late_min: int | None
    early_min: int | None
    verified: bool
    #: it counts: verified, where the profile asks for that (STEP-18)
    counts: bool
    #: when the crediting card was tapped
    tapped_ms: int | None
    #: how the mark came about: card, by hand, import
    source: str


_SOURCES = {"swipe": "card", "absence": "no card", "person": "by hand", "import": "import"}


def register(
    connection: Connection, scope: Scope, profiles: Profiles, session_id: int, only: Sequence[int] = ()
) -> list[Line]:
    """A register's students, by name; only: these persons' ids. Raises NotFound(`session`)."""
    sessions.need(connection, scope, session_id, "register.export")
    found = registers.register_of(connection, scope, session_id, profiles)
    row = found.session
    profile = profiles.at(row.profile if row.profile in profiles else DEFAULT, row.starts_ms)
    wanted = set(only)
    made = []
    for one in found.rows:
        if wanted and one.person_id not in wanted:
            continue
        known = profile.codes.get(one.code or "")
        made.append(
            Line(
                full_name=one.full_name,
                number=one.external_id,
                course_code=row.course_code,
                course_title=row.course_title,
                title=row.title,
                starts_ms=row.starts_ms,
                ends_ms=row.ends_ms,
                rooms=", ".join(row.rooms),
                staff=", ".join(row.staff),
                classes=", ".join(row.class_codes),
                cancelled=row.cancelled_ms is not None,
                code=one.code or "",
                meaning=known.meaning if known else "" if one.code is None else "a mark of an older profile",
                late_min=one.late_min,
                early_min=one.early_min,
                verified=one.verified,
                counts=one.counts,
                tapped_ms=one.at_ms,
                source=_SOURCES.get(one.source or "", one.source or ""),
            )
        )
    return made


def sessions_of(
    connection: Connection,
    scope: Scope,
    from_ms: int,
    to_ms: int,
    *,
    class_id: int | None = None,
    course_id: int | None = None,
    person_id: int | None = None,
) -> list[int]:
    """Ids of the sessions in reach that start in [from, to), of this class, course or person, by start."""
    query = (
        select(session.c.id)
        .where(
            sessions.visible(scope, "register.export"),
            sessions.visible(scope, "register.read"),
            session.c.starts_ms >= from_ms,
            session.c.starts_ms < to_ms,
        )
        .order_by(session.c.starts_ms, session.c.id)
        .limit(MOST + 1)
    )
    of = session_class.c.session_id == session.c.id
    if class_id is not None:
        query = query.where(exists().where(of, session_class.c.class_id == class_id, session_class.c.to_ms.is_(None)))
    if course_id is not None:
        taught = select(class_group.c.id).where(class_group.c.course_id == course_id)
        query = query.where(exists().where(of, session_class.c.class_id.in_(taught), session_class.c.to_ms.is_(None)))
    if person_id is not None:
        listed = exists().where(
            of,
            enrolment.c.class_id == session_class.c.class_id,
            enrolment.c.person_id == person_id,
            enrolment.c.role == "student",
            enrolment.c.from_ms <= session.c.starts_ms,
            or_(enrolment.c.to_ms.is_(None), enrolment.c.to_ms > session.c.starts_ms),
        )
        marked = exists().where(mark_current.c.session_id == session.c.id, mark_current.c.person_id == person_id)
        query = query.where(or_(listed, marked))
    return list(connection.execute(query).scalars())


def lines(
    engine: Engine, scope: Scope, profiles: Profiles, session_ids: Sequence[int], only: Sequence[int] = ()
) -> Iterator[Line]:
    """The students of these registers, one register at a time: nobody who reads slowly holds the database."""
    for session_id in session_ids:
        with reading(engine) as connection:
            try:
                found = register(connection, scope, profiles, session_id, only)
            except NotFound:
                # Handed to somebody else since the export began: it is not this account's any more.
                continue
        yield from found


def write_down(connection: Connection, scope: Scope, subject: str, form: str, count: int, now_ms: int) -> None:
    """Write who exported how many registers of what, and how."""
    campus.write_down(connection, scope, "register.export", subject, now_ms, form=form, registers=count)


def classes(connection: Connection, scope: Scope) -> list[tuple[int, str]]:
    """(id, code) of the classes of which this scope may export a register: by its own sessions where it teaches."""
    reach = scope.reach("register.export")
    if reach.all or reach.departments or reach.courses:
        query = select(class_group.c.id, class_group.c.code).where(campus_classes.visible(scope, "register.export"))
    else:
        query = (
            select(class_group.c.id, class_group.c.code)
            .join(session_class, session_class.c.class_id == class_group.c.id)
            .join(session, session.c.id == session_class.c.session_id)
            .where(sessions.visible(scope, "register.export"))
        )
    return [(row.id, row.code) for row in connection.execute(query.distinct().order_by(class_group.c.code))]


def courses(connection: Connection, scope: Scope) -> list[tuple[int, str]]:
    """(id, code) of the courses of those classes."""
    ids = [class_id for class_id, _ in classes(connection, scope)]
    found: dict[int, str] = {}
    for start in range(0, len(ids), 500):
        query = (
            select(course.c.id, course.c.code)
            .join(class_group, class_group.c.course_id == course.c.id)
            .where(class_group.c.id.in_(ids[start : start + 500]))
        )
        found |= {row.id: row.code for row in connection.execute(query)}
    return sorted(found.items(), key=lambda pair: pair[1])
