"""A demo being played: the campus, its line, its doors and the people, from first to last.

`Stage` sets everything up and takes it down again; what is played on it stands in `demo.py`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import httpx

from simulator import campus_files
from simulator.campus import MINUTE_MS, Campus, invent
from simulator.check import Row
from simulator.doors import BoardDoor, Door, LightHouse
from simulator.faults import Faults
from simulator.line import Line, redirect
from simulator.network import Wire
from simulator.processes import Part, PartFailed
from simulator.residence import ResidenceStage
from simulator.residence_clock import closing, evening_now, length_s, today
from simulator.residence_people import Residence, found
from simulator.residence_plan import Evening, plan
from simulator.unixport import runner
from simulator.world import World, wall_ms

#: the day's first door opens this long after the clock of a played day starts
LEAD_MS = 12 * MINUTE_MS
#: what is needed for a residence's evening is made so long before that evening closes, s
AFTERNOON_S = 7 * 3600


@dataclass(frozen=True, kw_only=True)
class Script:
    """What was asked for on the command line."""

    readers: int = 6
    students: int = 300
    seed: int = 7
    #: of the readers, how many run on real MicroPython
    micropython: int = 6
    gateways: int = 1
    broker: str | None = None
    database: str | None = None
    faults: tuple[str, ...] = ()
    #: mean time between two faults, s
    fault_every_s: float = 4.0
    campus: Path | None = None
    day: date | None = None
    #: how much faster than ours a handed-over campus's day is played
    speed: int = 1
    zone: str = "Europe/London"
    #: who lives in the residence, and at how many kiosks they check in; 0: there is none
    residents: int = 0
    kiosks: int = 2
    #: the residence alone, without doors: its evening is over soon after everybody came
    residence_only: bool = False


@dataclass
class Stage:
    """Everything that runs. Use `async with`."""

    script: Script
    folder: Path
    say: Callable[[str], None]
    campus: Campus = field(init=False)
    line: Line = field(init=False)
    world: World = field(init=False)
    faults: Faults | None = field(init=False, default=None)
    #: MicroPython's version, or why there is none
    micropython: str = field(init=False, default="")
    _doors: dict[str, Door] = field(init=False, default_factory=dict)
    _house: LightHouse | None = field(init=False, default=None)
    #: each reader's way to the broker, where the network may fail
    wires: list[Wire] = field(init=False, default_factory=list)
    #: the residence and tonight's plan, where there is one
    lodging: ResidenceStage | None = field(init=False, default=None)
    evening: Evening | None = field(init=False, default=None)
    #: the evening's date
    day: date = field(init=False, default=date.min)
    #: when it closes, epoch seconds of the campus's clock; None: nobody waits for that
    closes_s: float | None = field(init=False, default=None)
    _origin_s: float = field(init=False, default=0.0)
    _offset_s: float = field(init=False, default=0.0)
    #: what the start of store and gateways took, s
    _started_s: float = field(init=False, default=0.0)

    def now_ms(self) -> float:
        """The campus's time, epoch ms."""
        real = time.time()
        return (self._origin_s + self._offset_s + self.script.speed * (real - self._origin_s)) * 1000

    async def __aenter__(self) -> "Stage":
        try:
            await self._set_up()
        except BaseException:
            await self._take_down()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._take_down()

    async def _set_up(self) -> None:
        script = self.script
        files = self.folder / "campus"
        starts_ms = 0  # of a played day
        residence: Residence | None = None
        if script.campus is None:
            self.campus = invent(
                seed=script.seed,
                rooms=script.readers,
                students=script.students,
                now_ms=int(wall_ms()),
                zone=script.zone,
            )
            clock = ""
            if script.residents:
                residence = found(self.campus, seed=script.seed, residents=script.residents, kiosks=script.kiosks)
                self.campus = replace(self.campus, beside=tuple(residence.staff.values()))
            if script.residence_only:
                self.day = script.day or today(script.zone)
                self.closes_s = closing(self.day, script.zone)
                # What is made beforehand is made in the afternoon of that day, and fingers are enrolled in it.
                self._offset_s = self.closes_s - AFTERNOON_S - time.time()
                clock = f"offset_s={self._offset_s:.3f}"
            campus_files.write(self.campus, files)
        else:
            files = script.campus
            assert script.day is not None
            self.campus = campus_files.read(files, script.day, script.zone)
            starts_ms = min(s.starts_ms for s in self.campus.sessions) - 30 * MINUTE_MS - LEAD_MS
            clock = f"offset_s={(starts_ms - 60 * MINUTE_MS) / 1000 - time.time():.3f}"
        readers = {} if script.residence_only else {room: room.lower() for room in self.campus.rooms}
        self.line = Line(
            self.folder, broker_url=script.broker, database_url=script.database, gateways=script.gateways, clock=clock
        )
        await asyncio.to_thread(self.line.start_broker)
        if residence is not None and not script.residence_only:
            self.day = evening_now(self.folder / "profiles", script.zone)
            self.line.env["MUSTER_PROFILES_DIR"] = str(self.folder / "profiles")
        settings = await asyncio.to_thread(self.line.provision, self.campus, files, readers, self.say)
        if residence is not None:
            self.lodging = ResidenceStage(
                residence, self.line, self.folder / "residence", seed=script.seed, clock=self.now_ms, say=self.say
            )
            self.evening = plan(residence, seed=script.seed)
            await asyncio.to_thread(self.lodging.provision)
        if script.campus is not None:
            # From here on the campus's time runs; the first door opens soon.
            self._origin_s = time.time()
            self._offset_s = starts_ms / 1000 - self._origin_s
            self.line.env["MUSTER_CLOCK"] = (
                f"origin_s={self._origin_s:.3f},offset_s={self._offset_s:.3f},scale={script.speed}"
            )
        self.say("starting store and gateway")
        began_s = time.monotonic()
        await asyncio.to_thread(self.line.start)
        self._started_s = time.monotonic() - began_s
        if readers:
            self.say("starting readers")
            await self._start_doors(readers, settings)
        self.world = World(self._doors, seed=script.seed, clock=self.now_ms)

    async def _start_doors(self, readers: dict[str, str], settings: Path) -> None:
        script = self.script
        if {"cut", "silence"} & set(script.faults):
            host, port = self.line.broker
            for name in readers.values():
                wire = Wire(host, port)
                await wire.open()
                self.wires.append(wire)
                redirect(settings / f"{name}.json", "127.0.0.1", wire.port)
        boards = min(script.micropython, len(readers))
        built = None
        if boards:
            try:
                self.micropython = await asyncio.to_thread(runner.version)
                built = await asyncio.to_thread(runner.build, self.folder / "build")
            except runner.CannotRun as error:
                boards = 0
                self.micropython = f"not here ({error})"
                self.say(f"no MicroPython here: all readers run the same core on CPython ({error})")
        rooms = list(readers.items())
        for room, name in rooms[:boards]:
            assert built is not None
            path, log, flash = (
                settings / f"{name}.json",
                self.folder / "logs" / f"{name}.log",
                self.folder / f"{name}.flash",
            )
            self._doors[room] = BoardDoor(
                room,
                name,
                lambda pty, path=path, log=log, flash=flash, built=built: runner.Board(
                    built=built, settings=path, flash=flash, pty=pty, log=log, scale=script.speed
                ),
            )
        if rooms[boards:]:
            light = self.folder / "light"
            light.mkdir()
            for _, name in rooms[boards:]:
                (settings / f"{name}.json").rename(light / f"{name}.json")
            self._house = LightHouse(
                light, dict(rooms[boards:]), scale=script.speed, log=self.folder / "logs" / "light.log"
            )
            await self._house.start()
            self._doors |= self._house.doors
        for door in self._doors.values():
            if isinstance(door, BoardDoor):
                await door.power_on()
        if script.faults:
            self.faults = Faults(
                seed=script.seed,
                kinds=script.faults,
                every_s=script.fault_every_s,
                doors=list(self._doors.values()),
                wires=self.wires,
                parts=self.line.parts,
                ready=self.ready,
            )

    @property
    def ready(self) -> dict[str, Callable[[Part], Awaitable[None]]]:
        """How to wait for a part that was started again, by its kind."""
        line = self.line
        return {"store": line.ready_store, "gateway": line.ready_gateway, "broker": line.ready_broker}

    async def wait_open(self, timeout_s: float = 60) -> None:
        """Wait until every lamp is steady blue: clock, list and chip are there (invented campus: all doors are open)."""
        deadline = time.monotonic() + timeout_s
        steady: dict[str, float] = {}
        while len(steady) < len(self._doors) or min(steady.values()) > time.monotonic() - 0.6:
            for room, door in self._doors.items():
                if door.lamp.css() == "rgb(0, 0, 255)":
                    steady.setdefault(room, time.monotonic())
                else:
                    steady.pop(room, None)
            if time.monotonic() > deadline:
                dark = sorted(set(self._doors) - set(steady))
                raise PartFailed(f"these doors did not open within {timeout_s:.0f} s: {', '.join(dark)}")
            await asyncio.sleep(0.05)

    async def lodge(self) -> None:
        """The residence's day, once its kiosks are there: enrolments, and everybody who comes in the evening."""
        assert self.lodging is not None and self.evening is not None
        await self.lodging.enrol()
        if self.closes_s is not None:
            # From the afternoon to the evening, with everything off: as the shipped profile has it, it closes when
            # everybody has come, however long the enrolments took on this machine.
            self.say("everything is switched off, and on again in the evening")
            await self.lodging.switch_off()
            await self.lodging.desk.withdraw()
            left_s = length_s(self.evening, started_s=self._started_s, enrolment_s=self.lodging.enrolment_s)
            self._offset_s = self.closes_s - left_s - time.time()
            self.line.env["MUSTER_CLOCK"] = f"offset_s={self._offset_s:.3f}"
            await asyncio.to_thread(self.line.restart)
            await self.lodging.switch_on()
        else:
            await self.lodging.desk.withdraw()
        kinds = ", ".join(f"{n} {kind}" for kind, n in self.evening.kinds().items())
        self.say(f"the residence's evening: {kinds}; {len(self.evening.missing)} stay away")
        await self.lodging.play(self.evening)
        if self.closes_s is not None and self.now_ms() / 1000 > self.closes_s:
            self.say("the evening had closed before everybody had come: this machine is slower than was thought")

    @property
    def boards(self) -> int:
        """How many doors run on real MicroPython."""
        return sum(isinstance(door, BoardDoor) for door in self._doors.values())

    async def wait_until(self, at_ms: int) -> None:
        """Sleep until the campus's time is `at_ms`."""
        left_ms = at_ms - self.now_ms()
        if left_ms > 0:
            await asyncio.sleep(left_ms / 1000 / self.script.speed)

    async def rows(self, token: str) -> list[Row]:
        """Every swipe in the store, over its API."""
        found: list[Row] = []
        cursor = 0
        # The store tells a student by the number that the registry gave; we know them by the registry's own id.
        known = {p.id.upper(): p.id for p in self.campus.people.values()}
        async with httpx.AsyncClient(base_url=self.line.url, timeout=30) as http:
            while True:
                answer = await http.get(
                    "/api/v1/swipes",
                    params={"limit": 1000, "after": cursor},
                    headers={"Authorization": f"Bearer {token}"},
                )
                answer.raise_for_status()
                page = answer.json()
                found += [
                    Row(
                        reader=s["reader"],
                        journal=s["journal"],
                        seq=s["seq"],
                        person=known.get(s["person"] or "", s["person"] or ""),
                        session=s["session_uid"] or "",
                        credits=s["credits"],
                        shown=s["shown"],
                        at_ms=s["at_ms"],
                        stored_ms=s["received_ms"],
                    )
                    for s in page["swipes"]
                ]
                if not page["next"]:
                    return found
                cursor = page["next"]

    async def _take_down(self) -> None:
        if self.lodging:
            await self.lodging.close()
        for door in self._doors.values():
            if isinstance(door, BoardDoor):
                await door.close()
        if self._house:
            await self._house.stop()
        for wire in self.wires:
            await wire.close()
        if hasattr(self, "line"):
            await asyncio.to_thread(self.line.stop)
