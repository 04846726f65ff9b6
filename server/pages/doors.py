"""Every door with its light and what is known of it, for technicians and administrators. No student is named here.

Six hundred readers stand on it. What changed since a page was shown goes out row by row: what each version showed is
remembered for a while (fleet_memory.py), and may be forgotten at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from server.declared import act
from server.fleet import measures
from server.pages import fleet_words, sought, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, id_in
from server.pages.local import Local
from server.pages.rendering import page, piece
from server.policy.fleet_rules import Rule
from server.store import alarms, endings, outages, page_doors, quarantines
from server.store import doors as stored
from server.store.engine import reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)

#: doors of one page
PAGE = 100
REFRESH_S = 2
#: with more doors than this in the house an open page asks less often
MANY, REFRESH_MANY_S = 150, 5
#: a gateway that has not asked for rosters for so long is not there
GATEWAY_QUIET_MS = 30_000
#: alarms that are listed above the doors
ALARMS = 20
#: which doors are shown
ALL, LOOK, AWAY, OPEN, WAITING = SHOW = ("all", "look", "away", "open", "waiting")
_SHOW = {
    ALL: "All",
    LOOK: "To look at",
    AWAY: "Not connected",
    OPEN: "Marking open",
    WAITING: "With records waiting",
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


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which doors somebody wants to see. found: what was typed, sealed, as it stands in the address."""

    show: str = ALL
    building: str = ""
    words: str = ""
    found: str = ""
    #: which of the pages, from 1
    nth: int = 1

    def query(self, **more: str) -> str:
        """As it goes on in an address."""
        said = {"show": self.show if self.show != ALL else "", "building": self.building, sought.NAME: self.found}
        said |= {"page_nr": str(self.nth) if self.nth > 1 else ""} | more
        return urlencode({name: value for name, value in said.items() if value})

    def has(self, door: stored.Door, local: Local, rules: Mapping[str, Rule]) -> bool:
        """Whether this door is one of them."""
        if self.building not in ("", door.place.building):
            return False
        named = f"{door.room_code or ''} {door.house or ''} {door.reader} {door.site}".casefold()
        if not all(one in named for one in self.words.split()):
            return False
        heard = fleet_words.heard_lately(door, local)
        if self.show == LOOK:
            return (door.seen_ms is not None and not heard) or bool(fleet_words.problems(door, local, rules))
        return {ALL: True, AWAY: not heard, OPEN: heard and door.light == "blue", WAITING: door.backlog > 0}[self.show]


def _filter(signed: Visit, show: str, building: str, found: str, page_nr: str) -> Filter:
    typed = sought.opened(signed, found)
    return Filter(
        show=show if show in SHOW else ALL,
        building=building[:64],
        words=typed.casefold(),
        found=found if typed else "",
        nth=max(1, id_in(page_nr) or 1),
    )


