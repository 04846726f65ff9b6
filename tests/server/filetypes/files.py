"""Small files of each kind that is taken, whole in their structure, made by hand."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(*, more: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + more + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg(*, behind: bytes = b"") -> bytes:
    def segment(name: int, content: bytes) -> bytes:
        return bytes([0xFF, name]) + struct.pack(">H", len(content) + 2) + content

    return (
        b"\xff\xd8"
        + segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")
        + segment(0xDB, b"\0" + bytes(range(1, 65)))
        + segment(0xC0, b"\x08\0\x01\0\x01\x01\x01\x11\0")
        + segment(0xC4, b"\0" + b"\0\x01" + b"\0" * 14 + b"\0")
        + segment(0xDA, b"\x01\x01\0\0\x3f\0")
        + b"\x12\xff\0\x34\xff\xd0\x56"
        + b"\xff\xd9"
        + behind
    )


def webp() -> bytes:
    content = b"WEBP" + b"VP8L" + struct.pack("<I", 6) + b"\x2f\0\0\0\0\0"
    return b"RIFF" + struct.pack("<I", len(content)) + content


def pdf(*objects: bytes) -> bytes:
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (n, one) for n, one in enumerate(objects, 1))
    return b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + body + b"trailer << /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"


LETTER = pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 0 /Kids [] >>")
TYPES = b'<?xml version="1.0"?><Types><Default Extension="xml" ContentType="application/xml"/></Types>'
RELATIONS = b'<?xml version="1.0"?><Relationships>%s</Relationships>'


def docx(*, parts: dict[str, bytes] | None = None, comment: bytes = b"") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = comment
        whole = {
            "[Content_Types].xml": TYPES,
            "_rels/.rels": RELATIONS % b"",
            "word/document.xml": b"<w:document/>",
        } | (parts or {})
        for name, content in whole.items():
            # A date of its own: the same each time.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()
