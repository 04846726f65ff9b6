"""The small HTTP server, and the metrics as text."""

import asyncio
import json

import pytest

from gateway.counts import Counts
from gateway.endpoint import Endpoint


@pytest.fixture
async def ask():
    endpoint = Endpoint({"/page": lambda: (200, "text/plain", "héllo")})
    await endpoint.start("127.0.0.1", 0)

    async def ask(raw):
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
        writer.write(raw)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    yield ask
    await endpoint.close()


async def test_a_page_is_served_with_its_length_in_bytes(ask):
    answer = await ask(b"GET /page?x=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Length: 6\r\n" in answer
    assert answer.endswith("héllo".encode())


@pytest.mark.parametrize(
    "line, status", [(b"GET /other HTTP/1.1", 404), (b"POST /page HTTP/1.1", 405), (b"\xff\0", 405)]
)
async def test_anything_else_is_an_error_in_the_one_shape(ask, line, status):
    head, _, body = (await ask(line + b"\r\n\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert set(json.loads(body)["error"]) == {"code", "text"}


async def test_who_says_nothing_whole_or_too_much_gets_nothing(ask):
    assert await ask(b"GET /page HTT") == b""
    assert await ask(b"x" * 20_000) == b""


def test_the_metrics_are_prometheus_text():
    counts = Counts()
    counts.add("received_total", 3, "record")
    counts.took(0.03)
    counts.took(99_999)
    text = counts.text()
    assert 'muster_gateway_received_total{kind="record"} 3\n' in text
    assert 'muster_gateway_to_store_seconds_bucket{le="0.025"} 0\n' in text
    assert 'muster_gateway_to_store_seconds_bucket{le="0.05"} 1\n' in text
    assert 'muster_gateway_to_store_seconds_bucket{le="+Inf"} 2\n' in text
    assert "muster_gateway_to_store_seconds_count 2\n" in text
    with pytest.raises(KeyError):
        counts.add("nothing_total")
