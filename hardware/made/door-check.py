"""Made by `python -m hardware` from pins.csv: the wires of a door reader, on a Pico W with any MicroPython."""

import sys
import time

import machine

PAUSE_S = float(sys.argv[1]) if len(sys.argv) > 1 else 1.5

for colour, number in (("red", 16), ("green", 17), ("blue", 18)):
    print("the light must be", colour, "- and no other colour")
    light = machine.PWM(machine.Pin(number), freq=1000, duty_u16=65535)
    time.sleep(PAUSE_S)
    light.duty_u16(0)
    light.deinit()

bus = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5), freq=100_000)
found = bus.scan()
print("on the bus:", [hex(address) for address in found])
print("the PN532 answers" if 0x24 in found else "NO PN532: is its switch at I2C? Are SDA and SCL crossed?")
