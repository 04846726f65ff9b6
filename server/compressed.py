"""Answers in gzip: pages as they are made, static files once.

A compressed answer's length tells something of what stands in it, to whoever can put text of their own beside it and
look at the line (BREACH). Three things stand against that: the form's token looks different each time (`server/csrf.py`),
cookies go with no request that another site's page makes in the background (SameSite), and a page that another site
asked for in any way is not compressed (Sec-Fetch-Site, which no script can set). The JSON API and files that are handed
out are left alone.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: below this nothing is won, bytes
LEAST = 1000
#: of a page: a third of the time of the highest, a tenth more bytes. Static files are compressed once, as far as it goes
LEVEL, STATIC_LEVEL = 5, 9
_STATIC = (".css", ".js", ".svg")


class Compressed:
    """ASGI middleware: HTML that is sent at once, to a browser that takes gzip, is sent in gzip."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        if not (takes_gzip(asked) and is_ours(asked)):
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def sending(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_page(message):
                # Kept back until its body is there: its length changes.
                start = message
                return
            if start is not None and message["type"] == "http.response.body":
                body = message.get("body", b"")
                if not message.get("more_body", False) and len(body) >= LEAST:
                    message = {**message, "body": gzip.compress(body, LEVEL, mtime=0)}
                    headers = MutableHeaders(scope=start)
                    headers["content-encoding"] = "gzip"
                    headers["content-length"] = str(len(message["body"]))
                    headers.add_vary_header("Accept-Encoding")
                first, start = start, None
                await send(first)
            await send(message)

        await self._app(scope, receive, sending)


def _is_page(start: Message) -> bool:
    headers = Headers(scope=start)
    return headers.get("content-type", "").startswith("text/html") and "content-encoding" not in headers


def takes_gzip(asked: Headers) -> bool:
    """Whether the client says that it reads gzip."""
    for one in asked.get("accept-encoding", "").split(","):
        name, _, weight = one.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def is_ours(asked: Headers) -> bool:
    """Whether a page of ours, or its reader, asks. A browser that does not say so is older than 2023, or has no TLS: then
    the line hides nothing."""
    return asked.get("sec-fetch-site", "none") in ("same-origin", "none")


class Static(StaticFiles):
    """A folder whose texts are compressed once, when the server starts."""

    def __init__(self, *, directory: Path) -> None:
        super().__init__(directory=directory)
        files = [path.resolve() for path in directory.rglob("*") if path.suffix in _STATIC]
        self._packed = {
            str(path): gzip.compress(path.read_bytes(), STATIC_LEVEL, mtime=0)
            for path in files
            if path.stat().st_size >= LEAST
        }

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, in gzip where the browser takes it: another representation, with an ETag of its own."""
        plain = super().file_response(full_path, stat_result, scope, status_code)
        packed = self._packed.get(str(full_path))
        if packed is None:
            return plain
        plain.headers.add_vary_header("Accept-Encoding")
        asked = Headers(scope=scope)
        if not isinstance(plain, FileResponse) or not takes_gzip(asked):
            return plain
        kept = {name: plain.headers[name] for name in ("last-modified", "vary")}
        etag = f'{plain.headers["etag"].rstrip(chr(34))}-gzip"'
        made = Response(
            packed,
            status_code=status_code,
            headers=kept | {"etag": etag, "content-encoding": "gzip"},
            media_type=plain.media_type,
        )
        return NotModifiedResponse(made.headers) if self.is_not_modified(made.headers, asked) else made
