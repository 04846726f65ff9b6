"""What a file is, by its content: taken whole, refused in disguise, refused where it could run or unpack without end."""

import zipfile
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server import filetypes
from server.errors import StoreError
from tests.server.filetypes.files import LETTER, RELATIONS, chunk, docx, jpeg, pdf, png, webp

PAGE = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


def judge(folder, content: bytes, name: str) -> str:
    """The media type, or the error's code."""
    path = folder / "file"
    path.write_bytes(content)
    try:
        return filetypes.judge(path, name).media_type.partition(";")[0]
    except StoreError as error:
        return error.code


TAKEN = {
    "letter.pdf": LETTER,
    "photo.png": png(),
    "photo.JPG": jpeg(),
    "photo.jpeg": jpeg(behind=b"\0a film that a phone keeps behind the picture"),
    "photo.webp": webp(),
    "letter.docx": docx(),
    "mail.txt": "Zoë was at the doctor’s.\r\n".encode(),
    "no ending": b"Plain words.",
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_whole_file_of_a_kind_that_is_taken_is_taken(tmp_path, name):
    kind = judge(tmp_path, TAKEN[name], name)
    assert kind.split("/")[0] in ("application", "image", "text")


REFUSED = [
    ("photo.png", PAGE, "file-type"),
    ("photo.png", SVG, "file-type"),
    ("letter.txt", b"Dear all,\n" * 200 + PAGE, "file-disguised"),
    ("letter.txt", "\ufeff<html>".encode("utf-16"), "file-type"),
    ("letter.pdf", png(), "file-disguised"),
    ("photo.png", LETTER, "file-disguised"),
    ("photo.html", png(), "file-disguised"),
    ("letter.pdf.exe", LETTER, "file-disguised"),
    ("photo.gif", b"GIF89a" + bytes(40), "file-type"),
    ("program.exe", b"MZ\x90\0" + bytes(200), "file-type"),
    ("letter.pdf", b"MZ\x90\0" + bytes(200) + LETTER, "file-type"),
    ("empty.pdf", b"", "file-empty"),
    # polyglots
    ("photo.png", png() + docx(), "file-disguised"),
    ("photo.png", png(more=chunk(b"tEXt", bytes(2000))) + PAGE, "file-disguised"),
    ("photo.jpg", jpeg(behind=bytes(2000) + PAGE), "file-disguised"),
    ("photo.jpg", jpeg(behind=docx()), "file-disguised"),
    ("photo.jpg", jpeg(behind=LETTER), "file-disguised"),
    ("photo.webp", webp() + bytes(2000) + PAGE, "file-disguised"),
    ("letter.pdf", LETTER + docx(), "file-disguised"),
    ("letter.pdf", LETTER + bytes(2000) + PAGE, "file-disguised"),
    ("photo.png", png() + PAGE, "file-type"),
    ("letter.pdf", b"%PDF-1.7\n" + PAGE + b"\n%%EOF", "file-type"),
    ("letter.docx", docx(comment=b"%PDF-1.7 %%EOF"), "file-disguised"),
    ("letter.docx", b"PK\x03\x04" + bytes(26) + docx(), "file-disguised"),
    # what runs, or reaches out
    ("letter.pdf", pdf(b"<< /S /JavaScript /JS (app.alert(1)) >>"), "file-unsafe"),
    ("letter.pdf", pdf(b"<< /S /J#61vaScript /JS (app.alert(1)) >>"), "file-unsafe"),
    ("letter.pdf", pdf(b"<< /S /Launch /F (cmd.exe) >>"), "file-unsafe"),
    ("letter.docx", docx(parts={"word/vbaProject.bin": b"x"}), "file-unsafe"),
    ("letter.docx", docx(parts={"word/embeddings/oleObject1.bin": b"x"}), "file-unsafe"),
    ("letter.docx", docx(parts={"[Content_Types].xml": b"application/vnd.ms-word.document.macroEnabled.main+xml"}),
     "file-unsafe"),
    ("letter.docx", docx(parts={"word/_rels/settings.xml.rels": RELATIONS % (
        b'<Relationship Type="http://x/attachedTemplate" Target="http://evil.example/t.dotm" TargetMode="External"/>')}),
     "file-unsafe"),
    ("letter.docx", docx(parts={"_rels/.rels": b'<!DOCTYPE a [<!ENTITY b "c">]>'}), "file-unsafe"),
    ("sums.xlsx", docx(), "file-disguised"),
    # damaged
    ("photo.png", png()[:-6], "file-unsafe"),
    ("photo.png", png(more=chunk(b"tEXt", b"a")[:-1] + b"\0"), "file-unsafe"),
    ("photo.jpg", jpeg()[:40], "file-unsafe"),
    ("photo.webp", webp()[:-2], "file-unsafe"),
    ("letter.pdf", LETTER[:40], "file-unsafe"),
    ("letter.docx", docx()[:-30], "file-unsafe"),
    ("letter.docx", docx(parts={"../../evil": b"x"}), "file-unsafe"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "code"), REFUSED, ids=[f"{n}-{name}" for n, (name, _, _) in enumerate(REFUSED)]
)
def test_what_is_disguised_damaged_or_could_run_is_refused_with_a_sentence(tmp_path, name, content, code):
    assert judge(tmp_path, content, name) == code


def test_a_hyperlink_in_a_document_is_no_reaching_out(tmp_path):
    link = b'<Relationship Type="http://x/relationships/hyperlink" Target="https://example.org" TargetMode="External"/>'
    assert judge(tmp_path, docx(parts={"word/_rels/document.xml.rels": RELATIONS % link}), "a.docx").startswith("appl")


def test_an_archive_that_is_no_document_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter.txt", "x")
    for name in ("a.zip", "a.docx", "a"):
        assert judge(tmp_path, path.read_bytes(), name) in ("file-type", "file-disguised")


def test_a_bomb_is_not_unpacked_to_its_end(tmp_path, monkeypatch):
    # 200 MB of nothing in 200 kB.
    bomb = docx(parts={"word/media/bomb.xml": bytes(200 << 20)})
    assert len(bomb) < 1 << 20
    read = []
    plain = zipfile.ZipExtFile.read
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda self, n=-1: read.append(n) or plain(self, n))
    assert judge(tmp_path, bomb, "letter.docx") == "file-unsafe"
    assert max(read) <= 1 << 16 and len(read) <= (50 << 20 >> 16) + 20


