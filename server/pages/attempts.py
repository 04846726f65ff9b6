"""Wrong passwords, and who has to wait for them. Nobody can keep the right person out by typing wrong ones elsewhere.

Counted is a pair: the address and the account tried from it. Beside it the address alone, with room for a whole college
that is behind one. A browser that signed in before is a *known device* of that account (server/pages/device.py): it is
counted for itself and waits for nobody else's mistakes. So is one in which another account signed in before, as on a
classroom's machine: by that account, whose it was, and not by the address. A passkey waits for nothing.

In memory: it need not outlive the process. A try is counted before the password is looked at, so that many at once get
no further than one after another, and taken back where it was right.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address

WINDOW_MS = 5 * 60_000
#: tries in the window: of one account from one address; of whatever accounts from one address; from a known device
PAIR, ADDRESS, DEVICE = 5, 100, 10
#: what is remembered; what was tried longest ago goes first
REMEMBERED = 20_000


class Attempts:
    """Counts tries. Thread-safe. Times in epoch ms are handed in."""

    def __init__(
        self, *, pair: int = PAIR, address: int = ADDRESS, device: int = DEVICE, window_ms: int = WINDOW_MS
    ) -> None:
        self._pair, self._address, self._device, self._window_ms = pair, address, device, window_ms
        self._tries: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, address: str, login: str, device: str | None, now_ms: int) -> int:
        """Count a try, and answer 0; or how long to wait, and nothing is counted.

        device: the known device of this very account, if it is one.
        """
        with self._lock:
            if device is not None and not self._waits(("device", device), self._device, now_ms):
                self._count(("device", device), now_ms)
                return 0
            pair, whole = ("pair", f"{block(address)} {login.casefold()}"), ("address", block(address))
            wait_ms = max(self._waits(pair, self._pair, now_ms), self._waits(whole, self._address, now_ms))
            if not wait_ms:
                self._count(pair, now_ms)
                self._count(whole, now_ms)
            return wait_ms

    def right(self, address: str, login: str, device: str | None, now_ms: int) -> None:
        """The try that was counted last was right: what this person got wrong before is forgotten."""
        with self._lock:
            if device is not None:
                # Others' mistakes stay counted: they are not this person's.
                self._tries.pop(("device", device), None)
                return
            self._tries.pop(("pair", f"{block(address)} {login.casefold()}"), None)
            # The address's other failures stay: they may be of other accounts.
            times = self._recent(("address", block(address)), now_ms)
            if times:
                times.pop()

    def back(self, address: str, login: str, device: str | None, now_ms: int) -> None:
        """The try that was counted last was none: nobody looked at the password."""
        with self._lock:
            keys = [("pair", f"{block(address)} {login.casefold()}"), ("address", block(address))]
            for key in [("device", device)] if device is not None else keys:
                times = self._recent(key, now_ms)
                if times:
                    times.pop()

    def _waits(self, key: tuple[str, str], limit: int, now_ms: int) -> int:
        times = self._recent(key, now_ms)
        return max(1, times[0] + self._window_ms - now_ms) if len(times) >= limit else 0

    def _count(self, key: tuple[str, str], now_ms: int) -> None:
        self._tries.setdefault(key, deque()).append(now_ms)
        self._tries.move_to_end(key)
        while len(self._tries) > REMEMBERED:
            self._tries.popitem(last=False)

    def _recent(self, key: tuple[str, str], now_ms: int) -> deque[int]:
        times = self._tries.get(key, deque())
        while times and times[0] <= now_ms - self._window_ms:
            times.popleft()
        if not times:
            self._tries.pop(key, None)
        return times


def block(address: str) -> str:
    """The address, or of IPv6 its /64: one machine has all of those."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return found.exploded[:19]
    return str(found)
