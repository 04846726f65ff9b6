"""Pieces of releases: the store names them, the gateway fetches the pack once and publishes them, and remembers no reader."""

import hashlib

import pytest

from firmware.contract import release
from gateway.store import Answer, Pieces
from gateway.testing import MemoryLink
from tests.firmware.pico import release_packs as made

PACK = made.signed(2)
MANIFEST, SIGNATURE = release.lengths(PACK)
HEAD = release.PACK_BYTES + MANIFEST + SIGNATURE


def tag_of(pack: bytes) -> str:
    manifest, _ = release.lengths(pack)
    return hashlib.sha256(pack[release.PACK_BYTES : release.PACK_BYTES + manifest]).digest()[:8].hex()


TAG = tag_of(PACK)


def offered(at: int, size: int, *, reader: str = "a-101", tag: str = TAG) -> Pieces:
    return Pieces(site="main", reader=reader, tag=tag, at=at, bytes=size)


def pieces(link: MemoryLink) -> list[tuple[str, int, bytes]]:
    """(topic, place, bytes) of what was published of this release."""
    found = []
    for topic, payload, retain in link.published:
        assert not retain and payload[:8].hex() == TAG
        found.append((topic, int.from_bytes(payload[8:12], "big"), payload[12:]))
    return found


@pytest.fixture
def says(play, lines):
    """`says(offers...)`: the store's answer names these; what was published, and the world."""

    def run(*offers, packs=None):
        seen = []

        async def scenario(world):
            world.store.packs = {TAG: PACK} if packs is None else packs
            world.store.answer = lambda items: Answer(done=frozenset(i["id"] for i in items), offers=offers)
            world.link.send(lines.topic(), lines.message(lines.swipe()))
            await world.until(lambda: world.store.held)
            await world.passes(1)
            seen.extend(pieces(world.link))
            seen.append(world.counts)

        play(scenario)
        return seen[:-1], seen[-1]

    return run


def test_the_head_goes_in_one_piece_and_what_follows_in_pieces_of_1_kb(says, lines):
    found, counts = says(offered(0, HEAD), offered(HEAD, 4096, reader="b-202"))
    assert found[0] == (lines.topic("a-101", "update"), 0, PACK[:HEAD])
    rest = [(at, len(data)) for topic, at, data in found[1:] if topic == lines.topic("b-202", "update")]
    assert rest == [(HEAD, 1024), (HEAD + 1024, 1024), (HEAD + 2048, len(PACK) - HEAD - 2048)]
    assert b"".join(data for _, _, data in found) == PACK
    assert counts.get("pieces_total") == 4


@pytest.mark.parametrize(
    "offer, code",
    [
        (offered(5, 10), "release-place"),
        (offered(-1, 10), "release-place"),
        (offered(len(PACK), 10), "release-place"),
        (offered(HEAD, 0), "release-place"),
        (offered(0, HEAD, tag="0" * 16), "store-refused-404"),
        (offered(0, HEAD, reader="../#"), "topic-name"),
    ],
)
def test_what_cannot_be_sent_is_counted_and_the_rest_goes_on(says, offer, code):
    found, counts = says(offer, offered(0, HEAD, reader="b-202"))
    assert [data for _, _, data in found] == [PACK[:HEAD]]
    assert counts.get("pieces_dropped_total", code) == 1


def test_another_pack_than_the_store_named_is_not_sent(says):
    found, counts = says(offered(0, HEAD), packs={TAG: made.signed(3)})
    assert found == [] and counts.get("pieces_dropped_total", "release-other") == 1


def test_more_readers_than_may_wait_are_named_again_by_the_store(says):
    found, counts = says(*(offered(0, HEAD, reader=f"r-{n}") for n in range(300)))
    assert len(found) == 256 and counts.get("pieces_dropped_total", "release-queue") == 44
