"""Somebody who is here and not on the list: found by number or name, added to the register, taken off again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from server.declared import act
from server.errors import StoreError
from server.pages import beside, sought, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, id_in, number
from server.policy.decision import Decision
from server.store import notes, registers, sessions, walk_ins
from server.store.engine import Connection, reading, writing
from server.store.registers import Wanted

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]

NOTE_LIMIT = 500


@router.get("/sessions/{session}/add")
@act("register.mark")
def search(signed: Signed, session: str, found: str = "") -> Response:
    """Students of the institution with this number or these words in their name. found: what was looked for (`find`)."""
    session_id, wanted = number(session, "session"), sought.opened(signed, found)
    with reading(signed.engine) as connection:
        shown = beside.find(signed, connection, session_id, "register.mark")
        people, problem = [], None
        if wanted:
            try:
                people = walk_ins.search(connection, signed.scope, session_id, wanted)
            except StoreError as error:
                problem = words.sentence(error)
        there = _there(connection, session_id)
    return shown.show("add.html", problem=problem, q=wanted, people=people, there=there, most=walk_ins.FOUND, note="")


@router.post("/sessions/{session}/add/find")
@act("register.mark")
def find(signed: Signed, session: str, fields: Form) -> Response:
    """Look for them: the number or the words never stand in an address."""
    check_csrf(fields, signed.login)
    session_id = number(session, "session")
    with reading(signed.engine) as connection:
        sessions.need(connection, signed.scope, session_id, "register.mark")
    return sought.to(signed, f"/sessions/{session_id}/add", fields.get("q", ""))


@router.post("/sessions/{session}/add")
@act("register.mark")
def add(signed: Signed, session: str, fields: Form) -> Response:
    """They are on this register from now on, and marked present; twice is once."""
    check_csrf(fields, signed.login)
    session_id = number(session, "session")
    with writing(signed.engine) as connection:
        found = beside.find(signed, connection, session_id, "register.mark")
        try:
            note = notes.within(fields.get("note", ""), NOTE_LIMIT)
            added = place(signed, connection, found, number(fields.get("person", ""), "student"), note)
        except StoreError as error:
            if not error.mendable:
                raise
            connection.rollback()
            return _again(connection, found, words.sentence(error), fields)
    return beside.back(session_id, "added" if added else "there")


def _again(connection: Connection, found: beside.Beside, problem: str, fields: dict[str, str]) -> Response:
    """The page once more, with whom it was about and what was written of them."""
    person_id, scope = id_in(fields.get("person", "")), found.signed.scope
    people = [] if person_id is None else walk_ins.those(connection, scope, found.row.id, [person_id])
    return found.show(
        "add.html",
        problem=problem,
        q="",
        people=people,
        there=_there(connection, found.row.id),
        most=walk_ins.FOUND,
        note=fields.get("note", ""),
    )


def _there(connection: Connection, session_id: int) -> set[int]:
    return walk_ins.persons(connection, session_id) | set(registers.members(connection, session_id))


def place(
    signed: Visit,
    connection: Connection,
    found: beside.Beside,
    person_id: int,
    note: str,
    *,
    tap: Decision | None = None,
) -> bool:
    """Add a walk-in and mark them present, or as their tap says. False: they were on the register already."""
    now_ms, row = signed.now_ms(), found.row
    if not walk_ins.add(connection, signed.scope, signed.desk.profiles, row.id, person_id, note=note, now_ms=now_ms):
        return False
    profile = signed.desk.profile(row.profile, row.starts_ms)
    code = tap.code if tap is not None else profile.present
    late_min = tap.late_min if tap is not None else None
    wanted = Wanted(person_id=person_id, code=code, late_min=late_min, remark=note)
    registers.set_marks(connection, signed.scope, signed.desk.profiles, row.id, [wanted], now_ms=now_ms)
    return True


@router.post("/sessions/{session}/people/{person}/leave")
@act("register.mark")
def leave(signed: Signed, session: str, person: str, fields: Form) -> Response:
    """They were added by mistake: their mark is taken away, and they stand on this register no more. Marked otherwise
    meanwhile they stay."""
    check_csrf(fields, signed.login)
    session_id, person_id = number(session, "session"), number(person, "student")
    with writing(signed.engine) as connection:
        found = beside.find(signed, connection, session_id, "register.mark")
        if person_id in walk_ins.persons(connection, session_id):
            now_ms = signed.now_ms()
            seen = id_in(fields.get("seen", "")) or 0
            wanted = Wanted(person_id=person_id, code=None, remark="added by mistake", seen_mark_id=seen)
            registers.set_marks(connection, signed.scope, signed.desk.profiles, found.row.id, [wanted], now_ms=now_ms)
            walk_ins.end(connection, signed.scope, signed.desk.profiles, session_id, person_id, now_ms)
    return beside.back(session_id, "ended")
