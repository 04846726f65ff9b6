"""What a reader says of its own health, read with care: nobody signed it, so it is for the eye only. Pure.

Both boards say the same under the same names (firmware/reader/reader.py, docs/fleet.md); what one cannot know it leaves
out. Whatever is not what it should be is left out here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_MOST = 1 << 53
#: a receipt said twice, or for the hello before this one, is how the line works and no trouble
QUIET = ("receipt-repeated", "nonce", "time-not-asked")
CODES_MOST, CODE_LONGEST = 8, 48
#: how a board began, as MicroPython's rp2 numbers it (ports/rp2/modmachine.c): PWRON_RESET 1, WDT_RESET 3
CAUSES = {1: "power", 3: "watchdog or command"}


@dataclass(frozen=True, kw_only=True)
class Health:
    """One report. None: not said."""

    #: how long the reader had been up, ms
    boot_ms: int | None = None
    uncertainty_ms: int | None = None
    #: answers that contradicted its clock since boot
    contradictions: int | None = None
    #: records that surely fit
    room: int | None = None
    #: how often the card chip was lost since boot, and its faults
    chip_losses: int | None = None
    chip_faults: int | None = None
    #: appends that failed since boot
    storage_errors: int | None = None
    #: pages of the Pico's flash that nobody can read
    damaged: int | None = None
    #: of the access point, dBm
    signal_dbm: int | None = None
    #: connections since boot
    connects: int | None = None
    #: power, watchdog or command; empty: not said
    cause: str = ""
    #: the Pi's own codes for the technician
    alarms: tuple[str, ...] = ()
    #: code -> how often something from below was refused
    refused: Mapping[str, int]


# Six hundred readers' reports are looked at every few seconds, and say something new every five minutes.
@lru_cache(maxsize=2048)
def read(text: str | None) -> Health:
    """A report's text, as it came."""
    try:
        told = json.loads(text or "{}")
    except (ValueError, RecursionError):
        told = {}
    if not isinstance(told, dict):
        told = {}
    signal = _number(told, "signal", least=-150)
    alarms = told.get("alarms")
    return Health(
        boot_ms=_number(told, "boot_ms"),
        uncertainty_ms=_number(told, "uncertainty_ms"),
        contradictions=_number(told, "contradictions"),
        room=_number(told, "room"),
        chip_losses=_number(told, "chip_losses"),
        chip_faults=_number(_part(told, "chip"), "faults"),
        storage_errors=_number(told, "storage_errors"),
        damaged=_number(_part(told, "flash"), "damaged"),
        signal_dbm=signal if signal is not None and signal < 0 else None,
        connects=_number(_part(told, "link"), "connects"),
        cause=CAUSES.get(_number(told, "cause") or 0, ""),
        alarms=tuple(one[:CODE_LONGEST] for one in alarms if isinstance(one, str))[:CODES_MOST]
        if isinstance(alarms, list)
        else (),
        refused=_refused(told.get("refused")),
    )


def _part(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = told.get(name)
    return found if isinstance(found, dict) else {}


def _number(told: Mapping[str, Any], name: str, least: int = 0) -> int | None:
    found = told.get(name)
    right = isinstance(found, int) and not isinstance(found, bool) and least <= found <= _MOST
    return found if right else None


def _refused(told: object) -> dict[str, int]:
    if not isinstance(told, dict):
        return {}
    found = {
        code[:CODE_LONGEST]: n
        for code, n in told.items()
        if isinstance(n, int) and not isinstance(n, bool) and n > 0 and code not in QUIET
    }
    return dict(sorted(found.items())[:CODES_MOST])
