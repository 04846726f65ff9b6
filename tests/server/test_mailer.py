"""Mails by SMTP, to a real SMTP server that the test starts: what it takes, what it refuses, what breaks in between."""

import hashlib
import logging
from email import message_from_bytes

import pytest

from server import mail_command
from server.clock import Clock
from server.errors import BadSetting
from server.mail_line import Account
from server.mailer import AGAIN_MS, GIVEN_UP_MS, Mailer
from server.settings import load
from server.store import schema, schema_work
from server.store.engine import writing
from server.store.mails import LEASE_MS
from tests.server.smtp_world import Inbox, Post, certificate, free_port, login
from tests.server.store_world import NINE, World

MIN = 60_000
SENDER = "registers@college.example"


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def post(inbox):
    with Post(inbox) as found:
        yield found


@pytest.fixture
def house(world):
    """A store with three students who have addresses, and whoever sends for it."""
    return House(world)


class House:
    def __init__(self, world: World) -> None:
        self.world = world
        world.now_ms = NINE
        world.students += [world.person("Without"), world.person("Wrong")]
        for n, person in enumerate(world.students[:3]):
            world.insert(
                schema.person_contact, person_id=person, kind="email", value=f"s{n}@college.example", from_ms=0
            )
        self.real_s = 0.0

    def mailer(self, post, **values) -> Mailer:
        account = Account(host="127.0.0.1", port=post if isinstance(post, int) else post.free, sender=SENDER,
                          **({"tls": "none", "patience_s": 5.0} | values))  # fmt: skip
        clock = Clock(real=lambda: self.world.now_ms / 1000)
        return Mailer(self.world.engine, clock, account, monotonic=lambda: self.real_s)

    def write(self, *people: int, text="We meet in R1. Café at 9.\n.\nThe end.") -> None:
        for place in people:
            self.world.insert(schema_work.message, to_person_id=self.world.students[place], kind="session-notice",
                              subject="Room changed", text=text, created_ms=self.world.now_ms)  # fmt: skip

    def mails(self):
        return sorted(self.world.all(schema_work.mail), key=lambda row: row.message_id)

    def messages(self):
        return sorted(self.world.all(schema_work.message), key=lambda row: row.id)


def test_each_message_is_handed_over_once_and_what_was_sent_is_written_down(house, post, inbox):
    house.write(0, 1)
    mailer = house.mailer(post)
    assert (mailer.step(), mailer.step()) == (2, 0)
    first, second = inbox.mails()
    assert (first["From"], first["To"], second["To"]) == (SENDER, "s0@college.example", "s1@college.example")
    assert first.get_content().replace("\r\n", "\n") == "We meet in R1. Café at 9.\n.\nThe end.\n"
    assert first["Auto-Submitted"] == "auto-generated"
    for row, bytes_ in zip(house.mails(), inbox.taken, strict=True):
        assert (row.state, row.code, row.reply, row.tries) == ("sent", "sent", 250, 1)
        assert (row.sha256, row.size) == (hashlib.sha256(bytes_).hexdigest(), len(bytes_))
        assert row.name == message_from_bytes(bytes_)["Message-ID"]
    assert [row.sent_ms for row in house.messages()] == [NINE, NINE]


def test_who_has_no_address_or_a_bad_one_is_told_on_the_message_and_keeps_nobody(house, post, inbox):
    house.write(3, 0)
    bad = "two@example.org\nBcc: all@example.org"
    house.world.insert(schema.person_contact, person_id=house.world.students[4], kind="email", value=bad, from_ms=0)
    house.write(4)
    house.mailer(post).step()
    assert [row.failed_why for row in house.messages()] == ["no-address", None, "bad-address"]
    assert len(inbox.taken) == 1


def test_what_the_server_refuses_for_good_fails_with_its_digits_and_the_others_go(house, post, inbox, caplog):
    caplog.set_level(logging.INFO)
    inbox.say["s1@college.example"] = "550 5.1.1 s1@college.example: Stu Dent is not here"
    house.write(0, 1, 2)
    assert house.mailer(post).step() == 2
    assert [row.failed_why for row in house.messages()] == [None, "smtp-refused", None]
    assert [(row.state, row.reply) for row in house.mails()] == [("sent", 250), ("failed", 550), ("sent", 250)]
    # The SMTP server of the test logs too.
    said = " ".join(one.getMessage() for one in caplog.records if one.name.startswith("muster"))
    assert "code=smtp-refused" in said
    assert "example" not in said and "Stu" not in said, "no address and no words in the log"


