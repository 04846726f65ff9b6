"""`muster demo`: the whole line on this machine, with a campus of people in it.

Without `--check` it lives till Ctrl-C: open the corridor, hold cards to doors, and watch the registers fill. With
`--check` it is bounded: everybody taps, the store is compared with what people saw, and the last line is one JSON object.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from simulator.check import NEAR_MS, compare, delays, quantiles
from simulator.faults import KINDS
from simulator.people import Plan, around_now, whole_day
from simulator.play import Script, Stage
from simulator.processes import PartFailed, free_port, wait_listening
from simulator.unixport.runner import CannotRun

#: after the last tap everything must have arrived within this time, s
DRAIN_S = 90
OK, FAILED, USAGE = 0, 1, 2

#: progress, for people: on standard error
Say = Callable[[str], None]


def main(argv: list[str]) -> int:
    """Run the demo. 0: all well; with `--check` only if nothing was lost, duplicated or miscredited."""
    arguments = _parser().parse_args(argv)
    try:
        script = _script(arguments)
    except ValueError as error:
        print(f"muster demo: {error}", file=sys.stderr)
        return USAGE

    def say(text: str) -> None:
        print(f"muster demo: {text}", file=sys.stderr, flush=True)

    with contextlib.ExitStack() as stack:
        folder = arguments.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="muster-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if arguments.check:
                return asyncio.run(_check(script, folder, arguments, say))
            return asyncio.run(_live(script, folder, arguments, say))
        except (PartFailed, CannotRun) as error:
            print(f"muster demo: {error}", file=sys.stderr)
            return FAILED
        except KeyboardInterrupt:
            return OK


async def _check(script: Script, folder: Path, arguments: argparse.Namespace, say: Say) -> int:
    began = time.monotonic()
    async with Stage(script, folder, say) as stage:
        token = await asyncio.to_thread(stage.line.api_token)
        if script.campus is None:
            await stage.wait_open()
            plan = around_now(stage.campus, taps=arguments.swipes, seed=script.seed, now_ms=int(stage.now_ms()))
        else:
            plan = whole_day(stage.campus, seed=script.seed, limit=arguments.swipes)
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
        "seconds": round(time.monotonic() - began, 1),
    }
    for line in outcome.wrong[:20]:
        say(f"wrong: {line}")
    good = not (outcome.lost or outcome.duplicated or outcome.miscredited) and outcome.credited > 0
    if arguments.json:
        print(json.dumps(result), flush=True)
    else:
        for name, value in result.items():
            print(f"{name:>20}  {value}")
    return OK if good else FAILED


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


async def _live(script: Script, folder: Path, arguments: argparse.Namespace, say: Say) -> int:
    import uvicorn

    from simulator.page import app

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    began = time.monotonic()
    async with Stage(script, folder, say) as stage:
        await stage.wait_open()
        logins = [(login.who, login.name, login.password) for login in stage.line.logins]
        api = app(stage.campus, stage.world, muster_url=stage.line.url, logins=logins)
        port = arguments.port or free_port()
        server = uvicorn.Server(uvicorn.Config(api, host="127.0.0.1", port=port, log_level="warning", lifespan="off"))
        server.install_signal_handlers = lambda: None  # type: ignore[method-assign]  Ctrl-C is ours
        plan = around_now(stage.campus, taps=100_000, seed=script.seed, now_ms=int(stage.now_ms()))
        tasks = [
            asyncio.create_task(server.serve(), name="page"),
            asyncio.create_task(_life(stage, plan, script.seed), name="people"),
        ]
        if stage.faults:
            tasks.append(asyncio.create_task(stage.faults.run(), name="faults"))
        await asyncio.to_thread(wait_listening, port)
        print(f"\n  corridor   http://127.0.0.1:{port}/      doors and cards to hold to them")
        print(f"  registers  {stage.line.url}/")
        for line in login_lines(logins):
            print(line)
        print(f"\n  ready after {time.monotonic() - began:.0f} s; Ctrl-C ends it\n", flush=True)
        await stop.wait()
        say("ending")
        # The page's server is asked, not cancelled: it has streams open, and says so at length where it is cancelled.
        server.should_exit = server.force_exit = True
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return OK


#: where each of the demo's accounts begins to look
FIRST_PAGES = {
    "admin": "everything",
    "lecturer1": "/today: the registers that fill, marking, cover",
    "lecturer2": "/today, /lateness, /trips",
    "student": "/me: own attendance, reporting an absence, a lost card",
    "head": "/compliance, /requests, /absences",
    "registry": "/registry, /requests, /export",
}


def login_lines(logins: list[tuple[str, str, str]]) -> list[str]:
    """The printed lines that say how to sign in, as whom, and what to look at. logins: (who, name, password)."""
    names = max((len(f"{name} / {password}") for _, name, password in logins), default=0)
    people = max((len(who) for who, _, _ in logins), default=0)
    return [
        f"             {f'{name} / {password}':{names}}  {who:{people}}  {FIRST_PAGES.get(name, '')}".rstrip()
        for who, name, password in logins
    ]


async def _life(stage: Stage, plan: Plan, seed: int) -> None:
    """Somebody taps every few seconds, so that a visitor sees registers fill."""
    rng = random.Random(f"life {seed}")
    taps = [tap for taps in plan.taps.values() for tap in taps]
    while True:
        await asyncio.sleep(rng.uniform(1, 4))
        await stage.world.tap(rng.choice(taps), insist=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="muster demo", description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="bounded: play, compare, print one JSON object, end")
    parser.add_argument("--json", action="store_true", help="with --check: the result as the last line")
    parser.add_argument("--readers", type=int, default=6, help="doors (6)")
    parser.add_argument("--micropython", type=int, help="of these, how many run on real MicroPython (at most 8)")
    parser.add_argument("--students", type=int, default=300, help="students of an invented campus (300)")
    parser.add_argument("--swipes", type=int, help="cards to be held to doors (1500; a handed-over day: all of it)")
    parser.add_argument("--seed", type=int, default=7, help="of campus, people and faults (7)")
    parser.add_argument("--gateways", type=int, default=1, help="gateways that share the broker (1)")
    parser.add_argument("--broker", metavar="mqtt://…", help="a broker that runs already; else one in memory (iotcore)")
    parser.add_argument("--database", metavar="postgresql://…", help="an empty database; else SQLite")
    parser.add_argument(
        "--faults", nargs="?", const=",".join(KINDS), default="", help=f"some or all of {','.join(KINDS)}"
    )
    parser.add_argument("--fault-every", type=float, default=4.0, help="mean seconds between two faults (4)")
    parser.add_argument(
        "--campus", type=Path, metavar="DIR", help="a campus as OneRoster CSV, cards.csv, timetable.ics"
    )
    parser.add_argument("--day", type=date.fromisoformat, help="with --campus: the day to play (YYYY-MM-DD)")
    parser.add_argument("--speed", type=int, default=60, help="with --campus: how much faster than ours (60)")
    parser.add_argument("--zone", default="Europe/London", help="IANA time zone of the campus")
    parser.add_argument("--port", type=int, default=0, help="of the corridor page (any free one)")
    parser.add_argument("--data", type=Path, help="keep everything in this folder (else a temporary one)")
    return parser


def _script(arguments: argparse.Namespace) -> Script:
    if arguments.data is not None and arguments.data.exists() and any(arguments.data.iterdir()):
        raise ValueError(f"--data: {arguments.data} is not empty; a demo begins with a new folder")
    kinds = tuple(filter(None, arguments.faults.split(",")))
    if set(kinds) - set(KINDS):
        raise ValueError(f"--faults takes {', '.join(KINDS)}")
    if (arguments.campus is None) != (arguments.day is None):
        raise ValueError("--campus and --day go together")
    if arguments.campus is not None and not arguments.check:
        raise ValueError("--campus is played with --check")
    if not 1 <= arguments.readers <= 400 or arguments.students < arguments.readers or arguments.gateways < 1:
        raise ValueError("1 to 400 readers, at least as many students, at least one gateway")
    if arguments.campus is None and arguments.swipes is None:
        arguments.swipes = 1500
    most = 8 if arguments.micropython is None else arguments.micropython
    return Script(
        readers=arguments.readers,
        students=arguments.students,
        seed=arguments.seed,
        micropython=most,
        gateways=arguments.gateways,
        broker=arguments.broker,
        database=arguments.database,
        faults=kinds,
        fault_every_s=arguments.fault_every,
        campus=arguments.campus,
        day=arguments.day,
        speed=arguments.speed if arguments.campus else 1,
        zone=arguments.zone,
    )


def _broker(url: str | None) -> str:
    if url is None:
        return f"iotcore {version('iotcore')}"
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 1883}"
