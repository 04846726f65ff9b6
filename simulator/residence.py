"""A residence's evening being played: its kiosks, its people, what breaks, and what came of it.

    simulator/residence_people.py   who lives where             simulator/residence_visit.py  somebody before a kiosk
    simulator/residence_plan.py     what they do, what is true  simulator/residence_desk.py   staff before the store
    simulator/residence_kiosk.py    the process and its parts   simulator/residence_check.py  the comparison
    simulator/residence_display.py  its display, as read        simulator/residence_light.py  its lamp, by its record
    simulator/residence_clock.py    when the evening is         simulator/residence_faults.py what breaks in it
    simulator/residence.py          the evening

It stands on a `Line` that is there already: `provision` before the store starts, `begin`, `enrol`, `play`, `outcome`.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from simulator.check import quantiles
from simulator.line import Line
from simulator.processes import PartFailed
from simulator.residence_check import Outcome, compare
from simulator.residence_desk import Desk
from simulator.residence_display import IDLE, RECORDED
from simulator.residence_faults import CARRIED_M, CUT, MOVE, UNPLUG, Fault, faults_of, fitted
from simulator.residence_kiosk import Kiosk
from simulator.residence_people import Residence
from simulator.residence_plan import CLEAN, Evening, Visit
from simulator.residence_visit import Enrolled, Enrolling, Sight, Visitor

#: how often somebody tries who was promised nothing
TRIES = 10
#: after the last visit everything must have arrived within this time, s
DRAIN_S = 90.0
READY_S = 90.0
#: from the desk to the kiosk: so long its list is on its way, s
LIST_S = 4.0
#: somebody in ten has a dirty finger when it is enrolled
DIRTY_OF = 10
#: a kiosk that was carried off says so within this time (it believes the tenth fix, one comes each second), s
MOVED_S = 60.0


class ResidenceStage:
    """All of it. clock: epoch ms of the residence. say: progress, for people."""

    def __init__(
        self,
        residence: Residence,
        line: Line,
        folder: Path,
        *,
        seed: int,
        clock: Callable[[], float],
        say: Callable[[str], None],
    ) -> None:
        self.residence = residence
        self.desk = Desk(residence, line, folder)
        self._line = line
        self._folder = folder
        self._seed = seed
        self._clock = clock
        self._say = say
        self.kiosks: dict[str, Kiosk] = {}
        #: every attempt at a kiosk, and every enrolment
        self.sights: list[Sight] = []
        self.enrolled: list[Enrolled] = []
        self.given_up: list[Visit] = []
        self.made: Counter[str] = Counter()
        self.template_bytes_seen = 0
        #: templates that a sensor holds, at the end, of nobody who is enrolled; and those that it lacks
        self.not_erased = 0
        #: kiosks that were carried off; that have said so to whoever came; and of those the ones that staff's page names
        self.moved: set[str] = set()
        self.said_moved: set[str] = set()
        self.flagged: set[str] = set()
        #: what an enrolment took here, real seconds
        self.enrolment_s = 0.0
        #: simulated seconds that each kiosk was busy with check-ins
        self.busy_s: dict[str, float] = {}

    def provision(self) -> None:
        """Houses, kiosks, residents, duty and an account: before the store runs."""
        self._say("making houses, kiosks and residents")
        self.desk.provision()

    async def begin(self, day: date) -> None:
        """Start the kiosks; staff set PINs, approve leave for the evening of this date, and ask for the fingers."""
        with_receiver = fitted(self.residence.kiosks)
        for n, name in enumerate(self.residence.kiosks):
            settings = self.desk.settings / f"{name}.json"
            kiosk = Kiosk(
                name,
                self.residence.of_kiosk(name),
                settings,
                self._folder / name,
                seed=self._seed * 16 + n,
                receiver=name in with_receiver,
                log=self._folder.parent / "logs" / f"{name}.log",
            )
            self.kiosks[name] = kiosk
            kiosk.open()
            await kiosk.power_on()
        self._say("staff set PINs, approve leave and ask for fingers to be enrolled")
        await self.desk.prepare(day)
        await self._ready(IDLE)

    async def switch_off(self) -> None:
        """No kiosk has power; what was enrolled stays in its sensor."""
        for kiosk in self.kiosks.values():
            await kiosk.power_cut()

    async def switch_on(self) -> None:
        """Every kiosk has power again, and says that the evening is open."""
        for kiosk in self.kiosks.values():
            await kiosk.power_on()
        await self._ready(("open",))

    async def _ready(self, says: tuple[str, ...]) -> None:
        for kiosk in self.kiosks.values():
            if kiosk.display.says not in says:
                found = await kiosk.display.wait(says, time.monotonic(), READY_S)
                kiosk.ensure()
                if found is None:
                    raise PartFailed(f"{kiosk.name} is not ready; its display says {kiosk.display.rows}")

    async def enrol(self) -> None:
        """Everybody who agreed comes once to have a finger enrolled, at all kiosks at the same time."""
        self._say(f"enrolling fingers at {len(self.kiosks)} kiosks")

        async def at(kiosk: Kiosk) -> None:
            for n, one in enumerate(self.desk.to_enrol(kiosk.name)):
                kiosk.ensure()
                dirty = n % DIRTY_OF == DIRTY_OF // 2
                enrolling = Enrolling(kiosk, one.id, self.residence, seed=self._seed, dirty=dirty)
                async with kiosk.turn:
                    self.enrolled.append(await enrolling.enrol())

        await asyncio.sleep(LIST_S)
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for kiosk in self.kiosks.values():
                tasks.create_task(at(kiosk), name=f"enrol at {kiosk.name}")
        most = max(len(self.desk.to_enrol(name)) for name in self.kiosks)
        self.enrolment_s = (time.monotonic() - began_s) / max(1, most)

    async def play(self, evening: Evening) -> None:
        """Everybody in the plan comes, in order at each kiosk; the kiosks are independent of each other."""
        faults = faults_of(evening, seed=self._seed)
        async with asyncio.TaskGroup() as tasks:
            for name, queue in evening.visits.items():
                mine = [one for one in faults if one.kiosk == name]
                tasks.create_task(self._queue(self.kiosks[name], queue, mine), name=f"queue {name}")

    async def visit(self, kiosk: Kiosk, visit: Visit) -> Sight:
        """One person comes, and tries again until something was promised them."""
        tries = 0
        while True:
            kiosk.ensure()
            visitor = Visitor(kiosk, visit, self.residence, seed=self._seed, clock=self._clock)
            async with kiosk.turn:
                sight = await visitor.attempt()
            self.sights.append(sight)
            self.busy_s[kiosk.name] = self.busy_s.get(kiosk.name, 0.0) + sight.seconds
            tries += 1
            if sight.told in RECORDED or visit.why == "stranger":
                return sight
            if tries == TRIES:
                self.given_up.append(visit)
                return sight
            await asyncio.sleep(0.5 * tries)

    async def outcome(self, day: str, *, until_over: float | None) -> Outcome:
        """Wait until the store agrees with what was seen, or time is up. until_over: and until the evening is over,
        which it is then (epoch s), and the board knows who is missing. day: the evening's date, ISO."""
        if until_over is not None:
            await asyncio.sleep(max(0.0, until_over - self._clock() / 1000))
        began = time.monotonic()
        while True:
            found, board = await self._compared(day)
            known = until_over is None or not {"expected", "unknown"} & set(board.values())
            known = known and self.flagged == self.moved
            waited_s = time.monotonic() - began
            if (not (found.lost or found.misattributed) and known) or waited_s > DRAIN_S:
                # Once more after a moment: what is right must also stay right.
                await asyncio.sleep(1.5)
                return (await self._compared(day))[0]
            await asyncio.sleep(0.5)

    async def _compared(self, day: str) -> tuple[Outcome, dict[str, str]]:
        """The comparison as it is now, and the board."""
        rows, board = await self.desk.check_ins(), await self.desk.board(day)
        # A light that came while this process was not let run stands in the record by now.
        self.sights = [one.again(self.kiosks[one.kiosk]) for one in self.sights]
        if self.moved != self.flagged:
            self.flagged = self.said_moved & await self.desk.moved()
        return compare(self.residence, self.sights, rows, board), board

    def result(self, outcome: Outcome) -> dict[str, Any]:
        """What came of it, for people and programs. Call it after `close`."""
        beyond = [one.beyond_sensor_ms for one in self.sights if one.beyond_sensor_ms is not None]
        staff_s = [one.seconds for one in self.enrolled if one.done]
        return {
            "houses": len(self.residence.houses),
            "kiosks": len(self.residence.kiosks),
            "residents": len(self.residence.residents),
            "enrolled": len(staff_s),
            "not_enrolled": len(self.enrolled) - len(staff_s),
            "enrolment_staff_s": {**quantiles(staff_s), "max": round(max(staff_s, default=0.0), 1)},
            "visits": len(self.sights),
            "methods": dict(Counter(one.method for one in self.sights if one.method)),
            "no_light": sum(one.told in RECORDED and not one.light for one in self.sights),
            "stored": outcome.stored,
            "checked_in": outcome.checked_in,
            "elsewhere": sum(self._elsewhere(one) for one in self.sights),
            "on_leave": len(self.residence.away()),
            "missing": outcome.missing,
            "given_up": len(self.given_up),
            "lost": outcome.lost,
            "duplicated": outcome.duplicated,
            "misattributed": outcome.misattributed,
            "not_erased": self.not_erased,
            "not_flagged": len(self.moved - self.flagged),
            "template_bytes_seen": self.template_bytes_seen,
            "beyond_sensor_ms": quantiles(beyond),
            "busiest_kiosk_min": round(max(self.busy_s.values(), default=0.0) / 60, 1),
            "faults": dict(self.made),
        }

    async def close(self) -> None:
        """End the kiosks."""
        withdrawn = {one.id for one in self.residence.residents.values() if one.withdraws}
        for kiosk in self.kiosks.values():
            enrolled = [one for one in self.enrolled if one.done and one.kiosk == kiosk.name]
            if enrolled:
                self.not_erased += abs(len(kiosk.sensor.slots) - sum(one.resident not in withdrawn for one in enrolled))
            self.template_bytes_seen += await kiosk.close()
        await self.desk.close()

    def _elsewhere(self, one: Sight) -> bool:
        """Checked in by finger at another kiosk than their usual one."""
        return one.method == "finger" and one.kiosk != self.residence.residents[one.visit.resident].kiosk

    async def _queue(self, kiosk: Kiosk, visits: list[Visit], faults: list[Fault]) -> None:
        rng = random.Random(f"residence {self._seed} {kiosk.name}")
        for n, visit in enumerate(visits):
            cutting: asyncio.Task[None] | None = None
            for fault in faults:
                if fault.kind == UNPLUG and n == fault.at:
                    kiosk.sensor_port.unplug()
                    self.made[fault.kind] += 1
                elif fault.kind == UNPLUG and n == fault.back:
                    kiosk.sensor_port.plug()
                elif fault.kind == CUT and n == fault.at:
                    cutting = asyncio.create_task(self._cut(kiosk, rng.uniform(0, 2)), name=f"cut {kiosk.name}")
            await self.visit(kiosk, visit)
            if cutting is not None:
                await cutting
        if any(fault.kind == UNPLUG and fault.at < len(visits) <= fault.back for fault in faults):
            kiosk.sensor_port.plug()
        if any(fault.kind == MOVE for fault in faults):
            await self._carry_off(kiosk, visits)

    async def _carry_off(self, kiosk: Kiosk, visits: list[Visit]) -> None:
        """Somebody carries the kiosk away; a resident who had checked in at it holds the card to it there."""
        been = {one.visit.resident for one in self.sights if one.kiosk == kiosk.name and one.told == "recorded"}
        who = next((one for one in visits if one.resident in been and one.why == "due"), None)
        if who is None or kiosk.receiver is None:
            return
        kiosk.receiver.move(CARRIED_M, 0.0)
        self.made[MOVE] += 1
        self.moved.add(kiosk.name)
        if await kiosk.display.wait(("moved",), time.monotonic(), MOVED_S) is None:
            return
        found = await self.visit(kiosk, replace(who, why="again", finger=CLEAN, refused=False, wrong_pin=False))
        if found.told == "kept":
            self.said_moved.add(kiosk.name)

    async def _cut(self, kiosk: Kiosk, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self.made[CUT] += 1
        plugged = kiosk.sensor.powered
        await kiosk.power_cut(sensor=plugged)
        await asyncio.sleep(0.5)
        await kiosk.power_on()
