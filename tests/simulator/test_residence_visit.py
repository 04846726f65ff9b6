"""People before a real kiosk process, by what its display asks for: the scenario's people must read it as people do."""

import asyncio
import json
import time
from collections import Counter

import pytest

from firmware.contract.residents import ENROL, NO_PIN, NO_SLOT, RESIDENT, STAFF, Entry
from simulator import residence_visit
from simulator.campus import invent
from simulator.residence_kiosk import Kiosk
from simulator.residence_people import RADIUS_M, found
from simulator.residence_plan import Visit
from simulator.residence_visit import Enrolling, Visitor
from tests.firmware.pi.kiosk_process import KioskStore, kiosk_settings, pin, token

SEED = 7


@pytest.fixture
def residence():
    campus = invent(seed=SEED, rooms=1, students=12, now_ms=1_790_000_000_000)
    return found(campus, seed=SEED, residents=12, kiosks=1)


@pytest.fixture
def store(mosquitto):
    made = KioskStore(mosquitto.port)
    yield made
    made.close()


def listed(residence, slots, asked=()):
    """The residents list; slots: who may be held by the sensor; asked: whose finger is to be enrolled."""
    entries = []
    for n, one in enumerate(residence.residents.values()):
        slot = n if one.id in slots else NO_SLOT
        flags = RESIDENT | (ENROL if one.id in asked else 0)
        code = pin(one.uid, one.pin) if one.pin else NO_PIN
        entries.append(Entry(token(one.uid), slot, n + 1 if one.id in slots else 0, flags, code))
    return [*entries, *(Entry(token(one.uid), NO_SLOT, 0, STAFF, NO_PIN) for one in residence.staff.values())]


def visit(resident, **how):
    return Visit(**{"kiosk": "k", "resident": resident, "at_min": 0, "why": "due", "way": "finger"} | how)


@pytest.mark.needs("mosquitto")
@pytest.mark.timeout(300)
async def test_people_enrol_and_check_in_by_what_the_display_asks_for(residence, store, mosquitto, tmp_path):
    fingers = [one for one in residence.residents.values() if one.way == "finger"]
    ada, ben = fingers[0], fingers[1]
    pin_only = next(one for one in residence.residents.values() if one.way == "pin")
    witness_only = next(one for one in fingers[2:] if not one.pin)
    settings = tmp_path / "settings.json"
    house = residence.houses[0]
    place = {"latitude": house.latitude, "longitude": house.longitude, "radius_m": RADIUS_M}
    settings.write_text(json.dumps(kiosk_settings(mosquitto.port) | {"house": place}))
    kiosk = Kiosk("k", house, settings, tmp_path / "k", seed=SEED, receiver=True, log=tmp_path / "log")
    both = {ada.id, ben.id}
    await asyncio.to_thread(store.push, *listed(residence, both, both))
    kiosk.open()
    try:
        await kiosk.power_on()
        assert await kiosk.display.wait(("open",), 0, 60), kiosk.display.rows

        async def sees(**how):
            person = how.pop("person")
            visitor = Visitor(kiosk, visit(person.id, **how), residence, seed=SEED, clock=lambda: time.time() * 1000)
            return await visitor.attempt()

        async def logged(event, times):
            async with asyncio.timeout(60):
                while (tmp_path / "log").read_text().count(event) < times:  # noqa: ASYNC110  another process writes it
                    await asyncio.sleep(0.02)

        for one, dirty in ((ada, False), (ben, True)):
            enrolled = await Enrolling(kiosk, one.id, residence, seed=SEED, dirty=dirty).enrol()
            assert enrolled.done, (enrolled, kiosk.display.history[-9:])
            assert enrolled.seconds > Enrolling.PAGE_S
        seen = [
            await sees(person=ada),
            await sees(person=ben, finger="dirty"),
            await sees(person=ada, refused=True),
            await sees(person=pin_only, way="pin", wrong_pin=True),
            await sees(person=witness_only, way="pin"),
            await sees(person=ada, why="stranger", other=ben.id),
        ]
        # A machine that is too busy to draw two short flashes of blue may blur them; no other colour takes their place.
        story = [(one.told, one.light or ("blue" if one.told == "kept" else ""), one.method) for one in seen]
        assert story == [
            ("recorded", "green", "finger"),
            ("recorded", "green", "finger"),
            ("recorded", "green", "finger"),
            ("recorded", "green", "pin"),
            ("kept", "blue", "witness"),
            ("ended", "", ""),
        ], [*((one.told, one.light, one.method, one.story) for one in seen), kiosk.display.history]
        assert seen[0].beyond_sensor_ms is not None and seen[1].beyond_sensor_ms is None
        await asyncio.to_thread(store.wait, lambda s: len(s.of("checkin")) == 5)
        kiosk.sensor_port.unplug()
        await logged("sensor-lost", 1)  # the kiosk asks once a second whether it is there
        away = await sees(person=ada)
        assert (away.told, away.method) in (("recorded", "pin"), ("kept", "witness")), away
        kiosk.sensor_port.plug()
        await logged("sensor-ready", 2)
        await kiosk.power_cut()
        ready = (tmp_path / "log").read_text().count("sensor-ready")
        await kiosk.power_on()
        assert await kiosk.display.wait(("open",), time.monotonic() - 0.1, 60), kiosk.display.rows
        await logged("sensor-ready", ready + 1)
        assert (await sees(person=ben)).method == "finger", kiosk.display.history[-9:]
        await asyncio.to_thread(store.wait, lambda s: len(s.of("checkin")) == 7)
        kept = Counter(one["method"] for one in store.of("checkin"))
        assert kept - Counter([away.method]) == Counter({"finger": 4, "pin": 1, "witness": 1})
    finally:
        assert await kiosk.close() == 0


@pytest.mark.needs("mosquitto")
@pytest.mark.timeout(300)
async def test_the_red_of_a_kiosk_that_starts_again_is_not_taken_for_its_answer(
    residence, store, mosquitto, tmp_path, monkeypatch
):
    """Found by the build machine: a power cut within the flash, and whoever was told "Kept" looked on until it was red."""
    monkeypatch.setattr(residence_visit, "LOOK_S", 30.0)  # however slowly it starts
    person = next(one for one in residence.residents.values() if one.way == "finger" and not one.pin)
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(kiosk_settings(mosquitto.port)))
    kiosk = Kiosk("k", residence.houses[0], settings, tmp_path / "k", seed=SEED, receiver=False, log=tmp_path / "log")
    await asyncio.to_thread(store.push, *listed(residence, set()))
    kiosk.open()
    try:
        await kiosk.power_on()
        assert await kiosk.display.wait(("open",), 0, 60), kiosk.display.rows

        async def cut():
            assert await kiosk.display.wait(("kept",), time.monotonic(), 60)
            await kiosk.power_cut()
            kiosk.chip.silence()  # then it is surely red
            await kiosk.power_on()

        cutting = asyncio.create_task(cut())
        visitor = Visitor(kiosk, visit(person.id), residence, seed=SEED, clock=lambda: time.time() * 1000)
        sight = await visitor.attempt()
        await cutting
        assert (sight.told, sight.method) == ("kept", "witness")
        # Blue, where the machine was so busy that the flash was over before the power went.
        assert sight.light in ("", "blue") and sight.again(kiosk).light == sight.light, sight.story
        first = await kiosk.lamp.verdict(sight.since_s, 0)
        assert first and first[0] == (sight.light or "red"), "the red was there to be seen"
        kiosk.chip.revive()
        await asyncio.to_thread(store.wait, lambda s: len(s.of("checkin")) == 1)
    finally:
        await kiosk.close()
