"""TLS on the Pi by paho with a real Mosquitto: whom it trusts, its own certificate, and a clock that begins years back."""

import asyncio
import time

import paho.mqtt.client as paho
import pytest

from firmware.pi import trust
from firmware.pi.link import Broker, Link
from firmware.reader.settings import Tls
from tests.firmware.pico.authority import DAY_S, Authority

pytestmark = pytest.mark.needs("mosquitto")
NAME = "broker.test"
NOW_S = int(time.time())


@pytest.fixture(scope="module")
def authorities():
    """Ours, and another one."""
    return [Authority(NOW_S - 400 * DAY_S, NOW_S + 400 * DAY_S, f"authority-{n}.test") for n in range(2)]


@pytest.fixture
def broker(start_mosquitto, free_port, tmp_path):
    """broker(authority, name, from_s, until_s, lines) -> (a Mosquitto that also listens with TLS, on which port)."""

    def start(authority, name=NAME, from_s=NOW_S - 300 * DAY_S, until_s=NOW_S + 30 * DAY_S, lines=()):
        certificate, key = authority.issue(tmp_path, name, from_s, until_s)
        port = free_port()
        own = [f"listener {port} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}", *lines]
        return start_mosquitto(lines=own), port

    return start


def tls(*cas, name=NAME, floor_s=0, certificate=None, key=None) -> Tls:
    return Tls([one.der for one in cas], name, floor_s, certificate, key)


class End:
    """A link that was started, with what it told."""

    def __init__(self, port, trusted, user: str | None = "pi-1"):
        self.downs, self.messages = [], []
        self.up = asyncio.Event()
        made = Broker(host="127.0.0.1", port=port, client_id="pi-1", user=user, password="secret-of-pi-1", tls=trusted)
        self.link = Link(
            broker=made,
            will=("muster/v1/main/pi-1/status", b"gone"),
            subscriptions=["to/pi-1/#"],
            on_up=self._on_up,
            on_down=self.downs.append,
            on_message=lambda topic, payload: self.messages.append(payload),
            uniform=lambda low, high: low / 10,
        )

    async def _on_up(self):
        self.up.set()
        await asyncio.Event().wait()

    async def __aenter__(self):
        self._task = asyncio.create_task(self.link.run())
        return self

    async def __aexit__(self, *error):
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=40)

    async def until(self, what):
        deadline = time.monotonic() + 30
        while not what():
            assert time.monotonic() < deadline, (self.downs, self.messages)
            await asyncio.sleep(0.01)


async def test_many_messages_in_one_tls_record_all_arrive_at_once(broker, authorities):
    """Bytes that OpenSSL has taken out of the socket are not waited for by anybody."""
    mosquitto, port = broker(authorities[0])
    sender = paho.Client(paho.CallbackAPIVersion.VERSION2)
    sender.connect(mosquitto.host, mosquitto.port)
    sender.loop_start()
    try:
        for n in range(50):
            sender.publish(f"to/pi-1/{n}", b"%d" % n, qos=1, retain=True).wait_for_publish(10)
        async with End(port, tls(authorities[0])) as end:
            await asyncio.wait_for(end.up.wait(), 20)
            await end.until(lambda: len(end.messages) == 50)
            big = bytes(range(256)) * 240
            await end.link.publish("to/pi-1/big", big)
            await end.until(lambda: big in end.messages)
            assert not end.downs
    finally:
        sender.disconnect()
        sender.loop_stop()


@pytest.mark.parametrize("which", ["another authority", "another name", "expired", "not yet valid", "plain"])
async def test_a_broker_that_is_not_ours_hears_not_even_the_user(broker, authorities, which):
    ours, other = authorities
    dates = {
        "expired": (NOW_S - 300 * DAY_S, NOW_S - DAY_S),
        "not yet valid": (NOW_S + DAY_S, NOW_S + 30 * DAY_S),
    }.get(which, (NOW_S - 300 * DAY_S, NOW_S + 30 * DAY_S))
    name = "pi-2.test" if which == "another name" else NAME
    mosquitto, port = broker(other if which == "another authority" else ours, name, *dates)
    async with End(mosquitto.port if which == "plain" else port, tls(ours)) as end:
        # A broker that hangs up in the middle is unreachable to who had no time to say what it thinks of it: it tries again.
        await end.until(lambda: end.downs if which == "plain" else "link-tls" in end.downs)
    assert set(end.downs) <= {"link-tls", "link-unreachable"}
    log = mosquitto.log.read_text()
    assert "pi-1" not in log and "New client connected" not in log


async def test_a_broker_that_wants_to_know_who_we_are_is_shown_our_certificate(broker, authorities, tmp_path):
    ours, other = authorities
    (tmp_path / "ca.pem").write_bytes(ours.pem)
    lines = [f"cafile {tmp_path}/ca.pem", "require_certificate true", "use_identity_as_username true"]
    mosquitto, port = broker(ours, lines=lines)
    now = NOW_S - DAY_S, NOW_S + DAY_S
    certificate, key = (str(path) for path in ours.issue(tmp_path, "pi-1", *now))
    async with End(port, tls(ours, certificate=certificate, key=key), user=None) as end:
        await asyncio.wait_for(end.up.wait(), 20)
        assert "u'pi-1'" in mosquitto.log.read_text()
    (tmp_path / "not-ours").mkdir()
    wrong, wrong_key = (str(path) for path in other.issue(tmp_path / "not-ours", "pi-1", *now))
    for trusted in (tls(ours), tls(ours, certificate=wrong, key=wrong_key)):
        async with End(port, trusted, user=None) as end:
            await end.until(lambda end=end: end.downs)
            assert not end.up.is_set()


async def test_a_certificate_that_is_renewed_on_disk_is_used_at_the_next_connect(broker, authorities, tmp_path):
    ours, _ = authorities
    missing = tls(ours, certificate=str(tmp_path / "pi-1.pem"), key=str(tmp_path / "pi-1.key"))
    _, port = broker(ours)
    async with End(port, missing) as end:
        await end.until(lambda: end.downs)
        assert not end.up.is_set()
        ours.issue(tmp_path, "pi-1", NOW_S - DAY_S, NOW_S + DAY_S)
        await asyncio.wait_for(end.up.wait(), 20)


async def test_a_pi_whose_clock_is_before_the_floor_connects_and_still_checks_who_it_is(broker, authorities):
    ours, other = authorities
    _, port = broker(ours, NAME, NOW_S + 10 * DAY_S, NOW_S + 30 * DAY_S)
    early = tls(ours, floor_s=NOW_S + 20 * DAY_S)
    async with End(port, early) as end:
        await asyncio.wait_for(end.up.wait(), 20)
    for wrong in (tls(other, floor_s=early.floor_s), tls(ours, name="else.test", floor_s=early.floor_s)):
        async with End(port, wrong) as end:
            await end.until(lambda end=end: end.downs)
            assert end.downs == ["link-tls"]


def test_dates_are_looked_at_again_once_the_clock_is_past_the_floor(authorities):
    trusted = tls(authorities[0], floor_s=NOW_S)
    assert trust.context(trusted, lambda: NOW_S - 1).verify_flags & trust.NO_CHECK_TIME
    assert not trust.context(trusted, lambda: NOW_S + 1).verify_flags & trust.NO_CHECK_TIME
