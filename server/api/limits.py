"""What a client may take: bytes of a body, time for a request, connections, lines of the log.

Bodies are bounded before anything reads them (`Bodies`), and a gateway shows its token before its body is taken.
uvicorn has no time limit for a request's head or body: `Patience` is its h11 protocol with both. What is left to the
proxy in front stands in docs/settings.md.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import time
from collections.abc import Callable

import h11
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from server.api import errors
from server.api.signed_in import bearer
from server.errors import NotSignedIn, StoreError, TooMuch

DELIVERIES = "/api/gateway/v1/deliveries"
#: a gateway sends 1,000,000 bytes of lines at most (gateway/forward.py), or one item of 65,536 bytes in base64. JSON
#: around it makes that less than twice as much; what it ever sends beyond this it halves when it is refused (413).
DELIVERY_MOST = 2 * 1024 * 1024
#: forms and the JSON API
BODY_MOST = 64 * 1024
#: a form with files (server/pages/upload.py bounds each of them): five of 10 MB and what is written beside them
UPLOAD_MOST = 51 * 1024 * 1024
#: file descriptors asked for at start, where the system allows as many
FILES_MOST = 65_536
#: connections that are served; each beyond is told 503, and beyond twice as many closed at once
CONNECTIONS_MOST = 2000
#: what waits to be accepted; asyncio takes as many at once, before it looks at any
BACKLOG = 256
_NO_STORE_NOT = "/static/"


class Bodies:
    """ASGI middleware: bodies are bounded, and every answer says how it may be read and kept.

    is_gateway: whether this is a gateway's token; called in a thread, may raise StoreError.
    """

    def __init__(self, app: ASGIApp, *, is_gateway: Callable[[str], bool]) -> None:
        self._app = app
        self._is_gateway = is_gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        send = _with_headers(scope["path"], send)
        most = UPLOAD_MOST if _is_upload(request) else BODY_MOST
        most = DELIVERY_MOST if scope["path"] == DELIVERIES else most
        refused = _too_long(request, most)
        if refused is None and scope["path"] == DELIVERIES and scope["method"] == "POST":
            refused = await self._stranger(request)
        if refused is not None:
            await errors.answer(request, refused)(scope, receive, send)
            return
        taken, started, over = 0, False, False

        async def counted() -> Message:
            nonlocal taken, over
            # Whoever reads a body that was refused learns nothing more of it.
            message: Message = {"type": "http.disconnect"} if over else await receive()
            taken += len(message.get("body", b""))
            if over or taken <= most:
                return message
            over = True
            if not started:
                await errors.answer(request, _too_much(most))(scope, receive, send)
            return {"type": "http.disconnect"}

        async def sending(message: Message) -> None:
            nonlocal started
            if over and not started:
                return
            started = True
            await send(message)

        await self._app(scope, counted, sending)

    async def _stranger(self, request: Request) -> StoreError | None:
        """Why this caller's delivery is not read, if it is not."""
        token = bearer(request)
        try:
            if token is not None and await run_in_threadpool(self._is_gateway, token):
                return None
        except StoreError as error:
            return error
        return NotSignedIn("gateway-token", "this is no gateway's token: `muster gateway add NAME` makes one")


def _too_long(request: Request, most: int) -> StoreError | None:
    said = request.headers.get("content-length", "")
    # Anything odd is counted as it comes; a number of thousands of digits is not even read.
    if said.isascii() and said.isdigit() and (len(said) > 18 or int(said) > most):
        return _too_much(most)
    return None


