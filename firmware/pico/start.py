"""What `main.py` on the board calls, out of the release that runs: starts the reader."""

import os

from firmware.pico.board import Board
from firmware.pico.main import run


def main() -> None:
    """Returns only where restarting the board does."""
    board = Board()
    here = os.getcwd()
    board.folder = here if here.endswith("/") else here + "/"
    run(board)
