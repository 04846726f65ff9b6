"""A kiosk of the residence: the real process `muster pi kiosk`, and the parts around it as emulators at the byte level.

Card chip, fingerprint sensor, receiver and console are pseudo-terminals, the keypad is a pipe of the kernel's input
records. What people see is read from the console and from the lamp's changes, which the process prints, each with its time:
however late a busy machine lets them be read, they say what was lit when.
"""

import asyncio
import contextlib
import json
import os
import struct
import time
from pathlib import Path

from simulator.gps import Receiver, ReceiverPort
from simulator.lamp import Lamp
from simulator.pn532 import Pn532
from simulator.pn532_card import Card
from simulator.pn532_field import Presentation
from simulator.pn532_hsu import HsuPort
from simulator.processes import ROOT, PartFailed, muster, tail
from simulator.r30x import R30x, TemplateAsked
from simulator.r30x_port import R30xPort
from simulator.residence_display import Display, meaning
from simulator.residence_people import CAPACITY, House

#: so many changes of a lamp are an evening's at most
EVENING = 1_000_000
#: a key event of the kernel: seconds, microseconds, type, code, value; and what ends a group of them
_KEY, _SYN, _EV_KEY = struct.Struct("=qqHHi"), 0, 1
#: the codes of a phone's keypad
_CODES = {char: 0x200 + place for place, char in enumerate("0123456789*#")}


class Kiosk:
    """One kiosk. Use `open` in a running loop, then `power_on`."""

    def __init__(
        self, name: str, house: House, settings: Path, folder: Path, *, seed: int, receiver: bool, log: Path
    ) -> None:
        self.name = name
        self.house = house
        self._settings = settings
        self._folder = folder
        self._seed = seed
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        #: all that it showed, on its own clock: an evening is judged when it is over
        self.lamp = Lamp({}, keep=EVENING)
        #: what its display said, and when by the same clock, monotonic s
        self.screens: list[tuple[float, str]] = []
        #: its place among people: one at a time stands before it
        self.turn = asyncio.Lock()
        self.receiver = Receiver(house.latitude, house.longitude, seed=seed) if receiver else None
        self.powered = False
        #: how often its power was cut
        self.cuts = 0

    def open(self) -> None:
        """Put the emulators on their lines."""
        loop = asyncio.get_running_loop()
        self._folder.mkdir(parents=True, exist_ok=True)
        self.chip = Pn532(clock=loop.time)
        self._chip_port = HsuPort(self.chip)
        self._chip_port.attach(loop)
        # As the technician set it up: the password that the kiosk's settings name.
        told = json.loads(self._settings.read_text())["sensor"]
        self.sensor = R30x(
            clock=loop.time,
            flash=self._folder / "flash",
            capacity=told.get("capacity") or CAPACITY,
            password=told["password"],
            seed=self._seed,
        )
        self.sensor_port = R30xPort(self.sensor, self._folder)
        self.sensor_port.attach(loop)
        self._gps = ReceiverPort(self.receiver, self._folder) if self.receiver else None
        if self._gps is not None:
            self._gps.attach(loop)
        self.display = Display()
        self.display.attach()
        keypad = self._folder / "keypad"
        os.mkfifo(keypad)
        # For reading too: the pipe stays open when the kiosk loses its power.
        self._keys = os.open(keypad, os.O_RDWR | os.O_NONBLOCK)

    # -- what people do ------------------------------------------------------------------------------------------------

    def hold(self, uid: bytes) -> Presentation:
        """Hold a card to it, until `take`."""
        return self.chip.card_in(Card(uid=uid))

    def take(self, shown: Presentation) -> None:
        """Take the card away."""
        self.chip.card_out(shown)

    def press(self, keys: str) -> None:
        """Press these keys, one after another: digits, `*`, `#`."""
        for char in keys:
            at_us = time.time_ns() // 1000
            for kind, code, value in ((_EV_KEY, _CODES[char], 1), (_EV_KEY, _CODES[char], 0), (_SYN, 0, 0)):
                os.write(self._keys, _KEY.pack(at_us // 1_000_000, at_us % 1_000_000, kind, code, value))

    # -- power ---------------------------------------------------------------------------------------------------------

    async def power_on(self) -> None:
        """Start the process."""
        command = muster(
            "pi", "kiosk", "--settings", str(self._settings), "--data", str(self._folder / "data"),
            "--chip", self._chip_port.path, "--sensor", self.sensor_port.path, "--keypad", str(self._folder / "keypad"),
            "--display", self.display.path, "--mock-pins", *(("--gps", self._gps.path) if self._gps else ()),
        )  # fmt: skip
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log, cwd=ROOT,
                start_new_session=True,
            )  # fmt: skip
        self._listening = asyncio.create_task(self._listen(self._process), name=f"lamp of {self.name}")
        self.powered = True

    async def power_cut(self, *, sensor: bool = True) -> None:
        """SIGKILL: the board, its chip and (where it is plugged in) its sensor have no power."""
        self.powered = False
        self.cuts += 1
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._listening:
            await self._listening  # what it still showed was before
        if sensor:
            self.sensor.power_off()
            self.sensor.power_on()
        self.chip.revive()
        self.lamp.dark(time.monotonic())
        self.display.dark()

    def ensure(self) -> None:
        """Raises PartFailed where the process has ended by itself."""
        if self.powered and self._process is not None and self._process.returncode is not None:
            raise PartFailed(f"{self.name} ended with status {self._process.returncode}: {tail(self._log)}")

    async def close(self) -> int:
        """End everything. Returns how many bytes of templates or pictures the sensor was asked for or sent."""
        if self._process and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 8)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self.powered = False
        if self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if not hasattr(self, "chip"):
            return 0
        seen = self.sensor.template_bytes_seen
        # It raises where there were any: said by the number, with everything else that was found.
        with contextlib.suppress(TemplateAsked):
            self.sensor_port.close()
        self._chip_port.close()
        if self._gps is not None:
            self._gps.close()
        self.display.close()
        os.close(self._keys)
        return seen

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            with contextlib.suppress(ValueError):
                told = json.loads(line)
                if "lamp" in told:
                    self.lamp.rgb(tuple(told["lamp"]), told["ms"] / 1000)
                elif "screen" in told:
                    self.screens.append((told["ms"] / 1000, meaning(told["screen"])))
