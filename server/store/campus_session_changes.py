"""Sessions made, moved and given other rooms, classes or staff by hand: from then on an import leaves them alone."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from server.errors import NotFound, Refused
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import (
    campus,
    campus_classes,
    campus_session_effects,
    campus_sessions,
    derivations,
    due,
    history,
    institutions,
    parts,
    session_profiles,
    sessions,
    standing,
)
from server.store.campus import FieldRefused
from server.store.campus_session_effects import Effect
from server.store.campus_sessions import Session, Wanted
from server.store.imported_registers import touch_registers
from server.store.schema import session, session_class, session_room
from server.store.upsert import new_id


def add(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    wanted: Wanted,
    *,
    once: str,
    now_ms: int,
) -> int:
    """Make a session by hand. Raises NotFound(`class`), FieldRefused as `need_possible` says."""
    campus.begin(connection, scope)
    if (there := campus_sessions.made_by(connection, scope, once)) is not None:
        return there
    need_possible(wanted)
    for class_id in wanted.classes:
        campus_classes.need(connection, scope, class_id, "campus.change")
    made = connection.execute(
        session.insert().values(
            institution_id=scope.institution_id,
            source=campus.SOURCE,
            uid=once,
            title=wanted.title,
            kind=wanted.kind,
            mode=wanted.mode,
            starts_ms=wanted.starts_ms,
            ends_ms=wanted.ends_ms,
            # The window is worked out below, by the profile.
            opens_ms=wanted.starts_ms,
            closes_ms=wanted.ends_ms,
            profile="port",
            kept_by_hand=True,
        )
    )
    session_id = new_id(made)
    _set(connection, scope, profiles, session_id, wanted, now_ms)
    campus.write_down(
        connection, scope, "session.add", f"session/{session_id}", now_ms, starts_ms=wanted.starts_ms,
        ends_ms=wanted.ends_ms, rooms=sorted(wanted.rooms), classes=sorted(wanted.classes),
    )  # fmt: skip
    return session_id


def need_possible(wanted: Wanted) -> None:
    """Raises FieldRefused(`session-end`, `session-long`, `session-class`)."""
    if wanted.ends_ms <= wanted.starts_ms:
        raise FieldRefused("session-end", "ends", "the end is after the start: correct it")
    if wanted.ends_ms - wanted.starts_ms > 24 * 3_600_000:
        raise FieldRefused("session-long", "ends", "a session lasts at most a day: correct it")
    if not wanted.classes:
        raise FieldRefused("session-class", "classes", "a session has at least one class: its list is whom it is for")


def change(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    session_id: int,
    wanted: Wanted,
    *,
    seen: str,
    now_ms: int,
) -> Effect:
    """Make the session so, and keep it so: imports leave it alone from now on. The effect says what it did.

    Raises NotFound(`session`, `class`), ChangedMeanwhile, FieldRefused(`session-cancelled`, `register-locked`,
    `class-of-others` and as `need_possible` says).
    """
    campus.begin(connection, scope)
    before = campus_sessions.one(connection, scope, session_id, "campus.change")
    if not campus_sessions.differs(before, wanted):
        return campus_session_effects.between(connection, before, before, now_ms)
    campus.need_seen(seen, before.seen)
    need_possible(wanted)
    if before.cancelled_ms is not None:
        raise FieldRefused("session-cancelled", "title", "this session is cancelled: make a new one instead")
    try:
        standing.need_open(connection, profiles, sessions.need(connection, scope, session_id, "campus.change"), now_ms)
    except Refused as error:
        raise FieldRefused(error.code, "title", str(error)) from None
    for class_id in wanted.classes - set(before.classes.values()):
        campus_classes.need(connection, scope, class_id, "campus.change")
    for class_id in set(before.classes.values()) - wanted.classes:
        _need_to_drop(connection, scope, class_id)
    students = campus_session_effects.students_of(connection, session_id)
    doors = campus_session_effects.doors_at(connection, before, now_ms)
    derivations.lock_registers(connection, scope.institution_id, [session_id])
    # Whoever was credited in the old window or at the old room has to be looked at as well.
    due.sessions(connection, scope.institution_id, [session_id], now_ms)
    connection.execute(
        update(session)
        .where(session.c.id == session_id)
        .values(
            title=wanted.title,
            kind=wanted.kind,
            mode=wanted.mode,
            starts_ms=wanted.starts_ms,
            ends_ms=wanted.ends_ms,
            kept_by_hand=True,
        )
    )
    # What has begun keeps its rules, unless what decides them is what is corrected (PORT-2).
    same = (before.kind, set(before.classes.values())) == (wanted.kind, set(wanted.classes))
    begun = max(before.starts_ms, wanted.starts_ms) <= now_ms
    _set(connection, scope, profiles, session_id, wanted, now_ms, keep=begun and same)
    # Whoever has taken their own class off may have no part in it any more.
    after = campus_sessions.as_it_is(connection, session_id)
    history.append(
        connection,
        institution_id=scope.institution_id,
        session_id=session_id,
        kind="timetable",
        body=_cited(before, after),
        by_account_id=scope.account_id,
        now_ms=now_ms,
    )
    campus.write_down(
        connection, scope, "session.change", f"session/{session_id}", now_ms, changed=campus_sessions.differs(before, wanted),
        **_told(before, after),
    )  # fmt: skip
    return campus_session_effects.between(connection, before, after, now_ms, students=students, doors=doors)


def _need_to_drop(connection: Connection, scope: Scope, class_id: int) -> None:
    """Raises FieldRefused(`class-of-others`): its students would lose this session, and only their registry decides that."""
    try:
        campus_classes.need(connection, scope, class_id, "campus.change")
    except NotFound:
        raise FieldRefused(
            "class-of-others",
            "classes",
            "a class of another department's shares this session: leave it there, and ask its registry to take it off",
        ) from None


def _cited(before: Session, after: Session) -> dict[str, object]:
    """From what to what in the register's chain: numbers only."""

    def ids(one_: Session) -> dict[str, list[int]]:
        times = [one_.starts_ms, one_.ends_ms, one_.opens_ms, one_.closes_ms]
        return {"times": times, "rooms": sorted(one_.rooms.values()), "classes": sorted(one_.classes.values()),
                "staff": sorted(one_.staff)}  # fmt: skip

    return {"was": ids(before), "is": ids(after)}


