"""What a client may take: bodies, time, connections, lines of the log."""

import asyncio
import errno
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import uvicorn

from gateway.forward import BYTES_MOST, ITEMS_MOST
from server.api import errors, limits
from tests.server.store_client import Server
from tests.server.store_world import World

ROOT = Path(__file__).parents[3]
DELIVERIES = "/api/gateway/v1/deliveries"


@pytest.fixture
def server(new_sqlite):
    world = World(new_sqlite())
    yield Server(world)
    world.close()


class Body:
    """A body that comes in chunks, and counts what was taken of it."""

    def __init__(self, size: int, chunk: int = 65_536) -> None:
        self.left, self.chunk, self.taken = size, chunk, 0

    async def receive(self):
        took = min(self.left, self.chunk)
        self.left -= took
        self.taken += took
        return {"type": "http.request", "body": b" " * took, "more_body": self.left > 0}


def post(app, path, body, **headers):
    """The status and the bytes of an answer to a POST whose body is taken chunk by chunk."""
    said = []

    async def send(message):
        said.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http", "server": ("t", 80),
        "client": ("127.0.0.1", 1), "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }  # fmt: skip
    asyncio.run(app(scope, body.receive, send))
    assert [one["type"] for one in said].count("http.response.start") == 1
    return said[0]["status"], b"".join(one.get("body", b"") for one in said[1:])


def test_a_delivery_without_a_gateways_token_is_refused_before_its_body_is_read(server):
    for headers in ({}, {"authorization": "Bearer nobody"}, {"authorization": f"Bearer {server.tokens['admin']}"}):
        body = Body(200_000_000)
        status, said = post(server.app, DELIVERIES, body, **headers)
        assert (status, body.taken) == (401, 0)
        assert b'"gateway-token"' in said


def test_a_body_without_end_is_cut_while_it_comes(server):
    for path, most in ((DELIVERIES, limits.DELIVERY_MOST), ("/sign-in", limits.BODY_MOST), ("/api/v1/x", None)):
        body = Body(200_000_000)
        status, said = post(server.app, path, body, authorization=f"Bearer {server.gateway}")
        if most is None:
            assert (status, body.taken) == (404, 0), "nobody reads it"
        else:
            assert status == 413 and b'"too-much"' in said, path
            assert body.taken <= most + body.chunk


def test_a_body_that_says_that_it_is_too_long_is_not_read(server):
    for said in ("200000000", "9" * 5000):
        body = Body(200_000_000)
        assert post(server.app, "/api/v1/sessions/1/verify", body, content_length=said)[0] == 413
        assert body.taken == 0


def test_the_most_that_a_gateway_sends_is_taken(server):
    assert limits.DELIVERY_MOST >= 2 * BYTES_MOST
    line = "x" * (BYTES_MOST // ITEMS_MOST)
    one = {"site": "s" * 32, "reader": "r" * 32, "kind": "record", "line": line}
    said = [one | {"id": f"{n:064}"} for n in range(ITEMS_MOST)]
    assert server.deliver(*said).status_code == 200
    assert server.deliver({"id": "x", "kind": "raw", "topic": "t" * 65_535, "raw_b64": "A" * 87_384}).status_code == 200


def test_answers_of_the_api_and_its_description_are_kept_by_nobody(server):
    for path in ("/docs", "/openapi.json", "/api/v1/me", "/api/v1/nothing", "/healthz", DELIVERIES):
        headers = server.client.get(path).headers
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store"), path
    assert server.client.get("/static/muster.css").headers.get("cache-control") != "no-store"


def test_a_lecturer_sees_no_doors_through_the_api_either(server):
    for path in ("/api/v1/doors", "/api/v1/alarms", "/api/v1/counts"):
        assert server.ask("GET", path, "lecturer").status_code == 403, path
        assert server.ask("GET", path, "technician").status_code == 200, path
        assert server.ask("GET", path, "admin").status_code == 200, path


# --- connections ---


class Hasty(limits.Patience):
    head_s, body_s, rest_s, reads_s = 0.3, 0.6, 0.4, 0.5


class Served:
    """An app under uvicorn in this thread's loop. `play` is given the port."""

    def __init__(self, app, protocol: type[limits.H11Protocol] = Hasty, **settings) -> None:
        self._config = uvicorn.Config(
            app, http=protocol, ws="none", lifespan="off", log_level="critical", timeout_keep_alive=1, **settings
        )

    def run(self, play):
        async def both():
            listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listening.bind(("127.0.0.1", 0))
            serving = uvicorn.Server(self._config)
            task = asyncio.create_task(serving._serve([listening]))
            try:
                async with asyncio.timeout(20):
                    while not serving.started:  # noqa: ASYNC110  uvicorn tells it in no other way
                        await asyncio.sleep(0.01)
                    return await play(listening.getsockname()[1])
            finally:
                serving.should_exit = True
                await task

        return asyncio.run(both())


async def echo(scope, receive, send):
    """Answers how many bytes came; /refuse answers before it reads; /big more than any buffer holds."""
    size = 0
    if scope["path"] == "/slow":
        await asyncio.sleep(1.0)
    while scope["path"] != "/refuse":
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b"x" * 50_000_000 if scope["path"] == "/big" else str(size).encode()
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})


