"""The link: paho-mqtt on the asyncio loop, and the one owner of reconnection.

`Link.run()` is the only code that connects, gives up and tries again; each connection is a new client with a clean
session, so nothing of an old one lingers (what was on its way then has no receipt and is offered again). paho starts
no thread: the loop watches its socket. Only the TCP connect, which blocks, is made beside the loop, with a deadline.
"""

import asyncio
import contextlib
import random
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from firmware.pi import trust
from firmware.reader.settings import Tls

#: Deadlines: for the TCP connect, and for each answer of the broker.
CONNECT_S = 5.0
ANSWER_S = 10.0
KEEPALIVE_S = 30
BACKOFF_FIRST_S = 1.0
BACKOFF_LAST_S = 30.0
#: A connection that lived so long was a good one: the next attempt comes soon again.
STABLE_S = 30.0
#: ... within this, anywhere in it: where the broker ended, every reader of the house lost a good one in the same moment.
SPREAD_S = 10.0


class LinkDown(Exception):
    """The connection is gone, or did not come up. `code`: stable; the text is for the technician."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Broker:
    """Where the broker is and who we are there."""

    host: str
    port: int
    client_id: str
    user: str | None = None
    password: str | None = None
    #: None: plain, for loopback and tests
    tls: Tls | None = None


class Link:
    """Keeps a connection to one broker up.

    will: topic and payload that the broker publishes, retained, when the reader goes. subscriptions: topics, at QoS 1.
    on_message(topic, payload): on the loop, must be quick; acknowledged when it returned. on_down(code): once when the
    link goes down or cannot come up, and again only when the reason changes. The coroutine function `on_up` runs while
    the link is up and is cancelled when it goes down; a LinkDown out of it ends this connection. answer_s: the deadline
    for CONNACK, SUBACK and PUBACK each. stable_s: a connection that lived for longer was a good one.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        will: tuple[str, bytes],
        subscriptions: Iterable[str],
        on_up: Callable[[], Awaitable[None]],
        on_down: Callable[[str], None],
        on_message: Callable[[str, bytes], None],
        uniform: Callable[[float, float], float] = random.uniform,
        answer_s: float = ANSWER_S,
        stable_s: float = STABLE_S,
    ) -> None:
        self._broker = broker
        self._will = will
        self._subscriptions = [(topic, 1) for topic in subscriptions]
        self._on_up = on_up
        self._on_down = on_down
        self._on_message = on_message
        self._uniform = uniform
        self._answer_s = answer_s
        self._stable_s = stable_s
        self._client: mqtt.Client | None = None
        self._waiting: dict[tuple[str, int], asyncio.Future[Any]] = {}
        self._down_code: str | None = None
        self._sock: socket.socket | None = None
        self._gone = asyncio.Event()
        #: messages that `on_message` could not take: our own fault, to be looked into
        self.unhandled = 0
        #: connections that came up since the start
        self.connects = 0

    async def run(self) -> None:
        """Keep the link up for ever; ends by being cancelled."""
        backoff_s = BACKOFF_FIRST_S
        while True:
            began_s = time.monotonic()
            try:
                await self._session()
            except LinkDown as down:
                if down.code != self._down_code:
                    self._down_code = down.code
                    self._on_down(down.code)
                # Before Python 3.13 a TaskGroup that ends by an error forgets that it was cancelled in the same moment.
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise asyncio.CancelledError from None
            if time.monotonic() - began_s > self._stable_s:
                # Who comes too early does not come again with all the others that did.
                backoff_s = 4 * BACKOFF_FIRST_S
                await asyncio.sleep(self._uniform(0, SPREAD_S))
                continue
            await asyncio.sleep(self._uniform(backoff_s / 2, backoff_s))
            backoff_s = min(2 * backoff_s, BACKOFF_LAST_S)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 1 and wait for the PUBACK, which says nothing about the store. Raises LinkDown."""
        client = self._client
        if client is None:
            raise LinkDown("link-closed", "the link is down: it comes up again by itself")
        info = client.publish(topic, payload, qos=1, retain=retain)
        if info.rc != mqtt.MQTT_ERR_SUCCESS:
            raise LinkDown("link-lost", "the connection to the broker was lost")
        await self._answer("puback", info.mid)

    async def _session(self) -> None:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=self._broker.client_id, clean_session=True)
        client.username_pw_set(self._broker.user, self._broker.password)
        client.will_set(*self._will, qos=1, retain=True)
        client.connect_timeout = CONNECT_S
        client.on_connect = lambda c, u, flags, code, properties: self._answered("connack", 0, code)
        client.on_subscribe = lambda c, u, mid, codes, properties: self._answered("suback", mid, codes)
        client.on_publish = lambda c, u, mid, code, properties: self._answered("puback", mid, code)
        client.on_message = self._message
        # paho closes its socket by itself when a read or a write fails: the loop must let go of it before.
        client.on_socket_close = self._unwatch
        try:
            if self._broker.tls is not None:
                client.tls_set_context(trust.context(self._broker.tls))
            await asyncio.to_thread(client.connect, self._broker.host, self._broker.port, KEEPALIVE_S)
        except ssl.SSLError as error:
            raise LinkDown(
                "link-tls", "no TLS with the broker: check its certificate, the authority and our own certificate"
            ) from error
        except (OSError, ValueError) as error:
            raise LinkDown("link-unreachable", "the broker cannot be reached: check network, host and port") from error
        sock = client.socket()
        if not isinstance(sock, socket.socket):
            raise LinkDown("link-lost", "the connection to the broker was lost")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client, self._sock = client, sock
        self._gone.clear()
        asyncio.get_running_loop().add_reader(sock, self._readable)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(client), name="link-watch")
                await self._up(client)
        except* LinkDown as downs:
            down = next(_leaves(downs))
        else:
            return
        finally:
            # The broker says the will, unless `leave` has taken leave before.
            self._unwatch(client, None, sock)
            self._client = None
            sock.close()
            self._lost()
        raise down

    async def _up(self, client: mqtt.Client) -> None:
        code = await self._answer("connack", 0)
        if code.is_failure:
            raise LinkDown("link-refused", f"the broker refused the reader ({code}): check user and password")
        _, mid = client.subscribe(self._subscriptions)
        if mid is None:
            raise LinkDown("link-lost", "the connection to the broker was lost")
        codes = await self._answer("suback", mid)
        if any(code.is_failure for code in codes):
            raise LinkDown("link-topics", "the broker refused the reader's own topics: check its access list")
        self._down_code = None
        self.connects += 1
        await self._on_up()
        raise LinkDown("link-ended", "the link was ended")

    async def _watch(self, client: mqtt.Client) -> None:
        """Keepalive, and the end of a connection that nobody is waiting on."""
        while client.loop_misc() == mqtt.MQTT_ERR_SUCCESS:
            self._pump()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._gone.wait()
                    break
        raise LinkDown("link-lost", "the connection to the broker was lost")

    async def _answer(self, kind: str, mid: int) -> Any:
        self._pump()
        future = self._waiting[kind, mid] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._answer_s):
                return await future
        except TimeoutError:
            raise LinkDown("link-silent", "the broker did not answer in time") from None
        finally:
            self._waiting.pop((kind, mid), None)

    def _answered(self, kind: str, mid: int, result: Any) -> None:
        future = self._waiting.get((kind, mid))
        if future is not None and not future.done():
            future.set_result(result)

    def _message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        try:
            self._on_message(message.topic, bytes(message.payload))
        except Exception:  # noqa: BLE001  a message must not end the link: a retained one would end it again and again
            self.unhandled += 1

    def _readable(self) -> None:
        client = self._client
        while client is not None and client is self._client:
            if client.loop_read(64) != mqtt.MQTT_ERR_SUCCESS:
                self._lost()
                break
            # What stands in a TLS record that was read is not in the socket any more: nobody would call again for it.
            if not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()):
                break
        self._pump()

    def _writable(self) -> None:
        client = self._client
        if client is not None and client.loop_write() != mqtt.MQTT_ERR_SUCCESS:
            self._lost()
        self._pump()

    def _pump(self) -> None:
        """Watch for room in the socket for as long as something waits to leave."""
        client, sock = self._client, self._sock
        if client is None or sock is None:
            return
        loop = asyncio.get_running_loop()
        if client.want_write():
            loop.add_writer(sock, self._writable)
        else:
            loop.remove_writer(sock)

    def _unwatch(self, client: mqtt.Client, userdata: object, sock: object) -> None:
        # Called by paho in the connecting thread too, but for a socket that was never watched.
        if isinstance(sock, socket.socket) and sock is self._sock:
            loop = asyncio.get_running_loop()
            loop.remove_reader(sock)
            loop.remove_writer(sock)
            self._sock = None

    def _lost(self) -> None:
        self._gone.set()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LinkDown("link-lost", "the connection to the broker was lost"))

    async def leave(self) -> None:
        """Say the will ourselves and take leave: the broker then does not say it. Never raises; takes at most 2 s."""
        client = self._client
        if client is None:
            return
        try:
            async with asyncio.timeout(2.0):
                await self.publish(*self._will, retain=True)
            client.disconnect()
            self._pump()
        except (LinkDown, TimeoutError, OSError):
            pass


def _leaves(group: BaseExceptionGroup[LinkDown]) -> Iterator[LinkDown]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each
