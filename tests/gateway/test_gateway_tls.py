"""The link over TLS: a broker with the right certificate is used, one with another is refused and said."""

import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

pytestmark = pytest.mark.needs("mosquitto")


def certificate(folder, name):
    """A certificate for 127.0.0.1 that signs itself; returns the paths of certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return paths


def test_swipes_pass_over_tls_and_a_broker_with_another_certificate_is_refused(
    start_mosquitto, start_gateway, store_process, tmp_path, lines, until
):
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    crt, key = certificate(tmp_path, "broker")
    other, _ = certificate(tmp_path, "other")
    broker = start_mosquitto(lines=["max_queued_messages 0", f"certfile {crt}", f"keyfile {key}"])
    url = f"mqtts://{broker.host}:{broker.port}"
    wrong = start_gateway(url, "g2", more=["--ca-file", str(other)])
    assert until(lambda: wrong.event("link-down"), what="link-down")["code"] == "link-tls"
    start_gateway(url, more=["--ca-file", str(crt)]).linked()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.tls_set(str(crt))
    client.connect(broker.host, broker.port)
    client.loop_start()
    sent = [lines.swipe(seq=seq) for seq in range(200)]
    for line in sent:
        client.publish(lines.topic(), lines.message(line), qos=1)
    until(lambda: store_process.stats()["held"] == 200, what="every swipe")
    client.disconnect()
    client.loop_stop()
    assert sorted(store_process.held_lines()) == sorted(sent)
