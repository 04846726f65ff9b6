"""The residence's files (DDU-12): looked at first, whole or not at all, again without effect; what is by hand stays."""

import pytest
from sqlalchemy import select

from server.imports import run
from server.imports.badrows import NeedsConfirmation, RowsRefused
from server.store import accounts, residence_admin
from server.store.engine import reading, writing
from server.store.schema import person_external_id
from server.store.schema_residence import duty, house, residency
from tests.rules import rule
from tests.server.imports.imports_world import DAY, at

HOUSES = ["code,name", "H1,North House", "H2,South House"]
RESIDENTS = ["number,house,floor,room,from,to", "N1,H1,1,101,,", "N2,H1,1,102,2026-09-01,", "N3,H2,,,,2027-06-30"]
DUTY = ["number,house,from,to", "N9,H1,2026-09-01,", "N8,H2,,"]


class Desk:
    def __init__(self, office):
        office.roster()
        self.office, self.folder = office, office.folder / "residence"
        self.folder.mkdir()

    def take(self, *, houses=None, residents=None, duties=None, **more):
        for name, lines in (("houses", houses), ("residents", residents), ("duty", duties)):
            path = self.folder / f"{name}.csv"
            path.unlink(missing_ok=True)
            if lines is not None:
                path.write_text("\r\n".join(lines) + "\r\n")
        return run.import_residence(self.office.store, self.folder, **more)

    def all(self, **more):
        return self.take(houses=HOUSES, residents=RESIDENTS, duties=DUTY, **more)

    def lives(self, table=residency):
        """(number, house, floor, room) of what has not ended; without floor and room for duties."""
        columns = [person_external_id.c.external_id, house.c.code]
        columns += [table.c.floor, table.c.room] if table is residency else []
        query = (
            select(*columns)
            .select_from(table)
            .join(house, house.c.id == table.c.house_id)
            .join(
                person_external_id,
                (person_external_id.c.person_id == table.c.person_id) & (person_external_id.c.source == "identifier"),
            )
            .where(table.c.to_ms.is_(None) | (table.c.to_ms > self.office.now_ms))
            .order_by(person_external_id.c.external_id)
        )
        with reading(self.office.engine) as c:
            return [tuple(row) for row in c.execute(query)]

    def rows(self, table):
        with reading(self.office.engine) as c:
            return list(c.execute(select(table)))


@pytest.fixture
def desk(office):
    return Desk(office)


@rule("DDU-12")
def test_houses_residents_and_duty_are_read_in_and_again_changes_nothing(each_office):
    desk = Desk(each_office)
    done = desk.all()
    assert done.applied and done.summary.counts == {
        "houses": {"added": 2},
        "residents": {"added": 3},
        "duties": {"added": 2},
    }
    assert desk.lives() == [("N1", "H1", "1", "101"), ("N2", "H1", "1", "102"), ("N3", "H2", "", "")]
    assert desk.lives(duty) == [("N8", "H2"), ("N9", "H1")]
    found = {row.room: (row.from_ms, row.to_ms) for row in desk.rows(residency)}
    assert found["102"] == (at("2026-09-01 00:00"), None) and found[""][1] == at("2027-07-01 00:00")
    before = desk.rows(residency), desk.rows(duty), desk.rows(house)
    each_office.now_ms += DAY
    assert not desk.all().applied
    assert (desk.rows(residency), desk.rows(duty), desk.rows(house)) == before


def test_a_dry_run_says_what_would_change_and_changes_nothing(desk):
    done = desk.all(dry=True)
    assert not done.applied and done.summary.counts["residents"] == {"added": 3}
    assert desk.rows(house) == [] == desk.rows(residency)


def test_who_moves_changes_room_or_is_gone_is_told_and_more_than_5_percent_is_asked(desk):
    desk.all()
    desk.office.now_ms += DAY
    moved = [RESIDENTS[0], "N1,H2,2,201,,", "N2,H1,1,103,2026-09-01,"]
    with pytest.raises(NeedsConfirmation) as asks:
        desk.take(residents=moved)
    assert asks.value.stops == ["2 of 3 residents would end or move"]
    assert len(desk.lives()) == 3
    done = desk.take(residents=moved, confirm=True)
    assert done.summary.counts == {"residents": {"moved": 1, "changed": 1, "ended": 1}}
    assert desk.lives() == [("N1", "H2", "2", "201"), ("N2", "H1", "1", "103")]
    # The file of duties was not there: nothing was said about it.
    assert desk.lives(duty) == [("N8", "H2"), ("N9", "H1")]


def test_who_was_relieved_is_on_duty_no_more_and_a_last_day_can_be_given(desk):
    desk.all()
    done = desk.take(duties=["number,house,from,to", "N9,H1,2026-09-01,2026-10-31"], confirm=True)
    assert done.summary.counts == {"duties": {"changed": 1, "ended": 1}}
    assert desk.lives(duty) == [("N9", "H1")]
    assert max(row.to_ms for row in desk.rows(duty)) == at("2026-11-01 00:00")


def test_what_was_set_by_hand_is_left_and_said(desk):
    desk.take(houses=HOUSES)
    scope = accounts.at_the_console(desk.office.institution.id)
    with writing(desk.office.engine) as c:
        who = c.execute(select(person_external_id.c.person_id).where(person_external_id.c.external_id == "N1")).scalar()
        home = residence_admin.house_by_code(c, desk.office.institution.id, "H2")
        assert home is not None and who is not None
        residence_admin.add_resident(c, scope, home, who, desk.office.now_ms, desk.office.now_ms, room="by hand")
    done = desk.take(residents=RESIDENTS)
    assert ("N1", "H2", "", "by hand") in desk.lives() and len(desk.lives()) == 3
    assert "by hand" in done.summary.notes[0]
    desk.take(residents=RESIDENTS[:1], confirm=True)
    assert desk.lives() == [("N1", "H2", "", "by hand")]


@pytest.mark.parametrize(
    ("files", "codes"),
    [
        ({"residents": ["number,house", "N7,H1"]}, {"residence-person"}),
        ({"residents": ["number,house", "N1,H9"]}, {"residence-house"}),
        ({"residents": ["number,house", "N1,H1", "N1,H2"]}, {"residence-twice"}),
        ({"residents": ["number,house,from", "N1,H1,1.9.2026"]}, {"residence-date"}),
        ({"residents": ["number,house,from,to", "N1,H1,2026-10-02,2026-10-01"]}, {"residence-date"}),
        ({"residents": ["number,house", ",H1"]}, {"residence-row"}),
        ({"residents": ["number", "N1"]}, {"csv-header"}),
        ({"houses": ["code,name", "H1,"]}, {"residence-house"}),
        ({"houses": ["code,name", "H1,A", "H1,B"]}, {"residence-house-twice"}),
        ({"duties": ["number,house", "N1,H9"]}, {"residence-house"}),
    ],
)
def test_one_bad_row_and_nothing_is_changed(desk, files, codes):
    desk.take(houses=HOUSES)
    with pytest.raises(RowsRefused) as refused:
        desk.take(**files)
    assert {row.code for row in refused.value.rows} == codes
    assert desk.rows(residency) == [] == desk.rows(duty) and len(desk.rows(house)) == 2


def test_a_fault_in_the_middle_leaves_everything_as_it_was(desk):
    class Fault(Exception):
        pass

    def step(_connection, word):
        if word == "duty":
            raise Fault

    with pytest.raises(Fault):
        desk.all(step=step)
    assert desk.rows(house) == [] == desk.rows(residency)
