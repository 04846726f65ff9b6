"""`muster reader add --kiosk`: a reader becomes a house's kiosk, and its settings are what the kiosk reads (DDU-12)."""

import json

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
