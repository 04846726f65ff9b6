"""What every test may ask for: real parts that are there or said to be missing, a seed, and the shared data.

A part that is missing skips its tests aloud on a person's machine, and fails them where CI is set (.ci/run): there
nothing may be missing. What did not run is listed at the end. The parts themselves stand in parts_*.py beside this.
"""

import gc
import os
import random
import shutil
import sys
from collections import Counter
from pathlib import Path

import hypothesis
import pytest

REPO = Path(__file__).resolve().parent.parent
DEFAULT_SEED = 7

pytest_plugins = [
    "tests.parts_mosquitto",
    "tests.parts_postgres",
    "tests.parts_micropython",
    "tests.parts_chromium",
    "tests.parts_node",
]

#: parts that npm installs, and the file of each that is looked for
NPM = {"oidc-provider": "lib/index.js", "axe-core": "axe.min.js"}

# Same examples every run, so that a red test is red again. `--hypothesis-profile=explore` looks for new ones.
hypothesis.settings.register_profile("same", derandomize=True, print_blob=True, deadline=None)
hypothesis.settings.register_profile("explore", print_blob=True, deadline=None, max_examples=2000)
hypothesis.settings.load_profile("same")


def in_ci() -> bool:
    """Whether this is the run of .ci/run, where nothing may be missing."""
    return bool(os.environ.get("CI"))


def find_part(name: str) -> str | None:
    """The path of a real part's program, or None. Looks in the venv, in PATH, and where Debian keeps servers."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]
    if name in NPM:
        path = REPO / "tests" / "npm" / "node_modules" / name / NPM[name]
        return str(path) if path.is_file() else None
    if name == "postgres":
        versions = Path("/usr/lib/postgresql").glob("*/bin")
        places += [str(p) for p in sorted(versions, key=lambda p: int(p.parent.name.split(".")[0]), reverse=True)]
        return shutil.which("initdb", path=os.pathsep.join(places))
    return shutil.which(name, path=os.pathsep.join(places))


def need(name: str) -> str:
    """The path of the part's program. Where it is missing: skip the test, saying so; in CI fail it."""
    path = find_part(name)
    if path is None:
        reason = f"needs {name}, which is not installed here (make setup)"
        if in_ci():
            pytest.fail(f"{reason}; in CI it must be", pytrace=False)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session", name="need")
def _need():
    """`need("strace")` gives the program's path, or skips the test (fails it in CI). For parts without a fixture."""
    return need


@pytest.fixture(scope="session")
def repo() -> Path:
    """The repository's root."""
    return REPO


@pytest.fixture
def seed(request) -> int:
    """The run's seed (--seed, 7 by default), printed at the top of the run. One seed replays a failure."""
    return request.config.getoption("--seed")


@pytest.fixture
def rng(seed) -> random.Random:
    """A random source of the test's own, from the run's seed."""
    return random.Random(seed)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The developers' folder ../shared/data; a user's clone has none, and then the test says that it did not run."""
    path = REPO.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("needs ../shared/data, which only the developers' machines have")
    return path


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=DEFAULT_SEED, help="seed of the tests that draw at random")


def pytest_report_header(config):
    profile = hypothesis.settings.get_current_profile_name()
    return f"muster: seed {config.getoption('--seed')}, hypothesis profile {profile!r}, CI {'yes' if in_ci() else 'no'}"


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Modules and tests stay until the end: the collector does not look at them while they are made, nor after."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        # Seldom: else a tenth of the run is looking for garbage. A test that wants things to be gone collects them itself.
        gc.set_threshold(20_000, 10, 10)
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """What takes longest begins first, a folder of it on each worker: else the run ends with one worker at it alone.

    worksteal gives each worker a piece of the list in its order; who is done takes from the end of another's piece.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    long: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("long"):
            long.setdefault(item.path.parent, []).append(item)
    if workers == 1 or not long:
        return
    heads: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for folder in sorted(long, key=lambda one: -seconds_of(long[one])):
        min(heads, key=seconds_of).extend(long[folder])
    begun = {id(item) for head in heads for item in head}
    rest, left = [item for item in items if id(item) not in begun], len(items)
    ordered: list[pytest.Item] = []
    for place, head in enumerate(heads):
        size = max(left // (workers - place), len(head))
        ordered += head + rest[: size - len(head)]
        del rest[: size - len(head)]
        left -= size
    items[:] = ordered + rest


def seconds_of(items: list[pytest.Item]) -> float:
    """What their marks say that they take."""
    return sum(mark.args[0] for item in items if (mark := item.get_closest_marker("long")))


def pytest_runtest_setup(item):
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            need(name)


def pytest_terminal_summary(terminalreporter):
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
        for report in skipped
    )
    if reasons:
        terminalreporter.section("did not run on this machine")
        for reason, count in sorted(reasons.items()):
            terminalreporter.line(f"{count:4} skipped: {reason}")
