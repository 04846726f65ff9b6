"""Broken variants of the line, each of which a soak must catch: a copy of the source with one line changed.

`python -m tests.soak --saboteur NAME ...` runs with one of them, and must fail.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from simulator.processes import ROOT, PartFailed

PARTS = ("firmware", "gateway", "server", "simulator", "muster.py")


@dataclass(frozen=True, kw_only=True)
class Saboteur:
    """One lie. part: which process is broken: reader, gateway or store."""

    part: str
    file: str
    before: str
    after: str
    #: what of the promise it breaks: the row of the table that must not be 0
    breaks: str


SABOTEURS = {
    # Green while the record is in memory only: it reaches the flash with the next one, or never where the power goes.
    "reader-green-before-flash": Saboteur(
        part="reader",
        file="firmware/reader/journal.py",
        before="        self._storage.append(journal, seq, text, self._key.mac(text.encode()))\n",
        after="        late = getattr(self, 'late', None)\n"
        "        self.late = (journal, seq, text, self._key.mac(text.encode()))\n"
        "        if late:\n"
        "            self._storage.append(*late)\n",
        breaks="lost",
    ),
    # A journal's id is the same after every boot, so two swipes have one identity.
    "reader-one-journal-for-ever": Saboteur(
        part="reader",
        file="firmware/reader/journal.py",
        before="        journal = self._random_bytes(8).hex()\n",
        after="        journal = '00112233445566' + '%02x' % (len(self.held) % 2)\n",
        breaks="lost",
    ),
    # Every tap is written twice.
    "reader-writes-twice": Saboteur(
        part="reader",
        file="firmware/reader/journal.py",
        before="            seq = self._write(kind, self.live, values)\n",
        after="            seq = self._write(kind, self.live, values)\n"
        "            if kind == 'swipe':\n"
        "                seq = self._write(kind, self.live, values)\n",
        breaks="doubled",
    ),
    # PORT-6 forgotten: a session of theirs counts at whatever door.
    "store-counts-at-any-door": Saboteur(
        part="store",
        file="server/derive/credits.py",
        before="tap.room_id in one.rooms and one.has(tap.at_ms)",
        after="one.has(tap.at_ms)",
        breaks="miscredited",
    ),
}


def copy(saboteur: Saboteur, folder: Path) -> Path:
    """The source with that one change, under `folder`. Raises PartFailed where the line to change is not there."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    path = folder / saboteur.file
    text = path.read_text()
    if text.count(saboteur.before) != 1:
        raise PartFailed(
            f"the saboteur's line is not (once) in {saboteur.file}: it has changed, change the saboteur too"
        )
    path.write_text(text.replace(saboteur.before, saboteur.after))
    return folder


def program(folder: Path) -> tuple[str, ...]:
    """The command `muster` of that copy."""
    return (sys.executable, str(folder / "muster.py"))


def build(folder: Path, into: Path) -> Path:
    """The reader's program of that copy, compiled as `simulator.unixport.runner.build` does."""
    code = "import sys; from pathlib import Path; from simulator.unixport import runner; print(runner.build(Path(sys.argv[1])))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(into)], capture_output=True, text=True, cwd=folder, check=False
    )
    if done.returncode:
        raise PartFailed(f"the saboteur's reader does not compile: {done.stderr.strip()[-800:]}")
    return Path(done.stdout.strip())


def broken(name: str, folder: Path) -> dict[str, object]:
    """The fields of `stage.Script` that put this saboteur in its place. folder: new, for the copy."""
    saboteur = SABOTEURS[name]
    source = copy(saboteur, folder)
    if saboteur.part == "reader":
        return {"built": build(source, folder / "build")}
    return {saboteur.part: program(source)}
