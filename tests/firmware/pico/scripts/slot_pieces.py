"""A pack in the pieces that a reader takes, on MicroPython: `firmware/release/pack.py` does it on a technician's machine."""

import hashlib

from firmware.contract import release
from firmware.reader.update import TAG_BYTES


def pieces(pack, size):
    """The head first, then `size` bytes each."""
    manifest, signature = release.lengths(pack)
    head = release.PACK_BYTES + manifest + signature
    tag = hashlib.sha256(pack[8 : 8 + manifest]).digest()[:TAG_BYTES]
    cuts = [0] + list(range(head, len(pack), size)) + [len(pack)]
    return [tag + cuts[i].to_bytes(4, "big") + pack[cuts[i] : cuts[i + 1]] for i in range(len(cuts) - 1)]
