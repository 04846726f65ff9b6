"""Every door with its light and what is known of it, for technicians and administrators. No student is named here."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from server.declared import act
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute
from server.pages.local import Local
from server.pages.rendering import page, piece
from server.store import alarms, page_doors, quarantines
from server.store import doors as stored
from server.store.engine import reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)

REFRESH_S = 2
#: a gateway that has not asked for rosters for so long is not there
GATEWAY_QUIET_MS = 30_000
#: alarms that are listed above the doors
ALARMS = 20
_LIGHTS = {
    "blue": "blue: marking is open",
    "off": "off: no session now",
    "breathing": "blue, slow breathing: cards are taken and checked later",
    "pulse": "red, slow pulse: needs a technician",
    "unknown": "not known: not heard lately",
}
#: a kiosk's lamp is off until somebody checks in
_AT_REST = "off until somebody checks in"
_ABLE = {
    "list": "it has no list of residents, and can check nobody in: see that it is on the network, and serves a house",
    "chip": "the card chip does not answer: check its cable, then restart the reader",
    "full": "the journal is full: bring the reader back on the network so that it can deliver",
    "storage": "its storage failed: replace the reader, and keep the old one for its journal",
}
#: what a technician reads beside a code of the quarantine; the first word of a code stands for its kind
_SUSPECT = {
    "mac": "signature wrong: a forged record, or a reader with an old key",
    "reader": "from a reader that is not known: make it, or find who sends this",
    "record": "another record under the same number: a cloned or restored reader",
    "statement": "not readable as what a reader says: check its firmware",
    "raw": "not readable at all: look what sends to this topic",
    "key": "under a key that is not known: give the reader its settings file again",
    "health": "a health report that is not readable: check its firmware",
    "status": "a status that is not readable: check its firmware",
}
#: what a reader counts as refused, by code, and is worth a technician's look (firmware/reader/uplink.py)
_REFUSED = {
    "mac": "a receipt or command that was not made with its key",
    "receipt-beyond-head": "a receipt for records that it never made",
    "other-reader": "a message for another reader",
    "roster-mac": "a class list that was not made with its key",
    "roster-checksum": "a damaged class list",
    "roster-older": "a class list older than the one it has",
    "roster-reader": "another reader's class list",
    "command-repeated": "a command that it had carried out before",
}
_CLOCKS = {"sync": "clock right", "hold": "clock held since it lost the server", "none": "no clock yet"}


def _shown(signed: Visit) -> dict[str, Any]:
    signed.scope.need_tending()
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = stored.doors(connection, signed.scope, local.now_ms)
        raised = alarms.open_alarms(connection, signed.scope.institution_id)
        counts = quarantines.counts(connection, signed.scope.institution_id)
        gateways = page_doors.gateways(connection, signed.scope.institution_id)
    waiting = sum(door.backlog for door in found)
    return {
        "doors": [_door(door, local) for door in found],
        "totals": {
            "doors": len(found),
            "online": sum(_heard_lately(door, local) for door in found),
            "backlog": _waiting(waiting),
        },
        "gateways": [_gateway(one, local) for one in gateways],
        "quarantined": [
            {
                "code": code,
                "count": count,
                "text": _SUSPECT.get(code.partition("-")[0], "could not be believed or used"),
            }
            for code, count in sorted(counts.items())
        ],
        "alarms": [_alarm(one, local) for one in raised[:ALARMS]],
        "more_alarms": max(0, len(raised) - ALARMS),
    }


def _waiting(many: int) -> str:
    if not many:
        return "nothing waits at the readers"
    return "1 record waits at the readers" if many == 1 else f"{many} records wait at the readers"


def _alarm(one: alarms.Alarm, local: Local) -> dict[str, str]:
    times = f", {one.count} times" if one.count > 1 else ""
    text = one.text if one.subject in one.text else f"{one.subject}: {one.text}"
    return {"code": one.code, "text": text, "when": f"{local.moment(one.last_ms)}{times}"}


def _heard_lately(door: stored.Door, local: Local) -> bool:
    return door.status != "offline" and door.seen_ms is not None and local.now_ms - door.seen_ms <= words.QUIET_MS


def _door(door: stored.Door, local: Local) -> dict[str, Any]:
    lately = _heard_lately(door, local)
    light = door.light if lately else "unknown"
    link = words.Said("good", "connected") if lately else words.Said("bad", "not connected")
    if door.seen_ms is None:
        link = words.Said("", "never heard")
    problems = [{"code": code, "text": text} for code, text in door.alarms]
    if door.able not in (None, "ok"):
        parts = str(door.able).split("+")
        told = "; ".join(_ABLE.get(part, "the reader says that it cannot take cards: look at it") for part in parts)
        problems.insert(0, {"code": str(door.able), "text": told})
    if door.quarantined:
        many = "1 thing" if door.quarantined == 1 else f"{door.quarantined} things"
        problems.append({"code": "quarantine", "text": f"{many} from it could not be believed or used"})
    for code, count in sorted(door.refused.items()):
        many = "once" if count == 1 else f"{count} times"
        problems.append({"code": code, "text": f"the reader refused {_REFUSED.get(code, 'what it was sent')}, {many}"})
    return {
        "reader": door.reader,
        "site": door.site,
        "place": f"Kiosk, {door.house}" if door.house is not None else door.room_code or "no room",
        "light": light,
        "light_words": _AT_REST if door.house is not None and light == "off" else _LIGHTS[light],
        "session": door.session,
        "link": link.text,
        "link_kind": link.kind,
        "heard": f"{local.moment(door.seen_ms)}, {local.ago(door.seen_ms)}" if door.seen_ms is not None else
        "connect it, and give it its settings file",
        "backlog": str(door.backlog) if door.backlog else "nothing",
        "known": local.moment(door.known_until_ms) if door.known_until_ms is not None else "not known",
        "clock": _CLOCKS.get(door.clock or "", "clock not known"),
        "roster": f"list of {local.moment(door.roster_ms)}, {local.lasting(local.now_ms - door.roster_ms)} old"
        if door.roster_ms else "no class list yet",
        "firmware": door.firmware,
        "problems": problems,
    }  # fmt: skip


def _gateway(one: page_doors.GatewaySeen, local: Local) -> dict[str, str]:
    if one.seen_ms is None:
        return {"name": one.name, "kind": "", "state": "never heard", "text": "start it, and give it its token"}
    if local.now_ms - one.seen_ms > GATEWAY_QUIET_MS:
        when = f"last heard {local.moment(one.seen_ms)}, {local.ago(one.seen_ms)}: look whether it runs"
        return {"name": one.name, "kind": "bad", "state": "not heard", "text": when}
    last = "no swipe came through it lately"
    if one.last_ms is not None:
        last = f"last swipe {local.moment(one.last_ms)}, {local.ago(one.last_ms)}"
    return {"name": one.name, "kind": "good", "state": "connected", "text": last}


def _poll(shown: dict[str, Any]) -> Markup:
    return piece("_poll.html", address="/doors/live", version=words.digest(shown), seconds=REFRESH_S)


@router.get("/doors")
@act("doors.read")
def doors(signed: Signed) -> Response:
    """The page. Raises NotAllowed for whoever does not tend doors."""
    shown = _shown(signed)
    return page(
        signed.request,
        "doors.html",
        live=True,
        login=signed.login,
        doors=piece("_doors.html", oob=False, **shown),
        poll=_poll(shown),
    )


@router.get("/doors/live")
@act("doors.read")
def live(signed: Signed, v: str = "") -> Response:
    """The doors again, if anything about them changed since version v; else 204."""
    shown = _shown(signed)
    if v == words.digest(shown):
        return Response(status_code=204)
    return HTMLResponse(Markup("\n").join([_poll(shown), piece("_doors.html", oob=True, **shown)]))
