"""Windows over every zone's changes: the import's code against an opinion of our own, and cases written by hand."""

from datetime import UTC, datetime
from importlib import metadata
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from server.imports import icsfile, occurrences
from server.imports.badrows import BadRows
from server.policy import marking
from tests.server.imports.imports_world import calendar, event
from tests.time import tzif, zone_check
from tests.time.named_cases import CASES

#: every change that the rules know of now; windows are looked at in a part of them here, in all by `python -m tests.time`
ALL_S = (int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2038, 1, 1, tzinfo=UTC).timestamp()))
HERE_S = (int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2028, 1, 1, tzinfo=UTC).timestamp()))


def utc_ms(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp() * 1000)


def test_the_zones_are_a_locked_dependency_and_not_only_the_systems(repo):
    version = metadata.version("tzdata")
    for lock in ("demo.lock", "dev.lock"):
        assert f"tzdata=={version} " in (repo / "requirements" / lock).read_text()


def test_zoneinfo_knows_every_change_of_every_zone_as_its_file_says():
    names = tzif.every_name()
    assert len(names) > 400
    looked = 0
    for name in names:
        zone, theirs = tzif.Zone(tzif.raw(name)), ZoneInfo(name)
        for change in zone.changes(*ALL_S):
            for at_s, offset_s in ((change.at_s - 1, change.before_s), (change.at_s, change.after_s)):
                assert datetime.fromtimestamp(at_s, theirs).utcoffset().total_seconds() == offset_s, name
            looked += 1
        assert datetime.fromtimestamp(ALL_S[0], theirs).utcoffset().total_seconds() == zone.offset_s(ALL_S[0]), name
    assert looked > 5000


def different_zones() -> list[str]:
    """A zone for each different list of changes here: of the others zoneinfo was shown to know the same."""
    found: dict[tuple, str] = {}
    for name in tzif.one_name_each():
        zone = tzif.Zone(tzif.raw(name))
        found.setdefault((*zone.changes(*ALL_S), zone.offset_s(ALL_S[0])), name)
    return sorted(found.values())


def test_weekly_classes_keep_their_wall_clock_over_every_change_and_the_import_tells_what_is_odd():
    windows = 0
    odd = {"never": 0, "twice": 0}
    names = different_zones()
    for name in names:
        found = zone_check.check(name, *HERE_S)
        assert (found.wrong, found.silent) == ([], [])
        windows += found.windows
        for what, count in found.odd.items():
            odd[what] += count
    print(
        f"{len(names)} different zones, {windows} windows; local times not there {odd['never']}, twice {odd['twice']}"
    )
    assert windows > 2000 and min(odd.values()) > 200


def offset_s(zone, at_ms) -> float:
    offset = datetime.fromtimestamp(at_ms / 1000, zone).utcoffset()
    assert offset is not None
    return offset.total_seconds()


def by_the_offset_of_now(made, zone, now_ms, bad):
    """Saboteur: a zone is the offset that it has now."""
    fixed_s = offset_s(zone, now_ms)
    moved = []
    for one in occurrences.read(made, zone, now_ms, bad).events:
        off_ms = (offset_s(zone, one.starts_ms) - fixed_s) * 1000
        times = {"starts_ms": one.starts_ms + off_ms, "ends_ms": one.ends_ms + off_ms}
        moved.append(SimpleNamespace(**{**vars(one), **times}))
    return SimpleNamespace(events=moved, odd=[])


def who_says_nothing(made, zone, now_ms, bad):
    """Saboteur: an import that takes another time than the file says, silently."""
    return SimpleNamespace(events=occurrences.read(made, zone, now_ms, bad).events, odd=[])


def test_an_import_that_goes_by_one_offset_or_says_nothing_is_caught():
    assert zone_check.check("Europe/London", *HERE_S, read=by_the_offset_of_now).wrong
    assert zone_check.check("Europe/London", *HERE_S, read=who_says_nothing).silent


@pytest.mark.parametrize("case", CASES, ids=[f"{c.zone}: {c.why}" for c in CASES])
def test_a_class_on_the_wall_is_a_window_in_utc(case):
    ics = [text.replace("-", "").replace(":", "").replace(" ", "T") + "00" for text in (case.starts, case.ends)]
    bad = BadRows()
    made = icsfile.read("t.ics", calendar(event("a", *ics, zone=case.zone)), bad)
    found = occurrences.read(made, ZoneInfo("UTC"), utc_ms(case.opens), bad)
    [one] = found.events
    assert not bad
    window = [datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
              for ms in zone_check.PORT.window(one.starts_ms, one.ends_ms)]  # fmt: skip
    assert window == [case.opens, case.closes]
    assert [case.told in text for _, text in found.odd] == [True] * bool(case.told)


@pytest.mark.parametrize("weekly", [False, True])
def test_hours_of_a_duration_are_hours_also_in_a_series(weekly):
    once = event("a", "20270328T003000", "X", zone="Europe/London")
    series = event("a", "20270321T003000", "X", "RRULE:FREQ=WEEKLY;COUNT=2", zone="Europe/London")
    data = calendar(series if weekly else once).replace(b"DTEND;TZID=Europe/London:X", b"DURATION:PT2H")
    bad = BadRows()
    found = occurrences.read(icsfile.read("t.ics", data, bad), ZoneInfo("UTC"), utc_ms("2027-01-01"), bad)
    assert not bad
    assert {one.ends_ms - one.starts_ms for one in found.events} == {2 * 3_600_000}


def test_the_end_of_the_local_day_is_right_over_every_change():
    """The evidence deadline of most profiles: the first moment at which the wall shows another day."""
    looked = 0
    for name in different_zones():
        zone = tzif.Zone(tzif.raw(name))
        for change in zone.changes(*ALL_S):
            for ends_s in (change.at_s - 8 * 3600, change.at_s - 1, change.at_s, change.at_s + 8 * 3600):
                deadline_s = marking.deadline_ms(zone_check.PORT, ends_s * 1000, ZoneInfo(name)) // 1000
                day = (ends_s + zone.offset_s(ends_s)) // tzif.DAY_S
                assert (deadline_s + zone.offset_s(deadline_s)) // tzif.DAY_S > day, (name, ends_s)
                assert (deadline_s - 1 + zone.offset_s(deadline_s - 1)) // tzif.DAY_S <= day, (name, ends_s)
                looked += 1
    assert looked > 3000
