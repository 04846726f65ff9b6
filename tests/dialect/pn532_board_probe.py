"""Runs on MicroPython: the PN532 driver on the tunnelled I2C; every event is a line, a green light is a pin.

Standard input is not read; the test ends the process.
"""

import asyncio
import time

import machine

from firmware.pico.chip import CardArrived, CardSigned, Chip


async def main():
    """Poll by the driver's own hint, and show that nothing blocks the loop."""
    chip = Chip(machine.I2C(0, scl=machine.Pin(5), sda=machine.Pin(4), freq=400000), ticks_diff=time.ticks_diff)
    green = machine.PWM(machine.Pin(17), freq=1000, duty_u16=0)
    beats = 0
    worst = 0
    while True:
        before = time.ticks_us()
        event = chip.poll(time.ticks_ms())
        worst = max(worst, time.ticks_diff(time.ticks_us(), before))
        if event is not None:
            here = isinstance(event, (CardArrived, CardSigned))
            green.duty_u16(40000 if here else 0)
            detail = event.uid.hex() if here else getattr(event, "code", "")
            print(type(event).__name__, detail, chip.faults, chip.last_fault or "-", worst, beats)
            worst = 0
        beats += 1
        await asyncio.sleep_ms(1 if chip.talking else max(1, min(10, chip.wait_ms)))


asyncio.run(main())
