"""A certificate for a reader, asked for under its own key: nobody else gets one in its name."""

import pytest
from cryptography import x509

from firmware.contract import renewal
from firmware.contract.errors import Malformed
from firmware.contract.mac import Key
from server.store import authorities, revocations
from server.store.accounts import at_the_console
from server.store.engine import writing
from tests.server.store_client import Server
from tests.server.trust.asking import request


@pytest.fixture
def asking(world):
    world.board = world.reader("a-1")
    world.other = world.reader("a-2")
    with writing(world.engine) as connection:
        authorities.make(connection, world.vault, world.institution_id, "college", world.now_ms)
    client = Server(world).client

    def ask(said: bytes, token: str):
        return client.post(
            "/api/reader/v1/certificate", json={"request": said.decode()}, headers={"authorization": f"Bearer {token}"}
        )

    world.ask = ask
    return world


def test_a_reader_gets_a_certificate_in_its_own_name(asking):
    said = request(name="a-2")
    answer = asking.ask(said, renewal.token("a-1", asking.board.key, said))
    assert answer.status_code == 200, answer.text
    got = x509.load_pem_x509_certificate(answer.json()["certificate"].encode())
    assert got.subject.rfc4514_string() == "CN=a-1"
    assert got.public_key() == x509.load_pem_x509_csr(said).public_key()


def test_nobody_gets_one_in_anothers_name(asking):
    said, other = request(), request()
    token = renewal.token("a-1", asking.board.key, said)
    for wrong in (
        renewal.token("a-2", asking.board.key, said),
        renewal.token("a-9", asking.board.key, said),
        renewal.token("a-1", Key(2, b"x" * 32), said),
        renewal.token("a-1", Key(1, b"x" * 32), said),
        renewal.token("a-1", asking.board.key, other),
        token[:-1],
        token.upper(),
        token.replace(".1.", "..", 1),
        "a-1",
        "",
    ):
        assert asking.ask(said, wrong).status_code == 401, wrong


@pytest.mark.parametrize("key", ["\u00b2", "\u0661", "", "1000", "-1", "+1", " 1", "1_0"])
def test_a_keys_number_is_three_plain_digits_at_the_most(key):
    with pytest.raises(Malformed):
        renewal.read(f"a-1.{key}.{'0' * 32}")


def test_a_revoked_reader_gets_none(asking):
    with writing(asking.engine) as connection:
        scope = at_the_console(asking.institution_id)
        revocations.revoke(connection, scope, "a-1", since_ms=asking.now_ms, why="stolen", now_ms=asking.now_ms)
    said = request()
    answer = asking.ask(said, renewal.token("a-1", asking.board.key, said))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "reader-ended")


def test_what_is_no_request_is_refused(asking):
    answer = asking.ask(b"nothing", renewal.token("a-1", asking.board.key, b"nothing"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "certificate-request")
