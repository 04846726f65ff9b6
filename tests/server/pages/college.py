"""A college with something on every page: people of every role, long names, registers in each state, and what waits."""

from __future__ import annotations

import itertools
import json
from datetime import date, datetime, timedelta
from pathlib import Path

from firmware.contract import statement
from server import names, residence_texts
from server.derive import check_ins as judging
from server.pages import sought
from server.policy.misuse import Case
from server.policy.oddities import ONE_CARD, Odd
from server.release_pack import Key
from server.scope import STUDENT
from server.store import (
    absence_decisions,
    absences,
    accounts,
    alarms,
    cards,
    logins,
    misuse_flags,
    misuse_taps,
    notes,
    releases,
    reported_absences,
    residence_acts,
    residence_admin,
    residence_flags,
    residence_leaves,
    residence_templates,
    rollout_progress,
    rollouts,
    schema,
    schema_rights,
    schema_work,
    signed_cards,
    trip_plans,
)
from server.store.engine import reading, writing
from server.store.hands import record
from server.store.wanted_marks import Wanted
from tests.firmware.pico import release_packs
from tests.server.filetypes.files import LETTER
from tests.server.pages.requesting import DAY, Corrected, ask, decide, made
from tests.server.pages.school import HASHER, LONDON, PASSWORD, Visitor
from tests.server.store_world import HOUR, MIN, wrap

NAMES = """Amara Okafor|Anton Weiß|Beatriz Álvarez Núñez|Chen Yu-Ting|Daniel O’Sullivan|Elif Yıldız|Farah Haddad
Grace Kim|Hamish MacDonald|Ingrid Sørensen|Wolfeschlegelsteinhausenbergerdorff-Raghunathan Maximiliana Theodora Alexandra
Jamal Washington|Katarzyna Wójcik|Leila Ben Amor|Mateo Rossi|Ngozi Eze|Oliver Brown|Priya Raghunathan|Quentin Lefèvre
Rosa Jiménez|Siddharth Iyer|Tomás Ó Briain|Uma Krishnan|Viktor Novák|Wen Li|Zoë van der Berg""".replace(
    "\n", "|"
).split("|")
LONG = "Operating systems: scheduling, memory, and what happens when both of them run out at the same time"


