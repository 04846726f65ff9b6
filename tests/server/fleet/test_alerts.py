"""Alerts by rule: once down, once up, whatever trembles; and the messages that tell of them."""

import hashlib
import hmac
import json
import threading
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from server import certificates
from server.clock import Clock
from server.errors import BadSetting
from server.fleet.alerting import Alerting
from server.fleet.telling import AGAIN_MS, GIVEN_UP_MS, Targets, Telling
from server.fleet.watch import Watch
from server.mail_line import Account
from server.policy import fleet_rules
from server.policy.fleet_rules import CALM, DOWN, Rule, State
from server.settings import load
from server.store import authorities, endings, gateways, schema
from server.store.engine import writing
from server.store.schema_fleet import fleet_alert, fleet_notice
from tests.server.smtp_world import Inbox, Post
from tests.server.store_world import HOUR, NINE, wrap

BEGIN = NINE - 2 * HOUR
RULES = fleet_rules.load(Path())
TREMBLE = Rule(
    name="t", measure="backlog", threshold=10, below=False, clear=5, after_ms=60_000, clear_after_ms=30_000, says="t"
)


def phases(rule, values, step_ms=10_000) -> list[bool]:
    """Down or not, after each of these values, one look after the other."""
    state, found = State(), []
    for n, value in enumerate(values):
        state = fleet_rules.after(rule, state, value, n * step_ms)
        found.append(state.is_down)
    return found


def test_what_is_over_the_threshold_for_too_short_a_time_is_never_down():
    assert not any(phases(TREMBLE, [11, 11, 11, 11, 11, 0] * 20))


def test_what_trembles_at_the_threshold_is_down_once():
    found = phases(TREMBLE, [11] * 8 + [9, 11, 6, 12] * 30 + [9] * 50)
    assert found.index(True) == 6 and all(found[6:])


def test_it_is_up_only_after_it_was_well_for_long_enough():
    found = phases(TREMBLE, [11] * 8 + [0, 0, 11, 0, 0, 0, 0, 0])
    assert found[8:] == [True, True, True, True, True, True, False, False]


def test_what_is_not_known_changes_nothing():
    assert all(phases(TREMBLE, [11] * 7 + [None] * 50)[6:])
    assert not any(phases(TREMBLE, [None] * 50))


def test_a_clock_that_was_put_back_does_not_put_an_alert_off_for_ever():
    rising = fleet_rules.after(TREMBLE, State(), 11, 10 * HOUR)
    assert rising.phase != DOWN
    assert fleet_rules.after(TREMBLE, rising, 11, 1 * HOUR).phase == DOWN
    assert fleet_rules.after(TREMBLE, State(phase=CALM), 0, 5).phase == CALM


@pytest.mark.parametrize(
    "text",
    [
        "[[rule]]\nname = 'X'",
        "[[rule]]\nname = 'x'\nmeasure = 'moon'\nabove = 1\nclear = 1\nafter_s = 0\nclear_after_s = 0",
        "[[rule]]\nname = 'x'\nmeasure = 'backlog'\nabove = 1\nbelow = 1\nclear = 1\nafter_s = 0\nclear_after_s = 0",
        "[[rule]]\nname = 'x'\nmeasure = 'backlog'\nabove = 1\nclear = 2\nafter_s = 0\nclear_after_s = 0",
        "[[rule]]\nname = 'x'\nmeasure = 'room'\nbelow = 9\nclear = 2\nafter_s = 0\nclear_after_s = 0",
        "[[rule]]\nname = 'x'\nmeasure = 'room'\nbelow = 9\nclear = 9\nafter_s = -1\nclear_after_s = 0",
        "[[rule]]\nname = 'x'\nmeasure = 'room'\nbelow = true\nclear = 9\nafter_s = 1\nclear_after_s = 0",
        "[[rule]]\nname = 'x'\nmeasure = 'room'\nbelow = nan\nclear = 9\nafter_s = 1\nclear_after_s = 1",
        "[[rule]]\nname = 'x'\ncolour = 'red'",
        "[[rules]]\nname = 'x'\nmeasure = 'room'\nbelow = 9\nclear = 9\nafter_s = 1\nclear_after_s = 1",
        "[rule]\nname = 'x'",
        "rule = 5",
        "rule = ['x']",
        "[[rule",
    ],
)
def test_a_rule_that_cannot_be_is_refused(tmp_path, text):
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(BadSetting) as refused:
        fleet_rules.load(path)
    assert refused.value.code == "fleet-rule"


