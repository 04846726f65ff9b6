"""Copies of the firmware with one fault each, importable beside the real one: what saboteurs are made of."""

import importlib
import sys
from contextlib import contextmanager
from pathlib import Path

FIRMWARE = Path(__file__).resolve().parents[3] / "firmware"


@contextmanager
def broken(folder, name, module, good, bad):
    """A package `name` in `folder`: contract and reader as they are, but in `module` the text `good` is `bad`."""
    for source in [*FIRMWARE.glob("contract/*.py"), *FIRMWARE.glob("reader/*.py"), FIRMWARE / "__init__.py"]:
        text = source.read_text()
        place = source.relative_to(FIRMWARE)
        if str(place) == module:
            assert text.count(good) == 1, f"the saboteur {name} no longer finds its place in {module}: move it along"
            text = text.replace(good, bad)
        target = folder / name / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace("from firmware.", f"from {name}."))
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield name
    finally:
        sys.path.remove(str(folder))
        for loaded in [m for m in sys.modules if m == name or m.startswith(name + ".")]:
            del sys.modules[loaded]
