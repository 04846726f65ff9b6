"""A real Mosquitto on a free loopback port, which a test may stop, kill and start again.

`mosquitto` is one that runs; `start_mosquitto` makes as many as a test wants, with its own lines of configuration.
"""

import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mosquitto:
    """One broker with its folder. The port stays the same over `stop`, `kill` and `start`."""

    def __init__(self, program: str, folder: Path, *, persistence: bool, lines: Sequence[str]) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self.folder = folder
        self.log = folder / "mosquitto.log"
        self._program = program
        self._process: subprocess.Popen | None = None
        # A configuration of its own that says anonymous or a password file has the last word.
        access = [] if any(line.startswith("allow_anonymous") for line in lines) else ["allow_anonymous true"]
        keep = [
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
        ]
        config = [f"listener {self.port} {self.host}", *access, *(keep if persistence else ["persistence false"])]
        # As root Mosquitto would become the user mosquitto, who may not write into the test's folder.
        config += ["user root", "log_type all", f"log_dest file {self.log}", *lines]
        (folder / "mosquitto.conf").write_text("\n".join(config) + "\n")

    @property
    def url(self) -> str:
        """The broker's address as the commands take it: mqtt://host:port."""
        return f"mqtt://{self.host}:{self.port}"

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it takes connections. Raises RuntimeError with its log where it does not."""
        assert not self.running, "this broker runs already"
        self._process = subprocess.Popen(
            [self._program, "-c", str(self.folder / "mosquitto.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.running:
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        log = self.log.read_text() if self.log.exists() else "(no log)"
        self.kill()
        raise RuntimeError(f"mosquitto did not start:\n{log}")

    def stop(self) -> None:
        """SIGTERM, as an operator does: with persistence it saves first."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: what it held in memory is gone."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session", name="free_port")
def _free_port():
    """`free_port()` gives a TCP port on loopback that was free a moment ago."""
    return free_port


@pytest.fixture
def start_mosquitto(need, tmp_path):
    """A function: `start_mosquitto(persistence=False, lines=())` gives a running Mosquitto; all are ended after."""
    program = need("mosquitto")
    brokers: list[Mosquitto] = []

    def start(*, persistence: bool = False, lines: Sequence[str] = ()) -> Mosquitto:
        folder = tmp_path / f"mosquitto-{len(brokers)}"
        folder.mkdir()
        broker = Mosquitto(program, folder, persistence=persistence, lines=lines)
        brokers.append(broker)
        broker.start()
        return broker

    yield start
    for broker in brokers:
        broker.kill()


@pytest.fixture
def mosquitto(start_mosquitto) -> Mosquitto:
    """A running Mosquitto on loopback, memory only: .host, .port, .url, .stop(), .kill(), .start()."""
    return start_mosquitto()
