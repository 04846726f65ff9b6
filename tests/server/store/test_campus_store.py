"""The registry's changes in the store, on both databases: dated, seen, written down; and one at a time."""

import dataclasses
import threading

import pytest
from sqlalchemy import select

from server.errors import NotAllowed, NotFound
from server.policy import profile
from server.scope import Grant, Scope
from server.store import (
    accounts,
    campus,
    campus_catalogue,
    campus_enrolment_effects,
    campus_enrolments,
    campus_people,
    campus_person_changes,
    campus_profiles,
    campus_session_changes,
    campus_sessions,
    campus_timetable,
    emergency,
    exports,
    schedules,
    schema,
)
from server.store.campus import ChangedMeanwhile, FieldRefused
from server.store.campus_person_changes import Wanted
from server.store.engine import reading, writing
from tests.server.pages.school import HASHER, PASSWORD
from tests.server.store_world import HOUR, NINE, UIDS

ONCE = "0123456789abcdef" * 2


@pytest.fixture
def scope(world):
    """A registrar of the whole institution."""
    with writing(world.engine) as connection:
        account = accounts.make(
            connection, world.institution_id, login_name="reg", shown_name="Reg", password_hash=HASHER.hash(PASSWORD),
            role="registry", person_id=None, now_ms=world.now_ms,
        )  # fmt: skip
    return Scope(
        institution_id=world.institution_id, account_id=account, person_id=None, grants=(Grant(role="registry"),)
    )


def wanted(**values) -> Wanted:
    return Wanted(**{"given_name": "Eva", "family_name": "New", "number": "N1", "email": "", "department_id": None}
                  | values)  # fmt: skip


def add(world, scope, *, once=ONCE, **values) -> int:
    with writing(world.engine) as connection:
        return campus_person_changes.add(connection, scope, wanted(**values), once=once, now_ms=world.now_ms)


def person(world, scope, person_id):
    with reading(world.engine) as connection:
        return campus_people.one(connection, scope, person_id, now_ms=world.now_ms)


def change_of(world) -> int:
    with reading(world.engine) as connection:
        return connection.execute(select(schema.institution.c.campus_change)).scalar_one()


def test_a_person_is_made_once_found_changed_and_ended(world, scope):
    made = add(world, scope, email="eva@example.org")
    assert add(world, scope) == made
    with reading(world.engine) as connection:
        assert [one.id for one in campus_people.search(connection, scope, "NEW ev")] == [made]
        assert [one.id for one in campus_people.search(connection, scope, "n1")] == [made]
        assert campus_people.search(connection, scope, "%") == []
    found = person(world, scope, made)
    world.now_ms += HOUR
    with writing(world.engine) as connection:
        changed = campus_person_changes.change(connection, scope, made, wanted(number="N2"), seen=found.seen,
                                       now_ms=world.now_ms)  # fmt: skip
    assert changed == ["number", "e-mail address"]
    now = person(world, scope, made)
    assert (now.number, now.email) == ("N2", "")
    # The row of before has an end, and is there.
    before = [row for row in world.all(schema.person_external_id) if row.external_id == "N1"]
    assert [row.to_ms for row in before] == [world.now_ms]
    assert [row.to_ms for row in world.all(schema.person_contact)] == [world.now_ms]


def test_a_change_of_what_was_changed_meanwhile_is_refused(world, scope):
    made = add(world, scope)
    found = person(world, scope, made)
    with writing(world.engine) as connection:
        campus_person_changes.change(
            connection, scope, made, wanted(given_name="Ann"), seen=found.seen, now_ms=world.now_ms
        )
    with pytest.raises(ChangedMeanwhile), writing(world.engine) as connection:
        campus_person_changes.change(
            connection, scope, made, wanted(given_name="Bea"), seen=found.seen, now_ms=world.now_ms
        )
    assert person(world, scope, made).given_name == "Ann"


