"""PDF, plain text and DOCX: looked through for what runs, reaches out, or is another file. Nothing in them is opened."""

from __future__ import annotations

import mmap
import re
import zipfile
import zlib
from typing import BinaryIO

from server.filetypes.kind import Unfit, damaged, looks_like_markup, two_kinds

# --- PDF -------------------------------------------------------------------------------------------------------------

_WORDS = (
    "JavaScript", "Launch", "EmbeddedFile", "EmbeddedFiles", "RichMedia", "SubmitForm", "ImportData",
)  # fmt: skip


def _pattern(words: tuple[str, ...]) -> re.Pattern[bytes]:
    """A PDF's name, each of whose signs may be written as #hh."""
    spelled = ("".join(f"(?:{sign}|#{ord(sign):02x}|#{ord(sign):02X})" for sign in word) for word in words)
    return re.compile(f"/(?:{'|'.join(spelled)})(?![A-Za-z0-9])".encode())


_ACTIVE = _pattern(_WORDS)
_OBJECTS = _pattern(("ObjStm",))
_STREAM = re.compile(rb"stream\r?\n")
#: so many packed streams of objects, and so much that they unpack to
STREAMS_MOST, UNPACKED_MOST = 5000, 64 << 20
_PIECE = 1 << 16


def pdf(file: BinaryIO) -> None:
    """From %PDF to %%EOF and nothing after it; no script, no program, no file within. Raises Unfit."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        end = content.rfind(b"%%EOF")
        if end < 0:
            raise damaged("PDF")
        if content[end + 5 :].strip(b"\r\n\t \0") or b"PK\x05\x06" in content[-70_000:]:
            raise two_kinds("PDF")
        if _ACTIVE.search(content):
            raise _active()
        _packed(content)


def _active() -> Unfit:
    return Unfit("file-unsafe", "holds a script, a program or another file: print it to a new PDF, and attach that one")


def _packed(content: mmap.mmap) -> None:
    """The same for objects that stand packed in streams. Raises Unfit."""
    left = UNPACKED_MOST
    for number, found in enumerate(_OBJECTS.finditer(content)):
        begins = _STREAM.search(content, found.end(), found.end() + 4096)
        if begins is None:
            continue
        plain = _unpack(content, begins.end(), left)
        left -= len(plain)
        if left <= 0 or number >= STREAMS_MOST:
            raise Unfit("file-unsafe", "unpacks to far more than it is: print it to a new PDF, and attach that one")
        if _ACTIVE.search(plain):
            raise _active()


def _unpack(content: mmap.mmap, at: int, most: int) -> bytes:
    """What is packed at this place, as far as it can be unpacked, and `most` bytes of it."""
    unpacker, plain = zlib.decompressobj(), bytearray()
    try:
        while not unpacker.eof and len(plain) < most and (piece := content[at : at + _PIECE]):
            plain += unpacker.decompress(unpacker.unconsumed_tail + piece, most - len(plain))
            at += len(piece)
    except zlib.error:
        pass  # of another kind, or damaged: a reader of PDF will not get further
    return bytes(plain)


# --- plain text ------------------------------------------------------------------------------------------------------

TEXT_MOST = 1 << 20
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]")


def is_text(head: bytes, *, cut: bool) -> bool:
    """Whether this is the beginning of plain text in UTF-8. cut: it may end within a sign."""
    for end in (0, -1, -2, -3) if cut else (0,):
        try:
            return _CONTROLS.search(head[: end or None].decode("utf-8-sig")) is None
        except UnicodeDecodeError:
            continue
    return False


def text(file: BinaryIO) -> None:
    """All of it is plain text in UTF-8, and no page. Raises Unfit."""
    file.seek(0)
    content = file.read(TEXT_MOST + 1)
    if len(content) > TEXT_MOST:
        raise Unfit("file-unsafe", "is very long for plain text: save it as a PDF, and attach that")
    if not is_text(content, cut=False):
        raise Unfit("file-unsafe", "is not plain text throughout: save it as a PDF, and attach that")
    if looks_like_markup(content):
        raise Unfit("file-disguised", "is a web page or holds code: print it to a PDF, and attach that")


# --- DOCX ------------------------------------------------------------------------------------------------------------

ENTRIES_MOST = 2000
#: what a document may unpack to in all
DOCX_MOST = 50 << 20
_PARTS = ("[Content_Types].xml", "word/document.xml")
_NOT_IN_IT = re.compile(
    r"vbaproject|vbadata|activex|embeddings/|oleobject|customui|\.(exe|dll|js|vbs|bat|cmd|scr|html?|svg|bin)$",
    re.IGNORECASE,
)
_RELATION = re.compile(rb"<Relationship\b[^>]*>", re.IGNORECASE)


def docx(file: BinaryIO) -> None:
    """A whole Word document: no macros, no programs, nothing fetched from outside, no bomb. Raises Unfit."""
    file.seek(0)
    try:
        archive = zipfile.ZipFile(file)
        infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError, IndexError) as error:
        raise damaged("Word document") from error
    called = [info.filename for info in infos]
    if len(infos) > ENTRIES_MOST or len(set(called)) != len(called):
        raise damaged("Word document")
    if any(part not in called for part in _PARTS):
        raise Unfit("file-type", "is an archive and not a Word document: attach what is in it, one by one")
    if archive.comment or min(info.header_offset for info in infos) != 0:
        raise two_kinds("Word document")
    for info in infos:
        name = info.filename
        if name.startswith("/") or ".." in name.split("/") or "\\" in name or "\0" in name or info.flag_bits & 1:
            raise damaged("Word document")
        if _NOT_IN_IT.search(name):
            raise Unfit("file-unsafe", "holds macros, programs or other files: save it as a PDF, and attach that")
    _unpacked(archive, infos)


def _unpacked(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> None:
    """Unpack every part as far as allowed: what an archive says of its sizes is not believed. Raises Unfit."""
    left = DOCX_MOST
    for info in infos:
        kept = bytearray()
        try:
            with archive.open(info) as part:
                while piece := part.read(1 << 16):
                    left -= len(piece)
                    if left < 0:
                        raise Unfit(
                            "file-unsafe",
                            "unpacks to far more than a document should: save it as a PDF, and attach that",
                        )
                    if info.filename.endswith((".rels", "Types].xml")):
                        kept += piece
        except (
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,
            RuntimeError,
            EOFError,
            OSError,
            ValueError,
        ) as error:
            raise damaged("Word document") from error
        _reaches_out(bytes(kept))


def _reaches_out(part: bytes) -> None:
    if b"\0" in part or b"<!DOCTYPE" in part or b"<!ENTITY" in part or b"macroEnabled" in part:
        raise Unfit("file-unsafe", "holds macros or is built oddly: save it as a PDF, and attach that")
    for found in _RELATION.findall(part):
        if re.search(rb"TargetMode\s*=\s*[\"']External", found, re.IGNORECASE) and b"/hyperlink" not in found:
            raise Unfit(
                "file-unsafe", "fetches something from elsewhere when opened: save it as a PDF, and attach that"
            )
