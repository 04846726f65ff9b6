"""Two releases side by side, as processes: the one in this tree, and the one before it, taken from the history.

`release_before.txt` names the commit of the release before; change it when a release lands. Readers' real journal and
uplink code speaks through a real Mosquitto; what the store then holds is compared with what stands in the journals.
"""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from simulator import campus_files
from simulator.processes import Part, free_port, wait_http
from tests.bench.stage import lectures
from tests.bench.wire_readers import Board, Wire, boards
from tests.conftest import REPO, in_ci
from tests.firmware.pi.pi_world import World

NAMED = Path(__file__).parent / "release_before.txt"
ROOMS, LISTED, LESSONS = 3, 40, 3
#: held to the door of each reader that is a process
CARDS = 12
BLUE, GREEN = [0, 0, 255], [0, 255, 0]
#: on a machine that others keep busy
PATIENCE_S, START_S = 240, 180

pytestmark = [pytest.mark.proof, pytest.mark.timeout(900), pytest.mark.needs("mosquitto")]


@dataclass(frozen=True, kw_only=True)
class Release:
    """The source of a release. Dependencies are this tree's own: both releases' pins allow them."""

    source: Path

    def command(self, *words: str) -> list[str]:
        return [sys.executable, str(self.source / "muster.py"), *words]

    def run(self, *words: str, env: dict[str, str], status: int = 0) -> str:
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            env={**os.environ, **env},
            cwd=self.source,
            check=False,
        )
        assert done.returncode == status, f"{words}: {done.stdout[-800:]} {done.stderr[-1500:]}"
        return done.stdout


def taken(repo: Path, commit: str, folder: Path) -> Release:
    """The source of a commit. Where the history is not there: skip, saying so; in CI fail."""
    done = subprocess.run(["git", "-C", str(repo), "archive", "--format=tar", commit], capture_output=True, check=False)
    if done.returncode:
        reason = (
            f"needs the history with commit {commit[:7]}, the release before (a shallow clone: git fetch --unshallow)"
        )
        if in_ci():
            pytest.fail(f"{reason}; in CI it must be there", pytrace=False)
        pytest.skip(reason)
    with tarfile.open(fileobj=BytesIO(done.stdout)) as tar:
        # Python 3.11.4 and later can refuse what leads out of the folder; 3.11.2, Debian's, has no such word.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)
    return Release(source=folder)


@pytest.fixture(scope="module")
def before(repo, tmp_path_factory) -> Release:
    return taken(repo, NAMED.read_text().split()[0], tmp_path_factory.mktemp("before"))


NOW = Release(source=REPO)


