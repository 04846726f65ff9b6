"""What a kiosk is fitted with: its options, its settings, and the switch under its lid."""

import json

import pytest
from gpiozero.pins.mock import MockFactory

from firmware.pi.kiosk_parts import LidSwitch
from firmware.pi.main import main
from tests.firmware.pi.kiosk_process import kiosk_settings

OPTIONS = ["--chip", "/dev/null", "--sensor", "/dev/null", "--keypad", "/dev/null", "--display", "/dev/null"]


def test_a_lid_is_open_when_its_switch_is():
    factory = MockFactory()
    lid = LidSwitch(24, factory)
    assert lid.is_open(), "a wire that is cut is a lid that is open"
    factory.pin(24).drive_low()
    assert not lid.is_open()
    factory.pin(24).drive_high()
    assert lid.is_open()
    lid.close()


@pytest.mark.parametrize("change", [{"sensor": None}, {"language": "xx"}, {"house": {}}])
def test_settings_that_are_no_kiosks_are_refused_with_what_to_do(tmp_path, capsys, change):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(kiosk_settings(1, **change)))
    assert main(["kiosk", "--settings", str(path), "--data", str(tmp_path), "--mock-pins", *OPTIONS]) == 2
    said = capsys.readouterr().err
    assert "muster reader add --kiosk" in said or "there are no words" in said
    assert "44" * 32 not in said


@pytest.mark.parametrize("missing", ["--sensor", "--keypad", "--display"])
def test_a_kiosk_without_one_of_its_parts_is_a_usage_error(tmp_path, missing, capsys):
    at = OPTIONS.index(missing)
    options = OPTIONS[:at] + OPTIONS[at + 2 :]
    assert main(["kiosk", "--settings", "none", "--data", str(tmp_path), *options]) == 2
    assert missing in capsys.readouterr().err
