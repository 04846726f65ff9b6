"""A school of two departments with somebody of each role in each: who must not see what, on either database."""

from __future__ import annotations

from server.store import accounts, parts, schema, schema_rights, schema_work
from server.store.engine import writing
from tests.server.pages.school import HASHER, PASSWORD, School, Visitor
from tests.server.store_world import HOUR

#: login -> (role, department or none, who they are among the persons: a name, or nobody)
STAFF = {
    "lea": ("lecturer", None, "Lea Lecturer"),
    "lou": ("lecturer", None, "Lou Lecturer"),
    "hal": ("head", 0, "Hal Head"),
    "hun": ("head", 1, "Hun Head"),
    "rex": ("registry", 1, "Rex Registry"),
    "rita": ("registry", None, "Rita Registry"),
    "sam": ("student", None, "Sam Student"),
    "tia": ("student", None, "Tia Student"),
}


class TwoDepartments(School):
    """`sessions[0]` is Lea's and has Sam on its list, in department ONE; `sessions[1]` is Lou's, has Tia, in TWO."""

    def __init__(self, folder, **values) -> None:
        super().__init__(folder, students=0, **values)
        world = self.world
        self.departments = [
            world.insert(schema_rights.department, source="t", source_id=name, code=name, title=name.title())
            for name in ("ONE", "TWO")
        ]
        self.people = {}
        for name, (role, department, full_name) in STAFF.items():
            self.people[name] = self.person(full_name)
            world.insert(
                schema.person_external_id, person_id=self.people[name], source="identifier", external_id=f"N-{name}",
                from_ms=0,
            )  # fmt: skip
            self.account(name, role, self.people[name], department=department)
        self.groups, self.sessions, self.courses = [], [], []
        for n, (lecturer, student) in enumerate((("lea", "sam"), ("lou", "tia"))):
            code = f"C{n}"
            course = world.insert(
                schema.course, source="t", source_id=code, code=code, title=code, department_id=self.departments[n]
            )
            self.group = world.insert(
                schema.class_group, source="t", source_id=code, code=f"{code}-A", title="A", course_id=course
            )
            world.enrol(self.group, self.people[student])
            self.courses.append(course)
            self.groups.append(self.group)
            self.sessions.append(self.session(f"Secret {n}", room=n, staff=[self.people[lecturer]]))

    def account(self, login: str, role: str, person_id: int | None, *, department: int | None = None) -> int:
        """A login of its own; several may be one person's."""
        with writing(self.world.engine) as connection:
            self.accounts[login] = accounts.make(
                connection,
                self.world.institution_id,
                login_name=login,
                shown_name=login.title(),
                password_hash=HASHER.hash(PASSWORD),
                role=role,
                person_id=person_id,
                now_ms=self.now_ms - HOUR,
                scope="institution" if department is None else "department",
                scope_id=None if department is None else self.departments[department],
            )
        return self.accounts[login]

    def staff(self, session: int, *names: str) -> None:
        """These teach it from now on."""
        with writing(self.world.engine) as connection:
            parts.set_staff(
                connection, self.world.institution_id, session, [self.people[one] for one in names], self.now_ms
            )

    def absence(self, name: str, reason: str = "Secret reason", **values) -> int:
        """An absence of a student's, of the hours around now."""
        note = self.world.insert(schema.note, text=reason, salt=b"s" * 16, created_ms=self.now_ms)
        about = {"kind": "reported", "channel": "self", "from_ms": self.now_ms - HOUR, "to_ms": self.now_ms + HOUR}
        about |= {"reported_ms": self.now_ms, "by_account_id": self.accounts[name], "reason_note_id": note}
        return self.world.insert(schema_work.absence, person_id=self.people[name], **(about | values))


def signed_in(app, name: str) -> Visitor:
    """Somebody's browser."""
    visitor = Visitor(app)
    answer = visitor.sign_in(name)
    assert answer.status_code == 303, answer.text
    return visitor
