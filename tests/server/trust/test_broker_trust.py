"""What a real Mosquitto delivers with the configuration that `muster broker config` writes: to whom, from whom.

Mosquitto 2.0.11 acknowledges what the access list forbids, so no test here looks at an acknowledgement: each looks at
what a gateway or a reader was given.
"""

import ssl
import time
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware.contract import topics
from firmware.pi import certificate
from firmware.pi import trust as pi_trust
from firmware.reader.settings import Settings, Tls
from server import certificates
from server.clock import Clock
from tests.server.store_client import Server

pytestmark = pytest.mark.needs("mosquitto")


def of(reader: str, kind: str) -> str:
    return topics.topic("main", reader, kind)


@pytest.fixture
def both(trust):
    """Accounts of the two readers, known to the broker."""
    trust.one, trust.two = trust.account("a-1"), trust.account("a-2")
    trust.bring()
    return trust


def connected(trust, account, **more):
    made = trust.client(account.user, account.password, **more)
    assert made.answer() is True
    return made


def test_what_a_reader_says_under_its_own_name_arrives_and_under_anothers_does_not(both):
    gateway = both.of_gateway()
    # Each on a connection of its own: the broker throws off whoever says what is forbidden.
    for kind in ("swipes", "status", "hello"):
        connected(both, both.one).say(of("a-2", kind), "forged", retain=kind == "status")
    connected(both, both.one).say(of("a-1", "swipes"), "mine")
    assert gateway.until("mine") == [(of("a-1", "swipes"), "mine")]
    # Nor was it kept for whoever subscribes later.
    late = both.of_gateway()
    connected(both, both.two).say(of("a-2", "swipes"), "last")
    assert late.until("last") == [(of("a-2", "swipes"), "last")]


def test_a_readers_last_will_is_not_said_under_anothers_name(both):
    gateway = both.of_gateway()
    forger = connected(both, both.one, will=of("a-2", "status"))
    forger.cut()
    assert forger.gone.wait(30)
    connected(both, both.two).say(of("a-2", "swipes"), "after")
    assert gateway.until("after") == [(of("a-2", "swipes"), "after")]


def test_a_reader_hears_nothing_that_is_another_readers(both):
    gateway, one = both.of_gateway(), connected(both, both.one)
    # It asks for everything, by every way to ask.
    one.subscribe("#", "muster/#", of("a-2", "roster"), of("a-2", "receipt"), "muster/v1/+/+/command", "$SYS/#",
                  "$share/g/muster/v1/+/+/receipt")  # fmt: skip
    for kind in topics.DOWN:
        gateway.say(of("a-2", kind), f"for two: {kind}", retain=kind == "roster")
    connected(both, both.two).say(of("a-2", "swipes"), "from two")
    gateway.until("from two")
    gateway.say(of("a-1", "receipt"), "for one")
    assert {topic for topic, _ in one.until("for one")} == {of("a-1", "receipt")}


def test_a_reader_that_calls_itself_by_anothers_client_id_gets_none_of_its_messages(both):
    gateway = both.of_gateway()
    two = connected(both, both.two, client_id="a-2", clean=False)
    two.subscribe(of("a-2", "receipt"))
    thief = connected(both, both.one, client_id="a-2", clean=False)
    gateway.say(of("a-2", "receipt"), "for two")
    assert two.until("for two") == [(of("a-2", "receipt"), "for two")]
    # And it has thrown nobody off.
    assert not two.gone.is_set()
    assert thief.heard.empty()


def test_a_reader_may_not_say_what_comes_from_above(both):
    one = connected(both, both.one)
    one.subscribe(of("a-1", "receipt"))
    forger = both.client(both.two.user, both.two.password)
    assert forger.answer() is True
    forger.say(of("a-1", "receipt"), "forged")
    forger.say(of("a-2", "receipt"), "forged")
    assert forger.gone.wait(30)
    both.of_gateway().say(of("a-1", "receipt"), "true")
    assert one.until("true") == [(of("a-1", "receipt"), "true")]


@pytest.mark.parametrize(
    ("user", "password"), [("", ""), ("a-1", "wrong"), ("a-1", ""), ("nobody", "x"), ("gateway.g9", "wrong")]
)
def test_nobody_comes_in_without_the_right_password(both, user, password):
    assert both.client(user, password).answer() is False


def test_a_reader_with_another_authority_does_not_speak_to_this_broker(both, tmp_path):
    other = certificates.make_authority("other", both.now_ms)
    wrong = tmp_path / "other.crt"
    wrong.write_bytes(certificates.pem(other.certificate))
    with pytest.raises(ssl.SSLCertVerificationError):
        both.client(both.one.user, both.one.password, ca=wrong)


