"""What a Raspberry Pi asks: a certificate for its connection to the broker, for thirty days (docs/trust.md)."""

from __future__ import annotations

import base64
import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from firmware.contract import renewal
from firmware.contract.errors import Malformed
from server import certificates, declared
from server.api import errors
from server.api.signed_in import bearer
from server.errors import NotAllowed, NotSignedIn, Unwritable
from server.store import authorities, readers, turning
from server.store.engine import reading, writing

router = APIRouter(prefix="/api/reader/v1", tags=["reader"], responses=errors.documented(400, 401, 403, 404, 422, 503))

#: more authorities than a reader ever knows
KNOWN_MOST = 8


class Wanted(BaseModel):
    """A certificate signing request, PEM."""

    model_config = ConfigDict(extra="ignore")
    request: str = Field(max_length=certificates.REQUEST_MOST)
    #: SHA-256 of each authority that the reader knows, in hex; left out: it says nothing of them
    knows: list[Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = Field(default=[], max_length=KNOWN_MOST)


def asked(request: Request) -> renewal.Asked:
    """Who says that they ask. Raises NotSignedIn(`reader-mac`)."""
    try:
        return renewal.read(bearer(request) or "")
    except Malformed as error:
        raise _unknown() from error


def _unknown() -> NotSignedIn:
    return NotSignedIn("reader-mac", "this was not signed by a reader's key: give the reader its settings file again")


@router.post("/certificate")
@declared.gateway("a reader, by its own key: a certificate for its connection to the broker")
def certify(request: Request, wanted: Wanted, who: Annotated[Any, Depends(asked)]) -> dict[str, Any]:
    """A certificate (PEM) for the key in the request, under the reader's name; and the authorities (DER in base64) that it
    is to trust from now on, with a MAC under the reader's key."""
    state = request.app.state
    said = wanted.request.encode("utf-8", "replace")
    now_ms = state.clock.now_ms()
    with reading(state.engine) as connection:
        known, keys = readers.with_keys(connection, state.ring, [who.reader])
        found = known.get(who.reader)
        key = None if found is None else keys.get((found.id, who.key))
        if found is None or key is None or not key.made(renewal.text(who.reader, who.key, said, wanted.knows), who.mac):
            raise _unknown()
        if found.ended_ms is not None:
            raise NotAllowed("reader-ended", "this reader is believed no more: it gets no certificate")
        held = authorities.signing(connection, state.vault, found.institution_id)
        trusted = turning.trusted(connection, found.institution_id)
    made = certificates.issue_reader(held, said, found.name, now_ms)
    if wanted.knows:
        # A note for people: without it a reader is asked about once more.
        with contextlib.suppress(Unwritable), writing(state.engine) as connection:
            turning.told_by(connection, found.institution_id, found.id, wanted.knows, now_ms)
    return {
        "certificate": made.decode(),
        "authorities": [base64.b64encode(one).decode() for one in trusted],
        "mac": key.mac(renewal.answer_text(who.reader, who.key, said, trusted)).hex(),
    }
