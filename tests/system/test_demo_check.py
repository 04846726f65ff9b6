"""The whole line in real processes, as `make demo ARGS="--check …"` runs it: its own JSON is what is judged."""

import pytest

from tests.system.checked import checked

pytestmark = pytest.mark.timeout(300)


def check(repo, *arguments):
    return checked(repo, *arguments, within_s=280)


@pytest.mark.long(90)
@pytest.mark.needs("micropython")
def test_every_green_is_in_the_store_once_and_credited_rightly(repo, seed):
    status, result = check(repo, "--readers", "3", "--students", "60", "--swipes", "150", "--seed", str(seed))
    assert status == 0
    assert result["micropython_readers"] == 3
    assert result["lost"] == result["duplicated"] == result["miscredited"] == result["given_up"] == 0
    assert result["green"] > 60
    assert result["red"] > 5
    assert result["stored"] == result["swipes"]


@pytest.mark.proof
@pytest.mark.needs("micropython")
def test_with_mosquitto_postgresql_two_gateways_and_faults_nothing_is_lost(repo, seed, mosquitto, postgres_url):
    status, result = check(
        repo, "--readers", "4", "--micropython", "2", "--students", "80", "--swipes", "240", "--seed", str(seed),
        "--broker", mosquitto.url, "--database", postgres_url, "--gateways", "2", "--faults", "--fault-every", "2",
    )  # fmt: skip
    assert status == 0
    assert result["database"] == "postgresql"
    assert result["lost"] == result["duplicated"] == result["miscredited"] == 0
    assert sum(result["faults"].values()) >= 5


@pytest.mark.proof
@pytest.mark.needs("micropython")
def test_an_hour_of_a_real_campus_is_credited_as_its_timetable_says(repo, seed, shared_data):
    status, result = check(
        repo, "--campus", str(shared_data / "campus"), "--day", "2026-10-06", "--speed", "120", "--swipes", "60",
        "--micropython", "2", "--seed", str(seed),
    )  # fmt: skip
    assert status == 0
    assert result["lost"] == result["duplicated"] == result["miscredited"] == 0
    assert result["credited"] > 40
