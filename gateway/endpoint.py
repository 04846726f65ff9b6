"""A small HTTP server on loopback for people and monitoring: /metrics, /healthz, /live.json. It answers GET only."""

import asyncio
import contextlib
import json
from collections.abc import Callable

REQUEST_MOST = 8192
REQUEST_S = 5.0

#: path -> function that gives status, content type and body
Pages = dict[str, Callable[[], tuple[int, str, str]]]


class Endpoint:
    """Serves what `pages` gives. `start` binds; `port` says where."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen. port: 0 for any free one. Raises OSError where that is not possible."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=REQUEST_MOST)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_S):
                head = await reader.readuntil(b"\r\n\r\n")
            status, sort, body = self._answer(head)
            writer.write(
                f"HTTP/1.1 {status} -\r\nContent-Type: {sort}\r\nContent-Length: {len(body.encode())}\r\n"
                f"Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}".encode()
            )
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked is gone, or did not speak HTTP
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _answer(self, head: bytes) -> tuple[int, str, str]:
        parts = head.split(b"\r\n", 1)[0].split(b" ")
        if len(parts) != 3 or parts[0] != b"GET":
            return problem(405, "method", "only GET is answered here")
        page = self._pages.get(parts[1].split(b"?")[0].decode("latin-1"))
        if page is None:
            return problem(404, "path", "here are " + ", ".join(self._pages))
        return page()


def problem(status: int, code: str, text: str) -> tuple[int, str, str]:
    """An error in the one shape of docs/wire.md."""
    return status, "application/json", json.dumps({"error": {"code": code, "text": text}})
