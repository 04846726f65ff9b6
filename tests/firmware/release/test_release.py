"""Releases are made, signed and checked: the command on this repository, and every bit of a pack that is not as signed."""

import json
import random
import stat
import sys

import pytest

from firmware.contract import release
from firmware.contract.errors import Malformed, Misuse
from firmware.reader.settings import ReleaseKey
from firmware.release import command, pack
from tests.firmware.pico import release_packs as made


@pytest.fixture
def key_file(tmp_path, capsys):
    """(the private key's file, a settings file that trusts it)."""
    path = tmp_path / "key.pem"
    assert command.main(["keys", str(path), "--no-passphrase"]) == 0
    trusted = tmp_path / "trusted.json"
    trusted.write_text(capsys.readouterr().out)
    return path, trusted


def make(tmp_path, board, *more):
    out = tmp_path / f"{board}.pack"
    assert (
        command.main(["make", "--board", board, "--version", "0.2.0", "--counter", "7", "--out", str(out), *more]) == 0
    )
    return out


def test_a_key_is_the_owner_s_alone_and_is_never_written_over(key_file, capsys):
    path, trusted = key_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert command.main(["keys", str(path), "--no-passphrase"]) == 1
    assert path.read_bytes() == before
    assert f"{path} is there already" in capsys.readouterr().err
    assert int(json.loads(trusted.read_text())["release"]["keys"][0]["n"], 16).bit_length() == 3072


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sign", "none.pack", "--key", "none.pem"], "none.pem is not there: look at its name"),
        (["verify", "none.pack", "--settings", "none.json"], "none.json is not there: look at its name"),
        (
            ["keys", "none/key.pem", "--no-passphrase"],
            "none/key.pem is not there: look at its name, and at its folder's",
        ),
        (["keys", ".", "--no-passphrase"], ". is there already, and a key is never written over another"),
        (["sign", "none.pack", "--key", "."], ".: Is a directory: look at who may read and write it"),
    ],
)
def test_a_file_that_cannot_be_had_is_named_with_what_to_do(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert command.main(words) == 1
    assert said in capsys.readouterr().err


def test_a_key_is_locked_by_its_passphrase(tmp_path, monkeypatch, capsys):
    said = iter(["open sesame", "wrong", "open sesame", ""])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(said))
    assert command.main(["keys", str(tmp_path / "key.pem")]) == 0
    assert b"ENCRYPTED" in (tmp_path / "key.pem").read_bytes()
    (tmp_path / "x.pack").write_bytes(made.plain(2))
    sign = ["sign", str(tmp_path / "x.pack"), "--key", str(tmp_path / "key.pem")]
    assert command.main(sign) == 1
    assert command.main(sign) == 0
    assert command.main(["keys", str(tmp_path / "other.pem")]) == 1
    assert not (tmp_path / "other.pem").exists()


def test_where_nobody_can_give_a_passphrase_no_key_is_made(tmp_path, monkeypatch, capsys):
    def nobody(prompt):
        raise EOFError

    monkeypatch.setattr("getpass.getpass", nobody)
    assert command.main(["keys", str(tmp_path / "key.pem")]) == 1
    assert "at a terminal" in capsys.readouterr().err and not (tmp_path / "key.pem").exists()


@pytest.mark.needs("micropython")
def test_a_pico_s_release_holds_what_its_reader_imports_and_fits_its_slot(tmp_path, key_file, capsys):
    path, trusted = key_file
    out = make(tmp_path, "pico", "--minimum", "3")
    verify = ["verify", str(out), "--settings", str(trusted)]
    assert command.main(verify) == 1
    assert "no key that you trust signed this" in capsys.readouterr().err
    assert command.main(["sign", str(out), "--key", str(path)]) == 0
    assert command.main(verify) == 0
    assert "version 0.2.0 for pico, counter 7, from counter 3 on" in capsys.readouterr().out
    parts = pack.take_apart(out.read_bytes())
    assert {"firmware/pico/main.mpy", "firmware/reader/reader.mpy", "firmware/reader/update.mpy"} <= set(parts.files)
    assert b"muster-0.2.0" in parts.files["firmware/pico/version.mpy"]
    assert not [name for name in parts.files if not name.endswith(".mpy")]
    print(f"\na Pico's pack: {len(out.read_bytes())} B, {len(parts.files)} files, manifest {len(parts.text)} B")
    assert len(out.read_bytes()) < release.PICO_BYTES


def test_a_pi_s_release_holds_its_sources(tmp_path, key_file):
    path, trusted = key_file
    out = make(tmp_path, "pi")
    assert command.main(["sign", str(out), "--key", str(path)]) == 0
    assert command.main(["verify", str(out), "--settings", str(trusted)]) == 0
    parts = pack.take_apart(out.read_bytes())
    assert {"muster.py", "firmware/pi/main.py", "firmware/pi/words/en.toml", "firmware/contract/topics.py"} <= set(
        parts.files
    )
    assert b"pi-0.2.0" in parts.files["firmware/pi/version.py"]
    assert not [name for name in parts.files if name.startswith(("server", "firmware/pico"))]


def test_another_s_key_vouches_for_nothing(tmp_path, key_file, capsys):
    (tmp_path / "x.pack").write_bytes(made.signed(2))
    assert command.main(["verify", str(tmp_path / "x.pack"), "--settings", str(key_file[1])]) == 1
    capsys.readouterr()
    (tmp_path / "none.json").write_text("{}")
    assert command.main(["verify", str(tmp_path / "x.pack"), "--settings", str(tmp_path / "none.json")]) == 1


