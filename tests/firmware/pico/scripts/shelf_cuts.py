"""Power cuts at every program and erase while a roster is put on the shelf: real littlefs on emulated flash. MicroPython."""

import os
import sys

import vfs

from firmware.contract import roster
from firmware.contract.decide import Window
from firmware.contract.mac import Key
from firmware.pico import shelf
from simulator.unixport.nor import BLOCK, Nor

BLOCKS = 16
KEY = Key(1, b"k" * 32)


def blob_of(version):
    tokens = [(n * 2654435761 % (1 << 64)).to_bytes(8, "big") for n in range(version, version + 700)]
    return roster.encode("a-101", KEY, version, 0, 1, [(Window(1, 0, 0, 9000, 9000), tokens)])


class InPlace(shelf.Shelf):
    """A saboteur: writes over the file that is in use."""

    def _write(self, blob):
        with open(self._folder + shelf.NOW, "r+b") as file:
            for at in range(0, len(blob), shelf.PIECE):
                file.write(blob[at : at + shelf.PIECE])
                file.flush()
        self._blob = None


class Believes(shelf.Shelf):
    """A saboteur: renames first and writes then, and looks at no checksum."""

    def load(self):
        try:
            with open(self._folder + shelf.NOW, "rb") as file:
                return file.read()
        except OSError:
            return None

    def _write(self, blob):
        os.rename(self._folder + shelf.NOW, self._folder + shelf.BEFORE)
        with open(self._folder + shelf.NOW, "wb") as file:
            for at in range(0, len(blob), shelf.PIECE):
                file.write(blob[at : at + shelf.PIECE])
                file.flush()
        self._blob = None


def mounted(nor, work):
    vfs.mount(vfs.VfsLfs2(nor, progsize=256), "/x")
    try:
        return work()
    finally:
        try:
            vfs.umount("/x")
        except OSError:
            pass


def put(Shelf, blob):
    kept = Shelf("/x/")
    kept.keep(blob)
    while kept.step():
        pass
    return kept.faults


def sweep(Shelf, how):
    size = BLOCKS * BLOCK
    nor = Nor(bytearray(b"\xff" * size), size)
    vfs.VfsLfs2.mkfs(nor, progsize=256)
    old, new = blob_of(1000), blob_of(2000)
    mounted(nor, lambda: put(shelf.Shelf, old))
    base = bytes(nor._memory)
    cut = 0
    while True:
        nor = Nor(bytearray(base), size, cut, how, cut + 1)
        faults = 0
        try:
            faults = mounted(nor, lambda: put(Shelf, new))
        except OSError:
            assert nor.dead
        found = mounted(Nor(nor._memory, size), lambda: Shelf("/x/").load())
        assert found in (old, new), (how, cut, "no whole roster on the shelf")
        if not nor.dead:
            assert found == new and not faults, "the new roster was not kept"
            return cut
        cut += 1


if __name__ == "__main__":
    chosen = {"Shelf": shelf.Shelf, "InPlace": InPlace, "Believes": Believes}[sys.argv[1]]
    print(sum([sweep(chosen, how) for how in sys.argv[2].split(",")]), "cuts")
