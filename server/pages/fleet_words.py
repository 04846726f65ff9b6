"""One reader in words, as the page of doors and its own page say it: what ails it, and what a technician does next. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from server.fleet import measures as fleet
from server.pages import words
from server.pages.local import Local
from server.policy import fleet_rules, outage_facts
from server.policy.fleet_rules import Rule
from server.store.doors import Door
from server.store.outages import Outage

LIGHTS = {
    "blue": "blue: marking is open",
    "off": "off: no session now",
    "breathing": "blue, slow breathing: cards are taken and checked later",
    "pulse": "red, slow pulse: needs a technician",
    "unknown": "not known: not heard lately",
}
#: a kiosk's lamp is off until somebody checks in
_AT_REST = "off until somebody checks in"
_ABLE = {
    "list": "it has no list of residents, and can check nobody in: see that it is on the network, and serves a house",
    "chip": "the card chip does not answer: check its cable, then restart the reader",
    "full": "the journal is full: bring the reader back on the network so that it can deliver",
    "storage": "its storage failed: replace the reader, and keep the old one for its journal",
}
#: what a reader counts as refused, by code, and is worth a technician's look (firmware/reader/uplink.py)
_REFUSED = {
    "mac": "a receipt or command that was not made with its key",
    "receipt-beyond-head": "a receipt for records that it never made",
    "other-reader": "a message for another reader",
    "roster-mac": "a class list that was not made with its key",
    "roster-checksum": "a damaged class list",
    "roster-older": "a class list older than the one it has",
    "roster-reader": "another reader's class list",
    "command-repeated": "a command that it had carried out before",
    "command-old": "a command that was held back on its way",
}
_CLOCKS = {"sync": "clock right", "hold": "clock held since it lost the server", "none": "no clock yet"}
KINDS = {
    outage_facts.SILENT: "not heard",
    outage_facts.OFF: "without power, or restarting",
    outage_facts.CHIP: "card chip lost",
    outage_facts.FULL: "journal full",
    outage_facts.STORAGE: "storage failed",
    outage_facts.LIST: "no list of residents",
    outage_facts.GATEWAY: "no gateway was heard",
    outage_facts.STORE: "the store was not running",
}
#: shown of a clock where it is more
UNSURE_MS = 1000
DAYS = 7


def heard_lately(door: Door, local: Local) -> bool:
    """Whether it is there now, as far as anybody can tell."""
    return fleet.is_heard(door, local.now_ms)


def row(door: Door, local: Local, rules: Mapping[str, Rule], past: Sequence[Outage]) -> dict[str, Any]:
    """What its line of the page shows. past: its outages of the last DAYS days."""
    lately = heard_lately(door, local)
    light = door.light if lately else "unknown"
    link = words.Said("good", "connected") if lately else words.Said("bad", "not connected")
    if door.seen_ms is None:
        link = words.Said("", "never heard")
    return {
        "reader": door.reader,
        "site": door.site,
        "place": f"Kiosk, {door.house}" if door.house is not None else door.room_code or "no room",
        "light": light,
        "light_words": _AT_REST if door.house is not None and light == "off" else LIGHTS[light],
        "session": door.session,
        "link": link.text,
        "link_kind": link.kind,
        "heard": f"{local.moment(door.seen_ms)}, {local.ago(door.seen_ms)}" if door.seen_ms is not None else
        "connect it, and give it its settings file",
        "backlog": str(door.backlog) if door.backlog else "nothing",
        "known": local.moment(door.known_until_ms) if door.known_until_ms is not None else "not known",
        "clock": clock(door),
        "roster": f"list of {local.moment(door.roster_ms)}, {local.lasting(local.now_ms - door.roster_ms)} old"
        if door.roster_ms else "no class list yet",
        "firmware": door.firmware,
        "board": board(door),
        "outages": outages(past, local),
        "problems": problems(door, local, rules),
    }  # fmt: skip


def clock(door: Door) -> str:
    """`clock right`, and how unsure it is where that is more than a second."""
    said = _CLOCKS.get(door.clock or "", "clock not known")
    if door.uncertainty_ms is not None and door.uncertainty_ms > UNSURE_MS:
        said += f", give or take {door.uncertainty_ms // 1000} s"
    return said


def board(door: Door) -> str:
    """Its signal, and what its parts suffered since it started; empty where it has not said."""
    said, parts = door.health, []
    if said.signal_dbm is not None:
        parts.append(f"signal {said.signal_dbm} dBm, {signal(said.signal_dbm)}")
    if said.chip_losses:
        parts.append(f"card chip lost {times(said.chip_losses)}")
    if said.storage_errors or said.damaged:
        parts.append(f"storage: {words_of_storage(said.storage_errors or 0, said.damaged or 0)}")
    elif said.room is not None:
        parts.append("storage well")
    return " · ".join(parts)


def words_of_storage(errors: int, damaged: int) -> str:
    """`2 records refused, 1 block damaged`."""
    parts = [f"{errors} {'record' if errors == 1 else 'records'} refused"] if errors else []
    parts += [f"{damaged} {'block' if damaged == 1 else 'blocks'} damaged"] if damaged else []
    return ", ".join(parts)


def signal(dbm: int) -> str:
    """In a word."""
    return "good" if dbm >= -65 else "fair" if dbm >= -75 else "weak"


def times(many: int) -> str:
    """`once`, `3 times`."""
    return "once" if many == 1 else f"{many} times"


def outages(past: Sequence[Outage], local: Local) -> str:
    """How often and how long it was out in the last DAYS days; each moment counts once."""
    if not past:
        return "none"
    from_ms = local.now_ms - DAYS * 86_400_000
    spans = [(one.from_ms, local.now_ms if one.to_ms is None else one.to_ms) for one in past]
    return f"{len(past)}, {local.lasting(outage_facts.overlap_ms(spans, from_ms, local.now_ms))}"


def problems(door: Door, local: Local, rules: Mapping[str, Rule]) -> list[dict[str, str]]:
    """What ails it now, each with its code and what to do."""
    found = [{"code": code, "text": text} for code, text in door.alarms]
    if door.able not in (None, "ok"):
        parts = str(door.able).split("+")
        told = "; ".join(_ABLE.get(part, "the reader says that it cannot take cards: look at it") for part in parts)
        found.insert(0, {"code": str(door.able), "text": told})
    if door.quarantined:
        many = "1 thing" if door.quarantined == 1 else f"{door.quarantined} things"
        found.append({"code": "quarantine", "text": f"{many} from it could not be believed or used"})
    for code, count in sorted(door.refused.items()):
        what = _REFUSED.get(code, "what it was sent")
        found.append({"code": code, "text": f"the reader refused {what}, {times(count)}"})
    # What a head says stands above already, and who is not heard is said in the line itself.
    measured = fleet.measures(door, local.now_ms)
    for one in rules.values():
        value = measured.get(one.measure)
        if value is not None and one.is_bad(value) and one.measure not in _SAID_ELSEWHERE:
            found.append({"code": one.name, "text": one.says})
    return found


_SAID_ELSEWHERE = (
    fleet_rules.SILENT_S, fleet_rules.UNABLE, fleet_rules.UNCLOCKED, fleet_rules.LIST_AGE_H, fleet_rules.ALARMS,
)  # fmt: skip
