"""How many sign-ins an address may begin at a provider or with a passkey: each keeps a row until it is finished.

No person is kept out by others' here as by wrong passwords: the limit is far above what a college behind one address
needs, a browser in which somebody signed in before is counted for itself (server/pages/device.py), and where everybody
together begins too many, only those wait who begin most. In memory, and a fixed window: a count and its begin for each
address.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from fastapi import Request

from server.errors import StoreError
from server.pages import device, entering
from server.pages.attempts import REMEMBERED, block

#: begun in the window, by one address; by everybody, and then by one address
ADDRESS, ALL, SHARE = 300, 3000, 30
#: of IPv6 one network has all addresses that begin alike: 2001:0db8:0000, a /48
NETWORK = 14
WINDOW_MS = 60_000


class Often(StoreError):
    """Begun too often from one address."""

    status = 429

    def __init__(self, wait_ms: int) -> None:
        super().__init__(
            "sign-in-often", "too many sign-ins were begun from this network: wait a minute, then try again"
        )
        self.wait_s = -(-wait_ms // 1000)


class Begun:
    """Counts them. Thread-safe. Times in epoch ms are handed in."""

    def __init__(self, *, address: int = ADDRESS, everybody: int = ALL, window_ms: int = WINDOW_MS) -> None:
        self._address, self._all, self._window_ms = address, everybody, window_ms
        #: block of addresses, or '' for everybody -> (begin of its window, how many)
        self._counts: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def need(self, address: str, now_ms: int) -> None:
        """Count one more. Raises Often, and then it is not counted."""
        own = block(address)
        network = own[:NETWORK] if own.count(":") == 3 else own
        with self._lock:
            found = {key: self._of(key, now_ms) for key in dict.fromkeys((own, network, ""))}
            # Strangers who fill everybody's room, from however many addresses of theirs, leave each other one its share.
            full = found[""][1] >= self._all
            for key, most in ((own, min(SHARE, self._address) if full else self._address), (network, self._address)):
                if found[key][1] >= most and (key == own or full):
                    raise Often(found[key][0] + self._window_ms - now_ms)
            for key, (since_ms, count) in found.items():
                self._counts[key] = (since_ms, count + 1)
                self._counts.move_to_end(key)
            while len(self._counts) > REMEMBERED:
                self._counts.popitem(last=False)

    def need_for(self, request: Request, now_ms: int) -> None:
        """`need` for whoever is not signed in: their browser's own count where we know it, else their address's."""
        owner = device.owner(request, now_ms)
        self.need(entering.address_of(request) if owner is None else f"account {owner}", now_ms)

    def _of(self, key: str, now_ms: int) -> tuple[int, int]:
        since_ms, count = self._counts.get(key, (now_ms, 0))
        # A clock that was set back begins anew.
        return (since_ms, count) if 0 <= now_ms - since_ms < self._window_ms else (now_ms, 0)
