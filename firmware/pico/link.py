"""The link: Wi-Fi, TCP and MQTT of the Pico reader, and the one owner of reconnection.

`Link.run()` is the only code that connects, gives up and tries again. Everything else asks `publish()` and is told by
`on_up`, `on_down` and `on_message`. Imports neither network nor machine; runs on MicroPython's asyncio and on CPython's.

How it is built: one task reads, and `run()` itself ticks (every 50 ms; 5 ms while bytes wait to leave), so that every
deadline is kept in one place, and only `run()` ever opens and closes the wire (link_wire.py).

A PUBACK says that the broker has the message, and nothing about the store: see the receipts in the contract.

What still stalls the loop on a real Pico W, and why:
- a host *name*: MicroPython's getaddrinfo spins until lwIP's DNS answers or gives up, seconds without a network, which the
  watchdog may not survive. Give a numeric address; a name is logged (`link-host-is-a-name`).
- the TLS handshake's own arithmetic; the reading and writing around it do not block.
- `on_message` itself: it is called from here and must be quick.
"""

import asyncio

from firmware.codecs import mqtt
from firmware.pico.link_wire import LinkDown, Wire, sleep_ms

__all__ = ("Link", "LinkDown")

_TICK_MS = 50
_FLUSH_MS = 5


class _Waiting:
    """A QoS 1 message on its way: since when, and how it ended (`code` None: PUBACK)."""

    def __init__(self, since_ms: int):
        self.since_ms = since_ms
        self.done = asyncio.Event()
        self.code = None


