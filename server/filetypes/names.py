"""A file's name as its sender wrote it, made fit to be kept and handed out. It never becomes a path."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 100
_FORBIDDEN = re.compile(r'[<>:"|?*/\\]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def clean(name: str) -> str:
    """The name without folders, controls, marks that turn the text around, and what some systems forbid."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode()))[-1]
    visible = "".join(
        " " if sign.isspace() else sign for sign in last if sign.isspace() or unicodedata.category(sign)[0] != "C"
    )
    found = _FORBIDDEN.sub("_", " ".join(visible.split())).lstrip(". ").rstrip(". ")
    if not found:
        return "file"
    if _RESERVED.match(found):
        found = f"_{found}"
    if len(found) > LONGEST:
        tail = ending(found)
        found = found[: LONGEST - len(tail)].rstrip(". ") + tail
    return found


def ending(name: str) -> str:
    """`.pdf`, in small letters; '' where it has none."""
    stem, dot, last = name.rpartition(".")
    return f".{last.lower()}" if dot and stem and last.isalnum() and len(last) <= 10 else ""
