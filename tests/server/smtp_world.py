"""A real SMTP server on loopback for tests of mails: what it takes, what it refuses, and with what certificate."""

import asyncio
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from ipaddress import ip_address

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Inbox:
    """What the mail system does with what it is handed, and what it took. say: event -> its answer."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.say: dict[str, str] = {}
        self.deaf: list[str] = []

    async def handle_MAIL(self, server, session, envelope, address, options):
        if "MAIL" in self.say:
            return self.say["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if said := self.say.get(address, self.say.get("RCPT")):
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if "DATA" in self.say:
            return self.say["DATA"]
        self.taken.append(envelope.original_content)
        if self.deaf:
            # It has the mail, and the line breaks before it can say so.
            self.deaf.pop()
            server.transport.abort()
        return "250 taken"

    def mails(self):
        return [message_from_bytes(one, policy=default) for one in self.taken]


def certificate(folder):
    """A certificate for 127.0.0.1, and its key, in files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def login(server, session, envelope, mechanism, data):
    # The server says so itself.
    return AuthResult(success=(data.login, data.password) == (b"muster", b"secret words"), handled=False)


class Post:
    """An SMTP server on loopback, in a thread of its own; `with`. free: its port."""

    def __init__(self, inbox, *, port=0, ssl_context=None, **values):
        self._loop = asyncio.new_event_loop()
        self._made = lambda: SMTP(inbox, hostname="mail.example", loop=self._loop, **values)
        self._context, self.free = ssl_context, port

    def __enter__(self):
        begun = self._loop.create_server(self._made, "127.0.0.1", self.free, ssl=self._context)
        self._server = self._loop.run_until_complete(begun)
        self.free = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._server.close()
        left = asyncio.all_tasks(self._loop)
        for one in left:
            one.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left))
        self._loop.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
