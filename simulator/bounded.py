"""The bounded run of `muster demo --check`: everybody taps and checks in, and the store is compared with what they saw."""

import asyncio
import json
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from simulator.check import NEAR_MS, compare, delays, quantiles
from simulator.people import around_now, whole_day
from simulator.play import Script, Stage

#: taps at an invented campus, where nothing is said
TAPS = 1500
#: after the last tap everything must have arrived within this time, s
DRAIN_S = 90
#: what is 0 in the residence's result, or a promise was broken
BROKEN = (
    "lost",
    "duplicated",
    "misattributed",
    "template_bytes_seen",
    "given_up",
    "not_enrolled",
    "not_erased",
    "not_flagged",
)

#: progress, for people
Say = Callable[[str], None]


async def bounded(script: Script, folder: Path, say: Say, *, taps: int | None, as_json: bool) -> int:
    """Play, compare, print the result. taps: at the doors. Returns 0 only if every promise was kept, else 1."""
    began = time.monotonic()
    result: dict[str, Any] = {"seed": script.seed}
    good, lodged = True, None
    async with Stage(script, folder, say) as stage:
        if stage.lodging is not None:
            await stage.lodging.begin(stage.day)
        evening = asyncio.create_task(stage.lodge(), name="residence") if stage.lodging else None
        if not script.residence_only:
            told, good = await _doors(script, stage, say, taps)
            result |= told
        if evening is not None and stage.lodging is not None:
            await evening
            say("the residence's people have come; waiting for what is still on its way")
            lodged = await stage.lodging.outcome(stage.day.isoformat(), until_over=stage.closes_s)
    if stage.lodging is not None and lodged is not None:
        # Once the kiosks have ended: what their sensors were asked for until then.
        result["residence"] = told = stage.lodging.result(lodged)
        for line in lodged.wrong[:20]:
            say(f"wrong: {line}")
        good = good and not any(told[name] for name in BROKEN) and told["checked_in"] > 0
    result["seconds"] = round(time.monotonic() - began, 1)
    if as_json:
        print(json.dumps(result), flush=True)
    else:
        for name, value in result.items():
            print(f"{name:>20}  {value}")
    return 0 if good else 1


async def _doors(script: Script, stage: Stage, say: Say, most: int | None) -> tuple[dict[str, Any], bool]:
    """People at the doors: what came of it, and whether every promise was kept."""
    token = await asyncio.to_thread(stage.line.api_token)
    if script.campus is None:
        await stage.wait_open()
        plan = around_now(stage.campus, taps=most or TAPS, seed=script.seed, now_ms=int(stage.now_ms()))
    else:
        plan = whole_day(stage.campus, seed=script.seed, limit=most)
    say(f"{sum(plan.kinds().values())} taps planned ({', '.join(f'{n} {k}' for k, n in plan.kinds().items())})")
    breaking = asyncio.create_task(stage.faults.run(), name="faults") if stage.faults else None
    playing = time.monotonic()
    await stage.world.play(plan, wait_until=stage.wait_until if script.campus else None)
    played_s = time.monotonic() - playing
    if breaking:
        await _end_faults(breaking, stage)
    say("everybody has tapped; waiting for what is still on its way")
    outcome, rows, drained_s = await _drain(stage, token, script.speed)
    seen = stage.world.seen
    lights = [s.light for s in seen]
    result = {
        "readers": len(stage.world.doors),
        "micropython_readers": stage.boards,
        "micropython": stage.micropython or "not asked for",
        "broker": _broker(script.broker),
        "database": urlsplit(stage.line.database_url).scheme.split("+")[0],
        "gateways": script.gateways,
        "seed": script.seed,
        "swipes": len(seen),
        "green": lights.count("green"),
        "red": lights.count("red"),
        "blue": lights.count("blue"),
        "no_light": lights.count(""),
        "given_up": len(stage.world.given_up),
        "stored": outcome.stored,
        # red without a swipe: a card that could not be read, or the pulse of a reader that was not able to take it
        "not_recorded": max(0, len(seen) - lights.count("") - outcome.stored),
        "lost": outcome.lost,
        "duplicated": outcome.duplicated,
        "credited": outcome.credited,
        "miscredited": outcome.miscredited,
        "tap_to_light_ms": quantiles(s.light_ms for s in seen if s.light_ms is not None),
        "tap_to_store_ms": quantiles(d / script.speed for d in delays(seen, rows)),
        "faults": dict(stage.faults.made) if stage.faults else {},
        "played_s": round(played_s, 1),
        "drained_s": round(drained_s, 1),
    }
    for line in outcome.wrong[:20]:
        say(f"wrong: {line}")
    return result, not (outcome.lost or outcome.duplicated or outcome.miscredited) and outcome.credited > 0


async def _drain(stage: Stage, token: str, speed: int):
    """Wait until the store agrees with what was seen, or time is up; what it says then is the result."""
    began = time.monotonic()
    while True:
        rows = await stage.rows(token)
        outcome = compare(stage.world.seen, rows, near_ms=NEAR_MS * speed)
        waited = time.monotonic() - began
        if not (outcome.lost or outcome.miscredited) or waited > DRAIN_S:
            # Once more after a moment: what is right must also stay right.
            await asyncio.sleep(1.5)
            rows = await stage.rows(token)
            return compare(stage.world.seen, rows, near_ms=NEAR_MS * speed), rows, waited
        await asyncio.sleep(0.5)


async def _end_faults(breaking: asyncio.Task[None], stage: Stage) -> None:
    """No more faults; whatever is broken now is whole again before anything is counted."""
    breaking.cancel()
    await asyncio.gather(breaking, return_exceptions=True)
    for wire in stage.wires:
        wire.silence(False)
    for door in stage.world.doors.values():
        if not door.powered:
            await door.power_on()
    for kind, ready in stage.ready.items():
        for part in stage.line.parts[kind]:
            if part.pid is None:
                part.start()
            await ready(part)


def _broker(url: str | None) -> str:
    if url is None:
        return f"iotcore {version('iotcore')}"
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 1883}"
