"""What the store takes as a release: signed by a key it trusts, whole, newer than what it has; and whose keys those are."""

import pytest

from server import release_pack
from server.errors import NotFound, Refused, StoreError
from server.release_pack import Key
from server.scope import LECTURER, Grant, Scope
from server.store import releases, rollouts, schema
from server.store.engine import reading, writing
from tests.firmware.pico import release_packs as made
from tests.server.releases.release_world import Fleet


@pytest.fixture
def fleet(world, tmp_path):
    return Fleet(world, tmp_path, 0)


def flipped(pack: bytes, at: int) -> bytes:
    return pack[:at] + bytes([pack[at] ^ 1]) + pack[at + 1 :]


@pytest.mark.parametrize(
    "pack, code",
    [
        (lambda: made.plain(2), "release-unsigned"),
        (lambda: made.signed(2, by=2), "release-unsigned"),
        (lambda: made.signed(2, key=2), "release-unsigned"),
        (lambda: flipped(made.signed(2), -2450), "release-unsigned"),
        (lambda: flipped(made.signed(2), -1), "release-cut"),
        (lambda: made.signed(2)[:-1], "release-cut"),
        (lambda: made.signed(2) + b"x", "release-cut"),
        (lambda: made.signed(2, version="0|2"), "release-form"),
        (lambda: b"", "release-form"),
        (lambda: b"MUP1" + bytes(200), "release-form"),
        (lambda: b"PK\x03\x04" + bytes(200_000), "release-form"),
    ],
)
def test_what_nobody_we_trust_signed_or_is_not_whole_is_refused(pack, code):
    with pytest.raises(StoreError) as refused:
        release_pack.opened(pack(), [Key(1, made.key().n)])
    assert refused.value.code == code


def test_every_flipped_byte_of_a_pack_is_seen():
    pack, keys = made.signed(2), [Key(1, made.key().n)]
    for at in range(0, len(pack), 7):
        with pytest.raises(StoreError):
            release_pack.opened(flipped(pack, at), keys)


def test_a_release_is_kept_once_and_an_older_one_or_another_of_its_name_is_refused(fleet):
    fleet.add(made.signed(5))
    for pack, code in (
        (made.signed(5), "release-known"),
        (made.signed(4), "release-older"),
        (made.signed(5, version="9"), "release-older"),
        (made.signed(6, version="0.5"), "release-version"),
    ):
        with pytest.raises(Refused) as refused:
            fleet.add(pack)
        assert refused.value.code == code
    fleet.add(made.signed(1, board="pi"))
    with reading(fleet.world.engine) as connection:
        found = releases.listed(connection, fleet.world.institution_id)
        assert [(one.board, one.counter) for one in found] == [("pi", 1), ("pico", 5)]
        assert releases.pack(connection, fleet.world.institution_id, found[1].tag) == made.signed(5)
    actions = [row.action for row in fleet.world.all(schema.audit)]
    assert actions == ["release.trust", "release.add", "release.add"]


def test_a_key_that_is_trusted_no_more_signs_nothing_any_more(fleet):
    with writing(fleet.world.engine) as connection:
        releases.distrust(connection, fleet.scope, 1, fleet.now_ms)
    with pytest.raises(StoreError, match="trusts no release key"):
        fleet.add(made.signed(2))
    with writing(fleet.world.engine) as connection:
        with pytest.raises(NotFound):
            releases.distrust(connection, fleet.scope, 1, fleet.now_ms)
        assert releases.trust(connection, fleet.scope, Key(1, made.key(2).n), fleet.now_ms)
    with pytest.raises(StoreError) as refused:
        fleet.add(made.signed(2))
    assert refused.value.code == "release-unsigned"
    fleet.add(made.signed(2, by=2))


def test_nothing_more_goes_out_of_a_key_that_is_trusted_no_more(world, tmp_path):
    fleet = Fleet(world, tmp_path, 4)
    one = fleet.start(fleet.add(made.signed(2)), percents=(25, 100), soak_min=0)
    fleet.seconds(3)
    with writing(world.engine) as connection:
        assert rollouts.distrust(connection, fleet.scope, 1, fleet.now_ms) == 1
    before = len(fleet.offers)
    fleet.seconds(300)
    assert len(fleet.offers) == before and fleet.one(one).state == rollouts.ENDED
    with pytest.raises(Refused, match="trusted no more"):
        fleet.act(rollouts.go_on, one)
    assert [row.action for row in world.all(schema.audit)][-2:] == ["release.distrust", "rollout.end"]


def test_what_an_old_key_signed_does_not_go_out_under_the_number_of_another(world, tmp_path):
    fleet = Fleet(world, tmp_path, 2)
    release_id = fleet.add(made.signed(2))
    with writing(world.engine) as connection:
        assert rollouts.distrust(connection, fleet.scope, 1, fleet.now_ms) == 0
        assert rollouts.offered(connection, fleet.scope, "r-0", fleet.now_ms) is None
        releases.trust(connection, fleet.scope, Key(1, made.key(2).n), fleet.now_ms)
    with pytest.raises(Refused) as refused:
        fleet.start(release_id)
    assert refused.value.code == "release-distrusted"
    with writing(world.engine) as connection, pytest.raises(Refused, match="trusted no more"):
        rollouts.start_one(connection, fleet.scope, release_id, "r-0", fleet.now_ms)


def test_a_trusted_number_is_not_given_another_key_by_the_way(fleet):
    with writing(fleet.world.engine) as connection:
        assert not releases.trust(connection, fleet.scope, Key(1, made.key().n), fleet.now_ms), "it is known"
        with pytest.raises(Refused, match="distrust 1"):
            releases.trust(connection, fleet.scope, Key(1, made.key(2).n), fleet.now_ms)
        for key in (Key(0, made.key().n), Key(256, made.key().n), Key(2, 65537)):
            with pytest.raises(StoreError):
                releases.trust(connection, fleet.scope, key, fleet.now_ms)


def test_a_lecturer_brings_no_release(fleet):
    nobody = Scope(
        institution_id=fleet.world.institution_id, account_id=1, person_id=None, grants=(Grant(role=LECTURER),)
    )
    with writing(fleet.world.engine) as connection, pytest.raises(StoreError) as refused:
        releases.add(connection, nobody, made.signed(2), fleet.now_ms)
    assert refused.value.status == 403