def test_an_institutions_own_rule_takes_the_place_of_the_shipped_one_of_its_name(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text(
        "[[rule]]\nname = 'backlog'\nmeasure = 'backlog'\nabove = 3\nclear = 0\nafter_s = 1\nclear_after_s = 2\n"
    )
    own = fleet_rules.load(path)
    assert own["backlog"].threshold == 3 and own.keys() == RULES.keys()
    with pytest.raises(BadSetting):
        fleet_rules.load(tmp_path / "nowhere.toml")


class Fleet:
    """Readers of a store, looked at each ten seconds of its time."""

    def __init__(self, world, channels=("mail",)) -> None:
        self.world, self.now_ms, self.channels = world, BEGIN, channels
        self.boards = []
        self.begin()

    def begin(self) -> None:
        self.watch = Watch(self.world.engine)
        self.alerting = Alerting(self.world.engine, RULES, self.channels)

    def add(self, name: str, room: int | None = 0) -> None:
        board = self.world.reader(name, room=room)
        board.boot(at_ms=BEGIN)
        self.boards.append(board)

    def go(self, minutes: int, *, silent=(), able="ok", health=None) -> None:
        """Each board but the silent ones says a head a minute."""
        for tenth in range(minutes * 6):
            self.now_ms += 10_000
            self.world.now_ms = self.now_ms
            if tenth % 6 == 0:
                for board in self.boards:
                    if board.name not in silent:
                        self.world.deliver(*board.lines, board.head(self.now_ms, able=able), derive=False)
                        if health is not None:
                            self.world.deliver(wrap(json.dumps(health), reader=board.name, kind="health"), derive=False)
            self.watch.step(self.now_ms)
            self.alerting.step(self.now_ms)

    def alerts(self) -> list[tuple[str, str, bool]]:
        """(rule, subject, over) in the order in which they were raised."""
        return [(row.rule, row.subject, row.cleared_ms is not None) for row in self.world.all(fleet_alert)]

    def subjects(self) -> list[str]:
        return [row.subject for row in self.world.all(fleet_notice)]


@pytest.fixture
def fleet(world):
    made = Fleet(world)
    made.add("a-1")
    return made


def test_a_reader_that_is_silent_is_said_once_and_once_more_when_it_is_heard(fleet):
    fleet.go(3)
    fleet.go(20, silent=("a-1",))
    assert fleet.alerts() == [("silent", "a-1 (R0)", False)]
    fleet.go(10)
    assert fleet.alerts() == [("silent", "a-1 (R0)", True)]
    assert fleet.subjects() == ["Muster: 1 down: a-1 (R0)", "Muster: 1 up again: a-1 (R0)"]


def test_a_server_that_begins_anew_says_nothing_twice(fleet):
    fleet.go(3)
    fleet.go(20, silent=("a-1",))
    fleet.begin()
    fleet.go(10, silent=("a-1",))
    fleet.begin()
    fleet.go(10)
    assert fleet.subjects() == ["Muster: 1 down: a-1 (R0)", "Muster: 1 up again: a-1 (R0)"]


def test_what_the_database_did_not_take_is_raised_by_the_next_look(fleet):
    fleet.go(3)
    with writing(fleet.world.engine) as connection:
        connection.execute(text("ALTER TABLE fleet_notice RENAME TO away"))
    with pytest.raises(DBAPIError):
        fleet.go(20, silent=("a-1",))
    with writing(fleet.world.engine) as connection:
        connection.execute(text("ALTER TABLE away RENAME TO fleet_notice"))
    assert fleet.alerts() == []
    fleet.go(1, silent=("a-1",))
    assert fleet.alerts() == [("silent", "a-1 (R0)", False)]
    assert fleet.subjects() == ["Muster: 1 down: a-1 (R0)"]


def test_many_that_fall_silent_at_once_are_one_message(fleet):
    for n in range(2, 30):
        fleet.add(f"a-{n}", room=None)
    fleet.go(3)
    fleet.go(12, silent=[board.name for board in fleet.boards])
    assert len(fleet.alerts()) == 29
    assert fleet.subjects() == ["Muster: 29 down"]


def test_without_a_gateway_the_line_is_down_and_no_reader(fleet):
    world = fleet.world
    with writing(world.engine) as connection:
        token = gateways.add(connection, world.institution_id, "gw", 1)
        gateways.seen(connection, gateways.find(connection, token).id, BEGIN)
    fleet.go(2)
    fleet.go(20, silent=("a-1",))
    assert fleet.alerts() == [("gateway", "line", False)]
    with writing(world.engine) as connection:
        gateways.seen(connection, gateways.find(connection, token).id, fleet.now_ms + HOUR)
    fleet.go(5)
    assert fleet.alerts() == [("gateway", "line", True)]


def test_a_brokers_certificate_that_ends_soon_is_said_once_and_over_once_the_next_is_issued(fleet):
    world = fleet.world

    def issue(now_ms):
        with writing(world.engine) as connection:
            issued = certificates.issue_broker(authority, ["b"], now_ms)
            endings.note(connection, world.institution_id, "broker", issued.certificate, now_ms)

    day = 24 * HOUR
    with writing(world.engine) as connection:
        authority = authorities.make(connection, world.vault, world.institution_id, "t", BEGIN)
    issue(BEGIN - (certificates.BROKER_DAYS - 31) * day)
    fleet.go(2)
    assert fleet.alerts() == []
    issue(BEGIN - (certificates.BROKER_DAYS - 29) * day)
    fleet.go(10)
    fleet.begin()
    fleet.go(2)
    assert fleet.alerts() == [("certificate", "line", False)]
    issue(fleet.now_ms)
    fleet.go(2)
    assert fleet.alerts() == [("certificate", "line", True)]
    assert fleet.subjects() == ["Muster: 1 down: line", "Muster: 1 up again: line"]


def test_an_authority_that_ends_within_a_year_is_said(fleet):
    world = fleet.world
    with writing(world.engine) as connection:
        begun = BEGIN - (certificates.AUTHORITY_DAYS - 360) * 24 * HOUR
        authorities.make(connection, world.vault, world.institution_id, "t", begun)
    fleet.go(1)
    assert fleet.alerts() == [("authority", "line", False)]


def test_what_a_reader_says_of_its_parts_raises_alerts(fleet):
    fleet.go(3, able="chip", health={"v": 1, "storage_errors": 1, "signal": -90, "room": 100})
    found = {rule for rule, _, _ in fleet.alerts()}
    assert found == {"unable", "storage"}, "the others want longer"
    fleet.go(20, able="chip", health={"v": 1, "storage_errors": 1, "signal": -90, "room": 100})
    assert {rule for rule, _, _ in fleet.alerts()} == {"unable", "storage", "signal", "room"}


def test_a_reader_that_is_taken_away_leaves_no_alert_behind(fleet):
    fleet.go(3)
    fleet.go(12, silent=("a-1",))
    with writing(fleet.world.engine) as connection:
        connection.execute(schema.reader.update().values(ended_ms=fleet.now_ms))
    fleet.go(1, silent=("a-1",))
    assert fleet.alerts() == [("silent", "a-1 (R0)", True)]


# --- where they go ---------------------------------------------------------------------------------------------------


class Hook(BaseHTTPRequestHandler):
    """A webhook that answers as it is told."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append((dict(self.headers), body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.end_headers()

    def log_message(self, format, *args):
        pass


@pytest.fixture
def hook():
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.taken, server.answers = [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def telling(fleet, **targets) -> Telling:
    clock = Clock(real=lambda: fleet.now_ms / 1000)
    return Telling(fleet.world.engine, clock, Targets(**targets))


def test_a_mail_says_what_is_down_where_and_what_to_do(world):
    fleet = Fleet(world)
    fleet.add("a-1")
    fleet.go(3)
    fleet.go(12, silent=("a-1",))
    inbox = Inbox()
    with Post(inbox) as post:
        account = Account(host="127.0.0.1", port=post.free, tls="none", sender="m@college.example", patience_s=5.0)
        to = telling(fleet, mail_to="it@college.example", mail_from="m@college.example", smtp=account)
        assert to.step() == 1 and to.step() == 0
    mail = inbox.mails()[0]
    text = mail.get_content()
    assert mail["To"] == "it@college.example" and mail["Subject"] == "Muster: 1 down: a-1 (R0)"
    assert "DOWN  a-1 (R0): not heard: look at its power and its network [silent]" in text
    assert "Europe/London" in text


def test_without_an_smtp_server_mails_lie_in_the_outbox(world, tmp_path):
    fleet = Fleet(world)
    fleet.add("a-1")
    fleet.go(3)
    fleet.go(12, silent=("a-1",))
    to = telling(fleet, mail_to="it@college.example", outbox=tmp_path / "outbox")
    assert to.step() == 1
    (path,) = (tmp_path / "outbox").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert message_from_bytes(path.read_bytes(), policy=default)["Subject"] == "Muster: 1 down: a-1 (R0)"


def test_a_webhook_gets_signed_json_and_is_tried_again_until_it_takes_it(world, hook, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    fleet = Fleet(world, channels=("webhook",))
    fleet.add("a-1")
    fleet.go(3)
    fleet.go(12, silent=("a-1",))
    to = telling(fleet, webhook=f"http://127.0.0.1:{hook.server_port}/x", secret_file=secret)
    hook.answers = [500, 302]
    assert to.step() == 0 and to.step() == 0, "not again at once"
    fleet.now_ms += AGAIN_MS
    assert to.step() == 0
    fleet.now_ms += 2 * AGAIN_MS
    assert to.step() == 1
    headers, body = hook.taken[-1]
    said = json.loads(body)
    assert said["alerts"][0] | {"since_ms": 0} == {
        "rule": "silent", "state": "down", "subject": "a-1 (R0)", "since_ms": 0,
        "text": "not heard: look at its power and its network",
    }  # fmt: skip
    assert headers["muster-signature"] == hmac.new(b"open sesame", body, hashlib.sha256).hexdigest()
    assert len({one["muster-notice"] for one, _ in hook.taken}) == 1 and len(hook.taken) == 3


def test_a_webhook_that_never_answers_is_given_up_and_a_secret_that_others_read_is_not_used(world, tmp_path):
    fleet = Fleet(world, channels=("webhook",))
    fleet.add("a-1")
    fleet.go(3)
    fleet.go(12, silent=("a-1",))
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o644)
    to = telling(fleet, webhook="http://127.0.0.1:9/x", secret_file=secret)
    assert to.step() == 0
    assert [row.code for row in world.all(fleet_notice)] == ["webhook-secret"]
    fleet.now_ms += GIVEN_UP_MS + HOUR
    secret.chmod(0o600)
    assert to.step() == 0
    (row,) = world.all(fleet_notice)
    assert row.code == "given-up" and row.failed_ms is not None and row.sent_ms is None


@pytest.mark.parametrize(
    "environ",
    [
        {"MUSTER_ALERTS_MAIL": "a@b, c@d"},
        {"MUSTER_ALERTS_MAIL": "nobody"},
        {"MUSTER_ALERTS_WEBHOOK": "http://hooks.example/x"},
        {"MUSTER_ALERTS_WEBHOOK_SECRET_FILE": "/x"},
    ],
)
def test_alerts_go_only_where_they_may(environ, tmp_path):
    with pytest.raises(BadSetting) as refused:
        load(environ, tmp_path)
    assert refused.value.code == "setting-value"
