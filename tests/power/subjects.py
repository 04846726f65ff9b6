"""What is attacked: each with its worker, and a judge that opens what is left with the real parts and says what is owed.

`owed` names each thing that was promised and is not there (`lost`) or is there twice (`doubled`); a part that does not
open, or takes nothing any more, owes that.
"""

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from firmware.contract import roster
from firmware.pi.journal import SqliteJournal
from firmware.pi.shelf import RosterShelf
from gateway.errors import SpoolError
from gateway.testing import inline_spool
from tests.server.store_world import NINE, UIDS, World

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
JOURNALS = ("00000000000000a1", "00000000000000b2", "00000000000000c3")
LATER = ("00000000000000d4", "00000000000000e5", "00000000000000f6")


@dataclass(kw_only=True)
class Owed:
    """What is missing, in words."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled)


def _python(script: Path, folder: Path, *arguments: str, site: bool = True, python: str | None = None) -> list[str]:
    # -B: bytecode that a run writes would be writes of its own.
    flags = ["-B"] if site else ["-B", "-I", "-S"]
    return [python or sys.executable, *flags, str(script), str(REPO), str(folder), *arguments]


class PiJournal:
    """The Pi's journal: a green that was shown is in it, or a receipt covers it."""

    name = "Pi journal"
    promise = "green"

    def __init__(self, python: str | None = None) -> None:
        """python: the interpreter of its worker, which needs no packages."""
        self._python = python

    def command(self, folder: Path, saboteur: str = "none", again: bool = False) -> list[str]:
        """The worker's command. again: started once more in the same folder."""
        worker = HERE.parent / "firmware" / "pi" / "journal_worker.py"
        return _python(worker, folder, saboteur, *(LATER if again else JOURNALS), site=False, python=self._python)

    def prepare(self, folder: Path) -> None:
        """What stands there before."""
        folder.mkdir()

    def owed(self, folder: Path, said: list[str]) -> Owed:
        """Greens that are not in it, and holes."""
        owed = Owed()
        freed: dict[str, int] = {}
        greens: dict[str, dict[int, str]] = {}
        for line in said:
            word, *rest = line.split(" ")
            if word == "freed":
                freed[rest[0]] = int(rest[1])
            elif word == "green":
                greens.setdefault(rest[0], {})[int(rest[1])] = rest[2]
            elif word == "retried":
                owed.lost.append("an append went through after a final failure")
        journal = SqliteJournal(folder)
        try:
            if journal.alarms:
                owed.lost.append(f"opened with {journal.alarms}")
            held = {h.journal: h for h in journal.journals()}
            kept = {name: journal.read(name, 0, 1000) for name in held}
            for name, h in held.items():
                if len(kept[name]) != h.head - h.oldest + 1:
                    owed.lost.append(f"{name} has a hole")
                if h.oldest > freed.get(name, -1) + 1:
                    owed.lost.append(f"{name} begins at {h.oldest}: recycled without a receipt")
                if h.freed > freed.get(name, -1):
                    owed.lost.append(f"{name} is freed up to {h.freed} without a receipt")
                if h.head > max(greens.get(name, {-1: ""})) + 1:
                    owed.lost.append(f"{name} holds more than one record that was never green")
                if len(set(kept[name])) != len(kept[name]):
                    owed.doubled.append(f"{name} holds a record twice")
            for name, lines in greens.items():
                for seq, line in lines.items():
                    if line not in kept.get(name, []) and seq > freed.get(name, -1):
                        owed.lost.append(f"green {name} {seq} is gone")
            # It goes on: a journal of the next boot is taken and kept.
            journal.append("9" * 16, 0, "1|open|next", bytes(16))
            if journal.read("9" * 16, 0, 1) != ["1|open|next|" + "00" * 16]:
                owed.lost.append("it takes nothing any more")
        finally:
            journal.close()
        return owed


class GatewaySpool:
    """The gateway's spool: what was acknowledged is in it, unless it was forwarded and pruned."""

    name = "gateway spool"
    promise = "acked"

    def command(self, folder: Path, saboteur: str = "none", again: bool = False) -> list[str]:
        """The worker's command; it goes on where it finds itself."""
        return _python(HERE / "spool_worker.py", folder, saboteur)

    def prepare(self, folder: Path) -> None:
        """What stands there before."""
        folder.mkdir()

    def owed(self, folder: Path, said: list[str]) -> Owed:
        """Acknowledged and not there; marked as forwarded and never forwarded; there twice."""
        return asyncio.run(self._owed(folder, said))

    async def _owed(self, folder: Path, said: list[str]) -> Owed:
        owed = Owed()
        acked: set[int] = set()
        forwarding: set[int] = set()
        pruning = False
        for line in said:
            word, *rest = line.split(" ")
            if word == "acked":
                acked.update(map(int, rest))
            elif word == "forwarding":
                forwarding.update(map(int, rest))
            pruning = pruning or word == "pruning"
            if word == "gave-up":
                owed.lost.append("it did not recover by itself")
        spool = inline_spool(folder / "spool.sqlite")
        try:
            await spool.open()
            with closing(sqlite3.connect(folder / "spool.sqlite")) as database:
                rows = database.execute("SELECT id, seq, forwarded_ms FROM spool").fetchall()
                whole = database.execute("PRAGMA integrity_check").fetchall()
            if whole != [("ok",)]:
                owed.lost.append(f"it is damaged: {whole[0][0][:80]}")
            kept = [int.from_bytes(id, "big") for id, _, _ in rows]
            for number in sorted(acked - set(kept) - (forwarding if pruning else set())):
                owed.lost.append(f"acked {number} is gone")
            for _, seq, forwarded_ms in rows:
                if forwarded_ms is not None and seq not in forwarding:
                    owed.lost.append(f"{seq} is marked as forwarded, and never was")
            if len(set(kept)) != len(kept):
                owed.doubled.append("it holds something twice")
            depth = await spool.depth()
            if depth.pending + await spool.kept() != len(rows):
                owed.lost.append("what waits and what is kept are not all")
            await spool.prune(1)  # it goes on
        except SpoolError as error:
            owed.lost.append(f"it does not work any more: {error.code}")
        finally:
            await spool.close()
        return owed


