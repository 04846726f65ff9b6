"""The pins: `pins.csv`, one row for each wire or plug of a board, and what the devices at their ends bear.

Everything drawn here begins with these rows; tests/hardware compares them with the pins that the firmware uses.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
#: What is made by `python -m hardware` and `make hardware`.
MADE = HERE / "made"
#: Each board, the reader that is built around it, and the chip whose pins it brings out.
READERS = {"pico-w": "door", "pi-4": "kiosk"}
NAMES = {"pico-w": "Raspberry Pi Pico W", "pi-4": "Raspberry Pi 4 B"}
CHIPS = {"pico-w": "RP2040", "pi-4": "BCM2711"}
#: What a board's pin is called where it is not a GPIO.
RAILS = {"3V3": 3.3, "5V": 5.0, "GND": 0.0}


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One wire (or plug) between a board and a device."""

    #: `pico-w` or `pi-4`
    board: str
    #: the firmware's name of it, where it has one
    signal: str
    #: what the chip's pin does: `I2C0 SDA`, `PWM`, `GPIO`, or a rail: `3V3`, `5V`, `GND`; `USB` and `HDMI` are plugs
    function: str
    #: GPIO or BCM number; None for rails and plugs
    gpio: int | None
    #: number on the board's header, or the socket's name
    pin: str
    #: volts on it
    voltage: float
    #: seen from the board: in, out, both, power, ground
    direction: str
    device: str
    device_pin: str
    #: the net at the device, where a part of the carrier stands between
    device_net: str
    colour: str
    note: str

    @property
    def plug(self) -> bool:
        """Whether it is a bought cable with plugs, and no wire on the carrier."""
        return not self.pin.isdigit()

    @property
    def net(self) -> str:
        """The net at the board's pin: a rail has one name, however many pins it comes out at."""
        return self.function if self.function in RAILS else self.signal


@dataclass(frozen=True, kw_only=True)
class DevicePin:
    """One pin of a device and the volts it bears (a power pin: needs)."""

    device: str
    pin: str
    #: power, ground, in, out, both, plug; seen from the device
    kind: str
    low_v: float
    high_v: float
    source: str


def rows(name: str) -> list[dict[str, str]]:
    """The rows of one of this folder's CSV files."""
    with (HERE / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pins(board: str | None = None) -> list[Pin]:
    """The rows of `pins.csv`, of one board or of all."""
    found = [
        Pin(
            **{key: row[key] for key in row if key not in ("gpio", "voltage")},
            gpio=int(row["gpio"]) if row["gpio"] else None,
            voltage=float(row["voltage"]),
        )
        for row in rows("pins.csv")
    ]
    return [pin for pin in found if board in (None, pin.board)]


def device_pins() -> dict[tuple[str, str], DevicePin]:
    """The rows of `devices.csv` by device and pin."""
    return {
        (row["device"], row["pin"]): DevicePin(
            **{key: row[key] for key in ("device", "pin", "kind", "source")},
            low_v=float(row["low_v"]),
            high_v=float(row["high_v"]),
        )
        for row in rows("devices.csv")
    }


def devices(wires: list[Pin]) -> list[str]:
    """The devices at the ends of these wires, in their order."""
    return list(dict.fromkeys(pin.device for pin in wires))
