"""A roster of plain values, as a OneRoster package says it: people, terms, courses, classes and their lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.imports.cardlist import CardRow


@dataclass(frozen=True, kw_only=True)
class User:
    """A row of users.csv. active False: the row says that it ends."""

    sid: str
    line: int
    active: bool
    roles: frozenset[str]
    full_name: str
    given_name: str
    family_name: str
    sort_name: str
    #: the student number
    identifier: str
    username: str
    email: str
    #: sourcedIds of the organisations in which they are a student
    orgs: tuple[str, ...] = ()
    #: the one of them that the file calls primary; '' where it names none
    primary_org: str = ""


@dataclass(frozen=True, kw_only=True)
class Org:
    """A row of orgs.csv, of type department. identifier: '' where it has none."""

    sid: str
    name: str
    identifier: str


@dataclass(frozen=True, kw_only=True)
class Term:
    """A row of academicSessions.csv. Epoch ms; the end is not included."""

    sid: str
    line: int
    active: bool
    starts_ms: int
    ends_ms: int


@dataclass(frozen=True, kw_only=True)
class Course:
    """A row of courses.csv."""

    sid: str
    line: int
    active: bool
    code: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Class:
    """A row of classes.csv. course: '' where none is known."""

    sid: str
    line: int
    active: bool
    code: str
    title: str
    course: str
    terms: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """A row of enrollments.csv, of a student or a teacher. begins_ms, ends_ms: None where the file does not say."""

    sid: str
    line: int
    active: bool
    class_sid: str
    user_sid: str
    role: str
    begins_ms: int | None
    ends_ms: int | None


@dataclass(frozen=True, kw_only=True)
class Roster:
    """What a package says. modes: of each file. left_out: what is not for Muster, counted by a sentence."""

    modes: Mapping[str, str]
    users: Mapping[str, User]
    terms: Mapping[str, Term]
    courses: Mapping[str, Course]
    classes: Mapping[str, Class]
    enrolments: Mapping[str, Enrolment]
    cards: list[CardRow] = field(repr=False)
    #: (file, sourcedId) of every row, of those too that are not usable; files of which a part could not be read
    seen: frozenset[tuple[str, str]]
    unread: frozenset[str]
    #: whoever is on no card row has no card any more
    cards_complete: bool
    left_out: Mapping[str, int]
    #: organisations of type department
    departments: Mapping[str, Org] = field(default_factory=dict)

    def lacks(self, name: str, sid: str) -> bool:
        """Whether this file has no such row. One that has it in a bad row, or could not be read, does not lack it."""
        return (name, sid) not in self.seen and name not in self.unread
