"""People around registers for the tests of absences, trips and cards: accounts with roles in departments."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from server.derive import leave, trips
from server.scope import Scope
from server.store import (
    absence_decisions,
    absences,
    parts,
    reported_absences,
    rights,
    schema,
    schema_rights,
    trip_plans,
)
from server.store import trips as stored_trips
from server.store.engine import reading, writing
from tests.server.store_world import World

LONDON = ZoneInfo("Europe/London")


def at(text: str) -> int:
    """Epoch ms of a London wall time such as `2026-10-05 09:00`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=LONDON).timestamp() * 1000)


class Care:
    """A world with a lecturer, a head, a faculty's head and the registry. `now_ms` is the world's."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.now_ms = at("2026-09-01 08:00")
        self.faculty = self.department("FAC", None)
        self.computing = self.department("COMP", self.faculty)
        self.arts = self.department("ARTS", None)
        course = world.insert(
            schema.course, source="t", source_id="c", code="CS1", title="Computing", department_id=self.computing
        )
        self.group = world.insert(
            schema.class_group, source="t", source_id="g", code="CS1-A", title="A", course_id=course
        )
        for person_id in world.students:
            world.enrol(self.group, person_id)
        self.people = {}
        self.scopes = {}
        for name, role, scope, scope_id in (
            ("lee", "lecturer", "institution", None),
            ("lou", "lecturer", "institution", None),
            ("hel", "head", "department", self.computing),
            ("fay", "head", "department", self.faculty),
            ("art", "head", "department", self.arts),
            ("reg", "registry", "institution", None),
        ):
            self.add(name, role, scope, scope_id, world.person(name))
        self.sam = world.students[0]
        self.add("sam", "student", "institution", None, self.sam)
        self.add("sue", "student", "institution", None, world.students[1])

    def department(self, code: str, parent: int | None) -> int:
        return self.world.insert(
            schema_rights.department, source="t", source_id=code, code=code, title=code.title(), parent_id=parent
        )

    def add(self, name: str, role: str, scope: str, scope_id: int | None, person_id: int) -> None:
        world = self.world
        account_id = world.insert(
            schema.account, person_id=person_id, login=name, shown_name=name.title(), password_hash="-", role=role,
            created_ms=world.now_ms,
        )  # fmt: skip
        self.people[name] = person_id
        with writing(world.engine) as connection:
            rights.grant(connection, world.institution_id, account_id, role, scope=scope, scope_id=scope_id, now_ms=0)
        self.scopes[name] = account_id

    def scope(self, name: str) -> Scope:
        with reading(self.world.engine) as connection:
            return absences.scope_of(connection, self.world.institution_id, self.scopes[name], self.world.now_ms)

    def session(
        self, begins: str, *, minutes: int = 60, staff: tuple[str, ...] = ("lee",), profile="lough", group=None
    ):
        world = self.world
        session_id = world.session(at(begins), minutes, group=self.group if group is None else group, profile=profile)
        with writing(world.engine) as connection:
            parts.set_staff(
                connection, world.institution_id, session_id, [self.people[one] for one in staff], world.now_ms
            )
        return session_id

    def report(self, who: str, begins: str, ends: str, *, person: int | None = None, **values) -> int:
        own = person is None
        with writing(self.world.engine) as connection:
            wanted = reported_absences.Wanted(
                **{
                    "person_id": self.people[who] if own else person,
                    "kind": "reported",
                    "from_ms": at(begins),
                    "to_ms": at(ends),
                    "reason": "A reason",
                    "channel": "self" if own else "phone",
                    "reported_ms": self.world.now_ms,
                    **values,
                }
            )
            return reported_absences.report(connection, self.scope(who), wanted, now_ms=self.world.now_ms)

    def decide(self, who: str, absence_id: int, *, approve: bool = True, comment: str = "") -> bool:
        now_ms = self.world.now_ms
        with writing(self.world.engine) as connection:
            done = absence_decisions.decide(
                connection, self.scope(who), absence_id, approve=approve, comment=comment, now_ms=now_ms
            )
            leave.fill_person(connection, self.world.profiles, absence_id, now_ms=now_ms)
            return done

    def work(self) -> list[int]:
        """What the jobs do for absences and trips."""
        world, changed = self.world, []
        from server.store import covered

        with reading(world.engine) as connection:
            found = covered.absences_at(connection, world.institution_id, world.now_ms)
            trips_ = covered.trips_at(connection, world.institution_id, world.now_ms)
        for one in found:
            with writing(world.engine) as connection:
                changed.append(leave.fill(connection, world.profiles, one, now_ms=world.now_ms))
        for one in trips_:
            with writing(world.engine) as connection:
                changed.append(trips.fill(connection, world.profiles, one, now_ms=world.now_ms))
        return changed

    def plan(self, who: str, begins: str, ends: str, *, students=None, staff=("lee",), title="Museum") -> int:
        with writing(self.world.engine) as connection:
            return trip_plans.plan(
                connection,
                self.scope(who),
                title=title,
                from_ms=at(begins),
                to_ms=at(ends),
                students=self.world.students if students is None else students,
                staff=[self.people[one] for one in staff],
                now_ms=self.world.now_ms,
            )

    def confirm(self, who: str, trip_id: int, came: dict[int, bool]) -> None:
        now_ms = self.world.now_ms
        with writing(self.world.engine) as connection:
            stored_trips.confirm(connection, self.scope(who), trip_id, came, now_ms=now_ms)
            trips.fill(connection, self.world.profiles, trip_id, now_ms=now_ms)

    def codes(self, person: int | None = None) -> dict[int, str | None]:
        """session -> code of a student."""
        mine = self.sam if person is None else person
        return {session: found[0] for (session, one), found in self.world.marks().items() if one == mine}

    def history(self, session_id: int, person: int | None = None) -> list[tuple]:
        mine = self.sam if person is None else person
        rows = [one for one in self.world.all(schema.mark) if (one.session_id, one.person_id) == (session_id, mine)]
        return [(one.code, one.source, one.rule, one.authority) for one in sorted(rows, key=lambda one: one.id)]

    def proposals(self) -> list[tuple]:
        return [
            (one.session_id, one.person_id, one.code)
            for one in self.world.all(schema.proposal)
            if one.closed_ms is None
        ]
