"""The fleet's figures for Prometheus: of the whole for anybody, of each reader for whoever may read doors.

METRICS and EACH are the only places where a metric's name stands with its meaning; docs/fleet.md lists the same, and the
Grafana dashboard in packaging/ asks for nothing else. No student is in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from server.fleet import measures
from server.policy import fleet_rules
from server.store import doors, fleet_alerts
from server.store.doors import Door
from server.store.engine import Connection

PREFIX = "muster_"
#: of the whole: name without the prefix -> (type, help)
METRICS = {
    "readers": ("gauge", "Readers by whether they are heard: connected, away, never"),
    "readers_backlog": ("gauge", "Records that readers hold and the store does not"),
    "readers_unable": ("gauge", "Connected readers that cannot take cards"),
    "readers_unclocked": ("gauge", "Connected readers without a clock"),
    "readers_out": ("gauge", "Outages that go on, by kind"),
    "reader_alerts": ("gauge", "Alerts that are on, by rule"),
}
#: of each reader, with labels reader, room, building
EACH = {
    "reader_up": ("gauge", "1 while it is heard"),
    "reader_able": ("gauge", "1 while it takes cards"),
    "reader_light": ("gauge", "1 for the light that it shows now, by light"),
    "reader_seen_seconds": ("gauge", "Since anything authentic of it came"),
    "reader_known_seconds": ("gauge", "Since the time up to which its door is known"),
    "reader_backlog": ("gauge", "Records that it holds and the store does not"),
    "reader_clock_uncertainty_seconds": ("gauge", "How wrong its clock may be"),
    "reader_list_age_seconds": ("gauge", "Age of the class list that it holds"),
    "reader_signal_dbm": ("gauge", "How it hears its access point"),
    "reader_chip_losses": ("gauge", "How often its card chip was lost since it started"),
    "reader_storage_faults": ("gauge", "Appends that failed and blocks that are damaged"),
    "reader_room": ("gauge", "Records that surely still fit"),
    "reader_info": ("gauge", "Always 1, with its firmware"),
}


class Line(NamedTuple):
    """One sample: name without the prefix, its labels, its value."""

    name: str
    labels: dict[str, str]
    value: float


def whole(connection: Connection, institution_id: int, name: str, now_ms: int) -> list[Line]:
    """The figures of one institution's fleet."""
    every = doors.every(connection, institution_id, now_ms)
    heard = [one for one in every if measures.is_heard(one, now_ms)]
    never = sum(one.seen_ms is None for one in every)
    here = {"institution": name}
    counts = {"connected": len(heard), "away": len(every) - len(heard) - never, "never": never}
    out = Counter(kind for one in every for kind in one.down)
    rules = Counter(one.rule for one in fleet_alerts.open_alerts(connection, institution_id))
    return [
        *(Line("readers", here | {"state": state}, many) for state, many in counts.items()),
        Line("readers_backlog", here, sum(one.backlog for one in every)),
        Line("readers_unable", here, sum(one.able not in (None, "ok") for one in heard)),
        Line("readers_unclocked", here, sum(one.clock == "none" for one in heard)),
        *(Line("readers_out", here | {"kind": kind}, many) for kind, many in sorted(out.items())),
        *(Line("reader_alerts", here | {"rule": rule}, many) for rule, many in sorted(rules.items())),
    ]


def each(connection: Connection, institution_id: int, now_ms: int) -> list[Line]:
    """The figures of each reader of this institution; what is not known of one is left out."""
    found: list[Line] = []
    for door in doors.every(connection, institution_id, now_ms):
        labels = {"reader": door.reader, "room": door.room_code or door.house or "", "building": door.place.building}
        found += [Line(name, labels | more, value) for name, more, value in _of(door, now_ms) if value is not None]
    return found


def _of(door: Door, now_ms: int) -> list[tuple[str, dict[str, str], float | None]]:
    heard = measures.is_heard(door, now_ms)
    measured = measures.measures(door, now_ms)

    def since(at_ms: int | None) -> float | None:
        return None if at_ms is None else max(0, now_ms - at_ms) / 1000

    unsure = door.uncertainty_ms
    return [
        ("reader_up", {}, float(heard)),
        ("reader_able", {}, None if door.able is None else float(door.able == "ok")),
        ("reader_light", {"light": door.light if heard else "unknown"}, 1.0),
        ("reader_seen_seconds", {}, since(door.seen_ms)),
        ("reader_known_seconds", {}, since(door.known_until_ms)),
        ("reader_backlog", {}, door.backlog),
        ("reader_clock_uncertainty_seconds", {}, None if unsure is None else unsure / 1000),
        ("reader_list_age_seconds", {}, since(door.roster_ms)),
        ("reader_signal_dbm", {}, measured.get(fleet_rules.SIGNAL_DBM)),
        ("reader_chip_losses", {}, measured.get(fleet_rules.CHIP_LOSSES)),
        ("reader_storage_faults", {}, measured.get(fleet_rules.STORAGE_FAULTS)),
        ("reader_room", {}, measured.get(fleet_rules.ROOM)),
        ("reader_info", {"firmware": door.firmware or ""}, 1.0),
    ]


def text(lines: list[Line]) -> str:
    """In Prometheus' text format (0.0.4): a metric's lines stand together."""
    about, said = METRICS | EACH, []
    for name, (sort, helps) in about.items():
        mine = [line for line in lines if line.name == name]
        if mine:
            said += [f"# HELP {PREFIX}{name} {helps}", f"# TYPE {PREFIX}{name} {sort}"]
        for line in mine:
            labels = labelled(line.labels)
            value = int(line.value) if float(line.value).is_integer() else line.value
            said.append(f"{PREFIX}{name}{{{labels}}} {value}" if labels else f"{PREFIX}{name} {value}")
    return "".join(f"{line}\n" for line in said)


def labelled(labels: Mapping[str, str]) -> str:
    """`key="value"` of each, with what would end a value early escaped."""
    return ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
