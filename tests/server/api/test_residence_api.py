"""The residence over the API: staff see the board of their houses, administrators every check-in as it was read."""

import pytest

from tests.rules import rule
from tests.server.residence_world import CLOSES, DAY, OPENS, WARDEN_UID, Residence
from tests.server.store_client import Server
from tests.server.store_world import HOUR, MIN, UIDS


@pytest.fixture
def residence(world):
    world.now_ms = OPENS - HOUR
    server = Server(world)
    made = Residence(world)
    made.server = server
    return made


def get(residence, path, role="admin"):
    bearer = {"Authorization": f"Bearer {residence.server.tokens[role]}"}
    return residence.server.client.get(f"/api/v1/residence{path}", headers=bearer)


@rule("DDU-12", "DDU-13")
def test_a_check_in_is_listed_with_who_how_and_whether_it_counts(residence):
    residence.w.now_ms = OPENS + 2 * HOUR
    residence.deliver(
        residence.board.hello(),
        residence.check_in(UIDS[0], OPENS + MIN),
        residence.check_in(UIDS[0], OPENS + HOUR, method="pin", witness=WARDEN_UID),
    )
    residence.w.now_ms = CLOSES
    residence.judge()
    found = get(residence, "/check-ins?limit=1").json()
    rest = get(residence, f"/check-ins?after={found['next']}").json()
    first, second = *found["check_ins"], *rest["check_ins"]
    assert (first["method"], first["counts"], first["why"], first["evening"]) == ("finger", True, "", DAY.isoformat())
    assert (second["method"], second["counts"], second["why"]) == ("pin", False, "repeat")
    assert first["person"] == second["person"] and first["person"] != second["witness"]
    assert first["witness"] is None and second["witness"] and rest["next"] is None
    house = get(residence, "/houses").json()["houses"][0]
    board = get(residence, f"/houses/{house['id']}/board?day={DAY.isoformat()}").json()
    assert board["date"] == DAY.isoformat()
    assert [one["state"] for one in board["people"]].count("in") == 1


def test_only_an_administrator_lists_check_ins_and_a_lecturer_sees_no_board(residence):
    assert get(residence, "/check-ins", "lecturer").status_code == 403
    assert get(residence, f"/houses/{residence.house}/board", "lecturer").status_code in (403, 404)
    assert get(residence, "/houses/999/board").status_code == 404
    assert get(residence, f"/houses/{residence.house}/board?day=tonight").status_code == 400


@pytest.mark.parametrize(
    "day, status", [("9999-12-31", 400), ("0001-01-01", 400), ("9998-12-31", 200), ("1900-01-01", 200)]
)
def test_a_day_at_the_end_of_the_calendar_is_refused_and_is_no_fault(residence, day, status):
    answer = get(residence, f"/houses/{residence.house}/board?day={day}")
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]["code"] == "date"
