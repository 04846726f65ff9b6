"""The page of releases: a signed pack is brought, sent out, stopped and let go on; and one reader is updated."""

import json
import re

import pytest

from server.release_pack import Key
from server.scope import TECHNICIAN, Grant, Scope
from server.store import gateways, releases, schema
from server.store.engine import writing
from server.store.schema_releases import firmware_release, rollout, rollout_reader
from tests.firmware.pico import release_packs as made
from tests.server.store_world import wrap

HERE = "/doors/releases"


def text_of(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


@pytest.fixture
def trusted(school):
    scope = Scope(
        institution_id=school.world.institution_id, account_id=0, person_id=None, grants=(Grant(role=TECHNICIAN),)
    )
    with writing(school.world.engine) as connection:
        releases.trust(connection, scope, Key(1, made.key().n), school.now_ms)
    return school


def there(school, name="a-101", counter=1):
    """A reader that takes updates."""
    board = school.reader(name)
    school.deliver(*board.lines, board.hello(), board.head(school.now_ms))
    told = {"update": {"board": "pico", "counter": counter, "tag": None, "have": 0}}
    school.world.deliver(wrap(json.dumps(told), reader=name, kind="health"), derive=False)
    return board


def bring(visitor, pack: bytes, csrf: str | None = None):
    csrf = visitor.csrf(HERE) if csrf is None else csrf
    return visitor.http.post(HERE, data={"csrf": csrf}, files={"file": ("muster.pack", pack)})


def post(visitor, address: str, **fields):
    return visitor.post(address, {"csrf": visitor.csrf(HERE)} | fields)


def test_without_a_trusted_key_the_page_says_which_command_makes_one(school, signed):
    visitor = signed("tess")
    assert "muster release trust FILE" in text_of(visitor.get(HERE))
    answer = bring(visitor, made.signed(2))
    assert answer.status_code == 400 and "trusts no release key" in answer.text
    assert school.world.all(firmware_release) == []


def test_a_signed_pack_is_brought_sent_out_stopped_and_let_go_on(trusted, signed):
    there(trusted)
    visitor = signed("tess")
    assert bring(visitor, made.signed(2)).headers["location"] == f"{HERE}?said=added"
    page = visitor.get(HERE)
    assert "0.2 for Pico" in text_of(page) and "by Tess" in text_of(page)
    (row,) = trusted.world.all(firmware_release)
    for status in (303, 409):  # the second click finds the first
        answer = post(visitor, f"{HERE}/{row.id}/start", stages="1, 10, 100", soak="10")
        assert answer.status_code == status
    (one,) = trusted.world.all(rollout)
    assert "1 waits for its turn" in text_of(visitor.get(HERE))
    assert "a-101" in text_of(visitor.get(f"{HERE}/rollouts/{one.id}"))
    for act, status, state in (
        ("stop", 303, "stopped"),
        ("stop", 409, "stopped"),
        ("go-on", 303, "running"),
        ("end", 409, "running"),
        ("stop", 303, "stopped"),
        ("end", 303, "ended"),
        ("go-on", 409, "ended"),
    ):
        assert post(visitor, f"{HERE}/rollouts/{one.id}/{act}").status_code == status, act
        assert trusted.world.all(rollout)[0].state == state, act
    actions = [row.action for row in trusted.world.all(schema.audit) if row.action.startswith(("release", "rollout"))]
    assert actions == [
        "release.trust", "release.add", "rollout.start", "rollout.stop", "rollout.go-on", "rollout.stop", "rollout.end",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "pack, said",
    [
        (lambda: made.signed(2, by=2), "key that this store trusts signed this"),
        (lambda: made.plain(2), "key that this store trusts signed this"),
        (lambda: made.signed(2)[:-3], "shorter or longer than its manifest says"),
        (lambda: b"<script>alert(1)</script>", "his is no release"),
        (lambda: b"", "his is no release"),
    ],
    ids=["other-key", "plain", "cut", "text", "empty"],
)
def test_what_is_no_signed_release_is_refused_with_what_to_do(trusted, signed, pack, said):
    answer = bring(signed("tess"), pack())
    assert answer.status_code == 400 and said in text_of(answer) and 'role="alert"' in answer.text
    assert trusted.world.all(firmware_release) == []


def test_brought_twice_it_is_kept_once_and_an_older_one_is_not_taken(trusted, signed):
    visitor = signed("tess")
    assert bring(visitor, made.signed(5)).status_code == 303
    for pack, said in ((made.signed(5), "here already"), (made.signed(4), "no reader goes back")):
        answer = bring(visitor, pack)
        assert answer.status_code == 409 and said in text_of(answer)
    assert len(trusted.world.all(firmware_release)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"stages": "", "soak": "10"},
        {"stages": "10 1", "soak": "10"},
        {"stages": "1,x", "soak": "10"},
        {"stages": "1000", "soak": "10"},
        {"stages": "1 10 100", "soak": "-1"},
        {"stages": "1 10 100", "soak": ""},
        {"stages": "1 10 100", "soak": "999999"},
    ],
)
def test_stages_that_cannot_be_are_said_on_the_page(trusted, signed, fields):
    there(trusted)
    visitor = signed("tess")
    bring(visitor, made.signed(2))
    (row,) = trusted.world.all(firmware_release)
    answer = post(visitor, f"{HERE}/{row.id}/start", **fields)
    assert answer.status_code == 400 and 'role="alert"' in answer.text
    assert trusted.world.all(rollout) == []


