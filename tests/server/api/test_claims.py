"""The claim as `muster provision` makes it over HTTP, and `muster reader new`, which makes its token."""

import json
import re
from dataclasses import replace

import pytest

import muster
from firmware.reader import settings as reader_settings
from server.api.claims import Claims
from server.errors import TooOften
from server.release_pack import Key
from server.store import accounts, authorities, releases, schema, schema_slots, schema_trust, slots
from server.store.engine import writing
from tests.server.store_client import Server


@pytest.fixture
def server(world):
    made = Server(world)
    made.app.state.settings = replace(made.app.state.settings, reader_broker="mqtt://broker.example:1884")
    return made


@pytest.fixture
def token(world):
    with writing(world.engine) as connection:
        scope = accounts.at_the_console(world.institution_id)
        return slots.make(connection, scope, name="a-7", room_code="R0", now_ms=world.now_ms).token


def claim(server, token, **body):
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return server.client.post("/api/provision/v1/claim", headers=headers, json=body)


def test_a_claim_answers_settings_that_the_firmware_takes(server, token):
    answer = claim(server, token, board="e661410403")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert (told["room"], told["replaces"]) == ("R0", None)
    parsed = reader_settings.parse(json.dumps(told["settings"]))
    assert (parsed.reader, parsed.site, parsed.broker["host"], parsed.broker["port"]) == (
        "a-7", "main", "broker.example", 1884,
    )  # fmt: skip
    assert parsed.broker["user"] == "a-7" and len(parsed.broker["password"]) == 43


def test_a_claimed_reader_knows_whose_releases_it_takes(server, world, token):
    key = Key(id=7, n=1 << 3071 | 1)
    with writing(world.engine) as connection:
        releases.trust(connection, accounts.at_the_console(world.institution_id), key, world.now_ms)
    parsed = reader_settings.parse(json.dumps(claim(server, token).json()["settings"]))
    assert [(one.id, one.n) for one in parsed.release] == [(key.id, key.n)], "else it would take no update for ever"


def test_a_token_is_replayed_in_vain_and_the_answer_holds_no_secret(server, token):
    told = claim(server, token).json()["settings"]
    again = claim(server, token)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "slot-claimed")
    assert told["key"]["secret"] not in again.text and told["broker"]["password"] not in again.text


@pytest.mark.parametrize("token", [None, "", "x", "A" * 26, "' OR 1=1 --"])
def test_whoever_has_no_token_is_refused_before_anything_is_looked_at(server, token):
    answer = claim(server, token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "slot-token")


def test_an_account_or_a_gateway_is_no_board(server):
    for token in (server.tokens["admin"], server.gateway):
        assert claim(server, token).status_code == 401


def test_guessing_is_slowed_down_and_keeps_nobody_away_who_has_a_token(server, world, token):
    answers = [claim(server, "A" * 26).status_code for _ in range(21)]
    assert answers == [401] * 20 + [429]
    assert claim(server, token).status_code == 200
    assert claim(server, "A" * 26).json()["error"]["code"] == "slot-often"
    world.now_ms += 60_000
    assert claim(server, "A" * 26).status_code == 401


def test_claims_are_counted_by_address_and_all_together():
    claims = Claims(address=2, everybody=4)
    for address in ("192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2"):
        claims.take(address, 0)
    with pytest.raises(TooOften):
        claims.take("192.0.2.9", 0)
    claims.take("192.0.2.9", 60_000)
    by_net = Claims(address=2, everybody=9)
    by_net.take("2001:db8::1", 0)
    by_net.take("2001:db8::2", 0)
    with pytest.raises(TooOften):
        by_net.take("2001:db8::3", 0)


def test_without_the_brokers_address_no_token_is_used_up(server, world, token):
    server.app.state.settings = replace(server.app.state.settings, reader_broker="")
    assert claim(server, token).json()["error"]["code"] == "no-broker"
    [row] = world.all(schema_slots.slot)
    assert row.claimed_ms is None


def test_a_boards_number_that_is_none_is_refused_and_uses_nothing_up(server, world, token):
    for board in ("x" * 65, "<b>", "a\nb"):
        assert claim(server, token, board=board).status_code == 422
    [row] = world.all(schema_slots.slot)
    assert (row.claimed_ms, world.all(schema.reader)) == (None, [])


@pytest.fixture
def run(console, monkeypatch, capsys):
    monkeypatch.setenv("MUSTER_READER_BROKER", "mqtt://broker.example")

    def _run(*words):
        status = muster.main(["reader", *words])
        said = capsys.readouterr()
        return status, said.out, said.err

    return _run


def test_reader_new_prints_a_token_and_what_to_do_with_it(run, console):
    status, said, _ = run("new", "--room", "R0")
    token = re.search(r"^token: (\S+)$", said, re.MULTILINE)[1]
    assert status == 0 and said.startswith("r0, at R0\n") and "█" in said
    assert said.rstrip().endswith("muster provision --port /dev/ttyACM0 --store http://127.0.0.1:8000 --token -")
    assert said.count(token) == 1, "not in a command, which a shell would remember"
    with writing(console.engine) as connection:
        got = slots.claim(connection, console.vault, token, board="", now_ms=_now(console))
    assert (got.reader, got.room_code) == ("r0", "R0")


def _now(console):
    [row] = console.all(schema_slots.slot)
    return row.made_ms


def test_reader_new_swaps_a_reader_and_says_what_is_wrong(run, console, monkeypatch):
    console.reader("a-1")
    assert run("new", "--swap", "a-1", "--no-qr")[1].startswith("a-1-2, at R0\n")
    assert "[usage]" in run("new")[2] and "[usage]" in run("new", "--room", "R0", "--swap", "a-1")[2]
    assert "[room]" in run("new", "--room", "R9")[2]
    assert run("new", "--room", "R9", "--new-room", "--no-qr")[0] == 0
    monkeypatch.setenv("MUSTER_READER_BROKER", "")
    assert "[no-broker]" in run("new", "--room", "R0")[2]


def test_a_pi_is_sent_to_the_listener_that_wants_a_certificate_where_there_is_one(server, world, token):
    with writing(world.engine) as connection:
        authorities.make(connection, world.vault, world.institution_id, "Test", world.now_ms)
    addresses = {"reader_broker": "mqtts://b.example", "reader_broker_pi": "mqtts://b.example:8884"}
    server.app.state.settings = replace(server.app.state.settings, **addresses)
    told = claim(server, token, board="pi-1", kind="pi").json()["settings"]
    assert (told["broker"]["port"], set(told["broker"]["tls"])) == (8884, {"ca", "name", "floor", "certificate", "key"})
    [row] = world.all(schema_trust.broker_credential)
    assert row.mutual


def test_over_tls_a_pico_is_told_whom_to_trust_and_without_an_authority_no_token_is_used_up(server, world, token):
    server.app.state.settings = replace(server.app.state.settings, reader_broker="mqtts://b.example")
    assert claim(server, token).json()["error"]["code"] == "no-ca"
    with writing(world.engine) as connection:
        authorities.make(connection, world.vault, world.institution_id, "Test", world.now_ms)
    told = claim(server, token).json()["settings"]
    parsed = reader_settings.parse(json.dumps(told))
    assert (parsed.broker["port"], parsed.tls.name, parsed.tls.certificate) == (8883, "b.example", None)
    assert parsed.tls.floor_s == world.now_ms // 1000
