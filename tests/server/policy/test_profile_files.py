"""Profiles as files: what is wrong with one is named, and a version holds from its date on and changes nothing before."""

import re
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadSetting
from server.policy import allowed, marking, profile
from server.policy.parameters import Parameter

MIN = 60_000
AUGUST = int(datetime(2027, 8, 1, tzinfo=ZoneInfo("Europe/London")).timestamp() * 1000)
VERSION = """
name = "lough"
from = 2027-08-01

[lateness]
late_from = { value = 6, unit = "min", rule = "Board of studies" }

[marking]
school-link = {}
"""


def own(tmp_path, **files):
    """The shipped profiles, and an institution's own of these texts."""
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text)
    return profile.read_all(own=tmp_path, time_zone="Europe/London")


def test_a_version_holds_for_sessions_from_its_date_on(tmp_path):
    found = own(tmp_path, august=VERSION)
    before, after = found.at("lough", AUGUST - 1), found.at("lough", AUGUST)
    assert (before.late_from_min, after.late_from_min) == (5, 6)
    assert found["lough"] is after
    for made, code in ((before, "L"), (after, "P")):
        tap = marking.from_tap(made, starts_ms=0, at_ms=5 * MIN, uncertainty_ms=0)
        assert tap.code == code


def test_what_a_version_does_not_say_is_as_in_the_version_before_and_an_empty_table_takes_away(tmp_path):
    found = own(tmp_path, august=VERSION, later='name = "lough"\nfrom = 2028-08-01\ntitle = "Third"\n')
    third = found["lough"]
    assert (third.title, third.late_from_min, third.early_over_min) == ("Third", 6, 5)
    assert "school-link" not in third.marking and "school-link" in found.at("lough", 0).marking
    assert [one.late_from_min for one in found.versions("lough")] == [5, 6, 6]


def test_the_past_is_the_shipped_profile_to_the_last_parameter(tmp_path):
    assert own(tmp_path, august=VERSION).at("lough", AUGUST - 1) == profile.read_all()["lough"]


@given(
    st.lists(st.dates(min_value=date(2026, 1, 1), max_value=date(2030, 1, 1)), unique=True),
    st.data(),
)
def test_the_version_of_a_session_is_the_last_that_had_begun(tmp_path_factory, dates, data):
    folder = tmp_path_factory.mktemp("own")
    files = {
        f"v{number}": f'name = "port"\nfrom = {day}\n[window]\nopens_before = {{ value = {number}, unit = "min", rule = "x" }}\n'
        for number, day in enumerate(dates)
    }
    found = own(folder, **files)
    at_ms = data.draw(st.integers(1_735_689_600_000, 1_924_992_000_000))
    day = datetime.fromtimestamp(at_ms / 1000, ZoneInfo("Europe/London")).date()
    begun = [(begins, number) for number, begins in enumerate(dates) if begins <= day]
    expected = max(begun)[1] if begun else 30
    assert found.at("port", at_ms).opens_before_min == expected


def test_a_profile_of_ones_own_starts_from_a_shipped_one(tmp_path):
    text = 'name = "evening"\nlike = "lough"\ntitle = "Evening classes"\n[window]\nopens_before = { value = 10, unit = "min", rule = "x" }\n'
    found = own(tmp_path, evening=text)
    assert found["evening"].opens_before_min == 10 and found["lough"].opens_before_min == 30
    assert set(found["evening"].codes) == set(found["lough"].codes)
    assert set(found) == {"port", "lough", "step", "ddu", "evening"}


def test_every_parameter_has_a_unit_and_cites_where_it_comes_from():
    for made in profile.read_all().values():
        assert len(made.parameters) > 25
        for parameter in made.parameters:
            assert parameter.unit and re.fullmatch(r"(PORT|LOUGH|STEP|DDU)-(\d+|[A-Z])", parameter.rule), parameter
    late = Parameter(path="lateness.late_from", value=5, unit="min", rule="LOUGH-14")
    assert late in profile.read_all()["lough"].parameters


PORT_TEXT = (profile.FOLDER / "port.toml").read_text()


