"""Many readers in one light process: the real reader core, SQLite journal and MQTT link on CPython, without a board.

For the doors of a demo beyond those that run on real MicroPython, and for machines where MicroPython's unix port has no
wheel. There is no chip here: cards come as lines on standard input, and the lamps go as lines to standard output.

    in:  {"reader": "r101", "uid": "04a1b2c3d4e5f6"}
    out: {"reader": "r101", "rgb": [0, 255, 0], "at_s": 1234.567}
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from firmware.contract.topics import topic
from firmware.pi.journal import SqliteJournal
from firmware.pi.shelf import RosterShelf
from firmware.pico.link import Link, LinkDown
from firmware.reader.reader import Reader
from firmware.reader.settings import parse
from firmware.reader.uplink import OFFLINE

FIRMWARE = "light-0.1.0"
LAMP_EVERY_S = 0.02


class LightReader:
    """One reader without a board. scale: how much faster than ours its time runs."""

    def __init__(self, settings_text: str, folder: Path, *, scale: int) -> None:
        self.settings = parse(settings_text)
        self._scale = scale
        self._booted_ns = time.monotonic_ns()
        self.reader = Reader(
            settings=self.settings,
            storage=SqliteJournal(folder, uptime_ms=self.uptime_ms),
            shelf=RosterShelf(folder),
            random_bytes=os.urandom,
            firmware=FIRMWARE,
        )
        self._shown: tuple[int, ...] | None = None
        site, name, broker = self.settings.site, self.settings.reader, self.settings.broker
        self._link = Link(
            wifi=None,
            host=broker["host"],
            port=broker["port"],
            client_id=f"muster-{name}",
            user=broker.get("user"),
            password=broker.get("password"),
            will=(topic(site, name, "status"), OFFLINE),
            subscriptions=[topic(site, name, kind) for kind in ("roster", "receipt", "command")],
            ticks_ms=lambda: time.monotonic_ns() // 1_000_000,
            random=random.Random().random,
            on_up=lambda: self.reader.linked(self.uptime_ms()),
            on_down=lambda _: self.reader.unlinked(self.uptime_ms()),
            on_message=self._message,
            log=lambda *_, **__: None,
        )

    def uptime_ms(self) -> int:
        """Milliseconds since this reader's boot, in its own time."""
        return (time.monotonic_ns() - self._booted_ns) * self._scale // 1_000_000

    def tap(self, uid: bytes) -> None:
        """A card came: verdict, journal, light, in this order and with nothing in between."""
        self.reader.tap(uid, self.uptime_ms())
        self.show()

    def show(self) -> None:
        """Tell the lamp's colour where it changed."""
        rgb = self.reader.light(self.uptime_ms())
        if rgb != self._shown:
            self._shown = rgb
            line = json.dumps({"reader": self.settings.reader, "rgb": rgb, "at_s": time.monotonic()})
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    async def run(self) -> None:
        """Link, lamp and uplink, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            name = self.settings.reader
            tasks.create_task(self._link.run(), name=f"link {name}")
            tasks.create_task(self._lamp(), name=f"lamp {name}")
            tasks.create_task(self._pump(), name=f"pump {name}")

    async def _lamp(self) -> None:
        while True:
            self.reader.tick(self.uptime_ms())
            self.show()
            self.reader.idle()
            await asyncio.sleep(LAMP_EVERY_S)

    async def _pump(self) -> None:
        site, name = self.settings.site, self.settings.reader
        while True:
            out = self.reader.next(self.uptime_ms())
            if out is None:
                await asyncio.sleep(0.01)
                continue
            with contextlib.suppress(LinkDown):  # offered again at the next connect
                await self._link.publish(topic(site, name, out.kind), out.payload, qos=1, retain=out.retain)

    def _message(self, name: str, payload: bytearray) -> None:
        self.reader.received(name.rsplit("/", 1)[1], bytes(payload), self.uptime_ms())


def load(folder: Path, scale: int) -> dict[str, LightReader]:
    """A reader for each `*.json` in `folder`, by name."""
    made = [LightReader(path.read_text(), folder / path.stem, scale=scale) for path in sorted(folder.glob("*.json"))]
    return {reader.settings.reader: reader for reader in made}


async def run(readers: dict[str, LightReader]) -> None:
    """Run these readers, with taps from standard input, until SIGTERM or the input's end."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(r.run(), name=name) for name, r in readers.items()]
        running.append(tasks.create_task(_taps(lines, readers, stop), name="taps"))
        await stop.wait()
        for task in running:
            task.cancel()


async def _taps(lines: asyncio.StreamReader, readers: dict[str, LightReader], stop: asyncio.Event) -> None:
    while line := await lines.readline():
        told = json.loads(line)
        readers[told["reader"]].tap(bytes.fromhex(told["uid"]))
    stop.set()  # whoever started us is gone


def main(argv: list[str]) -> int:
    """`python -m simulator.runner.light --readers DIR [--scale N]`."""
    parser = argparse.ArgumentParser(prog="simulator.runner.light", description=__doc__)
    parser.add_argument("--readers", type=Path, required=True, help="folder of settings files, one for each reader")
    parser.add_argument("--scale", type=int, default=1, help="how much faster than ours the campus's time runs")
    arguments = parser.parse_args(argv)
    asyncio.run(run(load(arguments.readers, arguments.scale)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
