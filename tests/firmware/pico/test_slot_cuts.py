"""Power cuts at every program and erase of an update, on real MicroPython with real littlefs: the old or the new boots."""

import ast

import pytest

from firmware.provision import bundle
from firmware.release import make
from simulator.unixport.nor import CUTS
from tests.firmware.pico import release_packs as made

pytestmark = pytest.mark.needs("micropython")
#: the rig holds copies of whole flashes: its heap is no board's
RIG_HEAP = "32M"


@pytest.fixture
def cuts(micropython, repo, tmp_path):
    """cuts("confirm" or "revert", hows, every Nth of the second cuts) -> how many were made."""
    (tmp_path / "old.pack").write_bytes(made.signed(1, version="old"))
    (tmp_path / "new.pack").write_bytes(made.signed(2, version="new"))
    (tmp_path / "n").write_text(f"{made.key().n:x}")
    script = repo / "tests" / "firmware" / "pico" / "scripts" / "slot_cuts.py"

    def run(life: str, *more: str) -> int:
        done = micropython.run(script, str(tmp_path), life, *more, heapsize=RIG_HEAP, timeout_s=110, check=False)
        assert done.returncode == 0, done.stdout[-500:]
        return int(done.stdout.split()[0])

    return run


@pytest.mark.parametrize("life", ["confirm", "revert"])
@pytest.mark.parametrize("how", CUTS)
def test_a_power_cut_at_any_operation_of_an_update_boots_the_old_or_the_new(cuts, life, how):
    assert cuts(life, how) > 20


@pytest.mark.parametrize("life", ["confirm", "revert"])
def test_a_second_cut_in_what_is_done_after_the_first_boots_one_of_them_too(cuts, life):
    assert cuts(life, "half,bits", "15") > 40


@pytest.mark.proof
@pytest.mark.parametrize("life", ["confirm", "revert"])
@pytest.mark.parametrize("how", CUTS)
def test_a_second_cut_at_every_operation_boots_one_of_them_too(cuts, life, how):
    assert cuts(life, how, "1") > 200


def test_two_releases_fit_a_board_with_the_longest_lists_and_beside_single_files_one_is_refused(
    micropython, repo, tmp_path, monkeypatch
):
    monkeypatch.setenv("MUSTER_FLASH", str(tmp_path / "flash.img"))
    for one in bundle.build():
        path = tmp_path / "files" / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.data)
    for counter in (2, 3):
        files = make.files("pico", f"0.{counter}", made.BUILT_S)
        (tmp_path / f"{counter}.pack").write_bytes(made.signed(counter, files=files))
    (tmp_path / "n").write_text(f"{made.key().n:x}")
    script = repo / "tests" / "firmware" / "pico" / "scripts" / "slot_room.py"
    path = [repo / "simulator" / "unixport"]
    done = micropython.run(script, str(tmp_path), heapsize=RIG_HEAP, path=path, timeout_s=110)
    packed, single, tidied = (int(one) for one in done.stdout.split())
    print(f"\nfree: two packs and a list {packed}, single files {single}, tidied {tidied}")
    assert packed > 0 and tidied > single


def test_where_flash_takes_no_count_of_a_try_the_one_that_runs_instead_confirms_nothing(micropython, repo, tmp_path):
    for name, counter in (("old", 1), ("new", 2)):
        pack = made.signed(counter, version=name, files=[("other/a.mpy", name.encode() * 500)])
        (tmp_path / f"{name}.pack").write_bytes(pack)
    (tmp_path / "n").write_text(f"{made.key().n:x}")
    script = repo / "tests" / "firmware" / "pico" / "scripts" / "slot_refused.py"
    path = [repo / "simulator" / "unixport"]
    done = micropython.run(script, str(tmp_path), heapsize=RIG_HEAP, path=path, timeout_s=60)
    assert done.stdout.splitlines() == [
        "new True -",
        "old False -",
        "old False None",
        "new True confirmed",
        "new False None",
    ]


def test_what_stays_beside_the_slots_is_what_choosing_imports(repo):
    tree = ast.parse((repo / "firmware" / "pico" / "slots.py").read_text())
    kept = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "KEPT"
    )
    wanted = bundle.modules(entries=("firmware.pico.slots",))
    assert list(kept) == [path.relative_to(repo).with_suffix(".mpy").as_posix() for path in wanted]
