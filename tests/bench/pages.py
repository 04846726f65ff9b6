"""How long the pages of the classroom take, with a term or a year stored, through real HTTP: p50 and p95; and their size.

    python -m tests.bench.pages [--rounds 200] [--term SWIPES | --year SWIPES] [--json]

The register has 200 students, half of them tapped. A server in a process of its own on a free loopback port, SQLite as
shipped, one browser after the other, which takes gzip. Measured at the client, so HTTP and loopback are in it. Exit
status 1 where the register's page is over a limit.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import multiprocessing
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import httpx

from server.clock import Clock
from server.store import accounts, schema
from server.store.engine import open_engine, writing
from tests.bench.year import TERM_WEEKS, YEAR_WEEKS, fill
from tests.server.pages.school import HASHER, PASSWORD, School, version_of
from tests.server.pages.serving import Serving

#: the issue's limits for the register's page: at the server, and compressed
LIMIT_MS, LIMIT_BYTES = 60.0, 60_000
STUDENTS, OTHERS, SESSIONS = 200, 2000, 8


def main() -> int:
    """Measure and print; the exit status says whether the limit holds."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--term", type=int, default=0, metavar="SWIPES", help="with so many of the past term stored")
    parser.add_argument("--year", type=int, default=0, metavar="SWIPES", help="with so many of the past year stored")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told, ended = multiprocessing.Pipe()
        weeks = YEAR_WEEKS if arguments.year else TERM_WEEKS
        server = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(folder, ended, arguments.year or arguments.term, weeks)
        )
        server.start()
        try:
            url, session, person, filled = _ready(told, server)
            found = _measure(url, session, person, Path(folder), arguments.rounds)
        finally:
            told.send("end")
            server.join(20)
    if arguments.json:
        said = {"students": STUDENTS, "rounds": arguments.rounds, "limit_ms": LIMIT_MS, "limit_bytes": LIMIT_BYTES}
        print(json.dumps(said | {"pages": found, "stored": filled}))
    else:
        print(*(f"{name} {many:,}" for name, many in filled.items()), sep=", ")
        for name, one in found.items():
            size = f"{one['bytes']:7} bytes, {one['compressed']:6} compressed"
            print(f"{name:34} p50 {one['p50_ms']:6.1f} ms   p95 {one['p95_ms']:6.1f} ms   {size}")
    page = found["register"]
    return int(page["p95_ms"] > LIMIT_MS or page["compressed"] > LIMIT_BYTES)


def _ready(told, server) -> tuple[str, int, int, dict[str, int]]:
    """What the server says once it serves. Fails where it ended before."""
    while not told.poll(1):
        if not server.is_alive():
            raise SystemExit("the measured server ended before it served")
    url, session, person, year = told.recv()
    return url, session, person, year


