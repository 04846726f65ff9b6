"""Flash that takes no count of a try: the release before runs, and must not confirm the one on trial. MicroPython.

slot_refused.py FOLDER: FOLDER has old.pack, new.pack and n (the release key's modulus, hex). Prints, for each start, what
runs, whether it takes itself for the one on trial, and what it judges after its minute.
"""

import os
import sys

import vfs

from firmware.reader.settings import ReleaseKey
from firmware.reader.update import CONFIRM_AFTER_MS, Updates
from simulator.unixport.nor import BLOCK, Nor
from tests.firmware.pico.scripts.slot_pieces import pieces

FOLDER = sys.argv[1] + "/"


class Machine:
    """What starting needs of the board's module."""

    class Timer:
        ONE_SHOT = 0

        def __init__(self, **options):
            pass

    @staticmethod
    def WDT(**options):
        pass


def read(name):
    with open(FOLDER + name, "rb") as file:
        return file.read()


def start(judged):
    """Power comes; what runs is asked. Then it is off again."""
    from firmware.pico import slots

    before = list(sys.path)
    version = slots.start("/x/", Machine, False)
    from firmware.pico.main import taking

    updates = taking("/x/", KEYS)
    said = [version, updates.on_trial, updates.judge(True, CONFIRM_AFTER_MS) if judged else "-"]
    for name in [name for name in sys.path if name not in before]:
        vfs.umount(name)
        sys.path.remove(name)
    for name in [name for name in sys.modules if name.startswith("firmware")]:
        del sys.modules[name]
    print(*said)


KEYS = (ReleaseKey(1, int(read("n").decode(), 16)),)
nor = Nor(bytearray(b"\xff" * 24 * BLOCK), 24 * BLOCK)
vfs.VfsLfs2.mkfs(nor, progsize=256)
vfs.mount(vfs.VfsLfs2(nor, progsize=256), "/x")
with open("/x/slot.a", "wb") as file:
    file.write(read("old.pack"))
arriving = Updates("/x/", KEYS)
for piece in pieces(read("new.pack"), 512):
    arriving.take(piece)
    while arriving.step(0):
        pass
assert arriving.restart, arriving.refused
start(False)
# A folder of that name: nothing can be written there, as where flash is worn out.
os.mkdir("/x/slots.json.part")
start(False)
start(True)
os.rmdir("/x/slots.json.part")
start(True)
start(True)
