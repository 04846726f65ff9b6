"""Nothing but two modules talks to the fingerprint sensor, and a command that carries a template stands nowhere (DDU-12)."""

import ast

import pytest

from tests.rules import rule

CODEC, PACKETS = "firmware.codecs.fingerprint", "firmware.codecs.fingerprint_packets"
#: Who may import the codec: the line to the sensor, and what asks over it.
SPEAKERS = {"firmware/pi/finger.py", "firmware/pi/finger_line.py"}
#: Who may import those: the thread that owns the sensor. (finger also for its values: outcomes, steps.)
LINE, FINGER = "firmware.pi.finger_line", "firmware.pi.finger"
#: UpChar, DownChar, UpImage, DownImage.
CARRIERS = {0x08, 0x09, 0x0A, 0x0B}


def importers(modules, imports_of, wanted):
    """The files outside tests that import this module, or a name of its package by its last word."""
    package, _, last = wanted.rpartition(".")
    found = set()
    for name, tree in modules.items():
        if name.startswith("tests/"):
            continue
        if any(module == wanted or module.startswith(f"{wanted}.") for module, _ in imports_of(tree)):
            found.add(name)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == package:
                found |= {name for alias in node.names if alias.name in (last, "*")}
    return found


@rule("DDU-12")
def test_only_the_line_and_what_asks_over_it_import_the_sensors_codec(modules, imports_of):
    assert importers(modules, imports_of, CODEC) == SPEAKERS
    assert importers(modules, imports_of, PACKETS) == {"firmware/codecs/fingerprint.py", "firmware/pi/finger_line.py"}


def test_only_the_sensors_thread_and_the_codecs_own_module_open_the_line(modules, imports_of):
    assert importers(modules, imports_of, LINE) == {"firmware/pi/finger.py", "firmware/pi/sensor.py"}
    makers = {
        name
        for name, tree in modules.items()
        for node in ast.walk(tree)
        if not name.startswith("tests/")
        and isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Finger"
        and FINGER in {module for module, _ in imports_of(tree)}
    }
    assert makers == {"firmware/pi/sensor.py"}


def packet_starts(tree):
    """The lines where a module writes the two bytes with which a packet of the sensor's begins."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes) and node.value.startswith(b"\xef\x01")
    ]


def test_only_the_codec_and_the_emulated_sensor_know_the_bytes_of_a_packet(modules):
    found = {name for name, tree in modules.items() if not name.startswith("tests/") and packet_starts(tree)}
    assert found == {"firmware/codecs/fingerprint_packets.py", "simulator/r30x_frames.py"}


def test_serial_ports_of_the_kiosk_are_opened_in_their_places_only(modules, imports_of):
    found = {
        name
        for name, tree in modules.items()
        if name.startswith("firmware/") and any(module == "serial" for module, _ in imports_of(tree))
    }
    # And a technician's machine opens the port of a board.
    assert found == {"firmware/pi/finger_line.py", "firmware/pi/position.py", "firmware/provision/port.py"}


@rule("DDU-12")
def test_no_command_of_the_codec_is_one_that_carries_a_template(modules):
    named = {
        node.targets[0].id: node.value
        for node in modules["firmware/codecs/fingerprint.py"].body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    codes = {named[key.id].value for key in named["COMMANDS"].keys}
    assert len(codes) == 11 and not codes & CARRIERS


@pytest.mark.parametrize(
    "text",
    [
        "import firmware.codecs.fingerprint",
        "from firmware.codecs import fingerprint as c",
        "from firmware.codecs import *",
    ],
)
def test_the_search_for_importers_finds_each_way_to_import(text, imports_of):
    assert importers({"gateway/x.py": ast.parse(text)}, imports_of, CODEC) == {"gateway/x.py"}


def test_the_search_for_packets_finds_them():
    assert packet_starts(ast.parse(r"port.write(b'\xef\x01\xff')"))
