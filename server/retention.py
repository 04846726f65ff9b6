"""Does the retention rules, some rows at a time. Off until it is switched on (MUSTER_RETENTION).

Stateless on the disk: what is emptied is found no more, so whoever begins anew goes on where it stopped.
"""

from __future__ import annotations

from pathlib import Path

from server import outbox
from server.policy import retention as policy
from server.policy.retention import OUTBOX, Rule
from server.store import letters, retention
from server.store.engine import Engine, reading, writing

#: rows of one bite
BITE = 200
#: store time until all rules are looked at again
REST_MS = 3_600_000


class Retention:
    """Goes round the rules that hold. letters_in: the outbox folder; None: there is none."""

    def __init__(self, engine: Engine, rules: list[Rule], *, letters_in: Path | None = None) -> None:
        self._engine, self._rules, self._letters_in = engine, rules, letters_in
        self._round: list[Rule] = []
        self._rest_until_ms: int | None = None

    def step(self, now_ms: int) -> int:
        """One bite. Returns how many rows went."""
        if self._rest_until_ms is not None and 0 <= self._rest_until_ms - now_ms <= REST_MS:
            return 0
        if not self._round:
            self._round = policy.in_force(self._rules, now_ms)
        while self._round:
            if gone := self._bite(self._round[0], now_ms):
                return gone
            self._round.pop(0)
        self._rest_until_ms = now_ms + REST_MS
        return 0

    def counts(self, now_ms: int) -> list[tuple[Rule, int]]:
        """What would go by each rule that holds."""
        return [(rule, self._waiting(rule, now_ms)) for rule in policy.in_force(self._rules, now_ms)]

    def all(self, now_ms: int) -> list[tuple[Rule, int]]:
        """Everything, bite after bite. Returns what went by each rule."""
        done = []
        for rule in policy.in_force(self._rules, now_ms):
            gone = 0
            while some := self._bite(rule, now_ms):
                gone += some
            done.append((rule, gone))
        return done

    def _waiting(self, rule: Rule, now_ms: int) -> int:
        if rule.table == OUTBOX:
            return len(self._letters(rule, now_ms))
        with reading(self._engine) as connection:
            return retention.waiting(connection, rule, now_ms)

    def _letters(self, rule: Rule, now_ms: int) -> list[int]:
        """The messages whose letters go by a rule about the outbox."""
        there = [] if self._letters_in is None else outbox.held(self._letters_in)
        if not there:
            return []
        with reading(self._engine) as connection:
            return letters.sent_before(connection, there, policy.before_ms(rule, now_ms))

    def _bite(self, rule: Rule, now_ms: int) -> int:
        if rule.table == OUTBOX:
            some = self._letters(rule, now_ms)[:BITE]
            if self._letters_in is not None:
                outbox.remove(self._letters_in, some)
            return len(some)
        # A look costs no write lock; most find nothing.
        if not self._waiting(rule, now_ms):
            return 0
        with writing(self._engine) as connection:
            return retention.bite(connection, rule, now_ms, BITE)
