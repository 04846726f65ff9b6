"""The parts of a reader's settings that say whom it trusts: `broker.tls` and `release`, on CPython and on MicroPython."""

import base64
import json

import pytest

from firmware.reader import settings
from firmware.reader.errors import SettingsError

DER = base64.b64encode(b"0\x82" + bytes(90)).decode()
N = "%x" % ((1 << 3071) + 1)
KEY = {"id": 1, "secret": "11" * 32}


def text(tls=None, release=None) -> str:
    broker = {"host": "192.0.2.10", "port": 8883, "user": "a-101", "password": "secret-of-a-101"}
    if tls is not None:
        broker["tls"] = tls
    data = {"v": 1, "site": "main", "reader": "a-101", "key": KEY, "card_keys": [KEY], "broker": broker}
    if release is not None:
        data["release"] = release
    return json.dumps(data)


def test_settings_without_them_are_as_before():
    parsed = settings.parse(text())
    assert parsed.tls is None
    assert parsed.release == ()


def test_what_a_reader_trusts_is_read():
    parsed = settings.parse(
        text({"ca": [DER, DER], "name": "broker"}, {"keys": [{"id": 1, "n": N}, {"id": 2, "n": N}]})
    )
    assert parsed.tls == settings.Tls([b"0\x82" + bytes(90)] * 2, "broker", 0, None, None)
    assert [key.id for key in parsed.release] == [1, 2]
    assert parsed.release[0].n == int(N, 16)
    more = {"floor": 1_790_000_000, "certificate": "/c.pem", "key": "/k.pem"}
    assert settings.parse(text({"ca": [DER], "name": "broker", **more})).tls[2:] == (1_790_000_000, "/c.pem", "/k.pem")


WRONG_TLS = [
    {},
    [],
    7,
    "yes",
    False,
    {"ca": [DER]},
    {"name": "broker"},
    {"ca": [], "name": "broker"},
    {"ca": DER, "name": "broker"},
    {"ca": [DER] * 3, "name": "broker"},
    {"ca": [7], "name": "broker"},
    {"ca": [base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()], "name": "broker"},
    {"ca": [DER], "name": ""},
    {"ca": [DER], "name": 7},
    {"ca": [DER], "name": "broker", "floor": "2026"},
    {"ca": [DER], "name": "broker", "floor": -1},
    {"ca": [DER], "name": "broker", "floor": True},
    {"ca": [DER], "name": "broker", "certificate": "/c.pem"},
    {"ca": [DER], "name": "broker", "certificate": "/c.pem", "key": 7},
]
WRONG_RELEASE = [
    {},
    7,
    {"keys": [{}]},
    {"keys": [{"id": "1", "n": N}]},
    {"keys": [{"id": 1, "n": "nonsense"}]},
    {"keys": [{"id": 1, "n": N[1:]}]},
    {"keys": [{"id": 1, "n": N + "1"}]},
    {"keys": [{"id": 1, "n": "%x" % (1 << 3071)}]},
]


@pytest.mark.parametrize("tls", WRONG_TLS)
def test_a_wrong_tls_is_refused_and_never_falls_back_to_a_plain_connection(tls):
    with pytest.raises(SettingsError) as caught:
        settings.parse(text(tls))
    assert "secret-of-a-101" not in str(caught.value)


@pytest.mark.parametrize("release", WRONG_RELEASE)
def test_a_wrong_release_key_is_refused(release):
    with pytest.raises(SettingsError):
        settings.parse(text(release=release))


@pytest.mark.needs("micropython")
def test_micropython_reads_and_refuses_the_same(micropython, tmp_path):
    good = [text({"ca": [DER], "name": "broker", "floor": 1_790_000_000}, {"keys": [{"id": 1, "n": N}]})]
    wrong = [text(tls) for tls in WRONG_TLS] + [text(release=one) for one in WRONG_RELEASE]
    (tmp_path / "texts.json").write_text(json.dumps([good, wrong]))
    code = (
        "import json, sys\n"
        "from firmware.reader import settings\n"
        "from firmware.reader.errors import SettingsError\n"
        "good, wrong = json.load(open(sys.argv[1]))\n"
        "parsed = settings.parse(good[0])\n"
        "assert parsed.tls.floor_s == 1790000000 and parsed.release[0].n >> 3071 == 1\n"
        "for text in wrong:\n"
        "    try:\n"
        "        settings.parse(text)\n"
        "    except SettingsError:\n"
        "        continue\n"
        "    raise AssertionError(text)\n"
        "print(len(wrong))\n"
    )
    script = tmp_path / "read.py"
    script.write_text(code)
    assert micropython.run(script, str(tmp_path / "texts.json")).stdout.strip() == str(len(wrong))
