"""OneRoster 1.1 and 1.2 CSV files to a roster of plain values. What is wrong with a row goes to the bad rows.

OneRoster's begin dates are included and its end dates are not; both are local days of the institution.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TypeVar
from zoneinfo import ZoneInfo

from server import names
from server.imports import cardlist, csvfile
from server.imports.badrows import BadRows, quoted
from server.imports.bundle import ABSENT, BULK, CARDS, DELTA, READ, Bundle
from server.imports.cardlist import CardRow
from server.imports.roster import Class, Course, Enrolment, Org, Roster, Term, User

STUDENT, TEACHER = "student", "teacher"
KEPT_ROLES = (STUDENT, TEACHER)
#: every role of 1.1 and 1.2; 1.2 also allows `ext:` and anything
ROLES = frozenset(
    "administrator aide counselor districtadministrator guardian parent principal proctor relative "
    "siteadministrator student systemadministrator teacher".split()
)
_STATUSES = ("active", "tobedeleted", "inactive")
LONGEST_ID, LONGEST_CODE = 255, 64


def read(package: Bundle, zone: ZoneInfo, bad: BadRows) -> Roster:
    """The package's roster. zone: the institution's, for dates."""
    return _Reader(package, zone, bad).roster()


def _listed(cell: str) -> tuple[str, ...]:
    """What a cell holds that lists several, parted by commas."""
    return tuple(one.strip() for one in cell.split(",") if one.strip())


Made = TypeVar("Made", User, Term, Course, Class, Enrolment)


class _Reader:
    """Reads one package."""

    def __init__(self, package: Bundle, zone: ZoneInfo, bad: BadRows) -> None:
        self._package, self._zone, self._bad = package, zone, bad
        self._left_out: dict[str, int] = {}
        self._seen: set[tuple[str, str]] = set()
        self._cards: list[CardRow] = []
        self._roles: dict[str, set[str]] = {}
        #: of 1.2, where each role stands beside its organisation
        self._orgs: dict[str, list[str]] = {}

    def roster(self) -> Roster:
        """Every file that is read, in the order in which they refer to one another."""
        departments = self._departments()
        terms = self._each("academicSessions", ("sourcedId", "startDate", "endDate"), self._term)
        newer = self._package.version != "1.1"
        if newer:
            self._read_roles()
        users = self._each("users", ("sourcedId", "givenName", "familyName", *(() if newer else ("role",))), self._user)
        courses = self._each("courses", ("sourcedId", "title"), self._course)
        classes = self._each("classes", ("sourcedId", "title"), self._class)
        enrolments = self._each(
            "enrollments", ("sourcedId", "classSourcedId", "userSourcedId", "role"), self._enrolment
        )
        whole = bool(self._cards)
        if CARDS in self._package.files:
            self._cards += cardlist.in_file(CARDS, self._package.files[CARDS], self._bad)
            whole = True
        return Roster(
            modes=self._package.modes,
            users=users,
            terms=terms,
            courses=courses,
            classes=classes,
            enrolments=enrolments,
            cards=self._cards,
            seen=frozenset(self._seen),
            unread=frozenset(name for name in READ if self._bad.unread(f"{name}.csv")),
            cards_complete=whole and self._package.modes["users"] == BULK,
            left_out=self._left_out,
            departments=departments,
        )

    def _departments(self) -> dict[str, Org]:
        found: dict[str, Org] = {}
        for row in self._rows("orgs", ("sourcedId", "name", "type")):
            sid = row["sourcedId"]
            if self._active(row, "orgs") and sid and row["type"].lower() == "department":
                found[sid] = Org(sid=sid, name=row["name"], identifier=row["identifier"])
        return found

    def _rows(self, name: str, required: tuple[str, ...]) -> list[csvfile.Row]:
        if self._package.modes[name] == ABSENT:
            return []
        return csvfile.read(f"{name}.csv", self._package.files[f"{name}.csv"], required, self._bad)

    def _each(
        self, name: str, required: tuple[str, ...], make: Callable[[csvfile.Row, str, bool], Made | None]
    ) -> dict[str, Made]:
        made: dict[str, Made] = {}
        for row in self._rows(name, required):
            sid = row["sourcedId"]
            self._seen.add((name, sid))
            active = self._active(row, name)
            if not sid or len(sid) > LONGEST_ID:
                self._say(row, "row-id", f"sourcedId has 1 to {LONGEST_ID} characters")
                continue
            if sid in made:
                self._say(row, "row-twice", f"sourcedId {quoted(sid)} stands in line {made[sid].line} already")
                continue
            if active is not None and (value := make(row, sid, active)) is not None:
                made[sid] = value
        return made

    def _say(self, row: csvfile.Row, code: str, text: str) -> None:
        self._bad.add(row.file, row.line, code, text)

    def _leave(self, what: str) -> None:
        self._left_out[what] = self._left_out.get(what, 0) + 1

    def _active(self, row: csvfile.Row, name: str) -> bool | None:
        status = row["status"].lower()
        if status not in _STATUSES and (status or self._package.modes[name] == DELTA):
            self._say(row, "row-status", f"status is active or tobedeleted, not {quoted(row['status'])}")
            return None
        return status in ("", "active")

    def _day(self, row: csvfile.Row, column: str) -> int | None:
        """The local midnight that begins the day in this cell; None where it is empty. Raises ValueError."""
        text = row[column]
        if not text:
            return None
        try:
            day = datetime.date.fromisoformat(text)
            midnight = datetime.datetime.combine(day, datetime.time(), self._zone)
            return int(midnight.timestamp() * 1000)
        except (ValueError, OverflowError):
            self._say(row, "row-date", f"{column} is a date such as 2026-09-28, not {quoted(text)}")
            raise ValueError(column) from None

    def _term(self, row: csvfile.Row, sid: str, active: bool) -> Term | None:
        try:
            starts, ends = self._day(row, "startDate"), self._day(row, "endDate")
        except ValueError:
            return None
        if starts is None or ends is None or ends < starts:
            self._say(row, "row-date", "an academic session has a startDate, and an endDate that is not before it")
            return None
        return Term(sid=sid, line=row.line, active=active, starts_ms=starts, ends_ms=ends)

    def _read_roles(self) -> None:
        for row in self._rows("roles", ("userSourcedId", "role")):
            active = self._active(row, "roles")
            role = self._role(row)
            if active and role:
                self._roles.setdefault(row["userSourcedId"], set()).add(role)
                if role == STUDENT and row["orgSourcedId"]:
                    self._orgs.setdefault(row["userSourcedId"], []).append(row["orgSourcedId"])

    def _role(self, row: csvfile.Row) -> str | None:
        role = row["role"].lower()
        if role in ROLES or role.startswith("ext:"):
            return role
        self._say(row, "row-role", f"role is student, teacher or another of OneRoster's, not {quoted(row['role'])}")
        return None

    def _user(self, row: csvfile.Row, sid: str, active: bool) -> User | None:
        if self._package.version == "1.1":
            role = self._role(row)
            if role is None:
                return None
            roles, orgs, primary = frozenset([role]), _listed(row["orgSourcedIds"]), ""
        else:
            roles, orgs = frozenset(self._roles.get(sid, ())), tuple(self._orgs.get(sid, ()))
            primary = row["primaryOrgSourcedId"]
        given = row["preferredGivenName"] or row["givenName"]
        middle = row["preferredMiddleName"] if row["preferredGivenName"] else row["middleName"]
        family = row["preferredFamilyName"] or row["familyName"]
        full = " ".join(" ".join((given, middle, family)).split())
        if not full and active:
            self._say(row, "user-name", "has neither givenName nor familyName: a register shows full names (LOUGH-6)")
            return None
        for column in ("identifier", "username"):
            if len(row[column]) > LONGEST_ID:
                self._say(row, "row-long", f"{column} has at most {LONGEST_ID} characters")
                return None
        self._cards += cardlist.in_user_ids(row.file, row.line, sid, row["userIds"], self._bad) if active else []
        return User(
            sid=sid,
            line=row.line,
            active=active,
            roles=roles,
            full_name=full,
            given_name=given,
            family_name=family,
            sort_name=names.sort_name(family, given),
            identifier=row["identifier"],
            username=row["username"],
            email=row["email"],
            orgs=orgs,
            primary_org=primary,
        )

    def _course(self, row: csvfile.Row, sid: str, active: bool) -> Course | None:
        if len(row["courseCode"]) > LONGEST_CODE:
            self._say(row, "row-long", f"courseCode has at most {LONGEST_CODE} characters")
            return None
        code = row["courseCode"] or row["title"][:LONGEST_CODE] or sid[:LONGEST_CODE]
        return Course(sid=sid, line=row.line, active=active, code=code, title=row["title"] or code)

    def _class(self, row: csvfile.Row, sid: str, active: bool) -> Class | None:
        if len(row["classCode"]) > LONGEST_CODE:
            self._say(row, "row-long", f"classCode has at most {LONGEST_CODE} characters")
            return None
        code = row["classCode"] or row["title"][:LONGEST_CODE] or sid[:LONGEST_CODE]
        terms = row["termSourcedIds"] or row["termSourcedId"]
        return Class(
            sid=sid,
            line=row.line,
            active=active,
            code=" ".join(code.split()),
            title=row["title"] or code,
            course=row["courseSourcedId"],
            terms=_listed(terms),
        )

    def _enrolment(self, row: csvfile.Row, sid: str, active: bool) -> Enrolment | None:
        role = self._role(row)
        try:
            begins, ends = self._day(row, "beginDate"), self._day(row, "endDate")
        except ValueError:
            return None
        if role is None:
            return None
        if role not in KEPT_ROLES:
            self._leave(f"enrolments as {role}")
            return None
        if begins is not None and ends is not None and ends < begins:
            self._say(row, "row-date", "endDate is before beginDate")
            return None
        return Enrolment(
            sid=sid,
            line=row.line,
            active=active,
            class_sid=row["classSourcedId"],
            user_sid=row["userSourcedId"],
            role=role,
            begins_ms=begins,
            ends_ms=ends,
        )
