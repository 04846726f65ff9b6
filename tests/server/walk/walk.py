"""A college of two departments and a visitor of every role, who goes to every address.

What the address's route declares (server/declared.py) and how far the role's act reaches (server/scope.py) say what
must happen; nothing is written down here a second time.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from anyio.from_thread import start_blocking_portal
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from server import declared
from server.scope import (
    ACTS,
    ADMIN,
    ALL,
    AUDITOR,
    CURRICULUM,
    DEPARTMENT,
    FINANCE,
    GRANT,
    HEAD,
    INSTITUTION,
    LECTURER,
    NONE,
    OWN,
    REGISTRY,
    RESIDENCE,
    RESIDENCE_HOUSE,
    STUDENT,
    TECHNICIAN,
    Scope,
)
from server.store import accounts, logins, schema, schema_residence, schema_rights, schema_trust, tokens
from server.store.engine import Engine, reading, writing
from tests.server.pages.school import School
from tests.server.walk.objects import MAKERS, noun_of

#: FastAPI's own pages about the API, which show no data
NOT_OURS = ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc", "/static")
#: what a program must send so that its rights, and not its grammar, are judged
BODIES = {"PUT /api/v1/sessions/{session_id}/marks/{person_id}": {"code": "A"}}
#: what a form must name, or the answer is that there is no such thing: by the place of the address's own object
FIELDS = {
    "POST /sessions/{session}/add": lambda walk, n: {"person": walk.students[n]},
    "POST /doors/revoked/release": lambda walk, _n: {"reader": walk.revoked()},
}
YES, NO, EITHER = "allowed", "refused", "either"


@dataclass(frozen=True)
class Who:
    """A visitor. scope: where the role holds; None: no role at all. person: student, lecturer or nobody."""

    name: str
    role: str | None
    scope: str = INSTITUTION
    person: str = ""


WHO = (
    Who("student", STUDENT, person="student"),
    Who("lecturer", LECTURER, person="lecturer"),
    Who("head-of-one", HEAD, DEPARTMENT),
    Who("curriculum-of-one", CURRICULUM, DEPARTMENT),
    Who("registry", REGISTRY),
    Who("registry-of-one", REGISTRY, DEPARTMENT),
    Who("finance", FINANCE),
    Who("finance-of-one", FINANCE, DEPARTMENT),
    Who("residence", RESIDENCE),
    Who("residence-of-one", RESIDENCE, RESIDENCE_HOUSE),
    Who("technician", TECHNICIAN),
    Who("auditor", AUDITOR),
    Who("auditor-of-one", AUDITOR, DEPARTMENT),
    Who("administrator", ADMIN),
    Who("without-a-role", None),
)


@dataclass(frozen=True)
class Route:
    """An address and how it is asked."""

    method: str
    path: str
    said: declared.Declared | None
    parameters: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/")


def routes_of(app) -> Iterator[Route]:
    """Every route of the app but FastAPI's own pages and the static files."""
    for one in iter_route_contexts(app.routes):
        if one.path is None or one.path in NOT_OURS:
            continue
        names = tuple(part[1:-1].partition(":")[0] for part in one.path.split("/") if part.startswith("{"))
        for method in sorted((one.methods or {"GET"}) - {"HEAD"}):
            yield Route(method, one.path, declared.of(getattr(one, "endpoint", None)), names)


def reach_of(who: Who, said: declared.Declared) -> str:
    """How far the route's acts reach for this visitor: the farthest of them."""
    order = (NONE, OWN, GRANT, ALL)
    found = [ACTS[act].get(who.role or "", NONE) for act in said.acts]
    farthest = max(found, key=order.index, default=NONE)
    if farthest == GRANT and who.scope == INSTITUTION:
        return ALL
    return farthest


def wanted(route: Route, who: Who, *, first: bool, owned: bool) -> str:
    """What must happen. first: the object of department ONE. owned: the address names something that is somebody's."""
    said = route.said
    assert said is not None
    if said.who == "public":
        return YES
    if said.who == "signed-in":
        return YES if first or not owned else NO
    if said.who in ("gateway", "slot"):
        return NO
    reach = reach_of(who, said)
    if reach in (NONE, ALL):
        return YES if reach == ALL else NO
    # A department has no house, and a house no department: a grant for the one reaches nothing of the other.
    if who.scope == DEPARTMENT and reach == GRANT and _of_residence(said):
        return NO if route.parameters else EITHER
    if owned:
        return YES if first else NO
    # A part of the institution: what belongs to no part of it is the page's own decision.
    return YES if reach == OWN and not route.parameters else EITHER


