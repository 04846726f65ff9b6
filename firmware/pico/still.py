"""A board that holds still: while a technician's machine works on it, the release is importable and nothing runs.

Stands beside the slots as a plain file, as `slots` does. The reader's watchdog cannot be stopped once it runs, and would
restart the board in the middle of what provisioning does at the REPL: so that puts a file `hold` on the flash, restarts
the board, and takes it away at the end.
"""

import os
import time

from firmware.pico import slots
from firmware.reader.releases import State


class _Machine:
    """In place of the board's module: a release on trial gets no watchdog while a person looks after it."""

    class Timer:
        """Never rings."""

        ONE_SHOT = 0

        def __init__(self, **options):
            pass

    @staticmethod
    def WDT(**options) -> None:
        """None."""


def folder() -> str:
    """Where the board's files stand, with a slash at its end."""
    here = os.getcwd()
    return here if here.endswith("/") else here + "/"


def mount() -> None:
    """Make the release importable. Once is enough."""
    slots.start(folder(), _Machine)


def settle() -> None:
    """The release in slot A, which was put there over the cable, is the one that runs; the counter stays."""
    state = State(folder())
    if state.active != "a" or state.trial is not None:
        state.active = "a"
        state.trial = None
        state.tries = 0
        state.keep()


def wait() -> None:
    """Pulse red until Ctrl-C: a board that was unplugged meanwhile and hung on the wall must not look as if it worked."""
    mount()
    from firmware.pico.board import Board
    from firmware.reader.lights import IDLE_BROKEN, Lights

    board, lamp = Board(), Lights()
    lamp.idle(IDLE_BROKEN)
    print('{"event": "held"}')
    while True:
        board.rgb(lamp.rgb(board.uptime_ms()))
        time.sleep_ms(10)
