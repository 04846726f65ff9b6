"""A board at the end of a cable (the real MicroPython unix port), a store that makes readers, and what makes one of both."""

import itertools
import re

import pytest

from firmware.provision.board import Board
from firmware.provision.making import Making, Wanted
from firmware.provision.port import wait
from firmware.provision.repl import Repl
from simulator.cable import Cable
from simulator.unixport import runner
from tests.firmware.provision.provision_world import SMALL, Quietly, Readers


@pytest.fixture(scope="session")
def built(tmp_path_factory, need):
    """The unix port's stand-ins for a board's modules, compiled."""
    need("micropython")
    return runner.build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="session")
def files_bytes(repo):
    """The files' part of a Pico's flash, bytes."""
    text = (repo / "firmware" / "pico" / "board.py").read_text()
    return int(eval(re.search(r"^FILES_BYTES = ([0-9 *]+)$", text, re.MULTILINE)[1]))


@pytest.fixture
def cables(built, files_bytes, tmp_path):
    """`cables()` is a blank board that is plugged in; all are unplugged after."""
    made, numbers = [], itertools.count()

    def new(**more):
        number = next(numbers)
        cable = Cable(
            built=built,
            flash=tmp_path / f"flash-{number}.img",
            port=tmp_path / f"ttyACM{number}",
            files_bytes=files_bytes,
            **more,
        )
        made.append(cable)
        cable.plug()
        return cable

    yield new
    for cable in made:
        cable.unplug()


@pytest.fixture
def readers():
    return Readers()


@pytest.fixture
def make(readers):
    """`make(cable)` provisions the board on it with the small firmware. again: a technician who plugs it in again."""

    def _make(cable, *, files=SMALL, token="T-1", again=True, talk=None, **wanted):
        def opened():
            if not cable.plugged:
                if not again:
                    raise KeyboardInterrupt
                cable.plug()
            return wait(str(cable.port), 10.0)

        wanted = {"wifi": None, "card": False} | wanted
        return Making(
            Wanted(token=token, **wanted), files, opened=opened, claim=readers.claim, talk=talk or Quietly()
        ).run()

    return _make


@pytest.fixture
def look():
    """`look(cable)` is what stands on the board: (path -> hash, settings)."""

    def _look(cable):
        if not cable.plugged:
            cable.plug()
        port = wait(str(cable.port), 10.0)
        try:
            repl = Repl(port)
            repl.enter()
            board = Board(repl)
            board.know()
            return board.files(), board.settings()
        finally:
            port.close()

    return _look
