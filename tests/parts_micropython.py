"""The real MicroPython interpreter (the unix port from a wheel): one process a run.

An uncaught exception prints its traceback on standard OUTPUT there, and the exit status is 1.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest


class MicroPython:
    """Runs code or scripts on MicroPython with the repository importable, and ends what it started."""

    def __init__(self, program: str, repo: Path) -> None:
        self.program = program
        self.repo = repo
        self._started: list[subprocess.Popen] = []

    def environment(self, *, path: Sequence[Path | str] = ()) -> dict[str, str]:
        """The process environment: `path`, then the repository, then the frozen modules."""
        return {**os.environ, "MICROPYPATH": ":".join([*map(str, path), str(self.repo), ".frozen"])}

    def command(self, what: str | Path, *arguments: str, heapsize: str | None = None) -> list[str]:
        """The command line. A Path is a script, a str is code; `heapsize` such as "300K" bounds the heap."""
        head = [self.program, *(["-X", f"heapsize={heapsize}"] if heapsize else [])]
        return [*head, *([str(what)] if isinstance(what, Path) else ["-c", what]), *arguments]

    def run(
        self,
        what: str | Path,
        *arguments: str,
        heapsize: str | None = None,
        path: Sequence[Path | str] = (),
        timeout_s: float = 60.0,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; with `check` a status that is not 0 fails the test with all it printed."""
        done = subprocess.run(
            self.command(what, *arguments, heapsize=heapsize),
            env=self.environment(path=path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if check and done.returncode:
            pytest.fail(f"MicroPython ended with {done.returncode}:\n{done.stdout}{done.stderr}", pytrace=False)
        return done

    def start(
        self, what: str | Path, *arguments: str, heapsize: str | None = None, path: Sequence[Path | str] = ()
    ) -> subprocess.Popen[str]:
        """Start and leave running (standard output is a pipe); killed at the test's end if it still lives."""
        process = subprocess.Popen(
            self.command(what, *arguments, heapsize=heapsize),
            env=self.environment(path=path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill what still runs, and close its pipes."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def micropython(need, repo):
    """Real MicroPython: `micropython.run(code_or_path, heapsize="300K")`, `.start(...)`, `.command(...)`."""
    runner = MicroPython(need("micropython"), repo)
    yield runner
    runner.end()
