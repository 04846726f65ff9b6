"""The command `muster gateway`: reads its settings, starts the logs, runs the service until SIGINT or SIGTERM."""

import asyncio
import os
import random
import signal
import sys

from gateway.clock import SystemClock
from gateway.errors import GatewayError, SettingsError
from gateway.events import Events, start_logging
from gateway.service import serve
from gateway.settings import Settings, read

OK, FAILED, USAGE = 0, 1, 2


def main(argv: list[str]) -> int:
    """Run `muster gateway run ...`. Returns 0 when it was told to stop, 1 where it cannot run, 2 for wrong usage."""
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: muster gateway run [FLAG ...]; `muster gateway run --help` lists the flags")
        return OK if argv else USAGE
    if argv[0] != "run":
        print(f"muster gateway: there is no {argv[0]!r}; there is `run`", file=sys.stderr)
        return USAGE
    try:
        settings = read(argv[1:], os.environ)
    except SettingsError as error:
        print(f"muster gateway: {error}", file=sys.stderr)
        return USAGE
    events = start_logging(sys.stderr, settings.log_level)
    try:
        return asyncio.run(_run(settings, events))
    except* GatewayError as group:
        for error in group.exceptions:
            events.warning("cannot-run", code=getattr(error, "code", "?"), text=str(error))
    except* OSError as group:
        events.warning("cannot-run", code="http-port", text=f"{group.exceptions[0]}: choose another --http-port")
    except* Exception:  # noqa: BLE001  the top of the process; each has been logged with its trace by its task
        pass
    return FAILED


async def _run(settings: Settings, events: Events) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, events, SystemClock(), random.Random(), stop)
    return OK