def test_what_the_server_will_not_take_now_is_tried_again_later_and_later_and_given_up_in_the_end(
    house, post, inbox, monkeypatch
):
    assert GIVEN_UP_MS == 3 * 24 * 60 * MIN
    monkeypatch.setattr("server.mailer.GIVEN_UP_MS", 4 * 60 * MIN)
    inbox.say["RCPT"] = "451 4.7.1 greylisted"
    house.write(0)
    mailer = house.mailer(post)
    waits = []
    while house.mails() == [] or house.mails()[0].state == "waiting":
        mailer.step()
        (row,) = house.mails()
        waits.append(row.next_ms - house.world.now_ms)
        house.world.now_ms = max(row.next_ms, house.world.now_ms)
    assert waits[:3] == [AGAIN_MS, 2 * AGAIN_MS, 4 * AGAIN_MS] and max(waits) == 60 * MIN
    assert house.world.now_ms - NINE > 4 * 60 * MIN
    assert (house.mails()[0].code, house.messages()[0].failed_why) == ("smtp-expired", "smtp-expired")
    assert inbox.taken == []


def test_a_mail_that_waits_goes_when_the_server_takes_it_again_and_the_alarm_is_over(house, post, inbox):
    inbox.say["DATA"] = "452 4.3.1 no room"
    house.write(0)
    mailer = house.mailer(post)
    mailer.step()
    assert "[smtp-later]" in alarm(house)
    del inbox.say["DATA"]
    house.world.now_ms += AGAIN_MS
    assert mailer.step() == 1
    assert alarm(house) == ""
    assert [row.tries for row in house.mails()] == [2]


def test_a_server_that_is_not_there_is_an_alarm_and_costs_no_mail_a_try(house, inbox):
    port = free_port()
    house.write(0)
    mailer = house.mailer(port)
    mailer.step()
    assert "[smtp-unreachable]" in alarm(house)
    assert [(row.state, row.tries) for row in house.mails()] == [("waiting", 0)]
    with Post(inbox, port=port):
        assert mailer.step() == 0, "not at once again"
        house.real_s += 60
        assert mailer.step() == 1


def test_a_line_that_breaks_before_the_answer_leads_to_a_second_try_under_the_same_name(house, post, inbox):
    # At least once: nobody can know whether the mail was taken. It was.
    inbox.deaf = ["once"]
    house.write(0)
    mailer = house.mailer(post)
    mailer.step()
    assert [(row.state, row.code) for row in house.mails()] == [("waiting", "smtp-unsure")]
    house.world.now_ms += AGAIN_MS
    mailer.step()
    first, second = inbox.mails()
    assert first["Message-ID"] == second["Message-ID"] and inbox.taken[0] == inbox.taken[1]
    assert [(row.state, row.tries) for row in house.mails()] == [("sent", 2)]


def test_after_a_crash_between_the_servers_answer_and_our_note_it_goes_again_under_the_same_name(
    house, post, inbox, monkeypatch
):
    house.write(0)
    mailer = house.mailer(post)

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(mailer, "_note", crash)
    with pytest.raises(KeyboardInterrupt):
        mailer.step()
    other = house.mailer(post)
    assert other.step() == 0, "whoever began it may still be at it"
    house.world.now_ms += LEASE_MS
    assert other.step() == 1
    first, second = inbox.mails()
    assert first["Message-ID"] == second["Message-ID"]


def test_two_servers_on_one_database_do_not_send_the_same_mail(house, post, inbox):
    house.write(0, 1, 2)
    one, two = house.mailer(post), house.mailer(post)
    one._take()
    ready = list(range(2))
    # Both have read the same mails; each is begun by one of them alone.
    from server.mail_line import Line
    from server.store import mails
    from server.store.engine import reading

    with reading(house.world.engine) as connection:
        both = [mails.due(connection, house.world.now_ms) for _ in ready]
    for mailer, due in zip((one, two), both, strict=True):
        with Line(mailer._account) as line:
            mailer._talk(line, due)
    assert len(inbox.taken) == 3


