"""Copies of the tree for the saboteurs: the real one is never touched.

A patched module says that it was loaded: its last line makes a file. So whatever interpreter runs it, in whatever
process, a saboteur that was only believed to be there (an installed copy was imported instead) is found out.
"""

import shutil
from pathlib import Path

from tests.saboteurs.declared import Change

#: what the tests that catch saboteurs need of the tree
NEEDED = ("firmware", "gateway", "server", "simulator", "tests", "muster.py", "pyproject.toml")
_LEFT_OUT = shutil.ignore_patterns(".hypothesis", ".pytest_cache")
LOADED = "saboteur-was-loaded-"


def copy_tree(source: Path, into: Path) -> None:
    """A plain copy of what is needed; times of files are kept, so that compiled files in a copy stay good.

    Nothing is linked: a test that writes into its copy must not write into another.
    """
    into.mkdir(parents=True)
    for name in NEEDED:
        if (source / name).is_dir():
            shutil.copytree(source / name, into / name, ignore=_LEFT_OUT)
        else:
            shutil.copy2(source / name, into / name)


def sabotage(tree: Path, changes: tuple[Change, ...]) -> None:
    """Make the changes in this copy. Raises NotApplied, and OSError where a file is gone."""
    for number, change in enumerate(changes):
        path = tree / change.file
        text = change.applied(path.read_text())
        if path.suffix == ".py":
            text += f"\nopen({str(tree / f'{LOADED}{number}')!r}, 'w').close()\n"
        path.write_text(text)
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()


def not_loaded(tree: Path, changes: tuple[Change, ...]) -> list[str]:
    """The patched modules that nothing in this copy has loaded."""
    return [
        change.file
        for number, change in enumerate(changes)
        if change.file.endswith(".py") and not (tree / f"{LOADED}{number}").exists()
    ]
