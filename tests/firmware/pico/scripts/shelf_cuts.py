"""Power cuts at every program and erase while roster or settings are written: real littlefs on emulated flash. MicroPython.

shelf_cuts.py Shelf HOW[,HOW...]           a roster is put on the shelf, and the power fails
shelf_cuts.py Shelf HOW[,HOW...] deep N    and again at every Nth operation of the boot after, which puts the next
shelf_cuts.py Settings HOW[,HOW...]        a technician copies new settings over the old ones (as mpremote does)
shelf_cuts.py Settings HOW[,HOW...] deep N and again at every Nth operation of the copying after that
shelf_cuts.py SettingsHalf HOW             a saboteur of that: it commits what it has half-way
"""

import json
import os
import sys

import vfs

from firmware.contract import roster
from firmware.contract.decide import Window
from firmware.contract.mac import Key
from firmware.pico import shelf
from firmware.reader import settings
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


def empty():
    size = BLOCKS * BLOCK
    nor = Nor(bytearray(b"\xff" * size), size)
    vfs.VfsLfs2.mkfs(nor, progsize=256)
    return nor


def attempt(nor, work):
    """What `work` returns on the mounted flash; None where the power failed in it."""
    try:
        return mounted(nor, work)
    except OSError:
        assert nor.dead, "it failed although the flash was well"
        return None


def sweep(Shelf, how, deep=False, step=1):
    size = BLOCKS * BLOCK
    nor = empty()
    old, new, newest = blob_of(1000), blob_of(2000), blob_of(3000)
    mounted(nor, lambda: put(shelf.Shelf, old))
    base = bytes(nor._memory)
    cut = cuts = 0
    while True:
        nor = Nor(bytearray(base), size, cut, how, cut + 1)
        faults = attempt(nor, lambda: put(Shelf, new))
        left = bytes(nor._memory)
        found = mounted(Nor(nor._memory, size), lambda: Shelf("/x/").load())
        assert found in (old, new), (how, cut, "no whole roster on the shelf")
        if not nor.dead:
            assert found == new and not faults, "the new roster was not kept"
            return cuts
        cuts += 1
        second = cut % step
        while deep:
            again = Nor(bytearray(left), size, second, how, cut + second + 7)
            attempt(again, lambda: put(Shelf, newest))
            last = mounted(Nor(again._memory, size), lambda: Shelf("/x/").load())
            assert last in (found, newest), (how, cut, second, "no whole roster on the shelf after two cuts")
            if not again.dead:
                assert last == newest, "the newest roster was not kept"
                break
            third = Nor(again._memory, size)
            mounted(third, lambda: put(Shelf, newest))
            assert mounted(third, lambda: Shelf("/x/").load()) == newest, (how, cut, second, "third boot")
            cuts += 1
            second += step
        cut += step


def settings_of(reader):
    secret = "%064x" % (0x9E3779B97F4A7C15 * reader)
    text = {
        "v": 1,
        "site": "main",
        "reader": "a-%d" % reader,
        "key": {"id": 1, "secret": secret},
        "card_keys": [{"id": 1, "secret": secret}],
        "broker": {"host": "192.0.2.10", "port": 1883, "user": "a" * 200, "password": "p" * 200},
    }
    return json.dumps(text)


def copied(text):
    """As `mpremote cp` does it: opened over the old one, written in pieces, closed."""
    with open("/x/settings.json", "wb") as file:
        for at in range(0, len(text), 128):
            file.write(text[at : at + 128].encode())


def copied_carelessly(text):
    with open("/x/settings.json", "wb") as file:
        file.write(text[: len(text) // 2].encode())
        file.flush()
        file.write(text[len(text) // 2 :].encode())


def read_settings():
    with open("/x/settings.json") as file:
        return settings.parse(file.read()).reader


def sweep_settings(copy, how, deep=False, step=1):
    size = BLOCKS * BLOCK
    nor = empty()
    mounted(nor, lambda: copied(settings_of(1)))
    base = bytes(nor._memory)
    cut = cuts = 0
    while True:
        nor = Nor(bytearray(base), size, cut, how, cut + 1)
        attempt(nor, lambda: copy(settings_of(2)))
        left = bytes(nor._memory)
        found = mounted(Nor(nor._memory, size), read_settings)
        assert found in ("a-1", "a-2"), (how, cut)
        if not nor.dead:
            assert found == "a-2"
            return cuts
        cuts += 1
        # littlefs mends what a cut left at the first write after it, not at the mount.
        second = cut % step
        while deep:
            again = Nor(bytearray(left), size, second, how, cut + second + 7)
            attempt(again, lambda: copy(settings_of(3)))
            last = mounted(Nor(again._memory, size), read_settings)
            assert last in (found, "a-3"), (how, cut, second, "no whole settings after two cuts")
            if not again.dead:
                assert last == "a-3", (how, cut, "the newest settings were not kept")
                break
            third = Nor(again._memory, size)
            mounted(third, lambda: copied(settings_of(4)))
            assert mounted(third, read_settings) == "a-4", (how, cut, second, "third boot")
            cuts += 1
            second += step
        cut += 1


if __name__ == "__main__":
    hows = sys.argv[2].split(",")
    copies = {"Settings": copied, "SettingsHalf": copied_carelessly}
    shelves = {"Shelf": shelf.Shelf, "InPlace": InPlace, "Believes": Believes}
    deep, steps = len(sys.argv) > 3, int(sys.argv[4]) if len(sys.argv) > 4 else 1
    if sys.argv[1] in copies:
        print(sum([sweep_settings(copies[sys.argv[1]], how, deep, steps) for how in hows]), "cuts")
    else:
        print(sum([sweep(shelves[sys.argv[1]], how, deep, steps) for how in hows]), "cuts")
