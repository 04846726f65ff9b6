"""Hellos, heads and receipts: what readers said of themselves, and what the store answers."""

from __future__ import annotations

from typing import Any

from firmware.contract import statement
from server.intake.desk import Desk, Item, Record
from server.store import heads, journals, readers

#: offers of a hole (hellos) after which it becomes an alarm
OFFERS = 3

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
        """Take hellos: the newest nonce, what the reader holds, and what it freed and the store has not."""
        greeted: dict[int, list[statement.Held]] = {}
        states = readers.states(self.desk.connection, [found.id for _, found, _ in hellos])
        for item, found, said in sorted(hellos, key=lambda one: one[0].received_ms):
            values = said.values
            self._down(found, "command", "time", {"nonce": values["nonce"], "wall_ms": self.desk.now_ms})
            fresh = heads.add_hello(
                self.desk.connection, found.institution_id, found.id, values["nonce"], said.text, self.desk.now_ms
            )
            state = states.get(found.id)
            last = self.desk.notes.get(found.id, {}).get("hello_ms") or (state.hello_ms if state else None) or 0
            # Delivered again or late, a hello must not bring back a nonce that the reader has forgotten.
            if fresh and item.received_ms >= last:
                self.desk.notes.setdefault(found.id, {}).update(
                    hello_nonce=values["nonce"],
                    hello_ms=item.received_ms,
                    firmware=values["firmware"],
                    roster_ms=max(values["roster"] or 0, (state.roster_ms if state else None) or 0) or None,
                )
            nonce = self.desk.notes.get(found.id, {}).get("hello_nonce") or (state.hello_nonce if state else None)
            if nonce is None or nonce != values["nonce"]:
                continue
            greeted[found.id] = values["journals"]
            for one in values["journals"]:
                journal = held[found.id, one.journal]
                if one.freed > journal.up_to:
                    self._ask_again(found, journal, one, nonce)
                elif fresh and one.head > journal.up_to and journal.highest > journal.up_to + 1:
                    self._hole(found, journal)
        return greeted

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

    def note_heads(self, stated: list[Said]) -> None:
        """Take heads: each is answered with the time, and the newest is noted."""
        states = readers.states(self.desk.connection, [found.id for _, found, _ in stated])
        for item, found, said in sorted(stated, key=lambda one: one[0].received_ms):
            values = said.values
            self._down(found, "command", "time", {"nonce": values["nonce"], "wall_ms": self.desk.now_ms})
            if not heads.add_head(self.desk.connection, found.institution_id, found.id, values, self.desk.now_ms):
                continue
            state = states.get(found.id)
            last = self.desk.notes.get(found.id, {}).get("head_ms") or (state.head_ms if state else None) or 0
            if item.received_ms >= last:
                self.desk.notes.setdefault(found.id, {}).update(
                    head_ms=item.received_ms,
                    head_wall_ms=values["wall_ms"],
                    clock=values["clock"],
                    uncertainty_ms=values["uncertainty_ms"],
                    able=values["able"],
                )

    def receipts(
        self,
        records: list[Record],
        greeted: dict[int, list[statement.Held]],
        held: dict[tuple[int, str], journals.Journal],
    ) -> None:
        """A receipt for every journal that was touched, also by what was held already: the last one may be lost."""
        wanted = {(made.reader.id, made.journal) for made in records}
        wanted |= {(reader_id, one.journal) for reader_id, listed in greeted.items() for one in listed}
        states = readers.states(self.desk.connection, [reader_id for reader_id, _ in wanted])
        for reader_id, name in sorted(wanted):
            up_to = self.covered(held[reader_id, name])
            state = states.get(reader_id)
            # Without a hello there is no nonce, and the reader would not believe it.
            if up_to >= 0 and state is not None and state.hello_nonce is not None:
                self._down(
                    self.desk.by_id[reader_id],
                    "receipt",
                    "receipt",
                    {"nonce": state.hello_nonce, "journal": name, "up_to": up_to},
                )

    def covered(self, journal: journals.Journal) -> int:
        """Up to where a receipt may go: no further than the first hole."""
        return journal.up_to

    def _down(self, found: readers.Reader, kind: str, said: str, values: dict[str, Any]) -> None:
        key = max(
            (key for (reader_id, _), key in self.desk.keys.items() if reader_id == found.id), key=lambda key: key.id
        )
        text = statement.say(said, found.name, key.id, values)
        line = statement.seal(text, key.mac(text.encode()))
        self.desk.answer.down.append({"site": found.site, "reader": found.name, "kind": kind, "line": line})
