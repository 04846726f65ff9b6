"""After an outage: how long a backlog takes to drain, and how long a live swipe takes meanwhile.

Every reader runs the firmware's own journal and uplink: a message of at most 16 records under way, live records before
the backlog, what has no receipt offered again after 30 s. `python -m tests.bench.backlog [--database NAME] [--readers N]
[--each N]` runs one size by itself.
"""

import argparse
import random
import time
from dataclasses import dataclass, field

from simulator.processes import PartFailed
from tests.bench.figure import Figure, Result, quantile, table
from tests.bench.parts import Missing
from tests.bench.stage import Shares, Stage, stage
from tests.bench.wire_readers import Board

READERS, EACH = 60, 2000
#: readers that had no outage, and only live swipes
QUIET = 6
LISTED = 100
RATE = 20.0
DRAIN_S, LIVE_MS = 300.0, 2000.0
ONE_READER = 10_000
#: then it is given up, s
PATIENCE_S = 560.0
SEED = 11


@dataclass(kw_only=True)
class Seen:
    """What was measured: seconds, and milliseconds of each live swipe."""

    count: int
    drained_s: float
    committed_ms: list[float] = field(default_factory=list)
    receipted_ms: list[float] = field(default_factory=list)
    #: live swipes of which no commit was seen
    missing: int = 0
    derived_s: float = 0.0
    shares: str = ""


def sqlite() -> list[Figure]:
    """With the database that comes with it."""
    return _figures("SQLite")


def postgresql() -> list[Figure]:
    """With a PostgreSQL that syncs its commits."""
    try:
        return _figures("PostgreSQL")
    except Missing as error:
        return [Figure(name="PostgreSQL: backlog", measured=None, note=f"SKIPPED: {error}")]


def _figures(database: str) -> list[Figure]:
    many = _measure(database, READERS, EACH, LISTED)
    return said(database, READERS, many) + one_reader(database, ONE_READER)


def said(database: str, readers: int, seen: Seen) -> list[Figure]:
    """The figures of a backlog of many readers."""
    live = f"{len(seen.committed_ms)} at {RATE:.0f}/s; p50 {quantile(seen.committed_ms, 50):.0f} ms, "
    live += f"most {max(seen.committed_ms, default=0):.0f} ms"
    return [
        Figure(name=f"{database}: backlog drained", measured=seen.drained_s, unit="s", must=DRAIN_S,
               note=f"{seen.count} swipes of {readers} readers, until every reader has its last receipt: "
                    f"{seen.count / seen.drained_s:.0f}/s; derived after {seen.derived_s:.0f} s; CPU ms a swipe: {seen.shares}"),
        Figure(name=f"{database}: live tap to commit meanwhile: p99", measured=quantile(seen.committed_ms, 99), unit="ms",
               must=LIVE_MS, note=f"at all readers, seen by asking the database; {live}"),
        Figure(name=f"{database}: live tap to receipt meanwhile: p99", measured=quantile(seen.receipted_ms, 99), unit="ms",
               must=LIVE_MS, note=f"at {QUIET} readers without a backlog; {len(seen.receipted_ms)} swipes, p50 "
                                  f"{quantile(seen.receipted_ms, 50):.0f} ms"),
        Figure(name=f"{database}: live swipes not seen committed", measured=seen.missing, must=0),
    ]  # fmt: skip


def one_reader(database: str, each: int) -> list[Figure]:
    """The figures of a backlog that one reader has."""
    seen = _measure(database, 1, each, 500)
    return [
        Figure(name=f"{database}: backlog of one reader", measured=seen.drained_s, unit="s",
               note=f"{seen.count} swipes, one message of 16 under way: {seen.count / seen.drained_s:.0f}/s; live p99 "
                    f"meanwhile {quantile(seen.committed_ms, 99):.0f} ms to commit"),
    ]  # fmt: skip


