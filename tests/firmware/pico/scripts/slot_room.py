"""Whether everything fits a board's file system: MicroPython, real littlefs of the board's size on emulated flash.

slot_room.py FOLDER: FOLDER has files/ (the program in single files, as provisioning copies it), 2.pack, 3.pack and n (the
release key's modulus, hex). Prints the free KB: beside two releases, what chooses between them and three rosters of 2,000
cards; and beside the program in single files, which leaves no room for an update: it is refused, and nothing is harmed.
"""

import os
import sys

import vfs

from firmware.pico import slots
from firmware.pico.board import FILES_BYTES
from firmware.reader import releases
from firmware.reader.settings import ReleaseKey
from firmware.reader.update import Updates
from simulator.unixport.nor import Nor
from tests.firmware.pico.scripts.slot_pieces import pieces

FOLDER = sys.argv[1] + "/"
ROSTER_BYTES = 17_000  # 2,000 tokens


def read(name):
    with open(name, "rb") as file:
        return file.read()


def write(name, data):
    with open(name, "wb") as file:
        file.write(data)


def copy(source, target):
    for entry in os.ilistdir(source):
        if entry[1] & 0x4000:
            os.mkdir(target + "/" + entry[0])
            copy(source + "/" + entry[0], target + "/" + entry[0])
        else:
            write(target + "/" + entry[0], read(source + "/" + entry[0]))


def free():
    said = os.statvfs("/x")
    return said[0] * said[3] // 1024


def take(pack):
    updates = Updates("/x/", KEYS)
    for piece in pieces(pack, 1024):
        updates.take(piece)
        while updates.step(0):
            pass
    return updates


def board():
    nor = Nor(bytearray(b"\xff" * FILES_BYTES), FILES_BYTES)
    vfs.VfsLfs2.mkfs(nor, progsize=256)
    vfs.mount(vfs.VfsLfs2(nor, progsize=256), "/x")
    write("/x/settings.json", bytes(3000))
    for name in ("roster.now", "roster.before"):
        write("/x/" + name, bytes(ROSTER_BYTES))


KEYS = (ReleaseKey(1, int(read(FOLDER + "n").decode(), 16)),)

board()
for name in slots.KEPT:
    at = "/x"
    for part in name.split("/")[:-1]:
        at += "/" + part
        try:
            os.mkdir(at)
        except OSError:
            pass
    write("/x/" + name, read(FOLDER + "files/" + name))
write("/x/slot.a", read(FOLDER + "2.pack"))
updates = take(read(FOLDER + "3.pack"))
assert updates.refused is None and updates.restart, updates.refused
assert releases.choose("/x/")[1]
write("/x/roster.writing", bytes(ROSTER_BYTES))
packed = free()
vfs.umount("/x")

board()
copy(FOLDER + "files", "/x")
updates = take(read(FOLDER + "3.pack"))
assert updates.refused == "update-flash" and not updates.restart
assert releases.choose("/x/") == (None, False)
before = free()
# Where there was room, what provisioning copied goes at the first confirmed release, but for what chooses.
sys.path.insert(0, slots.MOUNTED)
slots.tidy("/x/")
kept = []


def walk(name):
    for entry in os.ilistdir("/x/" + name):
        if entry[1] & 0x4000:
            walk(name + "/" + entry[0])
        else:
            kept.append(name + "/" + entry[0])


walk("firmware")
assert sorted(kept) == sorted(slots.KEPT), kept
print(packed, before, free())
