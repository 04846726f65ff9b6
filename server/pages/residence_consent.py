"""The words a resident agrees to before a finger is enrolled: by version and language, with their digest (DDU-12)."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Text:
    """The consent in one language. digest: SHA-256 (hex) of its paragraphs joined by newlines."""

    version: str
    language: str
    name: str
    paragraphs: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Stands for these very words."""
        return hashlib.sha256("\n".join(self.paragraphs).encode()).hexdigest()


def _read() -> dict[str, Text]:
    with (Path(__file__).parent / "consent" / "finger.toml").open("rb") as file:
        found = tomllib.load(file)
    version = found.pop("version")
    return {
        language: Text(
            version=version,
            language=language,
            name=one["name"],
            paragraphs=tuple(line.strip() for line in one["text"].strip().splitlines()),
        )
        for language, one in found.items()
    }


#: language -> its words
TEXTS: Mapping[str, Text] = _read()
DEFAULT = "en"


def text(language: str) -> Text:
    """The words in this language, or in English."""
    return TEXTS.get(language, TEXTS[DEFAULT])
