"""What a kiosk's settings must say beyond a reader's."""

import json

import pytest

from firmware.reader.errors import SettingsError
from firmware.reader.kiosk_settings import parse

GOOD = {
    "pin_key": {"id": 2, "secret": "44" * 32},
    "sensor": {"password": 4294967295, "capacity": 200},
    "house": {"latitude": 51.5, "longitude": -0.12, "radius_m": 150},
    "language": "cy",
}


def test_a_kiosks_part_is_read_as_it_was_written():
    found = parse(json.dumps(GOOD))
    assert (found.pin_key.id, found.password, found.capacity, found.language) == (2, 4294967295, 200, "cy")
    assert tuple(found.site) == (51.5, -0.12, 150.0)


def test_place_capacity_and_language_may_be_left_out():
    found = parse(json.dumps({"pin_key": GOOD["pin_key"], "sensor": {"password": 0}}))
    assert (found.site, found.capacity, found.language) == (None, None, "en")


@pytest.mark.parametrize(
    "change",
    [
        {"pin_key": None},
        {"pin_key": {"id": 0, "secret": "44" * 32}},
        {"pin_key": {"id": 1, "secret": "none"}},
        {"sensor": None},
        {"sensor": {"capacity": 200}},
        {"sensor": {"password": -1}},
        {"sensor": {"password": "1"}},
        {"sensor": {"password": True}},
        {"sensor": {"password": 0, "capacity": 0}},
        {"house": {"latitude": 91, "longitude": 0, "radius_m": 10}},
        {"house": {"latitude": "north", "longitude": 0, "radius_m": 10}},
        {"house": {"latitude": float("nan"), "longitude": 0, "radius_m": 10}},
        {"house": {"latitude": 1, "longitude": 0, "radius_m": 0}},
        {"language": "../../en"},
        {"language": 7},
    ],
)
def test_what_cannot_be_is_refused_and_no_secret_repeated(change):
    with pytest.raises(SettingsError) as refused:
        parse(json.dumps({**GOOD, **change}))
    assert "44" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "null", "{"])
def test_what_is_no_settings_file_at_all_is_refused(text):
    with pytest.raises(SettingsError):
        parse(text)
