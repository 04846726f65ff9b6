"""Tokens and cells are taken out of facts, and the fact is still the one that was sealed (PORT-1, DDU-12)."""

from hypothesis import given
from hypothesis import strategies as st

from firmware.contract import statement
from firmware.contract.statement import FIELDS
from server.derive import check_ins
from server.policy import profile
from server.store import emptying, schema_residence
from server.store.engine import open_engine, writing
from tests.rules import rule
from tests.server.store.personal_world import Personal

VALUES = {
    "swipe": {"evidence": "t1:0a1b2c3d4e5f6071", "verdict": "green", "session": 5, "roster": None},
    "checkin": {
        "evidence": "t1:0a1b2c3d4e5f6071", "method": "pin", "witness": "1:7769746e65737321", "verdict": "green",
        "tries": 0, "place": "in", "cell": "51.50,-0.12", "fix": "gps", "roster": None,
    },
    "kiosk": {
        "event": "opened", "subject": "1:7265736964656e74", "by": "1:73746166662d3121", "slot": 3,
        "generation": 4, "detail": None,
    },
}  # fmt: skip
TIMES = {"journal": "9f8e7d6c5b4a3210", "seq": 7, "boot_ms": 1, "wall_ms": 2, "clock": "sync", "uncertainty_ms": 3}
EMPTIABLE = {
    kind: sorted(set(emptying.MAY_EMPTY[table].values()))
    for table, kind in emptying._KINDS.items()
}  # fmt: skip


def said(kind: str, **changed) -> str:
    return statement.say(kind, "a-1", 1, TIMES | VALUES[kind] | changed)


@given(st.data())
def test_what_was_emptied_is_the_same_record_and_another_is_not(data):
    kind = data.draw(st.sampled_from(sorted(VALUES)))
    fields = data.draw(st.sets(st.sampled_from(EMPTIABLE[kind])))
    text = said(kind)
    held = emptying.without_fields(text, fields)
    assert emptying.is_same(held, text) and held.count("|") == text.count("|")
    for place, (name, _) in enumerate(FIELDS[kind]):
        part = held.split("|")[emptying.BEFORE + place]
        assert part == ("-" if name in fields else text.split("|")[emptying.BEFORE + place])
    other = said(kind, seq=8)
    assert not emptying.is_same(held, other) and not emptying.is_same(held, text + "|x")
    # Only what may be emptied is forgiven.
    assert not emptying.is_same(emptying.without_fields(text, {"journal"}), text)


def test_a_record_that_is_no_fact_is_never_touched():
    text = "1|clock|a-1|1|9f8e7d6c5b4a3210|7|1|2|3"
    assert emptying.without_fields(text, {"evidence", "cell"}) == text
    assert emptying.is_same(text, text) and not emptying.is_same("1|clock|a-1|1|-|7|1|2|3", text)
    assert emptying.without_fields("unread", {"evidence"}) == "unread"


@rule("DDU-12")
def test_whose_a_check_in_is_stays_when_it_is_judged_again_without_its_token(database_url):
    engine = open_engine(database_url)
    two = Personal(engine)
    with writing(engine) as connection:
        for table in (schema_residence.check_in, schema_residence.kiosk_event):
            emptying.empty(connection, table, [two.id(table.name, "a")], emptying.MAY_EMPTY[table])
        connection.execute(schema_residence.check_in_reading.update().values(due=True, evening=None))
        connection.execute(schema_residence.kiosk_event.update().values(due=True))
        assert check_ins.judge_due(connection, profile.read_all(), two.id("institution", "shared"), 9) == 4
        reading = {row.check_in_id: row for row in connection.execute(schema_residence.check_in_reading.select())}
        event = {row.id: row for row in connection.execute(schema_residence.kiosk_event.select())}
    staff = two.id("person", "staff")
    mine = reading[two.id("check_in", "a")]
    assert (mine.person_id, mine.witness_person_id, mine.due) == (two.id("person", "a"), staff, False)
    assert event[two.id("kiosk_event", "a")].person_id == two.id("person", "a")
    # One that still has its token is judged by it: here by a card that nobody has.
    assert reading[two.id("check_in", "b")].person_id is None
    engine.dispose()
