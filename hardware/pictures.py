"""The pictures and STL files: WireViz, schemdraw and OpenSCAD run on the texts in `made/`. What lacks a tool is named."""

import hashlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from hardware import schematic
from hardware.enclosure import CASES
from hardware.pins import HERE, MADE, READERS

#: What of a case is printed, and from where it is looked at: show, and the camera's three angles.
PRINTED = ("base", "front")
VIEWS = {"closed": (35, 0, 20), "open": (25, 0, 10), "behind": (25, 0, 10)}
LEDGER = MADE / "pictures.txt"
#: The programs that a picture needs, and whose package brings them.
TOOLS = {
    "wireviz": "requirements/hardware.lock",
    "dot": "graphviz",
    "openscad": "openscad",
    "xvfb-run": "xvfb and xauth",
}


def missing() -> list[str]:
    """The tools that are not there, with where they come from."""
    return [f"{tool} ({source})" for tool, source in TOOLS.items() if _find(tool) is None]


def make() -> int:
    """Make all of them. Returns 0, or 1 where a tool is missing: nothing is made then."""
    lacking = missing()
    if lacking:
        print(f"hardware: missing, so no pictures were made: {', '.join(lacking)}", file=sys.stderr)
        return 1
    for board, reader in READERS.items():
        schematic.draw(board, MADE / f"{reader}-schematic.svg")
        _wiring(reader)
    for name in CASES:
        for show, angles in VIEWS.items():
            _view(name, show, angles)
        for show in PRINTED:
            _print(name, show)
    LEDGER.write_text(ledger(), "utf-8")
    return 0


def sources() -> dict[str, tuple[Path, ...]]:
    """What each picture and STL file is drawn from."""
    found: dict[str, tuple[Path, ...]] = {}
    for reader in READERS.values():
        wiring = MADE / f"{reader}-wiring.yml"
        found[f"{reader}-wiring.svg"] = (wiring,)
        found[f"{reader}-schematic.svg"] = (MADE / f"{reader}-netlist.txt", wiring, HERE / "schematic.py")
    for name in CASES:
        case = (MADE / f"case-{name}.scad", HERE / "case" / "case.scad")
        found |= {f"{name}-{show}.png": case for show in VIEWS}
        found |= {f"{name}-{show}.stl": case for show in PRINTED}
    return found


def ledger() -> str:
    """A line for each: its name, and the SHA-256 of what it is drawn from. Committed, it tells an old picture."""
    lines = [
        f"{name} {hashlib.sha256(b''.join(path.read_bytes() for path in paths)).hexdigest()}"
        for name, paths in sorted(sources().items())
    ]
    return "\n".join(["# Made by `make hardware`: what each picture was drawn from.", *lines]) + "\n"


def binary_stl(text: str) -> bytes:
    """An ASCII STL as a binary one, a fifth of the size: 80 bytes, the number of triangles, 50 bytes for each."""
    numbers = [
        float(number) for line in re.findall(r"^\s*(?:facet normal|vertex)(.*)$", text, re.M) for number in line.split()
    ]
    count = len(numbers) // 12
    triangles = (struct.pack("<12fH", *numbers[12 * i : 12 * i + 12], 0) for i in range(count))
    return b"muster".ljust(80, b"\0") + struct.pack("<I", count) + b"".join(triangles)


def _wiring(reader: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"{reader}-wiring.yml"
        shutil.copy(MADE / source.name, source)
        _run("wireviz", "-f", "s", str(source))
        shutil.copy(source.with_suffix(".svg"), MADE / f"{reader}-wiring.svg")


def _view(name: str, show: str, angles: tuple[int, int, int]) -> None:
    camera = f"--camera=0,0,0,{','.join(map(str, angles))},500"
    target = MADE / f"{name}-{show}.png"
    options = ["--imgsize=1000,800", "--viewall", "--autocenter", camera, "--colorscheme=Tomorrow", "-o", str(target)]
    _run(
        "xvfb-run",
        "-a",
        str(_find("openscad")),
        "-q",
        "-D",
        f'show="{show}"',
        *options,
        str(MADE / f"case-{name}.scad"),
    )


def _print(name: str, show: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "part.stl"
        _run("openscad", "-q", "--render", "-D", f'show="{show}"', "-o", str(text), str(MADE / f"case-{name}.scad"))
        (MADE / f"{name}-{show}.stl").write_bytes(binary_stl(text.read_text()))


def _find(tool: str) -> str | None:
    """The program: beside the interpreter that runs this, or in PATH."""
    beside = Path(sys.executable).parent / tool
    return str(beside) if beside.exists() else shutil.which(tool)


def _run(tool: str, *arguments: str) -> None:
    """Run it; what it says goes through, and a failure ends the command."""
    subprocess.run([str(_find(tool)), *arguments], check=True, stdout=subprocess.DEVNULL)
