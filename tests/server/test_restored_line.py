"""A store that lost what readers have freed: the real reader core on one side, the store's intake on the other.

`Line.restore` puts the database file of an earlier moment in place, as after `muster restore`; the reader stays
connected and says no hello by itself.
"""

from server import deliveries
from server.intake.answering import Answering
from server.store import schema
from tests.server.store_world import UIDS


def a_quiet_reader_after_a_restore(line):
    """(swipes that the store holds, records that the reader waits with): before, just after, and minutes after."""
    line.taps(UIDS[:3])
    copy = line.backup()
    line.taps(UIDS[3:8])
    line.minutes(2)
    looks = [(line.stored(), line.reader.journal.backlog())]
    line.restore(copy)
    looks.append((line.stored(), line.reader.journal.backlog()))
    line.minutes(4)
    return [*looks, (line.stored(), line.reader.journal.backlog())]


def test_a_reader_that_stays_connected_and_has_nothing_new_brings_back_what_the_store_lost(lines):
    # All was receipted, and so it was freed.
    assert a_quiet_reader_after_a_restore(lines()) == [(8, 0), (3, 0), (8, 0)]


def test_a_journal_that_the_restored_store_never_heard_of_comes_back_whole(lines):
    line = lines()
    copy = line.backup()
    line.taps(UIDS[:5])
    line.minutes(2)
    line.restore(copy)
    line.minutes(4)
    assert (line.stored(), line.reader.journal.backlog()) == (5, 0)


def test_taps_go_on_while_what_was_lost_comes_back(lines):
    line = lines()
    line.taps(UIDS[:3])
    copy = line.backup()
    line.taps(UIDS[3:6])
    line.restore(copy)
    line.taps(UIDS[6:9])
    line.minutes(5)
    assert (line.stored(), line.reader.journal.backlog()) == (9, 0)


def test_gateways_are_asked_first_for_what_the_reader_has_freed(lines):
    line = lines()
    line.taps(UIDS[:2])
    copy = line.backup()
    line.taps(UIDS[2:5])
    line.restore(copy)
    before = len(line.answers)
    line.minutes(2)
    asked = [one for answer in line.answers[before:] for one in answer.replay]
    assert asked and asked[0]["reader"] == "a-1" and asked[0]["last"] - asked[0]["first"] >= 2


def test_a_store_that_lost_nothing_asks_for_nothing(lines):
    line = lines()
    for n in range(5):
        line.taps(UIDS[n : n + 1])
    line.minutes(10)
    assert [one for answer in line.answers for one in answer.replay] == []
    assert "|again|" not in "".join(down["line"] for answer in line.answers for down in answer.down)
    assert line.world.all(schema.alarm) == []


class Deaf(deliveries.Delivery):
    """Saboteur: a store that waits for a hello, and does not look at what heads say was freed."""

    def __init__(self, desk):
        super().__init__(desk)
        deaf = {"_follow_up": lambda self, *_: None}
        self.answering = type("Deaf", (Answering,), deaf)(desk)


def test_a_store_that_waits_for_a_hello_would_be_caught(lines):
    assert a_quiet_reader_after_a_restore(lines(Deaf)) == [(8, 0), (3, 0), (3, 0)]


def test_what_nobody_has_any_more_becomes_an_alarm_and_stops_nobody(lines):
    line = lines()
    line.taps(UIDS[:2])
    copy = line.backup()
    line.taps(UIDS[2:5])
    line.restore(copy)
    # The reader's disk went with the store's: only its word of what was freed is left.
    line.reader.journal.lost_by_store = lambda journal, first: False
    line.minutes(8)
    assert [alarm.code for alarm in line.world.all(schema.alarm)] == ["journal-hole"]
    assert line.stored() == 2
    hellos = len(line.world.all(schema.hello))
    line.minutes(10)
    assert len(line.world.all(schema.hello)) <= hellos + 1, "it is not asked for ever"
