"""Mails in /metrics: sent, waiting, failed, and how long the oldest waits; by SMTP or as files."""

from server.outbox import Outbox
from server.store import mails, notices, schema, schema_work
from server.store.engine import open_engine, reading, writing
from tests.server.store_client import Server
from tests.server.store_world import MIN


def counted(server) -> dict[str, int]:
    text = server.client.get("/metrics").text
    lines = [one for one in text.splitlines() if one.startswith("muster_mail")]
    found = {one.rpartition(" ")[0].partition('state="')[2].partition('"')[0] or "waits": int(one.rpartition(" ")[2])
             for one in lines}  # fmt: skip
    assert set(found) == {"waiting", "sent", "failed", "waits"}
    return found


def write(world, many: int, **values) -> None:
    for n in range(many):
        world.insert(
            schema_work.message, to_person_id=world.students[n], kind="session-notice", subject="Secret",
            text="Secret", created_ms=world.now_ms, **values,
        )  # fmt: skip


def test_mails_are_counted_by_what_became_of_them(world, tmp_path):
    server = Server(world)
    assert counted(server) == {"waiting": 0, "sent": 0, "failed": 0, "waits": 0}
    world.insert(schema.person_contact, person_id=world.students[0], kind="email", value="s@college.example", from_ms=0)
    write(world, 2)
    world.now_ms += 7 * MIN
    assert counted(server) == {"waiting": 2, "sent": 0, "failed": 0, "waits": 420}
    # One has an address, the other has none.
    Outbox(tmp_path / "outbox", sender="m@college.example").work(world.engine, world.now_ms)
    assert counted(server) == {"waiting": 0, "sent": 1, "failed": 1, "waits": 0}
    text = server.client.get("/metrics").text
    assert "Secret" not in text and "college.example" not in text


def test_a_message_that_was_erased_waits_no_more(world):
    server = Server(world)
    write(world, 2)
    write(world, 1, erased_ms=world.now_ms)
    with writing(world.engine) as connection:
        first = world.all(schema_work.message)[0]
        notices.settle(connection, [], {first.id: "no-address"}, world.now_ms)
    assert counted(server) == {"waiting": 1, "sent": 0, "failed": 1, "waits": 0}


def test_what_was_sent_is_counted_in_an_index_and_no_row_of_it_is_read(new_sqlite):
    engine = open_engine(new_sqlite())
    plans = []
    try:
        with reading(engine) as connection:
            for statement in (mails._SENT, mails._UNSENT):
                asked = statement.compile(engine, compile_kwargs={"render_postcompile": True})
                given = tuple(1 if name == "here" else value for name, value in asked.params.items())
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", given).all()
                plans.append(" ".join(row[3] for row in rows))
    finally:
        engine.dispose()
    assert "USING COVERING INDEX ix_message_unsent (institution_id=? AND sent_ms>?)" in plans[0], plans
    assert "USING INDEX ix_message_unsent (institution_id=? AND sent_ms=?)" in plans[1], plans
