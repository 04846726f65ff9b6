"""The words to which residents agree, by version and language; a consent keeps their version, language and digest."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from server.errors import NotFound

HERE = Path(__file__).parent
#: a language, and what those who speak it call it
NAMES = {"en": "English", "hi": "हिन्दी", "cy": "Cymraeg", "de": "Deutsch"}
LANGUAGES = tuple(NAMES)


@dataclass(frozen=True, kw_only=True)
class Text:
    """A version of the words in one language."""

    version: str
    language: str
    purpose: str
    #: paragraphs, a line each
    words: str

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The words as they are read."""
        return tuple(self.words.splitlines())

    @property
    def digest(self) -> str:
        """sha256 of the words, in hex: what a consent keeps."""
        return hashlib.sha256(self.words.encode()).hexdigest()


@cache
def every() -> Mapping[tuple[str, str], Text]:
    """(version, language) -> the text."""
    found = {}
    for path in sorted(HERE.glob("*.toml")):
        file = tomllib.loads(path.read_text("utf-8"))
        for language, words in file["texts"].items():
            version = file["version"]
            found[version, language] = Text(
                version=version, language=language, purpose=file["purpose"], words=words.strip()
            )
    return found


def newest(language: str = "en") -> Text:
    """The words that are shown now, in this language; in English where there is none in it."""
    version = max(version for version, _ in every())
    return every().get((version, language)) or every()[version, "en"]


def text(version: str, language: str) -> Text:
    """The words that somebody agreed to. Raises NotFound(`consent-text`)."""
    found = every().get((version, language))
    if found is None:
        raise NotFound("consent-text", f"there is no consent text {version} in {language}")
    return found
