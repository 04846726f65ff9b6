"""Mosquitto's files as they are written, and the commands that write them."""

import json
import stat
import subprocess

from firmware.contract import topics
from firmware.reader import settings as reader_settings
from server import broker_command, broker_files, reader_command, revoke_command, staff_command
from server.commands import DONE, FAILED
from server.store import credentials, readers
from server.store.credentials import Held, hash_of
from server.store.engine import writing
from server.store.schema_trust import broker_credential


def held(user="a-1", **more):
    return Held(user=user, hash="$7$h", **({"mutual": False, "is_gateway": False} | more))


def test_a_hash_is_the_one_that_mosquitto_makes(need, tmp_path):
    need("mosquitto")
    path = tmp_path / "passwords"
    path.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", path, "a-1", "secret"], check=True, capture_output=True)
    user, _, made = path.read_text().strip().partition(":")
    _, kind, iterations, salt, _ = made.split("$")
    assert (user, kind, int(iterations)) == ("a-1", "7", credentials.ITERATIONS)
    import base64

    assert hash_of("secret", base64.b64decode(salt)) == made


def test_what_wants_a_certificate_stands_in_the_other_password_file():
    living = broker_files.living([held(), held("a-2", mutual=True)])
    assert living[broker_files.PASSWORDS] == "a-1:$7$h\n"
    assert living[broker_files.MUTUAL] == "a-2:$7$h\n"


def test_the_access_list_names_every_kind_of_message_once_and_no_reader():
    text = broker_files.acl([held(), held("gateway.g1", is_gateway=True)])
    for kind in topics.UP:
        assert text.count(f"pattern write muster/v1/+/%u/{kind}\n") == 1
    for kind in topics.DOWN:
        assert text.count(f"pattern read muster/v1/+/%u/{kind}\n") == 1
    assert "a-1" not in text and "readwrite muster/v1/+/+/roster" in text


def test_no_reader_can_have_the_name_of_a_gateways_account():
    assert not topics.is_name(credentials.GATEWAY + "g1")


def test_files_are_their_owners_alone_and_written_whole(tmp_path):
    assert broker_files.put(tmp_path, "passwords", "a:b\n") is True
    assert stat.S_IMODE((tmp_path / "passwords").stat().st_mode) == 0o600
    assert broker_files.put(tmp_path, "passwords", "a:b\n") is False
    assert [one.name for one in tmp_path.iterdir()] == ["passwords"]


def test_a_new_password_ends_the_one_before_it_and_none_is_kept(world):
    world.reader("a-1")
    with writing(world.engine) as connection:
        reader_id = readers.by_name(connection, ["a-1"])["a-1"].id
        first = credentials.make(connection, world.institution_id, reader_id, world.now_ms)
        second = credentials.make(connection, world.institution_id, reader_id, world.now_ms + 1)
        assert [one.user for one in credentials.held(connection, world.institution_id)] == ["a-1"]
    rows = world.all(broker_credential)
    assert [row.to_ms for row in rows] == [world.now_ms + 1, None]
    assert first.password != second.password
    assert not any(one.password in str(rows) for one in (first, second))
    assert first.password not in repr(first)


def test_the_commands_make_a_broker_and_a_reader_that_knows_it(console, tmp_path, capsys):
    console.reader("a-7")
    assert broker_command.broker(["config", "b", "--host", "mqtt.example.org"]) == FAILED
    assert "muster ca init" in capsys.readouterr().err
    assert broker_command.ca(["init"]) == DONE
    assert broker_command.ca(["init"]) == FAILED
    assert staff_command.gateway(["g1"]) == DONE
    capsys.readouterr()
    assert broker_command.broker(["password", "--gateway", "g1"]) == DONE
    user, _, password = capsys.readouterr().out.strip().partition(":")
    assert (user, len(password)) == ("gateway.g1", 43)
    assert reader_command.main(["add", "a-1", "--broker", "mqtts://mqtt.example.org", "--out", "a.json"]) == DONE
    assert (
        reader_command.main(["add", "a-2", "--pi", "--broker", "mqtts://mqtt.example.org:8884", "--out", "p.json"])
        == DONE
    )
    assert broker_command.broker(["config", "b", "--host", "mqtt.example.org"]) == DONE
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == sorted(
        [
            "agent.token",
            "broker.crt",
            "broker.key",
            "ca.crt",
            "muster.acl",
            "muster.conf",
            "passwords",
            "passwords-mutual",
        ]
    )
    assert (tmp_path / "b" / "passwords").read_text().splitlines()[0].startswith("a-1:$7$")
    assert (tmp_path / "b" / "passwords-mutual").read_text().startswith("a-2:$7$")
    told = reader_settings.parse((tmp_path / "a.json").read_text())
    assert (told.tls.name, told.tls.certificate, told.broker["user"]) == ("mqtt.example.org", None, "a-1")
    assert told.tls.floor_s > 0
    pi = reader_settings.parse((tmp_path / "p.json").read_text())
    assert pi.tls.certificate == pi.tls.key == "/var/lib/muster-reader/broker.pem"
    capsys.readouterr()
    assert broker_command.ca(["show"]) == DONE
    assert "BEGIN CERTIFICATE" in capsys.readouterr().out
    assert broker_command.ca(["issue", "s", "--host", "muster.example.org"]) == DONE
    assert (tmp_path / "s" / "broker.key").stat().st_mode & 0o077 == 0


def test_a_plain_broker_is_told_of_as_before(console, tmp_path):
    assert reader_command.main(["add", "a-1", "--out", "a.json"]) == DONE
    assert json.loads((tmp_path / "a.json").read_text())["broker"] == {
        "user": "a-1", "password": "", "host": "127.0.0.1", "port": 1883,
    }  # fmt: skip
    assert reader_command.main(["add", "a-2", "--pi", "--out", "b.json"]) == FAILED
    assert reader_command.main(["add", "a-3", "--broker", "mqtts://b", "--out", "c.json"]) == FAILED


def test_a_reader_is_revoked_and_released_by_commands(console, capsys):
    console.reader("a-1")
    since = "2020-01-01T00:00:00"
    assert revoke_command.revoke(["a-1", "--since", since]) == FAILED
    assert "last 30 days" in capsys.readouterr().err
    assert revoke_command.revoke(["a-1", "--since", "yesterday"]) == FAILED
    from datetime import UTC, datetime

    now = datetime.now(UTC).isoformat()
    assert revoke_command.revoke(["a-1", "--since", now, "--why", "lost"]) == DONE
    assert revoke_command.revoke(["a-1", "--since", now]) == FAILED
    assert revoke_command.release(["a-1"]) == DONE
    assert "0 swipes" in capsys.readouterr().out
