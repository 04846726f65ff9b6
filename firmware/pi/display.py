"""The display: a text console of 20 columns and 4 rows at a path (a serial terminal, a virtual console, a pseudo-terminal).

The words stand in a file for each language (words/en.toml): for each message of `firmware/reader/screens.py` up to four
lines. The whole screen is written at each change, and now and then, so that a display that had no power shows it too.
"""

import contextlib
import os
import termios
import tomllib
import unicodedata
from pathlib import Path

from firmware.reader.errors import SettingsError
from firmware.reader.screens import MESSAGES, Screen

COLUMNS, ROWS = 20, 4
WORDS = Path(__file__).parent / "words"
#: Cleared, and written from the upper left corner on.
HOME = "\x1b[2J\x1b[H"
REFRESH_MS = 10_000


def languages() -> list[str]:
    """The languages that there are words for."""
    return sorted(path.stem for path in WORDS.glob("*.toml"))


def words(language: str) -> dict[str, list[str]]:
    """Every message's lines. Raises SettingsError for a language that there is no whole file of."""
    path = WORDS / f"{language}.toml"
    if language not in languages():
        raise SettingsError(f"there are no words for the language {language!r}: {', '.join(languages())}")
    found: dict[str, list[str]] = tomllib.loads(path.read_text("utf-8"))["messages"]
    missing = sorted(set(MESSAGES) - set(found))
    if missing:
        raise SettingsError(f"{path.name} lacks the messages {', '.join(missing)}")
    return found


def width(line: str) -> int:
    """Columns that a line takes: marks above and below a letter take none, wide letters two."""
    shown = [char for char in line if unicodedata.category(char) not in ("Mn", "Me", "Cf")]
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in shown)


def rows(lines: list[str], parts: dict[str, str]) -> list[str]:
    """A message's rows with its parts filled in."""
    return [line.format(**parts) for line in lines]


class Display:
    """The console at `path`, in one language. A console that is away, or full, is written to again later."""

    def __init__(self, path: str, language: str) -> None:
        self._path = path
        self._words = words(language)
        self._handle = -1
        self._shown: list[str] | None = None
        self._at_ms = 0

    def show(self, screen: Screen, now_ms: int) -> list[str] | None:
        """Let it show this. Returns the rows where they are others than before, else None."""
        wanted = rows(self._words[screen.message], screen.parts)
        changed = wanted != self._shown
        if changed or now_ms - self._at_ms >= REFRESH_MS:
            self._at_ms = now_ms
            self._write((HOME + "\r\n".join(wanted)).encode())
        self._shown = wanted
        return wanted if changed else None

    def close(self) -> None:
        """Dark, and give it back."""
        self._write(HOME.encode())
        self._leave()

    def _write(self, data: bytes) -> None:
        try:
            if self._handle < 0:
                self._handle = os.open(self._path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            if os.write(self._handle, data) < len(data):
                self._at_ms -= REFRESH_MS  # it took a part: once more at the next look
        except (OSError, termios.error):
            self._leave()
            self._at_ms -= REFRESH_MS - 1000

    def _leave(self) -> None:
        if self._handle >= 0:
            with contextlib.suppress(OSError):
                os.close(self._handle)
            self._handle = -1
