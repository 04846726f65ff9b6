"""What stands around firmware/pico/link.py in its tests: the link in its own process, a subscriber, a server of any kind."""

import contextlib
import json
import queue
import socket
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest

PROBE = Path(__file__).with_name("link_probe.py")
WAIT_S = 30
#: What a busy machine may take away without a fault of ours; a blocking connect, send or DNS would take far longer.
STALL_MS = 1500


class Probe:
    """The link in its own process; `wait("up")` gives the next such event and keeps what came before in `seen`."""

    def __init__(self, process):
        self.process = process
        self.seen = []
        self._lines = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def wait(self, event, timeout_s=WAIT_S, **fields):
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no {event} {fields} within {timeout_s} s; seen: {self.told()}", pytrace=False)
            if line is None or not line.startswith("{"):
                rest = [line] if line else []
                while line is not None and (line := self._lines.get(timeout=WAIT_S)) is not None:
                    rest.append(line)
                pytest.fail(f"the probe ended: {''.join(rest)}", pytrace=False)
            said = json.loads(line)
            self.seen.append(said)
            if said["event"] == event and all(said.get(k) == v for k, v in fields.items()):
                return said

    def told(self):
        return [e for e in self.seen if e["event"] != "stall"]

    def run_for(self, seconds):
        """Takes what is said for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left)
            except queue.Empty:
                return
            assert line is not None, f"the probe ended: {self.told()}"
            assert line.startswith("{"), line
            self.seen.append(json.loads(line))

    def of(self, event):
        return [e for e in self.seen if e["event"] == event]

    def close(self):
        """Ends the process, and reads it to its end before anybody closes its pipe."""
        self.process.kill()
        self._thread.join(WAIT_S)

    @property
    def worst_stall_ms(self):
        return max((e["worst_ms"] for e in self.of("stall")), default=0)

    @property
    def most_between(self):
        """The most messages that were handled between two turns of a task that wakes every 5 ms: no time is in it."""
        return max((e["between"] for e in self.of("stall")), default=0)


class Subscriber:
    """A paho client: what it hears, in order."""

    def __init__(self, port, topic, **access):
        self.heard = queue.Queue()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        if access:
            self.client.username_pw_set(access["user"], access["password"])
        self.client.on_message = lambda client, data, message: self.heard.put(message)
        ready = threading.Event()
        self.client.on_connect = lambda client, *rest: client.subscribe(topic, 1)
        self.client.on_subscribe = lambda *rest: ready.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert ready.wait(WAIT_S)

    def next(self, timeout_s=WAIT_S):
        return self.heard.get(timeout=timeout_s)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


class Server:
    """A TCP server that answers each connection as `answer(sock)` does, and remembers when they came."""

    def __init__(self, answer):
        self.times = []
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._open = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(sock)
            self.times.append(time.monotonic())
            with contextlib.suppress(OSError):
                self._answer(sock)

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for sock in self._open:
            sock.close()
        self._thread.join(WAIT_S)


def numbers(subscriber, count):
    """The numbers of the messages heard until `count` different ones were; (set, how many came twice)."""
    seen, twice = set(), 0
    while len(seen) < count:
        n = int(subscriber.next().payload[:8])
        twice += n in seen
        seen.add(n)
    return seen, twice
