"""What the reader tells systemd, where systemd started it: that it is ready, and that it is alive (WatchdogSec=)."""

import contextlib
import os
import socket


class Systemd:
    """Speaks to the socket that systemd named in NOTIFY_SOCKET; without one it says nothing."""

    def __init__(self, address: str | None = None) -> None:
        address = address if address is not None else os.environ.get("NOTIFY_SOCKET")
        # A name that begins with @ stands for one in Linux's abstract space.
        self._address = "\0" + address[1:] if address and address.startswith("@") else address

    def ready(self) -> None:
        """The reader takes cards."""
        self._say(b"READY=1")

    def alive(self) -> None:
        """The event loop runs. Call each second; systemd restarts a reader that stops calling."""
        self._say(b"WATCHDOG=1")

    def _say(self, what: bytes) -> None:
        if self._address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.sendto(what, self._address)
