"""Two technicians at once, and a command that waits while its reader is stolen."""

import threading

import pytest

from server.errors import Refused
from server.scope import ADMIN, Grant, Scope
from server.store import reader_commands, revocations
from server.store.engine import writing
from server.store.schema_fleet import reader_command
from tests.server.store_world import MIN, NINE


@pytest.fixture
def admin(world):
    return Scope(institution_id=world.institution_id, account_id=0, person_id=None, grants=(Grant(role=ADMIN),))


@pytest.mark.parametrize("later_ms", [0, 7])
def test_what_two_ask_for_at_once_is_asked_for_once(world, admin, later_ms):
    world.reader()
    asked, found = threading.Event(), []

    def second():
        asked.wait(5)
        try:
            with writing(world.engine) as connection:
                reader_commands.ask(connection, admin, "a-1", reader_commands.IDENTIFY, NINE + later_ms)
        except Refused as refused:
            found.append(refused.code)
        except Exception as error:  # noqa: BLE001  the test says which
            found.append(type(error).__name__)

    thread = threading.Thread(target=second)
    thread.start()
    with writing(world.engine) as connection:
        reader_commands.ask(connection, admin, "a-1", reader_commands.IDENTIFY, NINE)
        asked.set()
        # The second one is at it by now, and waits for this one's end.
        thread.join(0.4)
    thread.join()
    assert found == ["command-waits"] and len(world.all(reader_command)) == 1


def test_a_command_that_waits_does_not_go_to_a_reader_that_was_stolen_meanwhile(world, admin):
    stolen, other = world.reader("a-1"), world.reader("a-2", room=1)
    world.now_ms = NINE
    world.deliver(*stolen.lines, stolen.hello(), *other.lines, other.hello(), derive=False)
    with writing(world.engine) as connection:
        for name in ("a-1", "a-2"):
            reader_commands.ask(connection, admin, name, reader_commands.RESTART, NINE)
        revocations.revoke(connection, admin, "a-1", since_ms=NINE, why="stolen", now_ms=NINE + 1)
    world.now_ms = NINE + MIN
    answer = world.deliver(other.head(NINE + MIN), derive=False)
    assert [one["reader"] for one in answer.down if "|restart|" in one["line"]] == ["a-2"]
