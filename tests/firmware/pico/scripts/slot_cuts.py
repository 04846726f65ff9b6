"""Power cuts at every program and erase of an update's life: real littlefs on emulated flash. MicroPython.

slot_cuts.py FOLDER confirm HOW[,HOW...] [N]   it arrives, is tried and confirmed; N: and again at every Nth operation of
                                               what is done after the first cut
slot_cuts.py FOLDER revert HOW[,HOW...] [N]    it arrives, is tried and never confirms itself

FOLDER has old.pack, new.pack and n (the release key's modulus, hex). At every cut the board boots the old or the new.
"""

import sys

import vfs

from firmware.reader import releases
from firmware.reader.settings import ReleaseKey
from firmware.reader.update import CONFIRM_AFTER_MS, Updates
from simulator.unixport.nor import BLOCK, Nor
from tests.firmware.pico.scripts.slot_pieces import pieces

SIZE = 24 * BLOCK
PIECE = 512
FOLDER = sys.argv[1] + "/"


def read(name):
    with open(FOLDER + name, "rb") as file:
        return file.read()


OLD, NEW = read("old.pack"), read("new.pack")
KEYS = (ReleaseKey(1, int(read("n").decode(), 16)),)


def boot(nor, work):
    """Mounts, chooses as the board does, and does `work(pack, on trial)`. What runs must be whole, and one of the two."""
    vfs.mount(vfs.VfsLfs2(nor, progsize=256), "/x")
    try:
        pack, trial = releases.choose("/x/")
        if nor.dead:
            raise OSError(5)
        assert pack is not None, "neither of the two boots"
        assert pack.version in ("old", "new") and pack.whole(), "what boots is not whole"
        return work(pack, trial)
    finally:
        try:
            vfs.umount("/x")
        except OSError:
            pass


def arrive(pack, trial):
    """The new one is taken, unless it is there already. Returns the version that runs."""
    updates = Updates("/x/", KEYS)
    if pack.version == "old" and not updates.on_trial:
        for piece in pieces(NEW, PIECE):
            updates.take(piece)
            while updates.step(0):
                pass
            if updates.refused == "update-flash":
                raise OSError(5)
    return pack.version


class Life:
    """Boots one after the other; knows what was promised."""

    def __init__(self, nor, confirms):
        self.nor = nor
        self.confirms = confirms
        self.confirmed = False
        self.gave_up = False

    def run(self):
        """Until the new one is confirmed, or given up. Raises OSError where the power fails."""
        for _ in range(8):
            boot(self.nor, self.turn)
            if self.confirmed or self.gave_up:
                return
        raise AssertionError("it came to no end")

    def turn(self, pack, trial):
        updates = Updates("/x/", KEYS)
        if updates.figures()["failed"] == 2:
            assert not self.confirms and pack.version == "old"
            self.gave_up = True
        elif pack.version == "new" and not trial:
            self.confirmed = True
        elif updates.on_trial:
            assert trial and pack.version == "new"
            if self.confirms:
                assert updates.judge(False, CONFIRM_AFTER_MS) is None
                assert updates.judge(True, CONFIRM_AFTER_MS - 1) is None
                judged = updates.judge(True, CONFIRM_AFTER_MS)
                if judged is None:
                    raise OSError(5)  # the flash took no more
                self.confirmed = True
        else:
            arrive(pack, trial)


def check(memory, life):
    """A boot after the cut: the old or the new, and the new where that was promised."""
    nor = Nor(memory, SIZE)
    version = boot(nor, lambda pack, trial: pack.version)
    assert not life.confirmed or version == "new", "the new one was confirmed, and the old one boots"
    assert not life.gave_up or version == "old", "the new one was given up, and boots"


def sweep(confirms, how, step):
    nor = Nor(bytearray(b"\xff" * SIZE), SIZE)
    vfs.VfsLfs2.mkfs(nor, progsize=256)
    vfs.mount(vfs.VfsLfs2(nor, progsize=256), "/x")
    # As after some updates: a release of before in the other slot, one that never arrived, and a roster.
    for name, data in (("slot.a", OLD), ("slot.b", OLD), ("slot.part", NEW[:1500]), ("roster.now", bytes(3000))):
        with open("/x/" + name, "wb") as file:
            file.write(data)
    vfs.umount("/x")
    base = bytes(nor._memory)
    cut = cuts = 0
    while True:
        nor = Nor(bytearray(base), SIZE, cut, how, cut + 1)
        life = Life(nor, confirms)
        try:
            life.run()
        except OSError:
            assert nor.dead, "it failed although the flash was well"
        if not nor.dead:
            return cuts
        cuts += 1
        left = bytes(nor._memory)
        check(bytearray(left), life)
        after = Life(Nor(bytearray(left), SIZE), confirms)
        after.run()
        second = cut % step if step else -1
        while step:
            again = Nor(bytearray(left), SIZE, second, how, cut + second + 7)
            twice = Life(again, confirms)
            try:
                twice.run()
            except OSError:
                assert again.dead, "it failed although the flash was well"
            if not again.dead:
                break
            cuts += 1
            check(bytearray(again._memory), twice)
            Life(Nor(again._memory, SIZE), confirms).run()
            second += step
        cut += 1


if __name__ == "__main__":
    deep = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    print(sum([sweep(sys.argv[2] == "confirm", how, deep) for how in sys.argv[3].split(",")]), "cuts")
