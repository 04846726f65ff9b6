"""One person before a kiosk: cards, fingers and keys by what the display asks for, and what they saw of it.

What a person needs (walking up, fetching the card, reading) is counted in seconds of theirs, and slept HURRY times as
fast; what the kiosk needs is measured as it is. Both together are the *simulated* seconds of an act.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from simulator.r30x_finger import Finger
from simulator.residence_display import OFF, RECORDED
from simulator.residence_kiosk import Kiosk
from simulator.residence_light import flashed, story
from simulator.residence_people import Residence
from simulator.residence_plan import Visit

#: people live so much faster than their seconds are counted
HURRY = 20.0
#: seconds of people: to step up with the card in hand; for the finger; off again; a key; for staff to hold a card
STEP_UP_S, FINGER_S, LIFT_S, KEY_S, STAFF_S = 3.0, 1.2, 0.6, 0.6, 2.5
#: a finger that is back within this time was never off, for a sensor that takes a picture now and then, s
LIFTED_S = 0.6
#: a kiosk takes a card that is back within 0.35 s for one that flickered: the same staff card may come twice in a row, s
AWAY_S = 0.6
#: how long somebody waits for an answer before they give it up, and for a light where the display has told them, s
PATIENCE_S, LOOK_S = 8.0, 1.5
#: the sensor's own time from a finger to its answer at the captured one's pace: a picture, its features, a load, a match
SENSOR_S = 0.19 + 0.295 + 0.03 + 0.028

_CARD = (*RECORDED, "finger", "pin", "witness", "witness-unknown", "noted", "unreadable", "not-recorded", "staff")
_FINGER = (*RECORDED, "again", "pin", "witness", "ended", "not-recorded")
_PIN = ("witness-pin", "witness", "pin-wrong", "not-recorded", "ended")
_STAFF = (*RECORDED, "not-recorded", "ended", "noted", "witness-unknown")


class Watch:
    """Counts simulated seconds."""

    def __init__(self, hurry: float = HURRY) -> None:
        self._hurry = hurry
        self._began_s = time.monotonic()
        self._persons_s = self._slept_s = 0.0

    async def spend(self, seconds: float, *, least_s: float = 0.0) -> None:
        """A person needs so many seconds. least_s: so long it must be for the kiosk to see it."""
        began_s = time.monotonic()
        await asyncio.sleep(max(seconds / self._hurry, least_s))
        self._persons_s += seconds
        self._slept_s += time.monotonic() - began_s

    @property
    def seconds(self) -> float:
        """Simulated seconds so far."""
        return time.monotonic() - self._began_s - self._slept_s + self._persons_s


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What one person saw at one attempt."""

    kiosk: str
    visit: Visit
    #: from the card to the last word, epoch ms of the residence's clock
    at_ms: float
    until_ms: float
    #: the display's last word (simulator/residence_display.py); '' where it said nothing
    told: str
    #: what the lamp flashed at it (simulator/residence_light.py): green, red, blue, or ''
    light: str
    #: by what it was told: finger, pin, witness; '' where none was shown
    method: str
    #: id of the staff who stood by, or ''
    witness: str
    #: simulated seconds of it all
    seconds: float
    #: card to result beyond the sensor's own time, ms; None where it took more than one clean finger
    beyond_sensor_ms: float | None = None
    #: when they last did something before that word, and when they left, monotonic s
    since_s: float = 0.0
    left_s: float = 0.0
    #: what lamp and display showed from then on
    story: str = ""

    def again(self, kiosk: Kiosk) -> "Sight":
        """The same, with the light by all that the kiosk's record has by now."""
        if self.told in RECORDED:
            light = flashed(kiosk.lamp, kiosk.screens, self.told, self.since_s, self.left_s)
        else:
            # Without a last word only a green light is a promise.
            green = "green" in dict(kiosk.lamp.flashes(self.since_s, self.left_s))
            light = "green" if green else ""
        return replace(self, light=light, story=story(kiosk.lamp, kiosk.screens, self.since_s, self.left_s))


