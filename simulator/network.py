"""A network that fails: a TCP proxy on loopback between one reader and the broker.

It can cut (close every connection), go silent (a half-open connection: bytes vanish, nobody is told) and delay.
"""

import asyncio
import contextlib


class Wire:
    """One reader's way to the broker."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent = False
        #: seconds each chunk is held back
        self.delay_s = 0.0
        #: where the reader connects
        self.port = 0

    async def open(self) -> None:
        """Listen on a free loopback port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Close every connection now; new ones are taken again."""
        for pair in list(self._pairs):
            for end in pair:
                end.close()

    def silence(self, on: bool) -> None:
        """Let bytes vanish in both directions, or let them through again (on connections made from then on)."""
        if self._silent and not on:
            self.cut()  # bytes are missing from these streams: no peer could go on with them
        self._silent = on

    async def close(self) -> None:
        """Close all, and stop listening."""
        self.cut()
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio's own for a coroutine here complains aloud when it is cancelled.
        task = asyncio.create_task(self._carry(reader, writer), name="wire")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._silent:
                await asyncio.sleep(30)  # the SYN was answered by our kernel; nothing more comes
                return
            up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
            pair = (writer, up_writer)
            self._pairs.add(pair)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pump(reader, up_writer, pair), name="up")
                    both.create_task(self._pump(up_reader, writer, pair), name="down")
            finally:
                self._pairs.discard(pair)
        except OSError:
            pass  # the broker is away: the reader sees its connection closed, as it would
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        try:
            while chunk := await source.read(65536):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if not self._silent:
                    sink.write(chunk)
                    await sink.drain()
        except (OSError, RuntimeError):
            pass  # either end is gone: so is the other
        finally:
            for end in pair:
                with contextlib.suppress(OSError, RuntimeError):
                    end.close()
