"""A school whose registers can be corrected: people of every role that asks or decides, and the forms as they send them."""

from __future__ import annotations

import re
from pathlib import Path

from server.policy import profile as profile_files
from server.store import accounts, rights, schema, schema_rights, schema_work
from server.store.engine import writing
from server.store.hands import record
from server.store.wanted_marks import Wanted
from tests.server.pages.school import HASHER, PASSWORD, School, Visitor
from tests.server.store_world import HOUR

DAY = 24 * HOUR
#: login -> role
STAFF = {
    "hedda": "head",
    "rita": "registry",
    "rolf": "registry",
    "fay": "finance",
    "cora": "curriculum",
    "otto": "auditor",
}


def with_profile(folder: Path, text: str) -> Corrected:
    """A school that has a profile of its own, `own`, beside those that are shipped."""
    (folder / "profiles").mkdir()
    (folder / "profiles" / "own.toml").write_text(text)
    made_ = Corrected(folder)
    made_.world.profiles = profile_files.read_all(own=folder / "profiles", time_zone="Europe/London")
    return made_


class Corrected(School):
    """`aged(days)`: a session of Ada's that ended so long ago, everybody marked A."""

    def __init__(self, folder, **values) -> None:
        super().__init__(folder, **values)
        for name, role in STAFF.items():
            person_id = self.person(f"{name.title()} Staff")
            with writing(self.world.engine) as connection:
                self.accounts[name] = accounts.make(
                    connection,
                    self.world.institution_id,
                    login_name=name,
                    shown_name=name.title(),
                    password_hash=HASHER.hash(PASSWORD),
                    role=role,
                    person_id=person_id,
                    now_ms=self.now_ms,
                )

    def aged(self, days: float, *, code: str = "A", profile: str = "lough", **values) -> int:
        session = self.session(starts_min=-int(days * DAY / 60_000) - 60, profile=profile, **values)
        with writing(self.world.engine) as connection:
            record(
                connection,
                self.world.institution_id,
                session,
                [Wanted(person_id=one, code=code) for one in self.students],
                source="import",
                rule="test",
                authority=None,
                by_account_id=None,
                now_ms=self.now_ms - int(days * DAY) + 1,
                profiles=self.world.profiles,
            )
        return session

    def state(self, request: int) -> str:
        return next(row.state for row in self.world.all(schema_work.change_request) if row.id == request)

    def codes(self, session: int) -> list:
        return [self.world.marks()[session, one][0] for one in self.students]

    def regrant(self, name: str, role: str, scope: str, scope_id: int) -> None:
        """This account's grants end, and it holds this one."""
        table = schema_rights.account_role
        with writing(self.world.engine) as connection:
            connection.execute(
                table.update().where(table.c.account_id == self.accounts[name]).values(to_ms=self.now_ms - 1)
            )
            rights.grant(
                connection,
                self.world.institution_id,
                self.accounts[name],
                role,
                scope=scope,
                scope_id=scope_id,
                now_ms=self.now_ms - 1,
            )

    def course_run(self, **values) -> int:
        course = self.world.all(schema.course)[0].id
        return self.world.insert(schema.course_run, course_id=course, code="r", **values)


def hidden(text: str) -> dict[str, str]:
    """Every hidden field of the forms on a page; csrf once."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text))


def ask(visitor: Visitor, session: int, marks: dict[int, str], *, kind: str = "marks", files=(), **fields: str):
    """Open the form and send it: person -> the new mark, or for other kinds whoever is ticked."""
    shown = visitor.get(f"/sessions/{session}/request?kind={kind}")
    assert shown.status_code == 200, shown.text
    chosen = {f"mark-{one}" if kind == "marks" else f"who-{one}": code for one, code in marks.items()}
    return send(visitor, f"/sessions/{session}/request", hidden(shown.text) | chosen | fields, files)


def send(visitor: Visitor, path: str, fields: dict[str, str], files=()):
    """A form with files, as a browser sends it: (name, content) each."""
    parts = [("files", (name, content)) for name, content in files]
    # A file field that was left empty is sent too.
    return visitor.http.post(path, data=fields, files=parts or [("files", ("", b""))])


def made(answer) -> int:
    """The id of the request to which the answer leads."""
    assert answer.status_code == 303, told(answer)
    return int(re.match(r"/requests/(\d+)", answer.headers["location"])[1])


def told(answer) -> str:
    """What the page's alert says."""
    found = re.search(r'role="alert"[^>]*>([^<]*)', answer.text) or re.search(
        r'(?:<p class="none">|<div class="sheet pad">\s*<p>)([^<]*)', answer.text
    )
    return found[1].strip() if found else answer.text[:300]


def decide(visitor: Visitor, request: int, decision: str, comment: str = ""):
    """Open the request and press a button."""
    csrf = visitor.csrf("/requests")
    return visitor.post(f"/requests/{request}/decide", {"csrf": csrf, "decision": decision, "comment": comment})
