"""What is known of a door on a day: for a dispute, to be read, printed and kept. Nobody is named on it.

It says what is proved and what is not, in words that somebody who was not there can follow.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from fastapi import APIRouter, Response

from server.declared import act
from server.pages import fleet_words
from server.pages.desk import Signed
from server.pages.guard import PageRoute
from server.pages.local import Local, parse_day
from server.pages.local import words as day_words
from server.pages.rendering import page
from server.pages.words import Said
from server.store import door_evidence, reader_life
from server.store.door_evidence import Evidence, Heads
from server.store.engine import reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)

HOUR_MS = 3_600_000
#: parts of a day: its word in the address, what it is called, and from which hour to which
PARTS = (
    ("whole", "The whole day", 0, 24),
    ("morning", "The morning, 6 to 13", 6, 13),
    ("afternoon", "The afternoon, 12 to 18", 12, 18),
    ("evening", "The evening, 17 to 24", 17, 24),
)
#: heads come each minute: more than this between two is told
GAP_MS = 150_000
#: of a swipe or a head that came later than this it is told
LATE_MS = 60_000
_WHY = {
    "dead": "it was not on, or nothing proves that it was",
    "unknown": "nothing that it said tells of this time",
    "chip": "its card chip was lost",
    "full": "its journal was full",
    "storage": "its storage had failed",
    "list": "it had no list of residents",
    door_evidence.TWO_BOARDS: "two boards speak as this reader, and nobody has said yet which one stood here (see its alarm)",
}
_SHOWN = {
    "green": "green: recorded",
    "red": "red: not on the class list",
    "shut": "red: no session open",
    "check": "blue, quick double flash: stored, to be checked",
}
_WORTH = {
    "green": "of a session of theirs",
    "red": "of somebody who is not on the list",
    "shut": "when no session was open",
    "unsure": "to be looked at by a person",
    "unknown_card": "of a card that nobody has",
    "unplaced": "whose time is not known yet",
    "undecided": "not judged yet",
}
_CHECK_INS = {
    "green": "green: recorded",
    "shut": "red: no evening open",
    "check": "blue, quick double flash: stored, to be checked",
}
_CLOCKS = {"sync": "right", "hold": "held since it lost the server", "none": "not set"}


@router.get("/doors/readers/{reader}/evidence")
@act("doors.read")
def show(signed: Signed, reader: str, day: str = "", show: str = "") -> Response:
    """The page. day: ISO date, today by default; show: a part of it, of PARTS."""
    signed.scope.need_tending()
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        door = reader_life.one(connection, signed.scope, reader, local.now_ms)
        wanted = parse_day(day) or local.today()
        part = next((one for one in PARTS if one[0] == show), PARTS[0])
        from_ms, to_ms = _bounds(local, wanted, part[2], part[3])
        ends_ms = min(to_ms, local.now_ms)
        found = None
        if ends_ms > from_ms:
            found = door_evidence.of(
                connection, signed.scope.institution_id, door.reader_id, door.reader, from_ms, ends_ms
            )
    return page(
        signed.request,
        "evidence.html",
        login=signed.login,
        reader=door.reader,
        site=door.site,
        place=", ".join(found.rooms) if found is not None and found.rooms else door.house or "no room",
        day=wanted.isoformat(),
        day_words=day_words(wanted),
        part=part,
        parts=PARTS,
        span=f"{local.seconds(from_ms)} to {local.seconds(ends_ms)}",
        made=f"{local.dated(local.now_ms)}, {local.seconds(local.now_ms)}",
        conclusions=[] if found is None else conclusions(found, from_ms, ends_ms, local),
        sections=[] if found is None else sections(found, local),
    )


def _bounds(local: Local, wanted: date, first: int, last: int) -> tuple[int, int]:
    begins, ends = local.bounds(wanted)
    if first == 0:
        return begins, ends
    # By the clock on the wall: clocks change in the night, so the hours are counted back from its end.
    return ends - (24 - first) * HOUR_MS, ends - (24 - last) * HOUR_MS


def conclusions(found: Evidence, from_ms: int, to_ms: int, local: Local) -> list[Said]:
    """What follows from it, the gravest first."""
    said = []
    if found.revoked_ms is not None and found.revoked_ms < to_ms:
        said.append(Said("bad", f"It is believed no more, of the time since {local.dated(found.revoked_ms)}, "
                                f"{local.seconds(found.revoked_ms)}. What came from it since then proves nothing; its taps "
                                "count only where a person let them."))  # fmt: skip
    if found.unproved:
        for begins, ends, why in found.unproved:
            span = f"{local.seconds(begins)} to {local.seconds(ends)}"
            said.append(Said("bad", f"From {span} it is not proved that cards were taken: {_WHY.get(why, why)}. Nobody's "
                                    "absence may rest on this door for this time."))  # fmt: skip
    else:
        said.append(Said("good", "Its signed statements prove that it was on and took cards all this time."))
    if found.known_until_ms is None or found.known_until_ms < to_ms:
        up_to = "nothing is known yet" if found.known_until_ms is None else (
            f"everything is here only up to {local.moment(found.known_until_ms)}"
        )  # fmt: skip
        said.append(Said("late", f"Taps of this time may still wait on the reader: {up_to}."))
    else:
        said.append(Said("good", "Everything that it recorded in this time is here."))
    if found.missing:
        said.append(Said("late", f"{found.missing} of its records are said to exist and have not come; of which time is "
                                 "not known."))  # fmt: skip
    if found.lost:
        said.append(Said("bad", f"{found.lost} of its records were declared lost by a person; of which time they were is "
                                "not known."))  # fmt: skip
    if found.heads.clocks.get("none"):
        said.append(Said("late", "Its clock was not set for some of this time: taps are placed by what it said later."))
    if found.differ:
        many = f"{found.differ} taps were" if found.differ > 1 else "1 tap was"
        said.append(Said("late", f"{many} judged otherwise by the store than the light had shown."))
    if found.suspect:
        said.append(Said("bad", "Something claimed to be this reader and could not be believed: see below."))
    return said


def sections(found: Evidence, local: Local) -> list[dict[str, Any]]:
    """What it rests on, in numbers: of each part its title, and its lines of name and text."""
    check_ins = [(_CHECK_INS.get(word, word), str(many)) for word, many in found.check_ins.items()]
    check_ins += [("Of these count for their evening", str(found.counted))] if check_ins else []
    taps = [(text, found.shown.get(word, 0)) for word, text in _SHOWN.items()]
    taps += [(word, many) for word, many in found.shown.items() if word not in _SHOWN]
    return [
        {"title": "Taps, as the light showed them", "lines": [(text, str(many)) for text, many in taps if many] or
         [("No tap was recorded", "0")]},
        {"title": "The same taps, as the store judged them", "lines": _worth(found, local)},
        *([{"title": "Check-ins, as the kiosk showed them", "lines": check_ins}] if check_ins else []),
        {"title": "Sessions at this door", "lines": [
            (f"{one.title}{' (cancelled)' if one.cancelled else ''}",
             f"open {local.time(one.opens_ms)} to {local.time(one.closes_ms)}; {one.swipes} taps, {one.credited} of them "
             "count for it")
            for one in found.sessions
        ] or [("None", "")]},
        {"title": "Its statements", "lines": _stated(found.heads, local)},
        {"title": "Outages that were noted", "lines": [
            (fleet_words.KINDS.get(one.kind, one.kind),
             f"{local.moment(one.from_ms)} to {'now' if one.to_ms is None else local.moment(one.to_ms)}"
             f"{', of the whole line' if one.reader_id is None else ''}")
            for one in found.outages
        ] or [("None", "")]},
        {"title": "Class lists that taps were judged by", "lines": [
            (f"made {local.moment(version)}" if version is not None else "without a list", str(many))
            for version, many in sorted(found.lists.items(), key=lambda pair: pair[0] or 0)
        ] or [("No tap was judged", "")]},
        *([{"title": "Not believed or not used", "lines": [(code, str(many)) for code, many in found.suspect.items()]}]
          if found.suspect else []),
    ]  # fmt: skip


def _worth(found: Evidence, local: Local) -> list[tuple[str, str]]:
    lines = [(_WORTH.get(word, word), str(many)) for word, many in found.worth.items()]
    if found.latest_ms is not None and found.latest_ms > LATE_MS:
        lines.append(("The longest that one of them took to come here", local.lasting(found.latest_ms)))
    return lines or [("None", "0")]


def _stated(said: Heads, local: Local) -> list[tuple[str, str]]:
    if not said.many:
        return [("It stated nothing of this time", "")]
    lines = [("Statements, one a minute", str(said.many))]
    if said.gap is not None and said.gap[1] - said.gap[0] > GAP_MS:
        span = f"{local.seconds(said.gap[0])} to {local.seconds(said.gap[1])}"
        lines.append(("The longest time without one", f"{local.lasting(said.gap[1] - said.gap[0])}, {span}"))
    lines += [(f"Its clock was {_CLOCKS.get(word, word)}", f"{many} of them") for word, many in said.clocks.items()]
    if said.unsure_ms is not None:
        lines.append(("Its clock was wrong by at most", f"{said.unsure_ms / 1000:.2f} s"))
    if said.late_ms is not None and said.late_ms > LATE_MS:
        lines.append(("The longest that one of them took to come here", local.lasting(said.late_ms)))
    return lines
