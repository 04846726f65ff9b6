"""The whole gateway as a process, between a real Mosquitto and a store over HTTP."""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firmware.contract import mac, roster

pytestmark = pytest.mark.needs("mosquitto")
REPO = Path(__file__).resolve().parents[2]
PERSISTENT = ["max_queued_messages 0"]


def test_a_swipe_reaches_the_store_and_its_receipt_the_reader(
    mosquitto, start_gateway, store_process, publish, listen, lines, until
):
    gateway = start_gateway(mosquitto.url).linked()
    line = "1|receipt|a-101|1|0123456789abcdef|9f8e7d6c5b4a3210|0|" + "0" * 32
    store_process.mode(down=[{"site": "main", "reader": "a-101", "kind": "receipt", "line": line}])
    heard = listen(mosquitto, "muster/v1/main/a-101/receipt")
    started = time.monotonic()
    publish(mosquitto, [(lines.topic(), lines.message(lines.swipe()))])
    until(lambda: heard, what="the receipt")
    print(f"publish to receipt: {(time.monotonic() - started) * 1000:.0f} ms")
    assert store_process.held_lines() == [lines.swipe()]
    assert lines.message(line) == heard[0][1]
    assert json.loads(gateway.page("/live.json"))["readers"][0]["reader"] == "a-101"
    assert json.loads(gateway.page("/healthz"))["ok"]
    assert gateway.stop() == 0
    assert "Bearer" not in gateway.log.read_text()
    assert gateway.event("stopped")