def _shown(signed: Visit, wanted: Filter) -> dict[str, Any]:
    signed.scope.need_tending()
    here = signed.scope.institution_id
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        found = stored.doors(connection, signed.scope, local.now_ms)
        raised = alarms.open_alarms(connection, here)
        counts = quarantines.counts(connection, here)
        gateways = page_doors.gateways(connection, here)
        ends = endings.every(connection, here)
        since_ms = local.now_ms - fleet_words.DAYS * 86_400_000
        past = outages.by_reader(outages.within(connection, here, since_ms, local.now_ms))
    rules = signed.request.app.state.fleet_rules
    mine = [door for door in found if wanted.has(door, local, rules)]
    first = min((wanted.nth - 1) * PAGE, max(0, len(mine) - 1) // PAGE * PAGE)
    return {
        "doors": [
            fleet_words.row(door, local, rules, past.get(door.reader_id, ())) for door in mine[first : first + PAGE]
        ],
        "first": first,
        "mine": len(mine),
        "all": len(found),
        "buildings": _buildings(found),
        "totals": {
            "doors": len(found),
            "online": sum(fleet_words.heard_lately(door, local) for door in found),
            "backlog": _waiting(sum(door.backlog for door in found)),
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
        "ending": [_ending(one, local) for one in ends if _is_near(one, local, rules)],
    }


def _is_near(one: endings.Ending, local: Local, rules: Mapping[str, Rule]) -> bool:
    """Whether it ends so soon that a rule of alerts would say it."""
    mine = [rule for rule in rules.values() if rule.measure == measures.measure_of(one)]
    return any(rule.is_bad(one.days(local.now_ms)) for rule in mine)


def _ending(one: endings.Ending, local: Local) -> dict[str, str]:
    over = one.ends_ms <= local.now_ms
    when = f"{'ended' if over else 'ends'} {local.dated(one.ends_ms)}"
    if one.is_authority:
        return {
            "what": "The certificate authority",
            "when": when,
            "do": "Readers cannot connect then. Make the next one with: muster ca next",
        }
    return {
        "what": f"The certificate of {one.name}",
        "when": when,
        "do": "No reader can connect to it then. Make the next with muster broker config (or muster ca issue), then restart it",
    }


def _buildings(found: list[stored.Door]) -> list[str]:
    return sorted({door.place.building for door in found})


def _waiting(many: int) -> str:
    if not many:
        return "nothing waits at the readers"
    return "1 record waits at the readers" if many == 1 else f"{many} records wait at the readers"


def _alarm(one: alarms.Alarm, local: Local) -> dict[str, str]:
    times = f", {one.count} times" if one.count > 1 else ""
    text = one.text if one.subject in one.text else f"{one.subject}: {one.text}"
    return {"code": one.code, "text": text, "when": f"{local.moment(one.last_ms)}{times}"}


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


def _top(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: shown[name] for name in ("totals", "gateways", "quarantined", "alarms", "more_alarms", "ending")}


def _poll(shown: dict[str, Any], wanted: Filter) -> Markup:
    more = wanted.query()
    return piece(
        "_poll.html",
        address="/doors/live",
        version=_version(shown),
        more=Markup("&amp;{}").format(more) if more else "",
        seconds=REFRESH_MANY_S if shown["all"] > MANY else REFRESH_S,
    )


def _version(shown: dict[str, Any]) -> str:
    return f"{words.digest([shown['doors'], shown['mine']])}-{words.digest(_top(shown))}"


def _table(shown: dict[str, Any], wanted: Filter, *, oob: bool) -> Markup:
    first, many = shown["first"], shown["mine"]
    pages = [
        (nth, f"{(nth - 1) * PAGE + 1} to {min(nth * PAGE, many)}", wanted.query(page_nr=str(nth) if nth > 1 else ""))
        for nth in range(1, (many + PAGE - 1) // PAGE + 1)
    ]
    return piece(
        "_doors.html",
        oob=oob,
        doors=shown["doors"],
        all=shown["all"],
        pages=pages if len(pages) > 1 else [],
        here=first // PAGE + 1,
    )


@router.get("/doors")
@act("doors.read")
def doors(signed: Signed, show: str = "", building: str = "", found: str = "", page_nr: str = "") -> Response:
    """The page. show: one of SHOW; building: only its doors; found: what was typed. Raises NotAllowed for whoever does not
    tend doors."""
    wanted = _filter(signed, show, building, found, page_nr)
    shown = _shown(signed, wanted)
    signed.desk.fleet.put(_version(shown), shown["doors"])
    return page(
        signed.request,
        "doors.html",
        live=True,
        login=signed.login,
        csrf=signed.login.csrf,
        top=piece("_doors_top.html", oob=False, **_top(shown)),
        doors=_table(shown, wanted, oob=False),
        poll=_poll(shown, wanted),
        wanted=wanted,
        typed=sought.opened(signed, found),
        shows=[(one, _SHOW[one], wanted.query(show=one if one != ALL else "", page_nr="")) for one in SHOW],
        buildings=shown["buildings"],
    )


@router.post("/doors/find")
@act("doors.read")
def find(signed: Signed, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
    """Look for words of a room's, a reader's or a site's name."""
    check_csrf(fields, signed.login)
    show, building = fields.get("show", ""), fields.get("building", "")
    more = {"show": show if show in SHOW and show != ALL else "", "building": building[:64]}
    return sought.to(signed, "/doors", fields.get("q", ""), **more)


@router.get("/doors/live")
@act("doors.read")
def live(
    signed: Signed, v: str = "", show: str = "", building: str = "", found: str = "", page_nr: str = ""
) -> Response:
    """What changed since the page showed version v: 204 if nothing did; all doors where it is not remembered."""
    wanted = _filter(signed, show, building, found, page_nr)
    shown = _shown(signed, wanted)
    version = _version(shown)
    if v == version:
        return Response(status_code=204)
    pieces = [_poll(shown, wanted)]
    before = signed.desk.fleet.get(v)
    if v.partition("-")[2] != version.partition("-")[2]:
        pieces.append(piece("_doors_top.html", oob=True, **_top(shown)))
    changed = signed.desk.fleet.changed(before, shown["doors"]) if before is not None else None
    if changed is None:
        pieces.append(_table(shown, wanted, oob=True))
    elif changed:
        pieces.append(piece("_doors_rows.html", doors=changed))
    signed.desk.fleet.put(version, shown["doors"])
    return HTMLResponse(Markup("\n").join(pieces))
