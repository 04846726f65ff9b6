"""What the registry set by hand an import leaves alone, and says so in its report."""

import pytest
from sqlalchemy import update

from server.policy import profile
from server.scope import Grant, Scope
from server.store import accounts, campus_enrolments, campus_session_changes, campus_sessions, schema, schema_work
from server.store.campus_sessions import Wanted
from server.store.engine import reading, writing
from server.store.parts import AWAY, COVER, TEACHES
from tests.rules import rule
from tests.server.imports.imports_world import DAY, ENROLLMENTS, HOUR, PACKAGE, calendar, event
from tests.server.pages.school import HASHER, PASSWORD

MONDAY = event("a", "20261005T090000", "20261005T100000")
TUESDAY = event("b", "20261006T090000", "20261006T100000", room="R2")


def registrar(office) -> Scope:
    with writing(office.engine) as connection:
        account = accounts.make(
            connection, office.institution.id, login_name="reg", shown_name="Reg", password_hash=HASHER.hash(PASSWORD),
            role="registry", person_id=None, now_ms=office.now_ms,
        )  # fmt: skip
    return Scope(institution_id=office.institution.id, account_id=account, person_id=None,
                 grants=(Grant(role="registry"),))  # fmt: skip


def session_of(office, uid: str):
    return next(one for one in office.sessions() if one["uid"] == uid)


def moved_by_hand(office, scope: Scope, uid: str) -> None:
    """An hour later, by the registry."""
    session_id = session_of(office, uid)["id"]
    with writing(office.engine) as connection:
        now = campus_sessions.one(connection, scope, session_id)
        wanted = Wanted(
            title=now.title, kind=now.kind, mode=now.mode, starts_ms=now.starts_ms + HOUR, ends_ms=now.ends_ms + HOUR,
            rooms=frozenset(now.rooms.values()), classes=frozenset(now.classes.values()), staff=frozenset(now.staff),
        )  # fmt: skip
        campus_session_changes.change(connection, scope, profile.read_all(), session_id, wanted, seen=now.seen,
                               now_ms=office.now_ms)  # fmt: skip


def test_a_session_changed_by_hand_is_left_alone_and_the_report_says_so(each_office):
    each_office.roster()
    each_office.timetable(calendar(MONDAY, TUESDAY))
    moved_by_hand(each_office, registrar(each_office), "a")
    before = session_of(each_office, "a")
    assert before["starts"] == "2026-10-05 10:00"
    done = each_office.timetable(calendar(event("a", "20261005T150000", "20261005T160000", room="R2"), TUESDAY))
    assert session_of(each_office, "a") == before
    assert [note for note in done.summary.notes if "set by hand" in note and "2026-10-05 15:00" in note]
    assert not done.applied


def test_a_session_changed_by_hand_is_not_cancelled_by_a_file_without_it(each_office):
    each_office.roster()
    each_office.timetable(calendar(MONDAY, TUESDAY))
    moved_by_hand(each_office, registrar(each_office), "b")
    done = each_office.timetable(calendar(MONDAY), confirm=True)
    assert not session_of(each_office, "b")["cancelled"]
    assert [note for note in done.summary.notes if "not in the file any more" in note and "set by hand" in note]


@pytest.mark.rule("LOUGH-11")
def test_a_session_cancelled_by_hand_does_not_come_back_by_an_import(each_office):
    each_office.roster()
    each_office.timetable(calendar(MONDAY, TUESDAY))
    scope = registrar(each_office)
    with writing(each_office.engine) as connection:
        connection.execute(
            update(schema.session)
            .where(schema.session.c.uid == "a")
            .values(cancelled_ms=each_office.now_ms, cancelled_by_account_id=scope.account_id)
        )
    each_office.now_ms += DAY
    done = each_office.timetable(calendar(MONDAY, TUESDAY))
    assert session_of(each_office, "a")["cancelled"]
    assert [note for note in done.summary.notes if "set by hand" in note]


def test_a_new_teacher_of_the_class_does_not_take_a_session_whose_staff_was_set_by_hand(each_office):
    each_office.roster()
    each_office.timetable(calendar(MONDAY, TUESDAY))
    moved_by_hand(each_office, registrar(each_office), "a")
    with reading(each_office.engine) as connection:
        assert connection.execute(schema.session_staff.select()).first() is not None
    lines = [line.replace("k1,org,t1,teacher", "k1,org,t2,teacher") for line in ENROLLMENTS]
    each_office.roster(PACKAGE | {"enrollments": lines}, confirm=True)
    assert session_of(each_office, "a")["staff"] == ["t1"]
    assert session_of(each_office, "b")["staff"] == ["t2"]


def gone(*sids: str) -> dict[str, list[str]]:
    """The package without these users."""
    return PACKAGE | {
        name: [line for line in PACKAGE[name] if not any(f",{sid}," in f",{line}" for sid in sids)]
        for name in ("users", "roles", "enrollments")
    }


