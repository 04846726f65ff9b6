"""The campus: people with cards, groups, doors. Made once for each process as a database to be copied, and known to
the simulation as values of its own, from which it tells what must be.
"""

import hashlib
import hmac
import random
import sqlite3
from dataclasses import dataclass, field, replace
from pathlib import Path

from firmware.contract.mac import Key
from server.policy import profile
from server.policy.moments import Span
from server.store import institutions, migrations, schema
from server.store.engine import open_engine, writing
from server.vault import Vault
from tests.simulation.world import T0

PEOPLE, GROUPS, READERS = 120, 4, 6
MIN = 60_000
SITE = "main"
VAULT_KEY = b"simulation-vault-key-32-bytes-ok"
CARD_SECRET = hashlib.sha256(b"card key").digest()
OPENS_BEFORE_MIN = 1
STRANGERS = 5  #: cards that nobody registered


def reader_secret(number: int) -> bytes:
    return hashlib.sha256(b"reader key %d" % number).digest()


def uid(person: int) -> bytes:
    return bytes([4]) + person.to_bytes(6, "big")


def token(person: int) -> bytes:
    """A card's token, by the standard library and not by the code under test."""
    return hmac.new(CARD_SECRET, uid(person), "sha256").digest()[:8]


def profiles() -> profile.Profiles:
    """The real profiles, with a short window, so that a run needs not be long."""
    every = profile.read_all()
    soon = Span(number=45, unit="min from end")
    short = replace(every["port"], opens_before_min=OPENS_BEFORE_MIN, evidence_deadline=soon)
    return profile.Profiles([short, *(every[name] for name in every if name != "port")])


@dataclass(frozen=True, kw_only=True)
class Session:
    """One session as it truly is. Times are true UTC ms."""

    id: int
    room: int
    group: int
    opens_ms: int
    starts_ms: int
    closes_ms: int


@dataclass(kw_only=True)
class Campus:
    """What is true of one run's campus."""

    readers: int
    sessions: list[Session] = field(default_factory=list)
    #: group -> person -> (from, to) true ms, to None: still
    members: dict[int, dict[int, tuple[int, int | None]]] = field(default_factory=dict)

    def name(self, number: int) -> str:
        return f"a-{101 + number}"

    def room(self, reader: int) -> int:
        return reader

    def is_member(self, person: int, group: int, at_ms: int) -> bool:
        held = self.members[group].get(person)
        return held is not None and held[0] <= at_ms and (held[1] is None or at_ms < held[1])

    def open_for(self, person: int, room: int, at_ms: int) -> list[Session]:
        """Sessions at this room that truly take this person's swipe at that time."""
        return [
            one
            for one in self.sessions
            if one.room == room and one.opens_ms <= at_ms <= one.closes_ms and self.is_member(person, one.group, at_ms)
        ]

    @property
    def ends_ms(self) -> int:
        return max(one.closes_ms for one in self.sessions)


def make_template(path: Path) -> None:
    """The database of a campus without sessions. Ids count from 1 in the order of their numbers here."""
    engine = open_engine(f"sqlite:///{path}")
    migrations.upgrade(engine)
    vault = Vault(VAULT_KEY)
    with writing(engine) as connection:
        one = institutions.ensure(connection, "main", "Europe/London", 0).id

        def add(table, rows):
            connection.execute(table.insert(), [{"institution_id": one, **row} for row in rows])

        add(schema.site, [{"name": SITE}])
        add(schema.room, [{"code": f"R{n}"} for n in range(READERS)])
        sealed = vault.seal(CARD_SECRET, f"card-key/{one}/1")
        add(schema.card_key, [{"key_id": 1, "secret": sealed, "from_ms": 0}])
        add(schema.person, [{"created_ms": 0} for _ in range(PEOPLE)])
        add(schema.card, [{"created_ms": 0} for _ in range(PEOPLE)])
        add(schema.card_token, [{"card_id": n + 1, "key_id": 1, "token": token(n)} for n in range(PEOPLE)])
        add(schema.card_assignment, [{"card_id": n + 1, "person_id": n + 1, "from_ms": 0} for n in range(PEOPLE)])
        groups = [f"G{n}" for n in range(GROUPS)]
        add(schema.class_group, [{"source": "sim", "source_id": g, "code": g, "title": g} for g in groups])
        names = [f"a-{101 + n}" for n in range(READERS)]
        add(schema.reader, [{"site_id": 1, "name": name, "created_ms": 0} for name in names])
        add(
            schema.reader_key,
            [
                {
                    "reader_id": n + 1,
                    "key_id": 1,
                    "from_ms": 0,
                    "secret": vault.seal(reader_secret(n), f"reader-key/{name}/1"),
                }
                for n, name in enumerate(names)
            ],
        )
        add(schema.reader_state, [{"reader_id": n + 1} for n in range(READERS)])
        names = [{"name": f"g{n}", "token_hash": bytes([n]), "created_ms": 0} for n in (1, 2)]
        add(schema.gateway, names)
    engine.dispose()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()


