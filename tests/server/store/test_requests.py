"""Change requests in the store, on SQLite and PostgreSQL: all or nothing, and one of two who act at once."""

import threading
from typing import Any

import pytest
from argon2 import PasswordHasher

from server.errors import NotAllowed, NotFound, Refused, StoreError
from server.scope import Grant, Scope
from server.store import accounts, hands, request_asking, requests, schema, schema_work, wanted_marks
from server.store.engine import writing
from server.store.parts import set_staff
from server.store.request_asking import Line, Wish
from tests.server.store_world import HOUR, NINE

HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
#: two days after the session: LOUGH-32
NOW = NINE + 49 * HOUR


@pytest.fixture
def people(world):
    """name -> Scope: ada teaches; rita and rolf are the registers team."""
    made = {}
    for name, role in (("ada", "lecturer"), ("rita", "registry"), ("rolf", "registry")):
        person_id = world.person(name)
        with writing(world.engine) as connection:
            account_id = accounts.make(
                connection, world.institution_id, login_name=name, shown_name=name.title(), password_hash=HASHER.hash("x" * 20),
                role=role, person_id=person_id, now_ms=1,
            )  # fmt: skip
        grants = (Grant(role=role),)
        made[name] = Scope(
            institution_id=world.institution_id, account_id=account_id, person_id=person_id, grants=grants
        )
    return made


@pytest.fixture
def session(world, people):
    made = world.session(profile="lough")
    with writing(world.engine) as connection:
        set_staff(connection, world.institution_id, made, [people["ada"].person_id], 1)
        hands.record(
            connection, world.institution_id, made, [wanted_marks.Wanted(person_id=one, code="A") for one in world.students],
            source="import", rule="test", authority=None, by_account_id=None, now_ms=NINE + HOUR,
            profiles=world.profiles,
        )  # fmt: skip
    return made


def asked(world, people, session, tmp_path, code="P", students=None, reason="Was there"):
    current = {row.person_id: row.mark_id for row in world.all(schema.mark_current) if row.session_id == session}
    lines = tuple(Line(person_id=one, code=code, seen_mark_id=current[one]) for one in students or world.students[:2])
    with writing(world.engine) as connection:
        return request_asking.ask(
            connection, tmp_path, people["ada"], world.profiles, session,
            Wish(kind="marks", lines=lines, reason=reason), NOW,
        )  # fmt: skip


def decided(world, scope, request, *, accept=True, comment="No"):
    with writing(world.engine) as connection:
        return requests.decide(
            connection, scope, world.profiles, request, accept=accept, comment=comment, now_ms=NOW + 1
        ).state


def at_once(*works):
    """Run these at the same time; what each returned or raised."""
    barrier = threading.Barrier(len(works))
    found: list[Any] = [None] * len(works)

    def run(place, work):
        barrier.wait(30)
        try:
            found[place] = work()
        except StoreError as error:
            found[place] = error

    threads = [threading.Thread(target=run, args=one) for one in enumerate(works)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    return found


@pytest.mark.rule("LOUGH-32")
def test_an_approved_request_applies_to_every_student_or_to_none(world, people, session, tmp_path):
    request = asked(world, people, session, tmp_path)
    other = asked(world, people, session, tmp_path, code="E", students=world.students)
    assert decided(world, people["rita"], request) == "applied"
    before = world.marks()
    with pytest.raises(Refused) as told:
        decided(world, people["rita"], other)
    assert told.value.code == "mark-changed"
    assert world.marks() == before and len(world.all(schema.correction)) == 2
    assert {row.state for row in world.all(schema_work.change_request)} == {"applied", "open"}
    assert [before[session, one][0] for one in world.students] == ["P", "P", "A"]


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(world, people, session, tmp_path):
    request = asked(world, people, session, tmp_path)
    found = at_once(
        lambda: decided(world, people["rita"], request),
        lambda: decided(world, people["rolf"], request, accept=False),
    )
    told = [one for one in found if isinstance(one, Refused)]
    assert len(told) == 1 and told[0].code == "request-decided"
    (state,) = [one for one in found if isinstance(one, str)]
    assert world.all(schema_work.change_request)[0].state == state
    assert len(world.all(schema.correction)) == (2 if state == "applied" else 0)


def test_the_same_asked_twice_at_once_is_one_request(world, people, session, tmp_path):
    first, second = at_once(*[lambda: asked(world, people, session, tmp_path)] * 2)
    assert first == second and len(world.all(schema_work.change_request)) == 1


def test_withdrawn_and_applied_at_once_is_one_of_them(world, people, session, tmp_path):
    request = asked(world, people, session, tmp_path)

    def withdraw():
        with writing(world.engine) as connection:
            requests.withdraw(connection, people["ada"], world.profiles, request, NOW + 1)
        return "withdrawn"

    found = at_once(withdraw, lambda: decided(world, people["rita"], request))
    (state,) = [one for one in found if isinstance(one, str)]
    assert world.all(schema_work.change_request)[0].state == state
    assert (world.marks()[session, world.students[0]][0] == "P") == (state == "applied")


def test_nobody_decides_their_own_nor_reads_what_is_not_for_them(world, people, session, tmp_path):
    request = asked(world, people, session, tmp_path)
    with pytest.raises(NotAllowed):
        decided(world, people["ada"], request)
    stranger = Scope(
        institution_id=world.institution_id, account_id=999, person_id=None, grants=(Grant(role="lecturer"),)
    )
    with pytest.raises(NotFound):
        decided(world, stranger, request)
    elsewhere = Scope(
        institution_id=world.institution_id + 1, account_id=999, person_id=None, grants=(Grant(role="registry"),)
    )
    with pytest.raises(NotFound):
        decided(world, elsewhere, request)