def _told(before: Session, after: Session) -> dict[str, object]:
    """From what to what, without names (LOUGH-7)."""
    told: dict[str, object] = {}
    if (before.starts_ms, before.ends_ms) != (after.starts_ms, after.ends_ms):
        told |= {"from": [before.starts_ms, before.ends_ms], "to": [after.starts_ms, after.ends_ms]}
    if before.rooms != after.rooms:
        told |= {"rooms_from": list(before.rooms), "rooms_to": list(after.rooms)}
    if before.classes != after.classes:
        told |= {"classes_from": list(before.classes), "classes_to": list(after.classes)}
    if before.staff != after.staff:
        told |= {"staff_from": sorted(before.staff), "staff_to": sorted(after.staff)}
    return told


def _set(
    connection: Connection,
    scope: Scope,
    profiles: Profiles,
    session_id: int,
    wanted: Wanted,
    now_ms: int,
    *,
    keep: bool = False,
) -> None:
    here = scope.institution_id
    # Classes first: a profile may be given to a course.
    parts.set_classes(connection, here, session_id, wanted.classes, now_ms)
    session_profiles.plan(connection, here, [session_id], now_ms, profiles, keep=[session_id] if keep else ())
    parts.set_rooms(connection, here, session_id, wanted.rooms, now_ms)
    parts.set_staff(connection, here, session_id, wanted.staff, now_ms)
    opens = select(session.c.opens_ms).where(session.c.id == session_id).scalar_subquery()
    for table in (session_class, session_room):
        # What it has, it has for its whole window, also where that was moved to before.
        connection.execute(
            update(table)
            .where(table.c.session_id == session_id, table.c.to_ms.is_(None), table.c.from_ms > opens)
            .values(from_ms=opens)
        )
    touch_registers(connection, session_ids=[session_id])
    due.sessions(connection, here, [session_id], now_ms)
    institutions.campus_changed(connection, here)