def plan(rng: random.Random, *, readers: int, lessons: list[tuple[int, int]]) -> Campus:
    """A timetable. lessons: (start, minutes) in ms from T0; at each, every door has a session of some group."""
    campus = Campus(readers=readers)
    size = PEOPLE // GROUPS
    for group in range(GROUPS):
        listed = list(range(group * size, (group + 1) * size))
        listed += [person for person in range(PEOPLE) if person not in listed and rng.random() < 0.1]
        campus.members[group] = dict.fromkeys(listed, (0, None))
    for start_ms, minutes in lessons:
        for reader in range(readers):
            if rng.random() < 0.9:
                starts = T0 + start_ms
                campus.sessions.append(
                    Session(
                        id=len(campus.sessions) + 1,
                        room=campus.room(reader),
                        group=(reader + rng.randrange(2)) % GROUPS,
                        opens_ms=starts - OPENS_BEFORE_MIN * MIN,
                        starts_ms=starts,
                        closes_ms=starts + minutes * MIN,
                    )
                )
    return campus


def write(path: Path, campus: Campus) -> None:
    """Put a run's timetable into its copy of the template."""
    raw = sqlite3.connect(path)
    with raw:
        raw.executemany(
            "INSERT INTO placement (institution_id, reader_id, room_id, from_ms) VALUES (1, ?, ?, 0)",
            [(n + 1, campus.room(n) + 1) for n in range(campus.readers)],
        )
        raw.executemany(
            "INSERT INTO enrolment (institution_id, class_id, person_id, role, source, from_ms)"
            " VALUES (1, ?, ?, 'student', 'sim', 0)",
            [(g + 1, p + 1) for g, listed in campus.members.items() for p in listed],
        )
        raw.executemany(
            "INSERT INTO session (id, institution_id, source, uid, title, starts_ms, ends_ms, opens_ms, closes_ms,"
            " profile) VALUES (?, 1, 'sim', ?, 'Lesson', ?, ?, ?, ?, 'port')",
            [(s.id, f"u{s.id}", s.starts_ms, s.closes_ms, s.opens_ms, s.closes_ms) for s in campus.sessions],
        )
        raw.executemany(
            "INSERT INTO session_room (institution_id, session_id, room_id, from_ms) VALUES (1, ?, ?, 0)",
            [(s.id, s.room + 1) for s in campus.sessions],
        )
        raw.executemany(
            "INSERT INTO session_class (institution_id, session_id, class_id, from_ms) VALUES (1, ?, ?, 0)",
            [(s.id, s.group + 1) for s in campus.sessions],
        )
    raw.close()


def enrol(path: Path, campus: Campus, person: int, group: int, at_ms: int) -> None:
    """Somebody joins a group from then on. Raises KeyError where they are in it already."""
    if person in campus.members[group]:
        raise KeyError(person)
    campus.members[group][person] = (at_ms, None)
    raw = sqlite3.connect(path)
    with raw:
        raw.execute(
            "INSERT INTO enrolment (institution_id, class_id, person_id, role, source, from_ms)"
            " VALUES (1, ?, ?, 'student', 'sim', ?)",
            (group + 1, person + 1, at_ms),
        )
        raw.execute("UPDATE institution SET campus_change = campus_change + 1")
    raw.close()


def reader_key(number: int) -> Key:
    return Key(1, reader_secret(number))


def card_key() -> Key:
    return Key(1, CARD_SECRET)