async def closed_after(port, *parts, every_s=0.1, patience_s=30):
    """Sends the parts, one each interval, and answers (seconds until the server closed, what it had said)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()

    async def write():
        for part in parts:
            writer.write(part)
            await asyncio.sleep(every_s)

    writing = asyncio.create_task(write())
    try:
        said = b""
        try:
            async with asyncio.timeout(patience_s):
                while more := await reader.read(65_536):
                    said += more
        except ConnectionError:
            pass
        return time.monotonic() - began, said
    finally:
        writing.cancel()
        writer.close()


#: longer than anybody is patient here: a limit that each byte puts off would not be seen to close
DRIP = [b"x"] * 400
HEAD = b"POST /%s HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n"


def test_a_connection_that_does_not_finish_its_head_is_closed():
    async def play(port):
        return await asyncio.gather(
            closed_after(port),
            closed_after(port, b"GET / HTTP/1.1\r\nX-A: ", *DRIP),
            closed_after(port, b"GET / HTTP/1.1\r\nHost: t\r\n\r\n", b"", b"G", *DRIP),
        )

    silent, dripping, second = Served(echo).run(play)
    assert silent[1] == b""
    assert dripping[1] == b""
    assert second[1].startswith(b"HTTP/1.1 200")


def test_a_connection_that_does_not_finish_its_body_is_closed():
    async def play(port):
        return await asyncio.gather(
            closed_after(port, HEAD % b""),
            closed_after(port, HEAD % b"", *DRIP),
            closed_after(port, HEAD % b"refuse", *DRIP),
        )

    stalled, dripping, thrown = Served(echo).run(play)
    assert stalled[0] > 0.5 and stalled[1] == b""
    assert dripping[0] > 0.5 and dripping[1] == b""
    assert thrown[1].startswith(b"HTTP/1.1 200"), "answered, and the rest thrown away for a while"


def test_uvicorn_alone_never_closes_them():
    """The saboteur: without the guard the tests above see connections that stay."""

    async def play(port):
        with pytest.raises(TimeoutError):
            await closed_after(port, b"GET / HTTP/1.1\r\nX-A: ", *DRIP, patience_s=3)

    Served(echo, limits.H11Protocol).run(play)


def test_a_slow_answer_a_slow_body_and_a_second_request_are_not_cut():
    async def play(port):
        body = HEAD % b"slow" + b"x" * 1000
        small = b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\n"
        return await asyncio.gather(
            closed_after(port, body),
            closed_after(port, small, b"a", b"b", b"c", b"", b"", small + b"abc", every_s=0.03),
        )

    slow, twice = Served(echo).run(play)
    assert slow[1].endswith(b"1000")
    assert twice[1].count(b"HTTP/1.1 200") == 2


def test_a_client_that_does_not_read_is_dropped():
    async def play(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /big HTTP/1.1\r\nHost: t\r\n\r\n")
        await asyncio.sleep(1.0)
        with pytest.raises(ConnectionError):
            while await reader.read(1_000_000):
                pass
            raise ConnectionResetError  # closed early, without a reset
        writer.close()
        return True

    assert Served(echo).run(play)


def test_connections_beyond_the_limit_are_told_so_or_closed():
    async def play(port):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        over = await closed_after(port, b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        held += [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        await asyncio.sleep(0.1)
        gone = await closed_after(port, b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.1)
        return over, gone, await closed_after(port, b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")

    class Calm(limits.Patience):
        head_s = 10.0

    over, gone, again = Served(echo, Calm, limit_concurrency=3).run(play)
    assert over[1].startswith(b"HTTP/1.1 503")
    assert gone[1] == b"" and gone[0] < 1
    assert again[1].startswith(b"HTTP/1.1 200")


def test_the_server_outlives_more_connections_than_it_has_files(tmp_path):
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, str(ROOT / "muster.py"), "server"]
    subprocess.run([*command, "migrate"], cwd=tmp_path, env=env, check=True, capture_output=True, timeout=60)
    with (tmp_path / "err").open("wb") as said:
        process = subprocess.Popen(
            [*command, "run", "--port", "0"], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=said,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (60, 90)),
        )  # fmt: skip
    held = []
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(b":", 1)[1])
        assert open_files(process.pid) == 90
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        time.sleep(1.0)
        for one in held:
            one.close()
        ends, answer = time.monotonic() + 40, b""
        while not answer.startswith(b"HTTP/1.1 200") and time.monotonic() < ends:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as asking:
                asking.sendall(b"GET /healthz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
                try:
                    answer = asking.recv(1000)
                except ConnectionError:
                    answer = b""
            time.sleep(0.1)
        assert answer.startswith(b"HTTP/1.1 200")
    finally:
        for one in held:
            one.close()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    logged = (tmp_path / "err").read_text()
    assert logged.count("Too many open files") <= 1
    assert len(logged) < 20_000, logged[:500]
    assert "KeyboardInterrupt" not in logged


def open_files(pid: int) -> int:
    """The soft limit of a process."""
    line = next(one for one in Path(f"/proc/{pid}/limits").read_text().splitlines() if one.startswith("Max open files"))
    return int(line.split()[3])


def test_few_files_serve_few_connections():
    assert limits.connections_most(65_536) == limits.CONNECTIONS_MOST
    assert limits.connections_most(90) == 30
    assert limits.connections_most(1) == 1


# --- the log ---


def record(message, error=None):
    told = (type(error), error, None) if error else None
    return logging.LogRecord("asyncio", logging.ERROR, "", 0, message, (), told)


def test_what_a_client_can_make_happen_often_is_logged_once_a_minute():
    now_s = [100.0]
    quiet = limits.Quiet(now_s=lambda: now_s[0])
    full = OSError(errno.EMFILE, "Too many open files")
    for message, error in (("socket.accept() out of system resource", full), ("Invalid HTTP request received.", None)):
        first = record(message, error)
        assert quiet.filter(first) and first.exc_info is None
        assert not any(quiet.filter(record(message, error)) for _ in range(1000))
        now_s[0] += 61
        assert quiet.filter(record(message, error))
    other = record("Exception in ASGI application\n", ValueError("x"))
    assert quiet.filter(other) and quiet.filter(other) and other.exc_info


def test_a_fault_is_logged_once(server, caplog):
    @server.app.get("/broken")
    def broken():
        raise ValueError("a fault")

    async def play(port):
        return await closed_after(port, b"GET /broken HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")

    log, quiet = logging.getLogger("uvicorn.error"), limits.Quiet()
    served = Served(server.app)
    # uvicorn's own loggers do not go up to where pytest listens.
    log.addFilter(quiet)
    log.addHandler(caplog.handler)
    log.setLevel(logging.WARNING)
    try:
        answer = served.run(play)[1]
    finally:
        log.removeFilter(quiet)
        log.removeHandler(caplog.handler)
    assert b"500" in answer.splitlines()[0] and b'"fault"' in answer
    assert [one.name for one in caplog.records if one.exc_info] == ["muster.api"]
    assert errors.is_logged(caplog.records[-1].exc_info[1])
