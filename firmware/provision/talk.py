"""What passes between the program and the technician: sentences, questions, and what came of each step."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TextIO


@dataclass(frozen=True, kw_only=True)
class Found:
    """One step of the self-test. ok: None where nobody looked."""

    step: str
    ok: bool | None
    words: str


class Talk(Protocol):
    """A technician, or nobody."""

    def say(self, text: str) -> None:
        """One line."""

    def ask(self, question: str) -> bool | None:
        """Yes or no; None: nobody is there."""
        ...


class Terminal:
    """Somebody at a terminal. attended=False: a script, which answers nothing."""

    def __init__(self, *, attended: bool, out: TextIO | None = None, answer: Callable[[], str] = input) -> None:
        self._attended = attended
        self._out = out or sys.stdout
        self._answer = answer

    def say(self, text: str) -> None:
        """One line, at once."""
        print(text, file=self._out, flush=True)

    def ask(self, question: str) -> bool | None:
        """Asked again until the answer is one. The end of the input is nobody."""
        while self._attended:
            print(f"{question} [y/n] ", end="", file=self._out, flush=True)
            try:
                said = self._answer().strip().lower()
            except EOFError:
                return None
            if said[:1] in ("y", "n"):
                return said[0] == "y"
        return None
