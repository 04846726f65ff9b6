"""The judgement at the end: the store's tables beside the truth, after everything has become quiet."""

import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.campus import PEOPLE, token
from tests.simulation.oracle import Oracle, Tap

SWIPES = """
SELECT r.name, j.journal, s.seq, s.token, s.boot_ms, s.verdict, s.session_shown,
       d.person_id, d.at_ms, d.uncertainty_ms, d.placed_by, d.verdict, d.session_id, d.credits, d.differs
FROM swipe s JOIN reader r ON r.id = s.reader_id JOIN journal j ON j.id = s.journal_id
LEFT JOIN reading d ON d.swipe_id = s.id
"""
CREDITS = """
SELECT c.session_id, c.person_id, r.name, j.journal, s.seq
FROM credit c JOIN swipe s ON s.id = c.swipe_id JOIN reader r ON r.id = s.reader_id JOIN journal j ON j.id = s.journal_id
WHERE c.superseded_ms IS NULL
"""
RECORDS = """
SELECT r.name, j.journal, e.seq, e.text, e.mac
FROM record e JOIN journal j ON j.id = e.journal_id JOIN reader r ON r.id = j.reader_id
"""
MARKS = """
SELECT m.session_id, m.person_id, m.code, m.credit_id, m.late_min, m.flag, g.evidence
FROM mark m JOIN mark_current c ON c.mark_id = m.id JOIN register g ON g.session_id = m.session_id
"""


#: alarms that faults of ours may raise: what it means that there is one
ALARMS = {
    "journal-clone": "clone noticed",
    "journal-hole": "hole noticed",
    # An earlier swipe came later, and this one turned out to repeat its answer.
    "green-withdrawn": "green withdrawn, and told",
    "roster-version-impossible": "",
    "store-restored": "",
}


@dataclass(kw_only=True)
class Score:
    """What came of one run."""

    taps: int = 0
    greens: int = 0
    lost: int = 0
    doubled: int = 0
    miscredited: int = 0
    #: swipes that no clock could place, or not well enough: for a person to look at
    review: int = 0
    #: what nobody has any more because a medium was destroyed, and is known as missing
    destroyed: int = 0
    absent: int = 0
    credited: int = 0
    wrong: list[str] = field(default_factory=list)


def judge(oracle: Oracle) -> Score:
    """Compare everything. Each thing wrong is one line in `wrong`."""
    raw = sqlite3.connect(oracle.store)
    try:
        return _Judgement(oracle, raw).all()
    finally:
        raw.close()


