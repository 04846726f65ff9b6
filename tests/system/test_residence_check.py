"""A residence's evening in real processes, as `make demo ARGS="--check --residence-only …"` runs it: its JSON is judged."""

import pytest

from tests.residence.__main__ import ZERO
from tests.rules import rule
from tests.system.checked import checked

pytestmark = pytest.mark.timeout(600)


def evening(repo, *arguments):
    status, told = checked(repo, "--residence-only", *arguments, within_s=580)
    return status, told["residence"]


@pytest.mark.long(90)
@rule("DDU-12", "DDU-13")
def test_everybody_who_came_is_in_the_store_once_and_whoever_did_not_is_missing(repo, seed):
    status, told = evening(repo, "--residents", "12", "--kiosks", "2", "--seed", str(seed))
    assert status == 0
    assert {name: told[name] for name in ZERO} == dict.fromkeys(ZERO, 0)
    assert told["residents"] == 12 and told["enrolled"] == 12  # two of the ten at both kiosks
    assert (told["checked_in"], told["missing"], told["on_leave"]) == (10, 1, 1)
    assert told["methods"]["finger"] >= 2 and told["methods"]["pin"] >= 1
    assert told["faults"] == {"unplug": 1, "cut": 1, "move": 1}


@pytest.mark.proof
@rule("DDU-13")
@pytest.mark.parametrize("day", ["2026-10-25", "2027-03-28"])
def test_on_days_when_the_clocks_change_the_evening_is_six_to_ten_all_the_same(repo, seed, day):
    status, told = evening(repo, "--residents", "8", "--kiosks", "1", "--seed", str(seed), "--day", day)
    assert status == 0
    assert told["checked_in"] + told["missing"] + told["on_leave"] == 8
    assert told["missing"] == 1


@pytest.mark.proof
@rule("DDU-12", "DDU-13")
@pytest.mark.timeout(3600)
def test_an_evening_of_forty_at_three_kiosks_holds(repo, seed):
    from tests.residence.__main__ import holds, played

    told = played(seed, 40, 3, None)
    assert holds(told), told
