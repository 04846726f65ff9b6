"""Reads the folders of profiles: files are laid over one another by name and date, and each result is checked."""

from __future__ import annotations

import tomllib
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from server.errors import BadSetting
from server.policy import moments
from server.policy.profile import Profile, build


@dataclass(frozen=True, kw_only=True)
class _File:
    path: Path
    name: str
    begins: date | None
    like: str | None
    table: dict[str, Any]


def read(folder: Path, own: Path | None, time_zone: str) -> list[Profile]:
    """Every version of every profile. Raises BadSetting(`profile`) naming the file and the field."""
    zone = ZoneInfo(time_zone)
    if own is not None and not own.is_dir():
        raise BadSetting("profile", f"there is no folder {own} with an institution's own profiles")
    files = [_file(path) for place in (folder, own) if place is not None for path in sorted(place.glob("*.toml"))]
    found: dict[str, list[_File]] = {}
    for one in files:
        found.setdefault(one.name, []).append(one)
    made = []
    for name in sorted(found):
        table: dict[str, Any] = {}
        for one in _ordered(found[name]):
            table = _with_unsaid(_over(table or _start(one, found), one.table), found)
            from_ms = None if one.begins is None else moments.instant(one.begins, time.min, zone)
            made.append(build(one.path.name, deepcopy(table), name=name, from_ms=from_ms))
    return made


@dataclass(frozen=True, kw_only=True)
class Own:
    """A version of the institution's own, as its file says it."""

    #: the file's name
    file: str
    name: str
    #: holds for sessions from here on; 0: ever since
    from_ms: int
    #: everything the file says
    table: dict[str, Any]


def own_of(folder: Path | None, time_zone: str) -> list[Own]:
    """The versions of an institution's own folder; none: it has none. Raises BadSetting(`profile`)."""
    if folder is None:
        return []
    zone = ZoneInfo(time_zone)
    made = []
    for path in sorted(folder.glob("*.toml")):
        one = _file(path)
        from_ms = 0 if one.begins is None else moments.instant(one.begins, time.min, zone)
        table = one.table if one.like is None else {"like": one.like, **one.table}
        made.append(Own(file=path.name, name=one.name, from_ms=from_ms, table=table))
    return made


def _file(path: Path) -> _File:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadSetting("profile", f"{path.name} is not TOML: {error}") from error
    name, begins, like = table.pop("name", None), table.pop("from", None), table.pop("like", None)
    if not isinstance(name, str) or not 1 <= len(name) <= 32 or not name.replace("-", "").isalnum():
        raise BadSetting("profile", f"{path.name}: name must be a word of letters, digits and - of at most 32")
    if begins is not None and (not isinstance(begins, date) or isinstance(begins, datetime)):
        raise BadSetting("profile", f"{path.name}: from must be a date, such as 2027-08-01")
    if like is not None and not isinstance(like, str):
        raise BadSetting("profile", f"{path.name}: like must be a profile's name")
    return _File(path=path, name=name, begins=begins, like=like, table=table)


def _ordered(files: list[_File]) -> list[_File]:
    ordered = sorted(files, key=lambda one: one.begins or date.min)
    for before, after in pairwise(ordered):
        if before.begins == after.begins:
            when = f"from {after.begins}" if after.begins else "without a date"
            raise BadSetting("profile", f"{after.path.name}: {before.path.name} is {after.name} {when} already")
    for one in ordered[1:]:
        if one.like is not None:
            raise BadSetting("profile", f"{one.path.name}: like belongs to the first version of {one.name}")
    return ordered


def _start(one: _File, found: dict[str, list[_File]]) -> dict[str, Any]:
    if one.like is None:
        return {}
    base = [file for file in found.get(one.like, ()) if file.begins is None and file.like is None]
    if not base:
        raise BadSetting("profile", f"{one.path.name}: like names {one.like!r}, which is no profile to start from")
    return deepcopy(base[0].table)


#: what a profile need not say: table -> the shipped one whose it is then, and the table that makes it needed. These were
#: no parameters once, and a version that has begun cannot be changed to say them.
_UNSAID = {"list_tier": ("port", "tiers"), "late_tier": ("ddu", "programme")}


def _with_unsaid(table: dict[str, Any], found: dict[str, list[_File]]) -> dict[str, Any]:
    made = dict(table)
    for name, (shipped, needed_by) in _UNSAID.items():
        base = next((file.table for file in found.get(shipped, ()) if name in file.table), None)
        if needed_by in made and base is not None:
            made.setdefault(name, deepcopy(base[name]))
    return made


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`: tables are joined, a parameter is replaced, and what is `{}` above goes."""
    made = dict(below)
    for key, value in above.items():
        if value == {}:
            made.pop(key, None)
            continue
        there = made.get(key)
        if isinstance(value, dict) and isinstance(there, dict) and "value" not in value:
            made[key] = _over(there, value)
        else:
            made[key] = value
    return made
