"""Deliveries: what a gateway brought becomes records, readings and receipts, in one transaction (docs/wire.md).

    items -> parsed -> authentic? -> records (one for each identity) -> readings -> persons due
                    \\-> quarantine                \\-> journals' `up_to` -> receipts

Authenticity is the store's to judge: the MAC comes first, and only an authentic record takes an identity, moves a
receipt or earns credit. What is authentic and cannot be used is kept, and counts as received: a bad record never
blocks the good ones. Everything here may be delivered twice, late, in any order and by several gateways.
No SQL stands here; the caller owns the transaction and answers only after its commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from server.intake.answering import Answering, Said
from server.intake.commanding import Commanding
from server.intake.desk import Answer, Desk, Item, Record
from server.intake.judge import Judge
from server.intake.offering import Offering
from server.intake.placing import Placing
from server.intake.two_boards import TwoBoards
from server.store import alarms, emptying, heads, journals, quarantines, readers, withheld
from server.store.engine import Connection

__all__ = ["ITEMS_MAX", "Answer", "Delivery", "Item", "deliver"]

ITEMS_MAX = 500


def deliver(
    connection: Connection,
    ring: readers.KeyRing,
    items: Sequence[Item],
    *,
    institution_id: int,
    gateway_id: int | None,
    now_ms: int,
) -> Answer:
    """Take these items. Every one of them is held, or in quarantine, when the caller's transaction is committed."""
    desk = Desk(connection, ring, institution_id=institution_id, gateway_id=gateway_id, now_ms=now_ms)
    return Delivery(desk).take(items)


