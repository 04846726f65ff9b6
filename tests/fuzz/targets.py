"""What is fuzzed: each decoder with what it may let out, and true examples to start from.

The modules are imported when a target is prepared, so that atheris can instrument them first.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

#: takes any bytes; raises where the code under test does what it may not
Check = Callable[[bytes], None]

VECTORS = Path(__file__).resolve().parent.parent.parent / "firmware" / "contract" / "vectors.json"


class Target(NamedTuple):
    """One decoder."""

    #: packages whose branches are counted
    instrument: tuple[str, ...]
    #: makes the check and its examples: `module:function`
    prepare: str
    help: str


TARGETS: dict[str, Target] = {
    "statement": Target(("firmware.contract",), "tests.fuzz.contract:a_statement", "a line on the wire"),
    "envelope": Target(("firmware.contract",), "tests.fuzz.contract:an_envelope", "a message with lines"),
    "roster": Target(("firmware.contract",), "tests.fuzz.contract:a_roster", "a roster, with and without its key"),
    "topic": Target(("firmware.contract",), "tests.fuzz.contract:a_topic", "a topic"),
    "settings": Target(
        ("firmware.contract", "firmware.reader"), "tests.fuzz.device:some_settings", "a reader's settings file"
    ),
    "pn532": Target(("firmware.codecs",), "tests.fuzz.device:a_chip", "what the card chip says, in any pieces"),
    "mqtt": Target(("firmware.codecs",), "tests.fuzz.device:a_broker", "what a broker says to a reader, in any pieces"),
    "below": Target(
        ("firmware.contract", "firmware.reader"), "tests.fuzz.device:a_receipt", "receipts and commands at a reader"
    ),
    "sensor": Target(
        ("firmware.codecs",), "tests.fuzz.kiosk:a_sensor", "what the fingerprint sensor says, in any pieces"
    ),
    "receiver": Target(
        ("firmware.reader", "firmware.pi"), "tests.fuzz.kiosk:a_receiver", "what the NMEA receiver says, in any pieces"
    ),
    "kiosk": Target(
        ("firmware.contract", "firmware.reader"), "tests.fuzz.kiosk:some_kiosk_settings", "a kiosk's settings file"
    ),
    "residents": Target(
        ("firmware.contract",), "tests.fuzz.kiosk:a_residents_list", "a residents list, with and without its key"
    ),
    "flash": Target(("firmware.pico",), "tests.fuzz.device:a_flash", "a journal's flash with anything on it"),
    "arrival": Target(("firmware.contract", "gateway"), "tests.fuzz.upstream:an_arrival", "a message at the gateway"),
    "retained": Target(
        ("firmware.contract", "gateway"), "tests.fuzz.upstream:a_retained_roster", "a retained roster at the gateway"
    ),
    "delivery": Target(
        ("firmware.contract", "server.intake"), "tests.fuzz.upstream:a_delivery", "a delivery at the store"
    ),
    "csv": Target(("server.imports",), "tests.fuzz.files:a_csv", "a registrar's CSV"),
    "cards": Target(("server.imports",), "tests.fuzz.files:a_card_list", "a list of cards"),
    "oneroster": Target(("server.imports",), "tests.fuzz.files:a_package", "a OneRoster package"),
    "calendar": Target(("server.imports",), "tests.fuzz.files:a_calendar", "a timetable in iCalendar"),
}


def prepare(name: str) -> tuple[Check, Sequence[bytes]]:
    """The target's check, and true examples. Imports what it checks."""
    module, _, function = TARGETS[name].prepare.partition(":")
    made: tuple[Check, Sequence[bytes]] = getattr(importlib.import_module(module), function)()
    return made


def vectors() -> dict[str, Any]:
    """The contract's vectors, of which examples are made."""
    return json.loads(VECTORS.read_text())
