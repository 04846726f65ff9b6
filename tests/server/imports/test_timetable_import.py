"""A calendar becomes sessions that stay themselves: moved, renamed, cancelled, never deleted."""

import pytest

from server.imports.badrows import ImportRefused, NeedsConfirmation
from server.imports.rules import Rules
from server.policy import profile
from server.store import due, schema, session_profiles
from server.store.engine import writing
from tests.server.imports.imports_world import DAY, HOUR, OCTOBER, at, calendar, event

MONDAY = event("a", "20261005T090000", "20261005T100000")
TUESDAY = event("b", "20261006T090000", "20261006T100000", room="R2")
HISTORY = event("c", "20261007T110000", "20261007T120000", code="HIS1-A", room="R2")
WEEK = (MONDAY, TUESDAY, HISTORY)


def shown(office, *names: str) -> list[tuple]:
    return [tuple(one[name] for name in names) for one in office.sessions()]


def ids(office) -> dict[str, int]:
    return {one["uid"]: one["id"] for one in office.sessions()}


@pytest.fixture
def taught(college):
    """The college with a week of three sessions."""
    college.timetable(calendar(*WEEK))
    return college


def test_events_become_sessions_with_window_class_room_and_staff(each_office):
    each_office.roster()
    done = each_office.timetable(calendar(*WEEK))
    assert {what: dict(how) for what, how in done.summary.counts.items()} == {
        "sessions": {"added": 3},
        "rooms": {"added": 2},
    }
    first = each_office.sessions()[0]
    del first["id"]
    assert first == {
        "uid": "a",
        "recurrence_id": "",
        "starts": "2026-10-05 09:00",
        "ends": "2026-10-05 10:00",
        # PORT-2: 30 minutes before the start, and until the end
        "opens": "2026-10-05 08:30",
        "closes": "2026-10-05 10:00",
        "title": "Lecture",
        "rooms": ["R1"],
        "classes": ["PHY1-A"],
        "staff": ["t1"],
        "cancelled": False,
    }


def test_a_second_import_of_the_same_changes_nothing(each_office):
    each_office.roster()
    weekly = event("w", "20261005T140000", "20261005T150000", "RRULE:FREQ=WEEKLY;COUNT=6")
    each_office.timetable(calendar(*WEEK, weekly))
    before = each_office.everything()
    each_office.now_ms += DAY
    assert not each_office.timetable(calendar(*WEEK, weekly)).applied
    assert each_office.everything() == before


def test_a_dry_run_says_the_same_and_changes_nothing(college):
    before = college.everything()
    said = college.timetable(calendar(*WEEK), dry=True)
    assert college.everything() == before
    assert college.timetable(calendar(*WEEK)).summary.counts == said.summary.counts


def test_a_moved_session_is_the_same_session(taught):
    before, keys = ids(taught), taught.keys()
    later = event("a", "20261005T140000", "20261005T150000")
    done = taught.timetable(calendar(later, TUESDAY, HISTORY), confirm=True)
    assert dict(done.summary.counts["sessions"]) == {"moved": 1}
    assert "2026-10-05 09:00-10:00 R1 -> 'Lecture' 2026-10-05 14:00-15:00 R1" in done.summary.items[0].text
    assert ids(taught) == before and set(keys["session"]) == set(taught.keys()["session"])
    assert shown(taught, "uid", "starts", "opens")[0] == ("a", "2026-10-05 14:00", "2026-10-05 13:30")


def test_a_changed_room_ends_the_old_and_begins_the_new(taught):
    before = ids(taught)
    taught.now_ms = at("2026-10-04 12:00")
    taught.timetable(calendar(event("a", "20261005T090000", "20261005T100000", room="R9"), *WEEK[1:]), confirm=True)
    assert ids(taught) == before
    assert shown(taught, "rooms")[0] == (["R9"],)
    codes = {row.id: row.code for row in taught.rows(schema.room)}
    rows = taught.rows(schema.session_room, schema.session_room.c.session_id == before["a"])
    assert [(codes[row.room_id], row.from_ms, row.to_ms) for row in rows] == [
        ("R1", OCTOBER, taught.now_ms),
        ("R9", taught.now_ms, None),
    ]


