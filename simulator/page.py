"""The simulator's own page: a corridor of doors with their lamps as they are, and students' cards to hold to them.

A tap here puts a card into the field of the emulated chip; everything after that is the real firmware's doing.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from fastapi.templating import Jinja2Templates

from simulator.campus import Campus
from simulator.doors import Door
from simulator.people import Tap
from simulator.world import World

_TEMPLATES = Jinja2Templates(directory=Path(__file__).parent / "templates")
#: cards laid out at one door
CARDS_SHOWN = 14
#: what `Lamp.css` says of a lamp that is off
DARK = "rgb(0, 0, 0)"


def app(campus: Campus, world: World, *, muster_url: str, logins: list[tuple[str, str, str]]) -> FastAPI:
    """The page for this campus. logins: (who, name, password) shown so that a visitor can open the register."""
    api = FastAPI(title="Muster simulator", docs_url=None, redoc_url=None)

    @api.get("/", response_class=HTMLResponse)
    def corridor(request: Request) -> Response:
        doors = []
        for room, door in sorted(world.doors.items()):
            sessions = [s for s in campus.sessions if s.room == room]
            due = [campus.people[p] for s in sessions for p in campus.students_of(s)][: CARDS_SHOWN - 3]
            names = {p.id for p in due}
            others = [p for p in campus.people.values() if p.uid and p.id not in names and not _due(campus, p.id, room)]
            cards = [(p.id, f"{p.given} {p.family}", "due") for p in due]
            cards += [(p.id, f"{p.given} {p.family}", "elsewhere") for p in others[:2]]
            lost = next((p for p in campus.people.values() if p.lost_uid), None)
            if lost:
                cards.append((f"lost:{lost.id}", f"{lost.given} {lost.family}’s lost card", "lost"))
            doors.append(
                {
                    "room": room,
                    "reader": door.reader,
                    "kind": door.kind,
                    "sessions": [campus.classes[s.class_id].title for s in sessions][:2],
                    "cards": cards,
                    "lit": _lit(door),
                }
            )
        return _TEMPLATES.TemplateResponse(
            request, "corridor.html", {"campus": campus, "doors": doors, "muster": muster_url, "logins": logins}
        )

    @api.post("/tap")
    async def tap(room: Annotated[str, Form()], card: Annotated[str, Form()]) -> Response:
        lost, _, student = card.rpartition(":")
        person = campus.people.get(student)
        uid = (person.lost_uid if lost else person.uid) if person else b""
        if room not in world.doors or not uid:
            return JSONResponse({"error": {"code": "no-such-card", "text": "There is no such door or card."}}, 404)
        seen = await world.tap(
            Tap(room=room, student="" if lost else student, uid=uid, why="page", session=""), insist=False
        )
        return JSONResponse({"light": seen.light or "none", "light_ms": seen.light_ms})

    @api.get("/lamps")
    async def lamps() -> StreamingResponse:
        return StreamingResponse(_lamps(world), media_type="text/event-stream")

    return api


def _due(campus: Campus, student: str, room: str) -> bool:
    return any(s.room == room for s in campus.of_student(student))


def _lit(door: Door) -> str:
    """The lamp's colour as CSS has it; empty where it is dark."""
    css = door.lamp.css() if door.powered else DARK
    return "" if css == DARK else css


async def _lamps(world: World) -> AsyncIterator[str]:
    """The lamps' colours, 20 times a second where they change."""
    shown: dict[str, str] = {}
    while True:
        now = {room: _lit(door) for room, door in world.doors.items()}
        changed = {room: css for room, css in now.items() if shown.get(room) != css}
        if changed:
            shown.update(changed)
            yield f"data: {json.dumps(changed)}\n\n"
        await asyncio.sleep(0.05)
