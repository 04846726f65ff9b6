"""The line of a demo: broker, store, gateways, and how a campus gets into them. By commands and over HTTP only.

What is made here is made as an institution would: `muster import`, `muster reader add`, `muster staff add`.
"""

import asyncio
import csv
import json
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from simulator.campus import Campus
from simulator.processes import Part, free_port, muster, run, wait_http, wait_port

SITE = "main"


@dataclass(frozen=True, kw_only=True)
class Login:
    """An account that was made for the demo."""

    #: who it is, for people
    who: str
    name: str
    password: str


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Somebody of the campus as whom a visitor can sign in."""

    name: str
    #: a role of server/scope.py, and what people call it
    grant: str
    role: str
    #: id among the campus's people; '' for who is none of them
    person: str = ""


def visitors(campus: Campus) -> list[Visitor]:
    """One for each role that has pages of its own: an administrator, two lecturers, a student of the first one's, a head
    of department and the registry."""
    taught = [t for c in campus.classes.values() for t in c.staff]
    teachers = sorted(set(taught), key=taught.index)
    found = [Visitor(name="admin", grant="admin", role="administrator")]
    found += [
        Visitor(name=f"lecturer{n}", grant="lecturer", role="lecturer", person=teacher)
        for n, teacher in enumerate(teachers[:2], 1)
    ]
    listed = campus.students_of(campus.sessions[0]) if campus.sessions else ()
    if listed:
        # Whoever has most to see: sessions that run and sessions to come.
        student = max(listed, key=lambda one: len(campus.of_student(one)))
        found.append(Visitor(name="student", grant="student", role="student", person=student))
    head = teachers[-1] if len(teachers) > 2 else ""
    found.append(Visitor(name="head", grant="head", role="head of department", person=head))
    found.append(Visitor(name="registry", grant="registry", role="registry"))
    return found


class Line:
    """Everything between the doors and the register, on this machine.

    folder: where it keeps all it writes. broker_url: an MQTT broker that is there already; None: one of our own, on
    loopback. database_url: None: SQLite in `folder`. clock: the setting `MUSTER_CLOCK`; empty: the real time.
    """

    def __init__(
        self, folder: Path, *, broker_url: str | None, database_url: str | None, gateways: int, clock: str = ""
    ) -> None:
        self.folder = folder
        self._logs = folder / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        #: a broker that was there already, or None
        self.broker_url = broker_url
        self.database_url = database_url or f"sqlite:///{folder / 'muster.db'}"
        self._gateways = gateways
        self._broker_port = free_port()
        self._server_port = free_port()
        self.env = {
            "MUSTER_DATABASE_URL": self.database_url,
            "MUSTER_DATA_DIR": str(folder),
            "MUSTER_SERVER_KEY_FILE": str(folder / "server.key"),
            "MUSTER_HOST": "127.0.0.1",
            "MUSTER_PORT": str(self._server_port),
            "MUSTER_CLOCK": clock,
        }
        #: processes by what they are: broker (where ours), store, gateway
        self.parts: dict[str, list[Part]] = {"broker": [], "store": [], "gateway": []}
        self.gateway_ports = [free_port() for _ in range(gateways)]
        self.logins: list[Login] = []

    @property
    def url(self) -> str:
        """Where the store's pages are."""
        return f"http://127.0.0.1:{self._server_port}"

    @property
    def broker(self) -> tuple[str, int]:
        """The broker's host and port."""
        if self.broker_url:
            parts = urlsplit(self.broker_url)
            return parts.hostname or "127.0.0.1", parts.port or 1883
        return "127.0.0.1", self._broker_port

    def provision(self, campus: Campus, files: Path, readers: dict[str, str], say: Callable[[str], None]) -> Path:
        """Make the database, import the campus, make readers, accounts and gateway tokens.

        files: the campus as OneRoster, cards and a timetable. readers: room -> reader's name. Returns the folder of the
        readers' settings files.
        """
        zone = {"MUSTER_TIME_ZONE": campus.zone}
        env = {**self.env, **zone}
        self.env = env
        say("making the database")
        run(["server", "migrate"], env=env)
        say("importing the campus")
        run(["import", "oneroster", str(files), "--confirm"], env=env)
        run(["import", "timetable", str(files / "timetable.ics"), "--confirm"], env=env)
        say("making readers and accounts")
        table = self.folder / "readers.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["name", "site", "room"])
            writer.writerows([name, SITE, room] for room, name in readers.items())
        settings = self.folder / "readers"
        host, port = self.broker
        broker = self.broker_url or f"mqtt://{host}:{port}"
        run(["reader", "add", "--bulk", str(table), "--out-dir", str(settings), "--broker", broker], env=env)
        for n in range(1, self._gateways + 1):
            _secret(self._token(n), run(["gateway", "add", f"g{n}"], env=env).strip())
        self._accounts(campus)
        return settings

    def _accounts(self, campus: Campus) -> None:
        for visitor in visitors(campus):
            person = campus.people.get(visitor.person)
            shown = f"{person.given} {person.family}" if person else visitor.role
            who = f"{shown}, {visitor.role}" if person else visitor.role
            login = Login(who=who, name=visitor.name, password=secrets.token_urlsafe(9))
            more = ["--role", visitor.grant, "--name", shown]
            self.add_staff(login, [*more, "--person", visitor.person] if person else more)
            self.logins.append(login)

    def add_staff(self, login: Login, more: list[str]) -> None:
        """Make a staff account. more: the options of `muster staff add` beside its password's."""
        # In a file, not in the arguments: every process on a machine can see those.
        password = self.folder / "password"
        _secret(password, login.password)
        run(["staff", "add", login.name, *more, "--password-file", str(password)], env=self.env)
        password.unlink()

    def _token(self, n: int) -> Path:
        return self.folder / f"g{n}.token"

    def start_broker(self) -> None:
        """Start our own broker, unless there is one already."""
        if not self.broker_url:
            command = [sys.executable, "-m", "simulator.broker", "--port", str(self._broker_port)]
            self.parts["broker"].append(Part("broker", command, log=self._logs / "broker.log"))
            self.parts["broker"][0].start()
            wait_port(self._broker_port, self.parts["broker"][0])

    def start(self) -> None:
        """Start store and gateways, and wait until they answer."""
        store = Part("store", muster("server", "run"), log=self._logs / "store.log", env=self.env)
        self.parts |= {"store": [store], "gateway": []}
        store.start()
        wait_http(f"{self.url}/healthz", store)
        host, port = self.broker
        for n, http_port in enumerate(self.gateway_ports, 1):
            command = muster(
                "gateway", "run", "--store", self.url, "--token-file", str(self._token(n)),
                "--spool", str(self.folder / f"spool-{n}.db"), "--name", f"g{n}", "--http-port", str(http_port),
            )  # fmt: skip
            env = {
                "MUSTER_GATEWAY_BROKER": self.broker_url or f"mqtt://{host}:{port}",
                "MUSTER_CLOCK": self.env["MUSTER_CLOCK"],
            }
            gateway = Part(f"gateway g{n}", command, log=self._logs / f"gateway-{n}.log", env=env)
            self.parts["gateway"].append(gateway)
            gateway.start()
        for gateway, http_port in zip(self.parts["gateway"], self.gateway_ports, strict=True):
            wait_http(f"http://127.0.0.1:{http_port}/healthz", gateway)

    def restart(self) -> None:
        """End gateways and store, and start them by what stands in `env` now."""
        for kind in ("gateway", "store"):
            for part in self.parts[kind]:
                part.stop()
        self.start()

    async def ready_store(self, part: Part) -> None:
        """Wait until the store answers again."""
        await asyncio.to_thread(wait_http, f"{self.url}/healthz", part)

    async def ready_gateway(self, part: Part) -> None:
        """Wait until a gateway answers again."""
        port = self.gateway_ports[self.parts["gateway"].index(part)]
        await asyncio.to_thread(wait_http, f"http://127.0.0.1:{port}/healthz", part)

    async def ready_broker(self, part: Part) -> None:
        """Wait until the broker listens again."""
        await asyncio.to_thread(wait_port, self._broker_port, part)

    def api_token(self) -> str:
        """A token for the administrator's API, for the check at the end."""
        return run(["staff", "token", "admin", "--name", "demo-check"], env=self.env).strip()

    def stop(self) -> None:
        """End every process, the store last: gateways hand over what they have."""
        for kind in ("gateway", "store", "broker"):
            for part in self.parts[kind]:
                part.stop()


def _secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def read_settings(path: Path) -> dict:
    """A reader's settings file."""
    return json.loads(path.read_text())


def redirect(path: Path, host: str, port: int) -> None:
    """Let a reader reach its broker another way: over a wire that can fail."""
    settings = read_settings(path)
    settings["broker"]["host"], settings["broker"]["port"] = host, port
    path.write_text(json.dumps(settings))
