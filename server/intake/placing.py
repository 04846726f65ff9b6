"""When, where and who a swipe was: from facts only, so that it is the same in whatever order they came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from firmware.contract import statement
from server.intake.card_messages import CardMessages
from server.intake.desk import Desk, Record
from server.intake.kiosks import KINDS, Kiosks
from server.policy.revoking import Revoked
from server.store import cards, due, journals, swipes, untimed


class Placing:
    """Reads new records: pairs clocks, and places swipes in time, at a room, with a person."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._kiosks = Kiosks(desk)
        self._messages = CardMessages(desk)

    def read(self, new: list[tuple[int, Record]], held: dict[tuple[int, str], journals.Journal]) -> None:
        """Open new journals, pair clocks, and place new swipes in time, at a room, with a person."""
        facts: list[dict[str, Any]] = []
        pairs: list[dict[str, Any]] = []
        repaired: dict[int, list[swipes.Pair]] = {}
        told: list[tuple[int, Record, journals.Journal]] = []
        for row_id, made in new:
            journal = held[made.reader.id, made.journal]
            if made.said is None:
                continue
            values = made.said.values
            if made.said.kind == "open":
                continue
            elif made.said.kind == "clock":
                pair = values["boot_ms"], values["wall_ms"], values["uncertainty_ms"]
                repaired.setdefault(journal.id, []).append(pair)
                pairs.append(
                    {
                        "record_id": row_id,
                        "institution_id": made.reader.institution_id,
                        "journal_id": journal.id,
                        **{name: values[name] for name in ("boot_ms", "wall_ms", "uncertainty_ms")},
                    }
                )
            elif made.said.kind in KINDS:
                told.append((row_id, made, journal))
            else:
                facts.append(self._fact(row_id, made, journal))
        journals.add_clock_pairs(self.desk.connection, pairs)
        self._kiosks.read(told, repaired)
        known = swipes.pairs_of(self.desk.connection, {fact["journal_id"] for fact in facts} | repaired.keys())
        old = swipes.told_of(self.desk.connection, repaired)
        if not facts and not old:
            return
        told_readers = {fact["reader_id"] for fact in facts} | {row.reader_id for row in old}
        revoked = self.desk.revoked_of(told_readers)
        # Whoever has a stolen reader's key must not say which token is whose.
        self.desk.learn([fact for fact in facts if fact["reader_id"] not in revoked])
        placer = _Placer(
            known,
            swipes.placements_of(self.desk.connection, told_readers),
            self._owners(facts, old),
            revoked,
        )
        made_readings = []
        marks = []
        for fact in facts:
            read = placer.read(fact)
            made_readings.append(read)
            for person_id in placer.whose(fact, read["person_id"], read["at_ms"], read["uncertainty_ms"]):
                marks += self._due(person_id, read["at_ms"], read["uncertainty_ms"], fact["institution_id"])
        # What tells of when swipes without a time were made: they themselves, their clock, and boots after theirs.
        lone = {read["swipe_id"]: read["reader_id"] for read in made_readings if read["at_ms"] is None}
        doubted = set(lone.values()) | {row.reader_id for row in old if row.at_ms is None}
        doubted |= {made.reader.id for _, made in new if made.said is not None and made.said.kind == "open"}
        # Where nothing comes that has a time, or gets one, all that stood there before stays as it was.
        doubted &= {read["reader_id"] for read in made_readings if read["at_ms"] is not None} | {
            row.reader_id for row in old
        }
        before = untimed.of_readers(self.desk.connection, doubted, self.desk.now_ms)
        swipes.add(self.desk.connection, facts, made_readings)
        self._messages.read(new, facts)
        changed = []
        for row in old:
            read = placer.read(row._mapping)
            if row.token is None and row.person_id is not None:
                # Its token was taken out since (store/emptying.py): whose it was stays.
                read |= {"person_id": row.person_id, "verdict": None}
            if (read["at_ms"], read["uncertainty_ms"]) == (row.at_ms, row.at_uncertainty_ms):
                continue
            changed.append(
                {
                    "swipe": row.id,
                    "at": read["at_ms"],
                    "unsure": read["uncertainty_ms"],
                    "how": read["placed_by"],
                    "room": read["room_id"],
                    "person": read["person_id"],
                    "worth": read["verdict"],
                }
            )
            for person_id in placer.whose(row._mapping, row.person_id, row.at_ms, row.at_uncertainty_ms):
                marks += self._due(person_id, row.at_ms, row.at_uncertainty_ms, row.institution_id)
            for person_id in placer.whose(row._mapping, read["person_id"], read["at_ms"], read["uncertainty_ms"]):
                marks += self._due(person_id, read["at_ms"], read["uncertainty_ms"], row.institution_id)
        swipes.read_again(self.desk.connection, changed)
        if lone or doubted:
            after = untimed.of_readers(self.desk.connection, doubted, self.desk.now_ms)
            alone = [one for one, reader_id in lone.items() if reader_id not in doubted]
            marks += self._without_time(before, after | untimed.of_swipes(self.desk.connection, alone))
        due.mark(self.desk.connection, marks)

    def _without_time(
        self, before: dict[int, untimed.Untimed], after: dict[int, untimed.Untimed]
    ) -> list[dict[str, Any]]:
        """Whoever may have made a swipe without a time is due for when it may have been; and for when it may have been
        by what was known before, where that is less now, or it has its time."""
        return [
            {
                "person_id": person_id,
                "institution_id": one.institution_id,
                "from_ms": begins,
                "to_ms": ends,
                "since_ms": self.desk.now_ms,
            }
            for swipe_id in sorted(before.keys() | after.keys())
            if before.get(swipe_id) != after.get(swipe_id)
            for one in (before.get(swipe_id), after.get(swipe_id))
            if one is not None
            for person_id, (begins, ends) in one.whose.items()
        ]

    def _fact(self, row_id: int, made: Record, journal: journals.Journal) -> dict[str, Any]:
        assert made.said is not None
        values = made.said.values
        tokens = statement.tokens(values["evidence"])
        # None where the card identifies nobody: it is known only that a card was there.
        first = tokens[0] if tokens else None
        second = tokens[1] if len(tokens) > 1 else None
        return {
            "id": row_id,
            "institution_id": made.reader.institution_id,
            "reader_id": made.reader.id,
            "journal_id": journal.id,
            "seq": made.seq,
            "key_id": first.key if first else None,
            "token": first.token if first else None,
            "key2_id": second.key if second else None,
            "token2": second.token if second else None,
            "boot_ms": values["boot_ms"],
            "wall_ms": values["wall_ms"],
            "clock": values["clock"],
            "uncertainty_ms": values["uncertainty_ms"],
            "verdict": values["verdict"],
            "session_shown": values["session"],
            "roster_shown": values["roster"],
            "received_ms": self.desk.now_ms,
        }

    def _owners(self, facts: list[dict[str, Any]], old: list[Any]) -> dict[int, dict[tuple[int, bytes], Any]]:
        wanted: dict[int, set[tuple[int, bytes]]] = {}
        for row in (*facts, *(one._mapping for one in old)):
            for key, token in _tokens(row):
                wanted.setdefault(row["institution_id"], set()).add((key, token))
        return {one: cards.owners(self.desk.connection, one, tokens) for one, tokens in wanted.items()}

    def _due(
        self, person_id: int | None, at_ms: int | None, uncertainty_ms: int, institution_id: int
    ) -> list[dict[str, Any]]:
        if person_id is None or at_ms is None:
            return []
        return [
            {
                "person_id": person_id,
                "institution_id": institution_id,
                "from_ms": at_ms - uncertainty_ms,
                "to_ms": at_ms + uncertainty_ms,
                "since_ms": self.desk.now_ms,
            }
        ]