def _measure(database: str, readers: int, each: int, listed: int) -> Seen:
    listed = min(listed, each)
    with stage(database, rooms=readers + QUIET, listed=listed, lessons=max(1, each // listed)) as here:
        late = here.boards[:readers]
        for board in late:
            for uid, at_ms in here.taps[board.name][:each]:
                board.swipe(uid, at_ms)
        return _Drain(here, late).run()


class _Drain:
    def __init__(self, here: Stage, late: list[Board]) -> None:
        self._here, self._late = here, late
        self._quiet = [board for board in here.boards if board not in late]
        self._rng = random.Random(SEED)
        self._seen = Seen(count=sum(board.journal.backlog() - 1 for board in late), drained_s=0)
        #: (journal, seq) -> when it was tapped
        self._open: dict[tuple[str, int], float] = {}
        self._unreceipted: list[tuple[Board, int, float]] = []
        #: what every late reader has when its backlog is delivered
        self._heads = {board.name: board.journal.backlog() - 1 for board in late}

    def run(self) -> Seen:
        """Connect everybody, and go on until the backlog is drained and everything is derived."""
        shares = Shares()
        began = time.monotonic()
        for board in self._here.boards:
            board.connect(self._here.wire)
        next_tap, next_look, next_pump, drained = began, began, began, False
        while not drained or self._open:
            now = time.monotonic()
            if now - began > PATIENCE_S:
                break
            if now >= next_tap and not drained:
                next_tap += 1 / RATE
                self._tap()
            if now >= next_pump:
                next_pump = now + 0.5
                for board in self._here.boards:
                    board.pump()
            if now >= next_look:
                self._look()
                if not drained and all(_freed(b) >= self._heads[b.name] for b in self._late):
                    drained = True
                    self._seen.drained_s = time.monotonic() - began
                    self._seen.shares = shares.note(self._seen.count)
                next_look = time.monotonic() + 0.05
            self._here.wire.turn(0.01)
        if not drained:
            left = sum(board.journal.backlog() for board in self._late)
            raise PartFailed(f"{left} of {self._seen.count} swipes were not receipted within {PATIENCE_S:.0f} s")
        self._seen.missing = len(self._open)
        while self._here.due() and time.monotonic() - began < PATIENCE_S:
            self._here.wire.turn(0.2)
        self._seen.derived_s = time.monotonic() - began
        return self._seen

    def _tap(self) -> None:
        board = self._rng.choice(self._here.boards)
        uid, _ = self._rng.choice(self._here.taps[board.name])
        seq = board.swipe(uid, time.time_ns() // 1_000_000)
        live = board.journal.live
        assert live is not None
        at = time.monotonic()
        self._open[live, seq] = at
        if board in self._quiet:
            self._unreceipted.append((board, seq, at))
        board.pump()

    def _look(self) -> None:
        for one in self._here.committed(set(self._open)):
            self._seen.committed_ms.append((time.monotonic() - self._open.pop(one)) * 1000)
        still = []
        for board, seq, at in self._unreceipted:
            if _freed(board) >= seq:
                self._seen.receipted_ms.append((time.monotonic() - at) * 1000)
            else:
                still.append((board, seq, at))
        self._unreceipted = still


def _freed(board: Board) -> int:
    return next((held.freed for held in board.journal.held if held.journal == board.journal.live), -1)


def main() -> None:
    """One size, as it is asked for."""
    parser = argparse.ArgumentParser(description="Drains a backlog while live swipes go on.")
    parser.add_argument("--database", choices=("SQLite", "PostgreSQL"), default="SQLite")
    parser.add_argument("--readers", type=int, default=READERS)
    parser.add_argument("--each", type=int, default=EACH)
    given = parser.parse_args()
    began = time.monotonic()
    figures = said(given.database, given.readers, _measure(given.database, given.readers, given.each, LISTED))
    seconds = time.monotonic() - began
    print(table([Result(part="backlog", figures=tuple(figures), seconds=seconds, load=0, others=0)]))


if __name__ == "__main__":
    main()
