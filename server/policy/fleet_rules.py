"""When something of the fleet is down, and when it is up again: rules as data, with hysteresis. Pure.

A measure crosses `above` (or `below`) and stays there for `after_s`: down. It comes back to `clear` and stays for
`clear_after_s`: up. Between the two thresholds nothing changes, so what trembles at one is said once.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.errors import BadSetting

SHIPPED = Path(__file__).parent / "fleet_rules.toml"
#: of one reader
SILENT_S, UNABLE, UNCLOCKED, UNCERTAIN_MS, BACKLOG, LIST_AGE_H = (
    "silent_s", "unable", "unclocked", "uncertain_ms", "backlog", "list_age_h",
)  # fmt: skip
SIGNAL_DBM, CHIP_LOSSES, STORAGE_FAULTS, ROOM, RESTARTS_DAY, ALARMS = (
    "signal_dbm", "chip_losses", "storage_faults", "room", "restarts_day", "alarms",
)  # fmt: skip
OF_READER = (SILENT_S, UNABLE, UNCLOCKED, UNCERTAIN_MS, BACKLOG, LIST_AGE_H, SIGNAL_DBM, CHIP_LOSSES, STORAGE_FAULTS,
             ROOM, RESTARTS_DAY, ALARMS)  # fmt: skip
#: of the whole line
GATEWAY_SILENT_S, CERTIFICATE_LEFT_D, AUTHORITY_LEFT_D = "gateway_silent_s", "certificate_left_d", "authority_left_d"
ROLLOUTS_STOPPED, GATEWAYS_AWAY = "rollouts_stopped", "gateways_away"
MEASURES = (*OF_READER, GATEWAY_SILENT_S, GATEWAYS_AWAY, CERTIFICATE_LEFT_D, AUTHORITY_LEFT_D, ROLLOUTS_STOPPED)

CALM, RISING, DOWN, FALLING = "calm", "rising", "down", "falling"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One. below False: it is down while the measure is above the threshold."""

    name: str
    measure: str
    threshold: float
    below: bool
    clear: float
    after_ms: int
    clear_after_ms: int
    says: str

    def is_bad(self, value: float) -> bool:
        """Whether the measure is over the threshold."""
        return value < self.threshold if self.below else value > self.threshold

    def is_good(self, value: float) -> bool:
        """Whether it is back."""
        return value >= self.clear if self.below else value <= self.clear


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a rule stands for one subject. since_ms: when this phase began."""

    phase: str = CALM
    since_ms: int = 0

    @property
    def is_down(self) -> bool:
        """Said, and not over yet."""
        return self.phase in (DOWN, FALLING)


def after(rule: Rule, state: State, value: float | None, now_ms: int) -> State:
    """The state after this look. value None: nothing is known now, and nothing changes."""
    if value is None:
        return state
    if state.is_down:
        if not rule.is_good(value):
            return state if state.phase == DOWN else State(phase=DOWN, since_ms=now_ms)
        since_ms = state.since_ms if state.phase == FALLING else now_ms
        over = now_ms - since_ms >= rule.clear_after_ms
        return State(phase=CALM, since_ms=now_ms) if over else State(phase=FALLING, since_ms=since_ms)
    if not rule.is_bad(value):
        return state if state.phase == CALM else State(phase=CALM, since_ms=now_ms)
    since_ms = state.since_ms if state.phase == RISING else now_ms
    # A clock that was put back must not put an alert off.
    long = not 0 <= now_ms - since_ms < rule.after_ms
    return State(phase=DOWN, since_ms=now_ms) if long else State(phase=RISING, since_ms=since_ms)


def load(own: Path) -> dict[str, Rule]:
    """The shipped rules, and an institution's own file over them (an empty path: none).

    Raises BadSetting(`fleet-rule`).
    """
    texts = [SHIPPED.read_text("utf-8")]
    if own != Path():
        try:
            texts.append(own.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetting("fleet-rule", f"{own} cannot be read: name the file with the fleet's rules") from error
    found: dict[str, Rule] = {}
    for text in texts:
        try:
            said = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadSetting("fleet-rule", f"the fleet's rules are no TOML: {error}") from error
        rows = said.get("rule", [])
        if set(said) - {"rule"} or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BadSetting(
                "fleet-rule", "each of the fleet's rules stands under its own [[rule]], and nothing else in the file"
            )
        for row in rows:
            one = _rule(row)
            found[one.name] = one
    return found


def _rule(row: Mapping[str, Any]) -> Rule:
    name = str(row.get("name", ""))
    known = {"name", "measure", "above", "below", "clear", "after_s", "clear_after_s", "says"}
    if not _NAME.fullmatch(name) or set(row) - known:
        raise BadSetting("fleet-rule", f"a rule has a name in small letters, and of fields only {sorted(known)}")
    if row.get("measure") not in MEASURES:
        raise BadSetting("fleet-rule", f"{name}: measure is one of {', '.join(MEASURES)}")
    if ("above" in row) == ("below" in row):
        raise BadSetting("fleet-rule", f"{name}: it has above or below, and not both")
    numbers = [row.get("above", row.get("below")), row.get("clear"), row.get("after_s"), row.get("clear_after_s")]
    if any(isinstance(one, bool) or not isinstance(one, int | float) or math.isnan(one) for one in numbers):
        raise BadSetting("fleet-rule", f"{name}: above or below, clear, after_s and clear_after_s are numbers")
    threshold, clear, after_s, clear_after_s = numbers
    below = "below" in row
    if (
        (clear < threshold if below else clear > threshold)
        or not 0 <= after_s <= 86_400
        or not 0 <= clear_after_s <= 86_400
    ):
        raise BadSetting(
            "fleet-rule", f"{name}: clear lies on the good side of the threshold, and the times are 0 to 86400 s"
        )
    return Rule(
        name=name,
        measure=str(row["measure"]),
        threshold=threshold,
        below=below,
        clear=clear,
        after_ms=int(after_s * 1000),
        clear_after_ms=int(clear_after_s * 1000),
        says=str(row.get("says", name))[:300],
    )
