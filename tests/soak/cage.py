"""The cage: the soak runs in network and process namespaces of its own, so that nothing of it can be left behind.

The first process only starts the second inside, waits, and passes on a Ctrl-C by closing its standard input. Whatever
way the first one dies, the kernel ends everything inside, and interfaces and namespaces with it.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from simulator.processes import ROOT
from tests.soak.lan import program, run

T = TypeVar("T")

CAGED = "--caged"
#: how the cage is made
UNSHARE = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
#: what was asked to end has this long to do so, s
GRACE_S = 25


def possible() -> str:
    """Empty where namespaces may be made here, else why not."""
    for name in ("unshare", "nsenter"):
        if shutil.which(name) is None:
            return f"{name} is not installed (util-linux)"
    if shutil.which("ip") is None and shutil.which("ip", path="/usr/sbin:/sbin") is None:
        return "ip is not installed (iproute2)"
    inside = "ip link set lo up && ip link add soak0 type veth peer name soak1"
    done = subprocess.run(
        [*UNSHARE, "sh", "-c", f"PATH=$PATH:/usr/sbin:/sbin; {inside}"], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else f"namespaces are not permitted here: {done.stderr.strip()[-200:]}"


def run_inside(argv: list[str]) -> int:
    """Run `python -m tests.soak` with these arguments in the cage, to its end; its exit status."""
    process = subprocess.Popen(
        # The shell is the namespace's first process: it takes in the orphans of whoever is killed.
        [*UNSHARE, "sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-m", "tests.soak", CAGED, *argv],
        stdin=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    )
    assert process.stdin is not None
    asked = threading.Event()

    def ask(*_: object) -> None:
        asked.set()
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]

    before = {name: signal.signal(name, ask) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        until_s = float("inf")
        while time.monotonic() < until_s:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(0.5)
            if asked.is_set() and until_s == float("inf"):
                until_s = time.monotonic() + GRACE_S
        return 128 + signal.SIGKILL
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
        if process.poll() is None:
            process.kill()
            process.wait()


def settle() -> None:
    """Inside: the loopback is up."""
    run([program("ip"), "link", "set", "lo", "up"])


async def until_asked(playing: Coroutine[Any, Any, T]) -> T:
    """Run it to its end, or cancel it when a signal or the end of standard input asks for that."""
    task = asyncio.create_task(playing, name="soak")
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, task.cancel)
    if CAGED in sys.argv:

        def readable() -> None:
            if not os.read(0, 1024):
                loop.remove_reader(0)
                task.cancel()

        loop.add_reader(0, readable)
    return await task
