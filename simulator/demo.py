"""`muster demo`: the whole line on this machine, with a campus of people in it.

Without `--check` it lives till Ctrl-C: open the corridor, hold cards to doors, and watch the registers fill. With
`--check` it is bounded: everybody taps, the store is compared with what people saw, and the last line is one JSON object.
"""

import argparse
import asyncio
import contextlib
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from simulator.arguments import parser, script
from simulator.bounded import bounded
from simulator.people import Plan, around_now
from simulator.play import Script, Stage
from simulator.processes import PartFailed, free_port, wait_listening
from simulator.unixport.runner import CannotRun

OK, FAILED, USAGE = 0, 1, 2

#: progress, for people: on standard error
Say = Callable[[str], None]


def main(argv: list[str]) -> int:
    """Run the demo. 0: all well; with `--check` only if nothing was lost, duplicated or miscredited."""
    arguments = parser((__doc__ or "").split("\n\n")[0]).parse_args(argv)
    try:
        asked = script(arguments)
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
                return asyncio.run(bounded(asked, folder, say, taps=arguments.swipes, as_json=arguments.json))
            return asyncio.run(_live(asked, folder, arguments, say))
        except (PartFailed, CannotRun) as error:
            print(f"muster demo: {error}", file=sys.stderr)
            return FAILED
        except KeyboardInterrupt:
            return OK


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
        if stage.lodging:
            tasks.append(asyncio.create_task(_residence(stage, script.seed, say), name="residence"))
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
    "registry": "/registry, /requests, /export, /residence/registry",
    "warden": "/residence: tonight's board, who is missing, leave, enrolling a finger",
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


async def _residence(stage: Stage, seed: int, say: Say) -> None:
    """The residence's evening beside the doors: fingers enrolled, then somebody every few seconds, without an end."""
    lodging, evening = stage.lodging, stage.evening
    assert lodging is not None and evening is not None
    rng = random.Random(f"residence life {seed}")
    try:
        await lodging.begin(stage.day)
        await lodging.enrol()
        await lodging.desk.withdraw()
        say("the residence's fingers are enrolled; its people come now")
        visits = sorted((one for queue in evening.visits.values() for one in queue), key=lambda one: one.at_min)
        while True:
            for one in visits:
                await asyncio.sleep(rng.uniform(4, 12))
                await lodging.visit(lodging.kiosks[one.kiosk], one)
            visits = rng.sample(visits, len(visits))
    except (PartFailed, httpx.HTTPError) as error:
        say(f"the residence has stopped: {error}")
