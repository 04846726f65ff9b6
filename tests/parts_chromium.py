"""Real Chromium without a window, for the pages: the page as it is after its scripts ran, and its picture."""

import subprocess
from pathlib import Path

import pytest

# No sandbox: Chromium refuses to run as root with one. The rest keeps it from calling home, which a test must not.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)


class Chromium:
    """Opens one address a run, in an empty profile."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self._folder = folder
        self._runs = 0

    def command(self, *arguments: str) -> list[str]:
        """The command line with a new, empty profile. For tests that drive it themselves."""
        self._runs += 1
        return [self.program, *FLAGS, f"--user-data-dir={self._folder / f'profile-{self._runs}'}", *arguments]

    def dom(self, url: str, *, virtual_time_ms: int = 2000) -> str:
        """The page's HTML after its scripts have run for that long in the page's own time."""
        return self._run(f"--virtual-time-budget={virtual_time_ms}", "--dump-dom", url)

    def screenshot(self, url: str, path: Path, *, width: int = 1280, height: int = 900) -> Path:
        """A PNG of the page at `path`."""
        self._run(f"--screenshot={path}", f"--window-size={width},{height}", "--virtual-time-budget=2000", url)
        return path

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=60)
        if done.returncode:
            pytest.fail(f"Chromium ended with {done.returncode}:\n{done.stderr[-2000:]}", pytrace=False)
        return done.stdout


@pytest.fixture
def chromium(need, tmp_path) -> Chromium:
    """Real Chromium: `chromium.dom(url)`, `chromium.screenshot(url, path)`, `chromium.command(...)`."""
    return Chromium(need("chromium"), tmp_path)
