"""The store's test world as misuse of cards is looked for in it: readers on two sites, and the job's own step."""

from sqlalchemy import select

from firmware.contract.mac import Key
from server.derive import misuse as looking
from server.store import readers, schema
from server.store.engine import reading, writing
from server.store.schema_misuse import misuse_flag, misuse_tap
from tests.server.store_world import Board

DAY = 24 * 3_600_000


class Watched:
    """World `w` with two doors on its site and one on another."""

    def __init__(self, w):
        self.w = w
        self.one, self.two = w.reader("a-1", room=0), w.reader("a-2", room=1)
        self.far = self.reader_on("hill", "h-1")
        w.deliver(*(board.lines[0] for board in (self.one, self.two, self.far)))

    def reader_on(self, site, name):
        w = self.w
        with writing(w.engine) as c:
            key_id, secret = readers.add(
                c, w.vault, w.institution_id, name=name, site_name=site, room_code=None, from_ms=0, now_ms=w.now_ms
            )
        return Board(name, Key(key_id, secret), w.keys)

    def look(self, steps=1):
        """The job's steps: what each wrote that is new."""
        new = 0
        for _ in range(steps):
            with reading(self.w.engine) as c:
                found = looking.look(c, self.w.profiles, self.w.institution_id, self.w.now_ms)
            if found is not None:
                with writing(self.w.engine) as c:
                    new += looking.keep(c, self.w.institution_id, found, self.w.now_ms)
        return new

    def flags(self):
        """(kind, person, other person, count) of those that are open."""
        query = (
            select(misuse_flag)
            .where(misuse_flag.c.closed_ms.is_(None), misuse_flag.c.lapsed_ms.is_(None))
            .order_by(misuse_flag.c.id)
        )
        rows = (row._mapping for row in self.w.rows(query))
        return [(row["kind"], row["person_id"], row["other_person_id"], row["count"]) for row in rows]

    def taps(self):
        """(person, reader's name) of what flags rest on, in order of time."""
        query = (
            select(misuse_tap.c.person_id, schema.reader.c.name)
            .join(schema.reader, schema.reader.c.id == misuse_tap.c.reader_id)
            .order_by(misuse_tap.c.at_ms)
        )
        return [tuple(row) for row in self.w.rows(query)]