class _Placer:
    """Says when, where and who a swipe was, from facts only: so it says the same in whatever order they came."""

    def __init__(
        self,
        pairs: dict[int, list[swipes.Pair]],
        placements: dict[int, list[tuple[int, int | None, int]]],
        owners: dict[int, dict[tuple[int, bytes], Any]],
        revoked: Mapping[int, Revoked],
    ) -> None:
        self._pairs, self._placements, self._owners = pairs, placements, owners
        self._revoked = revoked

    def read(self, fact: Any) -> dict[str, Any]:
        """The row of `reading` for a swipe that is not derived yet."""
        at_ms, unsure, how = swipes.place(
            fact["boot_ms"],
            fact["wall_ms"],
            fact["clock"],
            fact["uncertainty_ms"],
            fact["received_ms"],
            self._pairs.get(fact["journal_id"], ()),
        )
        person_id = room_id = None
        owned = self._owners.get(fact["institution_id"], {})
        for one in _tokens(fact):
            # Without a time: whose it was at arrival. It credits nothing; whose it may be is asked of store/untimed.py.
            when_ms = fact["received_ms"] if at_ms is None else at_ms
            person_id = person_id or cards.owner_at(owned.get(one, ()), when_ms)
        if at_ms is not None and self._counts(fact, at_ms, unsure):
            room_id = cards.owner_at(self._placements.get(fact["reader_id"], ()), at_ms)
        verdict = "unplaced" if at_ms is None else None if person_id is not None else "unknown_card"
        return {
            "swipe_id": fact["id"],
            "institution_id": fact["institution_id"],
            "reader_id": fact["reader_id"],
            "room_id": room_id,
            "person_id": person_id,
            "at_ms": at_ms,
            "uncertainty_ms": unsure,
            "placed_by": how,
            "verdict": verdict,
            "credits": False,
            "differs": verdict is not None and fact["verdict"] == "green",
        }

    def _counts(self, fact: Any, at_ms: int, unsure: int) -> bool:
        """Without a room it credits nothing: nothing of a reader that is believed no more does."""
        held = self._revoked.get(fact["reader_id"])
        return held is None or held.counts(at_ms=at_ms, unsure_ms=unsure, received_ms=fact["received_ms"])

    def whose(self, fact: Any, person_id: int | None, at_ms: int | None, unsure: int) -> set[int]:
        """Whose it is, and whose it may be: the card changed hands within what its time is unsure."""
        found = set() if person_id is None else {person_id}
        if at_ms is not None:
            owned = self._owners.get(fact["institution_id"], {})
            for one in _tokens(fact):
                found |= cards.owners_within(owned.get(one, ()), at_ms - unsure, at_ms + unsure)
        return found


def _tokens(fact: Any) -> Iterable[tuple[int, bytes]]:
    for key, token in ((fact["key_id"], fact["token"]), (fact["key2_id"], fact["token2"])):
        if token is not None:
            yield key, token
