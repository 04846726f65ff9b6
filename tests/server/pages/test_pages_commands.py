"""Commands on their way to a reader: once, to whom they are for, under its key, and what became of them."""

import json

import pytest

from firmware.contract import statement
from server.fleet.watch import Watch
from server.store import reader_commands, schema
from server.store.engine import writing
from server.store.reader_commands import LASTS_MS
from server.store.schema_fleet import reader_command
from tests.server.pages.test_pages_fleet import words
from tests.server.store_world import MIN, wrap


@pytest.fixture
def board(school):
    made = school.reader()
    school.deliver(*made.lines, made.hello(), made.head(school.now_ms))
    return made


def ask(visitor, name: str, reader: str = "a-101"):
    address = f"/doors/readers/{reader}"
    return visitor.post(f"{address}/command", {"csrf": visitor.csrf(address), "name": name})


def down(school, board, **more) -> list:
    """The commands in the answer to a head of this reader, as read."""
    school.world.now_ms = school.now_ms
    answer = school.world.deliver(board.head(school.now_ms, **more), derive=False)
    lines = [(one["reader"], one["line"]) for one in answer.down if "|command|" in one["line"]]
    return [(name, line, statement.read(line).values) for name, line in lines]


def test_a_command_goes_once_with_the_next_delivery_under_the_readers_key(school, signed, board):
    visitor = signed("tess")
    assert ask(visitor, "identify").headers["location"].endswith("said=asked")
    ((name, line, values),) = down(school, board)
    text, _, mac = line.rpartition("|")
    assert name == "a-101" and values["name"] == "identify" and values["counter"] == school.now_ms
    assert board.key.made(text.encode(), bytes.fromhex(mac))
    school.now_ms += 1000
    assert down(school, board) == []
    assert "sent, not answered yet" in words(visitor.get("/doors/readers/a-101"))


def test_another_readers_word_of_the_same_site_carries_it(school, signed, board):
    other = school.reader("a-102", room=1)
    ask(signed("tess"), "sync")
    ((name, _, _),) = down(school, other)
    assert name == "a-101"


def test_nothing_goes_with_what_is_forged_or_comes_from_another_site(school, signed, board):
    ask(signed("tess"), "restart")
    school.world.now_ms = school.now_ms
    forged = board.head(school.now_ms)[:-4] + "0000"
    assert not [one for one in school.world.deliver(forged, derive=False).down if "|command|" in one["line"]]
    other = school.reader("b-1", room=1)
    with writing(school.world.engine) as connection:
        made = connection.execute(
            schema.site.insert().values(institution_id=school.world.institution_id, name="away")
        ).inserted_primary_key
        connection.execute(schema.reader.update().where(schema.reader.c.name == "b-1").values(site_id=made[0]))
    assert down(school, other) == []


def test_each_commands_counter_is_above_the_one_before(school, signed, board):
    visitor = signed("tess")
    for name in ("identify", "sync", "restart"):
        ask(visitor, name)
    found = [values["counter"] for _, _, values in down(school, board)]
    assert found == sorted(set(found)) and len(found) == 3


def test_a_second_click_is_the_same_command(school, signed, board):
    visitor = signed("tess")
    ask(visitor, "restart")
    assert ask(visitor, "restart").headers["location"].endswith("said=waits")
    assert len(school.world.all(reader_command)) == 1


def test_one_that_could_not_go_in_time_goes_no_more(school, signed, board):
    visitor = signed("tess")
    ask(visitor, "restart")
    school.now_ms += LASTS_MS + 1
    assert down(school, board) == []
    assert "no answer: ask again" in words(visitor.get("/doors/readers/a-101"))


def test_what_a_self_test_found_is_shown(school, signed, board):
    visitor = signed("tess")
    ask(visitor, "self-test")
    ((_, _, values),) = down(school, board)
    school.now_ms += 2000
    school.world.now_ms = school.now_ms
    did = {"counter": values["counter"], "name": "self-test", "found": {"chip": "lost", "clock": "ok", "<b>": "<i>"}}
    health = json.dumps({"v": 1, "boot_ms": 5, "command": did})
    school.world.deliver(wrap(health, reader="a-101", kind="health"), derive=False)
    Watch(school.world.engine).step(school.now_ms)
    answer = visitor.get("/doors/readers/a-101")
    text = words(answer)
    assert "Self-test: done" in text and "card chip lost" in text and "clock ok" in text
    assert "<i>" not in answer.text


@pytest.mark.parametrize("said", ["[]", '{"command": 3}', '{"command": {"counter": 1}}', '{"boot_ms": "x"}'])
def test_a_report_that_says_nothing_of_it_settles_nothing(school, signed, board, said):
    ask(signed("tess"), "sync")
    ask(signed("tess"), "restart")
    down(school, board)
    with writing(school.world.engine) as connection:
        connection.execute(schema.reader_state.update().values(health=said, health_ms=school.now_ms + 1))
        here = school.world.institution_id
        assert reader_commands.settle(connection, here, school.now_ms + MIN) == 0


def test_a_restart_is_done_when_the_reader_says_that_it_began_after_it(school, signed, board):
    visitor = signed("tess")
    ask(visitor, "restart")
    down(school, board)
    for up_ms, done in ((10 * MIN, False), (3000, True)):
        school.now_ms += 10_000
        school.world.now_ms = school.now_ms
        health = json.dumps({"v": 1, "boot_ms": up_ms})
        school.world.deliver(wrap(health, reader="a-101", kind="health"), derive=False)
        Watch(school.world.engine).step(school.now_ms)
        assert ("Restart: done" in words(visitor.get("/doors/readers/a-101"))) is done


def test_only_whoever_tends_doors_asks_and_it_is_written_down(school, signed, board):
    assert ask_as(signed("ada")).status_code == 403
    visitor = signed("tess")
    assert visitor.post("/doors/readers/a-101/command", {"name": "restart"}).status_code == 403, "no token"
    assert ask(visitor, "explode").status_code == 400
    csrf = visitor.csrf("/doors/readers/a-101")
    assert visitor.post("/doors/readers/zzz/command", {"csrf": csrf, "name": "restart"}).status_code == 404
    ask(visitor, "identify")
    (line,) = [row for row in school.world.all(schema.audit) if row.action == "reader.command"]
    assert json.loads(line.detail) == {"name": "identify"} and line.account_id == school.accounts["tess"]


def ask_as(visitor):
    return visitor.post("/doors/readers/a-101/command", {"csrf": visitor.csrf("/account"), "name": "restart"})
