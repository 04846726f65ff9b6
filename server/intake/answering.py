"""Hellos, heads and receipts: what readers said of themselves, and what the store answers."""

from __future__ import annotations

from typing import Any

from firmware.contract import statement
from server.intake.desk import Desk, Item, Record
from server.store import heads, journals, readers, rosters

#: offers of a hole after which it becomes an alarm
OFFERS = 3
#: a reader that is connected offers all that has no receipt again after 5 min and a quarter of jitter at the latest: one
#: that was there at both ends of this time has had an occasion
OFFER_MS = 400_000
#: a receipt goes out under the nonces of this many hellos: those that arrived last. Several gateways may bring hellos
#: in the wrong order, nobody's clock but the store's is trusted to order them, and a reader ignores other nonces
HELLOS = 3
#: a class list's version is the store's time when it was made: one further ahead than this was never issued
ROSTER_AHEAD_MS = rosters.AHEAD_MS

#: a nonce that no hello has: a reader that hears it three times without a receipt in between says a new hello
NOBODYS = "0" * 16

Said = tuple[Item, readers.Reader, statement.Statement]


class Answering:
    """Answers readers, under their own keys."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def greet(
        self,
        hellos: list[Said],
        held: dict[tuple[int, str], journals.Journal],
    ) -> dict[int, list[statement.Held]]:
        """Take hellos, in the order of their arrival here: their nonces, what the reader holds, and what it freed and
        the store has not."""
        greeted: dict[int, list[statement.Held]] = {}
        for _, found, said in hellos:
            values = said.values
            self._down(found, "command", "time", {"nonce": values["nonce"], "wall_ms": self.desk.now_ms})
            fresh = heads.add_hello(
                self.desk.connection, found.institution_id, found.id, values["nonce"], said.text, self.desk.now_ms
            )
            nonces = self.nonces(found.id)
            # Delivered again, a hello changes nothing: it must not bring back a nonce that the reader has forgotten.
            if fresh:
                self.desk.heard.add(found.id)
                nonces = [values["nonce"], *nonces][:HELLOS]
                self.desk.notes.setdefault(found.id, {}).update(
                    hello_nonce=nonces[0],
                    hello_before=",".join(nonces[1:]) or None,
                    hello_ms=self.desk.now_ms,
                    firmware=values["firmware"],
                )
                self.note_roster(found, values["roster"])
            if values["nonce"] not in nonces:
                continue
            greeted.setdefault(found.id, []).extend(values["journals"])
            for one in values["journals"]:
                journal = held[found.id, one.journal]
                if one.freed > journal.up_to:
                    self._ask_again(found, journal, one, values["nonce"])
            if fresh:
                self._offered(found, values["journals"], held)
        return greeted

    def nonces(self, reader_id: int) -> list[str]:
        """The nonces of the reader's hellos that arrived last, newest first."""
        newest, before = self.desk.known_of(reader_id, "hello_nonce"), self.desk.known_of(reader_id, "hello_before")
        return [newest, *filter(None, (before or "").split(","))] if newest else []

    def note_roster(self, found: readers.Reader, version_ms: int | None) -> None:
        """The reader said that it holds this class list. The highest counts: the next one's version is above it."""
        if version_ms is None:
            return
        latest_ms = self.desk.now_ms + ROSTER_AHEAD_MS
        if version_ms > latest_ms:
            self.desk.alarm(
                found,
                "roster-version-impossible",
                found.name,
                f"{found.name}: it says that it holds a class list with a version that was never issued; this is "
                "ignored. Give it a new settings file (`muster reader`), and see who had its key",
            )
            return
        last = self.desk.known_of(found.id, "roster_ms") or 0
        # What was noted before this was looked at may be impossible too.
        if last > latest_ms or version_ms > last:
            self.desk.notes.setdefault(found.id, {})["roster_ms"] = version_ms

    def note_rosters(self, records: list[Record]) -> None:
        """Authentic swipes say as well which class list they were judged by."""
        newest: dict[int, int] = {}
        for made in records:
            judged = made.said is not None and made.said.kind in ("swipe", "checkin")
            version_ms = made.said.values["roster"] if made.said and judged else None
            if version_ms is not None:
                newest[made.reader.id] = max(version_ms, newest.get(made.reader.id, 0))
        for reader_id, version_ms in sorted(newest.items()):
            self.note_roster(self.desk.by_id[reader_id], version_ms)

    def _ask_again(self, found: readers.Reader, journal: journals.Journal, one: statement.Held, nonce: str) -> None:
        """The reader freed what the store does not have: the store was restored from a backup."""
        first, last = journal.up_to + 1, one.freed
        if one.oldest <= last:
            self._down(
                found,
                "receipt",
                "again",
                {"nonce": nonce, "journal": one.journal, "first": max(first, one.oldest), "last": last},
            )
        self.desk.answer.replay.append(
            {"site": found.site, "reader": found.name, "journal": one.journal, "first": first, "last": last}
        )
        self._hole(found, journal)

    def _offered(
        self, found: readers.Reader, listed: list[statement.Held], held: dict[tuple[int, str], journals.Journal]
    ) -> None:
        """A reader that is there says what it holds. What it has not freed it offers, one journal after the other as it
        lists them: where nothing of the first one that is missing here has come since it could, that was an offer in vain.

        While a backlog drains that journal moves, and those behind it are not offered yet: neither counts.
        """
        for one in listed:
            journal = held[found.id, one.journal]
            if one.head <= journal.up_to or one.freed > journal.up_to:
                continue
            since_ms = self.desk.now_ms - (journal.offered_ms or 0)
            # From the future: the store's clock was put back.
            if journal.offered_ms is None or since_ms < 0:
                journal.offered_ms = self.desk.now_ms
                self.desk.changed[journal.id] = journal
            elif since_ms >= OFFER_MS:
                journal.offered_ms = self.desk.now_ms
                self._hole(found, journal)
                # A gateway may have it, delivered to a store that was restored since.
                missing = {"journal": one.journal, "first": journal.up_to + 1, "last": one.head}
                self.desk.answer.replay.append({"site": found.site, "reader": found.name} | missing)
            return

    def _hole(self, found: readers.Reader, journal: journals.Journal) -> None:
        journal.offers += 1
        self.desk.changed[journal.id] = journal
        if journal.offers >= OFFERS:
            self.desk.alarm(
                found,
                "journal-hole",
                f"{found.name}/{journal.journal}",
                f"{found.name}: records after {journal.up_to} of a journal are missing after {journal.offers} offers; "
                "a technician may declare them lost",
            )

    def gone(self, journals_gone: set[tuple[int, str]]) -> None:
        """Readers do not name these journals any more, and some of what they once stated of them never came: until it
        does, or is declared lost, nothing is known of their doors."""
        for reader_id, name in sorted(journals_gone):
            found = self.desk.by_id[reader_id]
            self.desk.alarm(
                found,
                "journal-hole",
                f"{found.name}/{name}",
                f"{found.name}: it does not name a journal any more of which records are missing: its storage was "
                "replaced, or there are two of it. Absence waits for them; where nobody has them any more a technician "
                "may declare them lost",
            )

    def note_heads(self, stated: list[Said], held: dict[tuple[int, str], journals.Journal]) -> None:
        """Take heads: each is answered with the time, and the newest is noted: by the reader's own clock, which it has
        from the store, and by arrival where it has none. What it has freed and the store lacks is asked for."""
        for _, found, said in stated:
            values = said.values
            self._down(found, "command", "time", {"nonce": values["nonce"], "wall_ms": self.desk.now_ms})
            if not heads.add_head(self.desk.connection, found.institution_id, found.id, values, self.desk.now_ms):
                continue
            self.desk.heard.add(found.id)
            self._follow_up(found, values["journals"], held)
            self._offered(found, values["journals"], held)
            # What was declared lost at a journal's end brings no record after it that a receipt would follow.
            self.desk.owed |= {
                (found.id, one.journal)
                for one in values["journals"]
                if one.freed < one.head <= held[found.id, one.journal].up_to
            }
            self._doubt(found, values)
            last = self.desk.known_of(found.id, "head_wall_ms")
            # A time that lies ahead of the store's was never right: it must not keep later heads from being noted.
            late = last is not None and values["wall_ms"] is not None and values["wall_ms"] < last <= self.desk.now_ms
            if not late:
                self.desk.notes.setdefault(found.id, {}).update(
                    head_ms=self.desk.now_ms,
                    head_wall_ms=values["wall_ms"],
                    clock=values["clock"],
                    uncertainty_ms=values["uncertainty_ms"],
                    able=values["able"],
                )

    def _doubt(self, found: readers.Reader, values: dict[str, Any]) -> None:
        """Word that a reader could not take swipes may come after registers of that time were complete: they are looked
        at again (server/derive/registers.py)."""
        if values["able"] == "ok" or values["wall_ms"] is None or values["clock"] == "none":
            return
        from_ms = values["wall_ms"] - (values["uncertainty_ms"] or 0) - heads.REACH_MS
        before_ms = self.desk.known_of(found.id, "again_from_ms")
        if before_ms is not None:
            from_ms = min(from_ms, before_ms - 1)
        self.desk.notes.setdefault(found.id, {})["again_from_ms"] = from_ms

    def _follow_up(
        self, found: readers.Reader, listed: list[statement.Held], held: dict[tuple[int, str], journals.Journal]
    ) -> None:
        """A reader that stays connected says no hello by itself when the store is restored from a backup. Its heads tell
        as well what it has freed: what is missing is asked for under the hellos known here, and a new hello is asked for
        in words that every reader understands, as its hello may be one that this store has lost too."""
        nonces = self.nonces(found.id)
        for one in listed:
            journal = held[found.id, one.journal]
            first, last = journal.up_to + 1, one.freed
            if first > last:
                continue
            self.desk.answer.replay.append(
                {"site": found.site, "reader": found.name, "journal": one.journal, "first": first, "last": last}
            )
            # After so many hellos it is an alarm, and for a technician.
            if journal.offers < OFFERS:
                kept = nonces if one.oldest <= last else []
                values = {"journal": one.journal, "first": min(max(first, one.oldest), last), "last": last}
                for nonce in [*kept, *[NOBODYS] * HELLOS]:
                    self._down(found, "receipt", "again", {"nonce": nonce} | values)
        if listed and not nonces:
            # A receipt must name a hello.
            values = {"nonce": NOBODYS, "journal": listed[-1].journal, "first": 0, "last": listed[-1].head}
            for _ in range(HELLOS):
                self._down(found, "receipt", "again", values)

    def receipts(self, greeted: dict[int, list[statement.Held]], held: dict[tuple[int, str], journals.Journal]) -> None:
        """A receipt for every journal that one is owed to: more of it is held without a hole than before, its reader
        greeted, or offered again what was held already. What only lies behind a hole moves no receipt."""
        wanted = self.desk.owed | {(reader_id, one.journal) for reader_id, listed in greeted.items() for one in listed}
        for reader_id, name in sorted(wanted):
            up_to = self.covered(held[reader_id, name])
            # Without a hello there is no nonce, and the reader would not believe it.
            for nonce in self.nonces(reader_id) if up_to >= 0 else ():
                values = {"nonce": nonce, "journal": name, "up_to": up_to}
                self._down(self.desk.by_id[reader_id], "receipt", "receipt", values)

    def covered(self, journal: journals.Journal) -> int:
        """Up to where a receipt may go: no further than the first hole."""
        return journal.up_to

    def _down(self, found: readers.Reader, kind: str, said: str, values: dict[str, Any]) -> None:
        key = self.desk.newest[found.id]
        text = statement.say(said, found.name, key.id, values)
        line = statement.seal(text, key.mac(text.encode()))
        self.desk.answer.down.append({"site": found.site, "reader": found.name, "kind": kind, "line": line})
