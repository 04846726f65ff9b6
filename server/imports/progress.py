"""How far a long import is: a line on standard error for a person, nothing for a program."""

from __future__ import annotations

from typing import TextIO


class Progress:
    """Says what is being done, and how much of it. Written over on a terminal, a line each elsewhere."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._over = stream is not None and stream.isatty()
        self._last = ""

    def step(self, what: str, done: int = 0, total: int = 0) -> None:
        """Say it; done and total where there is something to count."""
        if self._stream is None:
            return
        text = f"{what} {done * 100 // total:3} %" if total else what
        if text == self._last:
            return
        self._last = text
        self._stream.write(f"\r\x1b[K{text}" if self._over else f"{text}\n")
        self._stream.flush()

    def end(self) -> None:
        """Leave a clean line."""
        if self._stream is not None and self._over and self._last:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