class Visitor:
    """Somebody before a kiosk with somebody's card. clock: epoch ms of the residence."""

    def __init__(self, kiosk: Kiosk, visit: Visit, residence: Residence, *, seed: int, clock: Callable[[], float]):
        self._kiosk = kiosk
        self._visit = visit
        self._card = residence.residents[visit.resident]
        self._staff = residence.staff[residence.house(self._card.house).staff[0]]
        self._seed = seed
        self._clock = clock
        self._watch = Watch()
        self._since_s = 0.0
        self._presses = 0
        self._method = self._witness = ""
        self._wrong_pin = visit.wrong_pin

    async def attempt(self) -> Sight:
        """From stepping up to the display's last word."""
        watch, kiosk = self._watch, self._kiosk
        await watch.spend(STEP_UP_S, least_s=AWAY_S)
        at_ms = self._clock()
        self._since_s = held_s = time.monotonic()
        shown = kiosk.hold(self._card.uid)
        said = await self._wait(_CARD)
        asked_s = time.monotonic()
        kiosk.take(shown)
        machine_s = asked_s - (shown.answered_at_s or held_s) if said == "finger" else None
        while said in ("finger", "again", "pin", "pin-wrong", "witness", "witness-pin"):
            if said in ("finger", "again"):
                said = await self._give_finger(said)
            elif self._visit.why == "stranger":
                # It is not their card: they do not know its PIN, and nobody on duty would witness it.
                said = await self._press("*", ("ended",))
            elif said in ("pin", "pin-wrong"):
                said = await self._give_pin()
            else:
                self._method = "pin" if said == "witness-pin" else "witness"
                said = await self._stand_by()
        if said == "witness-unknown":
            await self._press("*", ("ended",))
        ended_s = time.monotonic()
        if said in RECORDED:
            # They look at the lamp before they go. What it was is for the record to say.
            await kiosk.lamp.verdict(self._since_s, LOOK_S)
        if machine_s is not None and said == "recorded" and self._presses == 1 and self._method == "finger":
            beyond_ms = (machine_s + ended_s - self._since_s - SENSOR_S) * 1000
        else:
            beyond_ms = None
        sight = Sight(
            kiosk=kiosk.name,
            visit=self._visit,
            at_ms=at_ms,
            until_ms=self._clock(),
            told=said,
            light="",
            method=self._method if said in RECORDED else "",
            witness=self._witness if said in RECORDED else "",
            seconds=watch.seconds,
            beyond_sensor_ms=beyond_ms,
            since_s=self._since_s,
            left_s=time.monotonic(),
        )
        return sight.again(kiosk)

    async def _give_finger(self, said: str) -> str:
        visit = self._visit
        if visit.way == "pin" and said == "finger":
            return await self._press("*", ("pin", "witness"))
        await self._watch.spend(FINGER_S)
        first = self._presses == 0
        finger = Finger(
            person=visit.other or visit.resident,
            state=visit.finger if first else "clean",
            false_reject=1.0 if first and visit.refused else 0.0,
            seed=self._seed,
        )
        self._presses += 1
        self._method = "finger"
        self._since_s = time.monotonic()
        self._kiosk.sensor.place(finger)
        # Refused again, the display stands as it stood: then the red flash tells it.
        told = await self._wait(_FINGER, since_s=self._since_s, red=said == "again")
        self._kiosk.sensor.lift()
        if told == "again":
            await self._watch.spend(LIFT_S, least_s=LIFTED_S)
        return told

    async def _give_pin(self) -> str:
        pin = self._card.pin
        if self._wrong_pin:
            self._wrong_pin = False
            pin = pin[:-1] + str((int(pin[-1]) + 1) % 10)
        await self._watch.spend(KEY_S * len(pin))
        return await self._press(pin + "#", _PIN)

    async def _stand_by(self) -> str:
        await self._watch.spend(STAFF_S, least_s=AWAY_S)
        self._witness = self._staff.id
        self._since_s = time.monotonic()
        shown = self._kiosk.hold(self._staff.uid)
        said = await self._wait(_STAFF, since_s=self._since_s)
        self._kiosk.take(shown)
        return said

    async def _press(self, keys: str, for_: Collection[str]) -> str:
        self._since_s = time.monotonic()
        self._kiosk.press(keys)
        return await self._wait(for_, since_s=self._since_s)

    async def _wait(self, for_: Collection[str], *, since_s: float | None = None, red: bool = False) -> str:
        since_s = time.monotonic() if since_s is None else since_s
        # Nobody waits before a kiosk that has lost its power.
        seen = asyncio.create_task(self._kiosk.display.wait((*for_, OFF), since_s, PATIENCE_S))
        if red:
            lit = asyncio.create_task(self._kiosk.lamp.verdict(since_s, PATIENCE_S))
            await asyncio.wait((seen, lit), return_when=asyncio.FIRST_COMPLETED)
            if not seen.done():
                light = lit.result()
                # The display comes a moment after the lamp, if it changes at all.
                await asyncio.wait((seen,), timeout=0.4)
                if not seen.done():
                    seen.cancel()
                    return "again" if light and light[0] == "red" else ""
            lit.cancel()
        found = await seen
        return found[0] if found and found[0] != OFF else ""


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """One enrolment at a kiosk. seconds: of the staff's time, simulated. tries: how often they began."""

    resident: str
    kiosk: str
    done: bool
    seconds: float
    tries: int