class Store:
    """The store on SQLite: what a receipt covers is in it."""

    name = "store"
    promise = "receipt"

    def __init__(self, template: Path) -> None:
        """template: a folder in which the database is made and migrated once."""
        self._content = store_content(template)

    def command(self, folder: Path, saboteur: str = "none", again: bool = False) -> list[str]:
        """The worker's command; started again it delivers everything again."""
        return _python(HERE / "store_worker.py", folder, saboteur)

    def prepare(self, folder: Path) -> None:
        """What stands there before."""
        folder.mkdir()
        for name, content in self._content.items():
            (folder / name).write_bytes(content)

    def owed(self, folder: Path, said: list[str]) -> Owed:
        """Receipted and not there; there twice; a swipe without its record."""
        owed = Owed()
        receipts: dict[str, int] = {}
        for line in said:
            word, *rest = line.split(" ")
            if word == "receipt":
                receipts[rest[0]] = max(receipts.get(rest[0], -1), int(rest[1]))
            elif word == "gave-up":
                owed.lost.append("it did not recover by itself")
        with closing(sqlite3.connect(folder / "store.db")) as database:
            rows = database.execute(
                "SELECT j.journal, r.seq FROM record r JOIN journal j ON j.id = r.journal_id"
            ).fetchall()
            swipes = database.execute("SELECT count(*), count(DISTINCT journal_id || ' ' || seq) FROM swipe").fetchone()
            kinds = database.execute("SELECT count(*) FROM record WHERE kind = 'swipe'").fetchone()
            whole = database.execute("PRAGMA integrity_check").fetchall()
        if whole != [("ok",)]:
            owed.lost.append(f"it is damaged: {whole[0][0][:80]}")
        for journal, up_to in receipts.items():
            there = {seq for name, seq in rows if name == journal}
            gone = sorted(set(range(up_to + 1)) - there)
            if gone:
                owed.lost.append(f"receipted {journal} {gone[:5]} are gone")
        if len(set(rows)) != len(rows) or swipes[0] != swipes[1]:
            owed.doubled.append("it holds something twice")
        if swipes[0] != kinds[0]:
            owed.lost.append(f"{kinds[0]} records of swipes, and {swipes[0]} swipes")
        return owed


def store_content(template: Path) -> dict[str, bytes]:
    """A migrated database with one reader, and what a gateway delivers to it: the files by name."""
    template.mkdir(parents=True)
    world = World(f"sqlite:///{template}/store.db")
    board = world.reader()
    batches: list[list[tuple[str, str]]] = []
    for boot in range(2):
        if boot:
            board.boot(f"{boot:016x}")
        for batch in range(5):
            lines = [("record", board.lines[-1])] if batch == 0 else []
            lines += [("record", board.swipe(UIDS[n % 3], NINE + (batch * 4 + n) * 1000)) for n in range(4)]
            if batch in (0, 3):
                lines.append(("hello", board.hello()))
            batches.append(lines)
    world.close()
    (template / "lines.json").write_text(json.dumps(batches))
    return {name: (template / name).read_bytes() for name in ("store.db", "lines.json")}


class PiRoster:
    """The Pi's roster shelf: the newest that was kept, or the one under way, whole."""

    name = "Pi roster"
    promise = "kept"

    def command(self, folder: Path, saboteur: str = "none", again: bool = False) -> list[str]:
        """The worker's command."""
        return _python(HERE / "roster_worker.py", folder, saboteur, site=False)

    def prepare(self, folder: Path) -> None:
        """What stands there before."""
        folder.mkdir()

    def owed(self, folder: Path, said: list[str]) -> Owed:
        """An older roster than the one that was kept, or none."""
        words = [line.split(" ") for line in said]
        kept = max((int(word[1]) for word in words if word[0] == "kept"), default=0)
        tried = max((int(word[1]) for word in words if word[0] == "keeping"), default=0)
        blob = RosterShelf(folder).load()
        version = 0 if blob is None else roster.decode(blob).version_ms
        if not kept <= version <= tried:
            return Owed(lost=[f"roster {version} is loaded, {kept} was kept and {tried} was the last tried"])
        return Owed()
