"""Flags of what may be misuse of cards: once for a cause, with what they rest on, and closed by a person (PORT-9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from server.errors import NotFound, Refused
from server.policy import misuse
from server.policy.misuse import Case
from server.scope import Scope
from server.store import campus, notes, people, sessions, upsert
from server.store.campus import FieldRefused
from server.store.schema import account, note, person, person_name, reader, reading, room, session
from server.store.schema_misuse import misuse_flag, misuse_look, misuse_tap
from server.store.schema_residence import check_in_reading, house
from server.store.upsert import insert_of

READ, JUDGE = "misuse.read", "misuse.judge"
TEXT_MAX = 2_000
#: what a person may find, as pages say it
OUTCOMES = {
    "explained": "explained: no misuse",
    "misuse": "misuse: taken up with them",
    "unclear": "unclear: watched",
}
#: flags on a page, and taps shown of each: the newest
MOST, TAPS = 200, 16


@dataclass(frozen=True, kw_only=True)
class Flagged:
    """One flag, as far as the look at everybody needs it."""

    id: int
    kind: str
    subject: str
    person_id: int
    other_person_id: int | None
    at_ms: int
    last_ms: int


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One tap of a flag, for people. place: a room's code, a house's name, or ''."""

    person_id: int
    reader: str
    place: str
    at_ms: int
    unsure_ms: int
    check_in: bool
    #: the session on whose register it stands, where whoever looks reads that one
    session_id: int | None
    session: str | None


@dataclass(frozen=True, kw_only=True)
class Flag:
    """Something for a person to judge. names: of those whom the reader's account reaches."""

    id: int
    kind: str
    text: str
    person_id: int
    other_person_id: int | None
    names: Mapping[int, str]
    apart: int | None
    at_ms: int
    last_ms: int
    count: int
    taps: tuple[Shown, ...]
    lapsed_ms: int | None
    outcome: str | None
    closed_ms: int | None
    closed_by: str
    note: str


# --- what the look writes


def looked(connection: Connection, institution_id: int) -> tuple[int, str, int | None] | None:
    """How far was looked: the record, the day of the look at everybody, and the person it has come to (None: it is done);
    None: never."""
    query = select(misuse_look.c.record_id, misuse_look.c.day, misuse_look.c.reached)
    row = connection.execute(query.where(misuse_look.c.institution_id == institution_id)).first()
    return None if row is None else (row.record_id, row.day, row.reached)


def look_to(connection: Connection, institution_id: int, record_id: int, day: str, reached: int | None) -> None:
    """So far was looked."""
    columns = ("record_id", "day", "reached")
    statement = upsert.over(connection, misuse_look, ("institution_id",), columns)
    values = {"institution_id": institution_id, "record_id": record_id, "day": day, "reached": reached}
    connection.execute(statement, values)


def raise_all(connection: Connection, institution_id: int, found: Iterable[Case], now_ms: int) -> int:
    """Write what may be misuse: once for a cause, with every tap that it rests on. One that somebody closed is open again
    where enough of it is new; one that was taken back stands again. Returns how many are new, or open again."""
    return sum(_raise(connection, institution_id, one, now_ms) for one in found)


def _raise(connection: Connection, institution_id: int, one: Case, now_ms: int) -> bool:
    about = {"institution_id": institution_id, "kind": one.kind, "subject": one.subject}
    same = and_(*(misuse_flag.c[name] == value for name, value in about.items()))
    figures = {
        "person_id": one.person_id,
        "other_person_id": one.other_person_id,
        "apart": one.apart,
        "at_ms": one.at_ms,
        "last_ms": one.last_ms,
        "count": one.count,
    }
    made = insert_of(connection.dialect.name, misuse_flag).on_conflict_do_nothing(
        index_elements=[misuse_flag.c[name] for name in about]
    )
    flag_id = connection.execute(made.returning(misuse_flag.c.id), about | figures | {"raised_ms": now_ms}).scalar()
    new = flag_id is not None
    if flag_id is None:
        row = connection.execute(select(misuse_flag).where(same).with_for_update()).one()
        flag_id = row.id
        held = set(connection.execute(select(misuse_tap.c.record_id).where(misuse_tap.c.flag_id == flag_id)).scalars())
        fresh = [tap for tap in one.taps if tap.record not in held]
        of_them = [tap for tap in fresh if tap.person_id == one.person_id]
        values: dict[str, Any] = figures | {"lapsed_ms": None}
        if row.closed_ms is not None:
            if len(of_them) < one.again:
                # What a person has judged stays as they saw it.
                return False
            values |= {"closed_ms": None, "closed_by_account_id": None, "outcome": None}
            new = True
        if any(row._mapping[name] != value for name, value in values.items()):
            connection.execute(update(misuse_flag).where(misuse_flag.c.id == flag_id).values(**values))
    _keep_taps(connection, institution_id, flag_id, one)
    return new


