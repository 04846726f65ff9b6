"""Every door's light by building and floor: six hundred at one look. No student is named here.

There is no drawing of the buildings: a room's place is guessed from its code (policy/room_places.py), and its floors stand
above one another as they do in the house.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from server.declared import act
from server.pages import fleet_words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute
from server.pages.live import Live
from server.pages.local import Local
from server.pages.rendering import page
from server.store import doors as stored
from server.store.engine import reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_LIVE = Live(template="_doors_map.html", address="/doors/map/live", seconds=5)


def _shown(signed: Visit) -> dict[str, Any]:
    signed.scope.need_tending()
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = stored.doors(connection, signed.scope, local.now_ms)
    rules = signed.request.app.state.fleet_rules
    floors: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for door in found:
        cell = _cell(door, local, bool(fleet_words.problems(door, local, rules)))
        floors.setdefault(door.place.building, {}).setdefault(door.place.floor, []).append(cell)
    buildings = [
        {
            "name": building,
            "many": sum(map(len, each.values())),
            "bad": sum(cell["bad"] for cells in each.values() for cell in cells),
            "floors": [
                {"name": floor, "cells": sorted(cells, key=lambda cell: cell["room"])}
                for floor, cells in sorted(each.items(), key=lambda one: _height(one[0]), reverse=True)
            ],
        }
        for building, each in sorted(floors.items())
    ]
    return {"buildings": buildings}


def _height(floor: str) -> tuple[int, str]:
    return (int(floor), floor) if floor.isascii() and floor.isdigit() else (-1, floor)


def _cell(door: stored.Door, local: Local, ails: bool) -> dict[str, Any]:
    lately = fleet_words.heard_lately(door, local)
    light = door.light if lately else "unknown"
    text = fleet_words.LIGHTS[light]
    if ails:
        text += "; to look at"
    return {
        "reader": door.reader,
        "room": door.house or door.room_code or door.reader,
        "light": light,
        "words": text,
        "bad": ails or (door.seen_ms is not None and not lately),
    }


@router.get("/doors/map")
@act("doors.read")
def show(signed: Signed) -> Response:
    """The page. Raises NotAllowed for whoever does not tend doors."""
    return page(signed.request, "doors_map.html", live=True, login=signed.login, **_LIVE.first(_shown(signed)))


@router.get("/doors/map/live")
@act("doors.read")
def live(signed: Signed, v: str = "") -> Response:
    """The buildings again, if anything about them changed since version v; else 204."""
    return _LIVE.again(v, _shown(signed))
