"""Errors of provisioning: stable codes, and texts that say what to do next."""

from __future__ import annotations


class ProvisionError(Exception):
    """Base of the tree. `code` is stable; the text is for the technician."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class PortLost(ProvisionError):
    """The board is not there any more: unplugged, or it restarts. What was begun can be done again."""

    def __init__(self, why: str) -> None:
        super().__init__("port-lost", f"the board is not there any more ({why}): plug it in again")


class BoardSilent(ProvisionError):
    """The board is there and does not answer as MicroPython does."""

    def __init__(self, text: str) -> None:
        super().__init__("board-silent", text)


class BoardFailed(ProvisionError):
    """What was asked of the board raised an exception there; `text` ends with its last line."""

    def __init__(self, traceback: str) -> None:
        self.traceback = traceback
        lines = traceback.strip().splitlines()
        super().__init__("board-failed", f"the board said: {lines[-1] if lines else 'nothing'}")
