"""Made by `python -m hardware` from pins.csv: the wires of a kiosk, on a Raspberry Pi with gpiozero."""

import sys
import time

from gpiozero import PWMLED, Button, Buzzer

PAUSE_S = float(sys.argv[1]) if len(sys.argv) > 1 else 1.5

for colour, number in (("red", 17), ("green", 27), ("blue", 22)):
    print("the light must be", colour, "- and no other colour")
    with PWMLED(number) as light:
        light.on()
        time.sleep(PAUSE_S)

print("the buzzer must sound once")
with Buzzer(23) as buzzer:
    buzzer.on()
    time.sleep(PAUSE_S / 5)

with Button(24, pull_up=True) as lid:
    print("the lid's switch is", "closed" if lid.is_pressed else "OPEN: press its lever and run this again")