@rule("LOUGH-9")
def test_whoever_ends_by_an_import_delivers_nothing_that_was_set_by_hand_and_the_report_counts_what_nobody_does(
    each_office,
):
    each_office.roster()
    each_office.timetable(calendar(MONDAY, TUESDAY, event("c", "20261007T090000", "20261007T100000")))
    scope = registrar(each_office)
    moved_by_hand(each_office, scope, "a")
    moved_by_hand(each_office, scope, "b")
    with writing(each_office.engine) as connection:
        connection.execute(
            schema.session_staff.insert().values(
                institution_id=each_office.institution.id, session_id=session_of(each_office, "b")["id"],
                person_id=each_office.person("t2"), role="lecturer", from_ms=0,
            )
        )  # fmt: skip
    each_office.now_ms += DAY
    done = each_office.roster(gone("t1"), confirm=True)
    assert [session_of(each_office, uid)["staff"] for uid in ("a", "b", "c")] == [[], ["t2"], []]
    assert [note for note in done.summary.notes if "nobody teaches any more: 2;" in note]
    ended = {row.to_ms for row in each_office.rows(schema.session_staff) if row.person_id == each_office.person("t1")}
    assert ended == {each_office.now_ms}


@rule("LOUGH-9")
def test_what_somebody_covered_who_ends_by_an_import_is_theirs_again_who_handed_it_over(each_office):
    each_office.roster()
    each_office.timetable(calendar(MONDAY))
    staff, session_id = schema.session_staff, session_of(each_office, "a")["id"]
    with writing(each_office.engine) as connection:
        connection.execute(update(staff).where(staff.c.session_id == session_id).values(role=AWAY))
        connection.execute(
            staff.insert().values(
                institution_id=each_office.institution.id, session_id=session_id, person_id=each_office.person("t2"),
                role=COVER, from_ms=0,
            )
        )  # fmt: skip
    each_office.now_ms += DAY
    done = each_office.roster(gone("t2"), confirm=True)
    held = {row.person_id: row.role for row in each_office.rows(staff) if row.to_ms is None}
    assert held == {each_office.person("t1"): TEACHES}
    assert not [note for note in done.summary.notes if "nobody teaches" in note]
    told = [row.by_account_id for row in each_office.rows(schema_work.history) if row.kind == "cover"]
    assert told == [None], "the register's chain says so, and no account did it"


def taken_off(office, scope: Scope) -> str:
    """The first student of the file is taken off the list here. Returns their enrolment's sourcedId."""
    with office.engine.connect() as connection:
        row = connection.execute(schema.enrolment.select().where(schema.enrolment.c.role == "student")).first()
    with writing(office.engine) as connection:
        campus_enrolments.end_place(connection, scope, row.id, row.class_id, "student", office.now_ms, office.now_ms)
    office.now_ms += DAY
    return row.source_id


def places(office, sid: str) -> list[tuple[bool, bool]]:
    """Of an enrolment, oldest first: whether it holds, and whether it was ended here."""
    with office.engine.connect() as connection:
        table = schema.enrolment
        rows = connection.execute(table.select().where(table.c.source_id == sid).order_by(table.c.id)).all()
    return [(row.to_ms is None or row.to_ms > office.now_ms, row.ended_by_hand) for row in rows]


def without(sid: str) -> list[str]:
    return [line for line in ENROLLMENTS if not line.startswith(f"{sid},")]


@rule("LOUGH-18")
def test_whoever_was_taken_off_the_list_here_stays_off_and_the_report_says_so(each_office):
    each_office.roster()
    sid = taken_off(each_office, registrar(each_office))
    done = each_office.roster()
    assert places(each_office, sid) == [(False, True)] and not done.applied
    assert [note for note in done.summary.notes if sid in note and "stays off" in note]


@rule("LOUGH-18")
def test_dropped_and_added_again_by_their_source_they_are_back(each_office):
    each_office.roster()
    sid = taken_off(each_office, registrar(each_office))
    each_office.roster(PACKAGE | {"enrollments": without(sid)}, confirm=True)
    assert places(each_office, sid) == [(False, False)]
    each_office.now_ms += DAY
    each_office.roster()
    assert places(each_office, sid) == [(False, False), (True, False)]


@rule("LOUGH-18")
def test_under_a_new_id_in_the_file_it_is_the_same_place_and_stays_off(each_office):
    each_office.roster()
    sid = taken_off(each_office, registrar(each_office))
    line = next(line for line in ENROLLMENTS if line.startswith(f"{sid},"))
    renamed = [line.replace(f"{sid},", "brand-new,", 1) if one == line else one for one in ENROLLMENTS]
    done = each_office.roster(PACKAGE | {"enrollments": renamed}, confirm=True)
    assert places(each_office, "brand-new") == [(False, True)] and places(each_office, sid) == []
    assert [note for note in done.summary.notes if "brand-new" in note and "stays off" in note]
