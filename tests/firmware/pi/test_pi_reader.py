"""The Pi reader whole: an emulated PN532 on a pseudo-terminal, nfcpy, gpiozero's mock pins, SQLite, a real Mosquitto.

The world (chip and cards) stands in a thread and loop of its own, as it would outside; the reader in the test's, or in
a process of its own where it is killed.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

from firmware.pi.board import Board
from firmware.pi.journal import SqliteJournal
from firmware.pi.lamp import PINS, Lamp
from firmware.pi.main import FIRMWARE, uptime
from firmware.pi.shelf import RosterShelf
from firmware.reader import settings as reader_settings
from firmware.reader.reader import Reader
from simulator.pn532 import Pn532
from simulator.pn532_hsu import HsuPort
from tests.firmware.pi.tiny_store import LISTED_UID, OTHER_UID, TinyStore, settings

RED, GREEN, BLUE = PINS
TAPS = 100


class World:
    """The chip and its cards, on a loop in a thread of its own; every call is carried out there."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="world")
        self._thread.start()
        self.chip = Pn532(clock=self._loop.time)
        self.port = HsuPort(self.chip)
        self._do(self.port.attach, self._loop)

    def _do(self, function, *args):
        async def call():
            return function(*args)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(5)

    def card_in(self, uid):
        return self._do(self.chip.card_in, uid)

    def card_out(self):
        self._do(self.chip.card_out)

    def silence(self):
        self._do(self.chip.silence)

    def revive(self):
        self._do(self.chip.revive)

    def close(self):
        self._do(self.port.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def world():
    world = World()
    yield world
    world.close()


@pytest.fixture
def start_store(mosquitto):
    stores = []

    def start(**more) -> TinyStore:
        stores.append(TinyStore(mosquitto.port, **more))
        return stores[-1]

    yield start
    for store in stores:
        store.close()


class Pi:
    """The reader in this process, with its pins to look at."""

    def __init__(self, port: int, folder, chip_path: str, scale: float = 1.0, journal=SqliteJournal) -> None:
        self.factory = MockFactory(pin_class=MockPWMPin)
        self.lamp = Lamp(self.factory, buzzer=23)
        self.now_ms = uptime(scale)
        self.storage = journal(folder, uptime_ms=self.now_ms)
        shelf = RosterShelf(folder)
        self.reader = Reader(
            settings=reader_settings.parse(json.dumps(settings(port))),
            storage=self.storage,
            shelf=shelf,
            random_bytes=os.urandom,
            firmware=FIRMWARE,
        )
        #: (colour, time.monotonic() when it was set)
        self.lights = []
        self.events = []
        self.board = Board(
            reader=self.reader,
            storage=self.storage,
            shelf_alarms=shelf.alarms,
            lamp=self.lamp,
            chip_path=chip_path,
            now_ms=self.now_ms,
            log=lambda event, **fields: self.events.append(event),
            on_light=lambda rgb, now_ms: self.lights.append((rgb, time.monotonic())),
        )
        self._stop = asyncio.Event()

    async def __aenter__(self):
        self._task = asyncio.create_task(self.board.run(self._stop))
        return self

    async def __aexit__(self, *error):
        self._stop.set()
        await asyncio.wait_for(self._task, 10)
        self.storage.close()
        self.lamp.close()

    async def until(self, what, timeout_s=8.0):
        deadline = time.monotonic() + timeout_s
        while not what():
            assert time.monotonic() < deadline, (self.events, self.lights[-5:])
            assert not self._task.done(), self._task.result()
            await asyncio.sleep(0.005)

    async def open(self):
        """Until the lamp says that marking is open: chip, link, time and roster are all there."""
        reader = self.reader
        await self.until(lambda: reader.uplink.able == "ok" and reader.clock.pairing and reader.door.roster)
        # The light that waits breathes up to this blue as well: seen at the next tick.
        await asyncio.sleep(0.25)
        await self.until(lambda: self.lights and self.lights[-1][0] == (0, 0, 255))


async def test_a_card_becomes_a_green_light_and_a_line_that_the_store_believes(
    mosquitto, start_store, world, tmp_path, record_property
):
    store = start_store()
    store.push_roster()
    async with Pi(mosquitto.port, tmp_path, world.port.path) as pi:
        await pi.open()
        for pin in PINS:
            pi.factory.pin(pin).clear_states()
        pi.factory.pin(23).clear_states()
        await asyncio.to_thread(world.card_in, LISTED_UID)
        await pi.until(lambda: pi.reader.taps == {"green": 1})
        # PORT-3: green for 0.7 s, dark for 0.1 s, and blue again; nothing red.
        await pi.until(lambda: len(pi.factory.pin(BLUE).states) >= 3)
        green = [(round(s.timestamp, 1), s.state) for s in pi.factory.pin(GREEN).states][-2:]
        assert [state for _, state in green] == [1.0, 0.0]
        assert 0.65 < pi.factory.pin(GREEN).states[-1].timestamp < 0.9
        assert all(s.state == 0 for s in pi.factory.pin(RED).states)
        assert [s.state for s in pi.factory.pin(23).states] == [0.0, 1.0, 0.0]  # one short beep
        await asyncio.to_thread(store.wait, lambda s: s.swipes())
        swipe = store.swipes()[0]
        assert (swipe.values["verdict"], swipe.values["session"], swipe.values["clock"]) == ("green", 17, "sync")
        await pi.until(lambda: pi.reader.journal.backlog() == 0)
        held = pi.storage.journals()
        assert [(h.freed, h.head) for h in held] == [(1, 1)]
        # PORT-4: not on the list is one long red, and is evidence all the same.
        await asyncio.to_thread(world.card_out)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(world.card_in, OTHER_UID)
        await pi.until(lambda: pi.factory.pin(RED).states[-1].state == 1.0)
        await asyncio.to_thread(store.wait, lambda s: len(s.swipes()) == 2)
        await pi.until(lambda: pi.factory.pin(RED).states[-1].state == 0.0)
        assert 0.8 < pi.factory.pin(RED).states[-1].timestamp < 1.1
    assert store.bad == []
    await asyncio.to_thread(store.wait, lambda s: b"offline" in s.statuses[-1])


async def test_tap_to_light_is_at_most_40_ms_in_the_middle(
    mosquitto, start_store, world, tmp_path, rng, record_property
):
    """Both percentiles are printed. The bound on the 99th is wide, because other tests run on these cores too: on a
    quiet machine it is 60 ms, and the middle is what a slower reader would move."""
    store = start_store()
    uids = [bytes([4, n, 1, 2, 3, 4, 5]) for n in range(TAPS)]
    store.push_roster(uids)
    # Flashes ten times as short, so that each is seen to begin; what is measured is real time.
    async with Pi(mosquitto.port, tmp_path, world.port.path, scale=10) as pi:
        await pi.open()
        took_ms = sorted([await tap_to_light_ms(pi, world, uid, rng) for uid in uids])
        p50, p99 = took_ms[TAPS // 2], took_ms[int(TAPS * 0.99) - 1]
        print(f"tap to light, the chip's own time left out: p50 {p50:.1f} ms, p99 {p99:.1f} ms over {TAPS} taps")
        record_property("tap_to_light_ms", {"p50": round(p50, 1), "p99": round(p99, 1), "taps": TAPS})
        assert p50 <= 40
        assert p99 <= 250
        assert set(pi.reader.taps) == {"green"}


async def tap_to_light_ms(pi, world, uid, rng) -> float:
    """One tap on a quiet door: from the card in the field to the green on the pins, less the chip's own time."""
    await pi.until(lambda: pi.lights[-1][0] == (0, 0, 255))
    await asyncio.sleep(rng.uniform(0, 0.03))  # not in step with the chip's searches
    before, taps = len(pi.lights), sum(pi.reader.taps.values())
    shown = await asyncio.to_thread(world.card_in, uid)
    await pi.until(lambda: sum(pi.reader.taps.values()) == taps + 1)
    await asyncio.to_thread(world.card_out)
    set_s = next(at_s for colour, at_s in pi.lights[before:] if colour == (0, 255, 0))
    return 1000 * (set_s - shown.in_at_s - shown.chip_s)


class SlowJournal(SqliteJournal):
    """As on a card that stalls: a sync that takes longer than the green flash lasts."""

    def append(self, journal, seq, text, mac):
        super().append(journal, seq, text, mac)
        if seq:
            time.sleep(0.9)


async def test_green_is_seen_in_full_after_a_sync_that_takes_longer_than_the_flash(
    mosquitto, start_store, world, tmp_path
):
    start_store().push_roster()
    async with Pi(mosquitto.port, tmp_path, world.port.path, journal=SlowJournal) as pi:
        await pi.open()
        pi.factory.pin(GREEN).clear_states()
        await asyncio.to_thread(world.card_in, LISTED_UID)
        await pi.until(lambda: len(pi.factory.pin(GREEN).states) == 3)
        dark, green, after = pi.factory.pin(GREEN).states
        assert (dark.state, green.state, after.state) == (0.0, 1.0, 0.0)
        assert green.timestamp >= 0.9  # not before it was kept
        assert 0.6 < after.timestamp < 1.2


async def test_a_chip_that_goes_silent_pulses_red_and_comes_back(mosquitto, start_store, world, tmp_path):
    store = start_store()
    store.push_roster()
    async with Pi(mosquitto.port, tmp_path, world.port.path) as pi:
        await pi.open()
        await asyncio.to_thread(world.silence)
        await pi.until(lambda: "chip-lost" in pi.events)
        await pi.until(lambda: pi.lights[-1][0] == (255, 0, 0))
        await asyncio.to_thread(store.wait, lambda s: any(h.values["able"] == "chip" for h in s.heads))
        await asyncio.to_thread(world.revive)
        await pi.open()
        await asyncio.to_thread(world.card_in, LISTED_UID)
        await pi.until(lambda: pi.reader.taps == {"green": 1})


async def test_the_reader_goes_on_without_a_broker_and_catches_up(mosquitto, start_store, world, tmp_path):
    store = start_store()
    store.push_roster()
    # Fast, because where the reader is back before the store is, the broker takes its records for nobody and forgets
    # them: then only the offer after 30 s brings them.
    async with Pi(mosquitto.port, tmp_path, world.port.path, scale=20) as pi:
        await pi.open()
        mosquitto.kill()
        await pi.until(lambda: "link-down" in pi.events)
        await asyncio.to_thread(world.card_in, LISTED_UID)
        await pi.until(lambda: pi.reader.taps == {"green": 1})
        mosquitto.start()
        await asyncio.to_thread(store.wait, lambda s: s.swipes(), 20)
        await pi.until(lambda: pi.reader.journal.backlog() == 0, 10)
    assert store.bad == []


async def test_a_message_of_any_bytes_does_not_end_the_link(mosquitto, start_store, world, tmp_path):
    store = start_store()
    store.push_roster()
    async with Pi(mosquitto.port, tmp_path, world.port.path) as pi:
        await pi.open()
        for kind in ("roster", "receipt", "command"):
            for payload in (b"", b"\xff\xfe", b'{"v": 1, "lines": ["1|receipt|a-101|1|x"]}', bytes(70_000)):
                store._client.publish(f"muster/v1/main/a-101/{kind}", payload, qos=1).wait_for_publish(5)
        await asyncio.to_thread(world.card_in, LISTED_UID)
        await asyncio.to_thread(store.wait, lambda s: s.swipes())
        await pi.until(lambda: pi.reader.journal.backlog() == 0)
        assert sum(pi.reader.health(pi.now_ms())["refused"].values()) >= 11
        assert pi.board._link.unhandled == 0
        assert pi.events.count("link-up") == 1


class Process:
    """`muster pi run` in a process of its own, with its lamp on standard output."""

    def __init__(self, repo, folder, port: int, chip_path: str) -> None:
        path = folder / "settings.json"
        path.write_text(json.dumps(settings(port)))
        command = [sys.executable, str(repo / "muster.py"), "pi", "run", "--settings", str(path)]
        command += ["--data", str(folder / "data"), "--chip", chip_path, "--mock-pins"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lights = []
        self.log = []
        self._last_s = time.monotonic()
        self._threads = [
            threading.Thread(target=self._read, args=(self._process.stdout, self.lights)),
            threading.Thread(target=self._read, args=(self._process.stderr, self.log)),
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, stream, into):
        with stream:
            for line in stream:
                into.append(line)
                self._last_s = time.monotonic()

    def until(self, what, timeout_s=10.0):
        deadline = time.monotonic() + timeout_s
        while not what(self):
            assert time.monotonic() < deadline, (self.log, self.lights[-5:])
            time.sleep(0.005)

    def is_open(self) -> bool:
        """Steady blue: the light that waits breathes up to it, but does not stay."""
        quiet = self.lights and time.monotonic() - self._last_s > 0.3
        return bool(quiet) and json.loads(self.lights[-1])["lamp"] == [0, 0, 255]

    def greens(self) -> int:
        return sum(json.loads(line)["lamp"] == [0, 255, 0] for line in self.lights)

    def end(self, how: signal.Signals) -> int:
        self._process.send_signal(how)
        status = self._process.wait(10)
        for thread in self._threads:
            thread.join()
        return status


def test_killed_at_its_first_greens_it_loses_none_and_names_its_predecessor(
    repo, mosquitto, start_store, world, tmp_path
):
    store = start_store(receipts=False)
    uids = [bytes([4, n, 1, 2, 3, 4, 5]) for n in range(6)]
    store.push_roster(uids)
    greens = 0
    store.wait(lambda s: s.subscribed == 1)
    for run in range(3):
        pi = Process(repo, tmp_path, mosquitto.port, world.port.path)
        try:
            pi.until(Process.is_open)
            for n in (0, 1):
                if run == 2 and n == 0:
                    mosquitto.stop()  # so these two are nowhere but in the journal
                world.card_in(uids[2 * run + n])
                pi.until(lambda p, n=n: p.greens() == n + 1)
                if n == 0:
                    world.card_out()
                    pi.until(Process.is_open)
            greens += pi.greens()
        finally:
            # In the very moment of the second green: it may not have left the reader yet.
            status = pi.end(signal.SIGKILL)
        world.card_out()
        assert status == -signal.SIGKILL
    assert greens == 6
    assert len(store.swipes()) <= 4
    mosquitto.start()
    store.wait(lambda s: s.subscribed == 2)
    pi = Process(repo, tmp_path, mosquitto.port, world.port.path)
    try:
        store.receipts = True
        store.wait(lambda s: len([w for w in s.swipes() if w.values["verdict"] == "green"]) == greens, 20)
        store.give_receipts()
        pi.until(lambda p: any('"started"' in line for line in p.log))
        store.wait(lambda s: b"offline" in b"".join(s.statuses), 20)  # the last will of the killed
    finally:
        status = pi.end(signal.SIGTERM)
    assert status == 0
    assert store.bad == []
    opens = [s.values for s in store.records.values() if s.kind == "open"]
    assert len(opens) == 3
    heads = {j: max(s for k, s in store.records if k == j) for j, _ in store.records}
    named = {o["before"]: o["before_seq"] for o in opens}
    assert sum(o["before"] is None for o in opens) == 1
    assert all(heads[before] == seq for before, seq in named.items() if before is not None)
    assert not any("04" in line and "uid" in line.lower() for line in pi.log), "no card numbers in the log"
