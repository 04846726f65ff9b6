"""Raises alerts by the rules (policy/fleet_rules.py), once down and once up, and writes the messages that tell of them.

What one look finds goes out in one message to each channel: when a broker dies, six hundred readers are one mail. While
no gateway is heard no reader is called silent: that is not theirs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from server.fleet import measures
from server.fleet.watch import Watch
from server.policy import fleet_rules, outage_facts
from server.policy.fleet_rules import DOWN, OF_READER, Rule, State
from server.policy.outage_facts import GATEWAY, OFF, STORE
from server.store import doors, endings, fleet_alerts, institutions, outages, rollout_progress
from server.store.engine import Connection, Engine, reading, writing
from server.store.fleet_alerts import Alert
from server.store.institutions import Institution

#: store time between two looks
LOOK_MS = 10_000
DAY_MS = 86_400_000
LINE = "line"
#: lines of one mail; what is more is counted
LINES_MOST = 100

#: (rule, reader id; None: the line)
Key = tuple[str, int | None]


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """Something went down, or came up."""

    down: bool
    rule: Rule
    subject: str
    text: str
    #: since when it was down
    since_ms: int


class Alerting:
    """One server's. channels: where messages go, of fleet_alerts.CHANNELS; none: alerts stand on the pages
    alone. watch: None where somebody else notes outages."""

    def __init__(
        self,
        engine: Engine,
        rules: Mapping[str, Rule],
        channels: Iterable[str] = (),
        *,
        watch: Watch | None = None,
    ) -> None:
        self._engine, self._rules, self._channels, self._watch = engine, rules, tuple(channels), watch
        self._looked_ms: int | None = None
        #: institution id -> key -> state. What rises or falls is begun anew by a server that begins anew
        self._states: dict[int, dict[Key, State]] = {}

    def step(self, now_ms: int) -> None:
        """Look, unless that was just done; at the outages first, which alerts rest on."""
        if self._watch is not None:
            self._watch.step(now_ms)
        if self._looked_ms is not None and 0 <= now_ms - self._looked_ms < LOOK_MS:
            return
        with reading(self._engine) as connection:
            every = institutions.every(connection)
        for found in every:
            self._look(found, now_ms)
        self._looked_ms = now_ms

    def _look(self, found: Institution, now_ms: int) -> None:
        with reading(self._engine) as connection:
            held = {(one.rule, one.reader_id): one for one in fleet_alerts.open_alerts(connection, found.id)}
            each = self._measured(connection, found.id, now_ms)
        states, turned = self._states.setdefault(found.id, {}), dict[Key, State]()
        turns: list[tuple[Key, _Turn]] = []
        for reader_id, (subject, measured) in each.items():
            for rule in self._rules.values():
                if (rule.measure in OF_READER) == (reader_id is None):
                    continue
                key = (rule.name, reader_id)
                there = held.get(key)
                before = _stands(states.get(key), there, now_ms)
                after = fleet_rules.after(rule, before, measured.get(rule.measure), now_ms)
                turned[key] = after
                if after.is_down != before.is_down:
                    since_ms = now_ms if there is None else there.raised_ms
                    turns.append(
                        (key, _Turn(down=after.is_down, rule=rule, subject=subject, text=rule.says, since_ms=since_ms))
                    )
        # A reader that has ended, or a rule that is gone: nobody waits for it to come up.
        gone = [one for key, one in held.items() if key[1] not in each or key[0] not in self._rules]
        if turns or gone:
            with writing(self._engine) as connection:
                self._write(connection, found, turns, gone, now_ms)
        # After the commit: where the database took nothing, the next look sees it turn once more.
        states.update(turned)

    def _measured(
        self, connection: Connection, here: int, now_ms: int
    ) -> dict[int | None, tuple[str, dict[str, float | None]]]:
        down = outages.going_on(connection, here)
        day = outages.within(connection, here, now_ms - DAY_MS, now_ms)
        restarts = Counter(one.reader_id for one in day if one.kind == OFF)
        no_gateway_ms = down.get(None, {}).get(GATEWAY)
        # Whoever was deaf itself has nothing to say of others until it has listened for a while.
        deaf = any(one.kind == STORE and one.to_ms is not None and now_ms - one.to_ms < 2 * LOOK_MS for one in day)
        line = 0 if no_gateway_ms is None else max(1, (now_ms - no_gateway_ms) // 1000)
        seen = outages.gateways_seen(connection, here)
        found: dict[int | None, tuple[str, dict[str, float | None]]] = {
            None: (
                LINE,
                measures.left(endings.every(connection, here), now_ms)
                | {fleet_rules.GATEWAY_SILENT_S: None if deaf else line}
                | {fleet_rules.GATEWAYS_AWAY: None if deaf or line else outage_facts.gateways_away(seen, now_ms)}
                | {fleet_rules.ROLLOUTS_STOPPED: rollout_progress.stopped_by_themselves(connection, here)},
            )
        }
        for door in doors.every(connection, here, now_ms):
            measured = measures.measures(door, now_ms, restarts=restarts[door.reader_id])
            if no_gateway_ms is not None or deaf:
                measured[fleet_rules.SILENT_S] = None
            place = door.house or door.room_code
            found[door.reader_id] = (f"{door.reader} ({place})" if place else door.reader, measured)
        return found

    def _write(
        self,
        connection: Connection,
        found: Institution,
        turns: list[tuple[Key, _Turn]],
        gone: list[Alert],
        now_ms: int,
    ) -> None:
        # Of two servers on one database the second one waits here, and finds said what the first one said.
        fleet_alerts.lock(connection, found.id)
        held = {(one.rule, one.reader_id): one for one in fleet_alerts.open_alerts(connection, found.id)}
        turns = [(key, turn) for key, turn in turns if turn.down != (key in held)]
        for (rule, reader_id), turn in turns:
            if turn.down:
                fleet_alerts.raise_(connection, found.id, reader_id, rule, turn.subject, turn.text, now_ms)
            else:
                fleet_alerts.clear(connection, held[rule, reader_id].id, now_ms)
        for one in gone:
            fleet_alerts.clear(connection, one.id, now_ms)
        told = [turn for _, turn in turns]
        if told:
            subject = title(told)
            for channel in self._channels:
                body = as_json(found, told, now_ms) if channel == fleet_alerts.WEBHOOK else as_text(found, told, now_ms)
                fleet_alerts.write(connection, found.id, channel, subject, body, now_ms)


def _stands(state: State | None, there: Alert | None, now_ms: int) -> State:
    """Where a rule stands: whether it is down is the store's to say, as another server may have raised or ended it; since
    when it rises or falls is known here alone."""
    if there is not None:
        return state if state is not None and state.is_down else State(phase=DOWN, since_ms=there.raised_ms)
    return State(since_ms=now_ms) if state is None or state.is_down else state


def title(turns: list[_Turn]) -> str:
    """`Muster: 3 down, 1 up again`; where it is about one thing, which."""
    downs = sum(turn.down for turn in turns)
    parts = [f"{downs} down"] if downs else []
    parts += [f"{len(turns) - downs} up again"] if downs < len(turns) else []
    about = f": {turns[0].subject}" if len({turn.subject for turn in turns}) == 1 else ""
    return f"Muster: {', '.join(parts)}{about}"


def as_text(found: Institution, turns: list[_Turn], now_ms: int) -> str:
    """A mail's text: what is down first, by rule and name; what is more than LINES_MOST is counted."""
    zone = ZoneInfo(found.time_zone)

    def at(ms: int) -> str:
        return datetime.fromtimestamp(ms / 1000, zone).strftime("%Y-%m-%d %H:%M")

    lines = [f"{found.name}, {at(now_ms)} ({found.time_zone})", ""]
    ordered = sorted(turns, key=lambda turn: (not turn.down, turn.rule.name, turn.subject))
    for turn in ordered[:LINES_MOST]:
        if turn.down:
            lines.append(f"DOWN  {turn.subject}: {turn.text} [{turn.rule.name}]")
        else:
            lines.append(f"up    {turn.subject}: over, it was down since {at(turn.since_ms)} [{turn.rule.name}]")
    if len(ordered) > LINES_MOST:
        lines.append(f"and {len(ordered) - LINES_MOST} more: look at the page of doors")
    return "\n".join([*lines, "", "Each is said once when it goes down, and once when it is up again.", ""])


def as_json(found: Institution, turns: list[_Turn], now_ms: int) -> str:
    """A webhook's body."""
    said = [
        {
            "state": "down" if turn.down else "up",
            "rule": turn.rule.name,
            "subject": turn.subject,
            "text": turn.text,
            "since_ms": turn.since_ms,
        }
        for turn in turns
    ]
    return json.dumps({"v": 1, "institution": found.name, "at_ms": now_ms, "alerts": said}, sort_keys=True)
