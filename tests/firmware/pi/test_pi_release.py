"""Updates on a Pi: the same packs and slots as a Pico's, laid out in folders, and a symlink that says which one runs."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from firmware.pi import release as pi_release
from firmware.pi.main import main
from firmware.pi.wiring import Wiring
from firmware.reader.releases import State
from firmware.reader.update import Updates
from firmware.release import make, pack
from tests.firmware.pico import release_packs as made

MINUTE_MS = 60_000


def blob(counter: int, **more) -> bytes:
    files = [("muster.py", b"# %d" % counter), ("firmware/pi/words/en.toml", b"x" * 700), ("firmware/__init__.py", b"")]
    return made.signed(counter, board="pi", files=files, **more)


def full_disk(patch) -> None:
    real = Path.open

    def opened(self, mode="r", *args, **more):
        if "w" in mode and "run-" in str(self):
            raise OSError(errno.ENOSPC, "full")
        return real(self, mode, *args, **more)

    patch.setattr(Path, "open", opened)


class Pi:
    """The folder of a Pi's releases over its starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "releases"
        self.start()

    def start(self) -> tuple[str | None, bool]:
        """What systemd does before the reader, and the reader's own beginning."""
        chosen = pi_release.choose(self.folder)
        self.updates = Updates(f"{self.folder}/", (made.key(),), "pi", pi_release.synced(self.folder))
        return chosen

    def send(self, blob: bytes) -> str | None:
        for piece in made.pieces(blob, 1024):
            self.updates.take(piece)
            while self.updates.step(0):
                pass
        return self.updates.refused

    def runs(self) -> str | None:
        """What stands where Python looks first."""
        path = self.folder / "current" / "muster.py"
        return path.read_text() if path.exists() else None


@pytest.fixture
def pi(tmp_path):
    return Pi(tmp_path)


def test_what_was_installed_runs_until_a_release_was_taken_tried_and_confirmed(pi):
    assert pi.start() == (None, False)
    assert pi.runs() is None
    assert pi.send(blob(2)) is None
    assert pi.start() == ("0.2", True)
    assert pi.runs() == "# 2"
    assert pi.updates.judge(True, MINUTE_MS) == "confirmed"
    assert pi.send(blob(3)) is None
    assert pi.runs() == "# 2", "what runs was touched"
    assert pi.start() == ("0.3", True)
    assert pi.runs() == "# 3"


def test_a_release_that_does_not_confirm_itself_gives_way_to_what_was_installed(pi):
    pi.send(blob(2))
    assert [pi.start()[1] for _ in range(3)] == [True] * 3
    assert pi.start() == (None, False)
    assert pi.runs() is None
    assert pi.updates.figures()["failed"] == 2


def test_a_pico_s_release_and_an_unsigned_one_are_refused(pi):
    assert pi.send(made.signed(2)) == "update-board"
    assert pi.send(made.plain(2, board="pi")) == "update-unsigned"
    assert pi.send(blob(2, by=2)) == "update-unsigned"
    assert pi.start() == (None, False)


def test_a_laid_out_file_that_rotted_is_laid_out_anew_and_what_no_slot_holds_goes(pi):
    for counter in (2, 3, 4):
        pi.send(blob(counter))
        pi.start()
        pi.updates.judge(True, MINUTE_MS)
    pi.start()
    assert len(list(pi.folder.glob("run-*"))) <= 2
    (pi.folder / "current" / "muster.py").write_text("rotted")
    assert pi.start() == ("0.4", False)
    assert pi.runs() == "# 4"


