"""The PN532 driver on an emulated chip's I2C bus, in virtual time: what test_chip.py and test_chip_faults.py share."""

from firmware.pico.chip import CardArrived, Chip, ChipReady
from simulator.pn532 import Pn532
from simulator.pn532_i2c import I2cPort

ANNE = bytes.fromhex("b0864d25")
BEN = bytes.fromhex("047bcb51962280")
CLEO = bytes.fromhex("10112233445566778899")


class LoopbackI2C:
    """machine.I2C's two methods over the emulated bus; counts what one poll does."""

    def __init__(self, port):
        self.port = port
        self.transactions = 0
        self.longest = 0

    def writeto(self, addr, buf):
        self._count(buf)
        if not self.port.write(addr, bytes(buf)):
            raise OSError(5)
        return len(buf)

    def readfrom_into(self, addr, buf):
        self._count(buf)
        data = self.port.read(addr, len(buf))
        if data is None:
            raise OSError(5)
        buf[:] = data

    def _count(self, buf):
        self.transactions += 1
        self.longest = max(self.longest, len(buf))


class Door:
    """An emulated chip, the driver, and virtual milliseconds between them."""

    def __init__(self, every_ms=5, make=lambda i2c: Chip(i2c)):
        self.now_ms = 0.0
        self.every_ms = every_ms
        self.world = Pn532(clock=lambda: self.now_ms / 1000)
        self.port = I2cPort(self.world)
        self.i2c = LoopbackI2C(self.port)
        self.chip = make(self.i2c)
        self.log = []

    def run(self, ms):
        """Poll for *ms*; the events of that time."""
        end, events = self.now_ms + ms, []
        while self.now_ms < end:
            before = self.i2c.transactions
            event = self.chip.poll(int(self.now_ms))
            assert self.i2c.transactions - before <= 1
            if event is not None:
                events.append(event)
                self.log.append((self.now_ms, event))
            self.now_ms += self.every_ms
        return events

    def until(self, kind, ms=20_000):
        """Poll until an event of *kind* comes; how long that took, ms."""
        start = self.now_ms
        while self.now_ms < start + ms:
            if any(isinstance(event, kind) for event in self.run(self.every_ms)):
                return self.now_ms - self.every_ms - start
        raise AssertionError(f"no {kind.__name__} within {ms} ms")


def ready_door(every_ms):
    """A door whose chip has been found and is searching."""
    door = Door(every_ms=every_ms)
    assert [type(event) for event in door.run(400)] == [ChipReady]
    return door


def arrivals(events):
    return [event.uid for event in events if isinstance(event, CardArrived)]
