"""What goes on a board: what the board imports, compiled, and nothing else."""

import hashlib

import pytest

import muster
from firmware.contract import release
from firmware.provision import bundle
from firmware.provision.errors import ProvisionError


def test_a_board_gets_the_release_in_a_slot_and_beside_it_what_chooses_the_slot():
    files = bundle.layout()
    paths = [one.path for one in files]
    assert paths[-2:] == ["slot.a", "main.py"] and len(paths) == len(set(paths))
    assert {"firmware/__init__.mpy", "firmware/pico/slots.mpy", "still.mpy", "selftest.mpy"} <= set(paths)
    assert "firmware/pico/main.mpy" not in paths, "the program stands in the slot alone"
    assert all(one.sha256 == hashlib.sha256(one.data).hexdigest() for one in files)
    assert all(one.data[:2] == b"M\x06" for one in files[:-2]), ".mpy of version 6"


def test_the_release_is_what_the_board_imports_and_every_file_as_its_manifest_says():
    slot = next(one for one in bundle.layout() if one.path == "slot.a")
    manifest, signature = release.lengths(slot.data)
    body = release.PACK_BYTES + manifest + signature
    said = release.read(slot.data[release.PACK_BYTES : body - signature])
    assert (said.board, said.counter, signature) == ("pico", 1, 0)
    names = [one.name for one in said.entries]
    for wanted in ("firmware/__init__.mpy", "firmware/pico/main.mpy", "firmware/contract/statement.mpy",
                   "firmware/codecs/pn532.mpy", "firmware/reader/reader.mpy"):  # fmt: skip
        assert wanted in names, wanted
    assert [name for name in names if "/pi/" in name or "provision" in name or "kiosk" in name] == []
    for one in said.entries:
        data = slot.data[body + one.offset : body + one.offset + one.size]
        assert hashlib.sha256(data).digest() == one.sha256, one.name
    assert len(slot.data) == body + release.size(said)


def test_all_of_it_and_a_second_slot_beside_it_fit_the_boards_file_system(files_bytes):
    # littlefs takes blocks of 4 KB for a file, and two for a folder; settings, state and two rosters of 8 KB want some.
    files = bundle.layout()
    folders = {path.rpartition("/")[0] for path in (one.path for one in files) if "/" in path}
    blocks = sum(-(-len(one.data) // 4096) for one in files) + 2 * (1 + len(folders)) + 2 + 4
    assert blocks * 4096 + release.PICO_BYTES < files_bytes


def test_a_file_that_cannot_be_compiled_is_named(tmp_path):
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware" / "__init__.py").write_text("match 1:\n    case _:\n        pass\n")
    with pytest.raises(ProvisionError) as refused:
        bundle.build(tmp_path, ("firmware",))
    assert refused.value.code == "mpy-cross-failed" and "__init__.py" in str(refused.value)


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["--token", "T"], 2, "usage"),
        (["--token", "#", "--store", "https://s"], 2, "usage"),
        (["--token", "T", "--store", "https://s"], 2, "usage"),
        (["--token", "T", "--store", "https://s", "--wifi", "x", "--unattended"], 2, "usage"),
        (
            ["--token", "T", "--store", "https://s", "--wifi", "x", "--wifi-password-file", "none"],
            1,
            "wifi-password-file",
        ),
        (["--token", "T", "--store", "https://s", "--wifi", "x", "--wifi-password-file", "short"], 1, "wifi"),
        (["--wifi", "x" * 33, "--wifi-password-file", "open"], 1, "wifi"),
        (["--wifi", "x" * 32, "--wifi-password-file", "open"], 1, "board-none"),
        (["--token", "-", "--store", "https://s", "--no-wifi"], 2, "usage"),
        (["--token", "T", "--store", "https://s", "--no-wifi"], 1, "board-none"),
    ],
)
def test_what_is_missing_on_the_command_line_is_said(words, status, code, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [])
    monkeypatch.setattr("getpass.getpass", nobody)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short").write_text("1234567\n")
    (tmp_path / "open").write_text("\n")
    assert muster.main(["provision", *words]) == status
    assert f"[{code}]" in capsys.readouterr().err


def nobody(question):
    """No terminal, and nothing more to read."""
    raise EOFError
