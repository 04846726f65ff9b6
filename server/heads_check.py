"""Are files of heads what the store signed, and all that it signed: signatures, and each file's place after the last.

Without the key's public half only accidents show. With it, whoever altered the history cannot write fitting heads, and
whoever takes a file away leaves a gap that the next one names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from server import audit_key, heads_file
from server.heads_file import Heads
from server.store.history_start import Start


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A file that is not what it should be."""

    source: str
    #: heads-forged, heads-unsigned, heads-missing, before-altered
    code: str
    text: str


@dataclass(kw_only=True)
class Checked:
    """What was found of the files."""

    signed: int = 0
    #: written before heads were signed, and followed by signed ones
    older: int = 0
    #: dates of the first and the last file
    span: tuple[str, str] = ("", "")
    faults: list[Fault] = field(default_factory=list)


def check(paths: Iterable[Path], key: Ed25519PublicKey | None, starts: Mapping[str, Start], *, linked: bool) -> Checked:
    """Look through files. starts: institution -> what the database says is from before its history. linked: they are
    all that there are (a folder's), so each names the one before it."""
    found = Checked()
    by_institution: dict[str, list[tuple[Path, Heads]]] = {}
    for path in paths:
        heads = heads_file.read(path)
        by_institution.setdefault(heads.institution, []).append((path, heads))
    written = sorted(heads.written for several in by_institution.values() for _, heads in several)
    if written:
        found.span = (written[0][:10], written[-1][:10])
    for institution, several in sorted(by_institution.items()):
        several.sort(key=lambda one: one[1].written)
        if key is not None:
            _signatures(found, several, key)
        if linked:
            _places(found, several)
        _befores(found, several, starts.get(institution))
    return found


def _signatures(found: Checked, several: list[tuple[Path, Heads]], key: Ed25519PublicKey) -> None:
    signed_yet = False
    unsigned: list[Path] = []
    for path, heads in several:
        if heads.signature is None:
            if signed_yet:
                found.faults.append(
                    Fault(source=path.name, code="heads-unsigned", text="is not signed; those before it are")
                )
            else:
                unsigned.append(path)
        elif audit_key.is_signed(key, heads.digest, heads.signature):
            signed_yet = True
            found.signed += 1
        else:
            found.faults.append(Fault(source=path.name, code="heads-forged", text="was not signed with this key"))
    if signed_yet:
        found.older += len(unsigned)
    else:
        found.faults += [Fault(source=path.name, code="heads-unsigned", text="is not signed") for path in unsigned]


def _places(found: Checked, several: list[tuple[Path, Heads]]) -> None:
    before: Path | None = None
    for path, heads in several:
        # A file of format 1 names none before it.
        if heads.first == heads_file.FIRST_LINES[1]:
            there = None if before is None else hashlib.sha256(before.read_bytes()).hexdigest()
            if there != heads.previous:
                text = "the file that it names as the one before it is not there"
                if before is not None:
                    text += f": {before.name} is another"
                found.faults.append(Fault(source=path.name, code="heads-missing", text=text))
        before = path


def _befores(found: Checked, several: list[tuple[Path, Heads]], start: Start | None) -> None:
    now = None if start is None else start.said()
    for path, heads in several:
        if heads.first == heads_file.FIRST_LINES[1] and heads.before != now:
            text = f"says that {heads.before or 'nothing'} is from before there was a history, and the store says {now or 'nothing'}"
            found.faults.append(Fault(source=path.name, code="before-altered", text=text))
            return