class Delivery:
    """One request's work, in the order in which its steps stand in `take`."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.judge, self.placing, self.answering = Judge(desk), Placing(desk), Answering(desk)
        self.boards = TwoBoards(desk)
        self.commanding = Commanding(desk)
        self.offering = Offering(desk)

    def take(self, items: Sequence[Item]) -> Answer:
        """Do it all."""
        self.judge.find_readers(items)
        records: list[Record] = []
        hellos: list[Said] = []
        stated: list[Said] = []
        for item in items:
            self.desk.answer.done.append(item.id)
            if item.kind == "record":
                if (made := self.judge.record(item)) is not None:
                    records.append(made)
            elif item.kind in ("hello", "head"):
                if (said := self.judge.said(item)) is not None:
                    (hellos if item.kind == "hello" else stated).append((item, *said))
            elif item.kind in ("status", "health"):
                self.judge.unsigned(item)
            else:
                self.desk.suspect(item, "raw" if item.kind == "raw" else "item-kind")
        held = self._journals(records, hellos, stated)
        new = self._keep(records, held)
        self._open_journals(new, held)
        self.placing.read(new, held)
        self.desk.states = readers.states(self.desk.connection, self.desk.by_id)
        self.answering.note_rosters(records)
        greeted = self.answering.greet(hellos, held)
        self.answering.note_heads(stated, held)
        journals.save(self.desk.connection, self.desk.changed.values())
        self.boards.look(self._grown(new, held), stated)
        for reader_id in self.desk.heard:
            self.desk.see(reader_id)
        readers.note(
            self.desk.connection, {one.id: one.institution_id for one in self.desk.by_id.values()}, self.desk.notes
        )
        moved = {journal.reader_id for journal in self.desk.changed.values()} | {found.id for _, found, _ in stated}
        self.answering.gone(heads.settle(self.desk.connection, moved, held, self.desk.now_ms))
        self.answering.receipts(greeted, held)
        self.commanding.say()
        self.offering.say()
        quarantines.keep(
            self.desk.connection, self.desk.institution_id, self.desk.suspects, self.desk.gateway_id, self.desk.now_ms
        )
        self.desk.answer.suspect = len(self.desk.suspects)
        self._refuse(new)
        return self.desk.answer

    def _refuse(self, new: list[tuple[int, Record]]) -> None:
        """A reader that is believed no more gets no answer: no time, no receipt. What it brings is kept, and told of.

        Asked once more, now that their states are locked: one may have been revoked while this request was at work. Whoever
        revokes one that is locked waits for this request, and finds what it wrote.
        """
        revoked = withheld.of_readers(self.desk.connection, self.desk.by_id)
        for reader_id in revoked:
            if self.desk.by_id[reader_id].ended_ms is None:
                withheld.take_rooms(self.desk.connection, reader_id)
        if not revoked:
            return
        names = {self.desk.by_id[one].name for one in revoked}
        self.desk.answer.down = [one for one in self.desk.answer.down if one["reader"] not in names]
        for found in {made.reader.id: made.reader for _, made in new if made.reader.id in revoked}.values():
            self.desk.alarm(
                found,
                alarms.REVOKED,
                found.name,
                f"{found.name}: it is believed no more, and delivers. What comes is kept and counts for nothing; look at "
                "it on the page of revoked readers, and find out where the board is",
            )

    def _journals(self, records: list[Record], *listing: list[Said]) -> dict[tuple[int, str], journals.Journal]:
        wanted = {(made.reader.id, made.journal) for made in records}
        said: dict[tuple[int, str], int] = {}
        for group in listing:
            for _, found, one in group:
                for held in one.values["journals"]:
                    key = (found.id, held.journal)
                    said[key] = max(said.get(key, -1), held.head)
        owners = {found.id: found.institution_id for found in self.desk.known.values()}
        held = journals.ensure(self.desk.connection, owners, wanted | set(said), self.desk.now_ms)
        for key, last in said.items():
            if held[key].head < last:
                held[key].head = last
                self.desk.changed[held[key].id] = held[key]
        return held

    def _keep(self, records: list[Record], held: dict[tuple[int, str], journals.Journal]) -> list[tuple[int, Record]]:
        """Insert what is new; tell the same from another under the same identity. Returns (record id, record)."""
        first: dict[tuple[int, int], Record] = {}
        again: list[tuple[tuple[int, int], Record]] = []
        for made in records:
            identity = (held[made.reader.id, made.journal].id, made.seq)
            if first.setdefault(identity, made) is not made:
                again.append((identity, made))
        rows = [
            {
                "institution_id": made.reader.institution_id,
                "journal_id": identity[0],
                "seq": made.seq,
                "kind": made.said.kind if made.said else "unread",
                "text": made.text,
                "mac": made.mac,
                "received_ms": self.desk.now_ms,
                "gateway_id": self.desk.gateway_id,
            }
            for identity, made in sorted(first.items(), key=lambda pair: pair[0])
        ]
        ids = self.insert(rows)
        again += [(identity, made) for identity, made in first.items() if identity not in ids]
        self.desk.heard |= {made.reader.id for identity, made in first.items() if identity in ids}
        stored = journals.texts(self.desk.connection, [identity for identity, _ in again])
        for identity, made in again:
            # Its reader has no receipt for it, or would not have offered it again: the last one may be lost.
            self.desk.owed.add((made.reader.id, made.journal))
            held_text = stored.get(identity, "")
            # Retention may have taken its card's token out since: identity and MAC stayed.
            if held_text == made.text or (
                emptying.is_same(held_text, made.text)
                and journals.mac_of(self.desk.connection, identity) == bytes(made.mac)
            ):
                self.desk.answer.same += 1
            else:
                self.desk.suspect(made.item, "record-conflict", authentic=True)
                self.desk.alarm(
                    made.reader,
                    "record-conflict",
                    f"{made.reader.name}/{made.journal}",
                    f"{made.reader.name} said two different things under one number: the second is in quarantine",
                )
                self.boards.conflict(made.reader, made.journal)
        self.desk.answer.new += len(ids)
        fresh: dict[tuple[int, str], list[int]] = {}
        for identity in ids:
            made = first[identity]
            fresh.setdefault((made.reader.id, made.journal), []).append(made.seq)
        moved = journals.advance(self.desk.connection, [(held[key], seqs) for key, seqs in fresh.items()])
        self.desk.owed |= {(one.reader_id, one.journal) for one in moved}
        self.desk.changed |= {held[key].id: held[key] for key in fresh}
        return [(row_id, first[identity]) for identity, row_id in ids.items()]

    def insert(self, rows: list[dict[str, Any]]) -> dict[tuple[int, int], int]:
        """Insert the records whose identity is not taken; their ids by (journal id, seq). The unique key decides."""
        return journals.add(self.desk.connection, rows)

    def _open(self, made: Record, journal: journals.Journal) -> None:
        assert made.said is not None
        journal.before_journal, journal.before_seq = made.said.values["before"], made.said.values["before_seq"]
        journals.save(self.desk.connection, [journal])
        if journals.siblings(self.desk.connection, journal):
            self.desk.alarm(
                made.reader,
                alarms.CLONE,
                f"{made.reader.name}/{journal.before_journal}",
                f"{made.reader.name}: two journals follow the same one: a cloned or restored board. Both are kept; "
                "find the second board and give it a name of its own, then close this: until then nobody is absent here",
            )

    def _before(self, made: Record, held: dict[tuple[int, str], journals.Journal]) -> None:
        """A restored store may lack a journal of which its reader keeps nothing any more, and so names it in no hello:
        the one after it does. Gateways have it, and are asked."""
        assert made.said is not None
        name, last = made.said.values["before"], made.said.values["before_seq"]
        if name is None or last is None:
            return
        key = (made.reader.id, name)
        if key not in held:
            owners = {made.reader.id: made.reader.institution_id}
            held |= journals.ensure(self.desk.connection, owners, [key], self.desk.now_ms)
        found = held[key]
        if found.up_to >= last:
            return
        found.head = max(found.head, last)
        self.desk.changed[found.id] = found
        self.desk.answer.replay.append(
            {
                "site": made.reader.site,
                "reader": made.reader.name,
                "journal": name,
                "first": found.up_to + 1,
                "last": last,
            }
        )

    def _grown(self, new: list[tuple[int, Record]], held: dict[tuple[int, str], journals.Journal]) -> set[int]:
        """Ids of the journals of which this delivery tells that they are longer, or that another one follows them."""
        found = set(self.desk.changed)
        for _, made in new:
            if made.said is not None and made.said.kind == "open" and made.said.values["before"]:
                before = held.get((made.reader.id, made.said.values["before"]))
                found |= set() if before is None else {before.id}
        return found

    def _open_journals(self, new: list[tuple[int, Record]], held: dict[tuple[int, str], journals.Journal]) -> None:
        for _, made in new:
            if made.said is not None and made.said.kind == "open":
                self._open(made, held[made.reader.id, made.journal])
                self._before(made, held)
