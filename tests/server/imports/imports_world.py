"""A registrar's office: a store, files to import, and what the store says afterwards."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from server.clock import Clock
from server.imports import run
from server.imports.rules import Rules
from server.policy import profile
from server.store import institutions, schema
from server.store.engine import open_engine, reading, writing
from server.vault import Vault

LONDON = "Europe/London"
#: Thursday 2026-10-01, noon in London
OCTOBER = int(datetime.datetime(2026, 10, 1, 11, tzinfo=datetime.UTC).timestamp() * 1000)
HOUR = 3_600_000
DAY = 24 * HOUR


def at(text: str, zone: str = LONDON) -> int:
    """Epoch ms of a local time such as 2026-10-26 09:00."""
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


ORGS = ["sourcedId,name,type", "org,College,school"]
TERMS = ["sourcedId,title,type,startDate,endDate", "autumn,Autumn,term,2026-09-28,2026-12-19"]
COURSES = ["sourcedId,title,courseCode", "c1,Physics,PHY1", "c2,History,HIS1"]
CLASSES = [
    "sourcedId,title,courseSourcedId,classCode,classType,schoolSourcedId,termSourcedIds",
    "k1,Physics A,c1,PHY1-A,scheduled,org,autumn",
    "k2,History A,c2,HIS1-A,scheduled,org,autumn",
]
USERS = [
    "sourcedId,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email",
    "s1,true,ada,,Ada,Zuse,,N1,ada@example.org",
    "s2,true,bob,,Bob,Young,,N2,",
    "s3,true,cem,,Cem,Xing,,N3,",
    "t1,true,tea,,Tea,Teacher,,N9,",
    "t2,true,tom,,Tom,Teacher,,N8,",
]
ROLES = [
    "sourcedId,userSourcedId,roleType,role,orgSourcedId",
    "r1,s1,primary,student,org",
    "r2,s2,primary,student,org",
    "r3,s3,primary,student,org",
    "r4,t1,primary,teacher,org",
    "r5,t2,primary,teacher,org",
]
ENROLLMENTS = [
    "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate",
    "e1,k1,org,s1,student,,,",
    "e2,k1,org,s2,student,,,",
    "e3,k2,org,s3,student,,,",
    "e4,k1,org,t1,teacher,,,",
]
CARDS = ["userSourcedId,uid", "s1,04A1B2C3D4E501", "s2,04A1B2C3D4E502", "s3,B0A1C203"]
PACKAGE = {
    "orgs": ORGS,
    "academicSessions": TERMS,
    "courses": COURSES,
    "classes": CLASSES,
    "users": USERS,
    "roles": ROLES,
    "enrollments": ENROLLMENTS,
}


def with_status(lines: list[str], *statuses: str) -> list[str]:
    """The lines with a column `status`, as a delta has it; active where none is said."""
    rest = [*statuses, *["active"] * len(lines)]
    return [f"{lines[0]},status", *(f"{line},{rest[n]}" for n, line in enumerate(lines[1:]))]


def event(uid: str, starts: str, ends: str, *more: str, zone: str = LONDON, room: str = "R1", code: str = "PHY1-A"):
    """A VEVENT; times are local, such as 20261005T090000."""
    where = f";TZID={zone}" if zone else ""
    lines = [f"UID:{uid}", f"DTSTART{where}:{starts}", f"DTEND{where}:{ends}", "SUMMARY:Lecture", f"CATEGORIES:{code}"]
    return ["BEGIN:VEVENT", *lines, *([f"LOCATION:{room}"] if room else []), *more, "END:VEVENT"]


def calendar(*events: list[str], head: tuple[str, ...] = ()) -> bytes:
    """A whole file."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", *head]
    for one in events:
        lines += one
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


