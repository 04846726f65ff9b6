"""The tunnel of a board's bus and lights: its requests whole, byte by byte and with a tail, and its cost."""

import asyncio
import os
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.pn532 import Pn532
from simulator.pn532_i2c import I2cPort
from simulator.pn532_tunnel import MAX_TRANSFER, STALE_S, Tunnel

ACK = bytes.fromhex("0000ff00ff00")
VERSION = bytes.fromhex("0000ff02fed4022a00")


def write(data, address=0x24):
    return b"W" + bytes((address,)) + len(data).to_bytes(2, "big") + data


def read(length, address=0x24):
    return b"R" + bytes((address,)) + length.to_bytes(2, "big")


class Line:
    """A tunnel whose bytes are handed in, and whose replies are read at the board's end; virtual time."""

    def __init__(self):
        self.now = 10.0
        self.chip = Pn532(clock=lambda: self.now)
        self.chip.wake()
        self.now += 1
        self.pins = []
        self.tunnel = Tunnel(I2cPort(self.chip), on_pin=lambda *what: self.pins.append(what), clock=lambda: self.now)
        self._board = os.open(self.tunnel.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def say(self, *parts):
        said = b""
        for part in parts:
            self.tunnel.feed(part)
            self.now += 0.001
            said += self.heard()
        return said

    def heard(self):
        try:
            return os.read(self._board, 65536)
        except BlockingIOError:
            return b""

    def close(self):
        os.close(self._board)
        self.tunnel.close()


@pytest.fixture
def line():
    line = Line()
    yield line
    line.close()


CASES = {
    "a write": (write(VERSION), b"A"),
    "a write to nobody": (write(VERSION, 0x25), b"N"),
    "an empty write": (write(b""), b"A"),
    "a read when nothing is ready": (read(7), b"A" + bytes(7)),
    "a read from nobody": (read(7, 0x25), b"N"),
    "the longest read": (read(MAX_TRANSFER), b"A" + bytes(MAX_TRANSFER)),
    "a longer read": (read(MAX_TRANSFER + 1), b"N"),
    "a longer write": (write(bytes(MAX_TRANSFER + 1)), b"N"),
    "lights before a read": (b"P\x10\x7f\xff" + b"G\x19\x01" + read(1), b"A\x00"),
    "junk before a read": (b"\x00xyz" + read(1), b"A\x00"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_request_whole_byte_by_byte_and_with_a_tail(name, line):
    request, reply = CASES[name]
    assert line.say(request) == reply
    line.chip.receive(ACK)
    assert line.say(*(request[i : i + 1] for i in range(len(request)))) == reply
    line.chip.receive(ACK)
    assert line.say(request + b"R\x24\x00") == reply
    assert line.say(b"\x01") in (b"A\x00", b"A\x01")


def test_lights_are_told_with_pin_value_and_time(line):
    line.say(b"P\x10\x7f\xff", b"G\xff\x01")
    assert line.pins == [("pwm", 16, 0x7FFF, 11.0), ("gpio", 255, 1, 11.001)]


def test_a_command_and_its_ack_and_answer_pass(line):
    assert line.say(write(VERSION)) == b"A"
    assert line.say(read(7)) == b"A\x01" + ACK
    assert line.say(read(14)) == b"A\x01" + bytes.fromhex("0000ff06fad50332010607e800")


def test_a_request_that_stopped_half_way_is_forgotten(line):
    line.say(write(VERSION)[:6])
    line.now += STALE_S + 0.1
    assert line.say(read(1)) == b"A\x00"
    assert line.tunnel.skipped == 6


def test_a_restarted_board_finds_a_clean_line(line):
    line.tunnel.feed(read(7) + b"W\x24")
    line.tunnel.restart()
    assert line.heard() == b""
    assert line.say(read(1)) == b"A\x00"


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_any_bytes_are_served_or_skipped(parts):
    line = Line()
    try:
        line.say(*parts)
        line.now += STALE_S + 0.1
        assert line.say(read(1)) in (b"A\x00", b"A\x01")
    finally:
        line.close()


BOARDS = """
import os, sys, time
fds = [os.open(path, os.O_RDWR | os.O_NOCTTY) for path in sys.argv[2:]]
end, next_round, late, rounds = time.monotonic() + float(sys.argv[1]), time.monotonic(), 0.0, 0
while next_round < end:
    pause = next_round - time.monotonic()
    if pause > 0: time.sleep(pause)
    for fd in fds: os.write(fd, b"R\\x24\\x00\\x1a")
    for fd in fds:
        have = 0
        while have < 27: have += len(os.read(fd, 27 - have))
    rounds += 1
    next_round += 0.01
print(rounds)
"""


async def test_forty_boards_polled_at_once_are_each_answered_every_time():
    chips = [Pn532(clock=time.monotonic) for _ in range(40)]
    for chip in chips:
        chip.wake()
        # Each searches an empty field, as a door does most of the day.
    tunnels = [Tunnel(I2cPort(chip)) for chip in chips]
    try:
        await asyncio.sleep(0.01)
        for chip in chips:
            chip.receive(bytes.fromhex("0000ff05fbd4140100001700"))
            await asyncio.sleep(0.001)
            assert chip.take() == ACK
            await asyncio.sleep(0.001)
            assert chip.take() is not None
            chip.receive(bytes.fromhex("0000ff04fcd44a0100e100"))
        for tunnel in tunnels:
            tunnel.attach()
        used, began = time.process_time(), time.monotonic()
        boards = await asyncio.create_subprocess_exec(
            sys.executable, "-c", BOARDS, "2.0", *(tunnel.path for tunnel in tunnels), stdout=asyncio.subprocess.PIPE
        )
        rounds = int((await boards.communicate())[0])
        share = (time.process_time() - used) / (time.monotonic() - began)
        served = sum(tunnel.transactions for tunnel in tunnels)
        print(f"40 boards: {served} transactions in {rounds} rounds, {share:.0%} of a core")
        assert served == 40 * rounds
    finally:
        for tunnel in tunnels:
            tunnel.close()
