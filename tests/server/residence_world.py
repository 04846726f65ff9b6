"""A house of the residence in the store's test world: residents, a warden, a kiosk at the wire, and the jobs' part."""

from datetime import UTC, date, datetime

from firmware.contract import residents as wire
from firmware.contract import statement
from firmware.contract.mac import Key
from server.derive import check_ins as judging
from server.derive import residents as lists
from server.scope import Grant, Scope
from server.store import cards, readers, residence_admin, residence_board, rosters, schema
from server.store.accounts import at_the_console
from server.store.engine import reading, writing
from server.store.schema_residence import check_in_reading
from tests.server.staff_world import staff
from tests.server.store_world import HOUR, MIN, UIDS, Board

#: the evening of the tests: in London 18:00 to 22:00 are 17:00 to 21:00 UTC
DAY = date(2026, 9, 21)
OPENS = int(datetime(2026, 9, 21, 17, 0, tzinfo=UTC).timestamp() * 1000)
CLOSES = OPENS + 4 * HOUR
WARDEN_UID = UIDS[40]


class Residence:
    """World `w` with one house, in which its students live, and a kiosk there with a warden on duty."""

    def __init__(self, w, *, since_ms=OPENS - 20 * 24 * HOUR, capacity=10):
        self.w, self.since_ms = w, since_ms
        w.now_ms = OPENS - HOUR
        self.console = at_the_console(w.institution_id)
        # A command has no account; what is asked of an account in the tables needs one.
        self.admin = staff(w, "admin")
        self.warden_person = w.person("W0", WARDEN_UID)
        self.board = w.reader("k-1", room=None)
        self.reader_id = self.ids()["k-1"]
        with writing(w.engine) as c:
            self.house = residence_admin.add_house(c, self.admin, "H1", "North House", w.now_ms)
            for n, one in enumerate(w.students):
                residence_admin.add_resident(
                    c, self.admin, self.house, one, since_ms, w.now_ms, floor=str(n // 2), room=f"{n}"
                )
            residence_admin.add_duty(c, self.admin, self.house, self.warden_person, since_ms, w.now_ms)
            residence_admin.place_kiosk(
                c, self.admin, self.reader_id, self.house, since_ms, w.now_ms, capacity=capacity
            )
        self.warden = self.account("residence", self.warden_person, scope="residence", scope_id=self.house)

    def ids(self):
        return {row.name: row.id for row in self.w.all(schema.reader)}

    def account(self, role, person_id=None, *, scope="institution", scope_id=None):
        """The scope of an account with this role, of this person."""
        made = staff(self.w, role, scope=scope, scope_id=scope_id)
        grant = Grant(role=role, scope=scope, scope_id=scope_id)
        return Scope(
            institution_id=made.institution_id, account_id=made.account_id, person_id=person_id, grants=(grant,)
        )

    def other_house(self, name="k-2", site="hall"):
        """Another house with a kiosk on another site: (house id, board)."""
        w = self.w
        with writing(w.engine) as c:
            house = residence_admin.add_house(c, self.admin, "H2", "South House", w.now_ms)
            key_id, secret = readers.add(
                c, w.vault, w.institution_id, name=name, site_name=site, room_code=None, from_ms=0, now_ms=w.now_ms
            )
        reader_id = self.ids()[name]
        with writing(w.engine) as c:
            residence_admin.place_kiosk(c, self.admin, reader_id, house, self.since_ms, w.now_ms)
        return house, Board(name, Key(key_id, secret), w.keys)

    # --- what the kiosk says

    def evidence(self, uid):
        return statement.evidence_of([statement.Token(k, t) for k, t in cards.token_for(uid, self.w.keys)])

    def check_in(self, uid, at_ms, *, board=None, method="finger", witness=None, clock="sync", place="fixed", **more):
        board = board or self.board
        values = {"verdict": "green", "tries": 0, "cell": None, "fix": None, "roster": None, "uncertainty_ms": 10}
        values |= more
        return board.say(
            "checkin",
            evidence=self.evidence(uid),
            method=method,
            witness=None if witness is None else self.evidence(witness)[1:],
            boot_ms=at_ms - board.booted_ms,
            wall_ms=None if clock == "none" else at_ms,
            clock=clock,
            place=place,
            **(values | ({"uncertainty_ms": None} if clock == "none" else {})),
        )

    def event(self, what, at_ms, *, uid=None, by=None, slot=None, generation=None, detail=None, board=None):
        board = board or self.board
        return board.say(
            "kiosk",
            boot_ms=at_ms - board.booted_ms,
            wall_ms=at_ms,
            clock="sync",
            uncertainty_ms=10,
            event=what,
            subject=None if uid is None else self.evidence(uid)[1:],
            by=None if by is None else self.evidence(by)[1:],
            slot=slot,
            generation=generation,
            detail=detail,
        )

    # --- what the store does

    def judge(self):
        w = self.w
        while True:
            with writing(w.engine) as c:
                if not judging.judge_due(c, w.profiles, w.institution_id, w.now_ms):
                    break
        with writing(w.engine) as c:
            judging.look_elsewhere(c, w.profiles, w.institution_id, w.now_ms)

    def deliver(self, *lines):
        answer = self.w.deliver(*lines)
        self.judge()
        return answer

    def issue(self):
        """Build the lists; how many were issued."""
        w = self.w
        with writing(w.engine) as c:
            return lists.build(c, w.ring, w.institution_id, w.profiles, w.now_ms)

    def listed(self, board=None):
        """The kiosk's residents list as the kiosk reads it."""
        board = board or self.board
        with reading(self.w.engine) as c:
            row = next(one for one in rosters.after(c, self.w.institution_id, 0) if one.name == board.name)
        return wire.decode(bytes(row.payload), board.key, board.name)

    def entry(self, uid, board=None):
        return self.listed(board).find(cards.token_for(uid, self.w.keys)[0][1])

    def read(self):
        """(person, evening, counts, why) of every check-in, in order of their records."""
        rows = sorted(self.w.all(check_in_reading), key=lambda row: row.check_in_id)
        return [(row.person_id, row.evening, bool(row.counts), row.why) for row in rows]

    def states(self, day=DAY, scope=None, house=None):
        """person id -> state, on the board."""
        with reading(self.w.engine) as c:
            made = residence_board.board(
                c, scope or self.warden, self.w.profiles, house or self.house, day, self.w.now_ms
            )
        return {row.person_id: row.state for row in made.people}

    def do(self, work, *given, **more):
        """work(connection, ...) in a transaction."""
        with writing(self.w.engine) as c:
            return work(c, *given, **more)

    def look(self, work, *given, **more):
        with reading(self.w.engine) as c:
            return work(c, *given, **more)


__all__ = ["CLOSES", "DAY", "HOUR", "MIN", "OPENS", "UIDS", "WARDEN_UID", "Residence"]
