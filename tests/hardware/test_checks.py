"""The technician's scripts light the lights one by one, on the firmware's pins."""

import os
import re
import subprocess
import sys

from hardware import checks
from hardware.pins import MADE, pins

#: A Pico's `machine`, as far as the script asks for it: what is done to a pin is a line on standard output.
MACHINE = """
def Pin(number):
    return number

class PWM:
    def __init__(self, pin, freq, duty_u16):
        self.pin = pin
        self.duty_u16(duty_u16)

    def duty_u16(self, duty):
        print(f"PWM {self.pin} {duty}")

    def deinit(self):
        print(f"PWM {self.pin} off")

class I2C:
    def __init__(self, number, sda, scl, freq):
        print(f"I2C {number} {sda} {scl}")

    def scan(self):
        return FOUND
"""


def gpio(board: str, signal: str) -> int | None:
    return {pin.signal: pin.gpio for pin in pins(board)}[signal]


def run_door(folder, found: list[int]) -> str:
    (folder / "machine.py").write_text(MACHINE.replace("FOUND", repr(found)))
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, str(MADE / "door-check.py"), "0"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_doors_script_lights_one_colour_after_another_and_finds_the_chip(tmp_path):
    said = run_door(tmp_path, [0x24])
    assert re.findall(r"^PWM (\d+) (\w+)$", said, re.M) == [
        (str(gpio("pico-w", f"light-{colour}")), duty)
        for colour in ("red", "green", "blue")
        for duty in ("65535", "0", "off")
    ]
    assert f"I2C 0 {gpio('pico-w', 'pn532-sda')} {gpio('pico-w', 'pn532-scl')}\n" in said
    assert "the PN532 answers" in said


def test_the_doors_script_says_that_no_chip_is_there(tmp_path):
    assert "NO PN532" in run_door(tmp_path, [0x48])


def test_the_chips_address_is_the_firmwares(repo):
    assert f"address=0x{checks.CHIP_ADDRESS:x}" in (repo / "firmware/pico/chip.py").read_text()


def test_the_kiosks_script_runs_on_gpiozeros_emulation_and_sees_an_open_lid():
    environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock", "GPIOZERO_MOCK_PIN_CLASS": "mockpwmpin"}
    command = [sys.executable, str(MADE / "kiosk-check.py"), "0"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"must be (\w+)", said) == ["red", "green", "blue"]
    assert "the lid's switch is OPEN" in said


def test_the_kiosks_script_uses_the_pins_of_the_firmware():
    text = checks.kiosk()
    for signal, call in (("buzzer", "Buzzer"), ("lid", "Button")):
        assert f"{call}({gpio('pi-4', signal)}" in text
    assert all(f'("{colour}", {gpio("pi-4", f"light-{colour}")})' in text for colour in ("red", "green", "blue"))
