"""Files through the forms: bounded, told by their content, streamed, nothing left behind; and what is not a form."""

import asyncio
import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from server.api import limits
from server.pages import upload
from server.scope import Scope
from server.store import attachments, schema_work
from server.store.engine import writing
from tests.server.filetypes.files import LETTER, docx, png
from tests.server.pages.requesting import Corrected, ask, hidden, made, told


@pytest.fixture
def school(tmp_path):
    found = Corrected(tmp_path)
    yield found
    found.close()


@pytest.fixture
def asking(school, signed):
    """`asking(files)`: Ada asks for a change with these files."""
    session = school.aged(2)
    ada = signed("ada")
    return lambda files, **fields: ask(
        ada, session, {school.students[0]: "P"}, reason="Was there", files=files, **fields
    )


def left(school) -> list[str]:
    folder = attachments.folder_of(school.folder)
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []


REFUSED = [
    ([("photo.png", b"<html><script>alert(1)</script></html>")], 422, "web page"),
    ([("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>')], 422, "HTML, SVG"),
    ([("letter.pdf", png())], 422, "is called .pdf and is a PNG picture"),
    ([("letter.docx", docx(parts={"word/vbaProject.bin": b"x"}))], 422, "macros"),
    ([("bomb.docx", docx(parts={"word/bomb.xml": bytes(60 << 20)}))], 422, "unpacks to far more"),
    ([("letter.pdf", LETTER + docx())], 422, "something else"),
    ([("empty.pdf", b"")], 422, "is empty"),
    ([("large.pdf", LETTER + bytes(attachments.SIZE_MOST))], 413, "larger than 10 MB"),
    ([(f"{n}.pdf", LETTER) for n in range(upload.FILES_MOST + 1)], 413, "at most 5 files"),
    # One of several that is wrong: none is kept.
    ([("good.pdf", LETTER), ("bad.pdf", png())], 422, "is called .pdf"),
]


@pytest.mark.parametrize(("files", "status", "said"), REFUSED, ids=[said for _, _, said in REFUSED])
def test_a_file_that_is_not_taken_is_refused_with_a_sentence_and_nothing_is_kept(school, asking, files, status, said):
    answer = asking(files)
    assert answer.status_code == status and said in told(answer)
    assert "Was there" in answer.text and "Choose the files again" in answer.text
    assert school.world.all(schema_work.change_request) == [] and left(school) == []


def test_several_files_are_kept_once_each_under_random_names(school, asking):
    made(asking([("a.pdf", LETTER), ("b.png", png()), ("../../../etc/passwd.txt", b"Plain words.")]))
    rows = school.world.all(schema_work.attachment)
    assert [row.file_name for row in rows] == ["a.pdf", "b.png", "passwd.txt"]
    assert sorted(left(school)) == sorted(row.stored_as for row in rows)
    assert not (school.folder.parent / "etc").exists()


def large() -> bytes:
    """A PDF of exactly as many bytes as are taken."""
    found = LETTER[:-7] + b"%" + b"x" * (attachments.SIZE_MOST - len(LETTER) - 1) + b"\n" + LETTER[-6:]
    assert len(found) == attachments.SIZE_MOST
    return found


def test_a_file_of_ten_megabytes_is_taken(school, asking):
    made(asking([("long.pdf", large()), ("a.txt", b"Plain words.")]))
    assert [row.size for row in school.world.all(schema_work.attachment)] == [attachments.SIZE_MOST, 12]


def test_a_file_goes_to_the_disk_as_it_comes_and_is_never_held_whole(tmp_path):
    before = b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\ntoken\r\n--x\r\n'
    before += b'Content-Disposition: form-data; name="files"; filename="a.pdf"\r\n\r\n'
    pieces = iter([before, *[b"y" * 65536] * (attachments.SIZE_MOST // 65536), b"\r\n--x--\r\n"])

    async def receive():
        piece = next(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    login: Any = SimpleNamespace(account_id=1, csrf="token")
    reader = upload._Reader(attachments.folder_of(tmp_path), login, b"x")
    tracemalloc.start()
    asyncio.run(reader.read(Request({"type": "http", "method": "POST", "headers": []}, receive)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reader.sent.arrived[0].path.stat().st_size == attachments.SIZE_MOST
    assert peak < attachments.SIZE_MOST / 4
    reader.close()
    assert (
        list(tmp_path.rglob("*a.pdf")) == []
        and list(attachments.incoming(attachments.folder_of(tmp_path)).iterdir()) == []
    )


def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_read(school, signed):
    session = school.aged(2)
    ada = signed("ada")
    headers = {"content-type": "multipart/form-data; boundary=x", "content-length": str(limits.UPLOAD_MOST + 1)}
    answer = ada.http.post(f"/sessions/{session}/request", content=b"x", headers=headers)
    assert answer.status_code == 413 and "10 MB" in answer.text


def test_a_file_before_the_forms_token_or_with_a_wrong_one_is_not_kept(school, signed):
    session = school.aged(2)
    ada = signed("ada")
    csrf = hidden(ada.get(f"/sessions/{session}/request").text)["csrf"]
    file = 'Content-Disposition: form-data; name="files"; filename="a.pdf"\r\n\r\n' + LETTER.decode("latin-1")
    token = 'Content-Disposition: form-data; name="csrf"\r\n\r\n'
    for parts in ([file, token + csrf], [token + "wrong", file], [file]):
        body = "".join(f"--x\r\n{part}\r\n" for part in parts) + "--x--\r\n"
        answer = ada.http.post(
            f"/sessions/{session}/request",
            content=body.encode("latin-1"),
            headers={"content-type": "multipart/form-data; boundary=x"},
        )
        assert answer.status_code == 403 and "another login" in answer.text
    assert left(school) == []


def test_whoever_is_not_signed_in_sends_no_file(school, anonymous):
    session = school.aged(2)
    answer = anonymous.http.post(f"/sessions/{session}/request", files=[("files", ("a.pdf", LETTER))])
    assert answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
    assert left(school) == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=", b"----\r\n"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"nothing"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=csrf\r\n\r\ncut"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"a: b\r\n" * 100 + b"\r\n"),
        ("multipart/form-data; boundary=" + "x" * 5000, b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x--\r\n"),
    ],
)
def test_what_is_no_whole_form_is_answered_and_is_no_fault(school, signed, kind, body):
    session = school.aged(2)
    answer = signed("ada").http.post(f"/sessions/{session}/request", content=body, headers={"content-type": kind})
    assert answer.status_code in (400, 403)
    assert left(school) == []


def test_a_form_with_too_many_fields_or_too_much_text_is_refused(school, asking):
    many = {f"x{n}": "1" for n in range(upload.FIELDS_MOST + 1)}
    for fields in (many, {"to_class": "x" * (upload.FIELD_MOST + 1)}):
        answer = asking([], **fields)
        assert answer.status_code == 413 and "too" in told(answer)


def test_what_a_rolled_back_transaction_or_a_crash_leaves_is_cleared(school, asking):
    made(asking([("a.pdf", LETTER)]))
    folder = attachments.folder_of(school.folder)
    (kept,) = left(school)
    scope = Scope(
        institution_id=school.world.institution_id, account_id=school.accounts["ada"], person_id=None, grants=()
    )
    with pytest.raises(RuntimeError), writing(school.world.engine) as connection:
        attachments.add(connection, folder, scope, "change_request", 1, "b.pdf", LETTER + b"\n", school.now_ms)
        assert len(left(school)) == 2
        raise RuntimeError
    assert left(school) == [kept]
    (folder / "orphan").write_bytes(b"x")
    (attachments.incoming(folder) / "1-half").write_bytes(b"x")
    with writing(school.world.engine) as connection:
        assert attachments.sweep(connection, folder) == 0
        assert attachments.sweep(connection, folder, now_s=(folder / "orphan").stat().st_mtime + 3601) == 2
    assert left(school) == [kept]


def test_an_erased_file_leaves_its_digest_and_nothing_else(school, asking, signed):
    request = made(asking([("a secret.pdf", LETTER)]))
    (row,) = school.world.all(schema_work.attachment)
    folder = attachments.folder_of(school.folder)
    with writing(school.world.engine) as connection:
        attachments.erase(connection, folder, school.world.institution_id, row.id, school.now_ms)
        assert len(left(school)) == 1
    assert left(school) == []
    rita = signed("rita")
    assert rita.get(f"/attachments/{row.id}").status_code == 404
    page = rita.get(f"/requests/{request}").text
    assert "a file that was erased" in page and "secret" not in page
    (after,) = school.world.all(schema_work.attachment)
    assert after.sha256 == row.sha256 and after.file_name == ""
