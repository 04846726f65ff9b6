"""Import of a real-sized campus by the two commands, into a fresh SQLite database."""

import tempfile
import time
from pathlib import Path

from simulator.processes import ROOT, run
from tests.bench.figure import Figure

CAMPUS = ROOT.parent / "shared" / "data" / "campus"
LIMIT_S = 20.0


def measure() -> list[Figure]:
    """Seconds from the start of the first command to the end of the second, processes' start included."""
    name = "import of the campus"
    if not CAMPUS.is_dir():
        return [Figure(name=name, measured=None, must=LIMIT_S, unit="s", note="SKIPPED: no ../shared/data/campus here")]
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        env = {
            "MUSTER_DATABASE_URL": f"sqlite:///{Path(folder) / 'muster.db'}",
            "MUSTER_DATA_DIR": folder,
            "MUSTER_SERVER_KEY_FILE": f"{folder}/server.key",
            "MUSTER_TIME_ZONE": "Europe/London",
        }
        run(["server", "migrate"], env=env)
        took = {}
        for what, path in (("oneroster", CAMPUS), ("timetable", CAMPUS / "timetable.ics")):
            began = time.monotonic()
            run(["import", what, str(path), "--confirm"], env=env)
            took[what] = time.monotonic() - began
    note = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in took.items())
    return [Figure(name=name, measured=sum(took.values()), must=LIMIT_S, unit="s", note=f"{note}; SQLite, by command")]