def _keep_taps(connection: Connection, institution_id: int, flag_id: int, one: Case) -> None:
    rows = [
        {
            "institution_id": institution_id,
            "flag_id": flag_id,
            "record_id": tap.record,
            "person_id": tap.person_id,
            "reader_id": tap.reader_id,
            "at_ms": tap.at_ms,
            "unsure_ms": tap.unsure_ms,
            "check_in": tap.check_in,
        }
        for tap in one.taps
    ]
    columns = ("person_id", "reader_id", "at_ms", "unsure_ms")
    connection.execute(upsert.over(connection, misuse_tap, ("flag_id", "record_id"), columns), rows)


def open_of(connection: Connection, institution_id: int, persons: Iterable[int], since_ms: int) -> list[Flagged]:
    """The open flags about these persons of what was since then."""
    query = select(*(misuse_flag.c[name] for name in Flagged.__dataclass_fields__)).where(
        misuse_flag.c.institution_id == institution_id,
        misuse_flag.c.person_id.in_(sorted(persons)),
        misuse_flag.c.closed_ms.is_(None),
        misuse_flag.c.lapsed_ms.is_(None),
        misuse_flag.c.at_ms >= since_ms,
    )
    return [Flagged(**row._mapping) for row in connection.execute(query.order_by(misuse_flag.c.id))]


def lapse(connection: Connection, flag_ids: Iterable[int], now_ms: int) -> None:
    """Take flags back: what they rested on reads otherwise now. They are kept, and shown as taken back."""
    wanted = sorted(flag_ids)
    if wanted:
        one = and_(misuse_flag.c.id.in_(wanted), misuse_flag.c.closed_ms.is_(None))
        connection.execute(update(misuse_flag).where(one).values(lapsed_ms=now_ms))


# --- what people see, and say


def _reach(scope: Scope, act: str, now_ms: int) -> Any:
    """Flags about somebody whom the scope reaches with the act, and all of whom is for it."""
    mine = select(person.c.id).where(people.visible(scope, act), people.whole(scope, act, now_ms))
    return and_(
        misuse_flag.c.institution_id == scope.institution_id,
        or_(misuse_flag.c.person_id.in_(mine), misuse_flag.c.other_person_id.in_(mine)),
    )


def waiting(connection: Connection, scope: Scope, now_ms: int) -> list[Flag]:
    """Those that nobody has judged, newest first, at most MOST. Raises NotAllowed."""
    open_ = and_(misuse_flag.c.closed_ms.is_(None), misuse_flag.c.lapsed_ms.is_(None))
    return _listed(connection, scope, open_, now_ms)


def done(connection: Connection, scope: Scope, since_ms: int, now_ms: int) -> list[Flag]:
    """Those that were judged, or taken back, since then. Raises NotAllowed."""
    over = func.coalesce(misuse_flag.c.closed_ms, misuse_flag.c.lapsed_ms) >= since_ms
    return _listed(connection, scope, over, now_ms)


def read_of(connection: Connection, scope: Scope, flag_ids: Iterable[int], now_ms: int) -> set[int]:
    """Those of these flags that the scope reads."""
    query = select(misuse_flag.c.id).where(misuse_flag.c.id.in_(sorted(flag_ids)), _reach(scope, READ, now_ms))
    return set(connection.execute(query).scalars())


def _listed(connection: Connection, scope: Scope, where: Any, now_ms: int) -> list[Flag]:
    scope.need(READ)
    query = (
        select(
            misuse_flag,
            func.coalesce(account.c.shown_name, "").label("closed_by"),
            notes.shown().label("note"),
        )
        .outerjoin(account, account.c.id == misuse_flag.c.closed_by_account_id)
        .outerjoin(note, note.c.id == misuse_flag.c.note_id)
        .where(_reach(scope, READ, now_ms), where)
        .order_by(misuse_flag.c.last_ms.desc(), misuse_flag.c.id.desc())
        .limit(MOST)
    )
    rows = connection.execute(query).all()
    about = {one for row in rows for one in (row.person_id, row.other_person_id) if one is not None}
    names = _names(connection, people.reached(connection, scope, about, READ))
    taps = _taps(connection, scope, [row.id for row in rows])
    return [
        Flag(
            id=row.id,
            kind=row.kind,
            text=misuse.WORDS.get(str(row.kind), str(row.kind)),
            person_id=row.person_id,
            other_person_id=row.other_person_id,
            names={one: names[one] for one in (row.person_id, row.other_person_id) if one in names},
            apart=row.apart,
            at_ms=row.at_ms,
            last_ms=row.last_ms,
            count=row._mapping["count"],
            taps=tuple(taps.get(row.id, ())),
            lapsed_ms=row.lapsed_ms,
            outcome=row.outcome,
            closed_ms=row.closed_ms,
            closed_by=row.closed_by,
            note=row.note or "",
        )
        for row in rows
    ]


