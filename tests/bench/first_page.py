"""`make demo` of a fresh clone until its first page answers, with the wheels cached and no network.

What is committed is measured: the clone is of HEAD. The wheels are put into a folder first, by pip from the lock, and
that is not counted; then pip may take them from nowhere else.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from simulator.processes import ROOT
from tests.bench.figure import Figure

LIMIT_S = 60.0
#: then it is given up, s
GIVE_UP_S = 120.0
CORRIDOR = re.compile(r"corridor\s+(http://\S+)")
NAME = "make demo to its first page"


def measure() -> list[Figure]:
    """Seconds from `make demo` to the corridor's page, .venv and all."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        folder = Path(name)
        clone, wheels = folder / "clone", folder / "wheels"
        _run(["git", "clone", "--quiet", "--local", str(ROOT), str(clone)])
        lock = clone / "requirements" / "demo.lock"
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--prefer-binary", "-d", str(wheels)]
        _run([*fetch, "--require-hashes", "-r", str(lock)])
        # What is there as source only (pydes, at some indexes) is built with these.
        _run([*fetch, "setuptools", "wheel"])
        # What a make above this one was told (`make bench ARGS=...`) is not for this one.
        foreign = ("VIRTUAL_ENV", "PYTHONPATH", "ARGS", "MFLAGS")
        env = {k: v for k, v in os.environ.items() if k not in foreign and not k.startswith("MAKE")}
        # pip's own files and variables name other places: none of them counts here.
        env |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}
        env["PATH"] = os.pathsep.join(
            p for p in env["PATH"].split(os.pathsep) if Path(p) != Path(sys.executable).parent
        )
        log = folder / "log"
        with log.open("wb") as file:
            began = time.monotonic()
            demo = subprocess.Popen(
                ["make", "demo"], cwd=clone, env=env, stdout=file, stderr=file, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        try:
            installed_s, page_s = _wait(demo, log, clone, began)
        finally:
            _end(demo)
        text = log.read_text(errors="replace")
    ready = re.search(r"ready after (\d+) s", text)
    note = f"fresh clone of HEAD, no network; .venv and install {installed_s:.0f} s, "
    note += f"then {page_s - installed_s:.0f} s (it says itself: ready after {ready[1] if ready else '?'} s)"
    return [Figure(name=NAME, measured=page_s, unit="s", must=LIMIT_S, note=note)]


def _wait(demo: subprocess.Popen[bytes], log: Path, clone: Path, began: float) -> tuple[float, float]:
    """When everything was installed, and when the corridor answered, s after the start."""
    installed_s = 0.0
    while time.monotonic() - began < GIVE_UP_S:
        if not installed_s and (clone / ".venv" / ".installed-demo").exists():
            installed_s = time.monotonic() - began
        text = log.read_text(errors="replace")
        found = CORRIDOR.search(text)
        if found and _answers(found[1]):
            return installed_s, time.monotonic() - began
        if demo.poll() is not None:
            raise RuntimeError(f"`make demo` ended with status {demo.returncode}: {text[-1500:]}")
        time.sleep(0.05)
    raise RuntimeError(f"no page within {GIVE_UP_S:.0f} s of `make demo`: {log.read_text(errors='replace')[-1500:]}")


def _answers(url: str) -> bool:
    """Whether the page is there. Said and not there yet is not the first page."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return b"<html" in answer.read().lower()
    except OSError:
        return False


def _end(demo: subprocess.Popen[bytes]) -> None:
    """Ctrl-C; the demo ends what it started. Insist after 20 s."""
    if demo.poll() is None:
        os.killpg(demo.pid, signal.SIGINT)
    try:
        demo.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(demo.pid, signal.SIGKILL)
        demo.wait()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"`{' '.join(command[:4])}` ended with status {done.returncode}: {done.stderr.strip()[-800:]}"
        )