class Office:
    """A store and a desk with files. now_ms is set by the test."""

    def __init__(self, url: str, folder: Path, zone: str = LONDON) -> None:
        self.engine = open_engine(url)
        self.url, self.folder, self.now_ms, self.zone = url, folder, OCTOBER, zone
        with writing(self.engine) as connection:
            self.institution = institutions.ensure(connection, "main", zone, self.now_ms)
        self.vault = Vault(b"k" * 32)
        self.store = run.Store(
            engine=self.engine,
            clock=Clock(real=lambda: self.now_ms / 1000),
            vault=self.vault,
            institution=self.institution,
            profiles=profile.read_all(time_zone=zone),
        )
        self._numbers = iter(range(1_000_000))

    def close(self) -> None:
        self.engine.dispose()

    def package(
        self, files=None, *, cards=None, mode: str = "bulk", manifest: bool = True, version: str = "1.2"
    ) -> Path:
        """A folder with these files (default: the small college)."""
        files = PACKAGE if files is None else files
        path = self.folder / f"package{next(self._numbers)}"
        path.mkdir()
        for name, lines in files.items():
            (path / f"{name}.csv").write_text("\n".join(lines) + "\n", newline="")
        if cards is not None:
            (path / "cards.csv").write_text("\n".join(cards) + "\n")
        if manifest:
            lines = ["propertyName,value", "manifest.version,1.0", f"oneroster.version,{version}"]
            lines += [f"file.{name},{mode if name in files else 'absent'}" for name in PACKAGE]
            (path / "manifest.csv").write_text("\n".join(lines) + "\n")
        return path

    def roster(self, files=None, *, cards=None, mode: str = "bulk", **more):
        """Import a package."""
        return self.roster_at(self.package(files, cards=cards, mode=mode), **more)

    def roster_at(self, path: Path, **more):
        """Import what lies there."""
        return run.import_oneroster(self.store, path, **more)

    def timetable(self, data: bytes, rules: Rules | None = None, **more):
        """Import a calendar."""
        path = self.folder / f"timetable{next(self._numbers)}.ics"
        path.write_bytes(data)
        return run.import_timetable(self.store, path, rules or Rules(), **more)

    def rows(self, table, *where):
        with reading(self.engine) as connection:
            return connection.execute(select(table).where(*where).order_by(*table.primary_key.columns)).all()

    def everything(self) -> dict[str, list[tuple]]:
        """Every row of every table."""
        return {name: [tuple(row) for row in self.rows(table)] for name, table in schema.metadata.tables.items()}

    def keys(self) -> dict[str, set[tuple]]:
        """The primary keys of every table but `due`, whose rows are work to do and no facts."""
        return {
            name: {tuple(row._mapping[column] for column in table.primary_key.columns) for row in self.rows(table)}
            for name, table in schema.metadata.tables.items()
            if name != "due"
        }

    def campus_change(self) -> int:
        with reading(self.engine) as connection:
            return institutions.campus_change(connection, self.institution.id)

    def person(self, sid: str) -> int:
        external = schema.person_external_id
        return self.rows(external, external.c.source == "oneroster", external.c.external_id == sid)[0].person_id

    def members(self, code: str, when_ms: int, role: str = "student") -> set[str]:
        """sourcedIds of whoever is on the list of the class at that time."""
        names = {
            row.person_id: row.external_id for row in self.rows(schema.person_external_id) if row.source == "oneroster"
        }
        group = next(row.id for row in self.rows(schema.class_group) if row.code == code)
        enrolment = schema.enrolment
        return {
            names[row.person_id]
            for row in self.rows(enrolment, enrolment.c.class_id == group, enrolment.c.role == role)
            if row.from_ms <= when_ms and (row.to_ms is None or when_ms < row.to_ms)
        }

    def cards_of(self, sid: str, when_ms: int | None = None) -> list[int]:
        """Ids of the cards that this user has at that time."""
        when_ms = self.now_ms if when_ms is None else when_ms
        assignment = schema.card_assignment
        return [
            row.card_id
            for row in self.rows(assignment, assignment.c.person_id == self.person(sid))
            if row.from_ms <= when_ms and (row.to_ms is None or when_ms < row.to_ms)
        ]

    def sessions(self) -> list[dict]:
        """The sessions by start, with local times, and their rooms, classes and staff as they are now."""
        rooms = {row.id: row.code for row in self.rows(schema.room)}
        classes = {row.id: row.code for row in self.rows(schema.class_group)}
        names = {
            row.person_id: row.external_id for row in self.rows(schema.person_external_id) if row.source == "oneroster"
        }

        def of(table, column, known):
            found: dict[int, list[str]] = {}
            for row in self.rows(table, table.c.to_ms.is_(None)):
                found.setdefault(row.session_id, []).append(known[getattr(row, column)])
            return found

        of_rooms, of_classes = of(schema.session_room, "room_id", rooms), of(schema.session_class, "class_id", classes)
        of_staff = of(schema.session_staff, "person_id", names)
        return [
            {
                "id": row.id,
                "uid": row.uid,
                "recurrence_id": row.recurrence_id,
                "starts": self.local(row.starts_ms),
                "ends": self.local(row.ends_ms),
                "opens": self.local(row.opens_ms),
                "closes": self.local(row.closes_ms),
                "title": row.title,
                "rooms": sorted(of_rooms.get(row.id, [])),
                "classes": sorted(of_classes.get(row.id, [])),
                "staff": sorted(of_staff.get(row.id, [])),
                "cancelled": row.cancelled_ms is not None,
            }
            for row in sorted(self.rows(schema.session), key=lambda row: (row.starts_ms, row.id))
        ]

    def local(self, ms: int) -> str:
        return datetime.datetime.fromtimestamp(ms / 1000, ZoneInfo(self.zone)).strftime("%Y-%m-%d %H:%M")

    def count(self, table) -> int:
        with reading(self.engine) as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()


def here() -> dict[str, str]:
    """The environment of a child process that imports from this tree."""
    root = Path(__file__).resolve().parents[3]
    return {**os.environ, "PYTHONPATH": str(root)}
