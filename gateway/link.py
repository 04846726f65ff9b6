"""The link to the broker: the adapter around paho-mqtt, and the one owner of reconnection.

paho runs on the asyncio loop through its socket callbacks. Only making a connection (name, TCP, TLS) blocks in paho;
that one call is left to asyncio's executor. Messages are acknowledged by hand, after the spool's commit.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from firmware.contract import topics
from gateway.clock import Backoff
from gateway.counts import Counts
from gateway.errors import LinkError
from gateway.events import Condition
from gateway.settings import Broker

#: messages and bytes that wait for the spool; past them the socket is not read, and the broker keeps the rest
WAITING_MOST = 10_000
WAITING_BYTES_MOST = 32_000_000
#: packets read before anything else gets its turn
READ_AT_ONCE = 64
SESSION_S = 30 * 24 * 3600  #: how long an MQTT 5 broker keeps the session of a gateway that is away
RECEIVE_MOST = 500  #: unacknowledged messages that an MQTT 5 broker may send


@dataclass(frozen=True, slots=True)
class Message:
    """One message from the broker."""

    topic: str
    payload: bytes
    #: 0: nothing to acknowledge
    mid: int
    #: which connection it came on: an acknowledgement counts on that one only
    generation: int


class Link(Protocol):
    """What the logic needs of the broker. `gateway.testing` has one in memory."""

    #: counts the connections made; a new one means that retained messages come again
    generation: int

    async def receive(self) -> list[Message]:
        """What has come, at least one message; waits for it."""
        ...

    def acknowledge(self, messages: list[Message]) -> None:
        """These are durable: the broker need not keep them."""
        ...

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> bool:
        """Hand a message to the broker at QoS 1. False: the link is down, and it was not taken."""
        ...

    @property
    def is_up(self) -> bool:
        """Whether it is connected and subscribed."""
        ...


def subscriptions(share: str) -> list[str]:
    """The topic filters of a gateway. share: a group name where several gateways divide the readers' messages."""
    shared = f"$share/{share}/" if share else ""
    filters = [f"{shared}{topics.ROOT}/+/+/{kind}" for kind in topics.UP]
    return [*filters, f"{topics.ROOT}/+/+/roster"]