def _names(connection: Connection, wanted: Iterable[int]) -> dict[int, str]:
    query = select(person_name.c.person_id, person_name.c.full_name).where(person_name.c.person_id.in_(sorted(wanted)))
    return {row.person_id: row.full_name for row in connection.execute(query)}


def _taps(connection: Connection, scope: Scope, flag_ids: list[int]) -> dict[int, list[Shown]]:
    """flag -> its newest taps, in order of time, with the room of then."""
    number = func.row_number().over(partition_by=misuse_tap.c.flag_id, order_by=misuse_tap.c.at_ms.desc())
    newest = select(misuse_tap, number.label("number")).where(misuse_tap.c.flag_id.in_(flag_ids)).subquery()
    query = (
        select(
            newest,
            reader.c.name.label("reader"),
            func.coalesce(room.c.code, house.c.name, "").label("place"),
            session.c.id.label("session_id"),
            session.c.title.label("session"),
        )
        .join(reader, reader.c.id == newest.c.reader_id)
        .outerjoin(reading, reading.c.swipe_id == newest.c.record_id)
        .outerjoin(room, room.c.id == reading.c.room_id)
        .outerjoin(session, and_(session.c.id == reading.c.session_id, sessions.visible(scope, "register.read")))
        .outerjoin(check_in_reading, check_in_reading.c.check_in_id == newest.c.record_id)
        .outerjoin(house, house.c.id == check_in_reading.c.house_id)
        .where(newest.c.number <= TAPS)
        .order_by(newest.c.flag_id, newest.c.at_ms, newest.c.record_id)
    )
    found: dict[int, list[Shown]] = {}
    for row in connection.execute(query):
        shown = Shown(**{name: row._mapping[name] for name in Shown.__dataclass_fields__})
        found.setdefault(row.flag_id, []).append(shown)
    return found


def close(connection: Connection, scope: Scope, flag_id: int, outcome: str, text: str, now_ms: int) -> None:
    """Somebody has looked, and says what they found. Nothing else follows from it here: a mark is changed, if at all, on
    its register and by its rules. Should enough of the same be seen again, it is open again.

    Raises NotFound(`flag`), FieldRefused(`outcome`, `text`), Refused(`closed`, `own`).
    """
    scope.need(JUDGE)
    row = connection.execute(
        select(misuse_flag).where(misuse_flag.c.id == flag_id, _reach(scope, JUDGE, now_ms))
    ).first()
    if row is None:
        raise NotFound("flag", "there is no such flag, or it is about nobody in your care")
    if scope.person_id is not None and scope.person_id in (row.person_id, row.other_person_id):
        raise Refused("own", "this is about yourself: ask somebody else of the registry")
    if outcome not in OUTCOMES:
        raise FieldRefused("outcome", "outcome", "say what it was: explained, misuse or unclear")
    if not text.strip():
        raise FieldRefused("text", "text", "say what you found")
    note_id = notes.add(
        connection, scope.institution_id, notes.within(text, TEXT_MAX), scope.account_id or None, now_ms
    )
    done_ = connection.execute(
        update(misuse_flag)
        .where(misuse_flag.c.id == flag_id, misuse_flag.c.closed_ms.is_(None), misuse_flag.c.lapsed_ms.is_(None))
        .values(closed_ms=now_ms, closed_by_account_id=scope.account_id or None, outcome=outcome, note_id=note_id)
    )
    if done_.rowcount != 1:
        raise Refused("closed", "somebody has closed it meanwhile, or it was taken back")
    cited = notes.cited(connection, [note_id])[note_id]
    campus.write_down(
        connection, scope, "misuse-flag.close", f"misuse/{flag_id}", now_ms, kind=row.kind, outcome=outcome, note=cited
    )