def test_a_room_that_changes_inside_the_window_was_a_room_of_the_session_too(taught):
    taught.now_ms = at("2026-10-05 09:10")
    taught.timetable(calendar(event("a", "20261005T090000", "20261005T100000", room="R9"), *WEEK[1:]), confirm=True)
    rows = taught.rows(schema.session_room, schema.session_room.c.session_id == ids(taught)["a"])
    opens, closes = at("2026-10-05 08:30"), at("2026-10-05 10:00")
    inside = [row for row in rows if row.from_ms < closes and (row.to_ms is None or row.to_ms > opens)]
    assert len(inside) == 2
    assert rows[1].from_ms == opens


def test_a_session_moved_to_before_its_import_has_its_list_for_the_whole_window(taught):
    taught.now_ms = at("2026-10-05 12:00")
    taught.timetable(
        calendar(MONDAY, event("b", "20261002T090000", "20261002T100000", room="R2"), HISTORY), confirm=True
    )
    rows = taught.rows(schema.session_class, schema.session_class.c.session_id == ids(taught)["b"])
    assert [row.from_ms <= at("2026-10-02 08:30") for row in rows] == [True]


def test_a_changed_uid_is_the_same_session_where_class_time_and_room_are(taught):
    before = ids(taught)
    done = taught.timetable(calendar(event("new", "20261005T090000", "20261005T100000"), *WEEK[1:]))
    assert dict(done.summary.counts["sessions"]) == {"changed": 1}
    assert ids(taught)["new"] == before["a"]


def test_a_series_that_moves_by_an_hour_stays_the_same_sessions(college):
    college.timetable(calendar(event("w", "20261005T140000", "20261005T150000", "RRULE:FREQ=WEEKLY;COUNT=4")))
    before = [one["id"] for one in college.sessions()]
    later = event("w", "20261005T150000", "20261005T160000", "RRULE:FREQ=WEEKLY;COUNT=4")
    done = college.timetable(calendar(later), confirm=True)
    assert dict(done.summary.counts["sessions"]) == {"moved": 4}
    assert [one["id"] for one in college.sessions()] == before


def test_a_series_over_the_clock_change_stays_at_nine_and_its_windows_with_it(college):
    college.timetable(calendar(event("w", "20261019T090000", "20261019T100000", "RRULE:FREQ=WEEKLY;COUNT=2")))
    assert shown(college, "starts", "opens", "recurrence_id") == [
        ("2026-10-19 09:00", "2026-10-19 08:30", "20261019T080000Z"),
        ("2026-10-26 09:00", "2026-10-26 08:30", "20261026T090000Z"),
    ]


def test_a_session_missing_from_the_file_is_cancelled_not_deleted(taught):
    keys = taught.keys()
    taught.now_ms += HOUR
    done = taught.timetable(calendar(MONDAY, HISTORY), confirm=True)
    assert dict(done.summary.counts["sessions"]) == {"ended": 1}
    assert shown(taught, "uid", "cancelled") == [("a", False), ("b", True), ("c", False)]
    assert all(keys[table] <= taught.keys()[table] for table in keys)
    taught.timetable(calendar(*WEEK))
    assert shown(taught, "cancelled") == [(False,), (False,), (False,)]


def test_what_was_before_the_file_begins_is_left_as_it_is(taught):
    done = taught.timetable(calendar(TUESDAY, HISTORY))
    assert not done.applied
    assert "1 sessions are over before the file begins: left as they are" in done.summary.notes


@pytest.mark.parametrize("how", ["status", "method"])
def test_a_cancelled_event_cancels_its_session_and_no_other(taught, how):
    if how == "status":
        data = calendar([*MONDAY[:-1], "STATUS:CANCELLED", "END:VEVENT"], TUESDAY, HISTORY)
    else:
        data = calendar(MONDAY, head=("METHOD:CANCEL",))
    taught.timetable(data, confirm=True)
    assert shown(taught, "uid", "cancelled") == [("a", True), ("b", False), ("c", False)]
    assert not taught.timetable(data).applied


