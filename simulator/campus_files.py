"""A campus as the files a registry hands over: OneRoster 1.2 CSV, a timetable (RFC 5545) and a list of cards.

`write` makes them from an invented campus, so that a demo goes in through the importers like any other institution;
`read` takes a campus somebody else made (`--campus DIR`), for one day.
"""

import csv
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from simulator.campus import Campus, Class, Person, Session

_FILES = (
    "academicSessions categories classResources classes courseResources courses demographics enrollments "
    "lineItemLearningObjectiveIds lineItemScoreScales lineItems orgs resources resultLearningObjectiveIds "
    "resultScoreScales results roles scoreScales userProfiles userResources users"
).split()
_PRESENT = {"academicSessions", "classes", "courses", "enrollments", "orgs", "roles", "users"}


def write(campus: Campus, folder: Path) -> None:
    """Write `campus` into `folder`: the OneRoster files, `cards.csv` and `timetable.ics`."""
    folder.mkdir(parents=True, exist_ok=True)
    everybody = [*campus.people.values(), *campus.beside]
    students = {p.id for p in campus.people.values() if p.uid}
    first = min(s.starts_ms for s in campus.sessions)
    day = datetime.fromtimestamp(first / 1000, UTC).date()
    begin, end = (day - timedelta(days=60)).isoformat(), (day + timedelta(days=120)).isoformat()
    properties = [("manifest.version", "1.0"), ("oneroster.version", "1.2")]
    properties += [(f"file.{name}", "bulk" if name in _PRESENT else "absent") for name in _FILES]
    properties += [("source.systemName", campus.name), ("source.systemCode", "simulator")]
    _csv(folder / "manifest.csv", "propertyName value", properties)
    _csv(
        folder / "orgs.csv",
        "sourcedId status dateLastModified name type identifier parentSourcedId",
        [("org", "", "", campus.name, "school", "", "")],
    )
    _csv(
        folder / "academicSessions.csv",
        "sourcedId status dateLastModified title type startDate endDate parentSourcedId schoolYear",
        [("term", "", "", "Term", "term", begin, end, "", end[:4])],
    )
    _csv(
        folder / "courses.csv",
        "sourcedId status dateLastModified schoolYearSourcedId title courseCode grades orgSourcedId subjects subjectCodes",
        [(f"co-{c.id}", "", "", "", c.title, c.code.split("-")[0], "", "org", "", "") for c in campus.classes.values()],
    )
    _csv(
        folder / "classes.csv",
        "sourcedId status dateLastModified title grades courseSourcedId classCode classType location schoolSourcedId "
        "termSourcedIds subjects subjectCodes periods",
        [
            (c.id, "", "", c.title, "", f"co-{c.id}", c.code, "scheduled", "", "org", "term", "", "", "")
            for c in campus.classes.values()
        ],
    )
    _csv(
        folder / "users.csv",
        "sourcedId status dateLastModified enabledUser username userIds givenName familyName middleName identifier "
        "email sms phone agentSourcedIds grades password userMasterIdentifier preferredGivenName preferredMiddleName "
        "preferredFamilyName primaryOrgSourcedId pronouns",
        [
            (
                p.id,
                "",
                "",
                "true",
                p.id,
                "",
                p.given,
                p.family,
                "",
                p.id.upper(),
                f"{p.id}@example.ac",
                *[""] * 9,
                "org",
                "",
            )
            for p in everybody
        ],
    )
    _csv(
        folder / "roles.csv",
        "sourcedId status dateLastModified userSourcedId roleType role beginDate endDate orgSourcedId userProfileSourcedId",
        [
            (f"r-{p.id}", "", "", p.id, "primary", "student" if p.id in students else "teacher", "", "", "org", "")
            for p in everybody
        ],
    )
    enrolments = []
    for c in campus.classes.values():
        enrolments += [(f"e-{c.id}-{s}", "", "", c.id, "org", s, "student", "", "", "") for s in c.students]
        enrolments += [(f"e-{c.id}-{t}", "", "", c.id, "org", t, "teacher", "true", "", "") for t in c.staff]
    _csv(
        folder / "enrollments.csv",
        "sourcedId status dateLastModified classSourcedId schoolSourcedId userSourcedId role primary beginDate endDate",
        enrolments,
    )
    _csv(
        folder / "cards.csv",
        "userSourcedId uid",
        [(p.id, p.uid.hex().upper()) for p in everybody if p.uid],
    )
    (folder / "timetable.ics").write_bytes("\r\n".join(_calendar(campus)).encode() + b"\r\n")


def read(folder: Path, day: date, zone: str) -> Campus:
    """One day of a campus that somebody handed over. zone: IANA name of the place, which says when the day begins."""
    from icalendar import Calendar

    people = {
        row["sourcedId"]: Person(id=row["sourcedId"], given=row["givenName"], family=row["familyName"])
        for row in _rows(folder / "users.csv")
    }
    for row in _rows(folder / "cards.csv"):
        old = people[row["userSourcedId"]]
        people[old.id] = Person(id=old.id, given=old.given, family=old.family, uid=bytes.fromhex(row["uid"]))
    students: dict[str, list[str]] = {}
    staff: dict[str, list[str]] = {}
    for row in _rows(folder / "enrollments.csv"):
        where = students if row["role"] == "student" else staff
        where.setdefault(row["classSourcedId"], []).append(row["userSourcedId"])
    classes = {
        row["sourcedId"]: Class(
            id=row["sourcedId"],
            code=row["classCode"],
            title=row["title"],
            staff=tuple(staff.get(row["sourcedId"], ())),
            students=tuple(students.get(row["sourcedId"], ())),
        )
        for row in _rows(folder / "classes.csv")
    }
    by_code = {c.code: c for c in classes.values()}
    place = ZoneInfo(zone)
    sessions = []
    calendar = Calendar.from_ical((folder / "timetable.ics").read_bytes())
    for event in calendar.walk("VEVENT"):
        starts, ends = event.decoded("DTSTART"), event.decoded("DTEND")
        if not isinstance(starts, datetime) or starts.astimezone(place).date() != day:
            continue
        sessions.append(
            Session(
                uid=str(event["UID"]),
                class_id=by_code[_category(event)].id,
                room=str(event["LOCATION"]),
                starts_ms=int(starts.timestamp() * 1000),
                ends_ms=int(ends.timestamp() * 1000),
            )
        )
    if not sessions:
        raise SystemExit(f"there is no session on {day} in this timetable: choose another --day")
    return Campus(
        name=folder.name,
        zone=zone,
        rooms=tuple(sorted({s.room for s in sessions})),
        people=people,
        classes=classes,
        sessions=tuple(sorted(sessions, key=lambda s: (s.starts_ms, s.uid))),
    )


def _category(event: Any) -> str:
    found = event["CATEGORIES"]
    return str((found[0] if isinstance(found, list) else found).cats[0])


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def _csv(path: Path, columns: str, rows: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns.split())
        writer.writerows(rows)


def _calendar(campus: Campus) -> list[str]:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:-//Muster simulator//{campus.name}//EN"]
    for s in campus.sessions:
        c = campus.classes[s.class_id]
        lines += [
            "BEGIN:VEVENT",
            f"UID:{s.uid}",
            f"DTSTAMP:{_utc(s.starts_ms)}",
            f"DTSTART:{_utc(s.starts_ms)}",
            f"DTEND:{_utc(s.ends_ms)}",
            f"SUMMARY:{c.title}",
            f"CATEGORIES:{c.code}",
            f"LOCATION:{s.room}",
            "END:VEVENT",
        ]
    return [*lines, "END:VCALENDAR"]


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
