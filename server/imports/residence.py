"""The residence's files: `houses.csv` (code, name), `residents.csv` (number, house, and if known floor, room, from, to) and
`duty.csv` (number, house, and if known from, to). docs/imports.md is their manual.

Each file that is there is the whole list of its source: who is not on it any more, lives there, or is on duty there, no
longer. What was set by hand stays as it is. Dates are days, from their beginning; `to` is the last day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from server.imports import csvfile
from server.imports.badrows import BadRows, quoted
from server.imports.summary import Summary
from server.policy.moments import instant
from server.scope import Scope
from server.store import campus, imported, residence_admin
from server.store.engine import Connection
from server.store.imported_residence import Held, Lives

HOUSES, RESIDENTS, DUTY = FILES = ("houses.csv", "residents.csv", "duty.csv")
#: the columns that a file needs, and those that it may have besides
COLUMNS = {HOUSES: ("code", "name"), RESIDENTS: ("number", "house"), DUTY: ("number", "house")}
OPTIONAL = {HOUSES: (), RESIDENTS: ("floor", "room", "from", "to"), DUTY: ("from", "to")}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A row of residents or duty. from_ms None: since it was first seen."""

    line: int
    number: str
    house: str
    floor: str
    room: str
    from_ms: int | None
    to_ms: int | None


@dataclass(frozen=True, kw_only=True)
class Files:
    """What the files say. None: the file is not there, and what it would say stays as it is."""

    houses: dict[str, str] | None
    residents: list[Wanted] | None
    duties: list[Wanted] | None


def read(files: Mapping[str, bytes], zone: ZoneInfo, bad: BadRows) -> Files:
    """Read the files that are there. What is wrong goes to `bad`. Codes: csv-..., residence-...."""
    houses: dict[str, str] | None = None
    if HOUSES in files:
        houses = {}
        for row in csvfile.read(HOUSES, files[HOUSES], COLUMNS[HOUSES], bad):
            code = row["code"]
            if not code or not row["name"] or len(code) > residence_admin.CODE_MAX:
                bad.add(HOUSES, row.line, "residence-house", "needs a code of at most 64 characters, and a name")
            elif code in houses:
                bad.add(HOUSES, row.line, "residence-house-twice", f"names the house {quoted(code)} again")
            else:
                houses[code] = row["name"]
    return Files(
        houses=houses,
        residents=_people(RESIDENTS, files, zone, bad) if RESIDENTS in files else None,
        duties=_people(DUTY, files, zone, bad) if DUTY in files else None,
    )


