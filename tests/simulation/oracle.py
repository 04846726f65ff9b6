"""What must be: kept from what truly happened, in values and with code of its own.

It sees each tap and its light with the eyes of somebody who stands there, each record at the moment it is on stable
storage, each commit of the store before its answer leaves, and, at the end, the store's tables.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.simulation.campus import SITE, Campus
from tests.simulation.world import World

REPEAT_MS = 120_000
#: what a boot's clock may measure wrong between two taps: 50 ppm of two minutes, and its ticks
DRIFT_MS = 10

Place = tuple[str, int]


@dataclass(kw_only=True)
class Tap:
    """One card held to one reader."""

    #: true UTC ms
    at_ms: int
    reader: str
    room: int
    person: int
    #: by the board's own clock
    boot_ms: int
    #: what the lamp showed: green, red, blue, dark; none: the power went before anybody saw a light
    light: str = "none"
    shown: str = ""
    #: (journal, seq) of its record, where one is on stable storage
    place: Place | None = None


class Held:
    """What somebody holds of one journal: its seqs, and up to where there is no hole."""

    def __init__(self) -> None:
        self.seqs: set[int] = set()
        self.up_to = -1

    def add(self, seq: int) -> None:
        self.seqs.add(seq)
        while self.up_to + 1 in self.seqs:
            self.up_to += 1

    def copy(self) -> "Held":
        made = Held()
        made.seqs, made.up_to = set(self.seqs), self.up_to
        return made


class Oracle:
    """The truth of one run."""

    def __init__(self, world: World, campus: Campus, store: Path) -> None:
        self.world, self.campus, self.store = world, campus, store
        self.taps: list[Tap] = []
        #: readers of which there are two boards: the head of one says nothing of the other's journal
        self.cloned: frozenset[str] = frozenset()
        self._of: dict[int, list[Tap]] = {}
        #: (reader, journal, seq) -> the line as it was made
        self.lines: dict[tuple[str, str, int], str] = {}
        #: (reader, journal) -> what the store has committed; and the most it ever had
        self.held: dict[tuple[str, str], Held] = {}
        self.ever: dict[tuple[str, str], int] = {}
        self._backup: dict[tuple[str, str], Held] = {}
        self._marks_seen = 0
        #: every hello and head that a reader really said; and how far journals go by those that the store has
        self.said: set[str] = set()
        self.stated: dict[tuple[str, str], int] = {}
        #: (reader, journal, seq) that a technician declared lost
        self.declared: set[tuple[str, str, int]] = set()
        #: whether a record is anywhere that it can come from: in the store, a spool, or on a medium
        self.remains: Callable[[str, str, int], bool] = lambda reader, journal, seq: True
        #: spools by gateway, to look whether what is acknowledged is there
        self.spools: dict[str, Path] = {}
        self._looks: dict[str, sqlite3.Connection] = {}
        self._store: sqlite3.Connection | None = None

    def add(self, tap: Tap) -> None:
        """Somebody holds a card to a reader."""
        self.taps.append(tap)
        self._of.setdefault(tap.person, []).append(tap)

    # --- while it runs -----------------------------------------------------------------------------------------------

    def appended(self, reader: str, journal: str, seq: int, line: str) -> None:
        """A record is on a reader's stable storage."""
        key = (reader, journal, seq)
        if key in self.lines:
            self.world.fail(f"{reader} used {journal} {seq} twice")
        self.lines[key] = line

    def freed(self, reader: str, journal: str, up_to: int) -> None:
        """A reader gave records up."""
        if self.ever.get((reader, journal), -1) < up_to:
            self.world.fail(f"{reader} freed {journal} up to {up_to}, which the store never had")

    def acknowledged(self, gateway: str, topic: str, payload: bytes) -> None:
        """A gateway acknowledges a message: what is in it must be in the file of its spool."""
        if not topic.endswith("/swipes"):
            return
        look = self._looks.get(gateway)
        if look is None:
            look = self._looks[gateway] = sqlite3.connect(self.spools[gateway])
        told: dict[str, set[int]] = {}
        for line in payload.decode(errors="replace").split('"'):
            parts = line.split("|")
            if len(parts) >= 7 and self.lines.get((parts[2], parts[4], _number(parts[5]))) == line:
                told.setdefault(f"{SITE}/{parts[2]}/{parts[4]}", set()).add(int(parts[5]))
        for lane, seqs in told.items():
            query = "SELECT seq FROM spool WHERE lane = ? AND seq BETWEEN ? AND ? AND passing = 0"
            there = {seq for (seq,) in look.execute(query, (lane, min(seqs), max(seqs)))}
            if not seqs <= there:
                self.world.fail(f"{gateway} acknowledged {sorted(seqs - there)} of {lane}, which is not in its spool")

    def forget_spool(self, gateway: str) -> None:
        look = self._looks.pop(gateway, None)
        if look is not None:
            look.close()

    def committed(self, items: Sequence[dict[str, Any]], answer: Any) -> None:
        """The store committed a request: what it holds now, and whether its receipts go no further."""
        for item in items:
            if item["kind"] in ("hello", "head"):
                self._stated(item["line"])
            if item["kind"] != "record" or item["id"] not in answer.done:
                continue
            parts = item["line"].split("|")
            if self.lines.get((parts[2], parts[4], _number(parts[5]))) == item["line"]:
                key = (parts[2], parts[4])
                held = self.held.setdefault(key, Held())
                held.add(int(parts[5]))
                self.ever[key] = max(held.up_to, self.ever.get(key, -1))
        for down in answer.down:
            parts = down.line.split("|")
            if parts[1] == "again" and set(parts[4]) != {"0"}:
                self.world.rare("restored store asks a reader for a range")
            if parts[1] != "receipt":
                continue
            held = self.held.get((parts[2], parts[5]))
            if held is None or held.up_to < int(parts[6]):
                self.world.fail(f"a receipt for {parts[2]} {parts[5]} up to {parts[6]}, which is not committed")

    def _stated(self, line: str) -> None:
        # `id:oldest:freed:head` joined by commas, the last field before the MAC.
        parts = line.split("|")
        for one in parts[-2].split(",") if line in self.said else ():
            fields = one.split(":")
            if len(fields) == 4:
                key = (parts[2], fields[0])
                self.stated[key] = max(int(fields[3]), self.stated.get(key, -1))

    def declare(self, reader: str, journal: str, first: int, last: int) -> None:
        """A technician declared these lost: receipts go past them."""
        held = self.held.setdefault((reader, journal), Held())
        for seq in range(first, last + 1):
            if seq not in held.seqs:
                self.declared.add((reader, journal, seq))
            held.add(seq)
        self.ever[reader, journal] = max(held.up_to, self.ever.get((reader, journal), -1))

    def backed_up(self) -> None:
        self._backup = {key: held.copy() for key, held in self.held.items()}

    def restored(self) -> None:
        self.held = {key: held.copy() for key, held in self._backup.items()}
        self.stated.clear()
        self._marks_seen = self.ask("SELECT coalesce(max(id), 0) FROM mark")[0][0]

    def jobs_done(self) -> None:
        """The store worked on registers: nobody may be absent who tapped."""
        query = "SELECT id, code, session_id, person_id FROM mark WHERE id > ? ORDER BY id"
        for mark, code, session, person in self.ask(query, self._marks_seen):
            self._marks_seen = mark
            if code != "A":
                continue
            self.world.rare("absence derived")
            if self.tapped(person - 1, session, but=self._two_unknown(session)):
                self.world.fail(f"person {person} is absent from session {session}, and tapped")

    def _two_unknown(self, session: int) -> frozenset[str]:
        """Cloned readers whose second board the store could not know of when this register was released: nothing of
        both had come. What comes later makes who tapped present again."""
        query = """SELECT r.name FROM alarm a JOIN reader r ON r.id = a.reader_id JOIN register g ON g.session_id = ?
                   WHERE a.code = 'journal-clone' AND a.closed_ms IS NULL AND a.first_ms < g.settled_ms"""
        return self.cloned - {name for (name,) in self.ask(query, session)} if self.cloned else self.cloned

    def anybody_due(self) -> bool:
        """Whether the store has swipes to look at still."""
        return self.ask("SELECT count(*) FROM due")[0][0] > 0

    def tapped(self, person: int, session: int, but: frozenset[str] = frozenset()) -> bool:
        """Whether a tap of this person that is not destroyed truly recorded this session, or one may have that was
        declared lost."""
        place = self.campus.sessions[session - 1].room
        mine = [tap for tap in self._of.get(person, ()) if tap.room == place and tap.place and tap.reader not in but]
        kept = [tap for tap in mine if tap.place and self.remains(tap.reader, *tap.place)]
        kept.sort(key=lambda tap: tap.at_ms)
        if session in self._recorded(kept):
            return True
        # What was declared lost is known to be missing: no silence speaks of that time.
        lost = [tap for tap in mine if tap.place and (tap.reader, *tap.place) in self.declared]
        return any(self.takes(tap) == {session} and not self.repeats(tap) for tap in lost)

    def was_at(self, person: int, session: int) -> bool:
        """Whether this person ever tapped at this session's room, and that was kept."""
        place = self.campus.sessions[session - 1].room
        return any(tap.room == place and tap.place for tap in self._of.get(person, ()))

    def _recorded(self, taps: list[Tap]) -> set[int]:
        """The sessions that these taps of one person at one door, in their true order, record: of those that take a tap
        and are not recorded yet the one that runs, which began last, else the next; none where it repeats an answer."""
        recorded: set[int] = set()
        answered_ms = None
        for tap in taps:
            if answered_ms is not None:
                apart_ms = tap.at_ms - answered_ms
                if abs(apart_ms - REPEAT_MS) <= DRIFT_MS:
                    return recorded  # a boot's clock may say either; from here on nobody knows
                if apart_ms < REPEAT_MS:
                    continue
            taken = self.campus.open_for(tap.person, tap.room, tap.at_ms)
            running = [one for one in taken if one.starts_ms <= tap.at_ms and one.id not in recorded]
            coming = [one for one in taken if one.starts_ms > tap.at_ms and one.id not in recorded]
            if taken:
                answered_ms = tap.at_ms
            if running:
                recorded.add(max(running, key=lambda one: one.starts_ms).id)
            elif coming:
                recorded.add(min(coming, key=lambda one: one.starts_ms).id)
        return recorded

    def takes(self, tap: Tap) -> set[int]:
        """The sessions that truly take this tap."""
        return {one.id for one in self.campus.open_for(tap.person, tap.room, tap.at_ms)}

    def repeats(self, tap: Tap, session: int | None = None) -> bool:
        """Whether it may be the repetition of an answer (for this session) of the two minutes before at this door."""
        return any(
            other is not tap
            and other.reader == tap.reader
            and 0 <= tap.at_ms - other.at_ms <= REPEAT_MS + DRIFT_MS
            and (session is None or session in self.takes(other))
            for other in self._of[tap.person]
        )

    def ask(self, query: str, *values: Any) -> list[tuple]:
        """What the store's file says, by a connection of its own."""
        if self._store is None:
            self._store = sqlite3.connect(self.store)
        return self._store.execute(query, values).fetchall()

    def forget_store(self) -> None:
        """The store's process ended: nobody may keep its file open."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def close(self) -> None:
        self.forget_store()
        for gateway in list(self._looks):
            self.forget_spool(gateway)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else -1
