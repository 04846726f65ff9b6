"""The Pi's roster shelf in a process that is to be killed, failed and cut off: `keeping N`, then `kept N`.

python roster_worker.py REPOSITORY FOLDER SABOTEUR
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from firmware.contract import roster
from firmware.contract.decide import Window
from firmware.contract.mac import Key
from firmware.pi.shelf import NEWEST, RosterShelf

folder, saboteur = Path(sys.argv[2]), sys.argv[3]


class InPlace(RosterShelf):
    """A saboteur: writes over the roster that is in use."""

    def keep(self, blob):
        (folder / NEWEST).write_bytes(blob)


def say(text):
    while True:
        try:
            os.write(1, (text + "\n").encode())
            return
        except OSError:  # the fault struck here, and not at the roster
            continue


shelf = InPlace(folder) if saboteur == "in-place" else RosterShelf(folder)
tokens = [n.to_bytes(8, "big") for n in range(2000)]
for version in range(1, 7):
    blob = roster.encode("a-101", Key(1, bytes(32)), version, 0, 1000, [(Window(1, 0, 0, 9, 9), tokens)])
    say(f"keeping {version}")
    shelf.keep(blob)
    say(f"error {shelf.alarms[0]}" if shelf.alarms else f"kept {version}")
say("done")
