"""Who was last seen where (LOUGH-38): for a phone at the assembly point, and for paper. It says first what it cannot say.

The page is written down each time it is read; where that cannot be done, for instance because the disk is full, it is
shown all the same.
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import APIRouter, Response

from server.declared import act
from server.errors import Unwritable
from server.pages import campus_words
from server.pages.desk import Signed
from server.pages.guard import PageRoute
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.words import QUIET_MS, Said
from server.store import campus, emergency
from server.store.emergency import DoorKnown, House
from server.store.engine import reading, writing

log = logging.getLogger("muster.pages")
router = APIRouter(route_class=PageRoute, include_in_schema=False)

HOURS = (1, 2, 4, 8, 12, 24)
USUAL = 4
#: a door known up to so short a time ago counts as known
FRESH_MS = 3 * 60_000
HOUR_MS = 3_600_000


@router.get("/emergency")
@act("emergency.read")
def show(signed: Signed, hours: str = "") -> Response:
    """Everybody seen in the last hours, by site and room."""
    chosen = next((one for one in HOURS if str(one) == hours), USUAL)
    scope = signed.scope
    now_ms = signed.now_ms()
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        house = emergency.house(connection, scope, signed.desk.profiles, now_ms - chosen * HOUR_MS, now_ms)
    try:
        with writing(signed.engine) as connection:
            campus.write_down(connection, scope, "emergency.read", "house", now_ms, hours=chosen, seen=len(house.seen))
    except Unwritable:
        # Somebody counts heads outside: that comes first.
        log.error("emergency-not-written-down account=%d", scope.account_id)
    return page(
        signed.request,
        "emergency.html",
        login=signed.login,
        hours=chosen,
        choices=HOURS,
        now=local.moment(now_ms),
        day=local.dated(now_ms),
        total=len(house.seen),
        unsure=_unsure(house, local),
        sites=_sites(house, local),
        doors=[_door(one, local) for one in house.doors if _behind(one, local)],
    )


def _behind(one: DoorKnown, local: Local) -> bool:
    known = one.known_until_ms is not None and local.now_ms - one.known_until_ms <= FRESH_MS
    return not known or one.able not in (None, "ok")


def _unsure(house: House, local: Local) -> list[Said]:
    """What cannot be known from cards, and what is not known yet."""
    many = campus_words.many
    said = [Said("late", "A card at a door says that somebody came to it. Nobody taps when they leave: this is where "
                         "people were last seen, not where they are.")]  # fmt: skip
    behind = [one for one in house.doors if _behind(one, local)]
    if not house.doors:
        said.append(Said("bad", "No reader stands at any door."))
    elif behind:
        said.append(Said("bad", f"{len(behind)} of {many(len(house.doors), 'door')} "
                                f"{'is' if len(behind) == 1 else 'are'} not known up to now: people may have come in "
                                "there who are not listed. They are named below."))  # fmt: skip
    else:
        said.append(Said("good", f"All {many(len(house.doors), 'door')} with a reader are known up to now."))
    if house.rooms_without:
        said.append(Said("late", f"{house.rooms_without} of {many(house.rooms, 'room')} "
                                 f"{'has' if house.rooms_without == 1 else 'have'} no reader: whoever is there is seen "
                                 "by a mark set by hand, or not at all."))  # fmt: skip
    if house.without_card:
        said.append(Said("late", f"{many(house.without_card, 'person', 'people')} in Muster "
                                 f"{'has' if house.without_card == 1 else 'have'} no card, staff among them; visitors "
                                 "are not in Muster."))  # fmt: skip
    strangers = sum(house.strangers.values())
    if strangers:
        said.append(Said("late", f"{many(strangers, 'card')} of nobody known {'was' if strangers == 1 else 'were'} "
                                 "tapped: they are counted at their rooms."))  # fmt: skip
    if house.residences:
        said.append(Said("late", f"Check-ins at {many(house.residences, 'residence')} are not among these: who is there "
                                 "stands on the roll call of each house, with the residence's staff."))  # fmt: skip
    if house.unplaced:
        said.append(Said("late", f"{many(house.unplaced, 'swipe')} arrived whose time is not known yet: they are not "
                                 "listed."))  # fmt: skip
    return said


def _sites(house: House, local: Local) -> list[dict[str, Any]]:
    """site -> room -> people, and cards of nobody."""
    sites: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for one in house.seen:
        sites.setdefault(one.site, {}).setdefault(one.room, []).append(
            {
                "name": one.full_name,
                "number": one.number,
                "at": local.moment(one.at_ms),
                "ago": local.ago(one.at_ms),
                "by": "" if one.by == "card" else "marked by hand, lesson from",
                "at_ms": one.at_ms,
            }
        )
    for site, room in house.strangers:
        sites.setdefault(site, {}).setdefault(room, [])
    return [
        {
            "name": name or "No building said",
            "total": sum(len(people) for people in rooms.values()),
            "rooms": [
                {
                    "code": code,
                    "people": sorted(people, key=lambda one: -one["at_ms"]),
                    "strangers": house.strangers.get((name, code), 0),
                }
                for code, people in sorted(rooms.items())
            ],
        }
        for name, rooms in sorted(sites.items())
    ]


def _door(one: DoorKnown, local: Local) -> dict[str, str]:
    if one.known_until_ms is None:
        known = "nothing is known of it"
    else:
        known = f"known up to {local.moment(one.known_until_ms)}, {local.ago(one.known_until_ms)}"
    quiet = one.seen_ms is None or local.now_ms - one.seen_ms > QUIET_MS
    why = "not heard" if quiet else "has not delivered everything" if one.able in (None, "ok") else "takes no cards"
    return {"room": one.room, "site": one.site, "reader": one.reader, "known": known, "why": why}
