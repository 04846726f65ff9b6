"""The command `muster pi run`: how it begins, refuses and ends, and what it says to systemd."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from firmware.pi.main import main, uptime
from firmware.pi.systemd import Systemd
from tests.firmware.pi.tiny_store import settings


@pytest.mark.parametrize("text", ["", "{}", '{"v": 1, "site": "Main!"}'])
def test_settings_that_are_wrong_are_refused_with_what_to_do(tmp_path, capsys, text):
    path = tmp_path / "settings.json"
    path.write_text(text)
    assert main(["run", "--settings", str(path), "--data", str(tmp_path), "--chip", "/dev/null", "--mock-pins"]) == 2
    assert "settings" in capsys.readouterr().err


def test_a_wrong_call_is_a_usage_error(capsys):
    assert main([]) == 2
    assert main(["run", "--help"]) == 0


@pytest.mark.filterwarnings("ignore::gpiozero.exc.PinFactoryFallback")
def test_without_gpio_it_says_what_to_do(tmp_path, capsys):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings(1)))
    assert main(["run", "--settings", str(path), "--data", str(tmp_path), "--chip", "/dev/null"]) == 1
    assert "--mock-pins" in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("lgpio") is not None, reason="lgpio is installed here: nothing is missing")
def test_without_the_pin_library_that_the_unit_names_it_says_what_to_do(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "lgpio")
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings(1)))
    assert main(["run", "--settings", str(path), "--data", str(tmp_path), "--chip", "/dev/null"]) == 1
    assert "lgpio" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["usb", "usb:072f:2200"])
def test_a_usb_reader_of_its_own_is_refused_in_words_and_not_as_a_lost_chip(port, capsys):
    assert main(["run", "--settings", "x.json", "--data", "x", "--chip", port]) == 2
    assert "/dev/ttyUSB0" in capsys.readouterr().err


def test_a_journal_that_cannot_open_leaves_the_door_red_and_the_process_alive(repo, tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps(settings(1)))
    (tmp_path / "data").write_text("a file where the folder should be")
    command = [sys.executable, str(repo / "muster.py"), "pi", "run", "--settings", str(tmp_path / "settings.json")]
    command += ["--data", str(tmp_path / "data"), "--chip", str(tmp_path / "none"), "--mock-pins"]
    environment = {**os.environ, "MUSTER_UPTIME_SCALE": "10"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            first = json.loads(process.stdout.readline())
            assert first["lamp"] == [255, 0, 0]
            for _ in range(8):  # a slow pulse, ten times as fast
                assert json.loads(process.stdout.readline())["lamp"] == [0, 0, 0]
                assert json.loads(process.stdout.readline())["lamp"] == [255, 0, 0]
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    events = [json.loads(line) for line in errors.splitlines()]
    assert events[0]["event"] == "journal-not-open"
    assert "SD card" in events[0]["why"]
    assert {"journal-trouble", "link-down", "chip-lost", "stopped"} <= {event["event"] for event in events}


def test_uptime_goes_as_fast_as_it_is_told():
    slow, fast = uptime(1), uptime(100)
    before = slow(), fast()
    time.sleep(0.05)
    assert 40 <= slow() - before[0] < 2000
    assert fast() - before[1] >= 4000


def test_uptime_is_no_clock_that_anybody_can_set():
    """What it says is how long freed swipes are kept and how sure a time is: a stepped clock must not move it."""
    before_ms = time.monotonic_ns() // 1_000_000
    said = uptime(1)()
    assert before_ms <= said <= time.monotonic_ns() // 1_000_000


def test_systemd_is_told_where_it_asked(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        systemd = Systemd(str(tmp_path / "notify"))
        systemd.ready()
        systemd.alive()
        assert [listener.recv(99), listener.recv(99)] == [b"READY=1", b"WATCHDOG=1"]
    systemd.alive()  # nobody there any more
    Systemd("").ready()
