"""`machine` for the MicroPython unix port: a Pico's bus and pins, tunnelled to the simulator.

First in MICROPYPATH this stands before the built-in module, so that the firmware runs unchanged. What goes over the
pseudo-terminal named by MUSTER_BOARD_PTY is defined in `simulator/pn532_tunnel.py`; without that variable there is no
bus (every transaction fails as on a board with nothing soldered to it) and pins change silently.
"""

import os
import select
import struct
import termios
import time

from umachine import *  # noqa: F403

#: A reply that takes longer than this means that the simulator is gone.
_REPLY_MS = 2000
_EIO = 5
_ETIMEDOUT = 110
_ENODEV = 19


class _Line:
    """This board's end of the pseudo-terminal."""

    def __init__(self, path):
        self._file = open(path, "r+b", 0)  # noqa: SIM115 - open as long as the board runs
        termios.setraw(self._file.fileno())
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)
        while self._poll.poll(0):  # what a board before this one left unread
            if not self._file.read(256):
                break

    def send(self, data):
        self._file.write(data)

    def receive_into(self, view):
        have = 0
        while have < len(view):
            if not self._poll.poll(_REPLY_MS):
                raise OSError(_ETIMEDOUT)
            got = self._file.readinto(view[have:])
            if not got:
                raise OSError(_EIO)
            have += got


_path = os.getenv("MUSTER_BOARD_PTY")
_line = _Line(_path) if _path else None
_mark = bytearray(1)
_mark_view = memoryview(_mark)


class I2C:
    """A bus master whose transactions the simulator answers. NAK raises OSError(EIO), as on the rp2 port."""

    def __init__(self, id=0, *, scl=None, sda=None, freq=400000, timeout=50000):
        self.id = id

    def _ask(self, op, addr, length, data=b""):
        if _line is None:
            raise OSError(_ENODEV)
        _line.send(struct.pack(">BBH", op, addr, length) + data)
        _line.receive_into(_mark_view)
        if _mark != b"A":
            raise OSError(_EIO)

    def writeto(self, addr, buf, stop=True):
        """Write *buf*; how many bytes were acknowledged."""
        self._ask(0x57, addr, len(buf), bytes(buf))
        return len(buf)

    def readfrom_into(self, addr, buf, stop=True):
        """Fill *buf* from *addr*."""
        self._ask(0x52, addr, len(buf))
        _line.receive_into(memoryview(buf))

    def readfrom(self, addr, nbytes, stop=True):
        """Read *nbytes* from *addr*."""
        buf = bytearray(nbytes)
        self.readfrom_into(addr, buf)
        return bytes(buf)

    def scan(self):
        """Addresses that acknowledge."""
        found = []
        for addr in range(0x08, 0x78):
            try:
                self.writeto(addr, b"")
                found.append(addr)
            except OSError:
                pass
        return found


SoftI2C = I2C


def _pin_number(pin):
    return pin.number if isinstance(pin, Pin) else pin


class Pin:
    """A GPIO; an output's changes are told to the simulator."""

    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    ALT = 3
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_RISING = 8
    IRQ_FALLING = 4

    def __init__(self, id, mode=-1, pull=-1, *, value=None, alt=-1):
        # A Pico W's LED has a name and no number; on the line it is pin 255.
        self.number = 255 if id == "LED" else _pin_number(id)
        self._value = None
        if value is not None:
            self.value(value)

    def init(self, mode=-1, pull=-1, *, value=None, alt=-1):
        """As on the board."""
        if value is not None:
            self.value(value)

    def value(self, x=None):
        """Read, or set and tell."""
        if x is None:
            return self._value or 0
        x = 1 if x else 0
        if x != self._value:
            self._value = x
            if _line is not None:
                _line.send(struct.pack(">BBB", 0x47, self.number, x))

    def __call__(self, x=None):
        return self.value(x)

    def on(self):
        """High."""
        self.value(1)

    def off(self):
        """Low."""
        self.value(0)

    def toggle(self):
        """The other."""
        self.value(not self._value)

    def irq(self, handler=None, trigger=0, **kwargs):
        """No interrupts come over the line."""


class PWM:
    """A PWM output; a changed duty is told to the simulator."""

    def __init__(self, dest, *, freq=1000, duty_u16=None, duty_ns=None, invert=False):
        self.number = _pin_number(dest)
        self._freq = freq
        self._duty = None
        if duty_u16 is not None:
            self.duty_u16(duty_u16)

    def init(self, *, freq=None, duty_u16=None, duty_ns=None, invert=False):
        """As on the board."""
        if freq is not None:
            self._freq = freq
        if duty_u16 is not None:
            self.duty_u16(duty_u16)

    def freq(self, value=None):
        """Hz."""
        if value is None:
            return self._freq
        self._freq = value

    def duty_u16(self, value=None):
        """0..65535."""
        if value is None:
            return self._duty or 0
        value = max(0, min(65535, value))
        if value != self._duty:
            self._duty = value
            if _line is not None:
                _line.send(struct.pack(">BBH", 0x50, self.number, value))

    def deinit(self):
        """Off."""
        self.duty_u16(0)


class WDT:
    """A watchdog that does not bite: the runner sees a board that hangs by its silence."""

    def __init__(self, id=0, timeout=5000):
        self.timeout = timeout

    def feed(self):
        """Nothing to do."""


class RTC:
    """The board's clock. Where MUSTER_CLOCK names a file, this process's time is off by the seconds that stand in it (a
    library put before the C library reads it: tests/firmware/pico/clock.c); else setting it changes nothing.
    """

    def datetime(self, now):
        """Set: (year, month, day, weekday, hour, minute, second, subseconds), UTC."""
        path = os.getenv("MUSTER_CLOCK")
        if path:
            with open(path) as file:
                off = int(file.read())
            wanted = time.mktime((now[0], now[1], now[2], now[4], now[5], now[6], 0, 0))
            off += int(wanted) - int(time.time())
            with open(path, "w") as file:
                file.write("%d" % off)


class Timer:
    """A timer that never comes: the runner's boards are looked after by the tests."""

    ONE_SHOT = 0

    def __init__(self, *, mode=ONE_SHOT, period=0, callback=None):
        self.period = period


def unique_id():
    """Eight bytes: MUSTER_BOARD_ID in hex, or zeroes."""
    return bytes.fromhex(os.getenv("MUSTER_BOARD_ID") or "0000000000000000")


#: As on the rp2 port.
PWRON_RESET = 1
WDT_RESET = 3


def reset_cause():
    """Every start of the process is a power-on."""
    return PWRON_RESET


def reset():
    """The process ends, status 0; the runner starts it again."""
    raise SystemExit(0)


def freq(hz=None):
    """The RP2040's usual clock, Hz."""
    return 125_000_000
