"""What a mark itself asks for is asked again when a request is applied: other marks were set in between."""

import pytest

from server.store import schema_work
from server.store.engine import writing
from tests.rules import rule
from tests.server.pages.requesting import Corrected, ask, decide, made, told


@pytest.fixture
def school(tmp_path):
    made_ = Corrected(tmp_path, students=2)
    yield made_
    made_.close()


@rule("LOUGH-H")
def test_two_requests_together_do_not_give_the_whole_class_private_study(school, signed):
    session, (one, two) = school.aged(2), school.students
    ada, rita = signed("ada"), signed("rita")
    first = made(ask(ada, session, {one: "H"}, reason="A meeting was agreed"))
    second = made(ask(ada, session, {two: "H"}, reason="A meeting was agreed"))
    assert decide(rita, first, "apply").status_code == 303
    answer = decide(rita, second, "apply")
    assert answer.status_code == 409 and "never for the whole class" in told(answer)
    assert school.codes(session) == ["H", "A"] and school.state(second) == "open"
    assert decide(rita, second, "reject", "The other one had it").status_code == 303


@rule("LOUGH-V")
def test_a_trip_that_was_cancelled_since_gives_nobody_v(school, signed):
    session, one = school.aged(2), school.students[0]
    world = school.world
    span = {"from_ms": school.now_ms - 4 * 86_400_000, "to_ms": school.now_ms}
    trip = world.insert(
        schema_work.trip, title="Museum", by_account_id=school.accounts["bob"], created_ms=1,
        confirmed_ms=school.now_ms - 1, confirmed_by_account_id=school.accounts["bob"], **span,
    )  # fmt: skip
    world.insert(schema_work.trip_person, trip_id=trip, person_id=one, role="student", came=True)
    request = made(ask(signed("ada"), session, {one: "V"}, reason="Was on the trip"))
    with writing(world.engine) as connection:
        connection.execute(schema_work.trip.update().values(cancelled_ms=school.now_ms))
    answer = decide(signed("rita"), request, "apply")
    assert answer.status_code == 409 and "confirm there who came" in told(answer)
    assert school.codes(session)[0] == "A"
    with writing(world.engine) as connection:
        connection.execute(schema_work.trip.update().values(cancelled_ms=None))
    assert decide(signed("rita"), request, "apply").status_code == 303
    assert school.codes(session)[0] == "V"
