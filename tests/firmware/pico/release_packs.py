"""Releases for tests: small packs, signed by a key made once for all of them."""

import functools
from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric import rsa

from firmware.contract import release
from firmware.reader.settings import ReleaseKey
from firmware.release import pack
from server.policy import rollout

BUILT_S = 1_793_404_800


@functools.cache
def private(number: int) -> rsa.RSAPrivateKey:
    """A key; another one for another number."""
    return rsa.generate_private_key(65537, 3072)


def key(number: int = 1) -> ReleaseKey:
    """What readers' settings hold of it, under id 1."""
    return ReleaseKey(1, pack.public(private(number)))


def plain(
    counter: int, *, version: str | None = None, board: str = "pico", minimum: int = 0, files=None, **more
) -> bytes:
    """A pack that nobody signed."""
    version = version or f"0.{counter}"
    if files is None:
        files = [("firmware/a.mpy", version.encode() * 500), ("firmware/b.mpy", bytes(900)), ("firmware/c.mpy", b"")]
    more.setdefault("built_s", BUILT_S)
    return pack.put_together(files, board=board, version=version, counter=counter, minimum=minimum, **more)


def signed(counter: int, *, by: int = 1, **more) -> bytes:
    """A pack signed by key `by`."""
    return pack.sign(plain(counter, **more), private(by))


def pieces(blob: bytes, size: int) -> list[bytes]:
    """What a reader is sent: the head first, then `size` bytes each, every piece with its tag and its place."""
    parts = pack.take_apart(blob)
    start = len(blob) - release.size(parts.manifest)
    cuts = [0, *range(start, len(blob), size), len(blob)]
    return [parts.tag + begin.to_bytes(4, "big") + blob[begin:end] for begin, end in pairwise(cuts)]


def sent(blob: bytes) -> rollout.Sent:
    """The same as the store looks at it while it goes out."""
    parts = pack.take_apart(blob)
    said = parts.manifest
    return rollout.Sent(
        tag=parts.tag.hex(),
        counter=said.counter,
        head=len(blob) - release.size(said),
        size=len(blob),
        firmware=rollout.firmware(said.board, said.version),
    )
