"""firmware/pico/link.py and what lies between it and the broker: addresses, Wi-Fi, TLS; and that none of it stalls a tap."""

import datetime
import socket

import pytest

from tests.firmware.pico.link_world import STALL_MS, WAIT_S

pytestmark = pytest.mark.needs("micropython", "mosquitto")


def test_an_address_where_nobody_listens_does_not_stall_the_reader(free_port, probe):
    link = probe(port=free_port(), backoff_ms=100)
    assert link.wait("down")["code"] == "link-connect"
    link.run_for(1.5)
    assert len(link.of("down")) == 1
    assert link.worst_stall_ms < STALL_MS


def test_a_network_that_swallows_packets_ends_at_the_deadline(probe):
    # a listener whose queue of connections is full does not answer any more
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        link = probe(port=listener.getsockname()[1], answer_ms=500, backoff_ms=200)
        down = link.wait("down")
        for filler in fillers:
            filler.close()
        assert down["code"] == "link-connect-timeout"
        assert link.worst_stall_ms < STALL_MS


def test_the_measure_of_stalls_sees_one(mosquitto, probe, subscriber):
    """The saboteur of every bound on `worst_stall_ms` above: a handler that blocks for 2.5 s."""
    link = probe(port=mosquitto.port, subscriptions=["r/command"], blocking_handler_ms=2500)
    link.wait("up")
    sender = subscriber(mosquitto.port, "none")
    sender.client.publish("r/command", b"x", qos=1).wait_for_publish(WAIT_S)
    link.wait("message")
    link.run_for(0.5)
    assert link.worst_stall_ms > STALL_MS


def test_a_flood_of_small_messages_does_not_keep_the_card_reader_from_its_turn(mosquitto, probe, subscriber):
    link = probe(port=mosquitto.port, subscriptions=["r/command"], quiet=True)
    link.wait("up")
    sender = subscriber(mosquitto.port, "none")
    sent = [sender.client.publish("r/command", b"x", qos=n % 2) for n in range(2000)]
    sent[-1].wait_for_publish(WAIT_S)
    last = sender.client.publish("r/command", b"last", qos=1)
    last.wait_for_publish(WAIT_S)
    link.wait("message", size=4)
    assert not link.of("down")
    link.run_for(0.5)  # what the flood's last turns were is said every 200 ms
    print(f"\nworst stall in a flood {link.worst_stall_ms} ms, {link.most_between} messages")
    assert link.of("stall")
    assert link.most_between < 500


def test_a_name_is_taken_but_warned_about(mosquitto, probe):
    link = probe(port=mosquitto.port, host="localhost")
    link.wait("log", what="link-host-is-a-name")
    if not link.of("up"):
        link.wait("up")
    assert not link.of("down")


def test_the_wifi_is_started_waited_for_and_noticed_when_it_goes(mosquitto, probe):
    link = probe(port=mosquitto.port, wifi=[300, 4000], wifi_ms=2000, backoff_ms=100)
    link.wait("wifi-start")
    link.wait("up")
    assert link.wait("down")["code"] == "link-wifi-lost"
    link.wait("wifi-start")
    link.wait("up")


def test_a_wifi_that_never_comes_ends_at_its_deadline_and_is_tried_again(mosquitto, probe):
    link = probe(port=mosquitto.port, wifi=[3_600_000, 0], wifi_ms=300, backoff_ms=100)
    assert link.wait("down")["code"] == "link-wifi-timeout"
    link.wait("wifi-start")
    link.wait("wifi-start")
    assert len(link.of("down")) == 1


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA (DER for the reader), a server certificate for the name `broker.test`, and another CA."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = tmp_path_factory.mktemp("tls")
    now = datetime.datetime.now(datetime.UTC)

    def make(name, issuer=None, issuer_key=None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(issuer_key or key, hashes.SHA256())
        )
        return key, certificate

    ca_key, ca = make("ca.test")
    _, other = make("other.test")
    key, certificate = make("broker.test", ca.subject, ca_key)
    encoding = serialization.Encoding
    (folder / "ca.der").write_bytes(ca.public_bytes(encoding.DER))
    (folder / "other.der").write_bytes(other.public_bytes(encoding.DER))
    (folder / "server.pem").write_bytes(certificate.public_bytes(encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


@pytest.fixture
def tls_broker(start_mosquitto, certificates):
    return start_mosquitto(lines=[f"certfile {certificates}/server.pem", f"keyfile {certificates}/key.pem"])


def test_over_tls_messages_go_out_and_a_large_roster_comes_in(tls_broker, certificates, probe):
    link = probe(
        port=tls_broker.port,
        ca=str(certificates / "ca.der"),
        tls_name="broker.test",
        subscriptions=["t"],
        publish={"topic": "t", "count": 20, "size": 40_000, "workers": 4},
    )
    done = link.wait("published")
    assert done["health"]["published"] == 20
    while len(link.of("message")) < 20:
        link.wait("message")
    assert {e["size"] for e in link.of("message")} == {40_000}
    assert not link.of("down")


@pytest.mark.parametrize("ca, name", [("other.der", "broker.test"), ("ca.der", "evil.test")])
def test_a_broker_that_tls_does_not_vouch_for_is_refused(tls_broker, certificates, probe, ca, name):
    link = probe(port=tls_broker.port, ca=str(certificates / ca), tls_name=name, user="u", password="secret")
    assert link.wait("down")["code"] == "link-tls"
    assert "CONNECT" not in tls_broker.log.read_text()
