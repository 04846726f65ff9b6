"""The keypad: a Linux input device (evdev), read from its path in the event loop.

A record has 24 bytes on a 64-bit system: two 64-bit numbers of time, type, code, value. The device is taken for us alone, so
that a PIN is typed into nothing else. Any numeric keypad will do: the digits, `*` (also back-space) and `#` (also enter).
"""

import asyncio
import contextlib
import fcntl
import os
import struct
from collections.abc import Callable

RECORD = struct.Struct("=qqHHi")
EV_KEY, PRESSED = 1, 1
EVIOCGRAB = 0x40044590
#: Between two attempts to open it.
AGAIN_S = 1.0

#: Linux key codes: the row of digits, the block of digits, and those of a phone's keypad.
KEYS = {
    **dict(zip(range(2, 12), "1234567890", strict=True)),
    **dict(zip((79, 80, 81, 75, 76, 77, 71, 72, 73, 82), "1234567890", strict=True)),
    **dict(zip(range(0x200, 0x20C), "0123456789*#", strict=True)),
    **{55: "*", 14: "*", 28: "#", 96: "#"},
}


class Keys:
    """Bytes in, keys out; a record that came in two pieces is one."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[str]:
        """The keys that *data* says were pressed: `0` to `9`, `*`, `#`. What is none of these is nothing."""
        data = self._held + data
        whole = len(data) - len(data) % RECORD.size
        self._held = data[whole:]
        pressed = []
        for _, _, kind, code, value in RECORD.iter_unpack(data[:whole]):
            if kind == EV_KEY and value == PRESSED and code in KEYS:
                pressed.append(KEYS[code])
        return pressed


async def keypad(path: str, press: Callable[[str], None], log: Callable[..., None]) -> None:
    """Call press(key) for each key, until cancelled. A keypad that is pulled out is waited for."""
    said = None
    while True:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if said != "lost":
                said = "lost"
                log("keypad-lost", why=error.strerror)
            await asyncio.sleep(AGAIN_S)
            continue
        try:
            with contextlib.suppress(OSError):
                fcntl.ioctl(handle, EVIOCGRAB, 1)
            if said == "lost":
                log("keypad-found")
            said = "found"
            await _read(handle, press)
        finally:
            os.close(handle)
        await asyncio.sleep(AGAIN_S / 4)


async def _read(handle: int, press: Callable[[str], None]) -> None:
    """Until it has nothing more to say: pulled out, or (a pipe) nobody writes."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    keys = Keys()
    loop.add_reader(handle, ready.set)
    try:
        while True:
            await ready.wait()
            ready.clear()
            try:
                data = os.read(handle, RECORD.size * 64)
            except BlockingIOError:
                continue
            except OSError:
                return
            if not data:
                return
            for key in keys.feed(data):
                press(key)
    finally:
        loop.remove_reader(handle)
