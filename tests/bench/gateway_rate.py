"""Swipes per second through the gateway: published to Mosquitto until a store has accepted them, which does nothing else."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench.figure import Figure
from tests.bench.parts import Missing, mosquitto
from tests.gateway.conftest import GatewayProcess, Lines, StoreProcess, until

MESSAGES, DOORS = 6000, 40


def measure() -> list[Figure]:
    """All at once from 40 publishers, each swipe a message of its own."""
    publisher = shutil.which("mosquitto_pub")
    if publisher is None:
        raise Missing("mosquitto_pub is not installed: `make setup` does it")
    lines = Lines()
    said = [lines.message(lines.swipe(f"a-{n % DOORS}", n // DOORS)).decode() for n in range(MESSAGES)]
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name, mosquitto(Path(name)) as broker:
        store = StoreProcess(Path(name))
        gateway = None
        publishers: list[subprocess.Popen[str]] = []
        try:
            store.start()
            gateway = GatewayProcess(Path(name) / "g1", broker.url, store.url, "g1")
            gateway.start()
            gateway.linked()
            cpu_s, began = gateway.cpu_s(), time.monotonic()
            for door in range(DOORS):
                command = [publisher, "-p", str(broker.port), "-q", "1", "-l", "-t", lines.topic(f"a-{door}")]
                one = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
                publishers.append(one)
                assert one.stdin is not None
                one.stdin.write("\n".join(said[door::DOORS]) + "\n")
                one.stdin.close()
            until(lambda: store.stats()["held"] >= MESSAGES, 40, "the last swipe")
            took_s, cpu_s = time.monotonic() - began, gateway.cpu_s() - cpu_s
        finally:
            for one in publishers:
                one.kill()
                one.wait()
            if gateway is not None and gateway.process is not None:
                gateway.kill()
            store.stop()
    note = f"{MESSAGES} messages from {DOORS} readers at once; {MESSAGES / cpu_s:.0f} per second of its processor time"
    return [Figure(name="swipes through the gateway", measured=MESSAGES / took_s, unit="/s", note=note)]
