"""Everything of one soak: wires, broker, database, store, two gateways, corridors with their readers. Use `async with`.

What can be done to it stands in `faults.py`.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from simulator import campus_files
from simulator.campus import Campus, invent
from simulator.line import Line, read_settings, redirect
from simulator.processes import Part, muster, wait_http
from simulator.unixport import runner
from tests.soak.corridors import Corridors, Doors
from tests.soak.havoc import WEIGHTS
from tests.soak.lan import Detour, Veth, Wire
from tests.soak.oracle import Seen
from tests.soak.parts import Broker, Database, Gateway
from tests.soak.plan import Visit, queue, visits

GATEWAYS = 2
CORRIDORS = 4
#: all doors must be open so long after the last reader has power, s
OPEN_S = 90.0


@dataclass(frozen=True, kw_only=True)
class Script:
    """One soak."""

    #: sqlite or postgresql
    database: str
    readers: int
    students: int
    swipes_per_s: float
    seconds: float
    seed: int
    #: in the cage, so that wires are namespaces'; otherwise relays
    caged: bool
    root: bool
    #: which faults are made (`havoc.WEIGHTS`), and the time between two, s
    kinds: tuple[str, ...] = tuple(WEIGHTS)
    between_s: tuple[float, float] = (1.0, 5.0)
    #: the gateways divide the messages (MQTT 5 shared subscriptions) instead of each taking all
    share: bool = False
    #: what the store and the gateways are started with instead of muster.py; for saboteurs
    store: tuple[str, ...] = ()
    gateway: tuple[str, ...] = ()
    #: folder with another build of the reader's program; None: ours
    built: Path | None = None


@dataclass
class Stage:
    """What runs."""

    script: Script
    folder: Path
    say: Callable[[str], None]
    campus: Campus = field(init=False)
    line: Line = field(init=False)
    broker: Broker = field(init=False)
    store: Part = field(init=False)
    corridors: Corridors = field(init=False)
    database: Database | None = field(init=False, default=None)
    gateways: list[Gateway] = field(init=False, default_factory=list)
    #: the key under which tokens of cards are made, hex
    card_key: str = field(init=False, default="")
    #: of the corridors, and of the gateways
    wires: list[Wire] = field(init=False, default_factory=list)
    gateway_wires: list[Wire] = field(init=False, default_factory=list)
    _known: list[dict[bytes, Visit]] = field(init=False, default_factory=list)

    async def __aenter__(self) -> "Stage":
        try:
            await self._set_up()
        except BaseException:
            await self._take_down()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._take_down()

    @property
    def logs(self) -> Path:
        """Where every process's output goes."""
        return self.folder / "logs"

    async def _set_up(self) -> None:
        script, folder = self.script, self.folder
        self.logs.mkdir(parents=True, exist_ok=True)
        self.wires = [self._wire(n) for n in range(1, CORRIDORS + 1)]
        self.gateway_wires = [self._wire(10 + n) for n in range(1, GATEWAYS + 1)]
        address = "0.0.0.0" if script.caged else "127.0.0.1"  # inside the cage nobody else is on the network
        self.broker = Broker(folder, self.logs / "broker.log", address)
        await asyncio.to_thread(self.broker.start)
        url = None
        if script.database == "postgresql":
            self.say("starting PostgreSQL")
            self.database = await asyncio.to_thread(
                partial(Database, folder, self.logs / "database.log", root=script.root)
            )
            await asyncio.to_thread(self.database.start)
            await asyncio.to_thread(self.database.create)
            url = self.database.url
        broker_url = f"mqtt://127.0.0.1:{self.broker.port}"
        self.line = Line(folder, broker_url=broker_url, database_url=url, gateways=GATEWAYS)
        self.campus = invent(
            seed=script.seed, rooms=script.readers, students=script.students, now_ms=int(time.time() * 1000)
        )
        campus_files.write(self.campus, folder / "campus")
        readers = {room: room.lower() for room in self.campus.rooms}
        settings = await asyncio.to_thread(self.line.provision, self.campus, folder / "campus", readers, self.say)
        self.say("starting store, gateways and readers")
        env = {**self.line.env, "MUSTER_HOST": address}
        self.store = Part("store", self._program("store", "server", "run"), log=self.logs / "store.log", env=env)
        await asyncio.to_thread(self.start_store)
        for n, wire in enumerate(self.gateway_wires, 1):
            gateway = self._gateway(n, wire)
            self.gateways.append(gateway)
            await asyncio.to_thread(gateway.start)
        await self._start_corridors(list(readers.items()), settings)

    def _wire(self, number: int) -> Wire:
        return Veth(number) if self.script.caged else Detour()

    def _program(self, which: str, *arguments: str) -> list[str]:
        other = getattr(self.script, which)
        return [*other, *arguments] if other else muster(*arguments)

    def start_store(self) -> None:
        """Start the store and wait until it answers."""
        self.store.start()
        wait_http(f"{self.line.url}/healthz", self.store)

    def _gateway(self, n: int, wire: Wire) -> Gateway:
        host, port = wire.reach(self.broker.port)
        store = "{}:{}".format(*wire.reach(int(self.line.url.rsplit(":", 1)[1])))
        more = ["--mqtt", "5", "--share", "muster"] if self.script.share else []

        def command(spool: Path) -> list[str]:
            return [
                *wire.enter,
                *self._program("gateway", "gateway", "run"), "--store", f"http://{store}", "--name", f"g{n}",
                "--token-file", str(self.folder / f"g{n}.token"), "--spool", str(spool), "--http-port", "0", *more,
            ]  # fmt: skip

        env = {"MUSTER_GATEWAY_BROKER": f"mqtt://{host}:{port}"}
        return Gateway(f"g{n}", self.folder, self.logs / f"gateway-{n}.log", command, env)

    async def _start_corridors(self, readers: list[tuple[str, str]], settings: Path) -> None:
        script = self.script
        built = script.built or await asyncio.to_thread(runner.build, self.folder / "build")
        each = int(script.seconds * script.swipes_per_s / len(readers) * 1.5) + 50
        groups: list[Doors] = []
        for n, wire in enumerate(self.wires):
            mine = readers[n::CORRIDORS]
            host, port = wire.reach(self.broker.port)
            doors: list[dict[str, Any]] = []
            for room, name in mine:
                path = settings / f"{name}.json"
                redirect(path, host, port)
                self.card_key = read_settings(path)["card_keys"][0]["secret"]
                coming = queue(self.campus, room, script.seed)
                doors.append(
                    {
                        "name": name,
                        "settings": str(path),
                        "flash": str(self.folder / f"{name}.flash"),
                        "log": str(self.logs / f"{name}.log"),
                        "uids": [next(coming).uid.hex() for _ in range(each)],
                    }
                )
                self._known.append(visits(self.campus, room))
            if mine:
                groups.append(Doors(wire=wire, doors=doors))
        self.corridors = Corridors(
            groups, built=built, gap_s=len(readers) / script.swipes_per_s, folder=self.folder, logs=self.logs
        )
        await self.corridors.start()
        await self.corridors.wait_open(OPEN_S)

    def seen(self) -> list[Seen]:
        """Every hold so far."""
        names = self.corridors.names
        return [
            Seen(reader=names[door], visit=self._known[door][bytes.fromhex(uid)], hold=hold)
            for door, uid, hold in self.corridors.holds
        ]

    def ensure(self) -> None:
        """Raises PartFailed if something has ended that nobody killed. Call it when no fault is being made."""
        for part in (self.store, self.broker.part, *(g.part for g in self.gateways)):
            part.ensure()
        self.corridors.ensure()

    async def _take_down(self) -> None:
        if hasattr(self, "corridors"):
            await self.corridors.close()
        parts = [g.part for g in self.gateways]
        parts += [getattr(self, "store", None), self.broker.part if hasattr(self, "broker") else None]
        parts += [self.database.part if self.database else None]
        for part in parts:
            if part is not None:
                await asyncio.to_thread(part.stop)
        for wire in (*self.wires, *self.gateway_wires):
            await asyncio.to_thread(wire.close)
