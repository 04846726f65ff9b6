"""Alerts where there are several: gateways of which one is away, servers on one database; and a webhook that never ends."""

import socket
import threading

import pytest

from server.fleet.alerting import Alerting
from server.fleet.watch import Watch
from server.policy import outage_facts
from server.store import alarms, fleet_alerts, gateways
from server.store.engine import reading, writing
from server.store.schema_fleet import fleet_notice, reader_outage
from tests.server.fleet.test_alerts import BEGIN, RULES, Fleet, telling

DOWN_AND_UP = ["Muster: 1 down: a-1 (R0)", "Muster: 1 up again: a-1 (R0)"]


@pytest.fixture
def fleet(world):
    made = Fleet(world)
    made.add("a-1")
    return made


@pytest.fixture
def two_servers(fleet):
    """The same fleet, looked at by two servers of one database, each with what it remembers itself."""
    second = Alerting(fleet.world.engine, RULES, fleet.channels, watch=Watch(fleet.world.engine))
    first = fleet.alerting.step

    def step(now_ms):
        first(now_ms)
        second.step(now_ms)

    fleet.alerting.step = step
    return fleet


def test_two_boards_under_one_name_are_said_and_over_once_a_person_has_closed_the_alarm(fleet):
    world, (board,) = fleet.world, fleet.boards
    fleet.go(2)
    assert fleet.alerts() == []
    twice = [board.boot(before=board.journal, at_ms=BEGIN)]
    twice.append(board.boot(before=board.lines[0].split("|")[4], at_ms=BEGIN))
    world.deliver(*twice, derive=False)
    assert alarms.CLONE in world.alarms()
    fleet.go(1)
    assert fleet.alerts() == [("alarm", "a-1 (R0)", False)]
    with writing(world.engine) as connection:
        for one in alarms.open_alarms(connection, world.institution_id):
            alarms.close(connection, world.institution_id, one.id, None, fleet.now_ms)
    fleet.go(1, silent=("a-1",))
    assert fleet.alerts() == [("alarm", "a-1 (R0)", True)]
    assert fleet.subjects() == DOWN_AND_UP


def heard(fleet, token: str) -> None:
    """This gateway asks for class lists now."""
    with writing(fleet.world.engine) as connection:
        gateways.seen(connection, gateways.find(connection, token).id, fleet.now_ms)


def test_a_gateway_that_is_away_while_another_one_is_heard_is_said(fleet):
    with writing(fleet.world.engine) as connection:
        north, south = (gateways.add(connection, fleet.world.institution_id, one, 1) for one in ("north", "south"))
    for token in (north, south):
        heard(fleet, token)
    for _ in range(6):
        fleet.go(1)
        heard(fleet, north)
    assert fleet.alerts() == [("gateways", "line", False)]
    for _ in range(3):
        heard(fleet, north)
        heard(fleet, south)
        fleet.go(1)
    assert fleet.alerts() == [("gateways", "line", True)]


def test_a_gateway_that_was_taken_away_long_ago_is_missed_by_nobody():
    seen = [BEGIN, None, BEGIN - outage_facts.SILENT_AFTER_MS - 1, BEGIN - outage_facts.TAKEN_AWAY_MS - 1]
    assert outage_facts.gateways_away(seen, BEGIN) == 1


def test_two_servers_on_one_database_say_what_is_down_once(two_servers):
    fleet = two_servers
    fleet.go(3)
    fleet.go(12, silent=("a-1",))
    assert fleet.alerts() == [("silent", "a-1 (R0)", False)]
    fleet.go(5)
    assert fleet.alerts() == [("silent", "a-1 (R0)", True)] and fleet.subjects() == DOWN_AND_UP


def test_two_servers_that_look_at_once_say_it_once(fleet):
    second = Alerting(fleet.world.engine, RULES, fleet.channels)
    measured = fleet.alerting._measured

    def while_the_other_one_writes(connection, here, now_ms):
        found = measured(connection, here, now_ms)
        second.step(now_ms)
        return found

    fleet.alerting._measured = while_the_other_one_writes
    fleet.go(3)
    fleet.go(12, silent=("a-1",))
    assert fleet.alerts() == [("silent", "a-1 (R0)", False)]
    fleet.go(5)
    assert fleet.alerts() == [("silent", "a-1 (R0)", True)] and fleet.subjects() == DOWN_AND_UP


def test_what_a_server_that_is_gone_has_raised_is_ended_by_the_other_one(fleet):
    late = Alerting(fleet.world.engine, RULES, fleet.channels)
    fleet.go(3)
    late.step(fleet.now_ms)
    fleet.go(12, silent=("a-1",))
    fleet.alerting = late
    fleet.go(5)
    assert fleet.alerts() == [("silent", "a-1 (R0)", True)] and fleet.subjects() == DOWN_AND_UP


def test_one_message_is_taken_by_one_of_two_servers(fleet, tmp_path):
    fleet.go(3)
    fleet.go(12, silent=("a-1",))
    first, second = (telling(fleet, mail_to="it@college.example", outbox=tmp_path / name) for name in ("one", "two"))
    with reading(fleet.world.engine) as connection:
        ready = fleet_alerts.due(connection, fleet.now_ms)
    sent = []
    # While the first one is at it the second one looks.
    first._file = lambda one, content: (sent.append(second.step()), ("outbox", True))[1]
    assert len(ready) == 1 and first.step() == 1 and sent == [0]
    assert [row.tries for row in fleet.world.all(fleet_notice)] == [1]


def test_two_servers_note_the_lines_outage_once(two_servers):
    fleet = two_servers
    with writing(fleet.world.engine) as connection:
        token = gateways.add(connection, fleet.world.institution_id, "north", 1)
    heard(fleet, token)
    fleet.go(8)
    assert [row.kind for row in fleet.world.all(reader_outage) if row.reader_id is None] == ["gateway"]


def test_a_webhook_whose_answer_never_ends_holds_no_message_behind_it(world):
    fleet = Fleet(world, channels=("webhook",))
    fleet.add("a-1")
    fleet.go(3)
    fleet.go(8, silent=("a-1",))
    told, ended = threading.Event(), threading.Event()

    def answer(listening: socket.socket) -> None:
        taken, _ = listening.accept()
        with taken:
            taken.recv(65_536)
            taken.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
            for _ in range(40):
                if told.wait(0.05):
                    return
                taken.sendall(b"1\r\nx\r\n")
            ended.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,))
        thread.start()
        sent = telling(fleet, webhook=f"http://127.0.0.1:{listening.getsockname()[1]}/x").step()
        told.set()
        thread.join()
    assert sent == 1 and not ended.is_set()
