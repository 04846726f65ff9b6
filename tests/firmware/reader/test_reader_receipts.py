"""What the reader believes of the store: receipts, what the store lost and asks for again, and what is left then."""

import pytest

from firmware.contract import statement
from firmware.contract.mac import Key
from tests.firmware.reader.reader_world import ALICE, BOB, at_a_door
from tests.firmware.reader.uplink_seen import offers, refused

STRANGER = Key(1, b"\x66" * 32)


def receipts_not_to_believe():
    def forged(world, journal):
        text = statement.say("receipt", "a-101", 1, {"nonce": world.store.nonce, "journal": journal, "up_to": 1})
        return statement.seal(text, STRANGER.mac(text.encode()))

    def flipped(world, journal):
        line = world.store.receipt(journal, 1)
        return line[:-1] + ("0" if line[-1] != "0" else "1")

    def other_field(world, journal):
        return world.store.receipt(journal, 0).replace(f"{journal}|0|", f"{journal}|1|")

    def other_nonce(world, journal):
        return world.store.line("receipt", nonce="0" * 16, journal=journal, up_to=1)

    def other_reader(world, journal):
        text = statement.say("receipt", "a-102", 1, {"nonce": world.store.nonce, "journal": journal, "up_to": 1})
        return statement.seal(text, world.store.key.mac(text.encode()))

    def other_key(world, journal):
        text = statement.say("receipt", "a-101", 2, {"nonce": world.store.nonce, "journal": journal, "up_to": 1})
        return statement.seal(text, world.store.key.mac(text.encode()))

    def beyond(world, journal):
        return world.store.receipt(journal, 2)

    def unknown(world, journal):
        return world.store.receipt("f" * 16, 0)

    def own_words(world, journal):
        return world.medium.lines()[-1]

    return {
        "mac": [forged, flipped, other_field],
        "nonce": [other_nonce],
        "other-reader": [other_reader, other_key],
        "receipt-beyond-head": [beyond, unknown],
        "kind": [own_words],
    }


@pytest.mark.parametrize(
    "code, wrong", [(code, wrong) for code, rows in receipts_not_to_believe().items() for wrong in rows],
    ids=lambda value: getattr(value, "__name__", value),
)  # fmt: skip
def test_a_receipt_not_to_be_believed_frees_nothing_and_is_counted(make, code, wrong):
    world = at_a_door(make)
    world.store.receipts = False
    world.tap(ALICE)
    world.pump()
    journal = world.medium.order[0]
    world.down(wrong(world, journal))
    assert refused(world) == {code: 1}
    assert world.medium.freed[journal] == -1
    assert world.reader.journal.backlog() == 2
    world.down(world.store.receipt(journal, 1))  # the true one, after it
    world.delivered()


def test_a_receipt_for_the_hello_before_is_refused(make):
    world = at_a_door(make)
    world.store.receipts = False
    world.tap(ALICE)
    world.pump()
    old = world.store.receipt(world.medium.order[0], 1)
    world.line_up = False
    world.link()
    world.down(old)
    assert refused(world) == {"nonce": 1}
    assert world.medium.waiting() == 2


def test_a_receipt_frees_exactly_up_to_what_it_names(make):
    world = at_a_door(make)
    world.store.receipts = False
    for _ in range(5):
        world.tap(ALICE)
    world.pump()
    journal = world.medium.order[0]
    world.down(world.store.receipt(journal, 2))
    assert world.medium.freed[journal] == 2
    world.down(world.store.receipt(journal, 2), world.store.receipt(journal, 1))
    assert world.medium.freed[journal] == 2
    assert refused(world) == {"receipt-repeated": 2}
    since_ms = world.now_ms = world.now_ms + 1
    world.link()
    assert [r for _, records in offers(world, since_ms) for r in records] == [(journal, 3), (journal, 4), (journal, 5)]


def test_again_offers_what_the_store_lost_and_makes_older_receipts_void(make):
    world = at_a_door(make)
    for _ in range(4):
        world.tap(ALICE)
        world.run(1000)
    world.delivered()
    journal = world.medium.order[0]
    before = world.store.receipt(journal, 4)  # made before the store's loss, still somewhere on its way
    world.store.records.clear()
    world.store.receipts = False
    world.down(world.store.line("again", nonce=world.store.nonce, journal=journal, first=0, last=4))
    world.down(before)
    assert refused(world) == {"nonce": 1}
    assert world.medium.waiting() == 5
    world.run(1000)
    world.down(before)
    assert world.medium.waiting() == 5
    world.store.receipts = True
    world.run(60_000)
    world.delivered()


def test_a_store_that_comes_back_from_a_backup_gets_everything_again(make):
    world = at_a_door(make)
    for _ in range(10):
        world.tap(ALICE)
        world.run(1000)
    kept = dict(world.store.records)
    journal = world.medium.order[0]
    world.store.records = {place: text for place, text in kept.items() if place[1] < 4}
    world.link()
    world.run(1000)
    assert world.store.records == kept
    world.delivered()
    world.down(world.store.line("again", nonce=world.store.nonce, journal="f" * 16, first=0, last=9))
    assert refused(world)["again-unknown"] == 1
    assert world.medium.freed[journal] == 10


def test_what_was_recycled_cannot_be_given_again_and_the_rest_is(make):
    world = at_a_door(make)
    for _ in range(5):
        world.tap(ALICE)
    world.pump()
    world.storage.recycle = True
    world.run(250)
    world.storage.recycle = False
    assert not world.medium.lines()
    world.store.records.clear()
    world.tap(BOB)  # the live journal goes on, with nothing of its own left on the medium
    world.run(1000)
    assert [seq for _, seq in world.store.records] == [6]
    assert world.reader.journal.backlog() == 1
    journal = world.medium.order[0]
    world.down(world.store.line("again", nonce=world.store.nonce, journal=journal, first=0, last=5))
    world.run(40_000)
    assert [seq for _, seq in world.store.records] == [6]


def test_a_record_that_cannot_be_read_does_not_hide_those_behind_it(make):
    world = at_a_door(make)
    world.unlink()
    for _ in range(60):
        world.tap(ALICE)
    journal = world.medium.order[0]
    world.storage.unreadable = {(journal, seq) for seq in range(10, 30)}
    world.link()
    world.run(10_000)
    assert [seq for _, seq in sorted(world.store.records)] == [*range(10), *range(30, 61)]
    world.storage.unreadable = {(journal, 61)}
    world.tap(ALICE)
    world.tap(BOB)
    world.run(1_000)
    assert (journal, 62) in world.store.records
