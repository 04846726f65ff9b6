"""What the register's page shows beside the marks: its doors, the swipes that matched nobody, a mark's history."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection, Select, and_, bindparam, case, exists, func, or_, select

from server.errors import NotFound
from server.scope import Scope
from server.store import notes, page_today, paper, sessions
from server.store.schema import (
    account,
    class_group,
    course,
    credit,
    mark,
    mark_current,
    note,
    placement,
    reader,
    reader_state,
    reading,
    register,
    room,
    session,
    session_class,
    session_room,
)
from server.store.schema_work import paper_register, swipe_resolution
from server.store.session_rows import SessionRow

#: what the verdict of a swipe is that marked nobody
UNMATCHED = ("unknown_card", "red", "unsure", "withheld")


@dataclass(frozen=True, kw_only=True)
class DoorSeen:
    """A reader that was placed at one of a session's rooms in its window, and the newest that is known of it."""

    reader_id: int
    reader: str
    room_code: str
    known_until_ms: int | None
    seen_ms: int | None
    #: ok, or what keeps it from taking swipes; None: never said
    able: str | None
    #: sync, hold, none; None: never said
    clock: str | None


def doors_of(connection: Connection, session_id: int) -> list[DoorSeen]:
    """The doors of a session, by room and reader."""
    return [DoorSeen(**row._mapping) for row in connection.execute(_DOORS, {"session": session_id})]


_DOORS = (
    select(
        reader.c.id.label("reader_id"),
        reader.c.name.label("reader"),
        room.c.code.label("room_code"),
        reader_state.c.known_until_ms,
        reader_state.c.seen_ms,
        reader_state.c.able,
        reader_state.c.clock,
    )
    .select_from(session)
    .join(session_room, session_room.c.session_id == session.c.id)
    .join(room, room.c.id == session_room.c.room_id)
    .join(placement, placement.c.room_id == room.c.id)
    .join(reader, reader.c.id == placement.c.reader_id)
    .outerjoin(reader_state, reader_state.c.reader_id == reader.c.id)
    .where(
        session.c.id == bindparam("session"),
        session_room.c.from_ms <= session.c.closes_ms,
        or_(session_room.c.to_ms.is_(None), session_room.c.to_ms > session.c.opens_ms),
        placement.c.from_ms <= session.c.closes_ms,
        or_(placement.c.to_ms.is_(None), placement.c.to_ms > session.c.opens_ms),
    )
    .distinct()
    .order_by(room.c.code, reader.c.name)
)


def unmatched(connection: Connection, row: SessionRow, reader_ids: list[int]) -> dict[str, int]:
    """verdict -> how many swipes at these readers in the session's window credited nobody and were not looked at yet.
    Counts only: they may be anybody's."""
    if not reader_ids:
        return {}
    values = {"readers": reader_ids, "session": row.id, "opens_ms": row.opens_ms, "closes_ms": row.closes_ms}
    return dict(connection.execute(_UNMATCHED, values).all())


_UNMATCHED = (
    select(reading.c.verdict, func.count())
    .where(
        reading.c.reader_id.in_(bindparam("readers", expanding=True)),
        reading.c.at_ms >= bindparam("opens_ms"),
        reading.c.at_ms <= bindparam("closes_ms"),
        reading.c.verdict.in_(UNMATCHED),
        ~exists().where(
            swipe_resolution.c.swipe_id == reading.c.swipe_id, swipe_resolution.c.session_id == bindparam("session")
        ),
    )
    .group_by(reading.c.verdict)
)


#: what a register's page offers; of these it asks which reach the session
ACTS = (
    "register.mark",
    "register.verify",
    "register.cancel",
    "register.cover",
    "register.report",
    "register.notify",
    "register.export",
    "register.history",
    "request.make",
    "notes.erase",
)


class Reached(NamedTuple):
    """A session as somebody reaches it."""

    #: changes whenever anything that the register shows changes. 0: nothing happened yet
    version: int
    #: those of ACTS that reach it
    acts: frozenset[str]


def reached(connection: Connection, scope: Scope, session_id: int) -> Reached:
    """What an open register asks first, each second. Raises NotFound(`session`)."""
    row = connection.execute(_reached(scope), {"session": session_id}).first()
    if row is None:
        raise NotFound("session", "there is no such session, or it is not yours")
    version, *found = row
    may = (act for act in ACTS if scope.may(act))
    return Reached(version=version or 0, acts=frozenset(act for act, here in zip(may, found, strict=True) if here))


@lru_cache(maxsize=256)
def _reached(scope: Scope) -> Select:
    # Kept for whoever has a register open: nine conditions take far longer to make than to ask.
    ways = [case((sessions.visible(scope, act), 1), else_=0).label(act) for act in ACTS if scope.may(act)]
    return (
        select(register.c.version, *ways)
        .select_from(session.outerjoin(register, register.c.session_id == session.c.id))
        .where(session.c.id == bindparam("session"), sessions.visible(scope))
    )


