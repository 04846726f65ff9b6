"""The end of a broker's certificate and of the authority is said in time, once, and is over with the next one."""

import pytest

from server import broker_command, certificates
from server.commands import DONE, FAILED
from server.errors import NotFound
from server.fleet import measures
from server.policy.fleet_rules import AUTHORITY_LEFT_D, CERTIFICATE_LEFT_D
from server.store import accounts, authorities, endings
from server.store.endings import AUTHORITY, DAY_MS
from server.store.engine import reading, writing
from server.store.schema import audit

NAMES = ["b.example.org"]


@pytest.fixture
def trusting(world):
    with writing(world.engine) as connection:
        world.authority = authorities.make(connection, world.vault, world.institution_id, "college", world.now_ms)
    return world


def issue(world, now_ms, name="broker"):
    issued = certificates.issue_broker(world.authority, NAMES, now_ms)
    with writing(world.engine) as connection:
        return endings.note(connection, world.institution_id, name, issued.certificate, now_ms)


def every(world):
    with reading(world.engine) as connection:
        return endings.every(connection, world.institution_id)


def test_the_store_knows_when_each_certificate_ends_and_only_the_newest_of_a_server(trusting):
    first = issue(trusting, trusting.now_ms)
    assert first // 1000 == trusting.now_ms // 1000 + certificates.BROKER_DAYS * 86_400
    second = issue(trusting, trusting.now_ms + 10 * DAY_MS)
    other = issue(trusting, trusting.now_ms + DAY_MS, "b2")
    assert [(one.name, one.ends_ms) for one in every(trusting)] == [
        ("b2", other),
        ("broker", second),
        (AUTHORITY, certificates.span_ms(trusting.authority.certificate)[1]),
    ]


def test_what_is_left_is_of_the_next_to_end_and_for_ever_where_nothing_ends(trusting):
    assert measures.left([], 0) == {CERTIFICATE_LEFT_D: float("inf"), AUTHORITY_LEFT_D: float("inf")}
    issue(trusting, trusting.now_ms)
    issue(trusting, trusting.now_ms + 10 * DAY_MS, "b2")
    left = measures.left(every(trusting), trusting.now_ms + 729 * DAY_MS)
    assert left[CERTIFICATE_LEFT_D] == pytest.approx(1, abs=0.01)
    assert left[AUTHORITY_LEFT_D] == pytest.approx(20 * 365 - 730, abs=0.01)


def test_a_server_that_is_gone_is_forgotten_and_one_that_never_was_is_refused(trusting):
    issue(trusting, trusting.now_ms, "b2")
    with writing(trusting.engine) as connection:
        scope = accounts.at_the_console(trusting.institution_id)
        with pytest.raises(NotFound):
            endings.forget(connection, scope, "b3", trusting.now_ms)
        endings.forget(connection, scope, "b2", trusting.now_ms)
    assert [one.name for one in every(trusting)] == [AUTHORITY]
    assert [row.action for row in trusting.all(audit)] == ["ca.forget"]


def test_the_commands_say_when_everything_ends(console, capsys):
    assert broker_command.ca(["init"]) == DONE
    assert broker_command.broker(["config", "b", "--host", "mqtt.example.org"]) == DONE
    assert "Its certificate ends 20" in capsys.readouterr().out
    assert broker_command.ca(["issue", "s", "--host", "muster.example.org"]) == DONE
    assert "It ends 20" in capsys.readouterr().out
    assert broker_command.ca(["show"]) == DONE
    told = capsys.readouterr().out
    assert "broker ends 20" in told and "muster.example.org ends 20" in told and f"{AUTHORITY} ends 20" in told
    assert "in 729 days" in told or "in 730 days" in told
    assert broker_command.ca(["forget", "muster.example.org"]) == DONE
    assert broker_command.ca(["forget", "muster.example.org"]) == FAILED
    capsys.readouterr()
    assert broker_command.ca(["show"]) == DONE
    assert "muster.example.org" not in capsys.readouterr().out
