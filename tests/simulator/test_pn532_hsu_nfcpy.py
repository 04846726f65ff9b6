"""Unmodified nfcpy 1.0.4 against the emulated chip on a pseudo-terminal: the chip's behaviour, judged from outside."""

import asyncio
import os
import threading
import time

import pytest

from simulator.pn532 import Pn532
from simulator.pn532_card import Card
from simulator.pn532_hsu import HsuPort

pytest.importorskip("nfc", reason="nfcpy is not installed (make setup)")
import nfc
import nfc.clf.pn532
import nfc.clf.transport

CLASSIC = bytes.fromhex("b0864d25")
ULTRALIGHT = bytes.fromhex("047bcb51962280")


class World:
    """The chip on its line, served by a loop in a thread of its own (nfcpy blocks this one)."""

    def __init__(self, **settings):
        self.loop = asyncio.new_event_loop()
        self.chip = Pn532(clock=self.loop.time)
        self.port = HsuPort(self.chip, **settings)
        self.port.attach(self.loop)
        self._thread = threading.Thread(target=self.loop.run_forever, name="pn532")
        self._thread.start()

    def do(self, call, *arguments, **named):
        """Call something of the chip's in its loop."""
        done, result = threading.Event(), []
        self.loop.call_soon_threadsafe(lambda: (result.append(call(*arguments, **named)), done.set()))
        assert done.wait(5)
        return result[0]

    def close(self):
        self.do(self.port.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


def opened(world):
    """A frontend on the line; its path cannot be written as nfcpy wants it (/dev/pts), so the device is handed in."""
    clf = nfc.ContactlessFrontend()
    clf.device = nfc.clf.pn532.init(nfc.clf.transport.TTY(world.port.path))
    clf.device._path = world.port.path
    return clf


@pytest.fixture
def world():
    world = World(check_baud=True)
    yield world
    world.close()


@pytest.fixture
def clf(world):
    clf = opened(world)
    yield clf
    clf.close()


def sensed(clf):
    target = clf.sense(nfc.clf.RemoteTarget("106A"))
    return None if target is None else bytes(target.sdd_res)


def test_nfcpy_opens_the_chip_and_changes_its_speed(world, clf):
    assert "PN532v1.6" in str(clf.device)
    assert world.chip.baud == 921600


def test_nfcpy_senses_none_a_4_byte_and_a_7_byte_card_and_their_swap(world, clf):
    assert sensed(clf) is None
    world.do(world.chip.card_in, CLASSIC)
    assert sensed(clf) == CLASSIC
    assert sensed(clf) == CLASSIC
    world.do(world.chip.card_out)
    world.do(world.chip.card_in, ULTRALIGHT)
    time.sleep(0.005)
    assert sensed(clf) == ULTRALIGHT
    world.do(world.chip.card_out)
    assert sensed(clf) is None


def test_nfcpy_reads_a_type_2_tag_and_activates_a_type_4_card(world, clf):
    memory = bytes.fromhex("047bcb3c51962280652b0000e1100600") + bytes(48)
    world.do(world.chip.card_in, Card(uid=ULTRALIGHT, memory=memory))
    time.sleep(0.005)
    tag = nfc.tag.activate(clf, clf.sense(nfc.clf.RemoteTarget("106A")))
    assert tag.type == "Type2Tag"
    assert tag.read(0) == memory[:16]
    world.do(world.chip.card_out)
    world.do(world.chip.card_in, Card(uid=CLASSIC, sel_res=0x20, ats=bytes.fromhex("067577810280")))
    time.sleep(0.005)
    tag = nfc.tag.activate(clf, clf.sense(nfc.clf.RemoteTarget("106A")))
    assert (tag.type, bytes(tag.identifier)) == ("Type4Tag", CLASSIC)


def test_nfcpy_finds_no_card_of_the_other_types(world, clf):
    world.do(world.chip.card_in, CLASSIC)
    assert clf.sense(nfc.clf.RemoteTarget("106B"), nfc.clf.RemoteTarget("212F")) is None


@pytest.mark.parametrize("fault", ["drop_ack", "drop_answer", "corrupt", "truncate"])
def test_nfcpy_sees_each_fault_as_an_error_and_the_next_sense_recovers(world, clf, fault):
    world.do(world.chip.card_in, CLASSIC)
    assert sensed(clf) == CLASSIC
    world.do(world.chip.inject, fault, command=0x4A)
    with pytest.raises(OSError):  # noqa: PT011 - EIO or ETIMEDOUT, by fault
        sensed(clf)
    assert sensed(clf) == CLASSIC


def test_nfcpy_is_told_no_card_when_a_sense_is_lost_with_its_ack_but_answered(world, clf):
    world.do(world.chip.card_in, CLASSIC)
    world.do(world.chip.inject, "lost_ack", command=0x4A)
    assert sensed(clf) == CLASSIC


def test_a_silent_chip_is_an_error_and_is_found_again_when_opened_anew(world):
    clf = opened(world)
    world.do(world.chip.silence)
    with pytest.raises(OSError):  # noqa: PT011
        sensed(clf)
    clf.device = None
    world.do(world.chip.revive)
    clf = opened(world)
    world.do(world.chip.card_in, CLASSIC)
    assert sensed(clf) == CLASSIC
    clf.close()


def test_after_an_orderly_close_the_chip_sleeps_at_115200_and_opens_again(world):
    for _ in range(2):
        clf = opened(world)
        clf.close()
        assert world.chip.baud == 115200


def test_a_host_that_was_killed_leaves_the_chip_at_its_speed_and_nfcpy_cannot_open_it(world):
    """Why the Pi reader must power-cycle the chip or keep it at 115,200: nfcpy tries no other speed."""
    opened(world).device = None
    with pytest.raises(OSError):  # noqa: PT011
        opened(world)
    assert world.port.wrong_speed
    world.do(world.chip.revive)
    opened(world).close()


def test_a_card_that_lies_there_is_sensed_again_and_again(world, clf):
    world.do(world.chip.card_in, CLASSIC)
    assert [sensed(clf) for _ in range(20)] == [CLASSIC] * 20


def test_closing_leaves_no_descriptor_behind():
    before = set(os.listdir("/proc/self/fd"))
    world = World()
    world.close()
    assert set(os.listdir("/proc/self/fd")) <= before