def _is_upload(request: Request) -> bool:
    """Whether it says that it is a form with files. A page that takes none bounds what it reads itself."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "multipart/form-data" and request.method == "POST" and not request.url.path.startswith("/api/")


def _too_much(most: int) -> TooMuch:
    if most == UPLOAD_MOST:
        return TooMuch("too-much", "these files are too large: attach at most 5 at once, each of at most 10 MB")
    return TooMuch("too-much", f"this is too long: at most {most} bytes at once")


def _with_headers(path: str, send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("x-content-type-options", "nosniff")
            if not path.startswith(_NO_STORE_NOT):
                headers.setdefault("cache-control", "no-store")
        await send(message)

    return sending


class Patience(H11Protocol):
    """uvicorn's HTTP/1.1 with an end to its patience. A connection whose time is up is closed without an answer."""

    #: from the first byte (of a new connection: from its start) to the end of a request's head
    head_s = 10.0
    #: from the head to the end of the body; a gateway gives up after 20 s itself
    body_s = 30.0
    #: a form with files, from a phone: the page reads it only of somebody who is signed in
    upload_s = 180.0
    #: for what is left of a body that was answered already, and is thrown away
    rest_s = 5.0
    #: for a client that does not read its answer
    reads_s = 30.0
    _phase = ""
    _ends: asyncio.TimerHandle | None = None
    _read_ends: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """asyncio: a client connected."""
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > 2 * self.limit_concurrency:
            transport.abort()
            return
        self._wait()

    def data_received(self, data: bytes) -> None:
        """asyncio: something came."""
        super().data_received(data)
        self._wait()

    def on_response_complete(self) -> None:
        """uvicorn: the answer was handed to the transport."""
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone."""
        self._stop()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """asyncio: the client does not read as fast as we write."""
        super().pause_writing()
        if self._read_ends is None:
            self._read_ends = self.loop.call_later(self.reads_s, self.transport.abort)

    def resume_writing(self) -> None:
        """asyncio: the client reads again."""
        if self._read_ends is not None:
            self._read_ends.cancel()
            self._read_ends = None
        super().resume_writing()

    def _wait(self) -> None:
        """The clock of what we wait for now: begun when that begins, and not wound up again by each byte."""
        phase = self._waiting_for()
        if phase == self._phase:
            return
        self._stop()
        self._phase = phase
        if phase and not self.transport.is_closing():
            self._ends = self.loop.call_later(getattr(self, f"{phase}_s"), self._late)

    def _waiting_for(self) -> str:
        """head, body, upload, rest; nothing while the app works, or between requests (uvicorn's own keep-alive time)."""
        theirs = self.conn.their_state
        if theirs is h11.IDLE:
            kept = self.timeout_keep_alive_task is not None and not self.conn.trailing_data[0]
            return "" if kept else "head"
        if theirs is h11.SEND_BODY:
            if self.cycle.response_complete:
                return "rest"
            return "upload" if _is_upload(Request(dict(self.cycle.scope))) else "body"
        return ""

    def _late(self) -> None:
        if self._phase in ("body", "upload") and self.flow.read_paused:
            # It is we who do not read.
            self._ends = self.loop.call_later(self.body_s, self._late)
        else:
            self.transport.close()

    def _stop(self) -> None:
        self._phase = ""
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None


class Quiet(logging.Filter):
    """For the loggers of uvicorn and asyncio: a fault that our log has already is not said again, and what a client
    can make happen as often as it likes is said once in each interval."""

    #: no line of these says anything that the one before did not
    OFTEN = ("Exceeded concurrency limit.", "Invalid HTTP request received.", "Unsupported upgrade request.")
    OUT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

    def __init__(self, *, every_s: float = 60.0, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every_s, self._now_s = every_s, now_s
        self._said_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is written."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and errors.is_logged(error):
            return False
        if isinstance(error, OSError) and error.errno in self.OUT_OF:
            record.msg, record.args = f"no more connections are taken for now: {error.strerror}", ()
            record.exc_info = record.exc_text = None
            return self._now("resources")
        return record.msg not in self.OFTEN or self._now(str(record.msg))

    def _now(self, what: str) -> bool:
        now_s, said_s = self._now_s(), self._said_s.get(what)
        if said_s is not None and now_s - said_s < self._every_s:
            return False
        self._said_s[what] = now_s
        return True


def raise_files() -> int:
    """Ask for as many open files as the system allows, FILES_MOST at most. Answers how many there are now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MOST if hard == resource.RLIM_INFINITY else min(hard, FILES_MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return FILES_MOST if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def connections_most(files: int) -> int:
    """How many connections are served with so many files: twice as many leave a third for all else."""
    return max(1, min(CONNECTIONS_MOST, files // 3))