def test_with_no_reader_that_could_take_it_nothing_begins(trusted, signed):
    there(trusted, counter=7)
    visitor = signed("tess")
    bring(visitor, made.signed(2))
    (row,) = trusted.world.all(firmware_release)
    answer = post(visitor, f"{HERE}/{row.id}/start", stages="100", soak="0")
    assert answer.status_code == 409 and "reader of this board is there" in text_of(answer)


def test_one_reader_is_updated_from_its_own_page_and_only_once(trusted, signed):
    there(trusted)
    visitor = signed("tess")
    address = "/doors/readers/a-101"
    assert ">Update<" not in visitor.get(address).text
    bring(visitor, made.signed(2))
    page = visitor.get(address).text
    assert "to 0.2; it takes it" in page
    release_id = re.search(r'name="release" value="(\d+)"', page)[1]
    first = post(visitor, f"{address}/update", release=release_id)
    assert (first.status_code, first.headers["location"]) == (303, f"{HERE}?said=asked")
    assert post(visitor, f"{address}/update", release=release_id).status_code == 409
    assert [row.state for row in trusted.world.all(rollout_reader)] == ["waiting"]
    assert ">Update<" not in visitor.get(address).text


def test_nobody_but_who_tends_doors_sees_or_does_any_of_it(trusted, signed):
    there(trusted)
    bring(signed("tess"), made.signed(2))
    (row,) = trusted.world.all(firmware_release)
    visitor = signed("ada")
    csrf = visitor.csrf("/account")
    assert visitor.get(HERE).status_code == 403
    assert bring(visitor, made.signed(3), csrf).status_code == 403
    for address in (f"{HERE}/{row.id}/start", f"{HERE}/rollouts/1/stop", "/doors/readers/a-101/update"):
        assert visitor.post(address, {"csrf": csrf}).status_code == 403
    assert trusted.world.all(rollout) == []


def test_a_release_whose_key_is_trusted_no_more_goes_nowhere(trusted, signed):
    there(trusted)
    visitor = signed("tess")
    bring(visitor, made.signed(2))
    (row,) = trusted.world.all(firmware_release)
    scope = Scope(
        institution_id=trusted.world.institution_id, account_id=0, person_id=None, grants=(Grant(role=TECHNICIAN),)
    )
    with writing(trusted.world.engine) as connection:
        releases.distrust(connection, scope, 1, trusted.now_ms)
    answer = post(visitor, f"{HERE}/{row.id}/start", stages="100", soak="0")
    assert answer.status_code == 409 and "trusted no more" in text_of(answer)


def test_a_gateway_gets_the_pack_with_its_token_and_nobody_else_does(trusted, signed, app, anonymous):
    bring(signed("tess"), made.signed(2))
    (row,) = trusted.world.all(firmware_release)
    with writing(trusted.world.engine) as connection:
        token = gateways.add(connection, trusted.world.institution_id, "g1", trusted.now_ms)
    address = f"/api/gateway/v1/releases/{row.tag}"
    assert anonymous.http.get(address).status_code == 401
    answer = anonymous.http.get(address, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.content) == (200, made.signed(2))
    nowhere = anonymous.http.get(address[:-1] + "x", headers={"Authorization": f"Bearer {token}"})
    assert nowhere.status_code == 404 and nowhere.json()["error"]["code"] == "release"