def _of_residence(said: declared.Declared) -> bool:
    return all(act.startswith("residence.") for act in said.acts)


class Store(Protocol):
    """A database that can be had again as it was kept."""

    url: str

    def keep(self, engine: Engine) -> None:
        """What stands in it now is what `again` brings back."""

    def again(self) -> None:
        """Nobody holds a connection to it."""


class InAFile:
    """SQLite: kept as a copy of its file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = f"sqlite:///{folder / 'muster.db'}"

    def keep(self, engine: Engine) -> None:
        with reading(engine) as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(self._folder / "muster.db", self._folder / "kept.db")

    def again(self) -> None:
        for name in ("muster.db-wal", "muster.db-shm"):
            (self._folder / name).unlink(missing_ok=True)
        shutil.copy(self._folder / "kept.db", self._folder / "muster.db")


class InACluster:
    """PostgreSQL: kept as a template, from which a database is made in a tenth of a second. empty: one with the schema."""

    def __init__(self, cluster: Any, empty: str) -> None:
        self._cluster = cluster
        cluster.copy(empty, "walk")
        self.url = cluster.url("walk")

    def keep(self, engine: Engine) -> None:
        engine.dispose()
        self._cluster.copy("walk", "walk_kept")

    def again(self) -> None:
        self._cluster.execute("DROP DATABASE walk WITH (FORCE)")
        self._cluster.copy("walk_kept", "walk")

    def drop(self) -> None:
        for name in ("walk", "walk_kept"):
            self._cluster.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class Walk:
    """The college, its server, and everybody's tokens."""

    def __init__(self, folder: Path, store: Store | None = None) -> None:
        self.folder = folder
        self.store = store or InAFile(folder)
        #: where somebody is going: an object is made for it
        self.route: Route | None = None
        self.school = School(folder, url=self.store.url)
        self.world = self.school.world
        self._numbers = itertools.count(1)
        world, school = self.world, self.school
        self.departments = tuple(
            self.made(schema_rights.department, source="test", source_id=name, code=name, title=name)
            for name in ("ONE", "TWO")
        )
        self.courses: list[int] = []
        self.groups: list[int] = []
        self.students: list[int] = []
        self.lecturers: list[int] = []
        self.sessions: list[int] = []
        for n, department in enumerate(self.departments):
            course = self.made(
                schema.course, source="test", source_id=f"w{n}", code=f"W{n}", title="Walk", department_id=department
            )
            group = self.made(
                schema.class_group, source="test", source_id=f"w{n}", code=f"W{n}-A", title="A", course_id=course
            )
            student = school.person(f"Walk Student{n}", bytes([4, 200 + n, 1, 9]))
            world.enrol(group, student)
            self.made(schema_rights.person_department, person_id=student, department_id=department, from_ms=0)
            self.courses.append(course)
            self.groups.append(group)
            self.students.append(student)
            self.lecturers.append(school.person(f"Walk Lecturer{n}"))
        for n, group in enumerate(self.groups):
            school.group = group
            self.sessions.append(school.session(f"Walk {n}", room=n, staff=[self.lecturers[n]]))
        #: a house of the residence for each, in which that department's student lives
        self.houses = tuple(
            self.made(schema_residence.house, source="test", code=name, name=name) for name in ("ONE", "TWO")
        )
        for house_id, student in zip(self.houses, self.students, strict=True):
            self.made(schema_residence.residency, house_id=house_id, person_id=student, source="test", from_ms=0)
        boards = [school.reader(f"walk-{n}", room=n) for n in range(2)]
        for n, board in enumerate(boards):
            # A student of the other department stands at this door: a swipe that credits nobody here.
            school.tap(board, bytes([4, 201 - n, 1, 9]), ago_s=60)
        found = {row.reader_id: row.swipe_id for row in world.all(schema.reading)}
        readers = {row.name: row.id for row in world.all(schema.reader)}
        self.swipes = tuple(found[readers[board.name]] for board in boards)
        self.accounts: dict[str, int] = {}
        people = {"student": self.students[0], "lecturer": self.lecturers[0], "": None}
        victim = Who("victim", LECTURER)
        for who in (*WHO, victim):
            with writing(world.engine) as connection:
                self.accounts[who.name] = accounts.make(
                    connection,
                    world.institution_id,
                    login_name=who.name,
                    shown_name=who.name,
                    password_hash="",
                    role=who.role or TECHNICIAN,
                    person_id=people[who.person],
                    now_ms=school.now_ms - 1,
                    scope=who.scope,
                    scope_id={INSTITUTION: None, RESIDENCE_HOUSE: self.houses[0]}.get(who.scope, self.departments[0]),
                )
                if who.role is None:
                    connection.execute(
                        schema_rights.account_role.delete().where(
                            schema_rights.account_role.c.account_id == self.accounts[who.name]
                        )
                    )
        with writing(world.engine) as connection:
            self.tokens = {who.name: tokens.make(connection, who.name, "walk", school.now_ms) for who in WHO}
        self.app = school.app(data_dir=folder / "data")
        #: one loop for all that is asked: a client alone makes one for each request
        self._ends = ExitStack()
        self._portal = self._ends.enter_context(start_blocking_portal())
        self._keep()

    def number(self) -> int:
        return next(self._numbers)

    def made(self, table, **values) -> int:
        """A row of this institution; where there is one with these unique values already, that one."""
        same = [row for row in self.world.all(table) if all(getattr(row, name) == values[name] for name in values)]
        key = next(iter(table.primary_key.columns)).name
        return getattr(same[0], key) if same else self.world.insert(table, **values)

    def revoked(self) -> str:
        """The name of a reader that was revoked, of which nothing is released yet."""
        row = max(self.world.all(schema.reader), key=lambda one: one.id)
        now_ms = self.school.now_ms
        self.made(schema_trust.reader_revocation, reader_id=row.id, since_ms=now_ms, called_ms=now_ms, why="stolen")
        return row.name

    def scope(self, name: str) -> Scope:
        return Scope(institution_id=self.world.institution_id, account_id=self.accounts[name], person_id=None)

    def _keep(self) -> None:
        self.store.keep(self.world.engine)

    def again(self) -> None:
        """Everything as it was before anybody went anywhere."""
        self.world.engine.dispose()
        self.store.again()

    def ask(self, route: Route, who: Who | None, *, first: bool = True, csrf: bool = True):
        """Go there: answers what was answered, and whether it was allowed. who None: nobody is signed in."""
        client = TestClient(self.app, follow_redirects=False, raise_server_exceptions=False)
        client.portal = self._portal
        self.route = route
        made = {name: MAKERS[noun_of(name)](self, who or WHO[0])[0 if first else 1] for name in route.parameters}
        address = route.path
        for name, value in made.items():
            address = address.replace(f"{{{name}}}", str(value))
        fields = {}
        if who is not None and route.is_api:
            client.headers["authorization"] = f"Bearer {self.tokens[who.name]}"
        elif who is not None:
            with writing(self.world.engine) as connection:
                signed = logins.begin(connection, self.accounts[who.name], self.school.now_ms, hours=1)
            client.cookies.set("muster_login", signed.token)
            fields = {"csrf": signed.login.csrf} if csrf else {}
            fields |= FIELDS.get(route.name, lambda _walk, _n: {})(self, 0 if first else 1)
        if route.method == "GET":
            return client.get(address)
        if route.is_api:
            return client.request(route.method, address, json=BODIES.get(route.name, {}))
        return client.request(route.method, address, data=fields)

    def close(self) -> None:
        self._ends.close()
        self.school.close()


def outcome(answer) -> str:
    """allowed, refused, or what should never be: a fault."""
    if answer.status_code in (401, 403, 404):
        return NO
    if answer.status_code >= 500:
        return f"fault {answer.status_code}"
    if answer.is_redirect and answer.headers["location"].startswith("/sign-in?next="):
        return NO
    return YES
