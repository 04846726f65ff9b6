"""The page of doors with six hundred readers, over real HTTP, while ten heads a second arrive: p95 of each of its answers.

The server runs in a process of its own on SQLite as shipped; every reader has a room, a health report and a week with
outages. Measured at the client, one request after the other, so HTTP, gzip and loopback are in it.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from server.clock import Clock
from server.pages.doors import PAGE
from server.policy.outage_facts import Change
from server.store import outages, readers, schema
from server.store.engine import writing
from tests.bench.figure import Figure
from tests.bench.pages import _browser, _times
from tests.server.pages.school import School, version_of
from tests.server.pages.serving import Serving
from tests.server.store_world import wrap

READERS, ROUNDS, LIMIT_MS = 600, 100, 150.0
HOUR_MS = 3_600_000
BUILDINGS = ("CS", "Main", "Law", "Art", "Lib", "Lab")


def measure() -> list[Figure]:
    """p95 of the page and of what an open one asks for, ms."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        told, ended = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, ended))
        server.start()
        try:
            while not told.poll(1):
                if not server.is_alive():
                    raise RuntimeError("the measured server ended before it served")
            found = _measure(told.recv())
        finally:
            told.send("end")
            server.join(30)
    figures = []
    for name, one in found.items():
        note = f"{READERS} readers, p50 {one['p50_ms']:.0f} ms, {one['compressed'] / 1000:.0f} kB compressed"
        figures.append(Figure(name=f"{name}: p95", measured=one["p95_ms"], unit="ms", must=LIMIT_MS, note=note))
    return figures


def _measure(url: str) -> dict[str, dict[str, float]]:
    with contextlib.closing(_browser(url, "tess")) as http:
        page = http.get("/doors").text
        assert page.count('<tbody id="door-') == PAGE and f"of {READERS} connected" in page, (
            "it is not the page that is meant"
        )
        found = {"doors, the whole page": _times(http, "/doors", ROUNDS)}
        found["doors, the last page"] = _times(http, f"/doors?page_nr={READERS // PAGE}", ROUNDS)
        found["doors of one building"] = _times(http, "/doors?building=CS", ROUNDS)
        found["doors, to look at"] = _times(http, "/doors?show=look", ROUNDS)
        found["one reader"] = _times(http, "/doors/readers/r-001", ROUNDS)
        found["an open page asks for changes"] = _changes(http)
        return found


def _changes(http: Any) -> dict[str, float]:
    """As an open page asks, with what came since the last time."""
    took, size, packed = [], 0, 0
    version = version_of(http.get("/doors").text)
    for _ in range(ROUNDS):
        time.sleep(0.2)
        begins = time.perf_counter()
        answer = http.get(f"/doors/live?v={version}")
        took.append((time.perf_counter() - begins) * 1000)
        if answer.status_code == 200:
            version, size, packed = version_of(answer.text), len(answer.content), answer.num_bytes_downloaded
    took.sort()
    return {"p50_ms": took[len(took) // 2], "p95_ms": took[int(len(took) * 0.95)], "bytes": size, "compressed": packed}


def _serve(folder: str, pipe: Any) -> None:
    school = School(Path(folder), students=5, now_ms=int(time.time() * 1000), clock=Clock())
    world = school.world
    with writing(world.engine) as connection:
        codes = [f"{BUILDINGS[n % 6]}-{n // 60 % 5 + 1}{n % 60:02}" for n in range(READERS)]
        world.rooms = [readers.ensure_room(connection, world.institution_id, code) for code in codes]
    boards = []
    for n in range(READERS):
        board = world.reader(f"r-{n:03}", room=None)
        board.boot(at_ms=school.now_ms - 9 * HOUR_MS)
        boards.append(board)
    with writing(world.engine) as connection:
        connection.execute(
            schema.placement.insert(),
            [
                {"institution_id": world.institution_id, "reader_id": row.id, "room_id": room, "from_ms": 0}
                for row, room in zip(connection.execute(schema.reader.select()).all(), world.rooms, strict=True)
            ],
        )
        for row in connection.execute(schema.reader.select()).all():
            for day in range(1, 7):
                from_ms = school.now_ms - day * 24 * HOUR_MS + row.id * 1000
                past = Change(kind=("silent", "off")[day % 2], from_ms=from_ms, to_ms=from_ms + 600_000)
                outages.note(connection, world.institution_id, row.id, past, from_ms)
    for n, board in enumerate(boards):
        health = {"v": 1, "boot_ms": 9 * HOUR_MS, "room": 4800, "signal": -50 - n % 40, "chip_losses": n % 7,
                  "storage_errors": 0, "refused": {"mac": 1} if n % 50 == 0 else {}, "link": {"connects": 3}}  # fmt: skip
        world.now_ms = school.now_ms
        world.deliver(
            *board.lines, board.hello(roster=school.now_ms - HOUR_MS), board.head(school.now_ms),
            wrap(json.dumps(health), reader=board.name, kind="health"), derive=False,
        )  # fmt: skip
    serving = Serving(school.app(work=True))
    stop = threading.Event()

    def live() -> None:
        n = 0
        while not stop.wait(0.1):
            board = boards[n * 7 % READERS]
            n += 1
            world.now_ms = int(time.time() * 1000)
            world.deliver(board.head(world.now_ms), derive=False)

    arriving = threading.Thread(target=live)
    arriving.start()
    pipe.send(serving.url)
    pipe.recv()
    stop.set()
    arriving.join()
    serving.close()
    school.close()
