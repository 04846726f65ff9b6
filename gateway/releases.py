"""Pieces of signed releases on their way to readers: the store's answers name them, and nothing is remembered of a reader.

A pack is fetched once and kept while there is room. Nobody here can tell whether it is signed: the reader checks that.
"""

import asyncio
import hashlib
from collections import OrderedDict

from firmware.contract import release, topics
from firmware.contract.errors import ContractError
from gateway.counts import Counts
from gateway.errors import GatewayError
from gateway.events import Seldom
from gateway.link import Link
from gateway.store import Pieces, Store

#: bytes of packs that are kept: of each board the one that goes out and the one before
KEPT_BYTES = 4 * release.PI_BYTES
#: readers that wait for pieces; what is more the store names again
WAITING_MOST = 256
#: bytes that one offer may name: more than the store ever does
OFFER_MOST = 64 * 1024


class Releases:
    """Publishes what the store offers. `run` does it until cancelled."""

    def __init__(self, link: Link, store: Store, counts: Counts, seldom: Seldom) -> None:
        self._link = link
        self._store = store
        self._counts = counts
        self._seldom = seldom
        self._packs: OrderedDict[str, bytes] = OrderedDict()
        #: (site, reader) -> what was named last for it
        self._waiting: OrderedDict[tuple[str, str], Pieces] = OrderedDict()
        self._more = asyncio.Event()

    def offer(self, offers: tuple[Pieces, ...]) -> None:
        """These are to be sent."""
        for one in offers:
            if len(self._waiting) >= WAITING_MOST:
                self._drop(one, "release-queue")
                continue
            self._waiting[one.site, one.reader] = one
            self._more.set()

    async def run(self) -> None:
        """Send what waits, until cancelled."""
        while True:
            self._more.clear()
            await self.send_waiting()
            await self._more.wait()

    async def send_waiting(self) -> None:
        """Send what waits now."""
        while self._waiting:
            _, one = self._waiting.popitem(last=False)
            try:
                self._send(one, await self._pack(one.tag))
            except (GatewayError, ContractError) as error:
                # The store names it again: it sees that the reader says nothing new.
                self._drop(one, error.code)

    async def _pack(self, tag: str) -> bytes:
        if tag not in self._packs:
            pack = await self._store.release(tag)
            manifest, _ = release.lengths(pack)
            text = pack[release.PACK_BYTES : release.PACK_BYTES + manifest]
            if hashlib.sha256(text).digest()[: release.TAG_BYTES].hex() != tag or len(pack) > release.PI_BYTES * 2:
                raise GatewayError("release-other", "the store sent another release than it named")
            self._packs[tag] = pack
            while sum(map(len, self._packs.values())) > KEPT_BYTES:
                self._packs.popitem(last=False)
        self._packs.move_to_end(tag)
        return self._packs[tag]

    def _send(self, one: Pieces, pack: bytes) -> None:
        manifest, signature = release.lengths(pack)
        head = release.PACK_BYTES + manifest + signature
        end = min(len(pack), one.at + min(one.bytes, OFFER_MOST))
        if one.at < 0 or (0 < one.at < head) or one.at >= end:
            raise GatewayError("release-place", "the store named a place that is not in the release")
        topic = topics.topic(one.site, one.reader, "update")
        tag = bytes.fromhex(one.tag)
        size = head if one.at == 0 else release.PIECE_MAX
        for at in range(one.at, end, size):
            piece = pack[at : min(end, at + size)]
            if not self._link.publish(topic, tag + at.to_bytes(4, "big") + piece):
                self._drop(one, "link-down")
                return
            self._counts.add("pieces_total")

    def _drop(self, one: Pieces, code: str) -> None:
        self._counts.add("pieces_dropped_total", label=code)
        self._seldom.warning("pieces-dropped", one.reader[:64], code=code)
