"""Looks at the readers every few seconds, and notes outages as facts (policy/outage_facts.py says what is one).

What it has looked at stands in the store: whoever begins anew goes on there, and a time in which nobody looked is noted
as the store's own outage, never as one of six hundred readers.
"""

from __future__ import annotations

from server.policy import outage_facts
from server.policy.outage_facts import GATEWAY, SILENT, STORE, Change, Head
from server.store import institutions, outages, reader_commands, rollout_progress
from server.store.engine import Connection, Engine, reading, writing

#: store time between two looks
LOOK_MS = 10_000
#: nobody looked for longer than this: the store was not running
GAP_MS = 60_000
#: after that, or after a time without a gateway, a roll-out judges nobody by its silence before everybody could be heard
LISTEN_MS = 300_000


class Watch:
    """One server's. `step` costs a few reads; it writes where something changed, and where it has looked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._looked_ms: int | None = None
        #: institution id -> since when this server has been looking
        self._since: dict[int, int] = {}
        #: institution id -> when it last was so that nobody looked, or no gateway was heard
        self._deaf: dict[int, int] = {}
        #: institution id -> the newest head as two looks ago: a delivery that committed late is still found
        self._behind: dict[int, int] = {}
        #: reader id -> its newest head
        self._last: dict[int, Head] = {}

    def step(self, now_ms: int) -> None:
        """Look, unless that was just done."""
        if self._looked_ms is not None and 0 <= now_ms - self._looked_ms < LOOK_MS:
            return
        with reading(self._engine) as connection:
            every = [found.id for found in institutions.every(connection)]
        for one in every:
            before = dict(self._since), dict(self._deaf), dict(self._behind), dict(self._last)
            try:
                with writing(self._engine) as connection:
                    self._look(connection, one, now_ms)
            except BaseException:
                # What was rolled back was not looked at: the next look sees it.
                self._since, self._deaf, self._behind, self._last = before
                raise
        self._looked_ms = now_ms

    def _look(self, connection: Connection, here: int, now_ms: int) -> None:
        before = outages.looked(connection, here)
        open_ = outages.going_on(connection, here)
        newest = outages.last_head(connection)
        after = before[1] if before is not None else newest
        if here not in self._since or (before is not None and now_ms - before[0] > GAP_MS):
            self._since[here] = now_ms
            if before is not None and now_ms - before[0] > GAP_MS:
                self._deaf[here] = now_ms
                outages.note(connection, here, None, Change(kind=STORE, from_ms=before[0], to_ms=now_ms), now_ms)
        if GATEWAY in open_.get(None, {}):
            self._deaf[here] = now_ms
        while some := outages.heads_after(connection, here, after):
            for number, head in some:
                self._take(connection, here, number, head, open_, now_ms)
            after = some[-1][0]
            if len(some) < outages.HEADS_MOST:
                break
        self._silences(connection, here, open_, now_ms)
        reader_commands.settle(connection, here, now_ms)
        if here not in self._deaf or not 0 <= now_ms - self._deaf[here] < LISTEN_MS:
            rollout_progress.step(connection, here, now_ms)
        outages.note_look(connection, here, now_ms, min(self._behind.get(here, after), newest))
        self._behind[here] = max(after, newest)

    def _take(
        self,
        connection: Connection,
        here: int,
        number: int,
        head: Head,
        open_: dict[int | None, dict[str, int]],
        now_ms: int,
    ) -> None:
        last = self._last.get(head.reader_id) or outages.head_before(connection, head.reader_id, number - 1)
        mine = open_.setdefault(head.reader_id, {})
        if last is not None and head.wall_ms is not None and head.at_ms < last.at_ms:
            outages.was_alive(connection, here, head, now_ms)
        for change in outage_facts.follows(last, head, mine):
            outages.note(connection, here, head.reader_id, change, now_ms)
            if change.from_ms is None:
                mine.pop(change.kind, None)
            elif change.to_ms is None:
                mine[change.kind] = change.from_ms
        if last is None or head.at_ms > last.at_ms:
            self._last[head.reader_id] = head

    def _silences(
        self, connection: Connection, here: int, open_: dict[int | None, dict[str, int]], now_ms: int
    ) -> None:
        since = self._since[here]
        told: list[tuple[int | None, str, int | None, int | None]] = [
            (one, SILENT, outage_facts.silent_from(seen_ms, since, now_ms), seen_ms)
            for one, seen_ms in outages.seen(connection, here).items()
        ]
        seen = outages.gateways_seen(connection, here)
        heard_ms = max((one for one in seen if one is not None), default=None)
        told.append((None, GATEWAY, outage_facts.gateways_from(seen, since, now_ms), heard_ms))
        for reader_id, kind, from_ms, seen_ms in told:
            began = open_.get(reader_id, {}).get(kind)
            if from_ms is not None and began is None:
                outages.note(connection, here, reader_id, Change(kind=kind, from_ms=from_ms, to_ms=None), now_ms)
            # Heard of again: to within a look. A store that was away itself says nothing of a reader's end.
            elif from_ms is None and began is not None and seen_ms is not None and seen_ms > began:
                last = self._last.get(reader_id) if reader_id is not None else None
                ends = last.received_ms if last is not None and last.received_ms > began else seen_ms
                outages.note(connection, here, reader_id, Change(kind=kind, from_ms=None, to_ms=ends), now_ms)
