"""`muster pi run`: the reader on a Raspberry Pi, wired together.

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
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from gpiozero.exc import GPIOZeroError
from gpiozero.pins.mock import MockFactory, MockPWMPin

from firmware.contract.statement import Held
from firmware.pi.board import Board
from firmware.pi.chip import quiet
from firmware.pi.disk import takes_writes
from firmware.pi.journal import SqliteJournal
from firmware.pi.lamp import PINS, Lamp
from firmware.pi.shelf import RosterShelf
from firmware.pi.systemd import Systemd
from firmware.reader import settings as reader_settings
from firmware.reader.errors import SettingsError, StorageFailed
from firmware.reader.reader import Reader

FIRMWARE = "pi-0.1.0"
OK, FAILED, USAGE = 0, 1, 2


class NoJournal:
    """Stands in where the journal cannot be opened: every swipe is refused, and the lamp and the store are told."""

    def __init__(self, why: str) -> None:
        self.alarms = ["journal-not-open"]
        self._why = why

    @property
    def failed(self) -> str:
        """Why it cannot be opened."""
        return self._why

    def journals(self) -> list[Held]:
        """None."""
        return []

    def append(self, journal: str, seq: int, text: str, mac: bytes) -> NoReturn:
        """Raises StorageFailed."""
        raise StorageFailed(self._why)

    def read(self, journal: str, first: int, limit: int) -> list[str]:
        """Nothing."""
        return []

    def free(self, journal: str, up_to: int) -> None:
        """Nothing to free."""

    def unfree(self, journal: str, first: int) -> None:
        """Nothing to keep."""

    def room(self) -> int:
        """None."""
        return 0

    def idle(self) -> bool:
        """Nothing to do."""
        return False

    def close(self) -> None:
        """Nothing to close."""


def uptime(scale: float) -> Callable[[], int]:
    """Monotonic milliseconds, going `scale` times as fast from now on (1 on a real reader; more in simulations)."""
    began_ns = time.monotonic_ns()
    return lambda: int(began_ns + (time.monotonic_ns() - began_ns) * scale) // 1_000_000


def main(argv: list[str]) -> int:
    """The command. Returns the exit status: 0 ended by SIGTERM or SIGINT, 1 could not run, 2 called wrongly."""
    parser = argparse.ArgumentParser(prog="muster pi", description="The reader on a Raspberry Pi.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the reader until SIGTERM")
    run.add_argument("--settings", type=Path, required=True, help="the JSON file that `muster reader add` made")
    run.add_argument("--data", type=Path, required=True, help="folder of the journal and the roster")
    run.add_argument("--chip", required=True, help="serial port of the PN532, such as /dev/ttyAMA0")
    run.add_argument("--mock-pins", action="store_true", help="no GPIO: print the lamp's changes instead")
    run.add_argument("--pins", type=_pins, default=PINS, help="BCM numbers, red,green,blue (default: 17,27,22)")
    run.add_argument("--buzzer", type=int, help="BCM number of a buzzer (default: none)")
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as leave:
        return int(leave.code or 0)
    try:
        settings = reader_settings.parse(arguments.settings.read_text())
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
        asyncio.run(
            _run(
                settings,
                data=arguments.data,
                chip_path=arguments.chip,
                lamp=lamp,
                now_ms=uptime(scale),
                on_light=_print_light if arguments.mock_pins else lambda rgb, now_ms: None,
            )
        )
    finally:
        lamp.close()
    return OK


async def _run(
    settings: reader_settings.Settings,
    *,
    data: Path,
    chip_path: str,
    lamp: Lamp,
    now_ms: Callable[[], int],
    on_light: Callable[[tuple[int, int, int], int], None],
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    failed_before = False
    while not stop.is_set():
        try:
            storage: SqliteJournal | NoJournal = SqliteJournal(data, uptime_ms=now_ms)
        except StorageFailed as error:
            # Not an end of the process: the door must show red, and the store must hear why.
            storage = NoJournal(str(error))
        if failed_before:
            storage.alarms.append("journal-failed-before")
        shelf = RosterShelf(data)
        for code in storage.alarms:
            log(code, why=storage.failed)
        try:
            reader = Reader(settings=settings, storage=storage, shelf=shelf, random_bytes=os.urandom, firmware=FIRMWARE)
            board = Board(
                reader=reader,
                storage=storage,
                shelf_alarms=shelf.alarms,
                lamp=lamp,
                chip_path=chip_path,
                now_ms=now_ms,
                log=log,
                on_light=on_light,
                systemd=Systemd(),
                disk_well=lambda: takes_writes(data),
            )
            log("started", reader=settings.reader, firmware=FIRMWARE, backlog=reader.journal.backlog())
            await board.run(stop)
            log("stopped", backlog=reader.journal.backlog())
        finally:
            storage.close()
        failed_before = True


def log(event: str, **fields: object) -> None:
    """One event with its fields, as a line of JSON on standard error."""
    print(json.dumps({"event": event, **fields}), file=sys.stderr, flush=True)


def _print_light(rgb: tuple[int, int, int], now_ms: int) -> None:
    print(json.dumps({"lamp": rgb, "ms": now_ms}), flush=True)


def _pins(text: str) -> tuple[int, int, int]:
    red, green, blue = (int(part) for part in text.split(","))
    return red, green, blue
