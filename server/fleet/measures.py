"""The fleet as figures: what the rules of alerts look at. Pure; no student is named here."""

from __future__ import annotations

import math
from collections.abc import Iterable

from server.policy import fleet_rules
from server.policy.outage_facts import SILENT, SILENT_AFTER_MS
from server.store.doors import Door
from server.store.endings import Ending

HOUR_MS = 3_600_000


def is_heard(door: Door, now_ms: int) -> bool:
    """Whether it is there now: something authentic came lately, and the broker does not say that it went."""
    return door.status != "offline" and door.seen_ms is not None and now_ms - door.seen_ms <= SILENT_AFTER_MS


def measures(door: Door, now_ms: int, *, restarts: int = 0) -> dict[str, float | None]:
    """measure -> its value; None: not known now. restarts: of the last day."""
    since_ms = door.down.get(SILENT)
    never = door.seen_ms is None
    found: dict[str, float | None] = {
        fleet_rules.SILENT_S: None if never else 0 if since_ms is None else max(1, (now_ms - since_ms) // 1000),
        fleet_rules.RESTARTS_DAY: restarts,
        fleet_rules.ALARMS: len(door.alarms),
    }
    if not is_heard(door, now_ms):
        return found
    said = door.health
    faults = None
    if said.storage_errors is not None or said.damaged is not None:
        faults = (said.storage_errors or 0) + (said.damaged or 0)
    return found | {
        fleet_rules.UNABLE: None if door.able is None else float(door.able != "ok"),
        fleet_rules.UNCLOCKED: None if door.clock is None else float(door.clock == "none"),
        fleet_rules.UNCERTAIN_MS: door.uncertainty_ms,
        fleet_rules.BACKLOG: door.backlog,
        fleet_rules.LIST_AGE_H: _list_age_h(door, now_ms),
        fleet_rules.SIGNAL_DBM: said.signal_dbm,
        fleet_rules.CHIP_LOSSES: said.chip_losses,
        fleet_rules.STORAGE_FAULTS: faults,
        fleet_rules.ROOM: said.room,
    }


def _list_age_h(door: Door, now_ms: int) -> float | None:
    if door.room_code is None and door.house is None:
        # At a desk: its last list, if it has one, has nobody on it and is not made anew.
        return 0.0
    return None if door.roster_ms is None else (now_ms - door.roster_ms) / HOUR_MS


def measure_of(ending: Ending) -> str:
    """Which measure of the line looks at it."""
    return fleet_rules.AUTHORITY_LEFT_D if ending.is_authority else fleet_rules.CERTIFICATE_LEFT_D


def left(endings: Iterable[Ending], now_ms: int) -> dict[str, float | None]:
    """measure -> days until the first that it looks at ends. Where there is none, nothing will: for ever."""
    every = [(measure_of(one), one.days(now_ms)) for one in endings]
    return {
        name: min((days for measure, days in every if measure == name), default=math.inf)
        for name in (fleet_rules.CERTIFICATE_LEFT_D, fleet_rules.AUTHORITY_LEFT_D)
    }
