"""Fingers, and what a sensor sees of one: features drawn from a person's seed, never from anybody's finger.

A finger is a set of features, here numbers. One press shows some of them, a few of none, and by chance the rim of the
finger that was not enrolled: a false reject. Two pictures are of one finger where they share enough.
"""

import random
import struct
from dataclasses import dataclass

#: Features of a finger, and of its rim, which only a badly laid finger shows.
FEATURES, RIM = 40, 24
#: Which share of the features a press shows, and how many that are none.
SHOWN, FALSE = 0.85, 3
#: Fewer features than this are too few to make a template.
ENOUGH = 12
#: So many features in common make it the same finger.
SAME = 14
#: Bytes of a template, the most features that one holds, and its first bytes.
TEMPLATE_BYTES, TEMPLATE_FEATURES, MAGIC = 512, 120, b"\x03\x03"


@dataclass(frozen=True, kw_only=True)
class Finger:
    """One finger of a simulated person."""

    #: who, in the simulation
    person: str
    #: which of the person's fingers
    which: int = 0
    #: "clean"; "dirty": the picture is a mess; "wet": it shows too little; "smudge": nothing can be made of it at all
    state: str = "clean"
    #: how often a press shows only the rim, 0 to 1
    false_reject: float = 0.0
    #: of the population; another seed gives everybody other fingers
    seed: int = 0

    @property
    def features(self) -> list[int]:
        """FEATURES numbers, then RIM numbers; the same at each call."""
        draw = random.Random(f"{self.seed}/{self.person}/{self.which}")
        return draw.sample(range(1, 1 << 32), FEATURES + RIM)

    def press(self, draw: random.Random) -> frozenset[int]:
        """The features that one press shows."""
        every = self.features
        part = every[FEATURES:] if draw.random() < self.false_reject else every[:FEATURES]
        shown = {feature for feature in part if draw.random() < SHOWN}
        if self.state == "wet":
            shown = set(sorted(shown)[: ENOUGH // 2])
        return frozenset(shown | {draw.randrange(1, 1 << 32) for _ in range(FALSE)})


def score(one: frozenset[int], other: frozenset[int]) -> int:
    """How alike two sets of features are; 0: not the same finger."""
    shared = len(one & other)
    return 10 * shared if shared >= SAME else 0


def template(features: frozenset[int]) -> bytes:
    """The template of these features, TEMPLATE_BYTES long."""
    kept = sorted(features)[:TEMPLATE_FEATURES]
    return (MAGIC + struct.pack(f">H{len(kept)}I", len(kept), *kept)).ljust(TEMPLATE_BYTES, b"\x00")


def features(of: bytes) -> frozenset[int] | None:
    """The features of a template; None: these bytes are none."""
    if len(of) != TEMPLATE_BYTES or of[:2] != MAGIC:
        return None
    (count,) = struct.unpack_from(">H", of, 2)
    if count > TEMPLATE_FEATURES:
        return None
    return frozenset(struct.unpack_from(f">{count}I", of, 4))