class Link:
    """A connection to one MQTT broker that keeps itself up.

    `wifi` has `connected() -> bool` and `start()`, and is skipped if None; `will` is (topic, payload), retained; `ticks_ms`
    is the board's millisecond counter, `random` gives floats from 0 to 1; `ssl` is a TLS context (of `tls.SSLContext`, which
    verifies by default; MicroPython only) and `tls_name` the name in the broker's certificate, `host` if None. `answer_ms` is
    the deadline for TCP, CONNACK, SUBACK, PUBACK and PINGRESP each. A connection that lived for `stable_ms` was a good one:
    after it the next attempt comes anywhere within `spread_ms`.

    `on_up()`: connected and subscribed. `on_down(code)`: once when the link goes down (or did not come up), and again only
    when the reason changes while it is down. `on_message(topic, payload)`: payload is a bytearray to keep; a QoS 1 message is
    acknowledged when it returned. It may come before `on_up`, with a retained message. Where one of them raises, this is
    logged and counted, and the message is acknowledged all the same: it would be no better the second time.
    `log(event, **fields)`.
    """

    def __init__(
        self,
        *,
        wifi,
        host: str,
        port: int,
        client_id: str,
        user: "str | None",
        password: "str | None",
        will: "tuple | None" = None,
        subscriptions: "list | tuple" = (),
        ticks_ms,
        random,
        on_up,
        on_down,
        on_message,
        log,
        keepalive_s: int = 30,
        ssl=None,
        tls_name: "str | None" = None,
        clean_session: bool = True,
        max_packet: int = 66_048,
        answer_ms: int = 10_000,
        wifi_ms: int = 30_000,
        stable_ms: int = 30_000,
        backoff_ms: int = 1_000,
        backoff_max_ms: int = 30_000,
        spread_ms: int = 10_000,
    ):
        self._wifi = wifi
        self._host = host
        self._port = port
        self._options = {
            "user": user,
            "password": password,
            "will": will,
            "clean_session": clean_session,
            "keepalive_s": keepalive_s,
        }
        self._client_id = client_id
        self._subscriptions = subscriptions
        self._ticks_ms = ticks_ms
        self._random = random
        self._keepalive_ms = keepalive_s * 1000
        self._ssl = ssl
        self._tls_name = tls_name or host
        self._max_packet = max_packet
        self._answer_ms = answer_ms
        self._wifi_ms = wifi_ms
        self._stable_ms = stable_ms
        self._backoff_ms = backoff_ms
        self._backoff_max_ms = backoff_max_ms
        self._spread_ms = spread_ms
        self._on_up = on_up
        self._on_down = on_down
        self._on_message = on_message
        self._log = log
        if not host.replace(".", "").isdigit() and ":" not in host:
            log("link-host-is-a-name", host=host)
        self._room = asyncio.Event()  # publishers look again: a PUBACK, bytes that left, a tick, the end
        self._up = False
        self._told = None  # the code that on_down has been told of
        self._client = None
        self._wire = Wire(ticks_ms)
        self._waiting = {}
        self._failure = None
        self._granted = None
        self._ping_ms = None
        self._counts = {
            "attempts": 0,
            "connects": 0,
            "published": 0,
            "resent": 0,
            "received": 0,
            "skipped": 0,
            "handler_faults": 0,
        }

    @property
    def connected(self) -> bool:
        """Whether messages can be published now."""
        return self._up and self._failure is None and self._wire.failure is None

    def health(self) -> dict:
        """What was counted since boot: attempts, connects, bytes, messages, and what went wrong."""
        counts = dict(self._counts)
        counts["bytes_in"] = self._wire.bytes_in
        counts["bytes_out"] = self._wire.bytes_out
        return counts

    async def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False, dup: bool = False) -> None:
        """Returns when the broker has acknowledged the message (QoS 1), or when it was written (QoS 0).

        `dup` says that the caller has offered this message before; it is counted. Raises LinkDown when that is not known to
        have happened: offer the message again later. Raises mqtt.LocalError for a topic or QoS that MQTT does not have.
        """
        client = self._client
        self._require(client)
        since = self._ticks_ms()
        while self._wire.is_sending or (qos and client.in_flight >= client.window):
            await self._look_again(client, since)
        packet_id, data = client.publish(topic, payload, qos, retain, dup)
        waiting = None
        if qos:
            waiting = _Waiting(self._ticks_ms())
            self._waiting[packet_id] = waiting
        if dup:
            self._counts["resent"] += 1
        self._wire.send(data)
        if waiting is not None:
            await waiting.done.wait()
            if waiting.code is not None:
                raise LinkDown(waiting.code)
        else:
            while self._wire.is_sending:
                await self._look_again(client, since)
            self._require(client)
        self._counts["published"] += 1

    def _require(self, client) -> None:
        """Raises LinkDown unless the session of this `client` is up and well."""
        failure = self._failure or self._wire.failure
        if client is None or self._client is not client or not self._up or failure is not None:
            raise LinkDown(failure or self._told or "link-not-up")

    async def _look_again(self, client, since_ms: int) -> None:
        self._room.clear()
        await self._room.wait()
        self._require(client)
        if self._wire.since(since_ms) > self._answer_ms:
            raise LinkDown("link-window-timeout")

    async def run(self) -> None:
        """Keeps the link up for ever. When cancelled it closes the socket without a goodbye, so the last will is published."""
        failures = 0
        while True:
            began = self._ticks_ms()
            self._counts["attempts"] += 1
            try:
                await self._session()
                code = "link-fault"  # never: a session ends by an exception
            except asyncio.CancelledError:
                self._fail_waiting("link-not-up")
                raise
            except (LinkDown, mqtt.MqttError) as e:
                code = e.code
            except Exception as e:  # noqa: BLE001  the task's top: a fault here must not end the reader's only way out
                code = "link-fault"
                self._wire.detail = repr(e)
            if self._told is None and self._wire.since(began) >= self._stable_ms:
                # It was up, and for long: it may be the broker that ended, and every reader of the house lost it now.
                # Who comes too early does not come again with all the others that did.
                failures = 2
                delay_ms = int(self._random() * self._spread_ms)
            else:
                delay_ms = min(self._backoff_max_ms, self._backoff_ms << min(failures, 16))
                delay_ms = delay_ms // 2 + int(self._random() * (delay_ms // 2))
                failures += 1
            if code != self._told:
                self._told = code
                self._log("link-down", code=code, detail=self._wire.detail, retry_ms=delay_ms)
                self._call(self._on_down, code)
            self._fail_waiting(code)
            await sleep_ms(delay_ms)

    # --- one session -------------------------------------------------------------------------------------------

    async def _session(self) -> None:
        reader = None
        self._failure = None
        self._wire.detail = ""
        self._granted = None
        self._ping_ms = None
        try:
            await self._wifi_up()
            await self._wire.connect(self._host, self._port, self._ssl, self._tls_name, self._answer_ms)
            client = self._client = mqtt.Client(max_packet=self._max_packet)
            reader = asyncio.create_task(self._read())
            self._wire.send(client.connect(self._client_id, **self._options))
            await self._until(lambda: client.state != mqtt.WAITING, "link-connack-timeout")
            if self._subscriptions:
                self._wire.send(client.subscribe(self._subscriptions)[1])
                await self._until(lambda: self._granted is not None, "link-suback-timeout")
                if self._granted is None or 0x80 in self._granted:
                    raise LinkDown("link-subscribe-refused")
            self._counts["connects"] += 1
            self._up = True
            self._told = None
            self._log("link-up", connects=self._counts["connects"])
            self._call(self._on_up)
            while True:
                await sleep_ms(_FLUSH_MS if self._wire.is_sending else _TICK_MS)
                self._tick()
        finally:
            self._up = False
            self._client = None
            try:
                if reader is not None:
                    reader.cancel()
                    while not reader.done():  # not awaited: its cancellation would look like ours
                        await sleep_ms(0)
            finally:
                self._wire.close()

    async def _wifi_up(self) -> None:
        if self._wifi is None or self._wifi.connected():
            return
        self._wifi.start()
        since = self._ticks_ms()
        while not self._wifi.connected():
            if self._wire.since(since) > self._wifi_ms:
                raise LinkDown("link-wifi-timeout")
            await sleep_ms(100)

    async def _until(self, reached, code: str) -> None:
        """Ticks until `reached()`. Raises LinkDown(`code`) at the deadline, or why the session failed before."""
        since = self._ticks_ms()
        while True:
            self._tick()
            if reached():
                return
            if self._wire.since(since) > self._answer_ms:
                raise LinkDown(code)
            await sleep_ms(_FLUSH_MS)

    def _tick(self) -> None:
        """All deadlines. Raises LinkDown when the session is over."""
        self._wire.flush()
        if (failure := self._failure or self._wire.failure) is not None:
            raise LinkDown(failure)
        if self._wifi is not None and not self._wifi.connected():
            raise LinkDown("link-wifi-lost")
        if self._wire.stuck_ms > self._answer_ms:
            raise LinkDown("link-send-timeout")
        for waiting in self._waiting.values():
            if self._wire.since(waiting.since_ms) > self._answer_ms:
                raise LinkDown("link-puback-timeout")
        self._room.set()
        if not self._up or not self._keepalive_ms:
            return
        if self._ping_ms is None:
            if self._wire.idle_ms > self._keepalive_ms // 2:
                self._ping_ms = self._ticks_ms()
                self._wire.send(self._client.pingreq())
        elif min(self._wire.since(self._ping_ms), self._wire.since(self._wire.received_ms)) > self._answer_ms:
            raise LinkDown("link-pong-timeout")

    # --- in ----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """The reading task: ends by setting `_failure`, which the next tick finds."""
        try:
            while True:
                self._client.feed(await self._wire.read())
                while (event := self._client.next_event()) is not None:
                    self._happened(event)
                    if not isinstance(event, mqtt.Published):
                        await sleep_ms(
                            0
                        )  # many small messages may stand in one read: let the card reader have its turn
                while self._wire.is_sending:
                    await sleep_ms(_FLUSH_MS)  # who cannot write does not read: acknowledgements never pile up
        except (LinkDown, mqtt.MqttError) as e:
            self._failure = e.code
        except Exception as e:  # noqa: BLE001  the task's top
            self._wire.detail = repr(e)
            self._failure = "link-fault"

    def _happened(self, event) -> None:
        if isinstance(event, mqtt.Message):
            self._counts["received"] += 1
            self._call(self._on_message, event.topic, event.payload)
            if event.qos:
                self._wire.send(self._client.puback(event.packet_id))
        elif isinstance(event, mqtt.Published):
            waiting = self._waiting.pop(event.packet_id)
            waiting.done.set()
            self._room.set()
        elif isinstance(event, mqtt.SubscribeAcked):
            self._granted = event.granted
        elif isinstance(event, mqtt.PongReceived):
            self._ping_ms = None
        elif isinstance(event, mqtt.Skipped):
            self._counts["skipped"] += 1
            self._log("link-skipped", code=event.code, topic=event.topic, size=event.size)
            if event.qos:
                self._wire.send(self._client.puback(event.packet_id))
        elif isinstance(event, mqtt.Refused):
            raise LinkDown(event.code)

    def _call(self, handler, *args) -> None:
        try:
            handler(*args)
        except Exception as e:  # noqa: BLE001  others' code: one bad message must not cut the reader off
            self._counts["handler_faults"] += 1
            self._log("link-handler-fault", error=repr(e))

    def _fail_waiting(self, code: str) -> None:
        for waiting in self._waiting.values():
            waiting.code = code
            waiting.done.set()
        self._waiting.clear()
        self._room.set()
