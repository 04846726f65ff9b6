"""The store's commands and the real reader core: what one says the other takes, and nothing that was said before."""

import json

from firmware.contract import envelope
from server.scope import TECHNICIAN, Grant, Scope
from server.store import reader_commands
from server.store.engine import reading, writing
from tests.server.store_world import wrap


def ask(line, name: str) -> None:
    scope = Scope(
        institution_id=line.world.institution_id, account_id=0, person_id=None, grants=(Grant(role=TECHNICIAN),)
    )
    with writing(line.world.engine) as connection:
        reader_commands.ask(connection, scope, "a-1", name, line.world.now_ms)


def report(line) -> None:
    """The reader's health arrives, and is looked at."""
    health = json.dumps(line.reader.health(line.now_ms))
    line.world.deliver(wrap(health, reader="a-1", kind="health"), derive=False)
    with writing(line.world.engine) as connection:
        reader_commands.settle(connection, line.world.institution_id, line.world.now_ms)


def newest(line):
    with reading(line.world.engine) as connection:
        reader_id = reader_commands.waiting(connection, line.world.institution_id, line.world.now_ms)
        assert reader_id == [], "it went down"
        return reader_commands.of_reader(connection, 1)[0]


def test_a_self_test_goes_down_the_line_and_what_it_found_comes_back(lines):
    line = lines()
    line.minutes(2)
    ask(line, "self-test")
    line.minutes(2)
    report(line)
    found = newest(line)
    assert found.state(line.world.now_ms) == "done" and found.found["storage"] == "ok"
    assert line.reader.uplink.refused.get("mac", 0) == 0


def test_a_restart_that_somebody_kept_restarts_nothing_again(lines):
    line = lines()
    line.minutes(2)
    ask(line, "restart")
    line.minutes(2)
    assert line.reader.commands == ["restart"]
    line.reader.commands.clear()
    (kept,) = [one["line"] for answer in line.answers for one in answer.down if "|restart|" in one["line"]]
    for _ in range(3):
        line.reader.received("command", envelope.wrap([kept]), line.now_ms)
        line.minutes(6)
    assert line.reader.commands == []
    assert line.reader.uplink.refused["command-repeated"] == 3
