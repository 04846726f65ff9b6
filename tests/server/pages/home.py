"""A residence with pages: a house with residents, a kiosk at the wire and accounts, on an evening; its clock is the test's."""

from __future__ import annotations

from pathlib import Path

from server import names
from server.store import accounts, schema
from server.store.engine import writing
from tests.server.pages.school import HASHER, PASSWORD, School, Visitor
from tests.server.residence_world import CLOSES, DAY, HOUR, MIN, OPENS, WARDEN_UID, Residence

NAMES = ("Amara Okafor", "Chen Yu-Ting", "Elif Yıldız", "Leila Ben Amor", "Tomás Ó Briain", "Zoë van der Berg")


class Home:
    """ros: on duty in North House. lou: in South House. rita: registry. otto: auditor. sam: the first resident."""

    def __init__(self, folder: Path, *, residents: int = 6, at_ms: int = OPENS + 2 * HOUR, **values) -> None:
        self.school = School(folder, students=residents, now_ms=at_ms, **values)
        self.world, self.people = self.school.world, self.school.students
        self.world.students = self.people
        self._name()
        self.hall = Residence(self.world)
        self.house = self.hall.house
        self.south, self.south_board = self.hall.other_house()
        self.now(at_ms)
        self.account("ros", "residence", self.hall.warden_person, self.house)
        self.account("lou", "residence", None, self.south)
        self.account("rita", "registry", None)
        self.account("otto", "auditor", None)
        self.account("sam", "student", self.people[0])
        self.app = self.school.app()

    def _name(self) -> None:
        with writing(self.world.engine) as connection:
            for n, person_id in enumerate(self.people):
                name = NAMES[n] if n < len(NAMES) else f"{NAMES[n % len(NAMES)]} {n}"
                given, _, family = name.partition(" ")
                connection.execute(
                    schema.person_name.update()
                    .where(schema.person_name.c.person_id == person_id)
                    .values(full_name=name, sort_name=names.sort_name(family, given))
                )
                connection.execute(
                    schema.person_external_id.insert().values(
                        institution_id=self.world.institution_id, person_id=person_id, source="identifier",
                        external_id=f"s{n}", from_ms=0,
                    )
                )  # fmt: skip

    def account(self, name: str, role: str, person_id: int | None, house: int | None = None) -> None:
        where = {"scope": "residence", "scope_id": house} if house is not None else {}
        with writing(self.world.engine) as connection:
            self.school.accounts[name] = accounts.make(
                connection, self.world.institution_id, login_name=name, shown_name=name.title(),
                password_hash=HASHER.hash(PASSWORD), role=role, person_id=person_id, now_ms=self.school.now_ms - 1, **where,
            )  # fmt: skip

    def now(self, at_ms: int) -> None:
        """The server's clock."""
        self.school.now_ms = self.world.now_ms = at_ms

    def check_in(self, place: int, at_ms: int, **values) -> None:
        """A resident checks in at North House's kiosk, and it arrives."""
        self.hall.check_in(self.school.uids[place], at_ms, **values)
        self.hall.deliver(*self.hall.board.lines)

    def known(self, up_to_ms: int) -> None:
        """The kiosk has told everything up to then; the store hears it no earlier."""
        self.now(max(self.school.now_ms, up_to_ms))
        board = self.hall.board
        self.hall.deliver(*board.lines, board.hello(), board.head(up_to_ms))

    def visitor(self, name: str) -> Visitor:
        made = Visitor(self.app)
        assert made.sign_in(name).status_code == 303
        return made

    def close(self) -> None:
        self.school.close()


__all__ = ["CLOSES", "DAY", "HOUR", "MIN", "OPENS", "WARDEN_UID", "Home"]
