"""The emulated receiver: sentences as the standard writes them, and what goes wrong with them."""

import re

import pytest

from simulator.gps import Receiver


def sums(line):
    """The sum that a sentence names, and the one that it has."""
    body, _, told = line.strip()[1:].partition(b"*")
    total = 0
    for octet in body:
        total ^= octet
    return int(told, 16), total


def degrees(field, side, whole):
    """A standard's field (ddmm.mmmm) in degrees."""
    value = int(field[:whole]) + float(field[whole:]) / 60
    return -value if side in ("S", "W") else value


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(51.505, -0.115), (-33.87, 151.21), (0.5, 179.9999), (89.99999, -1.0)]
)
def test_a_fix_is_written_where_it_is_to_a_few_metres_with_right_sums(latitude, longitude):
    receiver = Receiver(latitude, longitude)
    receiver.sky.wander_m = 0.0
    for _ in range(3):
        for line in receiver.next().splitlines():
            told, right = sums(line)
            assert told == right
            fields = line.decode().partition("*")[0].split(",")
            at = fields[3:7] if fields[0] == "$GPRMC" else fields[2:6]
            assert degrees(at[0], at[1], 2) == pytest.approx(latitude, abs=1e-5)
            assert degrees(at[2], at[3], 3) == pytest.approx(longitude, abs=1e-5)
            assert float(at[0][2:]) < 60 and float(at[2][3:]) < 60


def test_both_sentences_of_a_second_have_its_time_and_the_next_second_another():
    receiver = Receiver(51.5, -0.1)
    times = [[line.split(b",")[1] for line in receiver.next().splitlines()] for _ in range(70)]
    assert all(first == second for first, second in times)
    assert len({first for first, _ in times}) == 70
    assert times[59][0] == b"000100.00"


@pytest.mark.parametrize("zeros", [False, True])
def test_without_a_fix_it_says_so_and_writes_nothing_or_zeros(zeros):
    receiver = Receiver(51.5, -0.1)
    receiver.sky.fix, receiver.sky.zeros = False, zeros
    rmc, gga = receiver.next().splitlines()
    assert rmc.split(b",")[2] == b"V" and gga.split(b",")[6] == b"0"
    assert rmc.split(b",")[3] == (b"0000.0000" if zeros else b"")
    assert sums(rmc)[0] == sums(rmc)[1]


def test_wrong_sums_and_lost_ends_come_as_often_as_told_and_one_seed_gives_the_same():
    def broken(seed, **sky):
        receiver = Receiver(51.5, -0.1, seed=seed)
        for name, value in sky.items():
            setattr(receiver.sky, name, value)
        said = b"".join(receiver.next() for _ in range(200))
        whole = re.findall(rb"\$G[^$]*\*[0-9A-F]{2}\r\n", said)
        return sum(sums(line)[0] == sums(line)[1] for line in whole)

    assert broken(1) == 400
    assert 250 < broken(1, bad_sum=0.25) < 350
    assert 250 < broken(1, cut=0.25) < 350
    assert broken(2, cut=0.25) == broken(2, cut=0.25)


def test_a_receiver_that_is_carried_goes_where_it_is_carried():
    receiver = Receiver(51.5, -0.1)
    receiver.move(1_000.0, 0.0)
    assert receiver.latitude == pytest.approx(51.508993, abs=1e-5)
    receiver.east_ms = 10.0
    for _ in range(100):
        receiver.next()
    assert receiver.longitude == pytest.approx(-0.1 + 1_000 / 111_195 / 0.6224, abs=2e-4)