def newest_marks(connection: Connection, session_id: int) -> dict[int, int]:
    """person -> the id of the mark that holds: what a form says it has seen."""
    query = select(mark_current.c.person_id, mark_current.c.mark_id).where(mark_current.c.session_id == session_id)
    return dict(connection.execute(query).all())


def newest_by_hand(connection: Connection, session_id: int) -> int:
    """The newest of the marks that hold and that a person set: what a form about all of them says it has seen. 0: none."""
    query = (
        select(func.max(mark.c.id))
        .join(mark_current, mark_current.c.mark_id == mark.c.id)
        .where(mark_current.c.session_id == session_id, mark.c.source == "person", mark.c.code.is_not(None))
    )
    return connection.execute(query).scalar() or 0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a page says of a session beside its row."""

    #: classroom, school-link, off-site, online ...; paper: its register is kept on paper
    mode: str
    #: when the last student on the list got a first mark (or a verified one); None: somebody has none
    marked_ms: int | None
    #: of its course; not checked
    lms_url: str | None


def facts(connection: Connection, session_id: int, *, verified: bool) -> Facts:
    """They. verified: a mark counts only once it is verified."""
    row = connection.execute(_FACTS, {"session": session_id}).one()
    marked = page_today.marked(connection, [session_id], verified=verified)
    return Facts(mode=row.mode, lms_url=row.lms_url, marked_ms=marked.get(session_id))


_FACTS = (
    select(paper.mode().label("mode"), func.min(course.c.lms_url).label("lms_url"))
    .outerjoin(paper_register, paper_register.c.session_id == session.c.id)
    .outerjoin(session_class, and_(session_class.c.session_id == session.c.id, session_class.c.to_ms.is_(None)))
    .outerjoin(class_group, class_group.c.id == session_class.c.class_id)
    .outerjoin(course, course.c.id == class_group.c.course_id)
    .where(session.c.id == bindparam("session"))
    .group_by(session.c.mode, paper_register.c.session_id)
)


@dataclass(frozen=True, kw_only=True)
class Held:
    """The mark that holds of one student, as far as a form that was sent twice has to know it."""

    code: str | None
    late_min: int | None
    early_min: int | None
    source: str
    by_account_id: int | None
    note: str | None


def held(connection: Connection, session_id: int, person_ids: list[int]) -> dict[int, Held]:
    """person -> the mark that holds, of these."""
    found: dict[int, Held] = {}
    for start in range(0, len(person_ids), 500):
        query = (
            select(
                mark.c.person_id,
                mark.c.code,
                mark.c.late_min,
                mark.c.early_min,
                mark.c.source,
                mark.c.by_account_id,
                note.c.text.label("note"),
            )
            .join(mark_current, mark_current.c.mark_id == mark.c.id)
            .outerjoin(note, note.c.id == mark.c.note_id)
            .where(
                mark_current.c.session_id == session_id,
                mark_current.c.person_id.in_(person_ids[start : start + 500]),
            )
        )
        for row in connection.execute(query):
            values = dict(row._mapping)
            person_id = values.pop("person_id")
            found[person_id] = Held(**values)
    return found


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a mark's history: what was decided, when, by whom or what, and why."""

    id: int
    code: str | None
    late_min: int | None
    early_min: int | None
    source: str
    #: shown name of the account; None: derived
    by: str | None
    verified: bool
    rule: str
    #: what was decided elsewhere and this rests on, such as `request/12:lough.tier.7d`
    authority: str | None
    flag: str | None
    note: str | None
    #: when the swipe was that it rests on
    tapped_ms: int | None
    created_ms: int


def history(connection: Connection, session_id: int, person_id: int) -> list[Step]:
    """Every mark that a person ever had in a session, newest first (LOUGH-7)."""
    query = (
        select(
            mark.c.id,
            mark.c.code,
            mark.c.late_min,
            mark.c.early_min,
            mark.c.source,
            account.c.shown_name.label("by"),
            mark.c.verified,
            mark.c.rule,
            mark.c.authority,
            mark.c.flag,
            notes.shown().label("note"),
            credit.c.at_ms.label("tapped_ms"),
            mark.c.created_ms,
        )
        .outerjoin(account, account.c.id == mark.c.by_account_id)
        .outerjoin(note, note.c.id == mark.c.note_id)
        .outerjoin(credit, credit.c.id == mark.c.credit_id)
        .where(mark.c.session_id == session_id, mark.c.person_id == person_id)
        .order_by(mark.c.id.desc())
        .limit(100)
    )
    return [Step(**row._mapping) for row in connection.execute(query)]
