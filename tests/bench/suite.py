"""How long `make test` takes without its set-up. Runs only where it is named: it takes longer than all other parts."""

import os
import signal
import subprocess
import time

from simulator.processes import ROOT
from tests.bench.figure import Figure

LIMIT_S = 15 * 60.0


def measure() -> list[Figure]:
    """Seconds of `make lint test-only`, whether its tests pass or not; the note says which."""
    began = time.monotonic()
    run = subprocess.Popen(
        ["make", "lint", "test-only"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        said, _ = run.communicate()
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGTERM)
            run.wait()
    took_s = time.monotonic() - began
    last = next((line.strip("= ") for line in reversed(said.splitlines()) if line.strip()), "")
    note = f"status {run.returncode}; {os.cpu_count()} processors; {last[:160]}"
    return [Figure(name="make test, without set-up", measured=took_s, unit="s", must=LIMIT_S, note=note)]
