"""This very Pi on the bench: its self-test (`muster pi test`) in a process of its own, as the user who will run the reader.

The journal is opened by it, so whoever opens it must be the one to whom it will belong; root would leave files behind
that the reader cannot write. The settings, root's alone, go over a pipe.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import muster
from firmware.provision.errors import ProvisionError
from firmware.provision.local import DATA
from firmware.provision.selftest import Words

#: where packaging/systemd/muster-pi.service has the chip, and what may use chip and pins
CHIP, GROUPS = "/dev/ttyAMA0", ("dialout", "gpio")
#: one of these holds chip, pins and journal while it runs
SERVICES = ("muster-pi", "muster-kiosk")
LINE: Words = {
    "storage": ("its journal can be written", "the SD card does not take it: is it full, or worn? Replace it"),
    "network": ("the broker's machine answers", "the broker's machine does not answer: look at the cable or the Wi-Fi, "
                "and whether this network leads there"),
    "broker": ("the broker took it", "the broker did not take it: see that it runs, and what it says in its log"),
    "clock": ("the store told it the time", "the store did not answer: see that the gateway and the store run"),
    "roster": ("it has its class list", "no class list came: see on the doors page whether it serves a room"),
}  # fmt: skip
#: how much longer than asked an answer may take
SPARE_S = 30.0


def running() -> str:
    """The service that holds this Pi's parts now; '': none."""
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return ""
    for name in SERVICES:
        # Where systemd is not what began this machine it says so, and there is no service.
        said = subprocess.run([systemctl, "is-active", "--quiet", name], capture_output=True, check=False)
        if said.returncode == 0:
            return name
    return ""


class ThisPi:
    """The self-test's process. `with ThisPi(...) as bench`. mock_pins: no GPIO, for tests.

    Raises ProvisionError(`bench`) where it does not answer.
    """

    words: Words = LINE
    #: its clock is the one by which it would be judged
    has_clock = False

    def __init__(
        self, settings: dict[str, Any], *, data: Path = DATA, chip: str = CHIP, mock_pins: bool = False
    ) -> None:
        command = [sys.executable, muster.__file__, "pi", "test", "--data", str(data), "--chip", chip]
        environment = {"GPIOZERO_PIN_FACTORY": "lgpio", **os.environ}
        # lgpio makes a pipe in the folder where it starts.
        folder = data if data.is_dir() else Path("/")
        self._process = subprocess.Popen(
            command + ["--mock-pins"] * mock_pins, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment, cwd=folder, **as_whom(data),
        )  # fmt: skip
        self._send(settings)

    def __enter__(self) -> ThisPi:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(SPARE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def light(self, colour: str) -> None:
        """Show red, green, blue or off."""
        self._ask({"do": "light", "colour": colour}, 0)

    def card(self, timeout_ms: int) -> list[dict[str, Any]]:
        """Wait for the chip and for a card."""
        return self._ask({"do": "card", "ms": timeout_ms}, timeout_ms)

    def ticks(self, ms: int) -> None:
        """Nothing: see has_clock."""

    def line(self, timeout_ms: int) -> list[dict[str, Any]]:
        """Bring up its own link until all is reached."""
        return self._ask({"do": "line", "ms": timeout_ms}, timeout_ms)

    def _send(self, told: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(told) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._silent() from None

    def _ask(self, want: dict[str, Any], timeout_ms: int) -> list[dict[str, Any]]:
        assert self._process.stdout is not None
        self._send(want)
        # A test that hangs is ended, and read as one that ended.
        watch = threading.Timer(timeout_ms / 1000 + SPARE_S, self._process.kill)
        watch.start()
        found = []
        try:
            for line in self._process.stdout:
                told = json.loads(line)
                if told.get("end"):
                    return found
                found.append(told)
        finally:
            watch.cancel()
        raise self._silent()

    def _silent(self) -> ProvisionError:
        return ProvisionError(
            "bench",
            "the self-test ended by itself: what it said stands above; put that right, then the same words again",
        )


def as_whom(data: Path, user: int | None = None) -> dict[str, Any]:
    """As whom it runs, for `Popen`: the one to whom the reader's folder belongs, with what the service may use. user: who
    runs this (the process's); only root can become another."""
    if (os.geteuid() if user is None else user) != 0 or not data.is_dir():
        return {}
    owner = data.stat()
    if owner.st_uid == 0:
        return {}
    extra = []
    for name in GROUPS:
        with contextlib.suppress(KeyError):
            extra.append(grp.getgrnam(name).gr_gid)
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": extra}
