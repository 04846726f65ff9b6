"""Whoever was to come onto a class list later comes earlier: two clicks, as for any late starter."""

import pytest

from server.store import schema
from tests.server.pages.test_campus_pages import do, fill, office, said  # noqa: F401  a fixture
from tests.server.store_world import HOUR

DAY = 24 * HOUR


@pytest.fixture
def late(school):
    """Somebody on no list."""
    return school.person("Late Starter", bytes([4, 9, 9, 9]))


def places(school, person: int) -> list[tuple[str, int, int | None]]:
    rows = sorted(
        (row for row in school.world.all(schema.enrolment) if row.person_id == person), key=lambda row: row.id
    )
    return [(row.source, row.from_ms, row.to_ms) for row in rows]


def day_ms(school, days: int) -> int:
    """Midnight of a day so many from today; London has summer time all that week."""
    return (school.now_ms + HOUR) // DAY * DAY - HOUR + days * DAY


def enrol(office, person: int, day: str = "2026-10-05", again: bool = False):  # noqa: F811
    path = f"/registry/people/{person}/enrol"
    looked, fields = fill(office, path, **{"class": "CS101-A", "day": day})
    assert looked.status_code == 200, said(looked)
    for _ in range(2 if again else 1):
        assert office.post(path, {**fields, "do": "do"}).status_code == 303
    return " ".join(said(looked).split())


def take_off(school, office, person: int, day: str) -> None:  # noqa: F811
    place = max(row.id for row in school.world.all(schema.enrolment) if row.person_id == person)
    assert do(office, f"/registry/enrolments/{place}/end", day=day).status_code == 303


def test_a_start_that_was_set_by_hand_is_brought_forward_to_today(school, office, late):  # noqa: F811
    session = school.session(starts_min=60)
    assert "were to come" not in enrol(office, late, "2026-10-12")
    assert "Late Starter" not in office.get(f"/sessions/{session}").text
    looked = enrol(office, late, again=True)
    assert "Late Starter is on the list of CS101-A as student for 1 coming session" in looked
    assert "They were to come onto it on Mon 12 Oct 2026: they come on this day instead" in looked
    assert places(school, late) == [("muster", day_ms(school, 0), None)]
    assert "Late Starter" in office.get(f"/sessions/{session}").text


def test_whoever_was_taken_off_before_it_began_comes_onto_the_list_today(school, office, late):  # noqa: F811
    enrol(office, late, "2026-10-12")
    take_off(school, office, late, "2026-10-12")
    assert "were to come" not in enrol(office, late)
    monday = day_ms(school, 7)
    assert places(school, late) == [("muster", monday, monday), ("muster", day_ms(school, 0), None)]


def test_whoever_left_before_a_list_began_and_is_back_comes_onto_it(school, office, late):  # noqa: F811
    enrol(office, late, "2026-10-12")
    for _ in range(2):
        assert do(office, f"/registry/people/{late}/end").status_code == 303
    enrol(office, late)
    assert places(school, late)[-1] == ("muster", day_ms(school, 0), None)


def test_the_start_that_an_import_brought_stays_its_own_and_until_then_a_row_by_hand_holds(school, office, late):  # noqa: F811
    session, monday = school.session(starts_min=60), day_ms(school, 7)
    school.world.enrol(school.group, late, monday)
    enrol(office, late, again=True)
    assert places(school, late) == [("test", monday, None), ("muster", day_ms(school, 0), monday)]
    assert office.get(f"/sessions/{session}").text.count("Late Starter") > 0


def test_an_end_that_was_planned_stays_and_is_said(school, office, late):  # noqa: F811
    enrol(office, late, "2026-10-12")
    take_off(school, office, late, "2026-10-20")
    assert "They are on it until Tue 20 Oct 2026, as it was planned" in enrol(office, late)
    assert places(school, late) == [("muster", day_ms(school, 0), day_ms(school, 15))]


def test_whoever_is_on_the_list_is_still_not_put_on_it_twice(school, office, late):  # noqa: F811
    enrol(office, late)
    looked, _ = fill(office, f"/registry/people/{late}/enrol", **{"class": "CS101-A", "day": "2026-10-12"})
    assert looked.status_code == 422 and "they are on this list already" in said(looked).lower()