class MqttLink:
    """The link to a real broker. `run` keeps it up until it is cancelled."""

    def __init__(self, broker: Broker, *, backoff: Backoff, condition: Condition, counts: Counts) -> None:
        self.generation = 0
        self._broker = broker
        self._backoff = backoff
        self._condition = condition
        self._counts = counts
        self._inbox: list[Message] = []
        self._waiting_bytes = 0
        self._paused = False
        self._arrived = asyncio.Event()
        self._gone = asyncio.Event()
        self._subscribing: int | None = None
        self._up = False
        self._read = 0
        self._reader: Any = None
        self._client = self._make()

    @property
    def is_up(self) -> bool:
        """Whether it is connected and subscribed."""
        return self._up

    async def receive(self) -> list[Message]:
        """What has come, at least one message; waits for it."""
        while not self._inbox:
            self._arrived.clear()
            await self._arrived.wait()
        messages, self._inbox, self._waiting_bytes = self._inbox, [], 0
        if self._paused and self._reader is not None:
            asyncio.get_running_loop().add_reader(self._reader, self._readable)
        self._paused = False
        return messages

    def acknowledge(self, messages: list[Message]) -> None:
        """These are durable: the broker need not keep them. On a new connection it has sent them again already."""
        for message in messages:
            if message.mid and self._reader is not None and message.generation == self.generation:
                self._client.ack(message.mid, 1)
                self._counts.add("acknowledged_total")

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> bool:
        """Hand a message to the broker at QoS 1. False: the link is down, and it was not taken."""
        if not self._up:
            return False
        return self._client.publish(topic, payload, qos=1, retain=retain).rc == paho.MQTT_ERR_SUCCESS

    async def run(self) -> None:
        """Connect, stay connected, connect again: until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._gone.clear()
                try:
                    await loop.run_in_executor(None, self._client.reconnect)
                except (OSError, ValueError, ssl.SSLError) as error:
                    code = "link-tls" if isinstance(error, ssl.SSLError) else "link-unreachable"
                    self._went(
                        LinkError(code, f"the broker cannot be reached ({type(error).__name__}): check --broker")
                    )
                else:
                    self._attach(loop)
                    await self._watch()
                    self._detach(loop)
                    self._went(LinkError("link-lost", "the connection to the broker was lost"))
                await asyncio.sleep(self._backoff.next_s())
        finally:
            if self._reader is not None:
                self._client.disconnect()
                self._client.loop_write()
                self._detach(loop)

    async def _watch(self) -> None:
        while not self._gone.is_set():
            try:
                async with asyncio.timeout(1.0):
                    await self._gone.wait()
            except TimeoutError:
                self._client.loop_misc()

    def _make(self) -> paho.Client:
        broker = self._broker
        v5 = broker.mqtt == 5
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            clean_session=None if v5 else False,
            protocol=paho.MQTTv5 if v5 else paho.MQTTv311,
            manual_ack=True,
        )
        if broker.user:
            client.username_pw_set(broker.user, broker.password or None)
        if broker.tls:
            client.tls_set_context(ssl.create_default_context(cafile=broker.ca_file))
        client.max_inflight_messages_set(1000)
        client.connect_timeout = 5.0
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = lambda *_: self._gone.set()
        client.on_message = self._on_message
        # Set only so that paho leaves its writes to the loop. In the executor's thread it does nothing.
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_want_no_write
        client.on_socket_close = lambda *_: self._detach(asyncio.get_running_loop()) if self._reader else None
        more: dict[str, Any] = {}
        if v5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = SESSION_S
            properties.ReceiveMaximum = RECEIVE_MOST
            more = {"clean_start": False, "properties": properties}
        client.connect_async(broker.host, broker.port, keepalive=20, **more)
        return client

    def _attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self._reader = self._client.socket()
        if self._reader is None:
            self._gone.set()
            return
        self.generation += 1
        # What came on the last connection at QoS 1 and was not acknowledged comes again on this one.
        self._inbox = [message for message in self._inbox if not message.mid]
        self._waiting_bytes = sum(len(message.payload) for message in self._inbox)
        self._paused = False
        loop.add_reader(self._reader, self._readable)
        loop.add_writer(self._reader, self._client.loop_write)

    def _detach(self, loop: asyncio.AbstractEventLoop) -> None:
        self._up = False
        reader, self._reader = self._reader, None
        if reader is not None and reader.fileno() >= 0:
            loop.remove_reader(reader)
            loop.remove_writer(reader)

    def _went(self, error: LinkError) -> None:
        # What refused the login has said so already, and says more than the lost connection that follows.
        if self._condition.is_up is not False or error.code != "link-lost":
            self._condition.down(error.code, str(error))
        self._counts.set("up", 0, "link")

    def _readable(self) -> None:
        for _ in range(READ_AT_ONCE):
            before = self._read
            self._client.loop_read()
            # TLS may hold decrypted bytes of which the socket says nothing.
            pending: Callable[[], int] = getattr(self._reader, "pending", int)
            if self._reader is None or self._paused or (self._read == before and not pending()):
                return

    def _on_want_write(self, _client: Any, _userdata: Any, sock: Any) -> None:
        if self._reader is not None:
            asyncio.get_running_loop().add_writer(sock, self._client.loop_write)

    def _on_want_no_write(self, _client: Any, _userdata: Any, sock: Any) -> None:
        if self._reader is not None:
            asyncio.get_running_loop().remove_writer(sock)

    def _on_connect(self, client: paho.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._condition.down("link-refused", f"the broker refuses this gateway ({reason}): check user and password")
            self._gone.set()
            return
        _, self._subscribing = client.subscribe([(f, 1) for f in subscriptions(self._broker.share)])

    def _on_subscribe(self, _client: Any, _userdata: Any, mid: int, reasons: Any, _properties: Any) -> None:
        if mid != self._subscribing:
            return
        if any(reason.is_failure for reason in reasons):
            self._condition.down("link-not-allowed", "the broker does not let this gateway read: check its ACL")
            return
        self._up = True
        self._backoff.reset()
        self._condition.up()
        self._counts.set("up", 1, "link")

    def _on_message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        self._read += 1
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        mid = message.mid if message.qos else 0
        self._inbox.append(Message(topic, bytes(message.payload), mid, self.generation))
        self._arrived.set()
        self._waiting_bytes += len(message.payload)
        if len(self._inbox) >= WAITING_MOST or self._waiting_bytes >= WAITING_BYTES_MOST:
            self._paused = True
            asyncio.get_running_loop().remove_reader(self._reader)
