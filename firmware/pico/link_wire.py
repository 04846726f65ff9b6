"""The wire: one TCP (or TLS) connection that never blocks, on MicroPython's asyncio and on CPython's.

One task reads; anybody sends. A packet is written at once, in one write, with TCP_NODELAY; what the socket would not take
waits in `out` until somebody calls `flush()`. Nothing waits for the socket to become writable: on MicroPython, cancelling
a task that waits to read a socket forgets a task that waits to write the same one.
"""

import asyncio
import errno
import gc
import select
import socket

MICROPYTHON = hasattr(asyncio, "sleep_ms")
_OUT_MAX = 64  # packets waiting to leave; more means that the other side sends and does not read
_TICKS_MASK = 0x3FFFFFFF  # the ticks of a board wrap at 2**30 ms


if MICROPYTHON:
    sleep_ms = asyncio.sleep_ms  # pyright: ignore
else:

    def sleep_ms(ms: int):
        """MicroPython's `asyncio.sleep_ms` for CPython."""
        return asyncio.sleep(ms / 1000)


class LinkDown(Exception):
    """The message is not known to have arrived, or there is no link. `code` is stable; `text` says what to do."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code

    @property
    def text(self) -> str:
        """What the code means to a technician."""
        from firmware.pico.link_reasons import REASONS

        return REASONS.get(self.code, "the broker does not keep to MQTT 3.1.1: see the broker's log")


class Wire:
    """One connection at a time: `connect`, `read`, `send` and `flush`, `close`, and from the start again.

    `failure` is the code of what went wrong while sending, or None; `detail` what the socket said about it, for the log.
    """

    def __init__(self, ticks_ms):
        self._ticks_ms = ticks_ms
        self._buffer = bytearray(1024)
        self._view = memoryview(self._buffer)
        self._sock = None
        self._stream = None
        self._is_handshaking = False
        self._out = []  # packets that have not left whole; the first may be a rest
        self._out_since_ms = 0
        self.failure = None
        self.detail = ""
        self.bytes_in = 0
        self.bytes_out = 0
        self.received_ms = 0
        self.sent_ms = 0

    async def connect(self, host: str, port: int, ssl, tls_name: str, deadline_ms: int) -> None:
        """TCP without blocking, with a deadline; then TLS around it, whose handshake goes with the first packets.

        Raises LinkDown: `link-address`, `link-connect`, `link-connect-timeout`, `link-tls`.
        """
        try:
            info = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
        except OSError as e:
            raise self._down("link-address", e)
        sock = self._sock = socket.socket(info[0], info[1], info[2])
        sock.setblocking(False)
        sock.setsockopt(6, 1, 1)  # IPPROTO_TCP, TCP_NODELAY: MicroPython does not name them
        try:
            sock.connect(info[-1])
        except OSError as e:
            if e.args[0] not in (errno.EINPROGRESS, errno.EAGAIN):
                raise self._down("link-connect", e)
        poller = select.poll()
        poller.register(sock, select.POLLOUT)
        since = self._ticks_ms()
        while not (ready := poller.poll(0)):
            if self.since(since) > deadline_ms:
                raise LinkDown("link-connect-timeout")
            await sleep_ms(10)
        if ready[0][1] & (select.POLLERR | select.POLLHUP):
            raise LinkDown("link-connect")
        self._is_handshaking = ssl is not None
        if ssl is not None:
            gc.collect()  # TLS wants 16 KB in one piece
            try:
                self._sock = ssl.wrap_socket(sock, server_hostname=tls_name, do_handshake_on_connect=False)
            except (OSError, ValueError) as e:
                raise self._down("link-tls", e)
        if MICROPYTHON:
            self._stream = asyncio.StreamReader(self._sock)  # pyright: ignore
        self.received_ms = self.sent_ms = self._ticks_ms()

    async def read(self) -> memoryview:
        """The next bytes, valid until the next read. Raises LinkDown: `link-closed`, `link-broken`, `link-tls`."""
        try:
            if self._stream is not None:
                n = await self._stream.readinto(self._buffer)  # pyright: ignore
                while n is None:  # TLS had bytes, but no whole record
                    n = await self._stream.readinto(self._buffer)  # pyright: ignore
            else:
                n = await asyncio.get_running_loop().sock_recv_into(self._sock, self._buffer)  # pyright: ignore
        except (OSError, ValueError) as e:
            raise self._down(self._broken(), e)
        if not n:
            raise LinkDown("link-closed")
        self._is_handshaking = False
        self.received_ms = self._ticks_ms()
        self.bytes_in += n
        return self._view[:n]

    def send(self, data: "bytes | bytearray") -> None:
        """Writes a packet at once, or keeps what the socket would not take for `flush`. Never raises, never waits."""
        if len(self._out) >= _OUT_MAX:
            self.failure = self.failure or "link-send-timeout"
            return
        if not self._out:
            self._out_since_ms = self._ticks_ms()
        self._out.append(data)
        self.flush()

    def flush(self) -> None:
        """Writes what still waits, as far as the socket takes it."""
        # The same packet is offered until it left: TLS demands that a write is repeated as it was.
        try:
            while self._out and self._sock is not None:
                data = self._out[0]
                n = (self._sock.write(data) or 0) if MICROPYTHON else self._sock.send(data)  # pyright: ignore
                if not n:
                    return
                self.sent_ms = self._out_since_ms = self._ticks_ms()
                self._is_handshaking = False
                self.bytes_out += n
                if n == len(data):
                    self._out.pop(0)
                else:
                    self._out[0] = memoryview(data)[n:]
        except (OSError, ValueError) as e:  # ValueError: MicroPython's TLS, a certificate that is not to be trusted
            if e.args and e.args[0] == errno.EAGAIN:
                return
            self._out.clear()
            self._down(self._broken(), e)
            self.failure = self.failure or self._broken()

    @property
    def is_sending(self) -> bool:
        """Whether bytes wait to leave."""
        return bool(self._out)

    @property
    def stuck_ms(self) -> int:
        """For how long the bytes that wait have not moved."""
        return self.since(self._out_since_ms) if self._out else 0

    @property
    def idle_ms(self) -> int:
        """For how long nothing came, or nothing left, whichever is longer."""
        return max(self.since(self.received_ms), self.since(self.sent_ms))

    def since(self, ticks_ms: int) -> int:
        """The milliseconds since `ticks_ms`, also over a wrap of the board's counter."""
        return (self._ticks_ms() - ticks_ms) & _TICKS_MASK

    def close(self) -> None:
        """Closes the socket, if there is one, and forgets what did not leave."""
        self._out.clear()
        self._stream = None
        self.failure = None
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _broken(self) -> str:
        return "link-tls" if self._is_handshaking else "link-broken"

    def _down(self, code: str, error: Exception) -> LinkDown:
        self.detail = repr(error)
        return LinkDown(code)
