"""`muster demo --check --json` in processes of its own: its exit status and its result."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

#: after Ctrl-C it has so long to end what it started, s
ENDING_S = 15.0


def checked(repo: Path, *arguments: str, within_s: float) -> tuple[int, dict[str, Any]]:
    """Play it. Returns the exit status and the result; fails where there is none within that time."""
    command = [sys.executable, "muster.py", "demo", "--check", "--json", *arguments]
    with subprocess.Popen(command, cwd=repo, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        try:
            said, told = demo.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            # A demo that is killed leaves broker, store and readers behind.
            demo.send_signal(signal.SIGINT)
            try:
                said, told = demo.communicate(timeout=ENDING_S)
            finally:
                demo.kill()
    print(told[-4000:])
    assert said, "the demo printed no result"
    result = json.loads(said.splitlines()[-1])
    print(json.dumps(result, indent=1))
    return demo.returncode, result
