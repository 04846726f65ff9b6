"""What is sent in gzip, to whom, and what a compressed page does not tell: the form's token, another site's guesses."""

import gzip
import re

import pytest

from server import csrf
from server.pages.rendering import STATIC
from server.store import schema
from tests.server.pages.school import Visitor

OURS = {"Accept-Encoding": "gzip, deflate, br", "Sec-Fetch-Site": "same-origin"}
CSS = (STATIC / "muster.css").read_bytes()


def sent(visitor, path: str, **headers: str):
    """An answer as it goes over the line: what the client would unpack is left as it is."""
    with visitor.http.stream("GET", path, headers=headers) as answer:
        return answer, b"".join(answer.iter_raw())


def test_a_page_is_sent_in_gzip_to_a_browser_that_takes_it(school, signed):
    session = school.session()
    ada = signed("ada")
    answer, packed = sent(ada, f"/sessions/{session}", **OURS)
    assert answer.headers["content-encoding"] == "gzip" and "Accept-Encoding" in answer.headers["vary"]
    assert int(answer.headers["content-length"]) == len(packed)
    page = gzip.decompress(packed).decode()
    assert page.startswith("<!doctype html>") and page.count('<tr id="p') == len(school.students)
    assert len(packed) < len(page) / 3


@pytest.mark.parametrize("encoding", ["identity", "br", "gzip;q=0", "deflate, gzip; q=0.0", ""])
def test_who_does_not_take_gzip_gets_the_page_as_it_is(signed, encoding):
    answer, plain = sent(signed("ada"), "/today", **OURS | {"Accept-Encoding": encoding})
    assert "content-encoding" not in answer.headers and plain.startswith(b"<!doctype html>")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
def test_a_page_that_another_site_asked_for_is_not_compressed(signed, site):
    answer, plain = sent(signed("ada"), "/today?day=2026-10-05", **OURS | {"Sec-Fetch-Site": site})
    assert "content-encoding" not in answer.headers and plain.startswith(b"<!doctype html>")


@pytest.mark.parametrize("site", ["none", None])
def test_a_page_that_its_reader_asked_for_is_compressed(signed, site):
    headers = {"Accept-Encoding": "gzip"} | ({} if site is None else {"Sec-Fetch-Site": site})
    answer, packed = sent(signed("ada"), "/today", **headers)
    assert answer.headers["content-encoding"] == "gzip" and gzip.decompress(packed).startswith(b"<!doctype html>")


def test_the_token_is_another_text_in_each_form_of_each_page_and_never_itself(school, signed):
    session = school.session()
    ada = signed("ada")
    (secret,) = {row.csrf for row in school.world.all(schema.login)}
    texts = [ada.get(path).text for path in (f"/sessions/{session}", "/today", "/account", f"/sessions/{session}")]
    tokens = [one for text in texts for one in re.findall(r'name="csrf" value="([^"]*)"', text)]
    assert len(tokens) == len(set(tokens)) >= 8
    assert all(csrf.is_from(one, secret) for one in tokens)
    assert not any(secret in text for text in texts)


def test_before_anybody_is_signed_in_the_token_is_masked_too(app):
    visitor = Visitor(app)
    tokens = [visitor.csrf("/sign-in") for _ in range(2)]
    (cookie,) = visitor.http.cookies.values()
    assert tokens[0] != tokens[1] and cookie not in tokens
    assert visitor.sign_in("ada").status_code == 303


def test_a_token_of_a_page_from_before_still_opens_its_form(school, signed):
    session = school.session()
    ada = signed("ada")
    tokens = [ada.csrf(f"/sessions/{session}") for _ in range(3)]
    for token, student in zip(tokens, school.students, strict=False):
        answer = ada.post(f"/sessions/{session}/marks", {"csrf": token, "set": f"{student}.0.P"})
        assert answer.status_code == 303, answer.text
    assert [row.code for row in school.world.all(schema.mark)] == ["P", "P", "P"]


def test_what_is_no_page_is_left_alone(signed):
    admin = signed("admin")
    answer, body = sent(admin, "/api/v1/sessions", **OURS)
    assert "content-encoding" not in answer.headers and body[:1] in b"[{"


@pytest.mark.parametrize("name", ["muster.css", "muster.js", "vendor/htmx-2.0.11.min.js"])
def test_static_files_are_compressed_and_are_what_they_are(anonymous, name):
    answer, packed = sent(anonymous, f"/static/{name}", **OURS)
    plain = (STATIC / name).read_bytes()
    assert answer.headers["content-encoding"] == "gzip" and gzip.decompress(packed) == plain
    assert len(packed) < len(plain) / 2 and answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"].startswith(("text/css", "text/javascript", "application/javascript"))
    as_it_is, body = sent(anonymous, f"/static/{name}", **{"Accept-Encoding": "identity"})
    assert body == plain and as_it_is.headers["vary"] == "Accept-Encoding"
    assert as_it_is.headers["etag"] != answer.headers["etag"]


def test_a_static_file_that_a_browser_has_is_not_sent_again(anonymous):
    first, _ = sent(anonymous, "/static/muster.css", **OURS)
    again, body = sent(anonymous, "/static/muster.css", **OURS | {"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304 and body == b"" and again.headers["etag"] == first.headers["etag"]
    other, body = sent(anonymous, "/static/muster.css", **{"Accept-Encoding": "identity"})
    assert other.status_code == 200 and body == CSS
