"""Which department each student belongs to, where the files say so: by the organisation of type `department` that they name.
Nobody is guessed into one, and nobody whom the files leave without one loses theirs. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from server.imports.badrows import quoted
from server.imports.roster import Org, Roster, User
from server.imports.summary import Summary
from server.store.imported import Changes, Held
from server.store.imported_departments import Department

#: how the summary calls it
WHAT = "places in departments"


def plan(students: Mapping[str, User], roster: Roster, held: Held, changes: Changes, summary: Summary) -> None:
    """students: sourcedId -> who is one, and here. All about a student is read by their department: what the files do not say
    of one alone stays as it is, and is told."""
    known = {sid: _here(org, held.departments) for sid, org in roster.departments.items()}
    summary.before[WHAT] = len(held.places)
    several, unknown = 0, Counter[str]()
    for sid, user in students.items():
        named = [one for one in dict.fromkeys(user.orgs) if one in known]
        if user.primary_org in known:
            named = [user.primary_org]
        if not named:
            continue
        if len(named) > 1:
            several += 1
            continue
        wanted = known[named[0]]
        if wanted is None:
            unknown[named[0]] += 1
            continue
        place = held.places.get(sid)
        if place is None:
            summary.add(WHAT, "added", f"person {sid}: department {wanted.code}")
        elif place.department_id != wanted.id:
            summary.add(WHAT, "moved", f"person {sid}: to department {wanted.code}")
        else:
            continue
        changes.departments.append({"user_sid": sid, "department_id": wanted.id})
    for org, count in sorted(unknown.items()):
        name = quoted(roster.departments[org].name or org)
        summary.notes.append(
            f"department {name} of orgs.csv is none of this institution's by its code or title: {count} of its students keep theirs"
        )
    if several:
        summary.notes.append(
            f"{several} students are in several departments, none of them the primary one: they keep theirs"
        )


def _here(org: Org, departments: list[Department]) -> Department | None:
    """The department that is meant: by its code, else by its title alone."""
    codes = [one.casefold() for one in (org.identifier, org.sid, org.name) if one]
    for code in codes:
        found = [one for one in departments if one.code.casefold() == code]
        if len(found) == 1:
            return found[0]
    titled = [one for one in departments if org.name and one.title.casefold() == org.name.casefold()]
    return titled[0] if len(titled) == 1 else None
