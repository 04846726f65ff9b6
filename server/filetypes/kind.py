"""The kinds of file that are taken, and what makes a file unfit."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file. endings: what its name may end in, the usual one first."""

    words: str
    #: as it is handed out
    media_type: str
    endings: tuple[str, ...]
    #: how its content begins; empty: it has no mark
    begins: tuple[bytes, ...] = ()
    #: what a list of signatures may call it
    media_types: tuple[str, ...] = ()


PDF = Kind(
    words="a PDF",
    media_type="application/pdf",
    endings=(".pdf",),
    begins=(b"%PDF-1.", b"%PDF-2."),
    media_types=("application/pdf",),
)
PNG = Kind(
    words="a PNG picture",
    media_type="image/png",
    endings=(".png",),
    begins=(b"\x89PNG\r\n\x1a\n",),
    media_types=("image/png",),
)
JPEG = Kind(
    words="a JPEG picture",
    media_type="image/jpeg",
    endings=(".jpg", ".jpeg", ".jpe", ".jfif"),
    begins=(b"\xff\xd8\xff",),
    media_types=("image/jpeg",),
)
WEBP = Kind(
    words="a WebP picture",
    media_type="image/webp",
    endings=(".webp",),
    begins=(b"RIFF",),
    media_types=("image/webp",),
)
DOCX = Kind(
    words="a Word document",
    media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    endings=(".docx",),
    begins=(b"PK\x03\x04",),
    # A list of signatures knows no more of its beginning than that it is a ZIP archive.
    media_types=(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/zip",
    ),
)
TEXT = Kind(words="plain text", media_type="text/plain; charset=utf-8", endings=(".txt",))
KINDS = (PDF, PNG, JPEG, WEBP, DOCX)


class Unfit(Exception):
    """A file of a kind that is taken, but not like this. The text follows the file's name."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


#: what a browser or a server could take for code or a page
_MARKUP = re.compile(
    rb"<\s*(!doctype|html|head|body|script|svg|iframe|object|embed|math|meta|link|style|\?xml|\?php|%)", re.IGNORECASE
)


def looks_like_markup(content: bytes) -> bool:
    """Whether there is a tag in it that begins a page, a drawing or a script; in UTF-16 too."""
    return any(_MARKUP.search(one) is not None for one in (content, content.replace(b"\0", b"")))


def damaged(what: str) -> Unfit:
    """It ends too soon, or does not hold together."""
    return Unfit("file-unsafe", f"is damaged or not a whole {what}: save it again and attach that")


def two_kinds(what: str) -> Unfit:
    """Something else stands in it or behind its end."""
    return Unfit("file-disguised", f"holds something else besides the {what}: save it again, and attach only that")
