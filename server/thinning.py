"""Thins readers' old head statements, some at a time: 600 readers make 315 million in a year.

Stateless on the disk: whoever begins anew reads what stayed and comes to the same, so nothing can be half done.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from server.policy import head_keeping
from server.store import old_heads
from server.store.engine import Engine, reading, writing

DAY_MS = 86_400_000
#: heads of one bite; readers that are looked at for one
BITE, LOOKS = 1_000, 50
#: store time until all readers are looked at again
REST_MS = 3_600_000
_BEGIN = (-(1 << 62), 0)


@dataclass(kw_only=True)
class _Place:
    """How far one reader's heads were read."""

    after: tuple[int, int] = _BEGIN
    known_ms: int | None = None


@dataclass(kw_only=True)
class Thinned:
    """What was done, or would be."""

    #: by what was judged: open, known, alive, goes
    heads: Counter[str] = field(default_factory=Counter)


class Thinning:
    """Goes round the readers. dry: counts, and removes nothing."""

    def __init__(self, engine: Engine, days: int, *, dry: bool = False) -> None:
        self._engine, self._keep_ms, self._dry = engine, days * DAY_MS, dry
        self._places: dict[int, _Place] = {}
        self._round: list[int] = []
        self._rest_until_ms: int | None = None
        self.done = Thinned()

    def step(self, now_ms: int) -> int:
        """One bite. Returns how many heads it removed, or would."""
        if self._rest_until_ms is not None and 0 <= self._rest_until_ms - now_ms <= REST_MS:
            return 0
        if not self._round:
            with reading(self._engine) as connection:
                self._round = old_heads.readers(connection)
        for _ in range(LOOKS):
            if not self._round:
                self._rest_until_ms = now_ms + REST_MS
                return 0
            gone, more = self._bite(self._round[0], now_ms)
            if not more:
                self._round.pop(0)
            if gone:
                return gone
        return 0

    def all(self, now_ms: int) -> Thinned:
        """Everything, bite after bite."""
        with reading(self._engine) as connection:
            every = old_heads.readers(connection)
        for one in every:
            while self._bite(one, now_ms)[1]:
                pass
        return self.done

    def _bite(self, reader_id: int, now_ms: int) -> tuple[int, bool]:
        """Heads that went, and whether the reader has more."""
        place = self._places.setdefault(reader_id, _Place())
        old_ms = now_ms - self._keep_ms
        with reading(self._engine) as connection:
            bare = old_heads.untimed(connection, reader_id, old_ms, BITE)
            last_ms = old_heads.newest(connection, reader_id, old_ms)
            some = []
            if last_ms is not None:
                some = old_heads.timed(connection, reader_id, place.after, last_ms, old_ms, BITE)
            alive = head_keeping.alive(some) if some and old_heads.is_kiosk(connection, reader_id) else set()
            until_ms = max((one.sure_ms for one in some if one.sure_ms is not None), default=None)
            closes = []
            if until_ms is not None:
                closes = old_heads.closes(connection, reader_id, place.known_ms, until_ms)
        judged, known_ms = head_keeping.judge(some, closes, place.known_ms)
        judged = [
            (one, head_keeping.ALIVE if verdict == head_keeping.GOES and one.id in alive else verdict)
            for one, verdict in judged
        ]
        ids = bare + [one.id for one, verdict in judged if verdict == head_keeping.GOES]
        self.done.heads.update(verdict for _, verdict in judged)
        self.done.heads[head_keeping.GOES] += len(bare)
        gone = len(ids)
        if ids and not self._dry:
            with writing(self._engine) as connection:
                gone = old_heads.remove(connection, ids)
        place.known_ms = known_ms
        if some:
            place.after = (some[-1].wall_ms, some[-1].id)
        # Without a removal the same would come again.
        return gone, len(some) == BITE or (len(bare) == BITE and not self._dry)
