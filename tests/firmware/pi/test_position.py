"""The receiver's thread on an emulated NMEA receiver, and receivers' own logs: what is said of where the kiosk is."""

import asyncio
import logging
import queue
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.pi import position
from firmware.pi.position import (
    Damaged,
    KioskMoved,
    KioskReturned,
    Lines,
    Position,
    ReceiverFound,
    ReceiverLost,
    sentence,
)
from firmware.reader.fence import Fence, Gga, Rmc, Site, Where
from simulator.gps import Receiver, ReceiverPort
from tests.rules import rule

HOUSE = Site(51.505, -0.115, 100.0)
#: how long anything that must come is waited for, s
PATIENCE_S = 40.0
#: a receiver's second, in ours
PACE = 0.02

RMC = "$GPRMC,120000.00,A,5130.3000,N,00006.9000,W,0.02,,010126,,,A*5C"


class World:
    """An emulated receiver in a thread and loop of its own, and the firmware's thread on it."""

    def __init__(self, folder: Path, site=HOUSE, **settings) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="world")
        self._thread.start()
        self.receiver = Receiver(HOUSE.latitude, HOUSE.longitude)
        self.port = ReceiverPort(self.receiver, folder, pace=PACE)
        self.do(self.port.attach, self._loop)
        self.events: queue.Queue = queue.Queue()
        self.position = Position(self.port.path, Fence(site), self.events.put, **settings)
        self.position.start()

    def do(self, function, *args):
        async def call():
            return function(*args)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(PATIENCE_S)

    def next(self):
        return self.events.get(timeout=PATIENCE_S)

    def until(self, what):
        until_s = time.monotonic() + PATIENCE_S
        while not what(self.position.where()):
            assert time.monotonic() < until_s, self.position.where()
            time.sleep(0.01)

    def close(self) -> None:
        assert self.position.stop(PATIENCE_S)
        self.do(self.port.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.close()


@rule("DDU-12")
def test_a_kiosk_in_its_place_is_found_and_in(world):
    assert world.next() == ReceiverFound()
    world.until(lambda where: where == Where("in", "51.50,-0.12", "good"))


@rule("DDU-12")
def test_a_kiosk_carried_away_and_back_says_both(world):
    world.until(lambda where: where.place == "in")
    assert world.next() == ReceiverFound()
    world.receiver.north_ms = 20.0
    assert world.next() == KioskMoved()
    assert world.position.where().place == "out"
    world.receiver.north_ms = 0.0
    world.receiver.latitude = HOUSE.latitude
    assert world.next() == KioskReturned()


@pytest.mark.parametrize("zeros", [False, True])
def test_without_a_fix_there_is_no_place_and_never_the_island_at_zero(tmp_path, zeros):
    world = World(tmp_path, Site(0.0, 0.0, 1e7))
    try:
        world.receiver.sky.fix, world.receiver.sky.zeros = False, zeros
        assert world.next() == ReceiverFound()
        world.until(lambda where: where.fix == "none")
        time.sleep(10 * PACE)
        assert world.position.where().place == "none"
    finally:
        world.close()


def test_wrong_sums_and_cut_sentences_are_counted_and_the_rest_is_read(world):
    world.receiver.sky.bad_sum = world.receiver.sky.cut = 0.3
    world.until(lambda where: where.place == "in" and world.position.damaged > 5)
    assert world.events.get() == ReceiverFound()
    assert world.events.empty()


def test_jumps_move_no_kiosk(world):
    world.receiver.sky.jump = 0.4
    world.until(lambda where: world.position.jumps > 10)
    assert world.next() == ReceiverFound()
    assert world.events.empty()


def test_a_receiver_that_is_unplugged_is_lost_and_found_again(world):
    assert world.next() == ReceiverFound()
    world.do(world.port.unplug)
    assert world.next() == ReceiverLost(why="port")
    world.do(world.port.plug)
    assert world.next() == ReceiverFound()


def test_a_receiver_that_falls_silent_is_lost_and_so_is_one_that_writes_noise_only(tmp_path):
    world = World(tmp_path, lost_s=0.3)
    try:
        assert world.next() == ReceiverFound()
        world.port.silent = True
        world.do(world.port.write, b"\x00\xff$$$*\r\n" * 20)
        assert world.next() == ReceiverLost(why="silent")
        world.port.silent = False
        assert world.next() == ReceiverFound()
    finally:
        world.close()


def test_a_port_that_is_not_there_is_a_lost_receiver(tmp_path):
    events: queue.Queue = queue.Queue()
    made = Position(str(tmp_path / "none"), Fence(HOUSE), events.put)
    made.start()
    assert events.get(timeout=PATIENCE_S) == ReceiverLost(why="port")
    assert made.where() == Where("none", "-", "lost")
    assert made.stop(PATIENCE_S)


@rule("DDU-12")
def test_nothing_of_a_point_is_logged_or_said(world, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    world.receiver.sky.bad_sum = 0.3
    world.until(lambda where: where.place == "in" and world.position.damaged > 3)
    said = caplog.text + "".join(capfd.readouterr()) + repr(vars(world.position)) + repr(world.events.get())
    for digits in ("51.505", "0.115", "5130.", "00006."):
        assert digits not in said


def test_a_sentence_is_read_whoever_talks():
    said = sentence(RMC)
    assert isinstance(said, Rmc) and said.status == "A"
    assert (said.latitude, said.longitude) == (pytest.approx(51.505), pytest.approx(-0.115))
    told = sentence("$GNGGA,000941.00,4404.13387,N,12118.85628,W,1,12,1.01,1144.8,M,-21.4,M,,*4D")
    assert isinstance(told, Gga) and (told.quality, told.hdop) == (1, 1.01)
    assert sentence("$GNZDA,103607.00,06,03,2021,00,00*7f") is None


def test_an_empty_point_is_none_and_not_zero():
    said = sentence("$GPRMC,,V,,,,,,,,,,N*53")
    assert isinstance(said, Rmc)
    assert (said.status, said.latitude, said.longitude) == ("V", None, None)


@pytest.mark.parametrize(
    "line", ["", "$", "$GPRMC,120000.00,A", RMC[:-1] + "G", RMC.replace("A,5130", "A,51X0"), "$*00"]
)
def test_a_line_that_is_no_sentence_is_damaged_and_its_error_holds_nothing_of_it(line):
    with pytest.raises(Damaged) as caught:
        sentence(line)
    assert str(caught.value) == "" and caught.value.__cause__ is None and caught.value.__suppress_context__


def summed(body):
    total = 0
    for octet in body.encode():
        total ^= octet
    return f"${body}*{total:02X}"


@pytest.mark.parametrize(
    "body",
    [
        "GPRMC,120000.00,A,51X0.30,N,00006.90,W,,,010126,,,A",
        "GPGGA,120000.00,5130.3,N,00006.9,W,one,08,1.1,,,,,,",
        "GPGGA,120000.00,5130.3,N,00006.9,W,1,08,wide,,,,,,",
        "GPGGA",
        "GPRMC",
    ],
)
def test_nonsense_under_a_right_sum_is_damaged(body):
    with pytest.raises(Damaged):
        sentence(summed(body))


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60), st.sampled_from(["GPRMC,", "GPGGA,", ""])
)
def test_whatever_stands_under_a_right_sum_nothing_but_damaged_is_raised(text, head):
    try:
        said = sentence(summed(head + text.replace("*", "")))
    except Damaged:
        said = None
    assert said is None or isinstance(said, Rmc | Gga)


