"""`python -m tests.soak.corridor --orders FILE`: some doors with their people, in one process and one network.

It stands in the network namespace whose wire the soak cuts, so all that it starts has only that wire to the broker. On
standard input it takes orders, a JSON object a line; on standard output it says what was seen, a JSON list a line:

    {"do": "power", "door": 0, "off_s": 0.5, "cut": ""}   SIGKILL one reader, and power again after off_s
    {"do": "stop"}                                         nobody comes to a door any more
    {"do": "end"}                                          and all ends; so does a closed standard input

    ["up", boards]   ["open"]   ["hold", door, uid, in_ms, lit_ms, out_ms, light]   ["fell", door]
    ["stopped", names of readers whose lamps did not come back to blue]
"""

import argparse
import asyncio
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from simulator.unixport import runner
from tests.soak.door import SoakDoor, board_maker

#: how often it is looked whether a board's power has failed by itself, s
LOOK_S = 0.1
#: after the last fault every lamp is blue again within this time, s
BACK_S = 30.0


def say(*what: object) -> None:
    """One line for the soak."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Corridor:
    """The doors of one process.

    orders: doors (name, settings, flash, log, uids in their order), gap_s: from one card to the next at one door.
    """

    def __init__(self, orders: dict) -> None:
        self._gap_s = orders["gap_s"]
        self._first = orders["first"]
        built = Path(orders["built"])
        self.doors = [
            SoakDoor(
                d["name"],
                board_maker(built=built, settings=Path(d["settings"]), flash=Path(d["flash"]), log=Path(d["log"])),
            )
            for d in orders["doors"]
        ]
        self._queues: list[Iterator[str]] = [itertools.cycle(d["uids"]) for d in orders["doors"]]
        self._ending: set[int] = set()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """From power to the end."""
        lines = await _standard_input()
        for door in self.doors:
            await door.power_on()
        say("up", len(self.doors))
        people = [asyncio.create_task(self._people(n), name=f"people {n}") for n in range(len(self.doors))]
        watch = asyncio.create_task(self._watch(), name="watch")
        try:
            while line := await lines.readline():
                order = json.loads(line)
                if order["do"] == "end":
                    break
                if order["do"] == "stop":
                    self._stop.set()
                    task = asyncio.create_task(self._stopped(people), name="stopping")
                else:
                    task = asyncio.create_task(self._power(**order), name="power")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            for task in (*people, watch, *self._tasks):
                task.cancel()
            await asyncio.gather(*people, watch, *self._tasks, return_exceptions=True)
            for door in self.doors:
                await door.close()

    async def _people(self, n: int) -> None:
        door, queue, loop = self.doors[n], self._queues[n], asyncio.get_running_loop()
        while not (door.open or self._stop.is_set()):  # noqa: ASYNC110 - a lamp is looked at
            await asyncio.sleep(0.05)
        say("open")
        due = loop.time() + self._gap_s * n / len(self.doors)
        while not self._stop.is_set():
            await asyncio.sleep(max(0.0, due - loop.time()))
            due += self._gap_s
            uid = next(queue)
            # Who saw no light tries again: nobody else has come to the door in between.
            while not self._stop.is_set():
                if not door.ready:
                    await asyncio.sleep(0.05)
                    continue
                held = await door.hold(bytes.fromhex(uid))
                say("hold", self._first + n, uid, held.in_ms, held.lit_ms, held.out_ms, held.light)
                if held.light:
                    break

    async def _stopped(self, people: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*people)
        # All of them come back to blue: none was left broken.
        loop = asyncio.get_running_loop()
        deadline = loop.time() + BACK_S
        while loop.time() < deadline and not all(d.ready for d in self.doors):  # noqa: ASYNC110 - lamps are looked at
            await asyncio.sleep(0.1)
        say("stopped", [door.name for door in self.doors if not door.ready])

    async def _power(self, *, door: int, off_s: float, cut: str, do: str) -> None:
        while door in self._ending:  # noqa: ASYNC110 - it is without power already: it is killed once it has it again
            await asyncio.sleep(0.1)
        await self._cycle(door, off_s, cut)

    async def _cycle(self, n: int, off_s: float, cut: str = "") -> None:
        if n in self._ending:
            return  # it is without power already
        self._ending.add(n)
        try:
            await self.doors[n].power_cut()
            await asyncio.sleep(off_s)
            await self.doors[n].power_on(cut)
        finally:
            self._ending.discard(n)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for n, door in enumerate(self.doors):
                if door.dead and n not in self._ending:
                    say("fell", self._first + n)
                    await self._cycle(n, 0.3)


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def main(argv: list[str]) -> int:
    """Play the doors of a file of orders."""
    parser = argparse.ArgumentParser(prog="tests.soak.corridor", description=__doc__)
    parser.add_argument("--orders", type=Path, required=True)
    orders = json.loads(parser.parse_args(argv).orders.read_text())

    async def play() -> None:
        await Corridor(orders).run()

    asyncio.run(play())
    return 0


if __name__ == "__main__":
    runner.program("micropython")
    sys.exit(main(sys.argv[1:]))
