"""One reader: how it is now, what ails it, and its life of the last days. No student is named here."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import Refused
from server.pages import fleet_words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.words import Said
from server.store import outages, reader_commands, reader_life, rollouts
from server.store.doors import Door
from server.store.engine import Connection, reading, writing
from server.store.reader_commands import Command
from server.store.reader_life import Event

router = APIRouter(route_class=PageRoute, include_in_schema=False)

DAY_MS = 86_400_000
#: how far back the life may be looked at
SPANS = (("7", "7 days"), ("1", "1 day"), ("30", "30 days"))
#: what can be asked of it, and what that does
COMMANDS = (
    (reader_commands.IDENTIFY, "Identify", "it blinks white for ten seconds"),
    (reader_commands.SELF_TEST, "Self-test", "red, blue, white; then it says how each part is"),
    (reader_commands.SYNC, "Sync", "it asks for the time and offers all its records again"),
    (reader_commands.RESTART, "Restart", "it is gone for some seconds; nothing is lost"),
)
SAID = {
    "asked": "Asked for. It goes with the next word of a reader there, within a minute; what came of it stands below.",
    "waits": "It was asked for a moment ago: look below what became of it.",
}
_STATES = {
    "waiting": Said("calm", "waits for a word of a reader there"),
    "sent": Said("calm", "sent, not answered yet"),
    "done": Said("good", "done"),
    "late": Said("bad", "no answer: ask again, or look whether it is connected"),
}
_PARTS = {"chip": "card chip", "storage": "storage", "clock": "clock", "list": "class list", "room": "journal"}


@router.get("/doors/readers/{reader}")
@act("doors.read")
def show(signed: Signed, reader: str, since: str = "", said: str = "") -> Response:
    """The page. since: how many days of its life, one of SPANS."""
    signed.scope.need_tending()
    days = since if since in dict(SPANS) else SPANS[0][0]
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        door = reader_life.one(connection, signed.scope, reader, local.now_ms)
        asked = reader_commands.of_reader(connection, door.reader_id)
        newer = None if door.ended_ms else rollouts.offered(connection, signed.scope, door.reader, local.now_ms)
        shown = facts(signed, connection, door, local)
        from_ms = local.now_ms - int(days) * DAY_MS
        happened = reader_life.events(
            connection, signed.scope.institution_id, door.reader_id, from_ms, local.now_ms + 1
        )
    return page(
        signed.request,
        "reader.html",
        login=signed.login,
        door=shown,
        ended=None if door.ended_ms is None else local.moment(door.ended_ms),
        facts=_facts(door, local),
        days=days,
        spans=SPANS,
        lines=[_line(one, local) for one in happened],
        csrf=signed.login.csrf,
        said=SAID.get(said),
        commands=COMMANDS,
        newer=newer,
        asked=[_asked(one, local) for one in asked],
    )


@router.post("/doors/readers/{reader}/command")
@act("doors.tend")
def command(signed: Signed, reader: str, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
    """Ask the reader for something. Asked twice at once it is one."""
    check_csrf(fields, signed.login)
    said = "asked"
    try:
        with writing(signed.engine) as connection:
            reader_commands.ask(connection, signed.scope, reader, fields.get("name", ""), signed.now_ms())
    except Refused:
        said = "waits"
    return RedirectResponse(f"/doors/readers/{reader}?said={said}", status_code=303)


def facts(signed: Visit, connection: Connection, door: Door, local: Local) -> dict[str, Any]:
    """Its line, as the page of doors shows it."""
    since_ms = local.now_ms - fleet_words.DAYS * DAY_MS
    here = signed.scope.institution_id
    past = [
        one
        for one in outages.within(connection, here, since_ms, local.now_ms, reader_id=door.reader_id)
        if one.reader_id is not None
    ]
    return fleet_words.row(door, local, signed.request.app.state.fleet_rules, past)


def _facts(door: Door, local: Local) -> list[tuple[str, str]]:
    said = door.health
    found = [
        ("Clock", fleet_words.clock(door)),
        ("Clock's offset", _offset(door)),
        ("Records waiting", str(door.backlog)),
        ("Room for", "" if said.room is None else f"{said.room} records more"),
        ("Running for", "" if said.boot_ms is None else local.lasting(said.boot_ms)),
        ("Started by", said.cause),
        ("Connections since its start", "" if said.connects is None else str(said.connects)),
        ("Signal", "" if said.signal_dbm is None else f"{said.signal_dbm} dBm, {fleet_words.signal(said.signal_dbm)}"),
        ("Card chip", _chip(door)),
        ("Storage", fleet_words.words_of_storage(said.storage_errors or 0, said.damaged or 0) or "well"
         if said.storage_errors is not None or said.damaged is not None else ""),
        ("Answers that contradicted its clock", "" if said.contradictions is None else str(said.contradictions)),
        ("It says besides", ", ".join(said.alarms)),
        ("Health report", "none yet" if door.health_ms is None else f"{local.moment(door.health_ms)}, not signed: "
         "for the eye only"),
    ]  # fmt: skip
    return [(name, text) for name, text in found if text]


def _offset(door: Door) -> str:
    if door.head_wall_ms is None or door.head_ms is None:
        return ""
    # What the line took is in it: a reader's clock is behind by so much at the most.
    off_ms = door.head_wall_ms - door.head_ms
    unsure = "" if door.uncertainty_ms is None else f", give or take {door.uncertainty_ms / 1000:.2f} s"
    which = "ahead" if off_ms > 0 else "behind, its way here included"
    return f"{abs(off_ms) / 1000:.2f} s {which}{unsure}"


def _chip(door: Door) -> str:
    said = door.health
    if said.chip_losses is None and said.chip_faults is None:
        return ""
    lost = "never lost" if not said.chip_losses else f"lost {fleet_words.times(said.chip_losses)}"
    faults = f", {said.chip_faults} faults" if said.chip_faults else ""
    return f"{lost}{faults} since it started"


def _line(one: Event, local: Local) -> dict[str, Any]:
    kind, text = _words(one, local)
    return {"when": local.moment(one.at_ms), "kind": kind, "text": text}


def _words(one: Event, local: Local) -> Said:
    if one.kind == reader_life.CONNECTED:
        return Said("good", "connected")
    if one.kind == reader_life.PLACED:
        return Said("calm", f"placed at {one.word}")
    if one.kind == reader_life.LEFT:
        return Said("calm", f"left {one.word}")
    if one.kind == reader_life.ALARM:
        return Said("bad", f"{one.word}: {one.text}")
    if one.kind == reader_life.ALERT:
        return Said("late", f"alert {one.word}: {one.text}")
    if one.kind == reader_life.ALERT_OVER:
        return Said("", f"alert {one.word}: over")
    if one.kind == reader_life.OVER:
        return Said("", f"{one.word}: over")
    said = fleet_words.KINDS.get(one.word, one.word)
    if one.kind == reader_life.BEGAN:
        lasting = "goes on" if one.lasted_ms is None else f"for {local.lasting(one.lasted_ms)}"
        return Said("bad", f"{said}: {lasting}")
    return Said("good", f"{said}: over")


def _asked(one: Command, local: Local) -> dict[str, Any]:
    state = _STATES[one.state(local.now_ms)]
    found = [f"{_PARTS.get(part, part)} {word}" for part, word in one.found.items()]
    wrong = any(word != "ok" for word in one.found.values())
    return {
        "name": next((title for name, title, _ in COMMANDS if name == one.name), one.name),
        "when": local.moment(one.asked_ms),
        "kind": "late" if wrong else state.kind,
        "text": state.text,
        "found": ", ".join(found),
    }
