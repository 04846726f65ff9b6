"""What runs in the guest as its first process: mounts the disk, then lets a reader and a gateway recover and write.

    python inside.py FOLDER SEED MODE SYNCHRONOUS CHECKPOINTS

MODE: `write` goes on until the power is cut; `look` says only what was recovered; `killed` writes until the file
FOLDER.kill is there, kills reader and gateway while the kernel lives on, and looks. SYNCHRONOUS: `FULL` is the real
thing; `NORMAL` and `OFF` are the controls, set behind the back of the real code. CHECKPOINTS: `usual`, or `late`: what
was written stays in the write-ahead log, where nothing but each commit's own sync brings it to the disk.
"""

import ctypes
import importlib
import os
import signal
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.guest.console import say

#: Nothing leaves the guest's page cache but by a sync: otherwise luck would keep what nobody synced.
LAZY = {
    "dirty_background_ratio": 90,
    "dirty_ratio": 95,
    "dirty_writeback_centisecs": 0,
    "dirty_expire_centisecs": 360_000,
}
MS_NOATIME = 1024
KERNEL_LOG_READ_ALL = 3
libc = ctypes.CDLL(None, use_errno=True)


def mount(what: str, where: str, kind: str, flags: int = 0, options: str = "") -> None:
    if libc.mount(what.encode(), where.encode(), kind.encode(), flags, options.encode()):
        raise OSError(ctypes.get_errno(), f"cannot mount {what}")


def kernel_log() -> str:
    log = ctypes.create_string_buffer(1 << 18)
    length = libc.klogctl(KERNEL_LOG_READ_ALL, log, len(log))
    return log.raw[: max(0, length)].decode("ascii", "replace")


def main(folder: str, seed: str, mode: str, synchronous: str, checkpoints: str) -> None:
    mount("proc", "/proc", "proc")
    for name, value in LAZY.items():
        Path(f"/proc/sys/vm/{name}").write_text(str(value))
    say("guest mounting")
    mount("/dev/ubda", folder, "ext4", MS_NOATIME, "commit=300")
    log = kernel_log()
    say(f"guest mounted {'replayed' if 'recovery complete' in log else 'clean'}")
    if "EXT4-fs error" in log or "corrupt" in log.lower():
        say("guest disk-damaged")
    parts = start(folder, seed, mode, synchronous, checkpoints)
    if mode == "killed":
        order = Path(f"{folder}.kill")
        while not order.exists():
            time.sleep(0.02)
        for process in parts:
            os.kill(process, signal.SIGKILL)
        end(parts)
        say("guest killed")
        parts = start(folder, seed, "look", synchronous, checkpoints)
    end(parts)
    say("guest done")
    while True:
        libc.pause()


def start(folder: str, seed: str, mode: str, synchronous: str, checkpoints: str) -> list[int]:
    """The reader and the gateway, a process each, at the same time."""
    processes = []
    for name in ("door", "gate"):
        process = os.fork()
        if process == 0:
            try:
                module = importlib.import_module(f"tests.guest.{name}")
                module.run(Path(folder), f"{seed}-{name}", mode, synchronous, checkpoints == "usual")
                say(f"{name} done")
            except BaseException as error:  # noqa: BLE001  the top of a process: said, and the host fails
                print(traceback.format_exc(), flush=True)
                say(f"{name} failed {type(error).__name__}")
            os._exit(0)
        processes.append(process)
    return processes


def end(processes: list[int]) -> None:
    """Wait until they have ended."""
    for process in processes:
        os.waitpid(process, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
