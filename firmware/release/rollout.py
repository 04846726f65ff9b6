"""How a release goes out: what is sent to one reader next, and whether the next stage may begin. Pure: no clock, no network."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from firmware.reader.update import HEAD_BYTES
from firmware.release import pack as packs

PIECE = 1024
WINDOW = 4
#: an answer that does not come is asked for again after so long; after SILENT_S the reader is left for another time
AGAIN_S, SILENT_S = 5.0, 60.0
#: a trial lasts ten minutes at most, three times with its starts
TRIAL_S = 45 * 60.0
STAGES = (1, 10, 100)  #: percent of the readers
#: of a stage's readers this share may fail before it stops: one of fifty, and none of fewer
FAILED_OF = 50

ASKED, TAKING, TRIAL, CONFIRMED, REFUSED, FAILED, SILENT = (
    "asked", "taking", "trial", "confirmed", "refused", "failed", "silent",
)  # fmt: skip
OVER = (CONFIRMED, REFUSED, FAILED, SILENT)


class Sending:
    """One reader and one release: told what its health report says, it says what to publish. Times: any seconds, rising."""

    def __init__(self, pack: bytes, now_s: float) -> None:
        parts = packs.take_apart(pack)
        self._pieces = packs.pieces(pack, PIECE)
        self._places = {int.from_bytes(piece[8:12], "big"): number for number, piece in enumerate(self._pieces)}
        self._tag = parts.tag.hex()
        self._size = len(pack)
        self._counter = parts.manifest.counter
        self._have = 0
        self._until = 0  # what was sent reaches to here
        self._sent_s: float | None = None
        self._heard_s = now_s
        self.state = ASKED
        #: why it was refused
        self.code: str | None = None

    def heard(self, told: Mapping[str, Any], now_s: float) -> None:
        """The reader's `update`, out of its health report."""
        if self.state in OVER:
            return
        self._heard_s = now_s
        if told.get("counter", 0) >= self._counter:
            self.state = CONFIRMED
        elif told.get("failed") == self._counter:
            self.state = FAILED
        elif told.get("trial") == self._counter:
            self.state = TRIAL
        elif told.get("tag") == self._tag:
            self.state = TAKING
            have = told.get("have")
            if isinstance(have, int) and have != self._have and (have in self._places or have == self._size):
                self._have = have
                if have >= self._until:
                    self._sent_s = None
        elif told.get("refused_tag") == self._tag and self._sent_s is not None:
            self.state, self.code = REFUSED, str(told.get("refused"))
        elif self.state == TAKING and told.get("tag") is None and told.get("trial") is None:
            # It began anew in the middle: so does this.
            self.state, self._have, self._sent_s = ASKED, 0, None

    def due(self, now_s: float) -> Sequence[bytes]:
        """What to publish now: the head until it answers, then a few pieces from where it is."""
        arrived = self.state == TRIAL or self._have == self._size
        if self.state not in OVER and now_s - self._heard_s > (TRIAL_S if arrived else SILENT_S):
            self.state = SILENT
        if self.state in OVER or arrived:
            return ()
        if self._sent_s is not None and now_s - self._sent_s < AGAIN_S:
            return ()
        self._sent_s = now_s
        if not self._have:
            return self._pieces[:1]
        first = self._places[self._have]
        window = self._pieces[first : first + WINDOW]
        self._until = self._have + sum(len(piece) - HEAD_BYTES for piece in window)
        return window


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One reader of a stage. well: it is there and takes cards. was_well: so it was before its update."""

    name: str
    state: str
    well: bool
    was_well: bool


@dataclass(frozen=True, kw_only=True)
class Decision:
    """go: the next stage may begin. stop: nothing more is sent, and why. Neither: wait."""

    go: bool = False
    stop: str | None = None


def stages(names: Sequence[str], percents: Sequence[int] = STAGES) -> list[list[str]]:
    """The readers of each stage, all of them once. By a hash of the name: a stage is spread over all buildings."""
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    made, begun = [], 0
    for percent in percents:
        end = min(len(ordered), max(begun + 1, -(-len(ordered) * percent // 100)))
        made.append(ordered[begun:end])
        begun = end
    return [stage for stage in made if stage]


def decide(stage: Sequence[Seen], *, over_for_s: float, soak_s: float) -> Decision:
    """What to do after looking at a stage. over_for_s: since when its last reader has come to an end, 0 while one has not.

    A reader fails where it did not keep the release, refused it, or kept it and is not well any more though it was.
    """
    failed = [one for one in stage if one.state in (FAILED, REFUSED)]
    fallen = [one for one in stage if one.state in (CONFIRMED, TRIAL) and one.was_well and not one.well]
    bad = failed + (fallen if all(one.state in OVER for one in stage) else [])
    if len(bad) > len(stage) // FAILED_OF:
        names = ", ".join(sorted(one.name for one in bad)[:5])
        return Decision(stop=f"{len(bad)} of {len(stage)} readers are not well with it: {names}")
    if not all(one.state in OVER for one in stage):
        return Decision()
    if all(one.state == SILENT for one in stage):
        return Decision(stop="no reader of this stage answered")
    return Decision(go=over_for_s >= soak_s)
