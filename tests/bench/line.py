"""From a card at a door to the store's commit, at 100 swipes a second through real parts, one process each.

40 light readers (the real reader core, SQLite journal and MQTT link) -> Mosquitto -> gateway -> store. Cards are held to
the doors at a fixed pace that waits for nobody. Two times are taken for each swipe, on this machine's one clock:
`received_ms` of the store's API (its transaction began), and when a receipt that covers it came by at the broker: that
is after the commit and the way back down, so the demand is held against it.
"""

import asyncio
import random
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import httpx
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from firmware.contract import envelope, statement
from simulator import campus_files
from simulator.campus import invent
from simulator.doors import LightHouse
from simulator.line import Line
from simulator.processes import PartFailed
from tests.bench.figure import Figure, quantile
from tests.bench.machine import children, cpu_s, resident_mb
from tests.bench.parts import Missing, mosquitto, postgres

RATE, SECONDS = 100, 30
READERS, STUDENTS = 40, 1200
TAP_TO_STORE_MS = 1000.0
SEED = 7


def sqlite() -> list[Figure]:
    """With the database that comes with it."""
    return _measure("SQLite", None)


def postgresql() -> list[Figure]:
    """With a PostgreSQL that syncs its commits."""
    try:
        with postgres("bench") as cluster:
            return _measure("PostgreSQL", cluster.url("bench"))
    except Missing as error:
        return [Figure(name="PostgreSQL: tap to store", measured=None, note=f"SKIPPED: {error}")]


class Receipts:
    """What the store says it has committed, as it comes by at the broker."""

    def __init__(self, host: str, port: int) -> None:
        #: (reader, journal) -> [(up to, epoch ms)], in order of arrival
        self.seen: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._message
        self._client.connect(host, port)
        self._client.subscribe("muster/v1/+/+/receipt", 1)
        self._client.loop_start()

    def _message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        now_ms = time.time() * 1000
        for line in envelope.unwrap(bytes(message.payload)):
            said = statement.read(line)
            if said.kind == "receipt":
                self.seen[(said.reader, said.values["journal"])].append((said.values["up_to"], now_ms))

    def covered_ms(self, reader: str, journal: str, seq: int) -> float | None:
        """When the first receipt that covers a record came by, epoch ms."""
        return next((at for up_to, at in self.seen[(reader, journal)] if up_to >= seq), None)

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()
        self._client.loop_stop()


