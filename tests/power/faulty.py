"""Processes whose disk has faults: faulty.c, compiled when it is needed and put between a process and its C library."""

import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("faulty.c")
TIMEOUT_S = 120


def why_not() -> str | None:
    """Why it cannot be had here, or None."""
    return None if shutil.which("gcc") else "gcc is not installed (make setup)"


def built(folder: Path) -> Path:
    """The compiled library, made in `folder` where it is not there yet."""
    library = folder / "faulty.so"
    if not library.exists():
        part = folder / f"faulty-{os.getpid()}.part"
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", str(part), str(SOURCE)], check=True)
        part.rename(library)
    return library


def environment(
    library: Path, folder: Path, *, call: str, at: int, how: str, during: Path | None = None, log: Path | None = None
) -> dict[str, str]:
    """The environment of a process whose files in `folder` have this fault. See faulty.c."""
    more = {"LD_PRELOAD": str(library), "FAULTY_IN": str(folder), "FAULTY_CALL": call, "FAULTY_AT": str(at)}
    more["FAULTY_HOW"] = how
    if during is not None:
        more["FAULTY_WHILE"] = str(during)
    if log is not None:
        more["FAULTY_LOG"] = str(log)
    return {**os.environ, **more}


def run(command: list[str], environment: dict[str, str]) -> tuple[int, list[str], str]:
    """Run to the end: (status, lines said, errors)."""
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    return done.returncode, done.stdout.splitlines(), done.stderr
