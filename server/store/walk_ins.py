"""Walk-ins: who was there and is not on the class list, added by hand; and finding them among the students."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, func, or_, select, update

from server import names
from server.errors import StoreError
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import derivations, history, notes, sessions
from server.store.schema import enrolment, person, person_external_id, person_name
from server.store.schema_work import walk_in
from server.store.standing import members, need_open

#: as many are found at once, and words of a name must be at least so long: nobody lists all students here
FOUND, SHORTEST = 12, 2


@dataclass(frozen=True, kw_only=True)
class Found:
    """A student of the institution."""

    person_id: int
    full_name: str
    external_id: str


def persons(connection: Connection, session_id: int) -> set[int]:
    """Who was added to this session by hand and not taken off again."""
    return set(connection.execute(_PERSONS, {"session": session_id}).scalars())


_PERSONS = select(walk_in.c.person_id).where(walk_in.c.session_id == bindparam("session"), walk_in.c.ended_ms.is_(None))


def search(connection: Connection, scope: Scope, session_id: int, text: str) -> list[Found]:
    """Students of the institution with this number, or with all of these words in their name; FOUND of them.

    Raises NotFound(`session`), StoreError(`search-short`).
    """
    sessions.need(connection, scope, session_id, "register.mark")
    letters = names.words(text)
    if not letters or min(map(len, letters)) < SHORTEST:
        raise StoreError("search-short", f"give a student number, or at least {SHORTEST} letters of each name")
    number = select(person_external_id.c.person_id).where(
        person_external_id.c.institution_id == scope.institution_id,
        func.lower(person_external_id.c.external_id) == " ".join(text.casefold().split()),
    )
    named = and_(*(person_name.c.sort_name.contains(word, autoescape=True) for word in letters))
    return _found(connection, scope, or_(person_name.c.person_id.in_(number), named))


def those(connection: Connection, scope: Scope, session_id: int, person_ids: Iterable[int]) -> list[Found]:
    """Those of these persons who are students of the institution. Raises NotFound(`session`)."""
    sessions.need(connection, scope, session_id, "register.mark")
    return _found(connection, scope, person_name.c.person_id.in_(sorted(person_ids)))


def _found(connection: Connection, scope: Scope, who: ColumnElement[bool]) -> list[Found]:
    query = (
        select(
            person_name.c.person_id,
            person_name.c.full_name,
            select(func.min(person_external_id.c.external_id))
            .where(
                person_external_id.c.person_id == person_name.c.person_id,
                person_external_id.c.source == "identifier",
                person_external_id.c.to_ms.is_(None),
            )
            .scalar_subquery()
            .label("external_id"),
        )
        .where(_is_student(scope), who)
        .order_by(person_name.c.sort_name, person_name.c.person_id)
        .limit(FOUND)
    )
    return [
        Found(person_id=row.person_id, full_name=row.full_name, external_id=row.external_id or "")
        for row in connection.execute(query)
    ]


def _is_student(scope: Scope):
    return and_(
        person_name.c.institution_id == scope.institution_id,
        exists().where(person.c.id == person_name.c.person_id, person.c.ended_ms.is_(None)),
        exists().where(enrolment.c.person_id == person_name.c.person_id, enrolment.c.role == "student"),
    )


def add(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    session_id: int,
    person_id: int,
    *,
    note: str = "",
    now_ms: int,
) -> bool:
    """This student was there. Returns False where they are on the register already.

    Raises NotFound(`session`), Refused(`register-locked`), StoreError(`walk-in`) where it is no student of the institution.
    """
    found = sessions.need(connection, scope, session_id, "register.mark")
    need_open(connection, profiles, found, now_ms)
    known = select(person_name.c.person_id).where(person_name.c.person_id == person_id, _is_student(scope))
    if connection.execute(known).first() is None:
        raise StoreError("walk-in", "there is no such student here: search by number or name")
    derivations.lock_registers(connection, found.institution_id, [session_id])
    if person_id in persons(connection, session_id) | set(members(connection, session_id)):
        return False
    note_id = notes.add(connection, found.institution_id, note, scope.account_id, now_ms) if note else None
    history.append(
        connection,
        institution_id=found.institution_id,
        session_id=session_id,
        kind="walk-in",
        body={"person": person_id},
        by_account_id=scope.account_id,
        now_ms=now_ms,
    )
    connection.execute(
        walk_in.insert().values(
            institution_id=found.institution_id,
            session_id=session_id,
            person_id=person_id,
            note_id=note_id,
            by_account_id=scope.account_id,
            created_ms=now_ms,
        )
    )
    derivations.touch(connection, [session_id])
    return True


def end(connection: Connection, scope: Scope, profiles: Profiles, session_id: int, person_id: int, now_ms: int) -> bool:
    """They were added by mistake. False: they were not. Raises NotFound(`session`), Refused(`register-locked`)."""
    found = sessions.need(connection, scope, session_id, "register.mark")
    need_open(connection, profiles, found, now_ms)
    derivations.lock_registers(connection, found.institution_id, [session_id])
    if person_id not in persons(connection, session_id):
        return False
    history.append(
        connection,
        institution_id=found.institution_id,
        session_id=session_id,
        kind="walk-in-end",
        body={"person": person_id},
        by_account_id=scope.account_id,
        now_ms=now_ms,
    )
    connection.execute(
        update(walk_in)
        .where(walk_in.c.session_id == session_id, walk_in.c.person_id == person_id, walk_in.c.ended_ms.is_(None))
        .values(ended_ms=now_ms)
    )
    derivations.touch(connection, [session_id])
    return True