@pytest.mark.parametrize(
    "how, lost",
    [("before-commit", 0), ("after-commit", 0), ("after-forward", 0), ("ack-first", 1), ("done-first", 1)],
)
def test_a_gateway_that_is_killed_loses_nothing_and_its_saboteurs_do(
    mosquitto, start_gateway, store_process, publish, lines, until, how, lost
):
    # A first start makes the broker's session, then the one that dies takes its place, with the same spool.
    gateway = start_gateway(mosquitto.url).linked()
    assert gateway.stop() == 0
    dying = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("dying_gateway.py")), how, mosquitto.host, str(mosquitto.port),
         store_process.url, str(gateway.spool)],
        cwd=REPO, env={**os.environ, "PYTHONPATH": str(REPO)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        sent = [lines.swipe(seq=seq) for seq in range(1 if lost else 30)]
        publish(mosquitto, [(lines.topic(), lines.message(line)) for line in sent])
        assert dying.wait(20) == -9, "it was to die there"
    finally:
        dying.kill()
        dying.wait()
    gateway.start()
    gateway.linked()
    if lost:
        time.sleep(1)
        assert store_process.held_lines() == [], "this test would not notice a loss"
        return
    until(lambda: store_process.stats()["held"] == len(sent), what="every swipe")
    assert sorted(store_process.held_lines()) == sorted(sent)


def test_a_store_that_is_away_in_every_way_gets_everything_when_it_is_back(
    mosquitto, start_gateway, store_process, publish, lines, until
):
    gateway = start_gateway(mosquitto.url).linked()
    sent = []

    def send():
        line = lines.swipe(seq=len(sent))
        sent.append(line)
        publish(mosquitto, [(lines.topic(), lines.message(line))])

    def downs():
        return sum(e["event"] == "store-down" for e in gateway.events())

    for mode in ({"status": 503}, {"status": 500}, {"status": 401}, {"drop": True}, {"status": 302}):
        before = downs()
        store_process.mode(**mode)
        send()
        until(lambda before=before: downs() > before, what="down")
        store_process.mode()
        until(lambda: gateway.metric("pending") == 0 and gateway.metric('up{part="store"}') == 1, 40, "up")
    store_process.stop()
    send()
    until(lambda: gateway.metric('up{part="store"}') == 0, what="down")
    store_process.start()
    # This one has an empty memory but its journal: the rows done before are not sent again.
    until(lambda: set(store_process.held_lines()) == set(sent), 40, "all of them")
    assert len(store_process.held_lines()) == len(sent)
    codes = [e["code"] for e in gateway.events() if e["event"] == "store-down"]
    assert codes == [
        "store-unable", "store-broke", "store-token", "store-unreachable", "store-status-302", "store-unreachable",
    ]  # fmt: skip


def test_a_broker_that_is_away_is_waited_for_and_nothing_is_lost(
    start_mosquitto, start_gateway, store_process, publish, lines, until
):
    broker = start_mosquitto(persistence=True, lines=PERSISTENT)
    broker.stop()
    gateway = start_gateway(broker.url)
    until(lambda: gateway.event("link-down"), what="link-down")
    broker.start()
    gateway.linked()
    publish(broker, [(lines.topic(), lines.message(lines.swipe(seq=0)))])
    until(lambda: store_process.stats()["held"] == 1, what="the first")
    for seq in (1, 2):
        broker.stop()
        until(lambda: gateway.metric('up{part="link"}') == 0, what="down")
        broker.start()
        publish(broker, [(lines.topic(), lines.message(lines.swipe(seq=seq)))])
        until(lambda seq=seq: store_process.stats()["held"] == seq + 1, what="the next")
    assert [e["event"] for e in gateway.events() if e["event"].startswith("link-")][:4] == [
        "link-down", "link-up", "link-down", "link-up",
    ]  # fmt: skip


@pytest.mark.parametrize("more", [(), ("--mqtt", "5", "--share", "muster")])
def test_two_gateways_deliver_every_swipe_and_the_store_has_each_once(
    start_mosquitto, start_gateway, store_process, publish, lines, until, more
):
    broker = start_mosquitto(lines=PERSISTENT)
    both = [start_gateway(broker.url, name, more=more) for name in ("g1", "g2")]
    for gateway in both:
        gateway.linked()
    sent = [lines.swipe(seq=seq) for seq in range(40)]
    publish(broker, [(lines.topic(), lines.message(line)) for line in sent])
    until(lambda: store_process.stats()["held"] == 40, what="every swipe")
    each = 40 if not more else 1  # one of them may have delivered all before the other has heard of it
    until(lambda: all(g.metric('received_total{kind="record"}') >= each for g in both), what="both have received")
    until(lambda: all(g.metric("pending") == 0 for g in both), what="both are done")
    assert sorted(store_process.held_lines()) == sorted(sent)
    received = [g.metric('received_total{kind="record"}') for g in both]
    assert received == [40, 40] if not more else sum(received) == 40 and all(received)


def test_any_bytes_on_any_topic_go_to_the_store_as_they_came(
    mosquitto, start_gateway, store_process, publish, lines, until, rng
):
    gateway = start_gateway(mosquitto.url).linked()
    sent = [(lines.topic(kind=kind), rng.randbytes(50)) for kind in ("swipes", "hello", "head", "status", "health")]
    sent += [("muster/v1/Ünï/x y/swipes", b"{}"), (lines.topic("b-202", "roster"), b"not a roster")]
    publish(mosquitto, [*sent, (lines.topic(), lines.message(lines.swipe()))])
    until(lambda: store_process.stats()["held"] == len(sent) + 1, what="all")
    raw = [(i["topic"], base64.b64decode(i["raw_b64"])) for i in store_process.items() if i["kind"] == "raw"]
    assert sorted(raw) == sorted(sent)
    assert gateway.metric('received_total{kind="raw"}') == len(sent)


def test_a_roster_goes_from_store_to_broker_over_a_forged_one_and_a_lower_one_does_not(
    mosquitto, start_gateway, store_process, publish, listen, lines, until
):
    from tests.gateway.conftest import call

    forged = roster.encode("r102", mac.Key(1, b"z" * 32), 2**62, 0, lines.now_ms, [])
    publish(mosquitto, [(lines.topic("r102", "roster"), forged)], retain=True)
    gateway = start_gateway(mosquitto.url).linked()
    heard = listen(mosquitto, "muster/v1/+/+/roster")

    def offer(reader, version_ms):
        blob = lines.roster(reader, version_ms)
        payload = base64.b64encode(blob).decode()
        call(
            store_process.url + "/rosters",
            {"site": "main", "reader": reader, "version_ms": version_ms, "payload_b64": payload},
        )
        return blob

    true = offer("r102", lines.now_ms)
    kept = offer("b-202", 5000)
    offer("b-202", 4999)
    blob = offer("a-101", 7000)
    until(lambda: any(payload == blob for _, payload, _ in heard), what="the roster")
    until(lambda: any(payload == true for _, payload, _ in heard), 60, "the true roster over the forged one")
    assert {payload for topic, payload, _ in heard if "b-202" in topic} == {kept}
    assert gateway.metric("rosters_overwritten_total") == 1
    until(lambda: any(i["kind"] == "raw" for i in store_process.items()), what="the forged one at the store")
    [raw] = [i for i in store_process.items() if i["kind"] == "raw"]
    assert (raw["reader"], base64.b64decode(raw["raw_b64"])) == ("r102", forged)
    late = listen(mosquitto, "muster/v1/main/r102/roster")
    until(lambda: late, what="what the broker retains")
    assert late == [(lines.topic("r102", "roster"), true, True)]


def test_a_full_disk_under_the_spool_is_said_and_gone_on_from(
    mosquitto, start_gateway, store_process, publish, lines, until
):
    # A limit on the size of files is the full disk that a test can make and mend: prlimit works on a running process.
    import resource

    gateway = start_gateway(mosquitto.url).linked()
    publish(mosquitto, [(lines.topic(), lines.message(lines.swipe(seq=0)))])
    until(lambda: store_process.stats()["held"] == 1, what="the first")
    no_limit = resource.RLIM_INFINITY
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (1024, no_limit))
    publish(mosquitto, [(lines.topic(), lines.message(lines.swipe(seq=1)))])
    # The log is a file too, so what is said cannot be read there yet: the page says it.
    until(lambda: gateway.metric('up{part="spool"}') == 0, what="down")
    assert store_process.stats()["held"] == 1
    assert gateway.metric("acknowledged_total") == 1
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (no_limit, no_limit))
    until(lambda: store_process.stats()["held"] == 2, what="the second")
    assert gateway.metric('up{part="spool"}') == 1


def test_a_password_is_asked_for_and_a_wrong_one_is_said_without_telling_it(
    start_mosquitto, start_gateway, store_process, publish, lines, until, tmp_path, need
):
    passwords = tmp_path / "passwords"
    subprocess.run([need("mosquitto_passwd"), "-b", "-c", str(passwords), "gateway", "s3cret!"], check=True)
    broker = start_mosquitto(lines=["allow_anonymous false", f"password_file {passwords}"])
    wrong = start_gateway(f"mqtt://gateway:wr0ngpass@{broker.host}:{broker.port}")
    refused = until(lambda: wrong.event("link-down"), what="link-down")
    assert refused["code"] == "link-refused"
    wrong.stop()
    env = {"MUSTER_GATEWAY_BROKER": f"mqtt://gateway:s3cret%21@{broker.host}:{broker.port}"}
    right = start_gateway("mqtt://nobody", "g2", ready=False)
    right.kill()
    right.flags = right.flags[2:]
    right.start(env)
    right.linked()
    assert "wr0ngpass" not in wrong.log.read_text()
    assert "s3cret" not in right.log.read_text()