def _people(name: str, files: Mapping[str, bytes], zone: ZoneInfo, bad: BadRows) -> list[Wanted]:
    found = []
    for row in csvfile.read(name, files[name], COLUMNS[name], bad):
        if not row["number"] or not row["house"]:
            bad.add(name, row.line, "residence-row", "needs a person's number and a house's code")
            continue
        if len(row["floor"]) > 32 or len(row["room"]) > 64:
            bad.add(name, row.line, "residence-row", "has a floor of over 32 characters, or a room of over 64")
            continue
        try:
            first = date.fromisoformat(row["from"]) if row["from"] else None
            last = date.fromisoformat(row["to"]) if row["to"] else None
        except ValueError:
            bad.add(name, row.line, "residence-date", "has a date that is not written 2026-10-12")
            continue
        if first and last and last < first:
            bad.add(name, row.line, "residence-date", "ends before it begins")
            continue
        found.append(
            Wanted(
                line=row.line,
                number=row["number"],
                house=row["house"],
                floor=row["floor"],
                room=row["room"],
                from_ms=instant(first, time.min, zone) if first else None,
                to_ms=instant(last + timedelta(days=1), time.min, zone) if last else None,
            )
        )
    return found


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is to be written."""

    new_houses: list[tuple[str, str]]
    renamed: list[tuple[int, str]]
    #: new rows: (wanted, person id); whoever lives elsewhere moves
    residents: list[tuple[Wanted, int]]
    rooms: list[tuple[Lives, Wanted]]
    #: rows whose dates differ
    redated: list[tuple[Lives, Wanted]]
    left: list[Lives]
    duties: list[tuple[Wanted, int]]
    #: duties whose last day differs
    reduty: list[tuple[Lives, Wanted]]
    relieved: list[Lives]

    def any(self) -> bool:
        """Whether there is anything."""
        return any(getattr(self, name) for name in self.__dataclass_fields__)


def plan(files: Files, held: Held, source: str, now_ms: int, bad: BadRows) -> tuple[Changes, Summary]:
    """Compare the files with what is held. What is wrong goes to `bad`."""
    made = Changes(
        new_houses=[], renamed=[], residents=[], rooms=[], redated=[], left=[], duties=[], reduty=[], relieved=[]
    )
    told = Summary()
    for code, name in (files.houses or {}).items():
        there = held.houses.get(code)
        if there is None:
            made.new_houses.append((code, name))
            told.add("houses", "added", code)
        elif there[1] != name or there[2]:
            made.renamed.append((there[0], name))
            told.add("houses", "changed", code)
    # A house that has ended is open again where the houses' list names it.
    houses = {code for code, (_, _, ended) in held.houses.items() if not ended} | set(files.houses or {})
    if files.residents is not None:
        _residents(files.residents, held, houses, source, now_ms, made, told, bad)
    if files.duties is not None:
        _duties(files.duties, held, houses, source, now_ms, made, told, bad)
    return made, told


def _person(file: str, one: Wanted, held: Held, houses: set[str], bad: BadRows) -> int | None:
    who = held.people.get(one.number, set())
    if len(who) != 1:
        text = "is a number that nobody has" if not who else "is a number that several persons have"
        bad.add(file, one.line, "residence-person", f"{quoted(one.number)} {text}: import the persons first")
    if one.house not in houses:
        bad.add(
            file, one.line, "residence-house", f"names the house {quoted(one.house)}, which is not known, or has ended"
        )
    return next(iter(who)) if len(who) == 1 and one.house in houses else None


def _residents(
    wanted: list[Wanted],
    held: Held,
    houses: set[str],
    source: str,
    now_ms: int,
    made: Changes,
    told: Summary,
    bad: BadRows,
) -> None:
    mine = {one.person_id: one for one in held.residents if one.source == source}
    by_hand = {one.person_id for one in held.residents if one.source == campus.SOURCE}
    told.before["residents"] = len(mine)
    seen: set[int] = set()
    for one in wanted:
        person_id = _person(RESIDENTS, one, held, houses, bad)
        if person_id is None or (one.to_ms is not None and one.to_ms <= now_ms):
            continue
        if person_id in seen:
            bad.add(RESIDENTS, one.line, "residence-twice", f"names {quoted(one.number)} again: one lives in one place")
            continue
        seen.add(person_id)
        there = mine.get(person_id)
        if there is None and person_id in by_hand:
            told.notes.append(f"{RESIDENTS}, line {one.line}: lives where it was set by hand; left as it is")
        elif there is None or there.house != one.house:
            made.residents.append((one, person_id))
            told.add("residents", "added" if there is None else "moved", f"line {one.line}: {one.house} {one.room}")
        else:
            if (there.floor, there.room) != (one.floor, one.room):
                made.rooms.append((there, one))
                told.add("residents", "changed", f"line {one.line}: {one.house} {one.room}")
            if there.to_ms != one.to_ms or (one.from_ms is not None and there.from_ms != one.from_ms):
                made.redated.append((there, one))
                told.add("residents", "changed", f"line {one.line}: dates")
    for person_id, there in mine.items():
        if person_id not in seen:
            made.left.append(there)
            told.add("residents", "ended", f"{there.house} {there.room}")


def _duties(
    wanted: list[Wanted],
    held: Held,
    houses: set[str],
    source: str,
    now_ms: int,
    made: Changes,
    told: Summary,
    bad: BadRows,
) -> None:
    mine = [one for one in held.duties if one.source == source]
    told.before["duties"] = len(mine)
    kept: set[int] = set()
    for one in wanted:
        person_id = _person(DUTY, one, held, houses, bad)
        if person_id is None or (one.to_ms is not None and one.to_ms <= now_ms):
            continue
        same = [there for there in mine if (there.person_id, there.house) == (person_id, one.house)]
        there = next(
            (each for each in same if each.id not in kept and one.from_ms in (None, each.from_ms)),
            None,
        )
        if there is None:
            made.duties.append((one, person_id))
            told.add("duties", "added", f"line {one.line}: {one.house}")
            continue
        kept.add(there.id)
        if there.to_ms != one.to_ms:
            made.reduty.append((there, one))
            told.add("duties", "changed", f"line {one.line}: {one.house}, dates")
    for there in mine:
        if there.id not in kept:
            made.relieved.append(there)
            told.add("duties", "ended", there.house)


def apply(
    connection: Connection, scope: Scope, source: str, changes: Changes, now_ms: int, each: imported.Step
) -> None:
    """Write them."""
    each("houses")
    for code, name in changes.new_houses:
        residence_admin.add_house(connection, scope, code, name, now_ms, source=source)
    for house_id, name in changes.renamed:
        residence_admin.change_house(connection, scope, house_id, name, now_ms)

    def house(code: str) -> int:
        found = residence_admin.house_by_code(connection, scope.institution_id, code)
        assert found is not None, "the plan knows only houses that are there"
        return found

    each("residents")
    for there in changes.left:
        residence_admin.end_resident(connection, scope, there.id, now_ms, now_ms)
    for one, person_id in changes.residents:
        residence_admin.add_resident(
            connection,
            scope,
            house(one.house),
            person_id,
            now_ms if one.from_ms is None else one.from_ms,
            now_ms,
            floor=one.floor,
            room=one.room,
            to_ms=one.to_ms,
            source=source,
        )
    for there, one in changes.rooms:
        residence_admin.change_resident(connection, scope, there.id, floor=one.floor, room=one.room, now_ms=now_ms)
    for there, one in changes.redated:
        from_ms = there.from_ms if one.from_ms is None else one.from_ms
        residence_admin.date_resident(connection, scope, there.id, from_ms, one.to_ms, now_ms)
    each("duty")
    for there in changes.relieved:
        residence_admin.end_duty(connection, scope, there.id, now_ms, now_ms)
    for one, person_id in changes.duties:
        from_ms = now_ms if one.from_ms is None else one.from_ms
        residence_admin.add_duty(
            connection, scope, house(one.house), person_id, from_ms, now_ms, to_ms=one.to_ms, source=source
        )
    for there, one in changes.reduty:
        residence_admin.end_duty(connection, scope, there.id, one.to_ms, now_ms)
