"""One saboteur's trial: a copy, the patch, the test meant for it, and what came of it. And the control without a patch."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.saboteurs.copied import copy_tree, not_loaded, sabotage
from tests.saboteurs.declared import NotApplied, Saboteur
from tests.saboteurs.witness import OPTION

#: of one test by pytest's own clock, and of the whole process; a test that hangs on a saboteur has not caught it
TEST_LIMIT_S, RUN_LIMIT_S, CONTROL_LIMIT_S = 120, 240, 900
#: those of the suite that these tests need: the others take two seconds of each run to load
PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout", "_hypothesis_pytestplugin", "tests.saboteurs.witness")

CAUGHT, NOT_CAUGHT, NOT_APPLIED, WRONG = "caught", "not caught", "not applied", "failed for another reason"


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What one run of pytest said."""

    status: int
    #: one for each test: test, outcome, own (an assertion of its own), text
    said: tuple[dict, ...]
    output: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of one saboteur. outcome: one of the four above."""

    saboteur: Saboteur
    outcome: str
    #: the assertion that caught it, or what went wrong
    text: str
    seconds: float

    @property
    def caught(self) -> bool:
        """Whether the test meant for it failed, and for the right reason."""
        return self.outcome == CAUGHT


class Bench:
    """Runs trials on copies of a snapshot. `end` ends whatever still runs; used from several threads."""

    def __init__(self, repo: Path, folder: Path, *, seed: int, test_limit_s: int = TEST_LIMIT_S) -> None:
        self._folder, self._seed, self._test_limit_s = folder, seed, test_limit_s
        self._running: set[subprocess.Popen] = set()
        self._ended = False
        #: the tree as it was when the bench began: nobody's edit in the middle of a run is half in it
        self.snapshot = folder / "snapshot"
        copy_tree(repo, self.snapshot)

    def control(self, tests: Sequence[str], part: int) -> list[str]:
        """Run these tests on the snapshot, without a patch. Returns what is wrong: nothing, if each passed.

        The snapshot keeps what was compiled on the way, and every copy of it has that.
        """
        ran = self._pytest(self.snapshot, tests, CONTROL_LIMIT_S, f"control-{part}")
        outcomes = {one["test"]: one for one in ran.said}
        wrong = []
        for test in tests:
            one = outcomes.get(test)
            if one is None:
                wrong.append(f"{test}: did not run")
            elif one["outcome"] != "passed":
                wrong.append(f"{test}: {one['outcome']}: {one['text']}")
        if ran.status and not wrong:
            wrong.append(f"pytest ended with {ran.status}")
        if wrong and not ran.said:
            wrong.append(ran.output[-2000:])
        return wrong

    def trial(self, saboteur: Saboteur, number: int) -> Verdict:
        """Run the test meant for this saboteur on a copy that has it."""
        began = time.monotonic()
        tree = self._folder / f"trial-{number}"
        copy_tree(self.snapshot, tree)
        try:
            sabotage(tree, saboteur.changes)
            ran = self._pytest(tree, [saboteur.test], RUN_LIMIT_S, tree.name)
            outcome, text = judge(saboteur, ran, not_loaded(tree, saboteur.changes))
        except (NotApplied, OSError) as error:
            outcome, text = NOT_APPLIED, str(error)
        finally:
            shutil.rmtree(tree, ignore_errors=True)
        # What a test says may name files of the copy: where that stood says nothing to whoever reads docs/proof.md.
        said = text.replace(f"{self._folder}/", "")
        return Verdict(saboteur=saboteur, outcome=outcome, text=said, seconds=time.monotonic() - began)

    def end(self) -> None:
        """End what still runs, and start nothing more. Who waits for it sees it end, and reaps it."""
        self._ended = True
        for process in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _pytest(self, tree: Path, tests: Sequence[str], limit_s: float, name: str) -> Ran:
        report = self._folder / f"{name}.jsonl"
        for_tests = self._folder / f"{name}-tmp"
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=short", "-p", "no:cacheprovider"]
        command += [word for plugin in PLUGINS for word in ("-p", plugin)]
        command += [f"--timeout={self._test_limit_s}", f"--seed={self._seed}", f"{OPTION}={report}"]
        command += [f"--rootdir={tree}", f"--basetemp={for_tests}", *tests]
        # The venv holds the real tree (an editable install): the copy must come before it, here and in whatever a test
        # starts. That it did is not believed but looked at (copied.not_loaded).
        environment = {**os.environ, "PYTHONPATH": str(tree), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        if self._ended:
            return Ran(status=-1, said=(), output="ended")
        with (self._folder / f"{name}.out").open("w+", errors="replace") as output:
            process = subprocess.Popen(
                command, cwd=tree, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
            self._running.add(process)
            try:
                is_late = not _ends_within(process, limit_s)
            finally:
                self._running.discard(process)
                _kill(process)
                shutil.rmtree(for_tests, ignore_errors=True)
            output.seek(0)
            text = f"did not end within {limit_s:.0f} s" if is_late else output.read()
        said = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
        return Ran(status=process.returncode, said=tuple(said), output=text)


def judge(saboteur: Saboteur, ran: Ran, unloaded: list[str]) -> tuple[str, str]:
    """What a run says of a saboteur: (outcome, text)."""
    if unloaded:
        return NOT_APPLIED, f"{', '.join(unloaded)} was never loaded: status {ran.status}, {ran.output[-500:].strip()}"
    if not ran.said or any(one["test"] != saboteur.test for one in ran.said):
        return WRONG, f"the test named did not run alone: status {ran.status}, {ran.output[-500:].strip()}"
    failed = [one for one in ran.said if one["outcome"] == "failed"]
    if not failed:
        skipped = any(one["outcome"] == "skipped" for one in ran.said)
        return (WRONG, "the test was skipped") if skipped else (NOT_CAUGHT, "the test passed")
    first = failed[0]
    if ran.status != 1 or first["when"] != "call" or not first["own"]:
        return WRONG, f"{first['when']}: {first['text']} (exit status {ran.status})"
    return CAUGHT, first["text"]


def _ends_within(process: subprocess.Popen, limit_s: float) -> bool:
    # Not reaped yet: its number is nobody else's until what it left behind is killed by it.
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
            return True
        time.sleep(0.02)
    return False


def _kill(process: subprocess.Popen) -> None:
    # The whole session: a test that was ended leaves what it had started.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
