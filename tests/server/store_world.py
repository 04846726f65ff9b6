"""A small institution to test the store in, and readers that speak the wire: emulators, not patches."""

from __future__ import annotations

import itertools
import secrets
from copy import deepcopy

from sqlalchemy import select

from firmware.contract import statement
from firmware.contract.mac import Key
from server import deliveries
from server.derive import persons, registers
from server.intake.desk import Desk
from server.policy import profile
from server.store import cards, evidence, institutions, migrations, parts, readers, schema, session_profiles
from server.store.engine import open_engine, reading, writing
from server.vault import Vault
from tests.server import kept

MIN = 60_000
HOUR = 60 * MIN
#: what the tests call nine o'clock: 2026-09-21 14:00 UTC
NINE = 1_790_000_000_000 // HOUR * HOUR
UIDS = [bytes([4, n, 2, 3]) for n in range(1, 60)]


class World:
    """An institution with persons, rooms, classes and sessions. now_ms is set by the test."""

    def __init__(
        self,
        url: str,
        *,
        students: int = 3,
        rooms: int = 2,
        now_ms: int = NINE - 10 * 24 * HOUR,
        filled: dict | None = None,
    ) -> None:
        """filled: what is remembered of this database's world, which stands in it already."""
        key = ("world", students, rooms, now_ms)
        fresh = filled is None and kept.is_fresh(url)
        filled = kept.again(url, key) if fresh else filled
        self.engine = open_engine(url)
        if not migrations.is_current(self.engine):
            migrations.upgrade(self.engine)
        self.now_ms = now_ms
        self.vault = Vault(b"k" * 32)
        self.ring = readers.KeyRing(self.vault)
        self.profiles = profile.read_all()
        self._uid = itertools.count(1)
        if filled is not None:
            vars(self).update(deepcopy(filled))
            return
        with writing(self.engine) as connection:
            self.institution_id = institutions.ensure(connection, "main", "Europe/London", now_ms).id
            self.keys = cards.current_keys(connection, self.vault, self.institution_id, now_ms)
            self.rooms = [readers.ensure_room(connection, self.institution_id, f"R{n}") for n in range(rooms)]
        self.students = [self.person(f"S{n}", UIDS[n]) for n in range(students)]
        self.group = self.class_group("C1", self.students)
        if fresh:
            kept.keep(url, key, self.engine, self.remembered())

    def remembered(self) -> dict:
        """What this world knows of its rows, for one on a copy of its database."""
        names = ("institution_id", "keys", "rooms", "students", "group")
        return deepcopy({name: vars(self)[name] for name in names})

    def insert(self, table, **values) -> int:
        with writing(self.engine) as connection:
            made = connection.execute(table.insert().values(institution_id=self.institution_id, **values))
            return made.inserted_primary_key[0]

    def person(self, name: str, uid: bytes | None = None) -> int:
        person_id = self.insert(schema.person, created_ms=self.now_ms)
        self.insert(schema.person_name, person_id=person_id, full_name=f"{name} Example", sort_name=name.lower())
        self.insert(
            schema.person_external_id, person_id=person_id, source="identifier", external_id=name, from_ms=self.now_ms
        )
        if uid is not None:
            with writing(self.engine) as connection:
                cards.hold(connection, self.institution_id, person_id, self.tokens(uid), 0)
        return person_id

    def tokens(self, uid: bytes):
        return cards.token_for(uid, self.keys)

    def class_group(self, code: str, students) -> int:
        group = self.insert(schema.class_group, source="test", source_id=code, code=code, title=code)
        for person_id in students:
            self.enrol(group, person_id)
        return group

    def enrol(self, group: int, person_id: int, from_ms: int = 0, to_ms: int | None = None) -> int:
        return self.insert(
            schema.enrolment,
            class_id=group,
            person_id=person_id,
            role="student",
            source="test",
            from_ms=from_ms,
            to_ms=to_ms,
        )

    def session(
        self, starts_ms: int = NINE, minutes: int = 60, *, room: int = 0, group: int | None = None, profile="port"
    ):
        session_id = self.insert(
            schema.session,
            source="test",
            uid=f"u{next(self._uid)}",
            title="Lesson",
            starts_ms=starts_ms,
            ends_ms=starts_ms + minutes * MIN,
            opens_ms=starts_ms,
            closes_ms=starts_ms + minutes * MIN,
            profile="port",
        )
        with writing(self.engine) as connection:
            if profile != "port":
                session_profiles.assign(connection, self.institution_id, "session", str(session_id), profile, 0)
            session_profiles.plan(connection, self.institution_id, [session_id], self.now_ms, self.profiles)
            parts.set_rooms(connection, self.institution_id, session_id, [self.rooms[room]], self.now_ms)
            parts.set_classes(
                connection, self.institution_id, session_id, [self.group if group is None else group], self.now_ms
            )
        return session_id

    def reader(self, name: str = "a-1", *, room: int | None = 0, from_ms: int = 0) -> Board:
        code = None if room is None else f"R{room}"
        with writing(self.engine) as connection:
            key_id, secret = readers.add(
                connection,
                self.vault,
                self.institution_id,
                name=name,
                site_name="main",
                room_code=code,
                from_ms=from_ms,
                now_ms=self.now_ms,
            )
        return Board(name, Key(key_id, secret), self.keys)

    #: a saboteur puts a broken Delivery here
    delivery = deliveries.Delivery

    def second_card_key(self) -> Key:
        """A rotation of card keys begins: this one holds beside the first."""
        secret = secrets.token_bytes(32)
        with writing(self.engine) as connection:
            sealed = self.vault.seal(secret, f"card-key/{self.institution_id}/2")
            row = {"institution_id": self.institution_id, "key_id": 2, "secret": sealed, "from_ms": self.now_ms}
            connection.execute(schema.card_key.insert().values(**row))
        return Key(2, secret)

    def deliver(self, *items, derive: bool = True) -> deliveries.Answer:
        with writing(self.engine) as connection:
            desk = Desk(connection, self.ring, institution_id=self.institution_id, gateway_id=None, now_ms=self.now_ms)
            answer = self.delivery(desk).take(
                [item if isinstance(item, deliveries.Item) else wrap(item) for item in items]
            )
        if derive:
            self.derive()
        return answer

    def derive(self, limit: int = 100) -> None:
        while True:
            with writing(self.engine) as connection:
                if not persons.derive_due(connection, self.profiles, self.now_ms, limit=limit).persons:
                    return

    def settle(self, *states: str) -> None:
        """What the jobs do for registers: look, release, derive."""
        for state in states or ("pending", "complete", "incomplete"):
            with reading(self.engine) as connection:
                found = institutions.one(connection, self.institution_id)
                doubted = evidence.doubted(connection, self.institution_id) if state == "complete" else {}
                ready, _ = registers.releasable(connection, found, self.profiles, self.now_ms, state=state)
            for one in ready:
                with writing(self.engine) as connection:
                    registers.release(connection, self.institution_id, one, self.now_ms)
            if doubted:
                with writing(self.engine) as connection:
                    evidence.looked(connection, doubted)
            self.derive()

    def evidence(self, session_id: int) -> str:
        return next(row.evidence for row in self.all(schema.register) if row.session_id == session_id)

    def rows(self, query) -> list:
        with reading(self.engine) as connection:
            return list(connection.execute(query))

    def all(self, table, *columns) -> list:
        return self.rows(select(*(table.c[name] for name in columns)) if columns else select(table))

    def marks(self) -> dict:
        """(session, person) -> (code, late_min, flag)"""
        current, mark = schema.mark_current, schema.mark
        query = select(mark).join(current, current.c.mark_id == mark.c.id)
        return {(r.session_id, r.person_id): (r.code, r.late_min, r.flag) for r in self.rows(query)}

    def credits(self) -> set:
        """(session, person, reader's seq) of what holds."""
        c, s = schema.credit, schema.swipe
        query = (
            select(c.c.session_id, c.c.person_id, s.c.reader_id, s.c.seq)
            .join(s, s.c.id == c.c.swipe_id)
            .where(c.c.superseded_ms.is_(None))
        )
        return {tuple(row) for row in self.rows(query)}

    def alarms(self) -> set:
        return {row.code for row in self.all(schema.alarm)}

    def quarantined(self) -> dict:
        return {row.code: row.count for row in self.all(schema.quarantine)}

    def close(self) -> None:
        self.engine.dispose()


