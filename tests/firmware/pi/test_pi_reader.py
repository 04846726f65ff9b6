"""The Pi reader whole: an emulated PN532 on a pseudo-terminal, nfcpy, gpiozero's mock pins, SQLite, a real Mosquitto.

The reader runs in the test's loop, or in a process of its own where it is killed. No light is too slow for a test: how
long a tap takes is measured by `python -m tests.bench light`. How long a light stays is bounded from below only.
"""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time

import pytest

from firmware.pi.board import SLOW_MS
from firmware.pi.journal import SqliteJournal
from firmware.pi.lamp import PINS
from tests.firmware.pi.pi_world import PATIENCE_S, Pi, World
from tests.firmware.pi.tiny_store import LISTED_UID, OTHER_UID, TinyStore, settings

RED, GREEN, BLUE = PINS


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
        # PORT-3: green for 0.7 s from the tap on, dark for 0.1 s, and blue again; nothing red. The append may take up to
        # SLOW_MS of the flash before it begins anew.
        await pi.until(lambda: len(pi.factory.pin(BLUE).states) >= 3)
        green = [(round(s.timestamp, 1), s.state) for s in pi.factory.pin(GREEN).states][-2:]
        assert [state for _, state in green] == [1.0, 0.0]
        assert pi.factory.pin(GREEN).states[-1].timestamp > 0.7 - SLOW_MS / 1000 - 0.05
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
        assert pi.factory.pin(RED).states[-1].timestamp > 0.9 - SLOW_MS / 1000 - 0.05
    assert store.bad == []
    await asyncio.to_thread(store.wait, lambda s: b"offline" in s.statuses[-1])


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
        assert after.timestamp > 0.5


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
        await pi.until(lambda: pi.reader.taps)
        assert pi.reader.taps == {"green": 1}


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
        await asyncio.to_thread(store.wait, lambda s: s.swipes())
        await pi.until(lambda: pi.reader.journal.backlog() == 0)
    assert store.bad == []


async def test_a_message_of_any_bytes_does_not_end_the_link(mosquitto, start_store, world, tmp_path):
    store = start_store()
    store.push_roster()
    async with Pi(mosquitto.port, tmp_path, world.port.path) as pi:
        await pi.open()
        for kind in ("roster", "receipt", "command"):
            for payload in (b"", b"\xff\xfe", b'{"v": 1, "lines": ["1|receipt|a-101|1|x"]}', bytes(70_000)):
                store._client.publish(f"muster/v1/main/a-101/{kind}", payload, qos=1).wait_for_publish(PATIENCE_S)
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

    def until(self, what, timeout_s=PATIENCE_S):
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
        status = self._process.wait(PATIENCE_S)
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
        store.wait(lambda s: len([w for w in s.swipes() if w.values["verdict"] == "green"]) == greens)
        store.give_receipts()
        pi.until(lambda p: any('"started"' in line for line in p.log))
        store.wait(lambda s: b"offline" in b"".join(s.statuses))  # the last will of the killed
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