def test_two_who_change_a_session_at_once_do_not_overwrite_one_another(world, scope):
    session_id = world.session()
    with reading(world.engine) as connection:
        found = campus_sessions.one(connection, scope, session_id)
    base = campus_sessions.Wanted(
        title="x", kind=found.kind, mode=found.mode, starts_ms=found.starts_ms, ends_ms=found.ends_ms,
        rooms=frozenset(found.rooms.values()), classes=frozenset(found.classes.values()), staff=frozenset(),
    )  # fmt: skip
    outcomes, gate = [], threading.Barrier(2)

    def work(title: str) -> None:
        gate.wait()
        try:
            with writing(world.engine) as connection:
                campus_session_changes.change(connection, scope, profile.read_all(), session_id,
                                       dataclasses.replace(base, title=title), seen=found.seen, now_ms=world.now_ms)  # fmt: skip
            outcomes.append(title)
        except ChangedMeanwhile:
            outcomes.append("refused")

    threads = [threading.Thread(target=work, args=(name,)) for name in ("One", "Two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[-1] == "refused" and len(outcomes) == 2
    assert next(row.title for row in world.all(schema.session)) in outcomes


def test_what_was_only_tried_leaves_nothing(world, scope):
    before = {table.name: len(world.all(table)) for table in schema.metadata.sorted_tables}
    made = campus.tried(
        world.engine, lambda connection: campus_person_changes.add(connection, scope, wanted(), once=ONCE, now_ms=1)
    )
    assert made > 0
    assert {table.name: len(world.all(table)) for table in schema.metadata.sorted_tables} == before


def test_enrolling_and_leaving_raise_the_campus_change_and_are_rows_with_an_end(world, scope):
    made, session_id = add(world, scope), world.session()
    for _ in range(2):
        before = change_of(world)
        with writing(world.engine) as connection:
            did = campus_enrolments.enrol(connection, scope, profile.read_all(), made, world.group, role="student", from_ms=world.now_ms,
                                       once=ONCE, now_ms=world.now_ms)  # fmt: skip
        assert did == (change_of(world) > before)
    with reading(world.engine) as connection:
        place = campus_enrolments.place(connection, scope, next(
            row.id for row in world.all(schema.enrolment) if row.person_id == made))  # fmt: skip
        touched = campus_enrolment_effects.touched(connection, world.group, made, world.now_ms, world.now_ms, 96 * HOUR)
        assert (touched.past, touched.coming, touched.clashes) == (0, 1, 0)
        assert [one.id for one in campus_timetable.of_class(connection, world.group, world.now_ms)] == [session_id]
    with pytest.raises(FieldRefused, match="before they came"), writing(world.engine) as connection:
        campus_enrolments.leave(
            connection,
            scope,
            profile.read_all(),
            place.id,
            to_ms=place.from_ms - 1,
            seen=place.seen,
            now_ms=world.now_ms,
        )
    with writing(world.engine) as connection:
        assert campus_enrolments.leave(connection, scope, profile.read_all(), place.id, to_ms=world.now_ms + 5, seen=place.seen,
                                    now_ms=world.now_ms)  # fmt: skip
    assert next(row.to_ms for row in world.all(schema.enrolment) if row.person_id == made) == world.now_ms + 5
    assert {row.action for row in world.all(schema.audit)} == {"person.add", "enrolment.begin", "enrolment.end"}
    assert not [row for row in world.all(schema.audit) if "Eva" in row.detail or "N1" in row.detail]


@pytest.mark.rule("PORT-21")
def test_a_clash_with_another_class_is_counted(world, scope):
    other = world.class_group("C2", [])
    made = add(world, scope)
    world.enrol(other, made)
    world.session(group=other)
    world.session(room=1)
    with reading(world.engine) as connection:
        touched = campus_enrolment_effects.touched(connection, world.group, made, world.now_ms, world.now_ms, 96 * HOUR)
    assert touched.clashes == 1


def test_a_tap_at_the_new_room_counts_after_the_room_was_changed(world, scope):
    session_id = world.session(room=0)
    board = world.reader("b-1", room=1)
    world.now_ms = NINE + HOUR
    world.deliver(board.lines[0], board.swipe(UIDS[0], NINE))
    assert world.credits() == set()
    with reading(world.engine) as connection:
        found = campus_sessions.one(connection, scope, session_id)
    wanted_ = campus_sessions.Wanted(
        title=found.title, kind=found.kind, mode=found.mode, starts_ms=found.starts_ms, ends_ms=found.ends_ms,
        rooms=frozenset({world.rooms[1]}), classes=frozenset(found.classes.values()), staff=frozenset(),
    )  # fmt: skip
    with writing(world.engine) as connection:
        campus_session_changes.change(connection, scope, profile.read_all(), session_id, wanted_, seen=found.seen,
                               now_ms=world.now_ms)  # fmt: skip
    world.derive()
    assert {tuple(row)[:2] for row in world.credits()} == {(session_id, world.students[0])}


@pytest.mark.parametrize("name", list(campus_catalogue.KINDS))
def test_a_thing_is_saved_once_and_refused_where_its_code_is_taken(world, scope, name):
    kind = campus_catalogue.KINDS[name]
    values = dict.fromkeys(kind.columns) | {"title": "T", "code": "X1", "from_ms": 0, "to_ms": 9}
    values = {column: values[column] for column in kind.columns}

    def save(thing_id=None, once=ONCE, seen="", **more):
        with writing(world.engine) as connection:
            return campus_catalogue.save(connection, scope, name, thing_id, values | more, ended=False, seen=seen,
                                         once=once, now_ms=world.now_ms, profiles=world.profiles)  # fmt: skip

    made = save()
    assert save() == made
    with reading(world.engine) as connection:
        found = campus_catalogue.one(connection, scope, name, made)
    assert save(made, seen=found.seen, title="U") == made
    with pytest.raises(ChangedMeanwhile):
        save(made, seen=found.seen, title="V")
    if kind.unique:
        with pytest.raises(FieldRefused, match="already"):
            save(once="f" * 32, title="another")


def test_a_department_does_not_stand_below_itself(world, scope):
    with writing(world.engine) as connection:
        one, two = (
            campus_catalogue.save(
                connection,
                scope,
                "department",
                None,
                {"code": code, "title": code, "parent_id": up},
                ended=False,
                seen="",
                once=code * 32,
                now_ms=1,
                profiles=world.profiles,
            )
            for code, up in (("a", None), ("b", None))
        )
        found = campus_catalogue.one(connection, scope, "department", two)
        campus_catalogue.save(connection, scope, "department", two, {"code": "b", "title": "b", "parent_id": one},
                              ended=False, seen=found.seen, once=ONCE, now_ms=2, profiles=world.profiles)  # fmt: skip
        found = campus_catalogue.one(connection, scope, "department", one)
    with pytest.raises(FieldRefused, match="below itself"), writing(world.engine) as connection:
        campus_catalogue.save(connection, scope, "department", one, {"code": "a", "title": "a", "parent_id": two},
                              ended=False, seen=found.seen, once=ONCE, now_ms=3, profiles=world.profiles)  # fmt: skip


def test_who_has_no_grant_changes_nothing(world, scope):
    stranger = dataclasses.replace(scope, grants=(Grant(role="lecturer"),), person_id=world.students[0])
    session_id = world.session()
    with writing(world.engine) as connection:
        for work in (
            lambda: campus_person_changes.add(connection, stranger, wanted(), once=ONCE, now_ms=1),
            lambda: campus_catalogue.save(connection, stranger, "room", None, {}, ended=False, seen="", once="",
                                          now_ms=1, profiles=world.profiles),
            lambda: campus_profiles.listed(connection, stranger),
            lambda: schedules.listed(connection, stranger),
            lambda: emergency.house(connection, stranger, profile.read_all(), 0, 1),
        ):  # fmt: skip
            with pytest.raises(NotAllowed):
                work()
        for work in (
            lambda: campus_people.one(connection, stranger, world.students[1], now_ms=1),
            lambda: campus_sessions.one(connection, stranger, session_id),
            lambda: exports.register(connection, stranger, profile.read_all(), session_id),
        ):
            with pytest.raises(NotFound):
                work()


@pytest.mark.rule("LOUGH-38")
def test_the_house_and_the_unknown_on_both_databases(world, scope):
    world.session()
    board = world.reader("a-1")
    world.now_ms = NINE + HOUR
    world.deliver(board.lines[0], board.swipe(UIDS[0], NINE + 5), board.swipe(UIDS[50], NINE + 9),
                  board.swipe(UIDS[1], NINE + 7, clock="none"))  # fmt: skip
    with reading(world.engine) as connection:
        house = emergency.house(connection, scope, profile.read_all(), NINE, world.now_ms)
        early = emergency.house(connection, scope, profile.read_all(), NINE + 6, world.now_ms)
        lines = exports.register(connection, scope, profile.read_all(), next(
            row.id for row in world.all(schema.session)))  # fmt: skip
    assert [(one.person_id, one.room, one.site, one.by) for one in house.seen] == [
        (world.students[0], "R0", "main", "card")
    ]
    assert house.strangers == {("main", "R0"): 1}
    # A swipe without a time is nobody's evidence of where they are; that it is there is said.
    assert house.unplaced == 1
    assert (house.rooms, house.rooms_without, len(house.doors)) == (2, 1, 1)
    assert early.seen == ()
    assert {one.full_name for one in lines} == {"S0 Example", "S1 Example", "S2 Example"}
