"""What each process needs with one reader and with six hundred, and how long it takes to start.

Six hundred readers with their rosters (a class of 33 each, lessons of a day ahead): connected, greeted, and every
student of a lesson has tapped. Memory is taken after that, when everything is committed.
"""

import tempfile
import time
from collections import defaultdict
from pathlib import Path

from simulator.processes import wait_http
from tests.bench.end_to_end import until
from tests.bench.figure import Figure
from tests.bench.machine import children, resident_mb
from tests.bench.parts import mosquitto
from tests.bench.stage import Stage, greet, stage

READERS, LISTED, AHEAD = 600, 33, 12
GATEWAY_MB = 150.0


def measure() -> list[Figure]:
    """Resident memory of store, gateway and broker, and how long each takes to start."""
    return [_broker_start(), *_with(1), *_with(READERS)]


def _with(readers: int) -> list[Figure]:
    with stage("SQLite", rooms=readers, listed=LISTED, lessons=1, ahead=AHEAD) as here:
        count = 0
        began = time.monotonic()
        for board in here.boards:
            board.connect(here.wire)
        greet(here, 120)
        greeted_s = time.monotonic() - began
        for board in here.boards:
            for uid, at_ms in here.taps[board.name]:
                board.swipe(uid, at_ms)
                count += 1
            board.pump()
        until(here.wire, lambda: here.stored() >= count, time.monotonic())
        until(here.wire, lambda: here.due() == 0, time.monotonic())
        resident: dict[str, float] = defaultdict(float)
        for pid, what in children().items():
            resident[what] += resident_mb(pid)
        note = f"PSS, after {count:,} swipes; the hellos of {readers} readers took {greeted_s:.1f} s"
        figures = [
            Figure(
                name=f"{readers} readers: {what}", measured=megabytes, unit="MB", note=note,
                must=GATEWAY_MB if what == "gateway" else None,
            )
            for what, megabytes in sorted(resident.items())
        ]  # fmt: skip
        return figures + [
            Figure(name=f"{readers} readers: start of the {what}", measured=_restart_s(here, what), unit="s",
                   note="from its start until its health page answers, with what it holds")
            for what in ("store", "gateway")
        ]  # fmt: skip


def _broker_start() -> Figure:
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        began = time.monotonic()
        with mosquitto(Path(folder)):
            took_s = time.monotonic() - began
    return Figure(
        name="start of mosquitto", measured=took_s, unit="s", note="until it takes a connection; it holds nothing"
    )


def _restart_s(here: Stage, what: str) -> float:
    part = here.line.parts[what][0]
    part.stop()
    began = time.monotonic()
    part.start()
    address = here.line.url if what == "store" else f"http://127.0.0.1:{here.line.gateway_ports[0]}"
    wait_http(f"{address}/healthz", part)
    return time.monotonic() - began
