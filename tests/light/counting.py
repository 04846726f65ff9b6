"""What taps, lights and the store's lines say of each other: lost, doubled, miscredited, without a light."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from firmware.contract import statement
from firmware.contract.decide import REPEAT_MS, Moment, Window
from server.derive.credits import Candidate, fold, placed

ROOM, PERSON_SESSION = 1, 4711


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Of taps of one card at one door, in order."""

    taps: int
    greens: int
    swipes: int
    lost: int
    doubled: int
    #: credits other than the one, and repeats that credited
    miscredited: int
    #: answers that repeat an earlier one, within 120 s or because it is recorded already
    repeats: int

    @property
    def ok(self) -> bool:
        """One light and one swipe for each tap, one credit for all of them."""
        return self.greens == self.taps == self.swipes and not (self.lost or self.doubled or self.miscredited)


def count(taps: int, greens: int, lines: Iterable[str], window: Window) -> Counted:
    """lines: authentic journal lines as the store holds them. The credit is the store's own fold over all of them."""
    read = [statement.read(line) for line in lines]
    said = [one.values for one in read if one.kind == "swipe"]
    places = {(v["journal"], v["seq"]) for v in said}
    # One tap is one moment: two swipes of one tap stand within less than a second, and one card is not held so quickly.
    times = sorted(v["boot_ms"] for v in said)
    close = sum(b - a < 300 for a, b in pairwise(times))
    swipes = [
        placed(
            swipe_id=number, reader_id=1, room_id=ROOM, shown=v["verdict"], session_shown=v["session"],
            moment=Moment(v["journal"], v["boot_ms"], v["wall_ms"], v["uncertainty_ms"]),
        )
        for number, v in enumerate(sorted(said, key=lambda v: v["seq"]))
    ]  # fmt: skip
    mine = Candidate(window=window, rooms=frozenset({ROOM}), member=((0, None),))
    judged = fold(swipes, [mine], {ROOM: [window]})
    credits = sum(one.credits for one in judged)
    wrong = sum(one.verdict != "green" or one.session != window.id or one.differs for one in judged)
    return Counted(
        taps=taps, greens=greens, swipes=len(places), lost=max(0, taps - len(places)),
        doubled=max(0, len(places) - taps) + (len(said) - len(places)) + close,
        miscredited=abs(credits - min(1, taps)) + wrong, repeats=len(judged) - credits,
    )  # fmt: skip


def spans_repeats(taps: int, every_ms: int) -> bool:
    """Whether the taps go on past the two minutes in which an answer is repeated."""
    return taps * every_ms > REPEAT_MS
