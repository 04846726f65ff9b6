"""What a residence's kiosk says: check-ins and events, kept as facts and placed in time like swipes (DDU-12).

Whose they are and what they are worth is said by the jobs (server/derive/check_ins.py): it rests on the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firmware.contract import statement
from server.intake.desk import Desk, Record
from server.store import check_ins, journals, swipes

CHECK_IN, EVENT = KINDS = ("checkin", "kiosk")


class Kiosks:
    """Keeps what kiosks say, and says when it was."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def read(self, new: list[tuple[int, Record, journals.Journal]], repaired: Mapping[int, list[swipes.Pair]]) -> None:
        """Keep new records, and place again what new clock records (journal id -> pairs) may place otherwise."""
        if not new and not check_ins.any_of(self.desk.connection, repaired):
            return
        connection = self.desk.connection
        known = swipes.pairs_of(connection, {journal.id for _, _, journal in new} | repaired.keys())
        revoked = self.desk.revoked_of({made.reader.id for _, made, _ in new})
        facts: list[dict[str, Any]] = []
        readings: list[dict[str, Any]] = []
        events: list[dict[str, Any]] = []
        for row_id, made, journal in new:
            assert made.said is not None
            fact = self._common(row_id, made, journal)
            at_ms, unsure, how = _placed(fact, known)
            if made.said.kind == CHECK_IN:
                facts.append(fact | _check_in(made.said))
                readings.append(
                    {
                        "check_in_id": row_id,
                        "institution_id": fact["institution_id"],
                        "reader_id": fact["reader_id"],
                        "at_ms": at_ms,
                        "uncertainty_ms": unsure,
                        "placed_by": how,
                    }
                )
            # Whoever has a stolen kiosk must not lock anybody's PIN, nor say what a sensor holds. Its record is kept.
            elif made.reader.id not in revoked:
                events.append(fact | _event(made.said) | {"at_ms": at_ms, "unsure_ms": unsure})
        check_ins.add(connection, facts, readings, events)
        # Whoever checks in at kiosks alone is known under the new card key by that, as others are by their swipes.
        self.desk.learn([fact for fact in facts if fact["reader_id"] not in revoked])
        check_ins.place_again(connection, repaired, lambda fact: _placed(fact, known))

    def _common(self, row_id: int, made: Record, journal: journals.Journal) -> dict[str, Any]:
        assert made.said is not None
        values = made.said.values
        return {
            "id": row_id,
            "institution_id": made.reader.institution_id,
            "reader_id": made.reader.id,
            "journal_id": journal.id,
            "seq": made.seq,
            **{name: values[name] for name in ("boot_ms", "wall_ms", "clock", "uncertainty_ms")},
            "received_ms": self.desk.now_ms,
        }


def _placed(fact: Mapping[Any, Any], known: Mapping[int, list[swipes.Pair]]) -> tuple[int | None, int, str]:
    return swipes.place(
        fact["boot_ms"],
        fact["wall_ms"],
        fact["clock"],
        fact["uncertainty_ms"],
        fact["received_ms"],
        known.get(fact["journal_id"], ()),
    )


def _check_in(said: statement.Statement) -> dict[str, Any]:
    values = said.values
    tokens = statement.tokens(values["evidence"])
    second = tokens[1] if len(tokens) > 1 else None
    witness = _token(values["witness"])
    return {
        "key_id": tokens[0].key,
        "token": tokens[0].token,
        "key2_id": second.key if second else None,
        "token2": second.token if second else None,
        "method": values["method"][:16],
        "witness_key_id": witness[0],
        "witness_token": witness[1],
        "verdict": values["verdict"],
        "tries": min(values["tries"], 1 << 30),
        "roster_shown": values["roster"],
        "place": values["place"][:16],
        "cell": values["cell"][:32] if values["cell"] else None,
        "fix": values["fix"][:16] if values["fix"] else None,
    }


def _event(said: statement.Statement) -> dict[str, Any]:
    values = said.values
    subject, by = _token(values["subject"]), _token(values["by"])
    return {
        "event": values["event"][:32],
        "key_id": subject[0],
        "token": subject[1],
        "by_key_id": by[0],
        "by_token": by[1],
        "slot": values["slot"],
        "generation": values["generation"],
        "detail": values["detail"],
    }


def _token(text: str | None) -> tuple[int | None, bytes | None]:
    """Key id and token of the one token in a field; nothing where it is absent."""
    if text is None:
        return None, None
    found = statement.tokens("t" + text)[0]
    return found.key, found.token
