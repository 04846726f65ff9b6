"""Pins: what is soldered is what the firmware drives, both ways, and the chips offer what is asked of them."""

import ast
import re
from dataclasses import replace

import pytest

from hardware import netlist
from hardware.pins import READERS, Pin, device_pins, pins
from hardware.wiring import COLOURS


@pytest.fixture(scope="module")
def pico_board(repo) -> ast.Module:
    """firmware/pico/board.py, parsed: it imports what only a board has."""
    return ast.parse((repo / "firmware/pico/board.py").read_text())


def constant(tree: ast.Module, name: str):
    """The value of a module's constant."""
    values = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]
    ]
    return ast.literal_eval(values[0])


@pytest.fixture(scope="module")
def unit(repo) -> str:
    """The kiosk's service: the options that say which port and pin is which."""
    return (repo / "packaging/systemd/muster-kiosk.service").read_text().replace("\\\n", " ")


def wires(board: str) -> dict[str, Pin]:
    return {pin.signal: pin for pin in pins(board)}


def test_every_pin_of_the_picos_firmware_is_wired_and_no_other(pico_board):
    wired = {name: pin.gpio for name, pin in wires("pico-w").items() if pin.gpio is not None}
    assert wired == dict(constant(pico_board, "PINS"))


def test_the_picos_bus_is_the_one_that_the_firmware_opens(pico_board):
    numbers = [
        ast.literal_eval(node.args[0])
        for node in ast.walk(pico_board)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "machine.I2C"
    ]
    found = wires("pico-w")
    assert [f"I2C{number} SDA" for number in numbers] == [found["pn532-sda"].function]
    assert [f"I2C{number} SCL" for number in numbers] == [found["pn532-scl"].function]


def test_the_picos_buzzer_is_said_to_be_left_out_as_long_as_nothing_drives_it(pico_board):
    uses = [node for node in ast.walk(pico_board) if isinstance(node, ast.Constant) and node.value == "buzzer"]
    driven = len(uses) > 1  # once in PINS
    assert driven != ("does not drive it" in wires("pico-w")["buzzer"].note)


def test_the_lamp_of_the_pi_hangs_on_the_pins_that_the_firmware_has_by_default(repo):
    lamp = constant(ast.parse((repo / "firmware/pi/lamp.py").read_text()), "PINS")
    found = wires("pi-4")
    assert tuple(found[f"light-{colour}"].gpio for colour in ("red", "green", "blue")) == lamp


@pytest.mark.parametrize(("option", "signal"), [("lid", "lid"), ("buzzer", "buzzer")])
def test_a_pin_that_the_kiosks_service_names_is_wired(unit, option, signal):
    assert re.findall(rf"--{option} (\d+)", unit) == [str(wires("pi-4")[signal].gpio)]


@pytest.mark.parametrize(
    ("option", "signals"), [("chip", ("pn532-tx", "pn532-rx")), ("sensor", ("sensor-tx", "sensor-rx"))]
)
def test_a_port_that_the_kiosks_service_names_is_wired(unit, option, signals):
    (number,) = re.findall(rf"--{option} /dev/ttyAMA(\d)", unit)
    found = wires("pi-4")
    assert [found[signal].function for signal in signals] == [f"UART{number} TX", f"UART{number} RX"]


def test_the_receivers_port_is_the_one_that_the_firmware_gives_as_its_example(repo):
    (number,) = re.findall(r"--gps /dev/ttyAMA(\d)", (repo / "firmware/pi/kiosk_parts.py").read_text())
    assert wires("pi-4")["receiver-rx"].function == f"UART{number} RX"


def test_nothing_else_of_the_pi_is_wired(repo):
    # The ports' TX and RX, the lamp's three pins, and the two pins that are options.
    options = re.findall(r'add_argument\("--([a-z]+)"', (repo / "firmware/pi/kiosk_parts.py").read_text())
    assert options == ["sensor", "keypad", "display", "gps", "lid"]
    wired = {name for name, pin in wires("pi-4").items() if pin.gpio is not None}
    ports = {"pn532-tx", "pn532-rx", "sensor-tx", "sensor-rx", "receiver-rx"}
    assert wired == ports | {"light-red", "light-green", "light-blue", "buzzer", "lid"}


def test_the_install_guides_wiring_is_that_of_the_pins(repo):
    guide = (repo / "docs/install.md").read_text()
    found = wires("pi-4")
    for colour in ("red", "green", "blue"):
        pin = found[f"light-{colour}"]
        assert f"| {colour} | GPIO {pin.gpio}, pin {pin.pin} |" in guide
    for text, signal in (("3V3", "pn532-power"), ("TXD", "pn532-tx"), ("RXD", "pn532-rx")):
        assert f"{text}, pin {found[signal].pin} |" in guide
    assert f"| GND | pin {found['pn532-ground'].pin} |" in guide
    assert f"| ground | pin {found['light-ground'].pin} |" in guide


@pytest.mark.parametrize("board", READERS)
def test_nothing_is_wrong_with_a_boards_wires_and_carrier(board):
    assert netlist.faults(board, pins(board), netlist.carrier(board)) == []


@pytest.mark.parametrize("board", READERS)
def test_every_wire_has_a_colour_that_a_person_can_buy_and_plugs_have_none(board):
    assert all((pin.colour in COLOURS) != pin.plug for pin in pins(board))


def test_no_pin_of_a_device_is_described_that_nothing_meets():
    assert set(device_pins()) == {(pin.device, pin.device_pin) for pin in pins()}


@pytest.mark.parametrize(
    ("board", "signal", "change", "says"),
    [
        ("pico-w", "pn532-sda", {"gpio": 6, "pin": "9"}, "RP2040 has no I2C0 SDA at GPIO 6"),
        ("pico-w", "pn532-sda", {"gpio": 8}, "pin 6 of the board is GPIO4, not GPIO8"),
        ("pico-w", "light-red", {"gpio": 17, "pin": "22"}, "GPIO 17 is used twice"),
        ("pico-w", "pn532-power", {"function": "5V", "pin": "40"}, "5V is not 3.3 V"),
        ("pi-4", "sensor-tx", {"gpio": 6, "pin": "31"}, "BCM2711 has no UART3 TX at GPIO 6"),
        ("pi-4", "sensor-rx", {"device_pin": "RXD"}, "in at the board meets in at fingerprint sensor"),
        ("pi-4", "sensor-power", {"voltage": 3.3, "function": "3V3", "pin": "17"}, "bears 4.2 to 6.0 V"),
        ("pi-4", "buzzer", {"device_net": ""}, "may put 5.0 V on a GPIO"),
        ("pi-4", "lid", {"device_pin": "NC"}, "devices.csv does not know lid switch NC"),
    ],
)
def test_a_wire_that_is_wrong_is_found(board, signal, change, says):
    wrong = [replace(pin, **change) if pin.signal == signal else pin for pin in pins(board)]
    assert any(says in fault for fault in netlist.faults(board, wrong, netlist.carrier(board)))
