"""The files of a release: for a Pico compiled as provisioning compiles them, for a Pi the sources that its reader imports."""

import shutil
import tempfile
from pathlib import Path

from firmware.provision import bundle
from firmware.provision.errors import ProvisionError
from firmware.release.errors import ReleaseError

ROOT = bundle.ROOT
#: what a Pico's release starts from
PICO_ENTRIES = ("firmware.pico.slots", "firmware.pico.start")
#: packages of a Pi's release, and the command that starts it
PI_PACKAGES = ("contract", "codecs", "reader", "pi")


def files(board: str, version: str, built_s: int, root: Path = ROOT) -> list[tuple[str, bytes]]:
    """(name, bytes) of every file. version stands in what the reader says of itself; built_s: epoch seconds.

    Raises ReleaseError where a Pico's cannot be compiled.
    """
    return _pico(version, built_s, root) if board == "pico" else _pi(version, root)


def _pico(version: str, built_s: int, root: Path) -> list[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory(prefix="muster-release-") as folder:
        copy = Path(folder)
        shutil.copytree(root / "firmware", copy / "firmware", ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "firmware" / "pico" / "version.py").write_text(
            f'"""Which release this is."""\n\nFIRMWARE = "muster-{version}"\nBUILT_S = {built_s}\n'
        )
        try:
            made = bundle.build(copy, PICO_ENTRIES)
        except ProvisionError as error:
            raise ReleaseError(error.code, str(error)) from None
    return [(one.path, one.data) for one in made if one.path != bundle.MAIN]


def _pi(version: str, root: Path) -> list[tuple[str, bytes]]:
    base = root / "firmware"
    found = [root / "muster.py", base / "__init__.py"]
    for package in PI_PACKAGES:
        found += sorted((base / package).rglob("*.py"))
    found += sorted((base / "pi" / "words").glob("*.toml"))
    made = [(path.relative_to(root).as_posix(), path.read_bytes()) for path in found]
    return [(name, data) for name, data in made if name != "firmware/pi/version.py"] + [
        ("firmware/pi/version.py", f'"""Which release this is."""\n\nFIRMWARE = "pi-{version}"\n'.encode())
    ]
