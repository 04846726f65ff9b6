"""What looks odd at a kiosk, for a person to judge: the machine decides nothing by it (DDU-12). Pure.

One oddity for a cause: who, or which kiosk, on an evening in a house. It is counted, not raised again: what somebody
did at two kiosks of a house is one cause.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date

from server.policy import evenings
from server.policy.residence_rule import Oddity

# kinds of oddity
FINGERS, ONE_CARD, ELSEWHERE = "many-fingers", "one-card", "elsewhere"
OPENED, MOVED, SENSOR, PIN_LOCKED = "opened", "moved", "sensor", "pin-locked"
OUTSIDE, NO_FIX, NO_WITNESS, WITNESS_ONLY = "outside", "no-fix", "no-witness", "witness-only"
#: as `no-fix`, of a kiosk that has no receiver that could have one
NO_PLACE = "no-place"
OTHER_HOUSE, STRANGER = "other-house", "stranger"
WORDS = {
    FINGERS: "Many fingers were refused at this kiosk within a few minutes",
    ONE_CARD: "Fingers were refused several times with this card on one evening",
    ELSEWHERE: "A check-in, and within minutes the same person's card at a door on another site",
    OPENED: "The kiosk was opened",
    MOVED: "The kiosk was moved from its registered place",
    SENSOR: "The sensor was another one, was wiped, or was lost",
    PIN_LOCKED: "A PIN was given wrong five times, and is locked",
    OUTSIDE: "A check-in outside the registered place",
    NO_FIX: "Check-ins while the receiver had no fix, or no registered place to hold it against",
    NO_PLACE: "Check-ins at a kiosk with neither a receiver nor a registered place: register its place",
    NO_WITNESS: "A check-in by PIN whose witness was not on duty there",
    WITNESS_ONLY: "A check-in on a witness's word alone",
    OTHER_HOUSE: "A check-in at another house's kiosk: it does not count by itself",
    STRANGER: "A check-in with a card of nobody who lives in the residence",
}
#: kiosk event -> what it is a case of, by itself
_BY_ITSELF = {
    "opened": OPENED,
    "moved": MOVED,
    "sensor-other": SENSOR,
    "sensor-wiped": SENSOR,
    "sensor-lost": SENSOR,
    "pin-locked": PIN_LOCKED,
}
#: why of a check-in -> what it is a case of
_BY_CHECK_IN = {
    evenings.OUTSIDE: OUTSIDE,
    evenings.NO_FIX: NO_FIX,
    NO_PLACE: NO_PLACE,
    evenings.NO_WITNESS: NO_WITNESS,
    evenings.WITNESS_ONLY: WITNESS_ONLY,
    # The kiosk has said that it will be checked: of the first by the house in which they live.
    evenings.OTHER_HOUSE: OTHER_HOUSE,
    evenings.NOT_RESIDENT: STRANGER,
    evenings.UNKNOWN_CARD: STRANGER,
}
#: of these one flag is for a kiosk; of the others one for a person
_OF_KIOSK = (FINGERS, OPENED, MOVED, SENSOR, NO_FIX, NO_PLACE, STRANGER)
#: a state of the kiosk, and nothing that anybody did: one check-in more is nothing new to look at
_STANDING = (NO_PLACE,)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Something that was seen at a kiosk. what: a kiosk event, or why a check-in was odd. key: its record, wherever it
    is seen again and whatever time is made out for it."""

    key: int
    what: str
    at_ms: int
    day: date
    house_id: int
    reader_id: int
    person_id: int | None
    #: when the store heard of it
    came_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Odd:
    """Something for a person to look at. subject: the cause, the same each time it is seen. keys: what it rests on: where
    one of them is new, there is something new to look at."""

    kind: str
    house_id: int
    subject: str
    person_id: int | None
    reader_id: int
    at_ms: int
    last_ms: int
    count: int
    keys: frozenset[int] = frozenset()
    #: when the store heard of the last of it
    came_ms: int = 0
    detail: dict[str, int | str] = field(default_factory=dict)


