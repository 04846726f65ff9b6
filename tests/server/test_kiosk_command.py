"""`muster reader add --kiosk`: a reader becomes a house's kiosk, and its settings are what the kiosk reads (DDU-12)."""

import json
import sqlite3
from contextlib import closing

import pytest

import muster
from firmware.reader import kiosk_settings, settings
from tests.rules import rule


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def _run(*words):
        status = muster.main(list(words))
        said = capsys.readouterr()
        return status, said.out, said.err

    assert _run("server", "migrate")[0] == 0
    return _run


@rule("DDU-12")
def test_a_kiosks_settings_are_what_the_kiosk_reads(run, tmp_path):
    words = "--kiosk H1 --new-house North --place 51.5014,-0.1419,60 --capacity 300 --sensor-password 7 --language cy"
    assert run("reader", "add", "k-1", "--out", "k.json", *words.split())[0] == 0
    text = (tmp_path / "k.json").read_text()
    made = kiosk_settings.parse(text)
    assert (made.site.latitude, made.site.longitude, made.site.radius_m) == (51.5014, -0.1419, 60.0)
    assert (made.password, made.capacity, made.language) == (7, 300, "cy")
    assert settings.parse(text).reader == "k-1"
    # Every kiosk has the same PIN key: a PIN is set once.
    assert run("reader", "add", "k-2", "--out", "k2.json", "--kiosk", "H1")[0] == 0
    other = json.loads((tmp_path / "k2.json").read_text())
    assert other["pin_key"] == json.loads(text)["pin_key"] and "house" not in other
    for file in (tmp_path / "muster-data").iterdir():
        assert other["pin_key"]["secret"] not in file.read_bytes().hex(), "encrypted at rest"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--kiosk", "H9"), "[house]"),
        (("--kiosk", "H1", "--room", "R1"), "[usage]"),
        (("--kiosk", "H1", "--new-house", "N", "--place", "51.5"), "[place]"),
        (("--kiosk", "H1", "--new-house", "N", "--place", "151.5,0,60"), "[place]"),
        (("--kiosk", "H1", "--new-house", "N", "--capacity", "0"), "[capacity]"),
    ],
)
def test_what_makes_no_kiosk_makes_no_reader(run, tmp_path, words, code):
    status, _, said = run("reader", "add", "k-1", "--out", "k.json", *words)
    assert status != 0 and code in said
    assert not (tmp_path / "k.json").exists() and "k-1" not in run("reader", "list")[1]


@rule("DDU-12")
def test_residence_staff_are_given_a_house_by_its_code(run, tmp_path):
    (tmp_path / "pw").write_text("correct horse battery\n")
    run("reader", "add", "k-1", "--out", "k.json", "--kiosk", "H1", "--new-house", "North")
    said = run("staff", "add", "warda", "--role", "residence", "--house", "H1", "--password-file", "pw")
    assert said[1] == "warda: residence in residence H1\n"
    assert "[role-scope]" in run("staff", "grant", "warda", "lecturer", "--house", "H1")[2]
    assert run("staff", "revoke", "warda", "residence", "--house", "H1")[0] == 0


SINCE = ("--from", "2026-09-01T00:00:00Z")


def another_store(run, monkeypatch, folder) -> None:
    """Go on with a store that knows no reader, as one restored from an older backup."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert run("server", "migrate")[0] == 0


@rule("DDU-12")
def test_a_kiosk_that_is_adopted_serves_its_house_again_with_its_place_and_sensor(run, tmp_path, monkeypatch):
    words = "--kiosk H1 --new-house North --place 51.5014,-0.1419,60 --capacity 300"
    assert run("reader", "add", "k-1", "--out", "k.json", *words.split())[0] == 0
    another_store(run, monkeypatch, tmp_path / "restored")
    file = str(tmp_path / "k.json")
    assert "[kiosk-house]" in run("reader", "adopt", file, *SINCE)[2]
    assert "[house]" in run("reader", "adopt", file, *SINCE, "--kiosk", "H1")[2]
    again = (file, *SINCE, "--kiosk", "H1", "--new-house", "North")
    # The store made a PIN key of its own meanwhile: with the old one no PIN would be right.
    status, _, said = run("reader", "adopt", *again)
    assert status == 1 and "[pin-key]" in said and "k-1" not in run("reader", "list")[1]
    status, said, _ = run("reader", "adopt", *again, "--out", "anew.json")
    assert status == 0 and "put anew.json onto the kiosk" in said
    old, anew = json.loads((tmp_path / "k.json").read_text()), json.loads((tmp_path / "restored/anew.json").read_text())
    assert (
        {name for name in old if old[name] != anew[name]} == {"pin_key"} == {n for n in anew if old.get(n) != anew[n]}
    )
    assert kiosk_settings.parse(json.dumps(anew)).capacity == 300
    with closing(sqlite3.connect(tmp_path / "restored/muster-data/muster.db")) as store:
        held = store.execute(
            "select house.code, latitude, longitude, radius_m, capacity from kiosk join house on house.id = house_id"
        ).fetchall()
    assert held == [("H1", 51.5014, -0.1419, 60, 300)]
    # A second kiosk has the store's key already: nothing is to be written for it.
    assert run("reader", "add", "k-2", "--out", "k2.json", "--kiosk", "H1")[0] == 0
    assert json.loads((tmp_path / "restored/k2.json").read_text())["pin_key"] == anew["pin_key"]


def test_a_door_reader_is_adopted_for_a_room_and_no_house(run, tmp_path, monkeypatch):
    assert run("reader", "add", "a-1", "--out", "a.json")[0] == 0
    another_store(run, monkeypatch, tmp_path / "restored")
    status, _, said = run("reader", "adopt", str(tmp_path / "a.json"), *SINCE, "--kiosk", "H1")
    assert status != 0 and "[usage]" in said and "a-1" not in run("reader", "list")[1]
    assert run("reader", "adopt", str(tmp_path / "a.json"), *SINCE)[0] == 0


@rule("DDU-12")
def test_a_kiosk_serves_no_classrooms_door_as_long_as_it_serves_a_house(run):
    assert run("reader", "add", "k-1", "--out", "k.json", "--kiosk", "H1", "--new-house", "North")[0] == 0
    status, _, said = run("reader", "move", "k-1", "--room", "R1", "--new-room")
    assert status != 0 and "[door-kiosk]" in said
    assert "k-1 is a kiosk of North (H1)" in said and "muster reader add NAME --room ROOM" in said
    assert "R1" not in run("reader", "list")[1]
    assert run("reader", "move", "k-1")[0] == 0, "to serve no door is what it does"


@rule("DDU-12")
def test_a_kiosk_that_is_made_without_a_place_is_said_to_have_none(run):
    said = run("reader", "add", "k-1", "--out", "k.json", "--kiosk", "H1", "--new-house", "North")[1]
    assert "no place is registered for it" in said and "--place LATITUDE,LONGITUDE,METRES" in said
    words = ("--kiosk", "H1", "--place", "51.5,-0.1,60")
    assert "no place" not in run("reader", "add", "k-2", "--out", "k2.json", *words)[1]