def test_a_script_in_a_pdfs_packed_objects_is_found_and_a_bomb_there_too(tmp_path):
    def packed(content: bytes) -> bytes:
        made = zlib.compress(content)
        return b"<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (
            len(made),
            made,
        )

    assert judge(tmp_path, pdf(packed(b"1 0 << /S /URI >>")), "a.pdf") == "application/pdf"
    assert judge(tmp_path, pdf(packed(b"1 0 << /S /JavaScript >>")), "a.pdf") == "file-unsafe"
    assert judge(tmp_path, pdf(packed(bytes(70 << 20))), "a.pdf") == "file-unsafe"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_bytes_make_it_fail_otherwise_than_by_refusing(tmp_path, data):
    name, whole = data.draw(st.sampled_from(sorted(TAKEN.items())))
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not content:
            break
    said = judge(tmp_path, bytes(content), name)
    assert said.startswith(("file-", "application/", "image/", "text/"))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("C:\\fakepath\\letter.pdf", "letter.pdf"),
        ("letter\u202efdp.exe", "letterfdp.exe"),
        ("a\r\nSet-Cookie: x.pdf", "a Set-Cookie_ x.pdf"),
        ("\0", "file"), ("", "file"), ("...", "file"), (".htaccess", "htaccess"), ("CON.pdf", "_CON.pdf"),
        ('"quoted".pdf', "_quoted_.pdf"),
        ("x" * 300 + ".pdf", "x" * 96 + ".pdf"),
        ("Krankenschein März.pdf", "Krankenschein März.pdf"),
    ],
)  # fmt: skip
def test_a_name_is_no_path_and_says_what_it_is(said, kept):
    assert filetypes.names.clean(said) == kept


@given(st.text(max_size=300))
def test_a_clean_name_is_clean_whatever_it_was(said):
    kept = filetypes.names.clean(said)
    assert kept and len(kept) <= 101 and kept == filetypes.names.clean(kept)
    assert not set(kept) & set('/\\\0\r\n"<>:|?*') and not kept.startswith(".")
