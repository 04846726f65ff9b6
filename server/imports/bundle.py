"""A OneRoster package: a folder or a zip of CSV files, and its manifest, which says what each file is."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from server.imports import csvfile
from server.imports.badrows import BadRows, ImportRefused, quoted

BULK, DELTA, ABSENT = "bulk", "delta", "absent"
VERSIONS = ("1.1", "1.2")
#: what is read; every other file of the standard is left alone
READ = ("academicSessions", "orgs", "users", "roles", "courses", "classes", "enrollments")
CARDS = "cards.csv"
MANIFEST = "manifest.csv"
#: all of a package's files together, unpacked
LARGEST_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A package as read. modes: file without .csv -> bulk, delta or absent. digest: sha256 hex of all bytes."""

    files: Mapping[str, bytes]
    modes: Mapping[str, str]
    version: str
    digest: str


def read(path: Path, bad: BadRows) -> Bundle:
    """The package at this path. What the manifest says wrongly goes to `bad`.

    Raises ImportRefused(`oneroster-path`, `oneroster-zip`, `oneroster-empty`, `oneroster-version`).
    """
    files = _folder(path) if path.is_dir() else _zip(path)
    if not any(f"{name}.csv" in files for name in READ):
        raise ImportRefused("oneroster-empty", f"{path.name} holds no OneRoster file such as users.csv or classes.csv")
    version, modes = _manifest(files, bad)
    return Bundle(files=files, modes=modes, version=version, digest=digest_of(files))


def digest_of(files: Mapping[str, bytes]) -> str:
    """sha256 hex of files with their names."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\n{len(files[name])}\n".encode())
        digest.update(files[name])
    return digest.hexdigest()


def _folder(path: Path) -> dict[str, bytes]:
    wanted = {f"{name}.csv".lower(): f"{name}.csv" for name in READ} | {CARDS: CARDS, MANIFEST: MANIFEST}
    try:
        return {
            wanted[entry.name.lower()]: entry.read_bytes()
            for entry in sorted(path.iterdir())
            if entry.is_file() and entry.name.lower() in wanted
        }
    except OSError as error:
        raise ImportRefused("oneroster-path", f"{path.name} cannot be read: {error.strerror}") from error


def _zip(path: Path) -> dict[str, bytes]:
    wanted = {f"{name}.csv".lower(): f"{name}.csv" for name in READ} | {CARDS: CARDS, MANIFEST: MANIFEST}
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as package:
            size = 0
            for entry in package.infolist():
                # Some systems pack the folder with its files: only the last part of the name counts.
                name = wanted.get(entry.filename.rpartition("/")[2].lower())
                if entry.is_dir() or name is None or "__MACOSX" in entry.filename:
                    continue
                size += entry.file_size
                if size > LARGEST_BYTES:
                    raise ImportRefused("oneroster-zip", f"{path.name} unpacks to more than {LARGEST_BYTES} bytes")
                if name in found:
                    raise ImportRefused("oneroster-zip", f"{path.name} holds {name} twice")
                found[name] = package.read(entry)
    except FileNotFoundError as error:
        raise ImportRefused("oneroster-path", f"there is no {path.name}") from error
    except OSError as error:
        raise ImportRefused("oneroster-path", f"{path.name} cannot be read: {error.strerror}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, NotImplementedError) as error:
        raise ImportRefused("oneroster-zip", f"{path.name} is no zip that can be read: {error}") from error
    return found


def _manifest(files: Mapping[str, bytes], bad: BadRows) -> tuple[str, dict[str, str]]:
    if MANIFEST not in files:
        # Without one: a whole export of what is there.
        modes = {name: BULK if f"{name}.csv" in files else ABSENT for name in READ}
        return ("1.2" if "roles.csv" in files else "1.1"), modes
    rows = csvfile.read(MANIFEST, files[MANIFEST], ("propertyName", "value"), bad)
    said = {row["propertyName"]: (row["value"], row.line) for row in rows}
    version = said.get("oneroster.version", ("", 0))[0]
    if said and version not in VERSIONS:
        raise ImportRefused(
            "oneroster-version", f"{MANIFEST} says OneRoster {quoted(version)}; read are {' and '.join(VERSIONS)}"
        )
    modes: dict[str, str] = {}
    for name in READ:
        mode, line = said.get(f"file.{name}", (ABSENT, 0))
        mode = mode.lower() or ABSENT
        if mode not in (BULK, DELTA, ABSENT):
            bad.add(MANIFEST, line, "manifest-mode", f"file.{name} is bulk, delta or absent, not {quoted(mode)}")
            mode = ABSENT
        elif mode != ABSENT and f"{name}.csv" not in files:
            bad.add(MANIFEST, line, "manifest-file", f"says that {name}.csv is there ({mode}), and it is not")
            mode = ABSENT
        modes[name] = mode
    return version, modes
