"""The processes of a demo: started with their output in files, ended with the demo, killed when a fault wants it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class PartFailed(RuntimeError):
    """A part did not start, or a command failed. The text says which, and how its output ended."""


class Part:
    """One process that a demo runs: its command, its log, and whether it is up."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, env: dict[str, str] | None = None) -> None:
        self.name = name
        self._command = list(command)
        self._log = log
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        #: how often it was killed by a fault
        self.kills = 0

    def start(self) -> None:
        """Start it, in a session of its own so that a Ctrl-C reaches the demo first."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self._env, cwd=ROOT,
                start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def ensure(self) -> None:
        """Raises PartFailed if it has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise PartFailed(f"{self.name} ended with status {self._process.returncode}: {tail(self._log)}")

    def last_words(self) -> str:
        """How its log ends."""
        return tail(self._log, 600)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._process and self._process.poll() is None:
            self.kills += 1
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Ask it to end; insist after 5 s."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def muster(*arguments: str) -> list[str]:
    """The command line of a muster sub-command with this interpreter."""
    return [sys.executable, str(ROOT / "muster.py"), *arguments]


def run(arguments: Sequence[str], *, env: dict[str, str]) -> str:
    """Run a muster sub-command to its end and return what it printed. Raises PartFailed with its last lines."""
    done = subprocess.run(
        muster(*arguments), capture_output=True, text=True, env={**os.environ, **env}, cwd=ROOT, check=False
    )
    if done.returncode:
        last = (done.stderr or done.stdout).strip()[-1500:]
        raise PartFailed(f"`muster {' '.join(arguments[:3])}` ended with status {done.returncode}: {last}")
    return done.stdout


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_http(url: str, part: Part, timeout_s: float = 120) -> None:
    """Wait until `url` answers. Raises PartFailed if the part ends or does not answer in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        part.ensure()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    raise PartFailed(f"{part.name} did not answer within {timeout_s:.0f} s. Its log ends: {part.last_words()}")


def wait_port(port: int, part: Part, timeout_s: float = 60) -> None:
    """Wait until something listens on a loopback port."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        part.ensure()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise PartFailed(f"{part.name} did not listen within {timeout_s:.0f} s")


def wait_listening(port: int, timeout_s: float = 10) -> None:
    """Wait until something in this process listens on a loopback port. Raises PartFailed."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise PartFailed(f"the corridor page does not listen on port {port}: is it taken? choose another --port")


def tail(log: Path, size: int = 1500) -> str:
    """The last lines of a log."""
    return log.read_bytes()[-size:].decode(errors="replace").strip() if log.exists() else "(no output)"
