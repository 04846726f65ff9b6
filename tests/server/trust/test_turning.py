"""From one certificate authority to the next: readers are told first, and nobody is locked out unasked."""

import base64
import hashlib
import json
import ssl

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from firmware.contract import renewal
from firmware.pi import trust as pi_trust
from firmware.reader import settings as reader_settings
from server import broker_command, broker_files, certificates, reader_command
from server import reader_settings as told_settings
from server.commands import DONE, FAILED
from server.errors import NotFound, Refused
from server.store import authorities, credentials, readers, schema, turning
from server.store.accounts import at_the_console
from server.store.endings import DAY_MS
from server.store.engine import reading, writing
from server.store.schema_certificates import authority_beside, reader_authority
from tests.server.staff_world import staff
from tests.server.store_client import Server
from tests.server.trust.asking import request


@pytest.fixture
def two(world):
    """Two readers with accounts at the broker; both were told of the authority that signs."""
    with writing(world.engine) as connection:
        world.first = authorities.make(connection, world.vault, world.institution_id, "college", world.now_ms)
    world.console_scope = at_the_console(world.institution_id)
    for name in ("a-1", "a-2"):
        setattr(world, name.replace("-", ""), world.reader(name, room=0))
        with writing(world.engine) as connection:
            found = readers.by_name(connection, [name])[name]
            credentials.make(connection, world.institution_id, found.id, world.now_ms)
            turning.told(connection, world.institution_id, name, [world.first.certificate], world.now_ms)
    world.client = Server(world).client
    return world


def do(world, work, *given, **more):
    with writing(world.engine) as connection:
        return work(connection, *given, **more)


def prepare(world):
    return do(world, turning.prepare, world.vault, world.console_scope, "college", world.now_ms)


def trusted(world):
    with reading(world.engine) as connection:
        return turning.trusted(connection, world.institution_id)


def unaware(world, certificate):
    with reading(world.engine) as connection:
        return turning.unaware_of(connection, world.institution_id, certificate)


def tell(world, name):
    do(world, turning.told, world.institution_id, name, trusted(world), world.now_ms)


def test_the_next_stands_beside_the_one_that_signs_until_it_is_turned_to(two):
    second = prepare(two)
    assert trusted(two) == (two.first.certificate, second)
    assert do(two, authorities.signing, two.vault, two.institution_id) == two.first
    with pytest.raises(Refused, match="one beside it already"):
        prepare(two)
    assert second not in str(two.all(schema.audit)).encode() and len(two.all(authority_beside)) == 1


def test_the_next_holds_from_the_beginning_of_the_one_before_so_that_an_old_floor_takes_it(two):
    two.now_ms += 5 * 365 * DAY_MS
    begins, ends = certificates.span_ms(prepare(two))
    assert begins == certificates.span_ms(two.first.certificate)[0]
    assert abs(ends - two.now_ms - certificates.AUTHORITY_DAYS * DAY_MS) <= 2 * DAY_MS


def test_it_is_not_turned_to_while_a_reader_does_not_know_it_unless_somebody_says_so(two):
    second = prepare(two)
    tell(two, "a-1")
    assert unaware(two, second) == ["a-2"]
    with pytest.raises(Refused, match=r"(?s)a-2.*muster reader revoke"):
        do(two, turning.turn, two.console_scope, two.now_ms)
    assert do(two, turning.turn, two.console_scope, two.now_ms, forced=True) == ["a-2"]
    assert do(two, authorities.signing, two.vault, two.institution_id).certificate == second
    assert trusted(two) == (second, two.first.certificate), "what the one before issued is still shown"
    assert [row.key for row in two.all(authority_beside)] == [None], "and nothing more is signed by it"
    with pytest.raises(NotFound):
        do(two, turning.turn, two.console_scope, two.now_ms, forced=True)