def certified(trust, authority, folder, name="a-1"):
    """(certificate, key) of a reader, by this authority."""
    folder.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anything")])
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    made = certificates.issue_reader(authority, asked.public_bytes(serialization.Encoding.PEM), name, trust.now_ms)
    (folder / "c.crt").write_bytes(made)
    (folder / "c.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "c.crt", folder / "c.key"


def test_a_pi_comes_in_with_password_and_certificate_and_with_neither_alone(trust, tmp_path):
    pi = trust.account("a-1", mutual=True)
    trust.bring()
    gateway = trust.of_gateway()
    pair = certified(trust, trust.authority, tmp_path / "mine")
    ok = trust.client(pi.user, pi.password, port=trust.broker.mutual_port, certificate=pair)
    assert ok.answer() is True
    ok.say(of("a-1", "swipes"), "mutual")
    assert gateway.until("mutual") == [(of("a-1", "swipes"), "mutual")]
    # Its password is worth nothing at the other listener, nor its certificate without the password.
    assert trust.client(pi.user, pi.password).answer() is False
    assert trust.client(pi.user, "wrong", port=trust.broker.mutual_port, certificate=pair).answer() is False
    # Without a certificate, or with one of another authority, nothing is ever answered.
    other = certified(trust, certificates.make_authority("other", trust.now_ms), tmp_path / "other")
    for wrong in (None, other):
        assert not came_in(trust, pi, wrong)


def came_in(trust, account, pair) -> bool:
    """TLS 1.2: the broker refuses in the handshake."""
    try:
        made = trust.client(account.user, account.password, port=trust.broker.mutual_port, certificate=pair)
    except (ssl.SSLError, OSError):
        return False
    made.gone.wait(30)
    return not made.answers.empty() and made.answers.get()


def test_a_reader_whose_account_ends_is_thrown_off_by_the_agent_and_nothing_more_of_it_arrives(both):
    agent = both.agent(Server(both.w).app)
    agent.step()
    gateway, one, two = both.of_gateway(), connected(both, both.one), connected(both, both.two)
    one.say(of("a-1", "swipes"), "before")
    gateway.until("before")
    both.account("a-1")  # another password: the one before it ends
    assert agent.step() is True
    assert one.gone.wait(30)
    assert both.client(both.one.user, both.one.password).answer() is False
    two.say(of("a-2", "swipes"), "after")
    assert gateway.until("after") == [(of("a-2", "swipes"), "after")]
    assert not two.gone.is_set()
    # Nothing changed: nothing is told.
    assert agent.step() is False


def test_the_agent_leaves_the_broker_as_it_is_while_the_store_is_away(both):
    class Away:
        def get(self, *_, **__):
            import httpx

            raise httpx.ConnectError("no")

    agent = both.agent(Server(both.w).app)
    agent.step()
    agent._store = Away()
    assert agent.step() is False
    assert connected(both, both.one)


def test_accounts_and_what_waits_for_a_gateway_outlive_the_brokers_restart(trusts):
    trust = trusts(persistence=True)
    one = trust.account("a-1")
    trust.bring()
    gateway = trust.client(trust.gateway.user, trust.gateway.password, clean=False)
    assert gateway.answer() is True
    gateway.subscribe("muster/v1/+/+/swipes")
    gateway.close()
    reader = connected(trust, one)
    reader.say(of("a-1", "swipes"), "while away")
    trust.broker.stop()
    trust.broker.start()
    # With accounts for each listener the broker must know again whose the waiting session is.
    connected(trust, one).say(of("a-1", "swipes"), "after the restart")
    again = trust.client(trust.gateway.user, trust.gateway.password, clean=False)
    assert [text for _, text in again.until("after the restart")] == ["while away", "after the restart"]


def test_a_pi_asks_the_store_for_its_certificate_and_the_broker_takes_it(trust, tmp_path):
    w = trust.w
    board = w.reader("p-1", room=None)
    account = trust.account("p-1", mutual=True)
    trust.bring()
    store = Server(w)
    store.app.state.clock = Clock(real=time.time)

    def ask(address: str, body: bytes, token: str) -> str:
        path = address.removeprefix("https://store")
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        answer = store.client.post(path, content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    pair = str(tmp_path / "broker.pem")
    tls = Tls((trust.authority.certificate,), "localhost", 0, pair, pair)
    settings = Settings("main", "p-1", board.key, [board.key], {}, None, tls)
    until = certificate.renew(settings, "https://store", ask, datetime.now(UTC))
    assert certificate.is_fresh(tls, "p-1", datetime.now(UTC))
    assert (until - datetime.now(UTC)).days in (29, 30)
    gateway = trust.of_gateway()
    pi = trust.client(account.user, account.password, port=trust.broker.mutual_port, context=pi_trust.context(tls))
    assert pi.answer() is True
    pi.say(of("p-1", "swipes"), "from the Pi")
    assert gateway.until("from the Pi") == [(of("p-1", "swipes"), "from the Pi")]
