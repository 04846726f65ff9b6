"""The school's server behind a real socket, and the gateway's door to it."""

from __future__ import annotations

import hashlib
import socket
import threading
import time

import httpx
import uvicorn

from server.store import gateways
from server.store.engine import writing


class Serving:
    """Serves an app on loopback at a free port, until closed."""

    def __init__(self, app) -> None:
        # The protocol is named, or asyncio does not set TCP_NODELAY and every small answer waits 40 ms.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]})
        self._thread.start()
        ends = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < ends, "the server does not start"
            time.sleep(0.01)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()


class Gateway:
    """Delivers lines as docs/wire.md says."""

    def __init__(self, school, url: str) -> None:
        with writing(school.world.engine) as connection:
            token = gateways.add(connection, school.world.institution_id, "gw-1", 1)
        self._clock = school.clock
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"})

    def deliver(self, *lines: str) -> None:
        items = []
        for line in lines:
            _, said, reader, *_ = line.split("|")
            kind = said if said in ("hello", "head") else "record"
            digest = hashlib.sha256(line.encode()).hexdigest()
            items.append({"id": digest, "site": "main", "reader": reader, "kind": kind, "line": line,
                          "received_ms": self._clock.now_ms()})  # fmt: skip
        answer = self._http.post("/api/gateway/v1/deliveries", json={"items": items})
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["done"]) == len(items)

    def close(self) -> None:
        self._http.close()
