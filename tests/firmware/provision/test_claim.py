"""The claim over HTTP: what is refused before anything is sent, and what the store says is what the technician reads."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from firmware.provision import label
from firmware.provision.claim import Store, fingerprint, scanned
from firmware.provision.errors import ProvisionError
from firmware.provision.talk import Terminal


@pytest.fixture
def store():
    """`store(status, body)` answers so; what it was asked stands in its list."""
    made = []

    def new(status, body):
        asked = []

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["content-length"])
                asked.append((self.path, self.headers["authorization"], json.loads(self.rfile.read(length))))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

            def log_message(self, format, *args):
                pass

        server = HTTPServer(("127.0.0.1", 0), Answer)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        made.append((server, thread))
        return Store(address=f"http://127.0.0.1:{server.server_port}/"), asked

    yield new
    for server, thread in made:
        server.shutdown()
        thread.join()
        server.server_close()


def code_of(store, token="T"):
    with pytest.raises(ProvisionError) as refused:
        store.claim(token, "e661")
    return refused.value.code


def test_a_claim_shows_the_token_in_a_header_and_the_boards_number(store):
    at, asked = store(200, {"settings": {"reader": "a-7"}, "room": "R0", "replaces": None})
    got = at.claim("TOKEN", "e661")
    assert (got.settings, got.room, got.replaces) == ({"reader": "a-7"}, "R0", None)
    assert asked == [("/api/provision/v1/claim", "Bearer TOKEN", {"board": "e661", "kind": "pico"})]


def test_what_the_store_refuses_is_said_in_its_own_words(store):
    at, _ = store(409, {"error": {"code": "slot-claimed", "text": "this token was used already"}})
    assert code_of(at) == "slot-claimed"


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, {}), (200, []), (200, b"[" * 200_000), (502, b"bad gateway"), (404, {})],
)
def test_what_is_no_store_is_said(store, status, body):
    assert code_of(store(status, body)[0]) == "store-answer"


def test_a_store_that_does_not_answer_is_said_with_what_it_means_for_the_token():
    with pytest.raises(ProvisionError) as refused:
        Store(address="http://127.0.0.1:1").claim("T", "e661")
    assert refused.value.code == "store-silent" and "once more" in str(refused.value)


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"hello\r\n\r\n", b""])
def test_a_store_that_is_killed_in_the_middle_of_its_answer_is_said_likewise(said):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            came, _ = listening.accept()
            with came:
                came.recv(65_536)
                came.sendall(said)

        with ThreadPoolExecutor(1) as pool:
            pool.submit(answer)
            assert code_of(Store(address=f"http://127.0.0.1:{listening.getsockname()[1]}")) == "store-silent"


@pytest.mark.parametrize("address", ["http://store.example", "ftp://store.example", "store.example", "https://", ""])
def test_keys_never_go_over_a_network_in_the_clear(address):
    assert code_of(Store(address=address)) == "store-address"


def test_a_token_is_typed_or_scanned():
    assert scanned(" ABC-DEF\n") == (None, "ABC-DEF")
    assert scanned("https://muster.example:8443/doors/slots#ABC-DEF") == ("https://muster.example:8443", "ABC-DEF")
    assert fingerprint("ABC-DEF") == fingerprint("abc def") != fingerprint("ABC-DEG")


def test_a_label_says_room_and_reader_and_holds_no_secret():
    drawn = label.svg("https://muster.example", "b-12", "BK <0.12> & more")
    assert "BK &lt;0.12&gt; &amp; more" in drawn and ">b-12<" in drawn
    assert "b-12" in label.text("https://muster.example", "b-12", "BK 0.12")
    assert label.address("https://muster.example/", "b-12") == "https://muster.example/doors/readers/b-12"


def test_a_question_is_asked_until_it_is_answered_and_of_nobody_not_at_all(capsys):
    said = iter(["what?", "", "Yes"])
    assert Terminal(attended=True, answer=lambda: next(said)).ask("Is it red?") is True
    assert capsys.readouterr().out.count("Is it red? [y/n]") == 3
    assert Terminal(attended=False).ask("Is it red?") is None

    def ends():
        raise EOFError

    assert Terminal(attended=True, answer=ends).ask("Is it red?") is None
