"""Taps that are kept and do not count because their reader is believed no more, in words for whoever tapped (PORT-1)."""

from __future__ import annotations

from collections.abc import Iterable

from server.pages.local import Local
from server.store.attendance import Attended
from server.store.withheld_taps import Withheld


def lines(
    found: Iterable[Withheld], rows: Iterable[Attended], local: Local, *, all_: bool = True
) -> list[dict[str, str]]:
    """Each tap with the session that it may be for, what is the matter with it, and what to do. One for a session that is
    marked all the same is left out. rows: the person's sessions; all_: also taps that are for none of these."""
    sessions = [one for one in rows if one.cancelled_ms is None]
    said = []
    for tap in found:
        mine = [one for one in sessions if one.opens_ms <= tap.at_ms <= one.closes_ms]
        if any(one.code is not None for one in mine) or not (mine or all_):
            continue
        said.append(
            {
                "when": f"{local.dated(tap.at_ms)}, {local.seconds(tap.at_ms)}",
                "title": mine[0].title if mine else "",
                "text": _text(tap, local),
            }
        )
    return said


def _text(tap: Withheld, local: Local) -> str:
    since = f"The reader is not believed since {local.dated(tap.since_ms)}, {local.time(tap.since_ms)}. The tap is kept"
    if tap.waits:
        return f"{since}, and a technician looks whether it counts. Until then nobody is absent by it."
    return (
        f"{since} and does not count by itself: whoever marks the class looks at it. Were you there, tell them. "
        "Nobody is absent by it."
    )
