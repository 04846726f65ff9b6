"""What `muster provision` calls: a slot's one-time token in, a new reader's settings out (docs/provisioning.md)."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from server import declared, reader_settings
from server.api import errors
from server.api.signed_in import bearer
from server.errors import NotSignedIn, TooOften
from server.store import releases, slots, turning
from server.store.engine import reading, writing

router = APIRouter(
    prefix="/api/provision/v1", tags=["provision"], responses=errors.documented(400, 401, 409, 413, 422, 429, 503)
)

WINDOW_MS = 60_000
#: wrong tokens in the window, of one address and of all
ADDRESS, ALL = 20, 120
#: addresses that are remembered
REMEMBERED = 1000


class Board(BaseModel):
    """The board that claims."""

    model_config = ConfigDict(extra="ignore")
    #: its own number in hex, for people who look
    board: str = Field(default="", max_length=64, pattern=r"^[0-9A-Za-z:._-]*$")
    #: pico, or pi: a Raspberry Pi can show the broker a certificate of its own
    kind: str = Field(default="pico", pattern=r"^(pico|pi)$")


class Claims:
    """Counts tokens that are none, so that nobody keeps the store busy with guesses. Thread-safe; in memory.

    One that is a slot's is never refused here: 128 bits are not guessed, and who guesses must not keep technicians away.
    """

    def __init__(self, *, address: int = ADDRESS, everybody: int = ALL, window_ms: int = WINDOW_MS) -> None:
        self._most = {"address": address, "all": everybody}
        self._window_ms = window_ms
        self._times: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, address: str, now_ms: int) -> None:
        """Count a wrong one. Raises TooOften(`slot-often`), and counts nothing."""
        keys = (("address", _block(address)), ("all", ""))
        with self._lock:
            for key in keys:
                times = self._times.setdefault(key, deque())
                while times and times[0] <= now_ms - self._window_ms:
                    times.popleft()
                if len(times) >= self._most[key[0]]:
                    raise TooOften("slot-often", "too many wrong tokens in a minute: wait one, and do it again")
            for key in keys:
                self._times[key].append(now_ms)
                self._times.move_to_end(key)
            while len(self._times) > REMEMBERED:
                self._times.popitem(last=False)


def _block(address: str) -> str:
    """The address, or of IPv6 its /64: one machine has all of those."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:64]
    return found.exploded[:19] if isinstance(found, IPv6Address) and found.ipv4_mapped is None else str(found)


@router.post("/claim")
@declared.slot("the board that has a slot's token becomes its reader")
def claim(request: Request, board: Board) -> dict[str, Any]:
    """The settings of the slot's reader: its keys and its password at the broker are made now, and never shown again."""
    state = request.app.state
    now_ms = state.clock.now_ms()
    token = bearer(request)
    if token is None:
        raise NotSignedIn("slot-token", "send the slot's token: Authorization: Bearer …")
    with reading(state.engine) as connection:
        known = slots.is_one(connection, token)
    if not known:
        state.claims.take(request.client.host if request.client else "", now_ms)
        raise slots.no_token()
    settings = state.settings
    pi = board.kind == "pi" and bool(settings.reader_broker_pi)
    address = settings.reader_broker_pi if pi else settings.reader_broker
    with writing(state.engine) as connection:
        made = slots.claim(connection, state.vault, token, board=board.board, now_ms=now_ms, mutual=pi)
        trusted = turning.trusted(connection, made.institution_id)
        # In the transaction: where the settings cannot be said, no token is used up.
        told = reader_settings.claimed(made, address, trusted, now_ms, pi=pi)
        if "tls" in told["broker"]:
            turning.told(connection, made.institution_id, made.reader, trusted, now_ms)
        reader_settings.updatable(told, releases.keys(connection, made.institution_id))
    state.wake()
    return {"settings": told, "room": made.room_code, "replaces": made.replaces}
