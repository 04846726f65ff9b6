"""A school for the pages' tests: a store's world with accounts, names and sessions of today, and people signed in."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from argon2 import PasswordHasher
from fastapi.testclient import TestClient

from server import names
from server.app import make_app
from server.clock import Clock
from server.settings import Settings
from server.store import accounts, cards, parts, schema
from server.store.engine import writing
from tests.server import kept
from tests.server.store_world import MIN, World, wrap

PASSWORD = "correct horse battery"
LONDON = ZoneInfo("Europe/London")
#: Monday 2026-10-05 10:20 in London (BST)
NOW = int(datetime(2026, 10, 5, 10, 20, tzinfo=LONDON).timestamp() * 1000)
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"
#: quick: what is tested here is not how slow argon2id is
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class School:
    """now_ms is the server's clock, set by the test."""

    def __init__(
        self, folder: Path, *, students: int = 5, now_ms: int = NOW, clock: Clock | None = None, url: str = ""
    ) -> None:
        url = url or f"sqlite:///{folder / 'muster.db'}"
        key = ("school", students, now_ms)
        fresh = kept.is_fresh(url)
        filled, mine = (kept.again(url, key) if fresh else None) or (None, None)
        self.world = World(url, students=0, now_ms=now_ms - 30 * 24 * 3_600_000, filled=filled)
        self.folder = folder
        self.now_ms = now_ms
        self.clock = clock or Clock(real=lambda: self.now_ms / 1000)
        self.uids = [bytes([4, n >> 8, n & 255, 9]) for n in range(1, students + 1)]
        if mine is not None:
            vars(self).update(deepcopy(mine))
            return
        self.students = [self.person(f"Student {n:03}", uid) for n, uid in enumerate(self.uids)]
        self.ada, self.bob = self.person("Ada Lecturer"), self.person("Bob Lecturer")
        course = self.world.insert(schema.course, source="test", source_id="c", code="CS101", title="Computing for all")
        self.group = self.world.insert(
            schema.class_group, source="test", source_id="g", code="CS101-A", title="A", course_id=course
        )
        for person_id in self.students:
            self.world.enrol(self.group, person_id)
        self.accounts = {}
        for name, role, person in (
            ("admin", "admin", None),
            ("ada", "lecturer", self.ada),
            ("bob", "lecturer", self.bob),
            ("tess", "technician", None),
        ):
            with writing(self.world.engine) as connection:
                self.accounts[name] = accounts.make(
                    connection,
                    self.world.institution_id,
                    login_name=name,
                    shown_name=name.title(),
                    password_hash=HASHER.hash(PASSWORD),
                    role=role,
                    person_id=person,
                    now_ms=now_ms,
                )
        if fresh:
            mine = deepcopy({name: vars(self)[name] for name in ("students", "ada", "bob", "group", "accounts")})
            kept.keep(url, key, self.world.engine, (self.world.remembered(), mine))

    def app(self, *, work: bool = False, **settings):
        """The whole server; its background work is done by `settle` unless asked for."""
        chosen: dict[str, Any] = {"data_dir": self.folder} | settings
        return make_app(Settings(**chosen), self.world.engine, self.clock, self.world.vault, hasher=HASHER, work=work)

    def person(self, name: str, uid: bytes | None = None) -> int:
        world = self.world
        person_id = world.insert(schema.person, created_ms=world.now_ms)
        given, _, family = name.rpartition(" ")
        world.insert(schema.person_name, person_id=person_id, full_name=name, sort_name=names.sort_name(family, given))
        if uid is not None:
            with writing(world.engine) as connection:
                cards.hold(connection, world.institution_id, person_id, world.tokens(uid), world.now_ms)
        return person_id

    def session(self, title="Computing", *, starts_min=-20, minutes=60, room=0, staff=None, profile="lough", **values):
        """A session that starts so many minutes from now."""
        world = self.world
        session_id = world.session(
            self.now_ms + starts_min * MIN, minutes, room=room, group=self.group, profile=profile
        )
        with writing(world.engine) as connection:
            connection.execute(
                schema.session.update().where(schema.session.c.id == session_id).values(title=title, **values)
            )
            people = [self.ada] if staff is None else staff
            parts.set_staff(connection, world.institution_id, session_id, people, world.now_ms)
        return session_id

    def reader(self, name="a-101", *, room: int | None = 0):
        """A reader at a room's door that has said hello."""
        board = self.world.reader(name, room=room)
        board.boot(at_ms=self.now_ms - 3_600_000)
        return board

    def tap(self, board, student: int | bytes, *, ago_s: float = 0) -> None:
        """A card is tapped, and everything that follows is worked out."""
        uid = student if isinstance(student, bytes) else self.uids[student]
        board.swipe(uid, self.now_ms - int(ago_s * 1000))
        # All of it each time: delivered twice is delivered once.
        self.deliver(*board.lines)

    def deliver(self, *lines: str) -> None:
        """Lines of readers arrive now, and everything that follows is worked out."""
        self.world.now_ms = self.now_ms
        self.world.deliver(*(wrap(line, received_ms=self.now_ms) for line in lines))

    def close(self) -> None:
        self.world.close()


class Visitor:
    """A browser: keeps cookies, follows nothing by itself."""

    def __init__(self, app, **values) -> None:
        self.http = TestClient(app, follow_redirects=False, **values)

    def get(self, path: str, *, htmx: bool = False, **values):
        return self.http.get(path, headers={"HX-Request": "true"} if htmx else {}, **values)

    def post(self, path: str, fields: dict, *, htmx: bool = False):
        return self.http.post(path, data=fields, headers={"HX-Request": "true"} if htmx else {})

    def csrf(self, path: str) -> str:
        return re.search(r'name="csrf" value="([^"]*)"', self.get(path).text)[1]

    def find(self, path: str, words: str, **more: str):
        """What the search of this page leads to."""
        answer = self.post(f"{path}/find", {"csrf": self.csrf(path), "q": words} | more)
        assert answer.status_code == 303, answer.text
        return self.get(answer.headers["location"])

    def sign_in(self, name: str, password: str = PASSWORD, goes_on: str = "/"):
        token = self.csrf("/sign-in")
        return self.post("/sign-in", {"csrf": token, "login": name, "password": password, "next": goes_on})


def version_of(text: str) -> str:
    """What an open register asks with next."""
    return re.search(r'\?v=([0-9a-f-]+)"', text)[1]
