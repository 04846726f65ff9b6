"""What the tests of the house look at: the repository's own files, as a commit would hold them."""

import ast
import subprocess
from pathlib import Path

import pytest

#: One source for MicroPython and CPython (firmware/pico: MicroPython alone).
SHARED = ("firmware/contract", "firmware/codecs", "firmware/reader", "firmware/pico")
SKIPPED_FOLDERS = {".git", ".venv", "typings", "__pycache__", ".ruff_cache", ".pytest_cache", ".hypothesis"}


@pytest.fixture(scope="session")
def files(repo) -> list[Path]:
    """Every file a commit would hold: tracked, or new and not ignored. Without git, every file outside made folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=repo, capture_output=True
    )
    if listed.returncode == 0:
        names = sorted({name for name in listed.stdout.decode().split("\0") if name})
        return [repo / name for name in names if (repo / name).is_file()]
    return sorted(p for p in repo.rglob("*") if p.is_file() and not SKIPPED_FOLDERS.intersection(p.parts))


@pytest.fixture(scope="session")
def modules(files, repo) -> dict[str, ast.Module]:
    """Every Python file of ours, parsed, by its path from the root."""
    return {
        path.relative_to(repo).as_posix(): ast.parse(path.read_text(), str(path))
        for path in files
        if path.suffix == ".py"
    }


@pytest.fixture(scope="session")
def shared_modules(modules) -> dict[str, ast.Module]:
    """The modules that MicroPython runs."""
    found = {name: tree for name, tree in modules.items() if name.startswith(tuple(f"{s}/" for s in SHARED))}
    assert len(found) >= len(SHARED), f"the shared folders are nearly empty: {sorted(found)}"
    return found


@pytest.fixture(scope="session")
def imports_of():
    """A function: the absolute module names a parsed module imports, anywhere in it, with their line numbers."""

    def find(tree: ast.Module) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found += [(alias.name, node.lineno) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.append((node.module, node.lineno))
        return found

    return find
