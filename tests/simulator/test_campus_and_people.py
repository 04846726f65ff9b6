"""Campus and plan: what they promise to the check."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from simulator.campus import MINUTE_MS, invent
from simulator.campus_files import read, write
from simulator.people import around_now, whole_day

NOW = 1_790_000_000_000


@pytest.fixture
def campus():
    return invent(seed=7, rooms=6, students=120, now_ms=NOW)


def test_the_same_seed_invents_the_same_campus(campus):
    assert invent(seed=7, rooms=6, students=120, now_ms=NOW) == campus
    assert invent(seed=8, rooms=6, students=120, now_ms=NOW) != campus


def test_every_session_is_open_now(campus):
    assert all(s.starts_ms - 30 * MINUTE_MS < NOW < s.ends_ms for s in campus.sessions)


def test_nobody_has_two_sessions_at_one_door(campus):
    for person in campus.people:
        rooms = [s.room for s in campus.of_student(person)]
        assert len(rooms) == len(set(rooms)), person


def test_no_two_cards_are_the_same_and_none_is_a_random_uid(campus):
    uids = [p.uid for p in campus.people.values() if p.uid] + [p.lost_uid for p in campus.people.values() if p.lost_uid]
    assert len(uids) == len(set(uids))
    assert not [u for u in uids if len(u) == 4 and u[0] == 8]


def test_what_was_written_as_files_is_read_back(campus, tmp_path):
    write(campus, tmp_path)
    day = datetime.fromtimestamp(NOW / 1000, UTC).date()
    again = read(tmp_path, day, "UTC")
    assert again.sessions == tuple(sorted(campus.sessions, key=lambda s: (s.starts_ms, s.uid)))
    assert {c.id: set(c.students) for c in again.classes.values()} == {
        c.id: set(c.students) for c in campus.classes.values()
    }
    assert {p.id: p.uid for p in again.people.values()} == {p.id: p.uid for p in campus.people.values()}


def test_a_plan_has_as_many_taps_as_were_asked_for_and_every_kind(campus):
    plan = around_now(campus, taps=600, seed=3, now_ms=NOW)
    kinds = plan.kinds()
    assert sum(kinds.values()) == 600
    assert set(kinds) == {"due", "early", "again", "wrong_room", "lost_card", "stranger"}


def test_a_tap_is_worth_a_session_only_for_whom_its_list_names(campus):
    sessions = {s.uid: s for s in campus.sessions}
    for taps in around_now(campus, taps=600, seed=3, now_ms=NOW).taps.values():
        for tap in taps:
            here = [s for s in campus.sessions if s.room == tap.room and tap.student in campus.students_of(s)]
            assert [tap.session] == [s.uid for s in here] if tap.session else not here or tap.why == "lost_card"
            assert not tap.session or sessions[tap.session].room == tap.room


def test_a_played_day_sends_nobody_to_two_places_at_once(shared_data):
    from datetime import date

    campus = read(shared_data / "campus", date(2026, 10, 6), "Europe/London")
    sessions = {s.uid: s for s in campus.sessions}
    by_student = {}
    for taps in whole_day(campus, seed=1).taps.values():
        for tap in taps:
            if tap.session:
                by_student.setdefault(tap.student, []).append(sessions[tap.session])
    assert len(by_student) > 200
    for held in by_student.values():
        held.sort(key=lambda s: s.starts_ms)
        assert all(a.ends_ms <= b.starts_ms for a, b in pairwise(held))


@pytest.mark.parametrize("rooms", [1, 2, 3, 6, 7])
def test_every_session_has_students(rooms):
    campus = invent(seed=1, rooms=rooms, students=20 * rooms, now_ms=NOW)
    assert all(len(campus.students_of(s)) >= 5 for s in campus.sessions)