class Board:
    """A reader at the wire: journals, hellos, heads, in lines."""

    def __init__(self, name: str, key: Key, card_keys) -> None:
        self.name, self.key, self.card_keys = name, key, card_keys
        self.journal = None
        self.lines: list[str] = []
        self.nonce = None
        self._heads = {}
        self.boot()

    def boot(self, journal: str | None = None, *, before: str | None = None, at_ms: int = NINE - 2 * HOUR) -> str:
        last, self.journal = self.journal, journal or secrets.token_hex(8)
        before = before or last
        self.booted_ms = at_ms
        self.seq = -1
        return self.say(
            "open", before=before, before_seq=None if before is None else self._heads.get(before, 0), firmware="test"
        )

    def seal(self, kind: str, key: Key | None = None, **values) -> str:
        text = statement.say(kind, self.name, self.key.id, values)
        return statement.seal(text, (key or self.key).mac(text.encode()))

    def say(self, kind: str, key: Key | None = None, **values) -> str:
        self.seq += 1
        self._heads[self.journal] = self.seq
        line = self.seal(kind, key, journal=self.journal, seq=self.seq, **values)
        self.lines.append(line)
        return line

    def swipe(
        self,
        uid: bytes,
        at_ms: int,
        *,
        clock="sync",
        uncertainty_ms=10,
        verdict="green",
        session=None,
        key=None,
        boot_ms: int | None = None,
        said: statement.Message | None = None,
        forged: list[tuple[int, bytes]] | None = None,
    ) -> str:
        """boot_ms: where the boot's clock and the time of day do not run alike. uid: empty where it identifies nobody.
        said: what a card that signs said. forged: what whoever has the reader's key says in the place of the uid's tokens."""
        found = [statement.Token(k, t) for k, t in forged or (cards.token_for(uid, self.card_keys) if uid else [])]
        tokens = statement.evidence_of(found, said)
        return self.say(
            "swipe",
            key,
            evidence=tokens,
            boot_ms=at_ms - self.booted_ms if boot_ms is None else boot_ms,
            wall_ms=None if clock == "none" else at_ms,
            clock=clock,
            uncertainty_ms=None if clock == "none" else uncertainty_ms,
            verdict=verdict,
            session=session,
            roster=None,
        )

    def pair(self, at_ms: int, uncertainty_ms: int = 10) -> str:
        return self.say("clock", boot_ms=at_ms - self.booted_ms, wall_ms=at_ms, uncertainty_ms=uncertainty_ms)

    def held(self, freed: int = -1, oldest: int = 0) -> list:
        return [statement.Held(j, oldest, freed, head) for j, head in self._heads.items()]

    def hello(self, *, freed: int = -1, roster=None) -> str:
        self.nonce = secrets.token_hex(8)
        return self.seal(
            "hello", nonce=self.nonce, boot_ms=5, roster=roster, firmware="test", journals=self.held(freed)
        )

    def head(
        self, at_ms: int, *, able: str = "ok", clock="sync", boot_ms: int | None = None, uncertainty_ms: int = 10
    ) -> str:
        return self.seal(
            "head",
            nonce=secrets.token_hex(8),
            boot_ms=at_ms - self.booted_ms if boot_ms is None else boot_ms,
            wall_ms=at_ms if clock != "none" else None,
            clock=clock,
            uncertainty_ms=uncertainty_ms if clock != "none" else None,
            able=able,
            journals=self.held(),
        )


def wrap(line: str, *, reader: str | None = None, kind: str | None = None, received_ms: int = 1) -> deliveries.Item:
    """The gateway's item for a line."""
    parts = line.split("|")
    said = parts[1] if len(parts) > 1 else ""
    return deliveries.Item(
        id=str(hash(line)),
        site="main",
        reader=reader or (parts[2] if len(parts) > 2 else "?"),
        kind=kind or (said if said in ("hello", "head") else "record"),
        line=line,
        received_ms=received_ms,
    )


def told(answer: deliveries.Answer, kind: str) -> list:
    """What the answer says down, of one kind: values."""
    found = [statement.read(one["line"]) for one in answer.down]
    return [said.values for said in found if said.kind == kind]
