"""A member of staff who stood by is erased: what they witnessed and took stays, under a number that names nobody (DDU-12)."""

import pytest

from server.store import accounts, check_ins, person_erasure, residence_acts, residence_board, residence_templates
from server.store.engine import writing
from server.store.schema import account, person
from server.store.schema_residence import check_in, check_in_reading, duty, evening_act, kiosk_event
from tests.rules import rule
from tests.server.residence_world import CLOSES, DAY, HOUR, MIN, OPENS, UIDS, WARDEN_UID, Residence


@pytest.fixture
def hall(world):
    """An evening on which the warden stood by: a PIN, a finger's enrolment, an entry by staff, a consent."""
    made = Residence(world)
    world.now_ms = OPENS + 2 * HOUR
    made.do(
        residence_templates.arm, made.warden, world.students[1], made.reader_id, "2026-11-22", OPENS,
        text_digest="ab", language="en",
    )  # fmt: skip
    made.do(
        residence_acts.act, made.warden, world.profiles, world.students[2], DAY, "entry", "injury", "", OPENS + HOUR
    )
    made.check_in(UIDS[0], OPENS + MIN, method="pin", witness=WARDEN_UID)
    made.event("enrolled", OPENS + 2 * MIN, uid=UIDS[1], by=WARDEN_UID, slot=0, generation=1)
    made.deliver(*made.board.lines, made.board.hello(), made.board.head(CLOSES + MIN))
    world.now_ms = CLOSES + 24 * HOUR
    return made


def erase_the_warden(hall):
    w = hall.w
    with writing(w.engine) as c:
        # The account in the tests belongs to the warden.
        c.execute(account.update().where(account.c.id == hall.warden.account_id).values(person_id=hall.warden_person))
        c.execute(person.update().where(person.c.id == hall.warden_person).values(ended_ms=w.now_ms - 1))
    return hall.do(
        person_erasure.erase, None, accounts.at_the_console(w.institution_id), w.profiles, hall.warden_person,
        reason="has left", now_ms=w.now_ms,
    )  # fmt: skip


def board(hall):
    made = hall.look(residence_board.board, hall.console, hall.w.profiles, hall.house, DAY, hall.w.now_ms)
    return {row.person_id: row for row in made.people}


@rule("DDU-12", "DDU-14")
def test_what_an_erased_witness_stood_by_counts_as_before_also_when_it_is_judged_again(hall):
    before = {person_id: row.state for person_id, row in board(hall).items()}
    first, second, third = hall.w.students[:3]
    assert (before[first], before[third]) == ("in-alternative", "in-staff")
    name = board(hall)[first].by
    assert name
    erase_the_warden(hall)
    (reading,) = hall.w.all(check_in_reading)
    assert reading.witness_person_id == hall.warden_person and reading.counts
    for redo in (lambda: None, lambda: due_again(hall)):
        redo()
        after = board(hall)
        assert {person_id: row.state for person_id, row in after.items()} == before
        assert name not in repr(after) and after[first].by == f"erased {hall.warden_person}"
    (told,) = hall.look(residence_templates.consents, hall.console, second, hall.w.now_ms)
    assert told.taken_by == f"erased {hall.warden_person}" and told.withdrawn_ms is None
    assert {row.state for row in hall.look(residence_templates.of_person, hall.console, second, hall.w.now_ms)} == {
        "held"
    }


def due_again(hall):
    """Everything is judged anew, as after a card changed hands."""
    with writing(hall.w.engine) as c:
        c.execute(check_in_reading.update().values(due=True))
        c.execute(kiosk_event.update().values(due=True))
        check_ins.due_by_witness(c, hall.house, 0)
    hall.judge()


@rule("DDU-12")
def test_the_facts_keep_no_token_of_an_erased_witness_and_the_duty_ends(hall):
    (fact,) = hall.w.all(check_in)
    assert fact.witness_token is not None
    done = erase_the_warden(hall)
    (fact,) = hall.w.all(check_in)
    assert (fact.witness_key_id, fact.witness_token) == (None, None) and fact.token is not None
    assert [row.by_token for row in hall.w.all(kiosk_event)] == [None]
    assert [row.to_ms for row in hall.w.all(duty)] == [hall.w.now_ms]
    assert [row.by_account_id for row in hall.w.all(evening_act)] == [hall.warden.account_id]
    assert done.goes["card tokens in taps and check-ins"] == 2
    # Their card witnesses nothing any more, and the list that the kiosk gets does not name it.
    hall.issue()
    assert hall.entry(WARDEN_UID) is None