def _serve(folder: str, pipe, swipes: int, weeks: int) -> None:
    school = School(Path(folder), students=STUDENTS, now_ms=int(time.time() * 1000), clock=Clock())
    sessions = [school.session(f"Lecture {n}", starts_min=-10, room=n % 2) for n in range(SESSIONS)]
    world = school.world
    with writing(world.engine) as connection:
        # The rest of the institution: a page must not read it.
        for n in range(OTHERS):
            person = connection.execute(
                schema.person.insert()
                .values(institution_id=world.institution_id, created_ms=1)
                .returning(schema.person.c.id)
            ).scalar_one()
            connection.execute(
                schema.person_name.insert().values(
                    person_id=person, institution_id=world.institution_id, full_name=f"Other {n}", sort_name=f"o{n}"
                )
            )
            connection.execute(
                schema.person_external_id.insert().values(
                    institution_id=world.institution_id, person_id=person, source="identifier",
                    external_id=f"x{n}", from_ms=0,
                )
            )  # fmt: skip
        accounts.make(
            connection, world.institution_id, login_name="sam", shown_name="Sam", password_hash=HASHER.hash(PASSWORD),
            role="student", person_id=school.students[0], now_ms=1,
        )  # fmt: skip
    board = school.reader()
    for n in range(STUDENTS // 2):
        board.swipe(school.uids[n], school.now_ms - n * 1000)
    school.deliver(*board.lines, board.hello(), board.head(school.now_ms))
    filled = {}
    if swipes:
        path, own = Path(folder) / "muster.db", world.institution_id
        filled = asdict(fill(path, swipes, institution_id=own, group=school.group, now_ms=school.now_ms, weeks=weeks))
    serving = Serving(school.app(work=True))
    # As `muster server` does.
    gc.collect()
    gc.freeze()
    pipe.send((serving.url, sessions[0], school.students[0], filled))
    pipe.recv()
    serving.close()
    school.close()


def _measure(url: str, session: int, person: int, folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    with contextlib.ExitStack() as stack:
        http, office, student = (
            stack.enter_context(contextlib.closing(_browser(url, name))) for name in ("ada", "admin", "sam")
        )
        page = http.get(f"/sessions/{session}").text
        assert page.count('<tr id="p') == STUDENTS, "the register is not the one that is meant"
        version = version_of(page)
        paths = {
            "register": f"/sessions/{session}",
            "register, asked for changes: none": f"/sessions/{session}/live?v={version}",
            "register, all rows again": f"/sessions/{session}/live?v=x",
            "a mark's panel": f"/sessions/{session}/people/{person}",
            "today, of a lecturer": "/today",
        }
        found = {name: _times(http, path, rounds) for name, path in paths.items()}
        found["the student's own page"] = _times(student, "/me?term=year", rounds)
        found["a student, for the registry"] = _times(office, f"/people/{person}/attendance?term=year", rounds)
        found["today, of everybody"] = _times(office, "/today", rounds)
        engine = open_engine(f"sqlite:///{folder / 'muster.db'}")
        try:
            found["register, one row changed"] = _changing(http, engine, session, rounds)
        finally:
            engine.dispose()
        return found


def _browser(url: str, name: str) -> httpx.Client:
    """Somebody's, signed in. It takes gzip, and says whose page asks."""
    http = httpx.Client(base_url=url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=30)
    form = http.get("/sign-in").text.partition('name="csrf" value="')[2].partition('"')[0]
    answer = http.post("/sign-in", data={"csrf": form, "login": name, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return http


def _times(http: httpx.Client, path: str, rounds: int) -> dict[str, float]:
    took, size, packed = [], 0, 0
    for n in range(rounds + 10):
        begins = time.perf_counter()
        answer = http.get(path)
        if n >= 10:
            took.append((time.perf_counter() - begins) * 1000)
        assert answer.status_code in (200, 204), answer.status_code
        size, packed = len(answer.content), answer.num_bytes_downloaded
    return _said(took, size, packed)


def _changing(http: httpx.Client, engine, session: int, rounds: int) -> dict[str, float]:
    """Each time somebody's mark was set meanwhile, as while a class comes in."""
    took, size, packed = [], 0, 0
    version = version_of(http.get(f"/sessions/{session}").text)
    page = http.get(f"/sessions/{session}").text
    csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
    people = [int(part.partition('"')[0]) for part in page.split('<tr id="p')[1:]]
    for n in range(min(rounds, len(people))):
        panel = http.get(f"/sessions/{session}/people/{people[n]}").text
        seen = panel.partition('name="seen" value="')[2].partition('"')[0]
        code = "A" if n % 2 else "P"
        http.post(f"/sessions/{session}/people/{people[n]}", data={"csrf": csrf, "seen": seen, "code": code})
        begins = time.perf_counter()
        answer = http.get(f"/sessions/{session}/live?v={version}")
        took.append((time.perf_counter() - begins) * 1000)
        assert answer.text.count('<tr id="p') == 1, "one row should have changed"
        version, size, packed = version_of(answer.text), len(answer.content), answer.num_bytes_downloaded
    return _said(took, size, packed)


def _said(took: list[float], size: int, packed: int) -> dict[str, float]:
    took = sorted(took)
    return {
        "p50_ms": round(took[len(took) // 2], 2),
        "p95_ms": round(took[int(len(took) * 0.95)], 2),
        "bytes": size,
        "compressed": packed,
    }


if __name__ == "__main__":
    sys.exit(main())
