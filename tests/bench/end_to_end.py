"""Swipes per second end to end: published at QoS 1 through Mosquitto until committed in the store.

60 readers with their own keys and journals publish each swipe as a message of its own, as fast as the broker takes
them -> Mosquitto -> a real gateway process -> a real store process. Beside it stands the floor (tests/bench/floor.py)
on the same messages, in the same run.
"""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from simulator.processes import ROOT, PartFailed
from tests.bench.figure import Figure
from tests.bench.parts import Missing, mosquitto
from tests.bench.stage import Shares, Stage, greet, stage
from tests.bench.wire_readers import Board, Connection, Wire, one_a_message

READERS, LISTED, LESSONS = 60, 100, 4
#: messages that a reader has under way; the Pico's MQTT has as many
WINDOW = 8
LEAST_PER_S, AIM = 1000.0, 0.7
PATIENCE_S = 120.0


def sqlite(lessons: int = LESSONS) -> list[Figure]:
    """With the database that comes with it, beside the floor."""
    return _measure("SQLite", lessons)


def postgresql(lessons: int = LESSONS) -> list[Figure]:
    """With a PostgreSQL that syncs its commits, beside the floor."""
    try:
        return _measure("PostgreSQL", lessons)
    except Missing as error:
        return [Figure(name="PostgreSQL: end to end", measured=None, note=f"SKIPPED: {error}")]


def _measure(database: str, lessons: int) -> list[Figure]:
    with stage(database, rooms=READERS, listed=LISTED, lessons=lessons) as here:
        for board in here.boards:
            board.offers = False
            for uid, at_ms in here.taps[board.name]:
                board.swipe(uid, at_ms)
        said = {board.name: one_a_message(board.lines()) for board in here.boards}
        copies = {name: deque(messages) for name, messages in said.items()}
        count = sum(len(taps) for taps in here.taps.values())
        for board in here.boards:
            board.connect(here.wire, WINDOW)
        greet(here)
        shares = Shares()
        began = time.monotonic()
        for board in here.boards:
            board.ready = said[board.name]
            board.pump()
        stored_s = until(here.wire, lambda: here.stored() >= count, began)
        cpu = shares.note(count)
        receipted_s = until(here.wire, lambda: all(not b.journal.backlog() for b in here.boards), began, look_s=0.02)
        derived_s = until(here.wire, lambda: here.due() == 0, began)
        later = shares.note(count)
        floor_s, floor_cpu = _floor(here.boards, copies, count)
    rate, floor = count / stored_s, count / floor_s
    return [
        Figure(name=f"{database}: end to end", measured=rate, unit="/s", must=LEAST_PER_S, at_least=True,
               note=f"{count} swipes of {READERS} readers, one a message; CPU ms a swipe until committed: {cpu}"),
        Figure(name=f"{database}: until receipted", measured=count / receipted_s, unit="/s",
               note="every journal's last receipt heard by its reader and believed"),
        Figure(name=f"{database}: until derived", measured=count / derived_s, unit="/s",
               note=f"nobody is due any more; CPU ms a swipe until then: {later}"),
        Figure(name="the floor", measured=floor, unit="/s",
               note=f"same messages, bare paho -> SQLite FULL, a commit a batch; CPU ms a message: {floor_cpu}"),
        Figure(name=f"{database}: of the floor", measured=rate / floor, note=f"the aim is {AIM}"),
    ]  # fmt: skip


def until(wire: Wire, reached: Callable[[], bool], began: float, look_s: float = 0.1) -> float:
    """Seconds from `began` until then. Raises PartFailed."""
    look_at = 0.0
    while True:
        wire.turn(look_s)
        now = time.monotonic()
        if now >= look_at:
            if reached():
                return time.monotonic() - began
            # A look costs the processors something too.
            look_at = time.monotonic() + look_s
        if now - began > PATIENCE_S:
            raise PartFailed(f"not reached within {PATIENCE_S:.0f} s")


def _floor(readers: list[Board], said: dict[str, deque[bytes]], count: int) -> tuple[float, str]:
    """Seconds that the floor takes for these messages, and its processes' shares."""
    folder = Path(tempfile.mkdtemp(prefix="muster-bench-floor-"))
    try:
        with mosquitto(folder) as broker:
            file = folder / "floor.db"
            command = [sys.executable, "-m", "tests.bench.floor", broker.host, str(broker.port), str(file)]
            keeper = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
            wire = Wire(broker.host, broker.port)
            try:
                assert keeper.stdout is not None
                if "subscribed" not in keeper.stdout.readline():
                    raise PartFailed("the floor's subscriber did not start")
                connections = []
                for board in readers:
                    connection = Connection(wire, board.site, board.name, (None, None), WINDOW)
                    connection.more = _plain(said[board.name])
                    connections.append(connection)
                shares = Shares()
                began = time.monotonic()
                for connection in connections:
                    connection.pump()
                with sqlite3.connect(file) as database:
                    kept = count + len(readers)
                    look = "SELECT count(*) FROM swipe"
                    took_s = until(wire, lambda: database.execute(look).fetchone()[0] >= kept, began)
                database.close()
                return took_s, shares.note(count)
            finally:
                wire.close()
                keeper.kill()
                keeper.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _plain(messages: deque[bytes]) -> Callable[[], tuple[str, bytes, bool] | None]:
    return lambda: ("swipes", messages.popleft(), False) if messages else None


__all__ = ["Stage", "postgresql", "sqlite"]