def test_a_message_that_was_erased_does_not_go(house, post, inbox):
    house.write(0, 1)
    mailer = house.mailer(post)
    mailer._take()
    with writing(house.world.engine) as connection:
        table = schema_work.message
        connection.execute(table.update().where(table.c.id == 1).values(erased_ms=NINE, text="", subject=""))
    assert mailer.step() == 1
    assert (house.mails()[0].state, house.mails()[0].address) == ("failed", "")
    assert len(inbox.taken) == 1


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_over_tls_with_an_account_it_says_its_password_only_where_it_knows_the_server(
    house, inbox, tmp_path, monkeypatch, tls
):
    context = certificate(tmp_path)
    (tmp_path / "password").write_text("secret words\n")
    (tmp_path / "password").chmod(0o600)
    wanted = {"authenticator": login, "auth_required": True}
    values = {"tls": tls, "user": "muster", "password_file": tmp_path / "password"}
    if tls == "implicit":
        found = Post(inbox, ssl_context=context, auth_require_tls=False, **wanted)
    else:
        found = Post(inbox, tls_context=context, require_starttls=True, **wanted)
    with found as post:
        house.write(0)
        mailer = house.mailer(post, **values)
        mailer.step()
        assert inbox.taken == [] and alarm(house).count("[smtp-tls]") == 1, "nobody has vouched for it"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        house.real_s += 60
        assert mailer.step() == 1
        (tmp_path / "password").write_text("wrong\n")
        house.write(1)
        mailer.step()
        assert "[smtp-login]" in alarm(house)
        (tmp_path / "password").chmod(0o644)
        house.real_s += 600
        mailer.step()
        assert "[smtp-password]" in alarm(house)
    assert len(inbox.taken) == 1


def alarm(house) -> str:
    """What the open alarm says; empty: there is none."""
    rows = house.world.all(schema.alarm)
    return next((row.text for row in rows if row.code == "mail-failing" and row.closed_ms is None), "")


def test_a_server_without_starttls_gets_no_mail_where_it_is_asked_for(house, post, inbox):
    house.write(0)
    house.mailer(post, tls="starttls").step()
    assert inbox.taken == [] and "[smtp-tls]" in alarm(house)


@pytest.mark.parametrize(
    "environ",
    [
        {"MUSTER_SMTP_TLS": "ssl"},
        {"MUSTER_SMTP_HOST": "mail.example", "MUSTER_SMTP_TLS": "none"},
        {"MUSTER_SMTP_USER": "muster"},
        {"MUSTER_MAIL_FROM": "nobody"},
        {"MUSTER_MAIL_FROM": "a@b.example\nBcc: c@d.example"},
        {"MUSTER_SMTP_PORT": "99999"},
        {"MUSTER_READER_HEADS_DAYS": "10"},
    ],
)
def test_settings_that_would_send_nothing_or_in_the_clear_are_refused(tmp_path, environ):
    with pytest.raises(BadSetting):
        load(environ, tmp_path)


def test_the_command_says_how_mails_stand_without_an_address_and_tries_again(
    house, post, inbox, tmp_path, monkeypatch, capsys
):
    if house.world.engine.dialect.name != "sqlite":
        pytest.skip("the command's words are the same")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSTER_DATABASE_URL", f"sqlite:///{house.world.engine.url.database}")
    monkeypatch.setenv("MUSTER_DATA_DIR", str(tmp_path))
    (tmp_path / "server.key").write_text((b"k" * 32).hex())
    (tmp_path / "server.key").chmod(0o600)
    inbox.say["s1@college.example"] = "550 no"
    house.write(0, 1)
    mailer = house.mailer(post)
    mailer.step()
    assert mail_command.main([]) == 1
    said = capsys.readouterr().out
    assert "1 sent" in said and "failed, 1 tries" in said and "[smtp-refused]" in said and "@" not in said
    inbox.say.clear()
    assert mail_command.main(["--again"]) == 0
    # The command's clock is the real one: long after this house's.
    house.world.now_ms = house.mails()[1].next_ms
    assert mailer.step() == 1
    assert [row.failed_why for row in house.messages()] == [None, None]