def test_no_flipped_bit_no_cut_and_no_addition_is_taken_for_the_release():
    good, keys = made.signed(2), [made.key()]
    assert pack.verify(good, keys).manifest.counter == 2
    chosen = random.Random(6)
    body = len(good) - release.size(pack.take_apart(good).manifest)
    places = [*range(body * 8), *(chosen.randrange(body * 8, len(good) * 8) for _ in range(500))]
    for place in places:
        spoiled = bytearray(good)
        spoiled[place // 8] ^= 1 << place % 8
        with pytest.raises(pack.ReleaseError):
            pack.verify(bytes(spoiled), keys)
    for cut in (0, 7, 8, 100, body - 1, body, len(good) - 1):
        with pytest.raises(pack.ReleaseError):
            pack.verify(good[:cut], keys)
    with pytest.raises(pack.ReleaseError):
        pack.verify(good + b"x", keys)


def test_a_signature_that_is_no_number_below_the_modulus_is_none():
    text, signature = (parts := pack.take_apart(made.signed(2))).text, parts.signature
    n = made.key().n
    assert release.signed(text, signature, 1, [ReleaseKey(1, n)])
    assert not release.signed(text, signature, 2, [ReleaseKey(1, n)])
    for wrong in (bytes(384), b"\xff" * 384, signature[:-1], signature + b"\0", b""):
        assert not release.signed(text, wrong, 1, [ReleaseKey(1, n)])
    over = int.from_bytes(signature, "big") + n
    if over < 1 << 3072:
        assert not release.signed(text, over.to_bytes(384, "big"), 1, [ReleaseKey(1, n)])


LINE = "0" * 64 + " 3 firmware/a.mpy"


def manifest(*files, **fields):
    said = {"board": "pico", "version": "0.2", "counter": 7, "minimum": 0, "built": 1, "key": 1, "files": len(files)}
    said.update(fields)
    return "\n".join(["muster-release 1", *(f"{name} {value}" for name, value in said.items()), *files, ""]).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        manifest(LINE).replace(b"release 1", b"release 2"),
        manifest(LINE)[:-1],
        manifest(LINE) + b"\n",
        manifest(LINE, files=2),
        manifest(files=0),
        manifest(LINE, board="toaster"),
        manifest(LINE, version=""),
        manifest(LINE, counter=0),
        manifest(LINE, counter="07"),
        manifest(LINE, counter="-1"),
        manifest(LINE, counter=10**9 + 1),
        manifest(LINE, minimum=8),
        manifest(LINE, key=0),
        manifest(LINE, key=256),
        manifest(LINE, LINE),
        manifest(LINE.replace("firmware", "..")),
        manifest(LINE.replace("firmware", "")),
        manifest(LINE.replace("a.mpy", ".")),
        manifest(LINE.replace("a.mpy", "a\\b")),
        manifest(LINE.replace("0" * 64, "G" * 64)),
        manifest(LINE.replace(" 3 ", " 3.0 ")),
        manifest(LINE.replace(" 3 ", "  ")),
        manifest(LINE).replace(b"0.2", b"0\xff2"),
        manifest(*(LINE.replace("a.mpy", f"{n:04}.mpy") for n in range(200))),
    ],
)
def test_a_manifest_that_is_not_one_is_refused(text):
    with pytest.raises(Malformed):
        release.read(text)


def test_what_no_reader_would_take_cannot_be_packed():
    with pytest.raises(Misuse):
        release.write("pico", "0.2", 7, 0, 1, 1, [("../firmware/a.mpy", b"x")])
    assert release.read(manifest(LINE)).entries[0].name == "firmware/a.mpy"


@pytest.mark.parametrize("version", ["", "0|2", "a b", '0.2"', "\u00e9", "1" * 33])
def test_a_version_that_no_hello_can_say_is_not_made(tmp_path, capsys, version):
    out = tmp_path / "x.pack"
    assert command.main(["make", "--board", "pi", "--version", version, "--counter", "7", "--out", str(out)]) == 1
    assert "0.2.0" in capsys.readouterr().err and not out.exists()


@pytest.mark.needs("micropython")
def test_micropython_verifies_the_same(micropython, tmp_path):
    parts = pack.take_apart(made.signed(2))
    for name, data in (("text", parts.text), ("signature", parts.signature), ("n", f"{made.key().n:x}".encode())):
        (tmp_path / name).write_bytes(data)
    code = (
        "import sys, time\n"
        "from collections import namedtuple\n"
        "from firmware.contract import release\n"
        "text, signature, n = [open(sys.argv[1] + '/' + name, 'rb').read() for name in ('text', 'signature', 'n')]\n"
        "key = namedtuple('Key', ('id', 'n'))(1, int(n.decode(), 16))\n"
        "began = time.ticks_us()\n"
        "assert release.signed(text, signature, 1, [key])\n"
        "print(time.ticks_diff(time.ticks_us(), began))\n"
        "assert not release.signed(text + b' ', signature, 1, [key])\n"
        "assert not release.signed(text, signature[:-1] + b'\\x00', 1, [key])\n"
        "assert release.read(text).counter == 2\n"
    )
    script = tmp_path / "verify.py"
    script.write_text(code)
    took_us = int(micropython.run(script, str(tmp_path)).stdout)
    assert took_us > 0
    print(f"\nRSA-3072 on {sys.platform}'s MicroPython: {took_us} us")
