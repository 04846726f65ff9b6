"""`muster pi run` and `muster pi kiosk`: the reader on a Raspberry Pi, wired together.

    muster pi run --settings settings.json --data /var/lib/muster --chip /dev/ttyAMA0

Logs are lines of JSON on standard error. With --mock-pins the lamp is gpiozero's emulation, and each change of it is a
line of JSON on standard output: {"lamp": [r, g, b], "ms": monotonic milliseconds}.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from gpiozero.exc import GPIOZeroError
from gpiozero.pins.mock import MockFactory, MockPWMPin

from firmware.pi import kiosk_parts, release, selftest
from firmware.pi.board import Board
from firmware.pi.chip import quiet
from firmware.pi.disk import takes_writes
from firmware.pi.journal import SqliteJournal
from firmware.pi.lamp import PINS, Lamp
from firmware.pi.shelf import RosterShelf
from firmware.pi.systemd import Systemd
from firmware.pi.version import FIRMWARE
from firmware.pi.wiring import RELEASES, NoJournal, Storage, Wiring, log, uptime
from firmware.reader import settings as reader_settings
from firmware.reader.errors import SettingsError, StorageFailed
from firmware.reader.reader import Reader

OK, FAILED, USAGE = 0, 1, 2


def main(argv: list[str]) -> int:
    """The command. Returns the exit status: 0 ended by SIGTERM or SIGINT, 1 could not run, 2 called wrongly."""
    parser = argparse.ArgumentParser(prog="muster pi", description="The reader on a Raspberry Pi.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the reader until SIGTERM")
    kiosk = commands.add_parser("kiosk", help="run a residence's kiosk until SIGTERM")
    for each in (run, kiosk):
        each.add_argument("--settings", type=Path, required=True, help="the JSON file that `muster reader add` made")
        each.add_argument("--data", type=Path, required=True, help="folder of the journal and the roster")
        each.add_argument(
            "--chip", required=True, type=_port, help="serial port of the PN532, such as /dev/ttyAMA0 or /dev/ttyUSB0"
        )
        each.add_argument("--mock-pins", action="store_true", help="no GPIO: print the lamp's changes instead")
        each.add_argument("--pins", type=_pins, default=PINS, help="BCM numbers, red,green,blue (default: 17,27,22)")
        each.add_argument("--buzzer", type=int, help="BCM number of a buzzer (default: none)")
    kiosk_parts.add_arguments(kiosk)
    choose = commands.add_parser("choose", help="before each start: let the release that is to run be the current one")
    choose.add_argument("--data", type=Path, required=True, help="folder of the journal and the roster")
    selftest.add_parser(commands)
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as leave:
        return int(leave.code or 0)
    if arguments.command == "choose":
        return _choose(arguments.data)
    if arguments.command == "test":
        return selftest.command(arguments)
    try:
        text = arguments.settings.read_text()
        settings = reader_settings.parse(text)
        fitted = kiosk_parts.fitted(arguments, text) if arguments.command == "kiosk" else None
        scale = float(os.environ.get("MUSTER_UPTIME_SCALE", "1"))
    except (OSError, SettingsError, ValueError) as error:
        print(f"muster pi: {error}", file=sys.stderr)
        return USAGE
    factory = MockFactory(pin_class=MockPWMPin) if arguments.mock_pins else None
    try:
        lamp = Lamp(factory, pins=arguments.pins, buzzer=arguments.buzzer)
    # The pin library that the environment names may be absent, or find no chip.
    except (GPIOZeroError, ImportError, OSError) as error:
        print(f"muster pi: no GPIO ({error}): run it on a Pi with lgpio, or with --mock-pins", file=sys.stderr)
        return FAILED
    quiet()
    try:
        wiring = Wiring(
            settings=settings,
            data=arguments.data,
            chip_path=arguments.chip,
            lamp=lamp,
            factory=factory,
            now_ms=uptime(scale),
            on_light=_print_light if arguments.mock_pins else lambda rgb, now_ms: None,
        )
        asyncio.run(_run(wiring, _board if fitted is None else lambda *parts: kiosk_parts.board(fitted, *parts)))
    finally:
        lamp.close()
    return OK


def _choose(data: Path) -> int:
    try:
        version, on_trial = release.choose(data / RELEASES)
    except OSError as error:
        # What ran before runs again: a door is never given up because of an update.
        print(f"muster pi: the releases are left as they are ({error})", file=sys.stderr)
        return OK
    log("release", version=version, on_trial=on_trial)
    return OK


async def _run(wiring: Wiring, make: Callable[[Wiring, Storage], Board]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    failed_before = False
    while not stop.is_set():
        try:
            storage: Storage = SqliteJournal(wiring.data, uptime_ms=wiring.now_ms)
        except StorageFailed as error:
            # Not an end of the process: the door must show red, and the store must hear why.
            storage = NoJournal(str(error))
        if failed_before:
            storage.alarms.append("journal-failed-before")
        for code in storage.alarms:
            log(code, why=storage.failed)
        try:
            board = make(wiring, storage)
            log("started", reader=wiring.settings.reader, firmware=FIRMWARE, backlog=board.backlog())
            await board.run(stop)
            log("stopped", backlog=board.backlog())
        finally:
            storage.close()
        failed_before = True


def _board(wiring: Wiring, storage: Storage) -> Board:
    """A door's."""
    shelf = RosterShelf(wiring.data)
    reader = Reader(settings=wiring.settings, storage=storage, shelf=shelf, random_bytes=os.urandom, firmware=FIRMWARE)
    return Board(
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


def _print_light(rgb: tuple[int, int, int], now_ms: int) -> None:
    print(json.dumps({"lamp": rgb, "ms": now_ms}), flush=True)


def _port(text: str) -> str:
    # nfcpy's names of USB devices look like ports, and would only ever be a chip that is lost.
    if text.partition(":")[0] == "usb":
        raise argparse.ArgumentTypeError(
            "say a serial port, such as /dev/ttyUSB0: a reader that is a USB device of its own is not driven (docs/cards.md)"
        )
    return text


def _pins(text: str) -> tuple[int, int, int]:
    red, green, blue = (int(part) for part in text.split(","))
    return red, green, blue
