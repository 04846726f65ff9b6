"""The rules file: how a timetable's words become our classes and rooms. docs/imports.md describes it for people."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from server.errors import BadSetting

FIELDS = ("CATEGORIES", "SUMMARY", "DESCRIPTION", "LOCATION")
REFUSE, SKIP = "refuse", "skip"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Everything that can be said. Patterns: what group 1 finds (all of it where there is no group) is the name."""

    #: name of the timetable: what is missing from a file ends only if it came from the same source
    source: str = "timetable"
    #: IANA zone of starts that name none
    zone: str = ""
    #: an event of which no class is known: refuse the file, or skip the event
    unmatched: str = REFUSE
    #: events that match one of these in any field are no sessions
    ignore: tuple[re.Pattern[str], ...] = ()
    kind: str = "class"
    class_fields: tuple[str, ...] = ("CATEGORIES", "SUMMARY", "DESCRIPTION")
    class_pattern: re.Pattern[str] | None = None
    #: what the timetable writes -> class codes
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    room_fields: tuple[str, ...] = ("LOCATION",)
    room_pattern: re.Pattern[str] | None = None
    room_separators: str = ",;"
    #: what the timetable writes -> room codes; none: no room
    room_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_KEYS = {
    "": {"source", "zone", "unmatched", "ignore", "kind"},
    "class": {"fields", "pattern", "names"},
    "room": {"fields", "pattern", "names", "separators"},
}


def read(path: Path) -> Rules:
    """The rules in a file. Raises BadSetting(`rules-file`) saying what is wrong with it."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(path, f"cannot be read: {error}") from error
    classes, rooms = table.pop("class", {}), table.pop("room", {})
    for name, part in (("", table), ("class", classes), ("room", rooms)):
        if not isinstance(part, dict):
            raise _wrong(path, f"[{name}] is a table")
        if extra := set(part) - _KEYS[name]:
            raise _wrong(path, f"{f'[{name}] ' if name else ''}has no setting {', '.join(sorted(extra))}")
    default = Rules()
    try:
        rules = Rules(
            source=_word(table.get("source", default.source), 64),
            zone=_word(table.get("zone", ""), 64),
            unmatched=_word(table.get("unmatched", REFUSE), 16),
            ignore=tuple(re.compile(_word(one, 1000)) for one in _list(table.get("ignore", []))),
            kind=_word(table.get("kind", default.kind), 32),
            class_fields=tuple(_word(one, 16).upper() for one in _list(classes.get("fields", default.class_fields))),
            class_pattern=_pattern(classes),
            class_names=_names(classes),
            room_fields=tuple(_word(one, 16).upper() for one in _list(rooms.get("fields", default.room_fields))),
            room_pattern=_pattern(rooms),
            room_separators=_word(rooms.get("separators", default.room_separators), 16),
            room_names=_names(rooms),
        )
    except (TypeError, ValueError, re.error) as error:
        raise _wrong(path, str(error)) from error
    if set(rules.class_fields + rules.room_fields) - set(FIELDS):
        raise _wrong(path, f"fields are {', '.join(FIELDS)}")
    if rules.unmatched not in (REFUSE, SKIP) or not rules.source or not rules.kind:
        raise _wrong(path, f"unmatched is {REFUSE} or {SKIP}; source and kind are not empty")
    if rules.zone:
        zone_named(rules.zone)
    return rules


def zone_named(name: str) -> ZoneInfo:
    """The IANA zone. Raises BadSetting(`time-zone`)."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadSetting("time-zone", f"there is no IANA time zone {name!r}; one is Europe/London") from error


def _wrong(path: Path, text: str) -> BadSetting:
    return BadSetting("rules-file", f"{path.name}: {text}; see docs/imports.md")


def _word(value: object, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise TypeError(f"{value!r} is no text of at most {longest} characters")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{value!r} is no list")
    return list(value)


def _pattern(table: Mapping[str, object]) -> re.Pattern[str] | None:
    return re.compile(_word(table["pattern"], 1000)) if "pattern" in table else None


def _names(table: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    names = table.get("names", {})
    if not isinstance(names, dict):
        raise TypeError("names is a table")
    found: dict[str, tuple[str, ...]] = {}
    for key, value in names.items():
        found[plain(key)] = tuple(_word(one, 64) for one in ([value] if isinstance(value, str) else _list(value)))
    return found


def plain(text: str) -> str:
    """A name as it is compared: case and blanks aside."""
    return " ".join(text.split()).casefold()