@given(st.binary(max_size=3000), st.integers(1, 400))
def test_any_bytes_give_lines_in_bounded_memory(data, size):
    lines = Lines()
    for at in range(0, len(data), size):
        for line in lines.feed(data[at : at + size]):
            assert line.startswith("$") and len(line) <= position.LINE_MAX
        assert len(lines._held) <= position.LINE_MAX


def test_a_sentence_that_lost_its_end_does_not_take_the_next_one_with_it():
    data = (RMC[:20] + RMC + "\r\n").encode()
    assert Lines().feed(data) == [RMC]
    lines = Lines()
    assert [line for at in range(len(data)) for line in lines.feed(data[at : at + 1])] == [RMC]


#: The logs of real receivers: sentences that are whole, and what a fence at the log's own place comes to.
LOGS = {
    "ublox-8.log": (Site(44.0689, -121.3143, 200.0), "in", "44.06,-121.32"),
    "pygpsdata-nmeabadck.log": (Site(53.4507, -2.2404, 200.0), "none", "-"),
    "pygpsdata-nmea4lc.log": (Site(53.4507, -2.2404, 200.0), "none", "-"),
    "pygpsdata-badeof.log": (Site(53.4507, -2.2404, 200.0), "none", "-"),
    "bu303-nofix.log": (Site(46.4983, 7.5674, 200.0), "none", "-"),
    "bu303b-nofix.log": (Site(46.4983, 7.5674, 200.0), "none", "-"),
    "bu303-moving.log": (Site(46.4983, 7.5674, 200.0), "none", "-"),
    "bu303-stillfix.log": (Site(46.4983, 7.5674, 200.0), "none", "-"),
}


