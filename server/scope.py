"""Who you are becomes what you may see and do: the one place. Everything else asks it.

A *grant* is a role within a scope (the institution, a department, a course, a residence). An *act* is something that
can be done; ACTS says how far each role reaches with it. `Scope.reach(act)` joins the grants; the store turns a reach
into a condition (server/store/sessions.py, server/store/people.py), so that nothing outside it is ever read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.errors import NotAllowed

STUDENT, LECTURER, HEAD, CURRICULUM, REGISTRY, FINANCE, RESIDENCE, TECHNICIAN, AUDITOR, ADMIN = ROLES = (
    "student",
    "lecturer",
    "head",
    "curriculum",
    "registry",
    "finance",
    "residence",
    "technician",
    "auditor",
    "admin",
)
#: as pages say them
ROLE_NAMES = {
    STUDENT: "student",
    LECTURER: "lecturer",
    HEAD: "head of department",
    CURRICULUM: "curriculum manager",
    REGISTRY: "registry",
    FINANCE: "student finance",
    RESIDENCE: "residence staff",
    TECHNICIAN: "technician",
    AUDITOR: "auditor",
    ADMIN: "administrator",
}
INSTITUTION, DEPARTMENT, COURSE, RESIDENCE_HOUSE = SCOPES = ("institution", "department", "course", "residence")

#: how far an act reaches: nothing; what is one's own (sessions one staffs, oneself as a student); the grant's scope
NONE, OWN, GRANT, ALL = "none", "own", "grant", "all"

#: act -> role -> how far. What is not listed is not allowed. An act's name is what its page and test say.
ACTS: Mapping[str, Mapping[str, str]] = {
    # registers
    "register.read": {LECTURER: OWN, HEAD: GRANT, CURRICULUM: GRANT, REGISTRY: GRANT, AUDITOR: GRANT, ADMIN: ALL},
    "register.mark": {LECTURER: OWN, HEAD: GRANT, CURRICULUM: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    "register.verify": {LECTURER: OWN, REGISTRY: GRANT, ADMIN: ALL},
    "register.cancel": {LECTURER: OWN, HEAD: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    "register.cover": {LECTURER: OWN, HEAD: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    "register.report": {LECTURER: OWN, HEAD: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    "register.notify": {LECTURER: OWN, HEAD: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    "register.export": {LECTURER: OWN, HEAD: GRANT, CURRICULUM: GRANT, REGISTRY: GRANT, AUDITOR: GRANT, ADMIN: ALL},
    "register.history": {LECTURER: OWN, HEAD: GRANT, CURRICULUM: GRANT, REGISTRY: GRANT, AUDITOR: GRANT, ADMIN: ALL},
    "compliance.read": {HEAD: GRANT, CURRICULUM: GRANT, REGISTRY: GRANT, AUDITOR: GRANT, ADMIN: ALL},
    "report.close": {REGISTRY: GRANT, ADMIN: ALL},
    "lateness.read": {LECTURER: OWN, HEAD: GRANT, CURRICULUM: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    # change requests
    "request.make": {LECTURER: OWN, HEAD: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    "request.read": {LECTURER: OWN, HEAD: GRANT, CURRICULUM: GRANT, REGISTRY: GRANT, FINANCE: GRANT, AUDITOR: GRANT,
                     ADMIN: ALL},
    "request.decide": {REGISTRY: GRANT, ADMIN: ALL},
    "bursary.grant": {FINANCE: GRANT},
    "unknown.approve": {CURRICULUM: GRANT},
    # absence
    "absence.report": {STUDENT: OWN, LECTURER: OWN, HEAD: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    "absence.read": {STUDENT: OWN, LECTURER: OWN, HEAD: GRANT, CURRICULUM: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    # logged for somebody else: a telephone call (LOUGH-20)
    "absence.log": {LECTURER: OWN, HEAD: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    # the list of others' absences
    "absence.list": {LECTURER: OWN, HEAD: GRANT, CURRICULUM: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    "absence.approve": {LECTURER: OWN, HEAD: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    "leave.approve": {HEAD: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    # trips
    "trip.plan": {LECTURER: OWN, HEAD: GRANT, REGISTRY: GRANT, ADMIN: ALL},
    # reasons, notes, callers' names, evidence and messages, erased for good on somebody's demand
    "notes.erase": {REGISTRY: GRANT, ADMIN: ALL},
    # everything about one person, for whoever demands it; and erasing somebody who has left
    "person.export": {REGISTRY: GRANT, ADMIN: ALL},
    "person.erase": {REGISTRY: GRANT, ADMIN: ALL},
    # a student's own page; others read a student through their scope
    "attendance.read": {STUDENT: OWN, LECTURER: OWN, HEAD: GRANT, CURRICULUM: GRANT, REGISTRY: GRANT, FINANCE: GRANT,
                        AUDITOR: GRANT, ADMIN: ALL},
    # the student's own page
    "attendance.own": {STUDENT: OWN},
    "card.lost": {STUDENT: OWN, REGISTRY: GRANT, ADMIN: ALL},
    # registry's pages
    "campus.read": {REGISTRY: GRANT, AUDITOR: GRANT, ADMIN: ALL},
    "campus.change": {REGISTRY: GRANT, ADMIN: ALL},
    "accounts.change": {ADMIN: ALL},
    "profiles.change": {REGISTRY: GRANT, ADMIN: ALL},
    "imports.run": {REGISTRY: GRANT, ADMIN: ALL},
    # the residence: a grant's scope is a house
    "residence.read": {RESIDENCE: GRANT, REGISTRY: GRANT, AUDITOR: GRANT, ADMIN: ALL},
    # excuse, call, note, entry, PIN, enrolment, leave, flags
    "residence.tend": {RESIDENCE: GRANT, ADMIN: ALL},
    # houses, kiosks, residents, duty
    "residence.manage": {REGISTRY: GRANT, ADMIN: ALL},
    # a resident's own evenings, leave and consent
    "residence.own": {STUDENT: OWN},
    # what may be misuse of cards, for a person to judge (PORT-9)
    "misuse.read": {REGISTRY: GRANT, AUDITOR: GRANT, ADMIN: ALL},
    "misuse.judge": {REGISTRY: GRANT, ADMIN: ALL},
    # the house
    "emergency.read": {HEAD: ALL, REGISTRY: ALL, RESIDENCE: ALL, TECHNICIAN: NONE, ADMIN: ALL},
    "audit.read": {AUDITOR: ALL, ADMIN: ALL},
    "doors.read": {TECHNICIAN: ALL, ADMIN: ALL},
    "doors.tend": {TECHNICIAN: ALL, ADMIN: ALL},
    "everything.read": {ADMIN: ALL},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One role of an account, and where."""

    role: str
    scope: str = INSTITUTION
    #: None for the institution
    scope_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far somebody reaches with an act: what the joined grants allow."""

    all: bool = False
    #: what they staff themselves, and who they are
    own: bool = False
    #: who they are, and nothing that they staff: a student's. A session may still name them as staff of a time before
    oneself: bool = False
    departments: frozenset[int] = frozenset()
    courses: frozenset[int] = frozenset()
    residences: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return self.all or self.own or self.oneself or bool(self.departments or self.courses or self.residences)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What somebody signed in may see and do."""

    institution_id: int
    account_id: int
    #: who they are among the persons: sessions name persons. None: nobody's lecturer, no student
    person_id: int | None
    grants: tuple[Grant, ...] = field(default=())
    #: the operating system's user who runs a command on the server's own machine; '': it is no command
    console: str = ""

    @property
    def roles(self) -> frozenset[str]:
        """The roles, wherever they hold."""
        return frozenset(grant.role for grant in self.grants)

    @property
    def role(self) -> str:
        """The widest role: what the menu and home page are chosen by. '' without any grant."""
        held = self.roles
        order = (ADMIN, REGISTRY, AUDITOR, CURRICULUM, HEAD, FINANCE, LECTURER, RESIDENCE, TECHNICIAN, STUDENT)
        return next((role for role in order if role in held), "")

    def reach(self, act: str) -> Reach:
        """How far this act goes. An act that ACTS does not name is a mistake of ours: KeyError."""
        by_role = ACTS[act]
        everything = own = oneself = False
        found: dict[str, set[int]] = {DEPARTMENT: set(), COURSE: set(), RESIDENCE_HOUSE: set()}
        for grant in self.grants:
            how_far = by_role.get(grant.role, NONE)
            if how_far == ALL or (how_far == GRANT and grant.scope == INSTITUTION):
                everything = True
            elif how_far == GRANT and grant.scope_id is not None:
                found[grant.scope].add(grant.scope_id)
            elif how_far == OWN and self.person_id is not None:
                own = own or grant.role != STUDENT
                oneself = True
        return Reach(
            all=everything,
            own=own,
            oneself=oneself,
            departments=frozenset(found[DEPARTMENT]),
            courses=frozenset(found[COURSE]),
            residences=frozenset(found[RESIDENCE_HOUSE]),
        )

    def may(self, act: str) -> bool:
        """Whether the act reaches anything at all; what it reaches is the store's condition."""
        return bool(self.reach(act))

    def need(self, *acts: str) -> None:
        """Raises NotAllowed(`not-allowed`) where none of these acts reaches anything."""
        if any(self.may(act) for act in acts):
            return
        if any(ACTS[act].get(grant.role) == OWN for act in acts for grant in self.grants):
            # The role is right, and nobody has said whose the account is.
            raise NotAllowed("not-allowed", "your account is not connected to a person yet: ask an administrator")
        roles = {role: None for act in acts for role, how_far in ACTS[act].items() if how_far != NONE}
        raise NotAllowed("not-allowed", f"this is for: {', '.join(ROLE_NAMES[role] for role in roles)}")

    @property
    def sees_all(self) -> bool:
        """Everything in the institution: swipes, persons, every register."""
        return self.reach("everything.read").all

    @property
    def sees_doors(self) -> bool:
        """Doors, readers, alarms: no student is named there."""
        return self.may("doors.read")

    @property
    def tends_doors(self) -> bool:
        """May close alarms and declare records lost."""
        return self.may("doors.tend")

    def need_all(self) -> None:
        """Raises NotAllowed(`not-allowed`) unless everything may be seen."""
        self.need("everything.read")

    def need_doors(self) -> None:
        """Raises NotAllowed(`not-allowed`) unless doors may be seen."""
        self.need("doors.read")

    def need_tending(self) -> None:
        """Raises NotAllowed(`not-allowed`) unless doors may be tended."""
        self.need("doors.tend")
