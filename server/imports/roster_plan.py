"""A roster as it is wanted, compared with what the store holds: what is to be done, and how to tell it. No I/O.

A file in bulk mode says everything: what is missing from it ends. In delta mode only what is named changes. Nothing is
deleted, ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from server.imports import card_plan, department_plan, enrolment_plan
from server.imports.badrows import BadRows, quoted
from server.imports.bundle import ABSENT, BULK
from server.imports.cardlist import Cards
from server.imports.oneroster import KEPT_ROLES, LONGEST_CODE, STUDENT, TEACHER
from server.imports.roster import Class, Roster, User
from server.imports.summary import Summary
from server.store.class_runs import is_by_hand
from server.store.imported import Changes, Held
from server.store.imported_cards import HeldCards

_NAMES = ("full_name", "given_name", "family_name", "sort_name")
#: OneRoster's roles of those who work there, whether they teach or not
_STAFF = frozenset(
    "administrator aide counselor districtadministrator principal proctor siteadministrator systemadministrator".split()
)


def plan(
    roster: Roster,
    cards: Cards,
    held: Held,
    held_cards: HeldCards,
    now_ms: int,
    bad: BadRows,
    *,
    finals: enrolment_plan.Finals,
) -> tuple[Changes, Summary]:
    """What is to be done so that the store says what the roster says. References that lead nowhere go to `bad`. finals:
    which registers are final, and keep the lists that they rest on."""
    made = _Plan(roster, held, now_ms, bad)
    made.persons()
    made.courses()
    made.classes()
    enrolment_plan.plan(
        made.enrolments,
        roster,
        held,
        made.changes,
        made.summary,
        over=made.over,
        term_of=made.term_of,
        finals=finals,
        now_ms=now_ms,
    )
    card_plan.plan(cards, held_cards, made.changes.cards, made.summary, gone=made.gone, known=made.has_person, bad=bad)
    for what, count in sorted(roster.left_out.items()):
        made.summary.notes.append(f"left out: {count} {what}")
    return made.changes, made.summary


def has_user(roster: Roster, held: Held, sid: str) -> bool:
    """Whether the files or the store know this user."""
    if not roster.lacks("users", sid):
        return True
    return sid in held.persons and (roster.modes["users"] != BULK or held.persons[sid]["ended_ms"] is None)


class _Plan:
    """Works out one plan."""

    def __init__(self, roster: Roster, held: Held, now_ms: int, bad: BadRows) -> None:
        self._roster, self._held, self._now_ms, self._bad = roster, held, now_ms, bad
        self.changes, self.summary = Changes(), Summary()
        self._kept: dict[str, User] = {}
        self._by_user: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        for key, row in held.externals.items():
            self._by_user.setdefault(row["user_sid"] or "", {})[key] = row
        #: (kind, value) of every number that somebody has in the files
        self._values: set[tuple[str, str]] = set()
        #: (course, code) of the runs that are dealt with
        self._runs: set[tuple[str, str]] = set()
        #: users that end in this import, or are at an end and stay there
        self.gone: set[str] = set()
        self.ended_classes: set[str] = set()
        self.enrolments = [one for one in roster.enrolments.values() if enrolment_plan.usable(one, roster, held, bad)]

    # --- people -------------------------------------------------------------------------------------------------------

    def persons(self) -> None:
        roster, held = self._roster, self._held
        self.summary.before["persons"] = sum(row["ended_ms"] is None for row in held.persons.values())
        enrolled = {one.user_sid for one in self.enrolments if one.active}
        others = 0
        for sid, user in roster.users.items():
            # Without a role of ours, and on no list: a parent, say. A delta need not repeat the roles of who is known.
            # Whoever teaches no longer, and works there still, has not left: their account stays open (`rights.opens`).
            known = sid in held.persons and (not user.roles or not user.roles.isdisjoint(_STAFF))
            if user.active and not (user.roles.intersection(KEPT_ROLES) or sid in enrolled or known):
                others += 1
                if sid in held.persons:
                    self._end_person(sid, "is neither student nor teacher any more")
            elif user.active:
                self._kept[sid] = user
            elif sid in held.persons:
                self._end_person(sid, "is to be deleted")
        if others:
            self.summary.notes.append(f"left out: {others} users who are neither student nor teacher")
        if roster.modes["users"] == BULK:
            for sid in held.persons.keys() - roster.users.keys():
                self._end_person(sid, "is not in users.csv any more")
        self.gone |= {sid for sid, row in held.persons.items() if row["ended_ms"] is not None and sid not in self._kept}
        numbers = self._numbers()
        for sid, user in self._kept.items():
            self._person(sid, user, numbers.get(sid, {}))
        students = {
            sid: user
            for sid, user in self._kept.items()
            if STUDENT in user.roles and user.roles.isdisjoint(_STAFF | {TEACHER})
        }
        department_plan.plan(students, roster, held, self.changes, self.summary)

    def _end_person(self, sid: str, why: str) -> None:
        row = self._held.persons[sid]
        self.gone.add(sid)
        if row["ended_ms"] is None:
            self.changes.person_ends.append({"id": row["id"], "ended_ms": self._now_ms})
            self.summary.add("persons", "ended", f"person {sid} {why}")

    def _numbers(self) -> dict[str, dict[str, str]]:
        """sourcedId -> {identifier, username} that are this user's alone."""
        found: dict[str, dict[str, str]] = {}
        for kind in ("identifier", "username"):
            owner: dict[str, User] = {}
            for sid, user in self._kept.items():
                value = getattr(user, kind)
                if not value:
                    continue
                first = owner.setdefault(value, user)
                if first is not user:
                    text = f"{kind} {quoted(value)} is the one of line {first.line} too"
                    self._bad.add("users.csv", user.line, f"user-{kind}-twice", text)
                    continue
                found.setdefault(sid, {})[kind] = value
                self._values.add((kind, value))
        return found

    def _person(self, sid: str, user: User, numbers: dict[str, str]) -> None:
        held, changes = self._held, self.changes
        row = held.persons.get(sid)
        names = {name: getattr(user, name) for name in _NAMES}
        changed: list[str] = []
        if row is None:
            changes.new_persons.append({"sid": sid, **names})
            self.summary.add("persons", "added", f"person {sid}")
        else:
            if any(row[name] != names[name] for name in _NAMES):
                changes.names.append({"person_id": row["id"], **names})
                changes.renamed.add(row["id"])
                changed.append("name")
            if row["ended_ms"] is not None:
                changes.person_ends.append({"id": row["id"], "ended_ms": None})
                changed.append("is back")
        for kind, value in numbers.items():
            there = held.externals.get((kind, value))
            if there is None:
                changes.new_externals.append({"user_sid": sid, "source": kind, "external_id": value})
                changed.append(kind)
            elif there["user_sid"] is None:
                self.summary.notes.append(f"person {sid}: the {kind} is that of somebody from another source; left out")
            elif there["user_sid"] != sid or there["to_ms"] is not None:
                changes.externals.append({"id": there["id"], "user_sid": sid, "to_ms": None})
                changed.append(kind)
        for (kind, value), there in self._by_user.get(sid, {}).items():
            if there["to_ms"] is None and numbers.get(kind) != value and not self._taken(kind, value):
                changes.externals.append({"id": there["id"], "user_sid": sid, "to_ms": self._now_ms})
                changed.append(kind)
        email = row["email"] if row else ""
        if email != user.email:
            changes.old_emails.extend([row["contact_id"]] if row and row["contact_id"] else [])
            changes.new_emails.extend([{"user_sid": sid, "value": user.email}] if user.email else [])
            changed.append("email")
        if row is not None and changed:
            self.summary.add("persons", "changed", f"person {sid}: {', '.join(dict.fromkeys(changed))}")

    def _taken(self, kind: str, value: str) -> bool:
        """Whether another user of the file has this number now: the row is theirs then."""
        return (kind, value) in self._values

    def has_person(self, sid: str) -> bool:
        """Whether there is a person for this user once the plan is done."""
        return sid in self._kept or (sid in self._held.persons and sid not in self.gone)

    # --- courses and classes ------------------------------------------------------------------------------------------

    def courses(self) -> None:
        held = self._held.courses
        self.summary.before["courses"] = sum(row["ended_ms"] is None for row in held.values())
        for sid, course in self._roster.courses.items():
            row = held.get(sid)
            wanted = {"code": course.code, "title": course.title, "ended_ms": None}
            if not course.active:
                self._end_rows("courses", [sid] if row else [], "is to be deleted")
            elif row is None:
                self.changes.new_courses.append({"sid": sid, **wanted})
                self.summary.add("courses", "added", f"course {course.code}")
            elif any(row[key] != value for key, value in wanted.items()):
                self.changes.courses.append({"id": row["id"], **wanted})
                self.summary.add("courses", "changed", f"course {course.code}")
        if self._roster.modes["courses"] == BULK:
            self._end_rows("courses", held.keys() - self._roster.courses.keys(), "is not in courses.csv any more")

    def _end_rows(self, what: str, sids: Iterable[str], why: str) -> None:
        held = self._held.courses if what == "courses" else self._held.classes
        into = self.changes.courses if what == "courses" else self.changes.classes
        for sid in sorted(sids):
            if held[sid]["ended_ms"] is None:
                into.append({**held[sid], "ended_ms": self._now_ms})
                self.summary.add(
                    what, "ended", f"{'course' if what == 'courses' else 'class'} {held[sid]['code']} {why}"
                )

    def classes(self) -> None:
        held, roster = self._held.classes, self._roster
        self.summary.before["classes"] = sum(row["ended_ms"] is None for row in held.values())
        for sid, one in roster.classes.items():
            row = held.get(sid)
            if not one.active:
                self.ended_classes.add(sid)
                self._end_rows("classes", [sid] if row else [], "is to be deleted")
                continue
            course = self._course_of(one)
            run = self._run_of(one, course)
            wanted = {"code": one.code, "title": one.title, "course": course, "run": run, "ended_ms": None}
            if row is None:
                self.changes.new_classes.append({"sid": sid, **wanted})
                self.summary.add("classes", "added", f"class {one.code}")
            elif any(row[key] != value for key, value in wanted.items()):
                self.changes.classes.append({"id": row["id"], **wanted})
                self.changes.lists.add(sid)
                self.summary.add("classes", "changed", f"class {one.code}")
        if roster.modes["classes"] == BULK:
            missing = held.keys() - roster.classes.keys()
            self.ended_classes |= missing
            self._end_rows("classes", missing, "is not in classes.csv any more")

    def _course_of(self, one: Class) -> str:
        roster = self._roster
        if not one.course:
            return ""
        if one.course in roster.courses:
            return one.course if roster.courses[one.course].active or one.course in self._held.courses else ""
        if one.course in self._held.courses:
            return one.course
        if roster.modes["courses"] == BULK and roster.lacks("courses", one.course):
            text = f"there is no course {quoted(one.course)} in courses.csv"
            self._bad.add("classes.csv", one.line, "class-course", text)
        elif roster.modes["courses"] != BULK:
            self.summary.notes.append(f"class {one.code}: its course {quoted(one.course)} is not known; left empty")
        return ""

    def _run_of(self, one: Class, course: str) -> str:
        """The code of the course run that the class's terms make; '' where nothing is known of them."""
        if self._roster.modes["academicSessions"] == ABSENT:
            row = self._held.classes.get(one.sid)
            return row["run"] if row else ""
        for term in one.terms:
            if self._roster.modes["academicSessions"] == BULK and self._roster.lacks("academicSessions", term):
                text = f"there is no academic session {quoted(term)} in academicSessions.csv"
                self._bad.add("classes.csv", one.line, "class-term", text)
        span = self.term_of(one.sid)
        code = "+".join(sorted(one.terms))
        if len(code) > LONGEST_CODE:
            code = hashlib.sha256(code.encode()).hexdigest()[:32]
        if span is None or not course:
            row = self._held.classes.get(one.sid)
            # What the registry gave by hand stays where the files say nothing.
            return row["run"] if row and (row["run"] == code or (not one.terms and is_by_hand(row["run"]))) else ""
        key = (course, code)
        if key not in self._runs:
            self._runs.add(key)
            row = self._held.runs.get(key)
            if row is None:
                self.changes.new_runs.append({"course": course, "code": code, "starts_ms": span[0], "ends_ms": span[1]})
                self.summary.add("course runs", "added", f"course run {code}")
            elif (row["starts_ms"], row["ends_ms"]) != span:
                self.changes.runs.append({"id": row["id"], "starts_ms": span[0], "ends_ms": span[1]})
                self.summary.add("course runs", "changed", f"course run {code}: its dates")
        return code

    def term_of(self, class_sid: str) -> tuple[int, int] | None:
        """From when to when the terms of a class in the files last; None where they do not say."""
        one = self._roster.classes.get(class_sid)
        terms = [self._roster.terms[sid] for sid in one.terms if sid in self._roster.terms] if one else []
        terms = [term for term in terms if term.active]
        if not terms:
            return None
        return min(term.starts_ms for term in terms), max(term.ends_ms for term in terms)

    def over(self, class_sid: str, user_sid: str) -> bool:
        """Whether this class or this user is at an end once the plan is done."""
        user = self._roster.users.get(user_sid)
        return class_sid in self.ended_classes or user_sid in self.gone or (user is not None and not user.active)
