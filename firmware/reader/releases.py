"""Two slots for two releases: which one runs, which one is on trial, and below which counter nothing goes.

A release that has arrived is on trial: at each start one of its tries is used up before it runs, and where it has not
confirmed itself within them, the one before runs again (update.py says when it confirms). Whatever happens, a slot that is
not whole never runs, and the slot that runs is never written.

What stands in `slots.json` is replaced in one piece: it is written beside and renamed, so every power cut leaves the old
words or the new ones.
"""

import json
import os
from binascii import crc32

from firmware.reader.pack import whole

SLOTS = ("a", "b")
TRIES = 3
STATE = "slots.json"


def nothing(file) -> None:
    """littlefs makes a file durable when it is closed, and a name when it is given."""


class State:
    """active: the slot that was confirmed last. trial: the slot on trial, or None; tries: how many starts it has left.

    counter: the highest that was confirmed. trial_counter: that of the slot on trial; failed: that of the last one that
    did not confirm itself, 0 if none. sync(file): makes an open file durable, or with None the folder's names.
    """

    def __init__(self, folder: str, sync=nothing):
        self._path = folder + STATE
        self._sync = sync
        self.active = "a"
        self.trial = None
        self.tries = 0
        self.counter = 0
        self.trial_counter = 0
        self.failed = 0
        try:
            with open(self._path) as file:
                crc, _, text = file.read().partition(" ")
            if crc == _crc(text):
                said = json.loads(text)
                self.active, self.trial, self.tries = said["active"], said["trial"], said["tries"]
                self.counter, self.trial_counter, self.failed = said["counter"], said["trial_counter"], said["failed"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # as it was provisioned: slot A, and no update yet

    def keep(self) -> None:
        """Write it down. Raises OSError: then what stood there holds."""
        said = {"active": self.active, "trial": self.trial, "tries": self.tries, "counter": self.counter}
        said["trial_counter"] = self.trial_counter
        said["failed"] = self.failed
        text = json.dumps(said)
        beside = self._path + ".part"
        with open(beside, "w") as file:
            file.write(_crc(text) + " " + text)
            self._sync(file)
        os.rename(beside, self._path)
        self._sync(None)

    def gave_up(self) -> None:
        """The release on trial did not confirm itself: the one before runs again. Raises OSError."""
        self.failed = self.trial_counter
        self.trial = None
        self.tries = 0
        self.keep()

    def confirmed(self) -> None:
        """The release on trial is well: from now on it runs, and nothing below its counter. Raises OSError."""
        self.active = self.trial or self.active
        self.counter = max(self.counter, self.trial_counter)
        self.trial = None
        self.tries = 0
        self.keep()


def path(folder: str, slot: str) -> str:
    """Where a slot's pack stands."""
    return folder + "slot." + slot


def other(slot: str) -> str:
    """The slot that is not this one."""
    return SLOTS[1 - SLOTS.index(slot)]


def choose(folder: str, sync=nothing, installed: bool = True) -> tuple:
    """(the pack to run or None: what was installed, whether it is on trial). A try is used up, on flash, before it runs.

    installed: whether a program stands outside the slots. Then a release that did not confirm itself never runs again; else
    it does before nothing would.
    """
    state = State(folder, sync)
    if state.trial is not None:
        pack = whole(path(folder, state.trial)) if state.tries > 0 else None
        try:
            if pack is not None:
                state.tries -= 1
                state.keep()
                return pack, True
            state.gave_up()
        except OSError:
            # A try that cannot be counted is not given: the one before runs.
            state.failed = state.trial_counter
    last = None
    for slot in (state.active, other(state.active)):
        pack = whole(path(folder, slot))
        if pack is None:
            continue
        if pack.counter == state.failed:
            last = pack
            continue
        if slot != state.active:
            # What was confirmed has rotted. The next update must go over it, and not over what runs.
            state.active = slot
            try:
                state.keep()
            except OSError:
                pass
        return pack, False
    return (None if installed else last), False


def _crc(text):
    return "%08x" % crc32(text.encode())
