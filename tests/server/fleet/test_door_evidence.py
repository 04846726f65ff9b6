"""What the evidence of a door does not claim: of a stolen reader, of two boards, of numbers that nobody can add."""

import pytest
from sqlalchemy import select

from server.pages.evidence_page import conclusions, sections
from server.pages.local import Local
from server.scope import ADMIN, Grant, Scope
from server.store import alarms, door_evidence, revocations, schema
from server.store.engine import reading, writing
from tests.server.residence_world import OPENS, UIDS, Residence
from tests.server.store_world import HOUR, MIN, NINE

PROVED = "Its signed statements prove that it was on and took cards all this time."


class Door:
    """A reader that has been on for five hours and says a head a minute."""

    def __init__(self, world) -> None:
        self.world, self.board = world, world.reader()
        self.board.boot(at_ms=NINE - 5 * HOUR)
        self.go(-60, 1)

    def go(self, first: int, last: int) -> None:
        """Heads of these minutes, from nine on."""
        for minute in range(first, last):
            self.world.now_ms = NINE + minute * MIN
            self.world.deliver(*self.board.lines, self.board.head(self.world.now_ms), derive=False)

    def found(self, first: int, last: int):
        """The evidence of these minutes."""
        with reading(self.world.engine) as connection:
            reader_id = connection.execute(select(schema.reader.c.id)).scalar_one()
            begins, ends = NINE + first * MIN, NINE + last * MIN
            return door_evidence.of(connection, self.world.institution_id, reader_id, "a-1", begins, ends)

    def said(self, first: int, last: int) -> str:
        """What the page concludes of them."""
        local = Local(time_zone="UTC", now_ms=self.world.now_ms)
        found = conclusions(self.found(first, last), NINE + first * MIN, NINE + last * MIN, local)
        return " ".join(one.text for one in found)


@pytest.fixture
def door(world):
    made = Door(world)
    assert PROVED in made.said(-50, 0)
    return made


def test_what_a_stolen_reader_states_proves_nothing(door):
    world = door.world
    admin = Scope(institution_id=world.institution_id, account_id=0, person_id=None, grants=(Grant(role=ADMIN),))
    with writing(world.engine) as connection:
        revocations.revoke(connection, admin, "a-1", since_ms=NINE - 30 * MIN, why="stolen", now_ms=NINE)
    door.go(1, 20)
    said = door.said(-40, 10)
    assert PROVED not in said and "It is believed no more" in said
    assert [(begins - NINE, ends - NINE) for begins, ends, _ in door.found(-40, 10).unproved] == [
        (-31 * MIN - 10, 10 * MIN)
    ], "from the last head that came before the theft, less what its clock was unsure"
    assert PROVED in door.said(-50, -35), "what came before the theft is as good as ever"


def test_while_two_boards_speak_as_one_reader_nothing_is_proved_of_its_door(door):
    world, board = door.world, door.board
    first = board.journal
    twice = [board.boot(before=first, at_ms=NINE - HOUR) for _ in range(2)]
    world.deliver(*twice, derive=False)
    assert alarms.CLONE in world.alarms()
    said = door.said(-50, 0)
    assert PROVED not in said and "two boards speak as this reader" in said
    assert "Everything that it recorded in this time is here" not in said
    with writing(world.engine) as connection:
        (one,) = [each for each in alarms.open_alarms(connection, world.institution_id) if each.code == alarms.CLONE]
        alarms.close(connection, world.institution_id, one.id, None, world.now_ms)
    assert PROVED in door.said(-50, 0)


def test_the_largest_numbers_that_a_reader_can_state_break_no_evidence(door):
    board = door.board
    board._heads |= {name * 8: (1 << 63) - 1 for name in ("fe", "ff")}
    door.world.deliver(board.hello(), derive=False)
    assert door.found(-50, 0).missing == 1 << 64


def test_a_kiosks_evidence_counts_its_check_ins_and_names_nobody(world):
    hall = Residence(world)
    told = [hall.check_in(uid, OPENS + n * MIN) for n, uid in enumerate(UIDS[:2])]
    told.append(hall.check_in(UIDS[2], OPENS + 9 * MIN, verdict="check"))
    world.now_ms = OPENS + HOUR
    world.deliver(*hall.board.lines)
    hall.judge()
    with reading(world.engine) as connection:
        found = door_evidence.of(connection, world.institution_id, hall.reader_id, "k-1", OPENS, OPENS + HOUR)
    assert (found.check_ins, found.counted) == ({"check": 1, "green": 2}, 3)
    shown = {one["title"]: one["lines"] for one in sections(found, Local(time_zone="UTC", now_ms=world.now_ms))}
    assert ("green: recorded", "2") in shown["Check-ins, as the kiosk showed them"]
    assert "Example" not in str(shown)
