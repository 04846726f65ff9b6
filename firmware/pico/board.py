"""The Pico W as it is wired: pins, bus, lights, flash, Wi-Fi, watchdog. The only importer of machine, network and rp2.

On the unix port the simulator puts modules of these names before the built-in ones, and this file runs unchanged.
"""

import os
import time

import machine
import network
import rp2

#: (what, GPIO number). The only place where a pin's number stands.
PINS = (
    ("pn532-sda", 4),
    ("pn532-scl", 5),
    ("buzzer", 15),
    ("light-red", 16),
    ("light-green", 17),
    ("light-blue", 18),
)
I2C_HZ = 400_000
LIGHT_HZ = 1000
WATCHDOG_MS = 8000
#: The 848 KB of flash behind the firmware: a littlefs for code, settings and roster, then the journal's ring.
FILES_BYTES = 344 * 1024
JOURNAL_BYTES = 504 * 1024


class Board:
    """One Pico W. Make it once; everything that runs on it is handed this object."""

    #: where settings and roster stand
    folder = "/"

    def __init__(self):
        pins = dict(PINS)
        self.i2c = machine.I2C(0, sda=machine.Pin(pins["pn532-sda"]), scl=machine.Pin(pins["pn532-scl"]), freq=I2C_HZ)
        self._lights = []
        for name in ("light-red", "light-green", "light-blue"):
            self._lights.append(machine.PWM(machine.Pin(pins[name]), freq=LIGHT_HZ, duty_u16=0))
        self._colour = (0, 0, 0)
        self._watchdog = None
        self._last_ticks = time.ticks_ms()
        self._uptime_ms = 0

    def rgb(self, colour: tuple) -> None:
        """Set the lamp: (red, green, blue), 0 to 255 each. Costs nothing where nothing changes."""
        if colour != self._colour:
            self._colour = colour
            for i in range(3):
                # Squared: half the number looks about half as bright.
                self._lights[i].duty_u16(colour[i] * colour[i] * 65535 // 65025)

    def uptime_ms(self) -> int:
        """Milliseconds since boot. Goes on where ticks_ms wraps (12 days); ask at least every 6 days."""
        now = time.ticks_ms()
        self._uptime_ms += time.ticks_diff(now, self._last_ticks)
        self._last_ticks = now
        return self._uptime_ms

    def ticks_ms(self):
        """The counter that wraps, for ticks_diff."""
        return time.ticks_ms()

    def ticks_diff(self, later: int, earlier: int) -> int:
        """Milliseconds between two `ticks_ms`."""
        return time.ticks_diff(later, earlier)

    def random_bytes(self, count: int) -> bytes:
        """From the board's own noise, not from a seed."""
        return os.urandom(count)

    def random(self) -> float:
        """0 to 1, for jitter."""
        return int.from_bytes(os.urandom(2), "big") / 65536

    def journal_flash(self):
        """The block device of the journal's ring."""
        return rp2.Flash(start=FILES_BYTES, len=JOURNAL_BYTES)

    def settings_text(self) -> str:
        """The settings file. Raises OSError where there is none."""
        with open(self.folder + "settings.json") as file:
            return file.read()

    def wifi(self, credentials):
        """The radio, for `Link`. credentials: {"ssid", "password"}, or None for no Wi-Fi."""
        return Wifi(credentials) if credentials else None

    def watch(self) -> None:
        """Start the watchdog: from now on `feed` at least every 8 s, or the board restarts."""
        self._watchdog = machine.WDT(timeout=WATCHDOG_MS)

    def feed(self) -> None:
        """All is well."""
        if self._watchdog is not None:
            self._watchdog.feed()

    def not_before(self, epoch_s: int) -> None:
        """No clock of this board is earlier than this from now on. Only TLS looks at it, for certificates' dates."""
        if int(time.time()) < epoch_s:
            year, month, day, hour, minute, second, weekday, _ = time.gmtime(epoch_s)[:8]
            machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))

    def reset(self) -> None:
        """Restart the board. Does not return."""
        machine.reset()

    def reset_cause(self) -> int:
        """How this boot came about, a number of `machine`'s."""
        return machine.reset_cause()

    def unique_id(self) -> str:
        """The board's own number, in hex: for the log."""
        return machine.unique_id().hex()


class Wifi:
    """The radio. `start` may be called again when it did not come up; it begins from the beginning."""

    def __init__(self, credentials: dict):
        self._ssid = credentials["ssid"]
        self._password = credentials["password"]
        self._wlan = network.WLAN(network.STA_IF)

    def connected(self) -> bool:
        """Whether the radio is joined and has an address."""
        return self._wlan.isconnected()

    def start(self) -> None:
        """Join. Returns at once."""
        # Off and on: after a long absence the chip sometimes stays in a state from which connect() does nothing.
        self._wlan.active(False)
        self._wlan.active(True)
        # Power saving makes answers wait up to 100 ms for the next beacon; a door reader is on mains.
        self._wlan.config(pm=0xA11140)
        self._wlan.connect(self._ssid, self._password)

    def signal(self) -> "int | None":
        """How strong the access point is heard, dBm; None where the radio does not say."""
        try:
            heard = self._wlan.status("rssi")
        except (OSError, ValueError):
            return None
        return heard if heard < 0 else None
