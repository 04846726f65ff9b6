"""`muster pi kiosk`: what a kiosk has beyond a reader, from the command line and the settings to its board.

    muster pi kiosk --settings settings.json --data /var/lib/muster --chip /dev/ttyAMA0 --sensor /dev/ttyAMA3 \\
        --keypad /dev/input/event0 --display /dev/tty1 --gps /dev/ttyAMA5 --lid 24 --buzzer 23

With --mock-pins each change of the display is a line of JSON on standard output as well: {"screen": [rows], "ms": …}.
"""

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass

from gpiozero import DigitalInputDevice
from gpiozero.pins import Factory

from firmware.contract import residents
from firmware.pi.disk import takes_writes
from firmware.pi.display import Display, words
from firmware.pi.finger import Expected
from firmware.pi.finger_ledger import FingerLedger
from firmware.pi.kiosk import KioskBoard
from firmware.pi.position import Position
from firmware.pi.sensor import Sensor
from firmware.pi.shelf import RosterShelf
from firmware.pi.systemd import Systemd
from firmware.pi.version import FIRMWARE
from firmware.pi.wiring import Storage, Wiring, log
from firmware.reader import kiosk_settings
from firmware.reader.errors import ReaderError
from firmware.reader.fence import Fence, Where
from firmware.reader.kiosk import Kiosk
from firmware.reader.kiosk_reader import KioskReader
from firmware.reader.kiosk_settings import KioskSettings


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What this kiosk is fitted with."""

    settings: KioskSettings
    #: serial port of the fingerprint sensor
    sensor: str
    #: input device of the keypad
    keypad: str
    #: the text console
    display: str
    #: serial port of the receiver, or None
    gps: str | None
    #: BCM number of the lid's switch, which is closed to ground while the lid is, or None
    lid: int | None
    on_screen: Callable[[list[str], int], None]


class LidSwitch:
    """The switch under the lid, by gpiozero: closed to ground while the lid is closed."""

    def __init__(self, pin: int, factory: Factory | None) -> None:
        self._device = DigitalInputDevice(pin, pull_up=True, pin_factory=factory)

    def is_open(self) -> bool:
        """Now."""
        return not self._device.is_active

    def close(self) -> None:
        """Give the pin back."""
        self._device.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `muster pi kiosk` beyond those of `muster pi run`."""
    parser.add_argument("--sensor", required=True, help="serial port of the fingerprint sensor, such as /dev/ttyAMA3")
    parser.add_argument("--keypad", required=True, help="input device of the keypad, such as /dev/input/event0")
    parser.add_argument("--display", required=True, help="text console of 20 columns and 4 rows, such as /dev/tty1")
    parser.add_argument("--gps", help="serial port of an NMEA receiver (default: none; the registered place holds)")
    parser.add_argument("--lid", type=int, help="BCM number of the switch under the lid (default: none)")


def fitted(arguments: argparse.Namespace, text: str) -> Fitted:
    """The options and the settings file's text as one. Raises SettingsError."""
    settings = kiosk_settings.parse(text)
    words(settings.language)  # a kiosk that could say nothing is not started
    return Fitted(
        settings=settings,
        sensor=arguments.sensor,
        keypad=arguments.keypad,
        display=arguments.display,
        gps=arguments.gps,
        lid=arguments.lid,
        on_screen=_print_screen if arguments.mock_pins else lambda rows, now_ms: None,
    )


def board(kiosk: Fitted, wiring: Wiring, storage: Storage) -> KioskBoard:
    """The kiosk's board around this storage; made anew whenever the storage is."""
    shelf = RosterShelf(wiring.data, residents.decode, former=False)
    ledger = FingerLedger(wiring.data)
    for code in ledger.alarms:
        log(code, why=ledger.failed)
    reader = KioskReader(
        settings=wiring.settings, storage=storage, shelf=shelf, random_bytes=os.urandom, firmware=FIRMWARE
    )
    own = kiosk.settings.site
    fence = Fence(reader.house.site(own), fitted=kiosk.gps is not None, was=_was(ledger))
    positions: list[Position] = []

    def where() -> Where:
        return positions[0].where() if positions else fence.read(wiring.now_ms())

    def register() -> None:
        (positions[0] if positions else fence).register(reader.house.site(own))

    reader.on_list = register

    def make_position(report: Callable) -> Position | None:
        if kiosk.gps is not None:
            positions.append(Position(kiosk.gps, fence, report))
        return positions[0] if positions else None

    expected = Expected(capacity=kiosk.settings.capacity)
    return KioskBoard(
        kiosk=Kiosk(reader=reader, ledger=ledger, pin_key=kiosk.settings.pin_key, where=where),
        ledger=ledger,
        make_sensor=lambda report: Sensor(kiosk.sensor, report, password=kiosk.settings.password, expected=expected),
        make_position=make_position,
        display=Display(kiosk.display, kiosk.settings.language),
        keypad_path=kiosk.keypad,
        lid=LidSwitch(kiosk.lid, wiring.factory) if kiosk.lid is not None else None,
        on_screen=kiosk.on_screen,
        reader=reader,
        storage=storage,
        shelf_alarms=shelf.alarms,
        lamp=wiring.lamp,
        chip_path=wiring.chip_path,
        now_ms=wiring.now_ms,
        log=log,
        on_light=wiring.on_light,
        systemd=Systemd(),
        disk_well=lambda: takes_writes(wiring.data),
        updates=wiring.updates(),
    )


def _was(ledger: FingerLedger) -> str | None:
    """Where it stood when it was switched off, so that coming back is noticed."""
    try:
        return "out" if ledger.said("place") == "moved" else None
    except ReaderError:
        return None


def _print_screen(rows: list[str], now_ms: int) -> None:
    print(json.dumps({"screen": rows, "ms": now_ms}), flush=True)