def played(data: bytes, site: Site, size: int = 61):
    """A log's bytes through lines, sentences and a fence: the fence, its changes, sentences read, sentences damaged."""
    told, lines = Fence(site), Lines()
    changes, read, damaged, now_ms = [], 0, 0, 0
    for at in range(0, len(data), size):
        for line in lines.feed(data[at : at + size]):
            try:
                said = sentence(line)
            except Damaged:
                damaged += 1
                continue
            read += 1
            if isinstance(said, Rmc):
                now_ms += 1000
                changes.append(told.rmc(said, now_ms))
            elif isinstance(said, Gga):
                changes.append(told.gga(said, now_ms))
    return told.read(now_ms), [change for change in changes if change], read, damaged


@pytest.mark.parametrize("name", LOGS)
def test_a_real_receivers_log_is_read_and_nothing_is_believed_that_it_did_not_know(shared_data, name):
    # Of the bu303 logs only the results (.chk) are sentences; the logs are binary, and say nothing here.
    path = shared_data / "nmea" / name
    if not path.is_file():
        pytest.skip("needs ../shared/data/nmea, which only the developers' machines have")
    site, place, said_cell = LOGS[name]
    where, changes, read, _ = played(path.read_bytes(), site)
    assert (where.place, where.cell, changes) == (place, said_cell, [])
    assert read > 0 or name.startswith("bu303")


@pytest.mark.parametrize("name", ["bu303-moving.log.chk", "bu303-nofix.log.chk", "bu303-stillfix.log.chk"])
def test_what_others_made_of_those_logs_is_read_as_they_say(shared_data, name):
    path = shared_data / "nmea" / name
    if not path.is_file():
        pytest.skip("needs ../shared/data/nmea, which only the developers' machines have")
    where, changes, read, damaged = played(path.read_bytes(), Site(46.4983, 7.5674, 500.0))
    assert changes == [] and damaged == 0
    assert read > 3
    if "nofix" in name:
        assert (where.place, where.fix) == ("none", "none")


def test_a_real_log_from_elsewhere_says_that_the_kiosk_has_moved(shared_data):
    path = shared_data / "nmea" / "ublox-8.log"
    if not path.is_file():
        pytest.skip("needs ../shared/data/nmea, which only the developers' machines have")
    where, changes, _, _ = played(path.read_bytes(), HOUSE)
    assert (where.place, changes) == ("out", ["moved"])
