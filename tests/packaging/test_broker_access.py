"""The access list that the install guide puts on the broker: a reader speaks and hears under its own name only."""

import queue
import subprocess

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from firmware.contract import topics

PATIENCE_S = 60
READER, OTHER, GATEWAY = "a-101", "a-102", "gateway"


@pytest.fixture
def guarded(need, start_mosquitto, tmp_path, repo):
    """A Mosquitto with the packaged access list and an account each."""
    need("mosquitto")
    accounts = tmp_path / "muster.passwd"
    accounts.touch(mode=0o600)
    for name in (GATEWAY, READER, OTHER):
        subprocess.run(["mosquitto_passwd", "-b", str(accounts), name, f"of-{name}"], check=True, capture_output=True)
    allowed = repo / "packaging" / "mosquitto.acl"
    return start_mosquitto(lines=("allow_anonymous false", f"password_file {accounts}", f"acl_file {allowed}"))


class Client:
    """One account's connection: what it hears, in order."""

    def __init__(self, broker, name: str, password: str | None = None) -> None:
        self.heard: queue.Queue[str] = queue.Queue()
        self.answers: queue.Queue[bool] = queue.Queue()
        self._subscribed: queue.Queue[object] = queue.Queue()
        self._paho = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"test-{name}")
        self._paho.username_pw_set(name, password or f"of-{name}")
        self._paho.on_connect = lambda client, data, flags, reason, more: self.answers.put(not reason.is_failure)
        self._paho.on_subscribe = lambda *answer: self._subscribed.put(answer)
        self._paho.on_message = lambda client, data, message: self.heard.put(message.topic)
        self._paho.connect(broker.host, broker.port)
        self._paho.loop_start()

    def subscribe(self, topic: str) -> None:
        self._paho.subscribe(topic, 1)
        self._subscribed.get(timeout=PATIENCE_S)

    def say(self, topic: str) -> None:
        self._paho.publish(topic, b"{}", 1).wait_for_publish(PATIENCE_S)

    def until(self, topic: str) -> list[str]:
        """What it heard up to that topic, with it."""
        found = []
        while topic not in found:
            found.append(self.heard.get(timeout=PATIENCE_S))
        return found

    def close(self) -> None:
        self._paho.disconnect()
        self._paho.loop_stop()


@pytest.fixture
def client(guarded):
    made = []

    def connect(name: str, password: str | None = None) -> Client:
        made.append(Client(guarded, name, password))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def topic(reader: str, kind: str) -> str:
    return topics.topic("main", reader, kind)


def test_a_reader_is_heard_under_its_own_name_only(client):
    gateway, reader = client(GATEWAY), client(READER)
    for kind in topics.UP:
        gateway.subscribe(f"{topics.ROOT}/+/+/{kind}")
    for kind in topics.UP:
        reader.say(topic(OTHER, kind))
    # What a gateway alone may say.
    for kind in topics.DOWN:
        reader.say(topic(READER, kind))
    # In order on one connection: what came before these was not passed on.
    for kind in topics.UP:
        reader.say(topic(READER, kind))
    assert gateway.until(topic(READER, topics.UP[-1])) == [topic(READER, kind) for kind in topics.UP]


def test_a_reader_hears_what_is_said_to_it_and_nothing_else(client):
    gateway, reader = client(GATEWAY), client(READER)
    reader.subscribe("#")
    for kind in topics.DOWN:
        gateway.say(topic(OTHER, kind))
    client(OTHER).say(topic(OTHER, "swipes"))
    for kind in topics.DOWN:
        gateway.say(topic(READER, kind))
    assert reader.until(topic(READER, topics.DOWN[-1])) == [topic(READER, kind) for kind in topics.DOWN]


def test_nobody_connects_with_another_password(client):
    assert client(READER).answers.get(timeout=PATIENCE_S) is True
    assert client(OTHER, password=f"of-{READER}").answers.get(timeout=PATIENCE_S) is False