class Enrolling:
    """Staff enrol a resident's finger at a kiosk: staff card, resident's card, the finger twice."""

    #: seconds of staff: consent and the tick on the page; to say what to do
    PAGE_S, SAY_S = 10.0, 3.0
    TRIES = 12

    def __init__(self, kiosk: Kiosk, resident: str, residence: Residence, *, seed: int, dirty: bool = False) -> None:
        self._kiosk = kiosk
        self._card = residence.residents[resident]
        self._staff = residence.staff[residence.house(self._card.house).staff[0]]
        self._finger = Finger(person=resident, seed=seed)
        self._dirty = dirty
        self._seed = seed

    async def enrol(self) -> Enrolled:
        """Once, and again where the list was still on its way or two pictures differed."""
        watch = Watch()
        await watch.spend(self.PAGE_S)
        done, tries = False, 0
        while not done and tries < self.TRIES:
            tries += 1
            said = await self._once(watch)
            done = said in ("enrolled", "held")
            if not done:
                await watch.spend(5.0)
        return Enrolled(resident=self._card.id, kiosk=self._kiosk.name, done=done, seconds=watch.seconds, tries=tries)

    async def _once(self, watch: Watch) -> str:
        await watch.spend(STAFF_S, least_s=AWAY_S)
        said = await self._card_held(self._staff.uid, ("staff", "witness-unknown", "noted", "not-recorded"))
        if said != "staff":
            self._kiosk.press("*")
            return said
        await watch.spend(STEP_UP_S, least_s=AWAY_S)
        answers = ("first", "not-asked", "busy", "away", "held", "not-recorded")
        said = await self._card_held(self._card.uid, answers)
        await watch.spend(self.SAY_S)
        while said in ("first", "second", "unclear"):
            await watch.spend(FINGER_S)
            state = "dirty" if self._dirty else "clean"
            self._dirty = False
            began_s = time.monotonic()
            self._kiosk.sensor.place(Finger(person=self._finger.person, state=state, seed=self._seed))
            said = await self._screen(("lift", "unclear", "enrolled", "differ", "failed", "away", "ended"), began_s)
            began_s = time.monotonic()
            self._kiosk.sensor.lift()
            await watch.spend(LIFT_S, least_s=LIFTED_S if said == "unclear" else 0.0)
            if said == "lift":
                said = await self._screen(("second", "failed", "away", "ended"), began_s)
        return said

    async def _card_held(self, uid: bytes, for_: Collection[str]) -> str:
        began_s = time.monotonic()
        shown = self._kiosk.hold(uid)
        said = await self._screen(for_, began_s)
        self._kiosk.take(shown)
        return said

    async def _screen(self, for_: Collection[str], since_s: float) -> str:
        found = await self._kiosk.display.wait(for_, since_s, PATIENCE_S)
        return found[0] if found else ""
