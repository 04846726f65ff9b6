"""The Pico's roster shelf on a file system of this machine: what it keeps, and what it hands out of what it finds.

Power cuts on real littlefs are in tests/dialect/test_pico_journal_on_micropython.py.
"""

import pytest

from firmware.contract import roster
from firmware.contract.decide import Window
from firmware.contract.mac import Key
from firmware.pico.shelf import BEFORE, NOW, PIECE, Shelf


def blob(version: int) -> bytes:
    tokens = [n.to_bytes(8, "big") for n in range(version, version + 700)]
    return roster.encode("a-101", Key(1, bytes(32)), version, 0, 1000, [(Window(1, 1000, 2000, 3000, 4000), tokens)])


OLD, NEW = blob(1), blob(2)


@pytest.fixture
def folder(tmp_path) -> str:
    return f"{tmp_path}/"


def put(folder: str, one: bytes) -> int:
    """Keep it, and let the shelf write. Returns in how many steps."""
    shelf = Shelf(folder)
    shelf.keep(one)
    steps = 0
    while shelf.step():
        steps += 1
    assert not shelf.waits
    assert shelf.faults == 0
    return steps


def test_what_was_kept_is_loaded_by_the_next_shelf_and_written_in_small_pieces(folder):
    assert Shelf(folder).load() is None
    for one in (OLD, NEW):
        assert put(folder, one) > len(one) // PIECE
        assert Shelf(folder).load() == one


@pytest.mark.parametrize("written", [0, 30, 500, len(NEW) - 21, len(NEW) - 1])
def test_a_half_written_roster_gives_way_to_the_one_before(folder, tmp_path, written):
    put(folder, OLD)
    put(folder, NEW)
    for rest in (b"", b"\xff" * (len(NEW) - written), bytes(len(NEW) - written)):
        (tmp_path / NOW).write_bytes(NEW[:written] + rest)
        if written < len(NEW) - 20:  # a MAC that rotted is the reader's to see: the shelf holds no key
            assert Shelf(folder).load() == OLD
        else:
            assert Shelf(folder).load() in (OLD, NEW[:written] + rest)
    (tmp_path / BEFORE).write_bytes(OLD[:written])
    (tmp_path / NOW).write_bytes(NEW[:100])
    assert Shelf(folder).load() is None


def test_a_roster_that_is_being_written_is_not_the_one_in_use(folder):
    put(folder, OLD)
    shelf = Shelf(folder)
    shelf.keep(NEW)
    while shelf.step():
        found = Shelf(folder).load()
        assert found == (OLD if shelf.waits else NEW)
    assert Shelf(folder).load() == NEW