def test_once_all_know_it_it_is_turned_to_and_the_one_before_ends_after_thirty_days(two):
    second = prepare(two)
    for name in ("a-1", "a-2"):
        tell(two, name)
    assert do(two, turning.turn, two.console_scope, two.now_ms) == []
    with pytest.raises(Refused, match="30 days"):
        do(two, turning.end, two.console_scope, two.now_ms + 29 * DAY_MS)
    do(two, turning.end, two.console_scope, two.now_ms + 30 * DAY_MS)
    assert trusted(two) == (second,)
    with pytest.raises(NotFound):
        do(two, turning.end, two.console_scope, two.now_ms + 60 * DAY_MS)
    assert [row.action for row in two.all(schema.audit)] == ["ca.next", "ca.turn", "ca.end"]
    # And another after it.
    third = prepare(two)
    assert unaware(two, third) == ["a-1", "a-2"]


def test_a_reader_that_has_ended_or_has_no_account_keeps_nobody_waiting(two):
    two.reader("a-3", room=0)
    second = prepare(two)
    tell(two, "a-1")
    with writing(two.engine) as connection:
        connection.execute(schema.reader.update().where(schema.reader.c.name == "a-2").values(ended_ms=two.now_ms))
    assert unaware(two, second) == []


def test_it_is_for_whoever_tends_doors(two):
    two.console_scope = staff(two, "lecturer")
    with pytest.raises(Exception, match="this is for"):
        prepare(two)


# --- how readers learn it ---------------------------------------------------------------------------------------------


def ask(world, said, token, **more):
    body = {"request": said.decode()} | more
    return world.client.post("/api/reader/v1/certificate", json=body, headers={"authorization": f"Bearer {token}"})


def test_the_answer_to_a_renewal_names_both_under_the_readers_own_key(two):
    second = prepare(two)
    said = request()
    answer = ask(two, said, renewal.token("a-1", two.a1.key, said)).json()
    named = [base64.b64decode(one) for one in answer["authorities"]]
    assert named == [two.first.certificate, second]
    assert two.a1.key.made(renewal.answer_text("a-1", 1, said, named), bytes.fromhex(answer["mac"]))
    assert not two.a1.key.made(renewal.answer_text("a-1", 1, said, named[:1]), bytes.fromhex(answer["mac"]))
    assert not two.a1.key.made(renewal.answer_text("a-1", 1, request(), named), bytes.fromhex(answer["mac"]))
    # That it was told is not that it knows.
    assert unaware(two, second) == ["a-1", "a-2"]


def test_a_reader_that_says_that_it_knows_the_next_is_believed_and_nobody_else_says_so_for_it(two):
    second = prepare(two)
    said, knows = request(), [renewal.digest(one) for one in trusted(two)]
    plain = renewal.token("a-1", two.a1.key, said)
    whole = renewal.token("a-1", two.a1.key, said, knows)
    assert ask(two, said, plain, knows=knows).status_code == 401
    assert ask(two, said, whole).status_code == 401
    assert ask(two, said, whole, knows=knows[:1]).status_code == 401
    assert ask(two, said, whole, knows=["x"]).status_code == 422
    assert unaware(two, second) == ["a-1", "a-2"]
    answer = ask(two, said, whole, knows=knows)
    assert answer.status_code == 200 and unaware(two, second) == ["a-2"]
    held = {row.reader_id: bytes(row.sha256) for row in two.all(reader_authority)}
    assert hashlib.sha256(second).digest() in held.values() and len(held) == 2


# --- a real broker ----------------------------------------------------------------------------------------------------


def settings_of(trust, known, *, name="localhost"):
    """The reader's settings as the store makes them, as the Pi's program reads them."""
    made = told_settings.told("a-1", "main", (1, b"k" * 32), [(1, b"c" * 32)], {"host": name, "port": 8883})
    told_settings.secured(made, "mqtts://" + name, known, trust.now_ms)
    return reader_settings.parse(json.dumps(made))


def comes_in(trust, account, known) -> bool:
    tls = settings_of(trust, known).tls
    assert tls is not None
    try:
        client = trust.client(account.user, account.password, context=pi_trust.context(tls))
    except ssl.SSLCertVerificationError:
        return False
    return client.answer()