class College(Corrected):
    """Its clock stands still. `app()` has a provider, and a folder for imports."""

    def __init__(self, folder: Path, *, students: int = 14) -> None:
        super().__init__(folder, students=students)
        self._numbers = itertools.count(1)
        (folder / "imports" / "nightly").mkdir(parents=True)
        #: for what tests/server/walk/objects.py makes: the school, and where somebody is going
        self.school, self.route = self, None
        self.served = self.app(
            data_dir=folder / "data",
            import_dir=folder / "imports",
            oidc_issuer="https://login.college.example",
            oidc_client_id="muster",
        )
        self.lecturers = [self.ada, self.bob]
        self._people()
        self._catalogue()
        self._registers()
        self._evidence()
        self._releases()
        self._absences()
        self._requests()
        self._office()
        self._residence()

    def number(self) -> int:
        return next(self._numbers)

    def made(self, table, **values) -> int:
        return self.world.insert(table, **values)

    def scope(self, name: str):
        with reading(self.world.engine) as connection:
            return absences.scope_of(connection, self.world.institution_id, self.accounts[name], self.now_ms)

    def _account(self, name: str, role: str, person_id: int | None) -> None:
        with writing(self.world.engine) as connection:
            self.accounts[name] = accounts.make(
                connection, self.world.institution_id, login_name=name, shown_name=name.title(),
                password_hash=HASHER.hash(PASSWORD), role=role, person_id=person_id, now_ms=self.now_ms - 1,
            )  # fmt: skip

    def _people(self) -> None:
        world, person = self.world, schema.person_name
        # Somebody is here who is on no list, and somebody who is yet to begin.
        self.stranger = self.person("Noor Stranger", bytes([4, 250, 1, 9]))
        self.late_starter = self.person("Bao Latestarter", bytes([4, 251, 1, 9]))
        shown = dict(zip(self.students, NAMES, strict=False)) | {self.ada: "Dr Ada Byron", self.bob: "Bob Noyce"}
        with writing(world.engine) as connection:
            for person_id, name in shown.items():
                given, _, family = name.partition(" ")
                values = {"full_name": name, "sort_name": names.sort_name(family, given)}
                connection.execute(person.update().where(person.c.person_id == person_id).values(**values))
            for person_id in (*self.students, self.stranger, self.late_starter, self.ada, self.bob):
                connection.execute(
                    schema.person_external_id.insert().values(
                        institution_id=world.institution_id, person_id=person_id, source="identifier",
                        external_id=f"up{2_100_000 + person_id * 7919}", from_ms=0,
                    )
                )  # fmt: skip
        self._account("sam", STUDENT, self.students[0])
        self._account("ros", "residence", None)
        self._account("victim", "lecturer", None)

    def _catalogue(self) -> None:
        world = self.world
        titles = (("COMP", "School of Computing"), ("MATH", "School of Mathematics and Physics"))
        self.departments = [
            self.made(schema_rights.department, source="test", source_id=code, code=code, title=title)
            for code, title in titles
        ]
        with writing(world.engine) as connection:
            connection.execute(
                schema.course.update().values(department_id=self.departments[0], title="Operating systems")
            )
        other = self.made(schema.course, source="test", source_id="m", code="MA101", title="Discrete mathematics",
                          department_id=self.departments[1])  # fmt: skip
        self.courses = [world.all(schema.course)[0].id, other]
        group = self.made(schema.class_group, source="test", source_id="m", code="MA101-A", title="A", course_id=other)
        self.groups = [self.group, group]
        for person_id in self.students:
            self.made(
                schema_rights.person_department, person_id=person_id, department_id=self.departments[0], from_ms=0
            )
        span = {"from_ms": self.now_ms - 14 * DAY, "to_ms": self.now_ms + 60 * DAY}
        self.term = self.made(schema_work.term, source="muster", source_id="t", title="Autumn 2026", **span)
        self.regrant("hedda", "head", "department", self.departments[0])

    def _registers(self) -> None:
        ada, bob = self.ada, self.bob
        #: what is on now, with a reader at the door
        self.now = self.session(LONG, starts_min=-8)
        self.before = self.session("Discrete mathematics", starts_min=-140, room=1)
        self.step = self.session("Digital logic workshop", starts_min=-20, minutes=90, room=1, profile="step",
                                 staff=[ada, bob])  # fmt: skip
        self.later = self.session("Compilers", starts_min=100, minutes=120)
        self.cancelled = self.session("Tutorial group 4", starts_min=220, minutes=50, cancelled_ms=self.now_ms)
        self.tomorrow = self.session("Compilers", starts_min=24 * 60 + 100, room=1)
        self.old = self.session("Networks", starts_min=-3 * 24 * 60)
        self.sessions = (self.now, self.old)
        #: marked by hand, long enough ago to be asked about
        self.asked_about = self.aged(2, title="Networks")
        self.aged_month = self.aged(33, title="Introductory week")
        with writing(self.world.engine) as connection:
            codes = ["P"] * len(self.students)
            codes[1:5] = ["L", "A", "R", "E"]
            record(
                connection, self.world.institution_id, self.before,
                [Wanted(person_id=one, code=code, late_min=12 if code == "L" else None)
                 for one, code in zip(self.students[:-1], codes, strict=False)],
                source="import", rule="test", authority=None, by_account_id=None, now_ms=self.now_ms - HOUR,
                profiles=self.world.profiles,
            )  # fmt: skip
        # Late again and again: a report of its own.
        for days in range(1, 6):
            session = self.session("Discrete mathematics", starts_min=-days * 24 * 60)
            with writing(self.world.engine) as connection:
                record(
                    connection, self.world.institution_id, session,
                    [Wanted(person_id=one, code="L", late_min=10 + days) for one in self.students[1:3]],
                    source="import", rule="test", authority=None, by_account_id=None,
                    now_ms=self.now_ms - days * DAY, profiles=self.world.profiles,
                )  # fmt: skip

    def _releases(self) -> None:
        """One that three readers have, and one that stopped by itself after the first."""
        scope = accounts.at_the_console(self.world.institution_id)
        doors = ("bk-012", "bk-104", "bk-230")

        def say(name, **told):
            update = {"board": "pico", "counter": 1, "tag": None, "have": 0} | told
            self.world.deliver(wrap(json.dumps({"update": update}), reader=name, kind="health"), derive=False)

        with writing(self.world.engine) as connection:
            releases.trust(connection, scope, Key(1, release_packs.key().n), self.now_ms - DAY)
            for counter in (1, 2):
                releases.add(connection, scope, release_packs.signed(counter), self.now_ms - DAY // counter)
            newest = releases.listed(connection, self.world.institution_id)[0]
        for name in doors:
            say(name)
        with writing(self.world.engine) as connection:
            rollouts.start(connection, scope, newest.id, percents=(1, 50, 100), soak_min=10, now_ms=self.now_ms)
            rollout_progress.step(connection, self.world.institution_id, self.now_ms)
        for name in doors:
            say(name, failed=2)
        with writing(self.world.engine) as connection:
            rollout_progress.step(connection, self.world.institution_id, self.now_ms)

    def _evidence(self) -> None:
        door, other = self.reader("bk-012"), self.reader("bk-104", room=1)
        lost = self.world.reader("bk-230", room=None)
        lost.boot(at_ms=self.now_ms - HOUR)
        # Cards that sign, and said nothing at the door.
        with writing(self.world.engine) as connection:
            for uid in self.uids[4:6]:
                card_id = cards.known(connection, self.world.institution_id, self.world.tokens(uid))
                assert card_id is not None
                signed_cards.register(connection, self.world.vault, self.world.institution_id, card_id,
                                      signed_cards.Signer(uid=bytes(7), key=bytes(16)), self.now_ms - DAY)  # fmt: skip
        for n in range(len(self.students) - 4):
            if n % 5 != 3:
                door.swipe(self.uids[n], self.now_ms - (7 - n % 6) * MIN + n * 311)
        door.swipe(bytes([4, 250, 1, 9]), self.now_ms - 3 * MIN)
        door.swipe(bytes([4, 222, 222, 9]), self.now_ms - 2 * MIN)
        self.deliver(*door.lines, door.hello(roster=self.now_ms - 40 * MIN), door.head(self.now_ms - 1000))
        other.swipe(self.uids[2], self.now_ms - 18 * MIN)
        self.deliver(*other.lines, other.hello(), other.head(self.now_ms - 20 * MIN))
        lost.swipe(self.uids[1], self.now_ms - MIN)
        self.deliver(lost.lines[0], lost.hello(), lost.head(self.now_ms, able="chip"))
        forged = other.swipe(self.uids[3], self.now_ms - MIN)
        self.deliver(forged[:-4] + "0000")
        with writing(self.world.engine) as connection:
            for place, code in enumerate(("BK 0.12", "BK 1.04")):
                connection.execute(
                    schema.room.update().where(schema.room.c.id == self.world.rooms[place]).values(code=code)
                )
            alarms.raise_(connection, self.world.institution_id, "hole", "bk-230",
                          "bk-230 stated a record that did not come after three offers", self.now_ms)  # fmt: skip
        self.swipes = [row.swipe_id for row in self.world.all(schema.reading)][-2:]
        desk = self.reader("desk-1", room=None)
        for uid, ago_s in ((self.uids[7], 90), (bytes([4, 77, 77, 9]), 40), (b"", 20)):
            desk.swipe(uid, self.now_ms - ago_s * 1000, verdict="check")
        self.deliver(*desk.lines, desk.hello(), desk.head(self.now_ms))
        self.desk_tap = self.world.all(schema.reading)[-2].swipe_id

    def _absences(self) -> None:
        world, now_ms, one = self.world, self.now_ms, self.students[0]
        sam, ada = self.scope("sam"), self.scope("ada")
        with writing(world.engine) as connection:

            def report(scope, person_id, days, channel, **values):
                wanted = reported_absences.Wanted(
                    **{"person_id": person_id, "kind": "reported", "from_ms": now_ms, "to_ms": now_ms + days * DAY,
                       "reason": "A migraine since this morning; the practice gives no appointment before Wednesday",
                       "channel": channel, "reported_ms": now_ms, **values}
                )  # fmt: skip
                return reported_absences.report(connection, scope, wanted, now_ms=now_ms)

            self.absence = report(sam, one, 1, "self", session_ids=(self.later,))
            self.told = report(ada, self.students[3], 2, "parent", told_by="Mrs Yu-Ting, the mother")
            leave = report(self.scope("rita"), self.students[5], 20, "phone", kind="authorised")
            absence_decisions.decide(
                connection, self.scope("rita"), leave, approve=True, comment="Until the operation", now_ms=now_ms
            )
            self.leave = leave
            self.trip = trip_plans.plan(
                connection, ada, title="Bletchley Park and the National Museum of Computing", from_ms=now_ms - HOUR,
                to_ms=now_ms + 7 * HOUR, students=self.students[:6], staff=[self.ada], now_ms=now_ms,
            )  # fmt: skip
        for session in (self.before, self.old):
            self.made(schema_work.paper_register, session_id=session, said_ms=now_ms - HOUR,
                      said_by_account_id=self.accounts["ada"])  # fmt: skip
        self.made(schema_work.message, to_person_id=one, session_id=self.later, kind="session-notice",
                  subject="Compilers starts ten minutes later", text="The lift is being mended; take the stairs.",
                  by_account_id=self.accounts["ada"], created_ms=now_ms - HOUR, sent_ms=now_ms - HOUR)  # fmt: skip

    def _requests(self) -> None:
        ada, hedda, rita = (Visitor(self.served) for _ in range(3))
        for visitor, name in ((ada, "ada"), (hedda, "hedda"), (rita, "rita")):
            assert visitor.sign_in(name).status_code == 303
        why = "The reader was covered by a poster; they were seen in the room by me and by the technician"
        wanted = {self.students[0]: "P", self.students[10]: "L"}
        late = {f"late-{self.students[10]}": "7"}
        self.request = made(
            ask(ada, self.asked_about, wanted, reason=why, files=[("a letter from the practice.pdf", LETTER)], **late)
        )
        self.decided = made(ask(ada, self.asked_about, {self.students[4]: "P"}, reason=why))
        assert decide(rita, self.decided, "reject", "The paper list shows nobody of this name").status_code == 303
        self.removal = made(ask(ada, self.now, {self.students[6]: "yes"}, kind="removal", reason="Changed course"))
        self.attachment = self.world.all(schema_work.attachment)[0].id

    def _office(self) -> None:
        with writing(self.world.engine) as connection:
            note = notes.add(connection, self.world.institution_id, "The list is of another course",
                             self.accounts["ada"], self.now_ms)  # fmt: skip
        self.report = self.made(schema_work.register_report, session_id=self.now, kind="not-mine", note_id=note,
                                by_account_id=self.accounts["ada"], created_ms=self.now_ms - 20 * MIN)  # fmt: skip
        self.schedule = self.made(
            schema_work.import_schedule, kind="oneroster", source="sits", path="nightly", every_min=1440, enabled=True,
            next_ms=self.now_ms + 15 * HOUR, last_ms=self.now_ms - 9 * HOUR, last_outcome="refused",
            last_report='{"bad": 2, "bad_rows": [["enrollments.csv", 6, "userSourcedId", "k9 is nobody in users.csv"],'
            ' ["enrollments.csv", 7, "status", "=cmd is no status"]]}',
        )  # fmt: skip
        self.made(schema_rights.passkey, account_id=self.accounts["ada"], credential_id=b"k", public_key=b"k",
                  name="My telephone", created_ms=self.now_ms - DAY)  # fmt: skip

    def _residence(self) -> None:
        """North House yesterday evening in every state, a leave to answer, a flag, a consent; South House is empty."""
        world, now_ms, rita, admin = self.world, self.now_ms, self.scope("rita"), self.scope("admin")
        eve, evening = date(2026, 10, 4), int(datetime(2026, 10, 4, 18, 0, tzinfo=LONDON).timestamp() * 1000)
        board = self.world.reader("north-hall", room=None)
        board.boot(at_ms=evening - HOUR)
        reader_id = next(row.id for row in world.all(schema.reader) if row.name == "north-hall")
        with writing(world.engine) as c:
            self.house = residence_admin.add_house(c, rita, "NH", "North House", now_ms)
            residence_admin.add_house(c, rita, "SH", "South House on the river", now_ms)
            for n, one in enumerate(self.students[:12]):
                residence_admin.add_resident(
                    c, rita, self.house, one, evening - 9 * DAY, now_ms, floor=str(n // 4), room=f"{n // 4}.{n:02}"
                )
            residence_admin.add_duty(c, rita, self.house, self.bob, evening - 9 * DAY, now_ms)
            residence_admin.place_kiosk(c, rita, reader_id, self.house, evening - 9 * DAY, now_ms)
        for n in range(5):
            at_ms = evening + (20 + 9 * n) * MIN
            tokens = [statement.Token(k, t) for k, t in cards.token_for(self.uids[n], world.keys)]
            board.say(
                "checkin", evidence=statement.evidence_of(tokens), method="finger", witness=None,
                boot_ms=at_ms - board.booted_ms, wall_ms=at_ms, clock="sync", uncertainty_ms=10, verdict="green",
                tries=0, place="fixed", cell=None, fix=None, roster=None,
            )  # fmt: skip
        self.deliver(*board.lines, board.hello(), board.head(evening + 5 * HOUR))
        with writing(world.engine) as c:
            judging.judge_due(c, world.profiles, world.institution_id, now_ms)
            for place, kind, reason, text in (
                (5, "entry", "injury", "Ankle in plaster, cannot come down"), (6, "excuse", "guest-visit", ""),
                (8, "call", "", "No answer"), (8, "note", "", "A friend says that she is at her mother's"),
            ):  # fmt: skip
                person_id = self.students[place]
                residence_acts.act(c, admin, world.profiles, person_id, eve, kind, reason, text, now_ms)
            leave = residence_leaves.ask(c, admin, self.students[7], eve, eve, "A wedding", now_ms)
            residence_leaves.decide(c, admin, leave, True, "Enjoy it", now_ms)
            residence_leaves.ask(c, admin, self.students[9], eve, eve + timedelta(days=3), "My father is ill", now_ms)
            residence_acts.hand_over(c, admin, self.house, eve, "The lift sticks; the porter knows.", now_ms)
            words = residence_texts.newest("cy")
            residence_templates.arm(
                c, admin, self.students[0], reader_id, words.version, now_ms,
                text_digest=words.digest, language=words.language,
            )  # fmt: skip
            odd = Odd(kind=ONE_CARD, subject="college", house_id=self.house, reader_id=reader_id,
                      person_id=self.students[3], at_ms=evening + HOUR, last_ms=evening + 2 * HOUR, count=4,
                      detail={"kiosk": "north-hall"})  # fmt: skip
            residence_flags.raise_all(c, world.institution_id, [odd])
            taps = misuse_taps.of_people(c, self.students[:2], 0, now_ms)
            case = Case(kind="pair", subject="college", person_id=self.students[0], other_person_id=self.students[1],
                        apart=2, count=9, taps=tuple(sorted(taps, key=lambda tap: tap.at_ms)))  # fmt: skip
            misuse_flags.raise_all(c, world.institution_id, [case], now_ms)

    def thing(self, noun: str) -> int | None:
        """The one of this noun that the pictures show; None: tests/server/walk/objects.py makes one."""
        return {
            "session": self.now, "person": self.students[0], "request": self.request, "absence": self.absence,
            "trip": self.trip, "report": self.report, "schedule": self.schedule, "attachment": self.attachment,
            "account": self.accounts["ada"], "term": self.term, "house": self.house, "resident": self.students[0],
        }.get(noun)  # fmt: skip

    def found(self, name: str, path: str, words: str) -> str:
        """The address to which this account's search for these words leads."""
        return f"{path}?{sought.NAME}={sought.sealed(self.served.state.vault, self.accounts[name], words)}"

    def cookie(self, name: str) -> str:
        """A login of this account, as its browser keeps it."""
        with writing(self.world.engine) as connection:
            return logins.begin(connection, self.accounts[name], self.now_ms, hours=10).token