class _Judgement:
    def __init__(self, oracle: Oracle, raw: sqlite3.Connection) -> None:
        self.oracle, self.raw = oracle, raw
        self.score = Score()
        self.taps: dict[tuple[str, str, int], Tap] = {
            (tap.reader, *tap.place): tap for tap in oracle.taps if tap.place is not None
        }
        self.rows: dict[tuple[str, str, int], Any] = {}
        self.credits: dict[tuple[int, int], tuple[str, str, int]] = {}

    def all(self) -> Score:
        self.records()
        self.swipes()
        self.credited()
        self.marks()
        self.everybody()
        self.alarms()
        return self.score

    def wrong(self, what: str) -> None:
        self.score.wrong.append(what)

    def records(self) -> None:
        """Every record held was made by a reader, just so; every line made and not destroyed is held."""
        held = set()
        for reader, journal, seq, text, mac in self.raw.execute(RECORDS):
            held.add((reader, journal, seq))
            if self.oracle.lines.get((reader, journal, seq)) != f"{text}|{mac.hex()}":
                self.score.miscredited += 1
                self.wrong(f"a record that no reader made: {reader} {journal} {seq}")
        mirror = {(*key, seq) for key, one in self.oracle.held.items() for seq in one.seqs} - self.oracle.declared
        if held - self.oracle.declared != mirror:
            self.wrong(f"the store holds {len(held - mirror)} more and {len(mirror - held)} less than it committed")

    def swipes(self) -> None:
        """Every tap that was kept is one swipe, by its own token and time."""
        found: Counter[tuple[str, bytes, int]] = Counter()
        for row in self.raw.execute(SWIPES):
            self.rows[row[0], row[1], row[2]] = row
            found[row[0], row[3], row[4]] += 1
        # Somebody may hold a card twice within one of the board's milliseconds: then there are two.
        made = Counter((tap.reader, tap.person, tap.boot_ms) for tap in self.taps.values())
        for tap in self.oracle.taps:
            if tap.light == "green":
                self.score.greens += 1
                if tap.place is None:
                    self.score.lost += 1
                    self.wrong(f"green, and nothing was kept: {tap}")
            if tap.place is None:
                continue
            self.score.taps += 1
            row = self.rows.get((tap.reader, *tap.place))
            times = found[tap.reader, token(tap.person), tap.boot_ms]
            if times == 0 or row is None:
                if self.oracle.remains(tap.reader, *tap.place):
                    self.score.lost += 1
                    self.wrong(f"lost: {tap}")
                else:
                    self.missing(tap)
            elif times > made[tap.reader, tap.person, tap.boot_ms]:
                self.score.doubled += 1
                self.wrong(f"doubled: {tap}")
            elif (row[3], row[4]) != (token(tap.person), tap.boot_ms):
                self.score.miscredited += 1
                self.wrong(f"another swipe stands in its place: {tap}")
            else:
                self.worth(tap, row)

    def missing(self, tap: Tap) -> None:
        """Nobody has it any more: its reader's storage was destroyed. That it is missing must be known, as far as
        anybody ever heard that it exists."""
        assert tap.place is not None
        self.score.destroyed += 1
        self.oracle.world.rare("record that nobody has any more")
        query = "SELECT j.head FROM journal j JOIN reader r ON r.id = j.reader_id WHERE r.name = ? AND j.journal = ?"
        row = self.raw.execute(query, (tap.reader, tap.place[0])).fetchone()
        stated = self.oracle.stated.get((tap.reader, tap.place[0]), -1)
        if stated >= tap.place[1] and (row is None or row[0] < tap.place[1]):
            self.score.lost += 1
            self.wrong(f"missing, and the store does not know it: {tap}")

    def worth(self, tap: Tap, row: Any) -> None:
        """What the store makes of it agrees with what truly was, or is shown for review."""
        if row[10] == "clock":
            self.oracle.world.rare("swipe placed by a clock record")
        person, at_ms, unsure, _, verdict, session, _, differs = row[7:15]
        truly = self.oracle.takes(tap)
        if verdict is None:
            return self.wrong(f"never derived: {tap}")
        if tap.person >= PEOPLE:
            if verdict not in ("unknown_card", "unplaced"):
                self.score.miscredited += 1
                self.wrong(f"an unknown card is worth {verdict}: {tap}")
            return None
        if person is not None and person != tap.person + 1:
            self.score.miscredited += 1
            return self.wrong(f"credited to person {person}: {tap}")
        if at_ms is not None and abs(at_ms - tap.at_ms) > unsure + 2:
            self.score.miscredited += 1
            self.wrong(f"placed {at_ms - tap.at_ms} ms off, claiming {unsure} ms ({row[10]}): {tap}")
        if verdict in ("unsure", "unplaced"):
            self.score.review += 1
            self.oracle.world.rare(f"swipe for review: {verdict}")
        elif verdict == "green":
            if session not in truly and not self.oracle.repeats(tap, session):
                self.score.miscredited += 1
                self.wrong(f"credited with session {session}, open for it were {truly}: {tap}")
        elif truly:
            self.score.miscredited += 1
            self.wrong(f"worth {verdict} though {truly} took it: {tap}")
        if tap.light == "green":
            self.green(tap, verdict, session, differs, row[6])
        return None

    def green(self, tap: Tap, verdict: str, session: int | None, differs: bool, shown: int | None) -> None:
        """A green is credited, or at least shown as judged otherwise."""
        if verdict == "green" and session == shown:
            return
        self.oracle.world.rare(f"green judged otherwise: {verdict}")
        if not differs:
            self.score.miscredited += 1
            self.wrong(f"a green for {shown} silently became {verdict} for {session}: {tap}")

    def credited(self) -> None:
        """A credit rests on a swipe of that person that truly was in that session; one for each of them."""
        for session, person, *place in self.raw.execute(CREDITS):
            tap = self.taps.get((place[0], place[1], place[2]))
            self.score.credited += 1
            if (session, person) in self.credits:
                self.score.doubled += 1
                self.wrong(f"person {person} is credited twice with session {session}")
            self.credits[session, person] = (place[0], place[1], place[2])
            if tap is None or tap.person + 1 != person:
                self.score.miscredited += 1
                self.wrong(f"person {person} is credited with session {session} by {tap}")
            elif session not in self.oracle.takes(tap):
                self.score.miscredited += 1
                self.wrong(f"credited with session {session}, which did not take it: {tap}")

    def marks(self) -> None:
        """Nobody is absent who tapped, or where a door is not known; everybody credited is present, and nobody late, as
        the profile counts no minutes; who is for a person to look at tapped there. Nobody's hand was on any mark, so
        nothing is proposed."""
        present = set()
        for session, person, code, credit, late_min, flag, evidence in self.raw.execute(MARKS):
            if late_min is not None or code not in ("P", "A", None):
                self.wrong(f"person {person} is marked {code} {late_min} in session {session}")
            if code == "A" and evidence != "complete":
                self.wrong(f"person {person} is absent from session {session}, and its evidence is {evidence}")
            if flag is not None and not self.oracle.was_at(person - 1, session):
                self.wrong(f"person {person} is flagged {flag} in session {session}, and never tapped there")
            if code == "P":
                present.add((session, person))
                if credit is None:
                    self.wrong(f"person {person} is present in session {session} without a credit")
            elif code == "A":
                self.score.absent += 1
                if self.oracle.tapped(person - 1, session):
                    self.score.miscredited += 1
                    self.wrong(f"person {person} is absent from session {session}, and tapped")
        if present != set(self.credits):
            self.wrong(f"marks and credits differ: {sorted(present ^ set(self.credits))[:5]}")
        for (proposed,) in self.raw.execute("SELECT count(*) FROM proposal"):
            if proposed:
                self.wrong(f"{proposed} proposals against marks that nobody set")

    def alarms(self) -> None:
        """Alarms that were raised are ones that may be."""
        for code, count in self.raw.execute("SELECT code, sum(count) FROM alarm GROUP BY code ORDER BY code"):
            if code not in ALARMS:
                self.wrong(f"alarm {code}, {count} times")
            elif ALARMS[code]:
                self.oracle.world.rare(ALARMS[code])

    def everybody(self) -> None:
        """Whoever truly tapped in a session, in time known well enough, is credited with one of those that took it."""
        for place, tap in self.taps.items():
            row = self.rows.get(place)
            if row is None or row[11] != "green" or not row[13]:
                continue
            if (row[12], tap.person + 1) not in self.credits:
                self.score.lost += 1
                self.wrong(f"it should credit session {row[12]}, and nobody holds that credit: {tap}")
