"""Failed sign-ins by address: somebody who tries passwords is slowed, whichever accounts they try.

The account's own count stands in the store. This one is in memory: it need not outlive the process, and a successful
sign-in from a whole building behind one address counts nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address

#: this many failures from one address in this time, then none is looked at until the oldest is that old
LIMIT, WINDOW_MS = 20, 5 * 60_000
#: addresses that are remembered; the one that failed longest ago goes first
ADDRESSES = 10_000


class Attempts:
    """Counts failures by address. Thread-safe. Times in epoch ms are handed in."""

    def __init__(self, *, limit: int = LIMIT, window_ms: int = WINDOW_MS) -> None:
        self._limit, self._window_ms = limit, window_ms
        self._failed: OrderedDict[str, deque[int]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_ms(self, address: str, now_ms: int) -> int:
        """How long this address has to wait; 0: it may try."""
        with self._lock:
            times = self._recent(_block(address), now_ms)
            return max(1, times[0] + self._window_ms - now_ms) if len(times) >= self._limit else 0

    def failed(self, address: str, now_ms: int) -> None:
        """Count a failure."""
        with self._lock:
            block = _block(address)
            times = self._recent(block, now_ms)
            times.append(now_ms)
            self._failed[block] = times
            self._failed.move_to_end(block)
            while len(self._failed) > ADDRESSES:
                self._failed.popitem(last=False)

    def _recent(self, block: str, now_ms: int) -> deque[int]:
        times = self._failed.get(block, deque())
        while times and times[0] <= now_ms - self._window_ms:
            times.popleft()
        if not times:
            self._failed.pop(block, None)
        return times


def _block(address: str) -> str:
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
