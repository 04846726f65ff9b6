"""Provisioning by script on the unix port: from the command to a reader that was tested up to its class list."""

import tempfile
from pathlib import Path

from tests.bench.figure import Figure
from tests.system.provisioned_line import Line

MOST_S = 60.0


def measure() -> list[Figure]:
    """One blank board, over TLS and the access list; then the same words again."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder, Line(Path(folder)) as line:
        cable = line.cable()
        cable.plug()
        try:
            first = line.provision(cable, line.token("--room", "R0"), "--no-card")
            again = line.provision(cable, "", "--no-card")
        finally:
            cable.unplug()
    for one in (first, again):
        if one.status:
            raise RuntimeError(one.said)
    note = "start of `muster provision` to its end: compile, copy, hashes read back, claim, settings, self-test to the class list"
    return [
        Figure(name="provisioning by script", measured=first.seconds, unit="s", must=MOST_S, note=f"{note}; unix port, TLS"),
        Figure(name="tested again", measured=again.seconds, unit="s", note="without a token: every file was there already"),
    ]  # fmt: skip