@pytest.mark.parametrize(
    "old, new, field",
    [
        ('opens_before = { value = 30, unit = "min" }', "", "window.opens_before is missing"),
        ('opens_before = { value = 30, unit = "min" }', "opens_before = 30", "window.opens_before is missing, or is not"),
        ('opens_before = { value = 30, unit = "min" }', 'opens_before = { value = -1, unit = "min" }', "window.opens_before must be a whole number"),
        ('opens_before = { value = 30, unit = "min" }', 'opens_before = { value = true, unit = "min" }', "window.opens_before must be a whole number"),
        ('opens_before = { value = 30, unit = "min" }', 'opens_before = { value = 30, unit = "h" }', "window.opens_before has the unit 'h'"),
        ('opens_before = { value = 30, unit = "min" }', 'opens_before = { value = 30, unit = "min", why = 1 }', "window.opens_before is missing, or is not"),
        ('rule = "PORT-2"\nopens', "opens", "window.opens_before cites no rule"),
        ('absent_by_itself = { value = true', "absent_by_itself = { value = 1", "derive.absent_by_itself must be true or false"),
        ('present = { value = "P"', 'present = { value = "X"', "derive.present must be one of: P, A, E"),
        ('effects.attendance = { value = "leave"', 'effects.attendance = { value = "gone"', "marks.E.effects.attendance must be one of"),
        ('roles = { value = ["lecturer", "head"', 'roles = { value = ["lecturer", "dean"', "cancel.roles must list"),
        ('roles = { value = ["lecturer", "head"', 'roles = { value = ["lecturer", "lecturer"', "cancel.roles must list, each once"),
        ('roles = { value = ["lecturer", "head", "registry", "admin"]', 'roles = { value = "lecturer"', "cancel.roles must be a list of words"),
        ("[window]", "[windows]", "window.opens_before is missing"),
        ("[window]", "[window]\nshuts = 3", "window.shuts is not known"),
        ("[absence.authorised]", "[absence.holiday]", "absence.holiday must be one of"),
        ("leave_leaves = { value = true", "leaves = { value = true", "ledgers.attendance.leaves is not known"),
        ('leave_leaves = { value = true, unit = "switch" }', "", "ledgers.attendance.leave_leaves is missing"),
        ("[tiers.open]", "[marking.moon]\n[tiers.open]", "marking.moon.warn is missing"),
        ('by_request = { value = false, unit = "switch" }', 'by_request = { value = false, unit = "switch" }\nuntil = { value = 1, unit = "h from end" }', "tiers.open must not end"),
        ("[marks.E]", "[marks.E]\n[[", "mine.toml is not TOML"),
        ('name = "port"', 'name = "a b"', "name must be a word"),
        ('name = "port"', 'name = "port"\nfrom = "2027-08-01"', "from must be a date"),
        ('name = "port"', 'name = "port"\nfrom = 2027-08-01T00:00:00Z', "from must be a date"),
        ('name = "port"', 'name = "other"\nlike = "nothing"', "like names 'nothing'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_named_with_its_field(tmp_path, old, new, field):
    assert old in PORT_TEXT
    (tmp_path / "mine.toml").write_text(PORT_TEXT.replace(old, new, 1))
    with pytest.raises(BadSetting) as caught:
        profile.read_all(tmp_path)
    assert str(caught.value).startswith((f"mine.toml: {field}", field))


def test_two_files_of_one_profile_and_date_are_refused(tmp_path):
    with pytest.raises(BadSetting, match=r"august2\.toml: august\.toml is lough from 2027-08-01 already"):
        own(tmp_path, august=VERSION, august2=VERSION)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadSetting, match="there is no folder"):
        profile.read_all(own=tmp_path / "none")


def test_a_profile_that_there_is_not_is_none_at_any_time():
    with pytest.raises(KeyError):
        profile.read_all().at("gone", 0)


def test_a_version_also_changes_who_may_act(tmp_path):
    text = 'name = "lough"\nfrom = 2027-08-01\n[tiers.24h]\nuntil = { value = 48, unit = "h from end", rule = "x" }\n'
    found = own(tmp_path, august=text)
    for apart, may in ((-1, False), (1, True)):
        ends_ms = AUGUST + apart * 48 * 3_600_000
        made = found.at("lough", ends_ms - 3_600_000)
        about = allowed.Facts(
            roles=frozenset({"lecturer"}), staffs=True, starts_ms=ends_ms - 3_600_000, ends_ms=ends_ms,
            now_ms=ends_ms + 30 * 3_600_000, zone=ZoneInfo("Europe/London"), current="A", cancelled=False,
            students_set=1, students_all=20,
        )  # fmt: skip
        assert allowed.may_set(made, "P", about).allowed is may


def test_after_the_lock_date_no_transition_goes_before_the_tiers(tmp_path):
    """STEP-3: also where an institution's own profile lets a mark change by itself."""
    text = """
name = "own"
like = "step"
[transitions.told]
rule = "Board"
to = { value = "LOA", unit = "mark" }
roles = { value = ["lecturer"], unit = "roles" }
needs = { value = [], unit = "needs" }
told_before = { value = false, unit = "switch" }
"""
    made = own(tmp_path, own=text)["own"]
    about = allowed.Facts(
        roles=frozenset({"lecturer"}), staffs=True, starts_ms=0, ends_ms=60 * MIN, now_ms=100 * MIN,
        zone=ZoneInfo("Europe/London"), current="A", cancelled=False, students_set=1, students_all=9,
        marking_deadline_ms=80 * MIN, lock_ms=101 * MIN,
    )  # fmt: skip
    assert allowed.may_set(made, "LOA", about).allowed
    final = allowed.may_set(made, "LOA", replace(about, lock_ms=100 * MIN))
    assert not final.allowed and final.cites == "STEP-3"


def test_who_verifies_is_among_those_who_may_set_every_mark_by_hand(tmp_path):
    text = 'name = "own"\nlike = "step"\n[derive]\n' \
           'verified_by = { value = ["lecturer", "registry"], unit = "roles", rule = "Board" }\n'  # fmt: skip
    with pytest.raises(BadSetting, match=r"derive\.verified_by names registry"):
        own(tmp_path, own=text)


def without(name, *tables):
    """A shipped profile's text as an own one, without these tables: from when they were no parameters."""
    text = (profile.FOLDER / f"{name}.toml").read_text().replace(f'name = "{name}"', 'name = "own"')
    for table in tables:
        text, many = re.subn(rf"\n\[{table}\]\n(?:[^\[\n].*\n|\n)*", "\n", text)
        assert many == 1
    return text


def test_a_profile_from_before_says_nothing_of_lists_and_late_days_and_has_what_held_then(tmp_path):
    """A version that has begun cannot be changed to say it. LOUGH-18, DDU-6."""
    found = own(tmp_path, own=without("ddu", "list_tier", "late_tier"))
    shipped = profile.read_all()
    assert found["own"].list_tier == shipped["port"].list_tier and found["own"].late_tier == shipped["ddu"].late_tier
    assert own(tmp_path, own=without("port", "list_tier"))["own"].late_tier is None


def test_who_takes_learners_off_lists_is_changed_from_a_date_on(tmp_path):
    """LOUGH-18, STEP-22."""
    text = 'name = "lough"\nfrom = 2027-08-01\n[list_tier]\napprovers = { value = ["head"], unit = "roles", rule = "Board" }\n'
    found = own(tmp_path, august=text)
    before, after = found.at("lough", AUGUST - 1).list_tier, found.at("lough", AUGUST).list_tier
    assert (before.approvers, after.approvers) == (("registry", "admin"), ("head",)) and before.roles == after.roles


@pytest.mark.parametrize(
    "text",
    [
        '[list_tier]\nuntil = { value = 1, unit = "days from end", rule = "Board" }\n',
        '[list_tier]\nby_request = { value = false, unit = "switch", rule = "Board" }\n'
        "needs = {}\ncopies = {}\napprovers = {}\nevidence_later = {}\n",
    ],
)
def test_learners_are_taken_off_lists_by_request_and_at_every_age(tmp_path, text):
    with pytest.raises(BadSetting, match="list_tier goes by request, at every age"):
        own(tmp_path, own=f'name = "own"\nlike = "lough"\n{text}')


def test_a_mark_is_shown_beforehand_only_where_it_waits_to_be_verified(tmp_path):
    """STEP-18: nothing that nobody saved may count."""
    text = 'name = "own"\nlike = "lough"\n[derive]\nshown = { value = "P", unit = "mark", rule = "Board" }\n'
    with pytest.raises(BadSetting, match=r"derive\.shown wants derive\.verification_needed"):
        own(tmp_path, own=text)
