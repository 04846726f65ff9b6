"""How a release goes out: how far one reader is, what it is sent next, and whether the next stage may begin. Pure.

A reader's health report says how far it is, and nobody signed that: so a release counts as confirmed only where the
reader's own MACed hello named it too, and whether a reader is well is told by its MACed heads. Who forges health reports at
the broker can hold a release up, and cannot let a bad one go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from firmware.contract.release import PIECE_MAX

#: pieces that are sent at once: what a reader holds in memory (firmware/reader/update.py WAITING_MAX)
WINDOW = 4
#: an answer that does not come is asked for again after so long; after SILENT_MS the reader is left for another time
AGAIN_MS, SILENT_MS = 15_000, 180_000
#: a trial lasts ten minutes at most, three times with its starts
TRIAL_MS = 45 * 60_000
#: a reader that waits for its turn, and of which nothing was heard for this long, is left for another time: an hour without
#: a broker is none of the readers'
GONE_MS = 30 * 60_000
STAGES = (1, 10, 100)  #: percent of the readers
SOAK_MIN = 10
#: of a stage's readers this share may fail before it stops: one of fifty, and none of fewer
FAILED_OF = 50
#: so many at once: a wave of them must not be a storm at the broker, or a dark corridor
AT_ONCE = 8
#: a reader whose newest head is older than this is not there
THERE_MS = 300_000
#: whoever is asked was heard within this: while the line is away nobody's turn goes by
ASKED_MS = 150_000

WAITING, ASKED, TAKING, TRIAL, CONFIRMED, REFUSED, FAILED, SILENT = STATES = (
    "waiting", "asked", "taking", "trial", "confirmed", "refused", "failed", "silent",
)  # fmt: skip
BUSY = (ASKED, TAKING)
OVER = (CONFIRMED, REFUSED, FAILED, SILENT)
#: it had the whole release, and was never heard well again
LOST = "not-back"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A release on its way. tag: 16 hex digits; head, size: bytes of the pack; firmware: what a reader that runs it says."""

    tag: str
    counter: int
    head: int
    size: int
    firmware: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far one reader is. have: bytes that it says it has; until: what was sent reaches to here; code: why not.
    heard_ms: when it was last heard of this; on trial: since when it is."""

    state: str = WAITING
    have: int = 0
    until: int = 0
    code: str | None = None
    heard_ms: int | None = None
    sent_ms: int | None = None


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


def firmware(board: str, version: str) -> str:
    """What a reader's hello says while it runs this (firmware/release/make.py writes it into the release)."""
    return f"{'muster' if board == 'pico' else board}-{version}"


def heard(before: Progress, told: Mapping[str, Any], sent: Sent, says: str | None, now_ms: int) -> Progress:
    """After the `update` of a health report. says: the firmware that the reader's newest hello named."""
    if before.state in OVER or before.state == WAITING:
        return before
    now = replace(before, heard_ms=now_ms)
    counter, failed, have = told.get("counter"), told.get("failed"), told.get("have")
    if failed == sent.counter:
        return replace(now, state=FAILED, code="update-failed")
    if _number(counter) and counter >= sent.counter:
        # Nobody signed the report: without a hello that says the same it may be anybody's.
        return replace(now, state=CONFIRMED) if says == sent.firmware else _on_trial(now, before)
    if before.state == TRIAL:
        # Not heard anew: whoever says nothing good of it for long enough has not kept it, however much it says.
        return before
    if told.get("trial") == sent.counter:
        return replace(now, state=TRIAL)
    if told.get("tag") == sent.tag:
        if have == sent.size:
            return replace(now, state=TRIAL, have=sent.size)
        if not _number(have) or have < sent.head or have > sent.size or (have - sent.head) % PIECE_MAX:
            return now
        again = have != before.have and have >= before.until
        return replace(now, state=TAKING, have=have, sent_ms=None if again else before.sent_ms)
    if told.get("refused_tag") == sent.tag and before.sent_ms is not None:
        return replace(now, state=REFUSED, code=_code(told.get("refused")))
    if before.state == TAKING and told.get("tag") is None:
        # It began anew in the middle: so does this.
        return replace(now, state=ASKED, have=0, until=0, sent_ms=None)
    return now


def due(before: Progress, sent: Sent, now_ms: int) -> Progress | None:
    """What is to be sent now, from `have` until `until`: the head, or a few pieces; None: nothing."""
    if before.state not in BUSY:
        return None
    if before.sent_ms is not None and 0 <= now_ms - before.sent_ms < AGAIN_MS:
        return None
    until = min(sent.size, before.have + WINDOW * PIECE_MAX) if before.have else sent.head
    return replace(before, until=until, sent_ms=now_ms)


def aged(before: Progress, sent: Sent, now_ms: int) -> Progress:
    """After nothing was heard for a while. Who had all of it and is not back is no reader that was merely away; nor is who
    was sent the last of it and then said nothing: a board restarts into it without a word."""
    waited_ms = now_ms - (now_ms if before.heard_ms is None else before.heard_ms)
    if before.state == TRIAL or (before.state in BUSY and before.until >= sent.size):
        return replace(before, state=FAILED, code=LOST) if waited_ms > TRIAL_MS else before
    if before.state in BUSY and waited_ms > SILENT_MS:
        return replace(before, state=SILENT)
    return before


def stages(names: Sequence[str], percents: Sequence[int] = STAGES) -> list[list[str]]:
    """The readers of each stage, all of them once. By a hash of the name: a stage is spread over all buildings."""
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    made, begun = [], 0
    for percent in percents:
        end = min(len(ordered), max(begun + 1, -(-len(ordered) * percent // 100)))
        made.append(ordered[begun:end])
        begun = end
    return [stage for stage in made if stage]


def decide(stage: Sequence[Seen], *, over_for_ms: int, soak_ms: int) -> Decision:
    """What to do after looking at a stage. over_for_ms: since when its last reader has come to an end, 0 while one has not.

    A reader fails where it did not keep the release, refused it, or kept it and is not well any more though it was.
    """
    failed = [one for one in stage if one.state in (FAILED, REFUSED)]
    fallen = [one for one in stage if one.state == CONFIRMED and one.was_well and not one.well]
    # One that just restarted is not well for a moment: what fell is counted when all have come to an end.
    bad = failed + (fallen if all(one.state in OVER for one in stage) and over_for_ms >= min(soak_ms, THERE_MS) else [])
    if len(bad) > len(stage) // FAILED_OF:
        names = ", ".join(sorted(one.name for one in bad)[:5])
        return Decision(stop=f"{len(bad)} of {len(stage)} readers are not well with it: {names}")
    if not all(one.state in OVER for one in stage):
        return Decision()
    if stage and all(one.state == SILENT for one in stage):
        return Decision(stop="no reader of this stage answered")
    return Decision(go=over_for_ms >= soak_ms)


def _on_trial(now: Progress, before: Progress) -> Progress:
    return before if before.state == TRIAL else replace(now, state=TRIAL)


def _code(said: object) -> str:
    # Whoever sits at the broker may say anything here: what is no word of ours is not kept.
    is_word = isinstance(said, str) and said.isascii() and said.replace("-", "").isalnum() and len(said) <= 32
    return str(said) if is_word else "update-refused"


def _number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
