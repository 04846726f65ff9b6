"""A fingerprint sensor in its small world: the emulated R30x on a pseudo-terminal, in a thread and loop of its own.

The firmware blocks, so the world stands outside its thread; every call to the emulated sensor is carried out there.
"""

import asyncio
import contextlib
import queue
import threading
import time

from firmware.pi.finger import Step
from firmware.pi.sensor import Sensor
from firmware.pi.sensor_events import Enrolled, EnrolStep
from simulator.r30x import BOOT_S, R30x
from simulator.r30x_finger import Finger as Human
from simulator.r30x_port import R30xPort

#: how long anything that must come is waited for, s: it ends early, and a machine may be five times as slow
PATIENCE_S = 40.0
#: the emulated sensor is this much as slow as a real one
PACE = 0.02
#: what it has not answered by now never comes; a "late" answer comes after that
ANSWER_S, LATE_S = 0.3, 0.45

ADA, BEN = Human(person="ada"), Human(person="ben")


class World:
    """An emulated sensor and its port; attributes of the sensor are called in the world's own thread."""

    def __init__(self, folder, **settings) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="world")
        self._thread.start()
        settings.setdefault("pace", PACE)
        self.sensor = R30x(clock=self._loop.time, flash=folder / "flash.bin", **settings)
        self.sensor.late_s = LATE_S
        self.port = R30xPort(self.sensor, folder)
        self.do(self.port.attach, self._loop)
        self.boot()

    def boot(self) -> None:
        """Until the sensor hears: a host that asks earlier waits for nothing."""
        time.sleep(BOOT_S * self.sensor.pace + 0.01)

    @property
    def path(self) -> str:
        return self.port.path

    def do(self, function, *args, **named):
        async def call():
            return function(*args, **named)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(PATIENCE_S)

    def __getattr__(self, name):
        """`world.place(...)`, `world.inject(...)`: the emulated sensor's own methods."""
        return lambda *args, **named: self.do(getattr(self.sensor, name), *args, **named)

    def seen(self, name):
        """An attribute of the emulated sensor, read where it lives."""
        return self.do(getattr, self.sensor, name)

    def close(self) -> None:
        """Ends everything; raises TemplateAsked where one was asked for."""
        try:
            self.do(self.port.close)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


@contextlib.contextmanager
def world(folder, **settings):
    """A `World` that is closed at the end."""
    made = World(folder, **settings)
    try:
        yield made
    finally:
        made.close()


class Heard:
    """The firmware's sensor thread, and what it reports."""

    def __init__(self, path: str, **settings) -> None:
        self.events: queue.Queue = queue.Queue()
        settings.setdefault("answer_s", ANSWER_S)
        self.sensor = Sensor(path, self.events.put, **settings)

    def __enter__(self):
        self.sensor.start()
        return self

    def __exit__(self, *error):
        assert self.sensor.stop(PATIENCE_S)

    def next(self, kind=None, timeout_s: float = PATIENCE_S):
        """The next event, or the next of this kind."""
        until_s = time.monotonic() + timeout_s
        while True:
            event = self.events.get(timeout=max(0.01, until_s - time.monotonic()))
            if kind is None or isinstance(event, kind):
                return event

    def obeyed(self, world: World, person: Human, another: Human | None = None) -> tuple[list[Step], Enrolled]:
        """An enrolment by somebody who does as told (*another*: whose finger comes the second time): steps, and its end."""
        steps = []
        while isinstance(event := self.next(), EnrolStep):
            steps.append(event.step)
            if event.step in (Step.REMOVE, Step.POOR):
                world.lift()
            else:
                world.place(another if another and event.step == Step.AGAIN else person)
        world.lift()
        assert isinstance(event, Enrolled), event
        return steps, event


def always():
    return True


def check(finger, slot, *, wait_s=PATIENCE_S, lift=False, go_on=always):
    return finger.verify(slot, wait_s=wait_s, lift=lift, go_on=go_on)


def enrol(finger, world, slot, *people, intend=always, wait_s=PATIENCE_S):
    """An enrolment by people who do what they are told: each asked-for press is the next of them."""
    asked, left = [], list(people)

    def step(what):
        asked.append(what)
        if what in (Step.PLACE, Step.AGAIN):
            world.place(left.pop(0))
        else:
            world.lift()
            if what == Step.POOR:
                world.place(left.pop(0), after_s=0.2)

    outcome = finger.enrol(slot, step=step, intend=intend, wait_s=wait_s, go_on=always)
    world.lift()
    return outcome, asked
