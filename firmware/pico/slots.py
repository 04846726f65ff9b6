"""Before anything else on a Pico: the release that runs is put where `import` finds it (firmware/reader/releases.py chooses).

Called by the board's `main.py`. It stands beside the slots, as a plain file with the few that it imports: no update ever
replaces these.
"""

import os
import sys

import vfs

from firmware.reader.releases import State, choose

WATCHDOG_MS = 8000
#: a release on trial that neither confirms itself nor gives up within so long is ended
OVERDUE_MS = 900_000
#: where a release is mounted: one that was confirmed, and one on trial
MOUNTED, TRIED = "/slot", "/trial"
#: what `main.py` imports before a release runs
KEPT = (
    "firmware/__init__.mpy",
    "firmware/contract/__init__.mpy",
    "firmware/contract/errors.mpy",
    "firmware/contract/release.mpy",
    "firmware/pico/__init__.mpy",
    "firmware/pico/slots.mpy",
    "firmware/reader/__init__.mpy",
    "firmware/reader/pack.mpy",
    "firmware/reader/releases.mpy",
)


def start(folder: str, machine, installed: "bool | None" = None) -> "str | None":
    """Before anything else is imported: puts the chosen release where `import` finds it. Returns its version, or None
    where there is no slot and the program stands in plain files.

    installed: whether a program stands outside the slots; None: look for it in `folder`.
    machine: the board's module, for the watchdog. A release on trial runs under it from its first line on, and is ended
    after OVERDUE_MS even where it lives and its own judgement does not.
    """
    if MOUNTED in sys.path or TRIED in sys.path:
        return None  # once is enough
    if installed is None:
        try:
            installed = "main.mpy" in os.listdir(folder + "firmware/pico")
        except OSError:
            installed = False
    pack, on_trial = choose(folder, installed=installed)
    if pack is None:
        return None
    if on_trial:
        machine.WDT(timeout=WATCHDOG_MS)
        machine.Timer(mode=machine.Timer.ONE_SHOT, period=OVERDUE_MS, callback=lambda timer: _overdue(folder, machine))
    here = TRIED if on_trial else MOUNTED
    vfs.mount(pack, here)
    sys.path.insert(0, here)
    # What has been imported so far came from beside the slots: the release brings all of it again.
    for name in list(sys.modules):
        if name == "firmware" or name.startswith("firmware."):
            del sys.modules[name]
    return pack.version


def runs_the_trial() -> bool:
    """Whether what runs came from the slot on trial. Where flash took no count of a try it is the one before that runs:
    it must not confirm what it is not."""
    return TRIED in sys.path


def tidy(folder: str) -> None:
    """A release was confirmed: the program that provisioning copied makes room for the next one. What chooses stays."""
    if MOUNTED in sys.path or TRIED in sys.path:
        _tidy(folder, "firmware")


def _tidy(folder, name):
    try:
        entries = list(os.ilistdir(folder + name))
    except OSError:
        return
    for entry in entries:
        path = name + "/" + entry[0]
        if entry[1] & 0x4000:
            _tidy(folder, path)
        elif path not in KEPT:
            try:
                os.remove(folder + path)
            except OSError:
                pass  # it takes room, and does no harm
    try:
        os.rmdir(folder + name)
    except OSError:
        pass  # something of it stays


def _overdue(folder, machine):
    if State(folder).trial is not None:
        machine.reset()
