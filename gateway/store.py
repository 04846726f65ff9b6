"""The store over HTTP, as docs/wire.md says: deliveries up, rosters asked for. The adapter around httpx."""

import asyncio
import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from gateway.errors import StoreAway, StoreBroke, StoreRefused, StoreTooLarge

DELIVERIES = "/api/gateway/v1/deliveries"
ROSTERS = "/api/gateway/v1/rosters"
RELEASES = "/api/gateway/v1/releases/"
#: a status that says something about the whole store or this gateway, not about an item: wait and try again
AWAY = {
    401: ("store-token", "the store does not know this gateway's token: make one with `muster gateway add`"),
    403: ("store-token", "the store does not let this gateway in: make a token with `muster gateway add`"),
    404: ("store-address", "there is no Muster store at this address: check --store"),
    405: ("store-address", "there is no Muster store at this address: check --store"),
    407: ("store-proxy", "a proxy before the store wants a login"),
    408: ("store-slow", "the store did not get the request in time"),
    429: ("store-busy", "the store asks for fewer requests"),
    503: ("store-unable", "the store cannot write now: it is read-only, full or locked"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Down:
    """A line of the store's for a reader."""

    site: str
    reader: str
    #: receipt or command
    kind: str
    line: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """Records that the store has lost and asks for again."""

    site: str
    reader: str
    journal: str
    first: int
    last: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """The store was put back from a backup: what was forwarded since is asked for again."""

    #: when that was, by the store's clock: tells one restore from another
    at_ms: int
    #: how long ago the backup was taken, with a margin
    age_s: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Pieces:
    """What a reader is to be sent of a signed release: so many bytes of its pack, from `at` on."""

    site: str
    reader: str
    #: 16 hex digits: which release
    tag: str
    at: int
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The store's answer to a delivery, made after its commit."""

    #: ids, hex, that need not be sent again
    done: frozenset[str]
    down: tuple[Down, ...] = ()
    replay: tuple[Replay, ...] = ()
    restored: Restored | None = None
    #: of releases, for readers
    offers: tuple[Pieces, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """One roster as the store has it."""

    site: str
    reader: str
    blob: bytes


class Store(Protocol):
    """What the logic needs of the store. `gateway.testing` has one in memory."""

    async def deliver(self, items: Sequence[dict[str, Any]]) -> Answer:
        """Hand items over. Raises StoreAway, StoreBroke, StoreTooLarge or StoreRefused."""
        ...

    async def rosters(self, after: str | None) -> tuple[str, list[Offer]]:
        """The rosters that changed since the cursor (all, without one), and the next cursor. Raises StoreAway."""
        ...

    async def release(self, tag: str) -> bytes:
        """A signed release, whole. Raises StoreAway, StoreBroke or StoreRefused."""
        ...


class HttpStore:
    """The store at an address. token: asked for at each request, so that a new one is taken up without a restart."""

    def __init__(self, url: str, token: Callable[[], str], *, timeout_s: float = 20.0) -> None:
        limits = httpx.Limits(max_connections=4, max_keepalive_connections=4, keepalive_expiry=30.0)
        timeout = httpx.Timeout(timeout_s, connect=min(5.0, timeout_s))
        # trust_env: a proxy of the environment is none of the gateway's business.
        self._client = httpx.AsyncClient(base_url=url, timeout=timeout, limits=limits, trust_env=False)
        self._token = token
        self._timeout_s = timeout_s

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def deliver(self, items: Sequence[dict[str, Any]]) -> Answer:
        """See `Store.deliver`."""
        body = await self._ask("POST", DELIVERIES, json={"items": list(items)})
        try:
            return Answer(
                done=frozenset(str(id) for id in body["done"]),
                down=tuple(
                    Down(site=str(d["site"]), reader=str(d["reader"]), kind=str(d["kind"]), line=str(d["line"]))
                    for d in body.get("down", ())
                ),
                replay=tuple(
                    Replay(
                        site=str(r["site"]),
                        reader=str(r["reader"]),
                        journal=str(r["journal"]),
                        first=int(r["first"]),
                        last=int(r["last"]),
                    )
                    for r in body.get("replay", ())
                ),
                restored=None
                if (back := body.get("restored")) is None
                else Restored(at_ms=int(back["at_ms"]), age_s=int(back["age_s"])),
                offers=tuple(
                    Pieces(
                        site=str(p["site"]),
                        reader=str(p["reader"]),
                        tag=str(p["tag"]),
                        at=int(p["at"]),
                        bytes=int(p["bytes"]),
                    )
                    for p in body.get("offers", ())
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreAway("store-answer", "the store's answer is not one of docs/wire.md: check --store") from error

    async def rosters(self, after: str | None) -> tuple[str, list[Offer]]:
        """See `Store.rosters`."""
        body = await self._ask("GET", ROSTERS, params={} if after is None else {"after": after})
        try:
            offers = [
                Offer(
                    site=str(r["site"]),
                    reader=str(r["reader"]),
                    blob=base64.b64decode(r["payload_b64"], validate=True),
                )
                for r in body["rosters"]
            ]
            return str(body["cursor"]), offers
        except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
            raise StoreAway("store-answer", "the store's answer is not one of docs/wire.md: check --store") from error

    async def release(self, tag: str) -> bytes:
        """See `Store.release`."""
        return (await self._response("GET", RELEASES + tag)).content

    async def _ask(self, method: str, path: str, **more: Any) -> Any:
        try:
            return (await self._response(method, path, **more)).json()
        except ValueError as error:
            raise StoreAway("store-answer", "the store's answer is not JSON: check --store") from error

    async def _response(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            token = self._token()
        except (OSError, ValueError) as error:
            raise StoreAway("store-token-file", "the token file cannot be read: check --token-file") from error
        if not re.fullmatch(r"[!-~]+", token):
            raise StoreAway("store-token-file", "the token file holds no token: write there what the store gave")
        try:
            # httpx's timeouts are for each wait of its own; this one is for the whole request.
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.request(
                    method, path, headers={"Authorization": f"Bearer {token}"}, **more
                )
        except (httpx.TimeoutException, TimeoutError) as error:
            raise StoreAway("store-timeout", "the store does not answer in time") from error
        except httpx.HTTPError as error:
            raise StoreAway("store-unreachable", f"the store cannot be reached ({type(error).__name__})") from error
        if response.status_code == 200:
            return response
        raise refusal(response.status_code)


def refusal(status: int) -> StoreAway | StoreTooLarge | StoreRefused:
    """The error that a status other than 200 is."""
    if status in AWAY:
        return StoreAway(*AWAY[status])
    if status == 413:
        return StoreTooLarge("store-too-large", "the store takes fewer items at a time")
    if status == 500:
        return StoreBroke("store-broke", "the store failed at this request (500): see its log")
    if 400 <= status < 500:
        return StoreRefused(f"store-refused-{status}", f"the store refuses an item with {status}")
    return StoreAway(f"store-status-{status}", f"the store, or what stands before it, answers {status}")