def certify(trust, signs):
    """What `muster broker config` writes, and Mosquitto begun anew."""
    with reading(trust.w.engine) as connection:
        known = turning.trusted(connection, trust.w.institution_id)
    issued = certificates.issue_broker(signs, ["127.0.0.1", "localhost"], trust.now_ms)
    broker_files.put(trust.folder, broker_files.CERTIFICATE, issued.certificate)
    broker_files.put(trust.folder, broker_files.KEY, issued.key)
    broker_files.put(trust.folder, broker_files.CA, b"".join(map(certificates.pem, known)))
    trust.broker.kill()
    trust.broker.start()


def pair(trust, signs, folder, account):
    from tests.server.trust.test_broker_trust import came_in, certified

    return came_in(trust, account, certified(trust, signs, folder))


@pytest.mark.timeout(300)
@pytest.mark.proof
@pytest.mark.long(90)
def test_with_a_real_broker_who_knows_both_comes_in_before_and_after_and_who_knows_the_old_until_the_turn(
    trust, tmp_path
):
    w, first = trust.w, trust.authority
    one, two, pi = trust.account("a-1"), trust.account("a-2"), None
    scope = at_the_console(w.institution_id)
    trust.bring()
    old = (first.certificate,)
    assert comes_in(trust, one, old)
    second = do(w, turning.prepare, w.vault, scope, "test", w.now_ms)
    both = (first.certificate, second)
    certify(trust, first)
    assert comes_in(trust, one, old) and comes_in(trust, two, both)
    do(w, turning.turn, scope, w.now_ms, forced=True)
    signs = do(w, authorities.signing, w.vault, w.institution_id)
    certify(trust, signs)
    assert comes_in(trust, two, both) and not comes_in(trust, one, old)
    # A Raspberry Pi's certificate of before the turn holds on, and one of after it as well, until the old one ends.
    pi = trust.account("a-1", mutual=True)
    trust.bring()
    assert pair(trust, first, tmp_path / "old", pi) and pair(trust, signs, tmp_path / "new", pi)
    do(w, turning.end, scope, w.now_ms + 31 * DAY_MS)
    certify(trust, signs)
    assert not pair(trust, first, tmp_path / "old", pi) and pair(trust, signs, tmp_path / "new", pi)
    assert comes_in(trust, two, (second,))


# --- the commands -----------------------------------------------------------------------------------------------------


def test_the_commands_lead_from_one_to_the_next(console, tmp_path, capsys):
    def add(name):
        done = reader_command.main(["add", name, "--broker", "mqtts://mqtt.example.org", "--out", f"{name}.json"])
        assert done == DONE
        return [
            hashlib.sha256(one).hexdigest()
            for one in reader_settings.parse((tmp_path / f"{name}.json").read_text()).tls.ca
        ]

    def issuer(folder):
        path = tmp_path / folder
        made = x509.load_pem_x509_certificate((path / broker_files.CERTIFICATE).read_bytes())
        known = x509.load_pem_x509_certificates((path / broker_files.CA).read_bytes())
        for place, one in enumerate(known):
            try:
                made.verify_directly_issued_by(one)
            except InvalidSignature:
                continue
            return place, len(known)
        return None

    assert broker_command.ca(["next"]) == FAILED
    assert broker_command.ca(["init"]) == DONE
    old = add("a-1")
    assert broker_command.ca(["turn"]) == FAILED
    assert broker_command.ca(["next"]) == DONE
    assert "1 readers do not know it yet" in capsys.readouterr().out
    both = add("a-2")
    assert both[0] == old[0] and len(both) == 2
    assert broker_command.broker(["config", "b1", "--host", "mqtt.example.org"]) == DONE
    assert issuer("b1") == (0, 2)
    capsys.readouterr()
    assert broker_command.ca(["turn"]) == FAILED
    assert "a-1" in capsys.readouterr().err
    assert broker_command.ca(["show"]) == DONE
    assert "1 readers do not know it yet: a-1" in capsys.readouterr().out
    assert broker_command.ca(["turn", "--force"]) == DONE
    assert "These do not know it, and connect no more: a-1" in capsys.readouterr().out
    assert broker_command.broker(["config", "b2", "--host", "mqtt.example.org"]) == DONE
    assert issuer("b2") == (0, 2)
    assert add("a-3") == both[::-1]
    assert broker_command.ca(["end"]) == FAILED
    assert broker_command.ca(["end", "--force"]) == DONE
    assert add("a-4") == both[1:]
