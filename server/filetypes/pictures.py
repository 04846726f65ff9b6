"""PNG, JPEG and WebP, looked through by their own structure from the first byte to the last. Nothing is decoded."""

from __future__ import annotations

import mmap
import os
import re
import zlib
from typing import BinaryIO

from server.filetypes.kind import damaged, two_kinds

#: what behind a picture's end would make it another kind of file as well
_OTHERS = re.compile(rb"PK\x03\x04|PK\x05\x06|%PDF-|<\s*(!doctype|html|script|svg|\?xml|\?php)", re.IGNORECASE)
_PIECE = 1 << 20
#: no camera writes so many
PARTS_MOST = 20_000
#: the next marker in a scan's data: not a stuffed byte, not a restart
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]")


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def png(file: BinaryIO) -> None:
    """Every chunk with its checksum, IHDR first, IEND last and nothing after it. Raises Unfit."""
    size = _size(file)
    file.seek(8)
    first, pixels = True, False
    for _ in range(PARTS_MOST):
        begins = file.read(8)
        if len(begins) < 8:
            raise damaged("PNG picture")
        length, name = int.from_bytes(begins[:4], "big"), begins[4:]
        if length > size or (first and (name != b"IHDR" or length != 13)):
            raise damaged("PNG picture")
        sum_, left = zlib.crc32(name), length
        while left:
            piece = file.read(min(left, _PIECE))
            if not piece:
                raise damaged("PNG picture")
            sum_, left = zlib.crc32(piece, sum_), left - len(piece)
        if file.read(4) != sum_.to_bytes(4, "big"):
            raise damaged("PNG picture")
        first, pixels = False, pixels or name == b"IDAT"
        if name == b"IEND":
            break
    else:
        raise damaged("PNG picture")
    if not pixels:
        raise damaged("PNG picture")
    if file.tell() != size:
        raise two_kinds("PNG picture")


def webp(file: BinaryIO) -> None:
    """One RIFF as long as the file, of WebP chunks. Raises Unfit."""
    size = _size(file)
    file.seek(0)
    head = file.read(16)
    told = int.from_bytes(head[4:8], "little") + 8
    if head[8:12] != b"WEBP" or head[12:16] not in (b"VP8 ", b"VP8L", b"VP8X") or told > size:
        raise damaged("WebP picture")
    if size > told + (told & 1):
        raise two_kinds("WebP picture")
    at, parts = 12, 0
    while at < told:
        parts += 1
        file.seek(at)
        begins = file.read(8)
        if len(begins) < 8 or parts > PARTS_MOST:
            raise damaged("WebP picture")
        length = int.from_bytes(begins[4:], "little")
        at += 8 + length + (length & 1)
    if at > told + 1:
        raise damaged("WebP picture")


def jpeg(file: BinaryIO) -> None:
    """Segments up to the picture's end. Phones append more pictures and films behind it: that may be, as long as it
    does not make the file an archive, a page or a PDF as well. Raises Unfit."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        ends = _jpeg_end(content)
        if _OTHERS.search(content, ends):
            raise two_kinds("JPEG picture")


def _jpeg_end(content: mmap.mmap) -> int:
    """Where the picture ends."""
    at, frame = 2, False
    for _ in range(PARTS_MOST):
        at = _marker(content, at)
        name = content[at]
        at += 1
        if name == 0xD9 and frame:
            return at
        if name == 0x01 or 0xD0 <= name <= 0xD7:
            continue
        length = int.from_bytes(content[at : at + 2], "big")
        if length < 2 or at + length > len(content):
            break
        frame = frame or (0xC0 <= name <= 0xCF and name not in (0xC4, 0xC8, 0xCC))
        at += length
        if name == 0xDA:
            found = _NEXT_MARKER.search(content, at)
            if found is None:
                break
            at = found.start()
    raise damaged("JPEG picture")


def _marker(content: mmap.mmap, at: int) -> int:
    """Where the marker's second byte stands; fill bytes before it are skipped."""
    if content[at : at + 1] != b"\xff":
        raise damaged("JPEG picture")
    while content[at : at + 1] == b"\xff":
        at += 1
    if at >= len(content) or content[at] == 0:
        raise damaged("JPEG picture")
    return at
