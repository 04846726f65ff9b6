"""Brings marks to what was decided: appends where it is another, proposes where a person's hand is on it, else nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from server.policy.marking import Decision
from server.store import alarms, derivations
from server.store.engine import Connection


def apply(
    connection: Connection,
    institution_id: int,
    decisions: Mapping[tuple[int, int], Decision | None],
    *,
    current: Mapping[tuple[int, int], Any],
    credit_ids: Mapping[tuple[int, int], int],
    ledgers: Mapping[tuple[int, int], str],
    locked: Collection[int] = (),
    now_ms: int,
) -> set[int]:
    """Bring marks to these decisions, keyed (session, person); None: nothing is said. Returns the sessions changed.

    The registers are locked by the caller. What a person set or verified stays, and so does everything of sessions whose
    lock date is past (`locked`): a proposal says what would be, or an alarm where there is no mark to propose against.
    """
    proposals = derivations.open_proposals(connection, {key[0] for key in decisions})
    rows, proposed, overtaken, changed = [], [], [], set()
    for key, decision in sorted(decisions.items()):
        there = current.get(key)
        said = decision or Decision(code=None, rule="derive.nothing")
        outcome = (said.code, said.late_min, said.flag)
        if there is None and outcome == (None, None, None):
            continue
        waiting = proposals.get(key)
        if there is None and key[0] in locked:
            alarms.raise_(
                connection,
                institution_id,
                "mark-after-lock",
                f"session {key[0]}",
                "a swipe or a list came after the lock date, and would give a student a mark: the records are final, so "
                "it was not set",
                now_ms,
            )
            continue
        final = there is not None and key[0] in locked
        if there is not None and (final or there.source in ("person", "import") or there.verified):
            # Silence proposes nothing: that somebody did not tap is no reason to doubt what a person saw.
            agrees = (there.code, there.late_min) == outcome[:2] or key not in credit_ids
            if waiting is not None and (agrees or (waiting.code, waiting.late_min) != outcome[:2]):
                overtaken.append(waiting.id)
                waiting = None
                changed.add(key[0])
            if not agrees and waiting is None:
                proposed.append(_proposal(institution_id, key, said, there.id, credit_ids.get(key), now_ms))
                changed.add(key[0])
            continue
        credit_id = credit_ids.get(key)
        if there is not None and (there.code, there.late_min, there.flag, there.credit_id) == (*outcome, credit_id):
            continue
        if there is not None and there.credit_id is not None and credit_id is None:
            alarms.raise_(
                connection,
                institution_id,
                "green-withdrawn",
                f"session {key[0]}",
                "a student was credited with this session and is not any more: a list, room, card or time changed, or an "
                "earlier swipe of theirs came later and this one repeated its answer",
                now_ms,
            )
        rows.append(
            {
                "institution_id": institution_id,
                "session_id": key[0],
                "person_id": key[1],
                "code": said.code,
                "late_min": said.late_min,
                "source": "swipe" if credit_id is not None else "absence",
                "verified": False,
                "rule": said.rule,
                "ledgers": ledgers.get(key, ""),
                "flag": said.flag,
                "credit_id": credit_id,
                "created_ms": now_ms,
            }
        )
        changed.add(key[0])
    derivations.add_marks(connection, rows)
    derivations.close_proposals(connection, overtaken, "overtaken", now_ms)
    derivations.add_proposals(connection, proposed)
    derivations.touch(connection, changed)
    return changed


def _proposal(
    institution_id: int, key: tuple[int, int], said: Decision, mark_id: int, credit_id: int | None, now_ms: int
) -> dict[str, Any]:
    return {
        "institution_id": institution_id,
        "session_id": key[0],
        "person_id": key[1],
        "mark_id": mark_id,
        "code": said.code,
        "late_min": said.late_min,
        "rule": said.rule,
        "flag": said.flag,
        "credit_id": credit_id,
        "created_ms": now_ms,
    }
