"""A real Mosquitto with the configuration that `muster broker config` writes, a store, and clients of any kind."""

import os
import queue
import signal
import ssl
import subprocess
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
from fastapi.testclient import TestClient
from paho.mqtt.enums import CallbackAPIVersion

from server import broker_files, certificates
from server.broker_agent import Agent
from server.broker_files import Listeners
from server.store import agents, authorities, credentials, gateways, schema
from server.store.engine import writing
from tests.parts_mosquitto import Mosquitto, free_port

PATIENCE_S = 30


class Guarded(Mosquitto):
    """Mosquitto as an institution runs it: TLS, accounts, access list. `port` takes passwords, `mutual_port` wants a
    certificate as well. Its number stands in `pid_file`."""

    def __init__(self, program: str, folder: Path, *, persistence: bool = False) -> None:
        super().__init__(program, folder, persistence=persistence, lines=())
        self.mutual_port = free_port()
        self.pid_file = folder / "mosquitto.pid"
        keep = [
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
        ]
        lines = [f"pid_file {self.pid_file}", "user root", "log_type all", f"log_dest file {self.log}"]
        where = Listeners(port=self.port, mutual_port=self.mutual_port, bind=self.host)
        made = "\n".join([*lines, *(keep if persistence else [])]) + "\n" + broker_files.conf(folder, where)
        (folder / "mosquitto.conf").write_text(made)


class Trust:
    """World `w` with an authority, a broker that knows its accounts, and the agent beside it."""

    def __init__(self, w, program: str, folder: Path, *, persistence: bool = False) -> None:
        self.w, self.folder = w, folder
        folder.mkdir()
        with writing(w.engine) as connection:
            self.authority = authorities.make(connection, w.vault, w.institution_id, "test", w.now_ms)
            self.token = agents.make(connection, w.institution_id, "broker", w.now_ms)
            gateways.add(connection, w.institution_id, "g9", w.now_ms)
            self.gateway = credentials.make_for_gateway(connection, w.institution_id, "g9", w.now_ms)
        self.now_ms = int(time.time() * 1000)
        issued = certificates.issue_broker(self.authority, ["127.0.0.1", "localhost"], self.now_ms)
        broker_files.put(folder, broker_files.CERTIFICATE, issued.certificate)
        broker_files.put(folder, broker_files.KEY, issued.key)
        self.ca = folder / broker_files.CA
        broker_files.put(folder, broker_files.CA, certificates.pem(self.authority.certificate))
        self.broker = Guarded(program, folder, persistence=persistence)
        self.clients: list[Client] = []
        self.bring()
        self.broker.start()

    def account(self, name: str, *, mutual: bool = False):
        """A reader's new account at the broker, which the broker hears of by `bring`."""
        with writing(self.w.engine) as connection:
            found = next(row for row in self.w.all(schema.reader) if row.name == name)
            return credentials.make(connection, self.w.institution_id, found.id, self.w.now_ms, mutual=mutual)

    def bring(self) -> None:
        """The broker's files as the store says now; Mosquitto reads them again."""
        with writing(self.w.engine) as connection:
            held = credentials.held(connection, self.w.institution_id)
        for name, text in broker_files.living(held).items():
            broker_files.put(self.folder, name, text)
        if self.broker.running:
            self.hang_up()

    def hang_up(self) -> None:
        """SIGHUP."""
        subprocess.run(["kill", f"-{signal.SIGHUP.value}", self.broker.pid_file.read_text().strip()], check=True)

    def agent(self, app) -> Agent:
        """The agent beside this broker, asking this app."""
        client = TestClient(app, headers={"authorization": f"Bearer {self.token}"})
        return Agent(self.folder, client, self.broker.pid_file, kill=os.kill)

    def client(self, user: str = "", password: str = "", **more) -> "Client":
        made = Client(self, user, password, **more)
        self.clients.append(made)
        return made

    def of_gateway(self) -> "Client":
        """The gateway's client, which hears all that readers say."""
        made = self.client(self.gateway.user, self.gateway.password)
        assert made.answer() is True
        made.subscribe("muster/v1/+/+/swipes", "muster/v1/+/+/status", "muster/v1/+/+/hello")
        return made

    def close(self) -> None:
        for one in self.clients:
            one.close()
        self.broker.kill()


class Client:
    """One connection: what it hears, and whether it was taken or thrown off."""

    def __init__(self, trust: Trust, user: str, password: str, *, client_id="", ca=None, certificate=None, port=None,
                 will: str | None = None, clean: bool = True, context: ssl.SSLContext | None = None) -> None:  # fmt: skip
        self.heard: queue.Queue[tuple[str, str]] = queue.Queue()
        self.answers: queue.Queue[bool] = queue.Queue()
        self.gone = threading.Event()
        self._subscribed: queue.Queue[object] = queue.Queue()
        self._paho = made = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id or f"c-{user}", clean_session=clean
        )
        context = context or ssl.create_default_context(cafile=str(ca or trust.ca))
        if certificate is not None:
            context.load_cert_chain(*map(str, certificate))
        made.tls_set_context(context)
        if user:
            made.username_pw_set(user, password)
        if will is not None:
            made.will_set(will, b"gone", 1)
        made.on_connect = lambda client, data, flags, reason, more: self.answers.put(not reason.is_failure)
        made.on_subscribe = lambda *answer: self._subscribed.put(answer)
        made.on_message = lambda client, data, message: self.heard.put((message.topic, message.payload.decode()))
        made.on_disconnect = lambda *answer: self.gone.set()
        # It does not come back by itself: a test looks at one connection.
        made.reconnect_delay_set(3600, 3600)
        made.connect(trust.broker.host, port or trust.broker.port)
        made.loop_start()

    def answer(self) -> bool:
        """Whether the broker took it."""
        return self.answers.get(timeout=PATIENCE_S)

    def subscribe(self, *topics: str) -> None:
        for topic in topics:
            self._paho.subscribe(topic, 1)
            self._subscribed.get(timeout=PATIENCE_S)

    def say(self, topic: str, text: str, *, retain: bool = False) -> None:
        """Publish; not waited for: a broker that forbids it throws the client off."""
        self._paho.publish(topic, text.encode(), 1, retain=retain)

    def until(self, text: str) -> list[tuple[str, str]]:
        """What it heard up to this text, with it."""
        found: list[tuple[str, str]] = []
        while not found or found[-1][1] != text:
            try:
                found.append(self.heard.get(timeout=PATIENCE_S))
            except queue.Empty:
                raise AssertionError(f"never delivered: {text}; only {found}") from None
        return found

    def cut(self) -> None:
        """The connection breaks without a word: the broker says the will."""
        sock = self._paho.socket()
        if sock is not None:
            sock.shutdown(2)

    def close(self) -> None:
        self._paho.disconnect()
        self._paho.loop_stop()
