"""The scripts with which a technician sees that the wires are right, before any firmware: made from `pins.csv`.

`made/door-check.py` runs on a Pico W with any MicroPython, `made/kiosk-check.py` on a Raspberry Pi with gpiozero.
"""

from hardware.pins import Pin, pins

#: The PN532's address on the bus (firmware/pico/chip.py has the same).
CHIP_ADDRESS = 0x24

DOOR = '''"""Made by `python -m hardware` from pins.csv: the wires of a door reader, on a Pico W with any MicroPython."""

import sys
import time

import machine

PAUSE_S = float(sys.argv[1]) if len(sys.argv) > 1 else 1.5

for colour, number in ({lights}):
    print("the light must be", colour, "- and no other colour")
    light = machine.PWM(machine.Pin(number), freq=1000, duty_u16=65535)
    time.sleep(PAUSE_S)
    light.duty_u16(0)
    light.deinit()

bus = machine.I2C({bus}, sda=machine.Pin({sda}), scl=machine.Pin({scl}), freq=100_000)
found = bus.scan()
print("on the bus:", [hex(address) for address in found])
print("the PN532 answers" if {address} in found else "NO PN532: is its switch at I2C? Are SDA and SCL crossed?")
'''

KIOSK = '''"""Made by `python -m hardware` from pins.csv: the wires of a kiosk, on a Raspberry Pi with gpiozero."""

import sys
import time

from gpiozero import PWMLED, Button, Buzzer

PAUSE_S = float(sys.argv[1]) if len(sys.argv) > 1 else 1.5

for colour, number in ({lights}):
    print("the light must be", colour, "- and no other colour")
    with PWMLED(number) as light:
        light.on()
        time.sleep(PAUSE_S)

print("the buzzer must sound once")
with Buzzer({buzzer}) as buzzer:
    buzzer.on()
    time.sleep(PAUSE_S / 5)

with Button({lid}, pull_up=True) as lid:
    print("the lid's switch is", "closed" if lid.is_pressed else "OPEN: press its lever and run this again")
'''


def door() -> str:
    """The script for a door reader."""
    found = _by_signal("pico-w")
    bus = found["pn532-sda"].function.split()[0].removeprefix("I2C")
    numbers = {name: str(found[f"pn532-{name}"].gpio) for name in ("sda", "scl")}
    return DOOR.format(lights=_lights(found), bus=bus, address=f"0x{CHIP_ADDRESS:02X}", **numbers)


def kiosk() -> str:
    """The script for a kiosk."""
    found = _by_signal("pi-4")
    return KIOSK.format(lights=_lights(found), buzzer=found["buzzer"].gpio, lid=found["lid"].gpio)


def _by_signal(board: str) -> dict[str, Pin]:
    return {pin.signal: pin for pin in pins(board)}


def _lights(found: dict[str, Pin]) -> str:
    return ", ".join(f'("{colour}", {found[f"light-{colour}"].gpio})' for colour in ("red", "green", "blue"))
