"""The Pico's journal and roster shelf on real MicroPython: the same cuts as on CPython, real littlefs, and its needs."""

import pytest

pytestmark = pytest.mark.needs("micropython")
#: the rig holds copies of whole flashes: its heap is no board's
RIG_HEAP = "32M"


@pytest.fixture
def scripts(repo):
    return repo / "tests" / "firmware" / "pico" / "scripts"


@pytest.mark.parametrize("how", ["none", "half", "tail", "bits", "whole"])
def test_the_ring_loses_no_record_on_real_micropython_either(micropython, scripts, how):
    done = micropython.run(scripts / "ring_cuts.py", how, heapsize=RIG_HEAP)
    assert int(done.stdout.split()[0]) > 60


def test_the_ring_survives_a_second_cut_during_recovery_on_real_micropython(micropython, scripts):
    done = micropython.run(scripts / "ring_cuts.py", "half,bits", "9", heapsize=RIG_HEAP)
    assert int(done.stdout.split()[0]) > 50


@pytest.mark.parametrize("how", ["none", "half", "tail", "bits", "whole"])
def test_a_roster_half_written_by_a_power_cut_is_never_loaded(micropython, scripts, how):
    done = micropython.run(scripts / "shelf_cuts.py", "Shelf", how, timeout_s=110, heapsize=RIG_HEAP)
    assert int(done.stdout.split()[0]) > 20


@pytest.mark.parametrize("saboteur", ["InPlace", "Believes"])
def test_the_power_cuts_catch_a_shelf_that_writes_carelessly(micropython, scripts, saboteur):
    done = micropython.run(
        scripts / "shelf_cuts.py", saboteur, "half,bits", timeout_s=110, check=False, heapsize=RIG_HEAP
    )
    assert done.returncode == 1
    assert "AssertionError" in done.stdout or "Malformed" in done.stdout


def test_a_full_journal_of_the_pico_s_size_opens_whole_and_in_little_memory(
    micropython, scripts, repo, tmp_path, monkeypatch, record_property
):
    monkeypatch.setenv("MUSTER_FLASH", str(tmp_path / "flash.img"))
    done = micropython.run(scripts / "ring_full.py", heapsize="300K", path=[repo / "simulator" / "unixport"])
    kept, boots, recovery_ms, heap, read_ms = map(int, done.stdout.split())
    print(f"{kept} swipes of {boots} boots; opened in {recovery_ms} ms with {heap} B of heap; read in {read_ms} ms")
    record_property("recovery_ms", recovery_ms)
    assert kept >= 5000
    assert heap < 20_000