def test_a_request_adds_and_changes_and_ends_nothing(taught):
    more = event("d", "20261008T090000", "20261008T100000")
    assert dict(taught.timetable(calendar(more, head=("METHOD:REQUEST",))).summary.counts["sessions"]) == {"added": 1}
    assert len(taught.sessions()) == 4


def test_another_source_has_sessions_of_its_own(taught):
    taught.timetable(calendar(event("d", "20261008T090000", "20261008T100000")), Rules(source="exams"))
    assert shown(taught, "uid", "cancelled") == [("a", False), ("b", False), ("c", False), ("d", False)]


def test_more_than_five_percent_moved_needs_a_word(college):
    days = [f"202611{day:02}" for day in range(1, 22)]
    college.timetable(calendar(*(event(f"u{day}", f"{day}T090000", f"{day}T100000") for day in days)))

    def moved(count: int) -> bytes:
        hours = ["11" if number < count else "09" for number, _ in enumerate(days)]
        return calendar(
            *(event(f"u{day}", f"{day}T{hour}0000", f"{day}T{hour}3000") if hour == "11"
              else event(f"u{day}", f"{day}T090000", f"{day}T100000") for day, hour in zip(days, hours, strict=True))
        )  # fmt: skip

    assert college.timetable(moved(1)).applied
    before = college.everything()
    with pytest.raises(NeedsConfirmation, match="2 of 21 sessions would end or move"):
        college.timetable(moved(3))
    assert college.everything() == before
    assert college.timetable(moved(3), confirm=True).applied


def test_a_file_without_events_changes_nothing(taught):
    before = taught.everything()
    with pytest.raises(ImportRefused) as refused:
        taught.timetable(calendar())
    assert refused.value.code == "timetable-empty"
    assert taught.everything() == before


def test_an_institutions_profile_gives_the_window(college):
    with writing(college.engine) as connection:
        session_profiles.assign(connection, college.institution.id, "institution", "", "step", 0)
    college.timetable(calendar(MONDAY))
    expected = profile.read_all()["step"].window(at("2026-10-05 09:00"), at("2026-10-05 10:00"))
    row = college.rows(schema.session)[0]
    assert (row.profile, row.opens_ms, row.closes_ms) == ("step", *expected)


def test_whoever_was_credited_is_looked_at_again_when_a_session_moves(taught):
    taught.now_ms = at("2026-10-05 12:00")
    person_id, session_id = taught.person("s1"), ids(taught)["a"]
    with writing(taught.engine) as connection:
        own = {"institution_id": taught.institution.id, "session_id": session_id, "person_id": person_id}
        made = connection.execute(
            schema.mark.insert().values(
                **own, code="P", source="swipe", rule="port.present", ledgers="attendance", created_ms=taught.now_ms
            )
        )
        connection.execute(schema.mark_current.insert().values(**own, mark_id=made.inserted_primary_key[0]))
        connection.execute(
            schema.register.insert().values(session_id=session_id, institution_id=taught.institution.id, version=4)
        )
    taught.timetable(calendar(event("a", "20261005T140000", "20261005T150000"), *WEEK[1:]), confirm=True)
    row = taught.rows(schema.due)[0]
    assert (row.person_id, row.from_ms) == (person_id, at("2026-10-05 08:30"))
    assert row.to_ms >= at("2026-10-05 15:00")
    assert taught.rows(schema.register)[0].version == 5
    with writing(taught.engine) as connection:
        assert due.waiting(connection, taught.institution.id) == 1


def test_a_weekly_class_at_a_time_that_is_left_out_once_does_not_keep_the_timetable_from_coming_in(college):
    series = event("a", "20270321T013000", "20270321T020000", "RRULE:FREQ=WEEKLY;COUNT=3", zone="Europe/London")
    done = college.timetable(calendar(series))
    assert done.applied
    assert done.summary.counts["sessions"] == {"added": 3}
    assert [note for note in done.summary.notes if "clocks' change" in note] == [
        "line 4: starts at 2027-03-28 01:30, which the clocks' change leaves out: 02:30 is taken"
    ]