def of_house(rule: Oddity, seen: Iterable[Seen]) -> list[Odd]:
    """What is odd in everything that was seen for one house on one evening, at whichever of its kiosks; the same in
    whatever order it came."""
    cases: dict[tuple[str, int | None, int | None], list[Seen]] = {}
    refused: list[Seen] = []
    for one in sorted(seen, key=lambda one: (one.at_ms, one.key, one.what)):
        if one.what == "finger-refused":
            refused.append(one)
            continue
        kind = _BY_ITSELF.get(one.what) or _BY_CHECK_IN.get(one.what)
        if kind is not None:
            cases.setdefault((kind, *_cause(kind, one)), []).append(one)
    found = [_odd(kind, rows) for (kind, _, _), rows in cases.items()]
    by_card: dict[int, list[Seen]] = {}
    at_kiosk: dict[int, list[Seen]] = {}
    for one in refused:
        at_kiosk.setdefault(one.reader_id, []).append(one)
        if one.person_id is not None:
            by_card.setdefault(one.person_id, []).append(one)
    found += [_odd(ONE_CARD, rows) for rows in by_card.values() if len(rows) >= rule.card]
    found += [_odd(FINGERS, rows) for rows in (_crowded(rule, each) for each in at_kiosk.values()) if rows]
    return sorted(found, key=lambda one: (one.kind, one.subject))


def _cause(kind: str, one: Seen) -> tuple[int | None, int | None]:
    """(person, kiosk) that it is about: one of them."""
    of_kiosk = kind in _OF_KIOSK or one.person_id is None
    return (None, one.reader_id) if of_kiosk else (one.person_id, None)


def _crowded(rule: Oddity, rows: list[Seen]) -> list[Seen]:
    """Those of these, in order of time, that are among so many within so few minutes: one more an hour later is nothing
    new."""
    last, within_ms = rule.fingers - 1, rule.fingers_within_min * 60_000
    begins = [n for n in range(len(rows) - last) if rows[n + last].at_ms - rows[n].at_ms <= within_ms]
    return [rows[n] for n in sorted({n for begin in begins for n in range(begin, begin + rule.fingers)})]


def _odd(kind: str, rows: list[Seen]) -> Odd:
    first = rows[0]
    person_id, reader_id = _cause(kind, first)
    whose = f"kiosk:{reader_id}" if person_id is None else f"person:{person_id}"
    return Odd(
        kind=kind,
        house_id=first.house_id,
        subject=f"{whose}:{first.day.isoformat()}",
        person_id=person_id,
        reader_id=first.reader_id,
        at_ms=first.at_ms,
        last_ms=rows[-1].at_ms,
        count=len({one.key for one in rows}),
        keys=frozenset(one.key for one in (rows[:1] if kind in _STANDING else rows)),
        came_ms=max(one.came_ms for one in rows),
    )


@dataclass(frozen=True, kw_only=True)
class Tap:
    """A card at a reader. site: where that is; a site is far from any other."""

    at_ms: int
    uncertainty_ms: int
    site_id: int
    reader_id: int


def elsewhere(rule: Oddity, check_in: Seen, site_id: int, taps: Iterable[Tap]) -> Odd | None:
    """Whether the same person's card was at a reader on another site within minutes of a check-in; however sure both
    times are, so that an unsure clock accuses nobody."""
    for tap in sorted(taps, key=lambda one: (one.at_ms, one.reader_id)):
        apart_ms = abs(tap.at_ms - check_in.at_ms) + tap.uncertainty_ms
        if tap.site_id != site_id and apart_ms <= rule.elsewhere_within_min * 60_000:
            return replace(
                _odd(ELSEWHERE, [check_in]),
                at_ms=min(tap.at_ms, check_in.at_ms),
                last_ms=max(tap.at_ms, check_in.at_ms),
                detail={"reader": tap.reader_id, "tap_ms": tap.at_ms, "check_in_ms": check_in.at_ms},
            )
    return None


def together(found: Iterable[Odd]) -> list[Odd]:
    """The same, those of one cause made one: its first one's details, and all that it rests on."""
    causes: dict[tuple[int, str, str], list[Odd]] = {}
    for one in sorted(found, key=lambda one: (one.at_ms, sorted(one.keys))):
        causes.setdefault((one.house_id, one.kind, one.subject), []).append(one)
    return [
        replace(
            rows[0],
            last_ms=max(one.last_ms for one in rows),
            count=sum(one.count for one in rows),
            keys=frozenset().union(*(one.keys for one in rows)),
        )
        for rows in causes.values()
    ]
