"""What an attached file is, by its content; and what it may be called. Names and what a browser says are not believed.

Taken are PDF, PNG, JPEG, WebP, plain text and DOCX without macros. Each is looked through to its end: a file that is
two kinds at once (a polyglot) is refused, and so is one that is called another kind than it is.
"""

from __future__ import annotations

from pathlib import Path

import puremagic

from server.errors import StoreError
from server.filetypes import documents, names, pictures
from server.filetypes.kind import DOCX, JPEG, KINDS, PDF, PNG, TEXT, WEBP, Kind, Unfit, looks_like_markup

#: how much of the beginning is looked at to tell the kind
HEAD = 4096
TAKEN = "a PDF, a PNG, JPEG or WebP picture, a plain text file (.txt) or a Word document (.docx) without macros"

_LOOK = {
    PDF: documents.pdf,
    PNG: pictures.png,
    JPEG: pictures.jpeg,
    WEBP: pictures.webp,
    DOCX: documents.docx,
    TEXT: documents.text,
}


def judge(path: Path, file_name: str) -> Kind:
    """The kind of the file at `path`, which its sender calls `file_name`.

    Raises StoreError(`file-empty`, `file-type`, `file-disguised`, `file-unsafe`), each saying what to do.
    """
    shown = names.clean(file_name)
    with path.open("rb") as file:
        head = file.read(HEAD)
        if not head:
            raise StoreError("file-empty", f"{shown} is empty: choose the file again")
        kind = _kind(head)
        called = names.ending(shown)
        if kind is None:
            raise StoreError("file-type", f"{shown} is {_really(head)}, which is not taken: attach {TAKEN}")
        if called and called not in kind.endings:
            raise StoreError(
                "file-disguised",
                f"{shown} is called {called} and is {kind.words}: give it its own ending, or attach another file",
            )
        try:
            _LOOK[kind](file)
        except Unfit as error:
            raise StoreError(error.code, f"{shown} {error}") from error
    return kind


def _kind(head: bytes) -> Kind | None:
    """What the beginning says; None: nothing that is taken."""
    if looks_like_markup(head[:1024]):
        return None
    for kind in KINDS:
        if any(head.startswith(mark) for mark in kind.begins) and _agrees(kind, head):
            return kind
    if documents.is_text(head, cut=len(head) == HEAD):
        return TEXT
    return None


def _agrees(kind: Kind, head: bytes) -> bool:
    """Whether the list of signatures finds this kind too."""
    return any(found in kind.media_types for _, found in _signatures(head))


def _signatures(head: bytes) -> list[tuple[str, str]]:
    """(words, media type) by puremagic, the likeliest first."""
    try:
        return [(found.name, found.mime_type) for found in puremagic.magic_string(head)]
    except (puremagic.PureError, ValueError):
        return []


def _really(head: bytes) -> str:
    """For people: what the file seems to be."""
    if looks_like_markup(head[:1024]):
        return "a web page or a drawing with code (HTML, SVG, XML)"
    found = next((words for words, _ in _signatures(head) if words), "")
    return f"probably: {found}" if found else "of an unknown kind"


__all__ = ["HEAD", "TAKEN", "Kind", "judge", "names"]