@dataclass
class Stand:
    """A broker, a database that the release before made, doors with their people; store and gateways as they come."""

    folder: Path
    broker: str
    env: dict[str, str]
    boards: list[Board]
    taps: dict[str, list[tuple[bytes, int]]]
    wire: Wire
    parts: dict[str, Part] = field(default_factory=dict)

    @classmethod
    def made(cls, folder: Path, broker, release: Release) -> "Stand":
        campus = lectures(ROOMS, LISTED, LESSONS, time.time_ns() // 1_000_000)
        campus_files.write(campus, folder / "campus")
        env = {
            "MUSTER_DATABASE_URL": f"sqlite:///{folder / 'muster.db'}",
            "MUSTER_DATA_DIR": str(folder),
            "MUSTER_SERVER_KEY_FILE": str(folder / "server.key"),
            "MUSTER_PORT": str(free_port()),
            "MUSTER_TIME_ZONE": campus.zone,
        }
        release.run("server", "migrate", env=env)
        release.run("import", "oneroster", str(folder / "campus"), "--confirm", env=env)
        release.run("import", "timetable", str(folder / "campus" / "timetable.ics"), "--confirm", env=env)
        names = {room: room.lower() for room in campus.rooms}
        for room, name in names.items():
            words = ("--room", room, "--broker", broker.url, "--out", str(folder / f"{name}.json"))
            release.run("reader", "add", name, *words, env=env)
        token = folder / "g.token"
        token.touch(mode=0o600)
        token.write_text(release.run("gateway", "add", "g", env=env).strip())
        taps = {
            name: [
                (campus.people[student].uid, one.starts_ms + n * 1000)
                for one in sorted(campus.sessions, key=lambda one: one.starts_ms)
                if one.room == room
                for n, student in enumerate(campus.students_of(one))
            ]
            for room, name in names.items()
        }
        stand = cls(
            folder=folder, broker=broker.url, env=env, boards=boards(folder, names.values()), taps=taps,
            wire=Wire(broker.host, broker.port),
        )  # fmt: skip
        # Doors, cards and class lists have been there for long: what was tapped before this minute counts too.
        for table in ("placement", "card_assignment", "enrolment", "session_room", "session_class"):
            stand.ask(f"UPDATE {table} SET from_ms = 0")
        return stand

    def ask(self, query: str) -> list:
        engine = create_engine(self.env["MUSTER_DATABASE_URL"], poolclass=NullPool)
        try:
            with engine.begin() as connection:
                done = connection.execute(text(query))
                return list(done) if done.returns_rows else []
        finally:
            engine.dispose()

    def start(self, what: str, release: Release) -> None:
        """Start store or gateway of a release, in the place of the one that is there."""
        if what in self.parts:
            self.parts[what].stop()
        url = f"http://127.0.0.1:{self.env['MUSTER_PORT']}"
        if what == "store":
            part = Part("store", release.command("server", "run"), log=self.folder / "store.log", env=self.env)
            part.start()
            wait_http(f"{url}/healthz", part, START_S)
        else:
            port = free_port()
            command = release.command(
                "gateway", "run", "--store", url, "--token-file", str(self.folder / "g.token"),
                "--spool", str(self.folder / "spool.db"), "--name", "g", "--http-port", str(port),
            )  # fmt: skip
            env = {"MUSTER_GATEWAY_BROKER": self.broker}
            part = Part(what, command, log=self.folder / f"{what}.log", env=env)
            part.start()
            wait_http(f"http://127.0.0.1:{port}/healthz", part, START_S)
        self.parts[what] = part

    def tap(self, share: slice) -> None:
        """People hold their cards to the doors: this share of each door's."""
        for board in self.boards:
            for uid, at_ms in self.taps[board.name][share]:
                board.swipe(uid, at_ms)
            if board.connection is None:
                board.connect(self.wire)
            board.pump()

    def until(self, reached) -> None:
        ends = time.monotonic() + PATIENCE_S
        while not reached():
            for board in self.boards:
                board.pump()
            self.wire.turn(0.05)
            assert time.monotonic() < ends, {name: part.last_words() for name, part in self.parts.items()}

    def drained(self) -> None:
        """Until every reader has heard and believed a receipt for everything, and nobody is due."""
        self.until(lambda: not any(board.journal.backlog() for board in self.boards))
        self.until(lambda: self.ask("SELECT count(*) FROM due")[0][0] == 0)

    def wrong(self) -> list[str]:
        """What is not so: every record once and as written; every swipe once, and credited once to a session of its own."""
        rows = self.ask("SELECT j.journal, r.seq, r.text FROM record r JOIN journal j ON j.id = r.journal_id")
        wanted = sorted(
            (str(board.journal.live), seq, line.rpartition("|")[0])
            for board in self.boards
            for seq, line in enumerate(board.lines())
        )
        taps = sum(map(len, self.taps.values()))
        ((swipes,),) = self.ask("SELECT count(*) FROM swipe")
        ((credits, different),) = self.ask(
            "SELECT count(*), count(DISTINCT person_id || '-' || session_id) FROM credit WHERE superseded_ms IS NULL"
        )
        found = [] if sorted(tuple(row) for row in rows) == wanted else ["records lost, doubled or changed"]
        if not swipes == credits == different == taps:
            found.append(f"{taps} taps: {swipes} swipes, {credits} credits to {different} people's sessions")
        return found

    def close(self) -> None:
        for what in ("gateway", "store"):
            if what in self.parts:
                self.parts[what].stop()
        self.wire.close()


@contextlib.contextmanager
def door(stand: Stand, release: Release, reader: str):
    """`muster pi run` of a release, with an emulated chip: (wait for a light, hold a card until its green)."""
    (stand.folder / "pi").mkdir(exist_ok=True)
    log = stand.folder / f"pi-{time.monotonic_ns()}.log"
    world = World()
    command = release.command(
        "pi", "run", "--settings", str(stand.folder / f"{reader}.json"), "--data", str(stand.folder / "pi"),
        "--chip", world.port.path, "--mock-pins",
    )  # fmt: skip
    pi = Part("pi", command, log=log)

    def lights() -> list[list[int]]:
        text = log.read_text().rpartition("\n")[0]
        return [json.loads(line)["lamp"] for line in text.splitlines() if line.startswith('{"lamp"')]

    def wait(reached: Callable[[], bool]) -> None:
        ends = time.monotonic() + PATIENCE_S
        while not reached():
            pi.ensure()
            assert time.monotonic() < ends, (pi.last_words(), lights()[-5:])
            time.sleep(0.02)

    def shows(colour: list[int]) -> None:
        """Until the lamp shows it and nothing else for half a second: what breathes is never at one colour so long."""
        while True:
            wait(lambda: lights()[-1:] == [colour])
            count = len(lights())
            time.sleep(0.5)
            if len(lights()) == count:
                return

    def card(uid: bytes) -> None:
        count = len(lights())
        world.card_in(uid)
        wait(lambda: GREEN in lights()[count:])
        world.card_out()
        shows(BLUE)

    try:
        pi.start()
        yield shows, card
    finally:
        pi.stop()
        world.close()


def waiting(stand: Stand) -> int:
    """Records in the Pi's journal that have no receipt yet, as both releases keep them. Not while a Pi has it."""
    (path,) = (stand.folder / "pi").glob("journal-*.db")
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal:
        query = "SELECT count(*) FROM record JOIN journal ON journal.number = record.journal WHERE seq > freed"
        return journal.execute(query).fetchone()[0]


@pytest.fixture
def stand(tmp_path, mosquitto, before):
    with contextlib.ExitStack() as stack:
        made = Stand.made(tmp_path, mosquitto, before)
        stack.callback(made.close)
        yield made


def test_a_gateway_of_the_release_before_works_with_the_store_of_this_one(stand, before):
    said = NOW.run("upgrade", env=stand.env)
    assert "Schema" in said, said
    stand.start("store", NOW)
    stand.start("gateway", before)
    stand.tap(slice(None))
    stand.drained()
    assert stand.wrong() == []


def test_a_gateway_of_this_release_works_with_the_store_of_the_release_before(stand, before):
    stand.start("store", before)
    stand.start("gateway", NOW)
    stand.tap(slice(None))
    stand.drained()
    assert stand.wrong() == []


def test_a_reader_of_the_release_before_and_the_one_that_takes_its_place_work_with_this_release(stand, before):
    NOW.run("upgrade", env=stand.env)
    stand.start("store", NOW)
    stand.start("gateway", NOW)
    name = stand.boards[0].name
    cards = [uid for uid, at_ms in stand.taps[name]][-LISTED:]
    held = 0
    # The second goes on with the journal and the list that the first has left.
    for release in (before, NOW):
        with door(stand, release, name) as (shows, card):
            # Clock and list came from the store, through the gateway: marking is open, and it knows who belongs here.
            shows(BLUE)
            for uid in cards[held : held + CARDS]:
                card(uid)
            held += CARDS
            stand.until(lambda held=held: stand.ask("SELECT count(*) FROM swipe")[0][0] == held)
        # Where it ended before the last receipt had come, it gets it when it is there again.
        for _ in range(3):
            if waiting(stand):
                with door(stand, release, name) as (shows, card):
                    shows(BLUE)
        assert waiting(stand) == 0
    stand.until(lambda: stand.ask("SELECT count(*) FROM due")[0][0] == 0)
    assert stand.ask("SELECT verdict, count(*) FROM swipe GROUP BY verdict") == [("green", held)]
    credited = stand.ask("SELECT count(*), count(DISTINCT person_id) FROM credit WHERE superseded_ms IS NULL")
    assert credited == [(held, held)]
    assert stand.ask("SELECT count(*) FROM journal") == [(2,)]
    assert stand.ask("SELECT count(*) FROM alarm") == [(0,)]


def test_an_installation_is_upgraded_part_by_part_while_people_tap(stand, before):
    stand.start("store", before)
    stand.start("gateway", before)
    stand.tap(slice(0, LISTED))
    stand.drained()
    # The old server goes on, on the new schema.
    NOW.run("upgrade", env=stand.env)
    stand.tap(slice(LISTED, LISTED + 20))
    stand.drained()
    stand.tap(slice(LISTED + 20, 2 * LISTED))
    stand.start("store", NOW)
    stand.drained()
    stand.tap(slice(2 * LISTED, 2 * LISTED + 20))
    # On the spool of the one before it.
    stand.start("gateway", NOW)
    stand.tap(slice(2 * LISTED + 20, None))
    stand.drained()
    assert stand.wrong() == []
    # The release before had no history of registers: what its server wrote after the upgrade is told, and nothing else.
    said = NOW.run("audit", "verify", env=stand.env, status=1)
    assert {line.rpartition("[")[2] for line in said.splitlines() if line.endswith("]")} == {"mark-unknown]"}, said


def test_a_history_that_is_not_there_is_said_and_fails_in_ci(repo, tmp_path, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs the history"):
        taken(repo, "0" * 40, tmp_path)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="in CI it must be there"):
        taken(repo, "0" * 40, tmp_path)