@pytest.mark.parametrize("what", ["fsync", "replace", "symlink_to", "mkdir", "unlink", "rename"])
def test_a_start_that_is_cut_at_any_step_leaves_the_old_or_the_new_and_the_next_one_is_whole(
    pi, tmp_path, monkeypatch, what
):
    """As after a power cut, what was done before stays, and what was to come does not happen."""
    pi.send(blob(2))
    pi.start()
    pi.updates.judge(True, MINUTE_MS)
    pi.start()
    at = 0
    while True:
        folder = tmp_path / f"cut-{at}"
        subprocess.run(["cp", "-a", str(pi.folder.parent / "releases"), str(folder)], check=True)
        left = {"calls": at}
        where = os if what in ("fsync", "rename") else Path
        real = getattr(where, what)

        def fails(*args, left=left, real=real, **more):
            if left["calls"] <= 0:
                raise OSError(errno.EIO, "no power")
            left["calls"] -= 1
            return real(*args, **more)

        monkeypatch.setattr(where, what, fails)
        ended = False
        try:
            updates = Updates(f"{folder}/", (made.key(),), "pi", pi_release.synced(folder))
            for piece in made.pieces(blob(3), 1024):
                updates.take(piece)
                while updates.step(0):
                    pass
            if updates.refused is None:
                pi_release.choose(folder)
            ended = left["calls"] > 0
        except OSError:
            pass
        monkeypatch.setattr(where, what, real)
        if (folder / "current").exists():
            assert (folder / "current" / "muster.py").read_text() in ("# 2", "# 3")
        assert pi_release.choose(folder)[0] in ("0.2", "0.3")
        assert (folder / "current" / "muster.py").read_text() in ("# 2", "# 3")
        if ended:
            assert at > 0 or what in ("mkdir", "unlink")
            return
        at += 1


def test_a_release_that_a_full_disk_cannot_lay_out_is_not_confirmed_by_the_one_that_runs(pi, monkeypatch, capsys):
    pi.send(blob(2))
    pi.start()
    pi.updates.judge(True, MINUTE_MS)
    pi.send(blob(3))
    full_disk(monkeypatch)
    assert main(["choose", "--data", str(pi.folder.parent)]) == 0
    monkeypatch.undo()
    assert "left as they are" in capsys.readouterr().err and pi.runs() == "# 2"
    assert not list(pi.folder.glob("*.part")), "what lies half there keeps its room from the journal"
    assert pi.start() == ("0.2", False)
    assert pi.updates.judge(True, MINUTE_MS) is None
    assert (pi.updates.figures()["counter"], pi.updates.figures()["failed"]) == (2, 3)


def test_where_not_even_that_can_be_written_down_nothing_is_confirmed_either(pi, tmp_path, monkeypatch):
    pi.send(blob(2))
    with monkeypatch.context() as patch:
        full_disk(patch)
        patch.setattr(State, "gave_up", lambda self: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        assert main(["choose", "--data", str(tmp_path)]) == 0
    assert pi.runs() is None and not pi_release.runs_the_trial(pi.folder)
    key = made.key()
    #: of a wiring only what `updates` looks at
    wiring = cast("Wiring", SimpleNamespace(settings=SimpleNamespace(release=(key,)), data=tmp_path))
    updates = Wiring.updates(wiring)
    assert not updates.on_trial and updates.judge(True, MINUTE_MS) is None
    assert pi.start() == ("0.2", True) and pi_release.runs_the_trial(pi.folder)
    assert Wiring.updates(wiring).on_trial


def test_the_command_before_each_start_never_keeps_a_door_shut(tmp_path, capsys):
    assert main(["choose", "--data", str(tmp_path)]) == 0
    (tmp_path / "file").write_text("")
    assert main(["choose", "--data", str(tmp_path / "file")]) == 0
    assert "left as they are" in capsys.readouterr().err


def test_a_release_of_this_tree_runs_out_of_its_folder(tmp_path):
    pi = Pi(tmp_path)
    files = make.files("pi", "9.9.9", made.BUILT_S)
    made_of = pack.put_together(files, board="pi", version="9.9.9", counter=5, built_s=made.BUILT_S)
    assert pi.send(pack.sign(made_of, made.private(1))) is None
    assert pi.start() == ("9.9.9", True)
    code = "import firmware.pi.version as v, firmware.pi.main, muster; print(v.FIRMWARE, muster.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(pi.folder / "current")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    firmware, where = done.stdout.split()
    assert firmware == "pi-9.9.9"
    assert Path(where).is_relative_to(pi.folder)
