"""What a killed simulation leaves behind is removed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.scratch import PREFIX, Scratch, sweep

ROOT = Path(__file__).parents[2]
HOLDS = """
import sys, time
from pathlib import Path
from tests.simulation.scratch import Scratch, end_well
end_well()
made = Scratch(Path(sys.argv[1]))
try:
    print(made.folder.name, flush=True)
    time.sleep(600)
finally:
    made.close()
"""


def started(under: Path) -> tuple[subprocess.Popen, str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(under)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_asked_to_end_removes_its_folder(tmp_path, asked):
    process, name = started(tmp_path)
    try:
        assert (tmp_path / name).is_dir()
        process.send_signal(asked)
        process.communicate()
    finally:
        process.kill()
        process.communicate()
    assert list(tmp_path.iterdir()) == []
    assert process.returncode == 128 + asked


def test_the_folder_of_a_killed_process_goes_at_the_next_start_and_a_living_ones_stays(tmp_path):
    killed, left = started(tmp_path)
    living, kept = started(tmp_path)
    try:
        killed.kill()
        killed.communicate()
        made = Scratch(tmp_path)
        assert not (tmp_path / left).exists()
        assert (tmp_path / kept).is_dir()
        assert made.folder.is_dir()
        made.close()
        assert sweep(tmp_path) == []
    finally:
        living.kill()
        living.communicate()
    assert sweep(tmp_path) == [kept]


def test_a_folder_that_nobody_locked_yet_is_left_alone(tmp_path):
    (tmp_path / f"{PREFIX}new").mkdir()
    assert sweep(tmp_path) == []