def _measure(database: str, url: str | None) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        folder = Path(name)
        with mosquitto(folder) as broker:
            campus = invent(seed=SEED, rooms=READERS, students=STUDENTS, now_ms=time.time_ns() // 1_000_000)
            campus_files.write(campus, folder / "campus")
            readers = {room: room.lower() for room in campus.rooms}
            line = Line(folder, broker_url=broker.url, database_url=url, gateways=1)
            settings = line.provision(campus, folder / "campus", readers, lambda _: None)
            receipts = Receipts(broker.host, broker.port)
            try:
                line.start()
                house = LightHouse(settings, readers, scale=1, log=folder / "light.log")
                cards = [person.uid for person in campus.people.values() if person.uid]
                return asyncio.run(_played(database, line, house, receipts, cards))
            finally:
                receipts.close()
                line.stop()


async def _played(database: str, line: Line, house: LightHouse, receipts: Receipts, cards: list[bytes]) -> list[Figure]:
    await house.start()
    try:
        await _open(house)
        token = await asyncio.to_thread(line.api_token)
        parts = children()
        before = {pid: cpu_s(pid) for pid in parts}
        taps, took_s = await _pace(house, cards)
        busy: dict[str, float] = defaultdict(float)
        for pid, what in parts.items():
            busy[what] += (cpu_s(pid) - before[pid]) / took_s
        rows = await _rows(line.url, token, sum(map(len, taps.values())))
        resident: dict[str, float] = defaultdict(float)
        for pid, what in children().items():
            resident[what] += resident_mb(pid)
        await asyncio.sleep(1)  # the last receipts
    finally:
        await house.stop()
    return _figures(database, taps, rows, receipts, took_s, busy, resident)


async def _open(house: LightHouse, timeout_s: float = 60) -> None:
    """Every lamp is steady blue: clock and list are there."""
    deadline = time.monotonic() + timeout_s
    calm_since = time.monotonic()
    while time.monotonic() - calm_since < 1.0:
        if any(door.lamp.css() != "rgb(0, 0, 255)" for door in house.doors.values()):
            calm_since = time.monotonic()
        if time.monotonic() > deadline:
            raise PartFailed(f"not every door opened within {timeout_s:.0f} s")
        await asyncio.sleep(0.05)


async def _pace(house: LightHouse, cards: list[bytes]) -> tuple[dict[str, list[float]], float]:
    """Hold cards to doors, each at its own moment. Returns reader -> epoch ms of its taps, and how long it took, s."""
    rng = random.Random(SEED)
    names = [door.reader for door in house.doors.values()]
    taps: dict[str, list[float]] = {name: [] for name in names}
    began = time.monotonic()
    for n in range(RATE * SECONDS):
        wait_s = began + n / RATE - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        reader = rng.choice(names)
        taps[reader].append(time.time() * 1000)
        house.tap(reader, rng.choice(cards))
    return taps, time.monotonic() - began


async def _rows(url: str, token: str, wanted: int, patience_s: float = 30) -> list[dict]:
    """Every swipe in the store, once as many are there as cards were held to doors, or patience is at its end."""
    deadline = time.monotonic() + patience_s
    async with httpx.AsyncClient(base_url=url, timeout=30, headers={"Authorization": f"Bearer {token}"}) as http:
        rows: list[dict] = []
        cursor = 0
        while True:
            answer = await http.get("/api/v1/swipes", params={"limit": 1000, "after": cursor})
            answer.raise_for_status()
            page = answer.json()
            rows += page["swipes"]
            cursor = page["next"] or cursor
            if page["next"]:
                continue
            if time.monotonic() > deadline or len(rows) >= wanted:
                return rows
            # From the beginning: what was on the last page comes again.
            await asyncio.sleep(1)
            rows, cursor = [], 0


def _figures(
    database: str, taps: dict[str, list[float]], rows: list[dict], receipts: Receipts, took_s: float,
    busy: dict[str, float], resident: dict[str, float],
) -> list[Figure]:  # fmt: skip
    by_reader: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        by_reader[row["reader"]].append(row)
    begun, receipted = [], []
    for reader, times in taps.items():
        # A reader takes its cards in order, and one journal numbers them: the n-th card is the n-th swipe.
        for at_ms, row in zip(times, sorted(by_reader[reader], key=lambda r: r["seq"]), strict=False):
            begun.append(row["received_ms"] - at_ms)
            covered = receipts.covered_ms(reader, row["journal"], row["seq"])
            if covered is not None:
                receipted.append(covered - at_ms)
    count = sum(map(len, taps.values()))
    offered = f"{count / took_s:.1f} swipes/s offered for {took_s:.0f} s at {READERS} readers"
    cpu = ", ".join(f"{what} {share:.0%}" for what, share in sorted(busy.items(), key=lambda one: -one[1]))
    figures = [
        Figure(name=f"{database}: tap to receipt: p99", measured=quantile(receipted, 99), unit="ms", must=TAP_TO_STORE_MS,
               note=f"committed and known at the broker; p50 {quantile(receipted, 50):.0f} ms, "
                    f"most {max(receipted, default=0):.0f} ms; {offered}"),
        Figure(name=f"{database}: tap to received: p99", measured=quantile(begun, 99), unit="ms", must=TAP_TO_STORE_MS,
               note=f"received_ms of the API; p50 {quantile(begun, 50):.0f} ms, most {max(begun, default=0):.0f} ms"),
        Figure(name=f"{database}: rate offered", measured=count / took_s, unit="/s", must=RATE * 0.98, at_least=True,
               note=f"processors: {cpu}"),
        Figure(name=f"{database}: cards held, swipes not stored", measured=count - len(rows), must=0,
               note=f"{count} held, {len(rows)} stored, {len(receipted)} receipted"),
    ]  # fmt: skip
    return figures + [
        Figure(name=f"{database}: resident: {what}", measured=megabytes, unit="MB", note="PSS after the run")
        for what, megabytes in sorted(resident.items())
    ]
