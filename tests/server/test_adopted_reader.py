"""A reader that the restored store does not know: what it says is kept, shown, and looked at once it is adopted."""

from server import deliveries
from server.derive import rosters as making
from server.store import alarms, quarantines, readers, rosters, schema
from server.store.engine import reading, writing
from tests.server.store_world import NINE, UIDS


def forget(world, name):
    with writing(world.engine) as connection:
        [row] = connection.execute(schema.reader.select().where(schema.reader.c.name == name)).all()
        for table in (schema.placement, schema.reader_key, schema.reader_state):
            connection.execute(table.delete().where(table.c.reader_id == row.id))
        connection.execute(schema.reader.delete().where(schema.reader.c.id == row.id))
    world.ring = readers.KeyRing(world.vault)


def adopt(world, name, secret, key_id=1):
    with writing(world.engine) as connection:
        readers.add(
            connection, world.vault, world.institution_id, name=name, site_name="main", room_code="R0", from_ms=0,
            now_ms=world.now_ms, key=(key_id, secret),
        )  # fmt: skip
        waiting = quarantines.of_unknown(connection, name)
        items = [
            deliveries.Item(id=str(row.id), site=row.site, reader=name, kind="record", line=row.content.decode())
            for row in waiting
        ]
        deliveries.deliver(
            connection, world.ring, items, institution_id=world.institution_id, gateway_id=None, now_ms=world.now_ms
        )
        quarantines.close(connection, [row.id for row in waiting], world.now_ms)


def test_what_an_unknown_reader_sends_gets_no_receipt_and_credits_once_it_is_adopted(world):
    session_id = world.session()
    secret = b"s" * 32
    board = world.reader("a-9")
    forget(world, "a-9")
    board.key = type(board.key)(1, secret)
    board.lines.clear()
    board.boot(at_ms=NINE)
    board.swipe(UIDS[0], NINE + 60_000, session=session_id)
    world.now_ms = NINE + 120_000
    answer = world.deliver(board.hello(), *board.lines)
    assert (answer.down, answer.suspect) == ([], 3), "no receipt: the reader keeps it and offers it again"
    with reading(world.engine) as connection:
        assert quarantines.counts(connection, world.institution_id) == {"reader-unknown": 3}
    adopt(world, "a-9", secret)
    world.derive()
    assert len(world.all(schema.swipe)) == 1
    assert [row.session_id for row in world.all(schema.credit)] == [session_id]
    with reading(world.engine) as connection:
        # The hello stays for whoever looks; the records are done with.
        assert quarantines.counts(connection, world.institution_id) == {"reader-unknown": 1}
        assert alarms.open_alarms(connection, world.institution_id) == []
    # Offered again by the reader: the same.
    assert world.deliver(*board.lines).same == 2


def test_a_restored_store_numbers_its_class_lists_above_what_gateways_have_passed(world):
    world.session(NINE)
    world.reader("a-1")
    world.now_ms = NINE - 60_000
    with writing(world.engine) as connection:
        making.build(connection, world.ring, world.institution_id, world.now_ms)
    with reading(world.engine) as connection:
        cursor = max(row.change_no for row in rosters.after(connection, world.institution_id, 0))
    # A backup of before that: there are no class lists in it. It is put in place a little later.
    world.now_ms += 1000
    with writing(world.engine) as connection:
        connection.execute(schema.roster.delete())
        making.build(connection, world.ring, world.institution_id, world.now_ms)
    with reading(world.engine) as connection:
        assert rosters.after(connection, world.institution_id, cursor), "gateways that stayed on would never hear of it"
