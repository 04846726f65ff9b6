"""The check of an evening: what people saw on display and lamp, against what the store says over its API.

`sights` come from the kiosks' displays and lamps, `plan` from before anybody moved, `rows` and `board` from the store.
Nothing is assumed to be right.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from simulator.residence_display import RECORDED
from simulator.residence_people import Residence
from simulator.residence_visit import Sight

#: a check-in stands in the store at a time between the card and the last word, give or take the kiosk's clock, ms
NEAR_MS = 2500
#: states of the board in which somebody was there, and on leave
IN, LEAVE = ("in", "in-alternative", "in-staff"), "leave"
#: what the lamp flashes at each last word
LIGHTS = {"recorded": "green", "kept": "blue", "outside": "red"}


@dataclass(frozen=True, kw_only=True)
class CheckIn:
    """One check-in in the store."""

    kiosk: str
    journal: str
    seq: int
    #: the registry's id of whose card it was, and of the witness, or ''
    person: str
    witness: str
    #: finger, pin, witness
    method: str
    at_ms: float | None
    #: whether it counts for its evening, and why not
    counts: bool
    why: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the comparison found. `lost`, `duplicated` and `misattributed` are 0, or a promise was broken."""

    stored: int
    #: residents whom the board has as in, and those it does not have as in, on leave or excused
    checked_in: int
    missing: int
    #: promised on a display or lamp, and not in the store
    lost: int
    #: identities that stand twice, and check-ins beyond what was done at a kiosk
    duplicated: int
    #: kept for somebody who was not let in, by another method or witness than was seen, counted or missed wrongly
    misattributed: int
    wrong: tuple[str, ...]


def compare(residence: Residence, sights: Iterable[Sight], rows: list[CheckIn], board: dict[str, str]) -> Outcome:
    """Compare. board: the registry's id of each resident -> the board's state tonight."""
    sights = list(sights)
    wrong: list[str] = []
    lost, unmatched = _without_check_in(sights, rows, wrong)
    identities = Counter((row.kiosk, row.journal, row.seq) for row in rows)
    duplicated = sum(count - 1 for count in identities.values())
    misattributed = 0
    unseen = [one for one in sights if not one.told and not _promised(one)]
    for row in unmatched:
        name = f"{row.person or 'nobody'} at {row.kiosk} ({row.method}, {row.seq})"
        told = [s for s in sights if s.kiosk == row.kiosk and s.visit.resident == row.person]
        perhaps = next((s for s in unseen if s in told and _near(row, s)), None)
        if perhaps is not None:
            # The display said nothing (the power went): kept or not kept, either is true.
            unseen.remove(perhaps)
        elif any(s.told in RECORDED for s in told):
            if identities[(row.kiosk, row.journal, row.seq)] == 1:
                duplicated += 1
            wrong.append(f"once too often: {name}")
        else:
            misattributed += 1
            wrong.append(f"kept, though nobody was told so: {name}")
    found = _said(residence, sights, rows, board)
    return Outcome(
        stored=len(rows),
        checked_in=sum(state in IN for state in board.values()),
        missing=sum(state not in (*IN, LEAVE, "excused") for state in board.values()),
        lost=lost,
        duplicated=duplicated,
        misattributed=misattributed + len(found),
        wrong=(*wrong, *found),
    )


def _without_check_in(sights: list[Sight], rows: list[CheckIn], wrong: list[str]) -> tuple[int, list[CheckIn]]:
    """How many promises have no check-in of their own, and the check-ins that no promise needs."""
    free = sorted(rows, key=lambda row: (row.at_ms is None, row.at_ms or 0, row.seq))
    lost = 0
    for one in sorted(sights, key=lambda s: s.at_ms):
        if not _promised(one):
            continue
        fits = [row for row in free if row.kiosk == one.kiosk and row.person == one.visit.resident and _near(row, one)]
        fits = [r for r in fits if (r.method, r.witness) == (one.method, one.witness)] or fits
        if not fits:
            lost += 1
            wrong.append(f"lost: {one.visit.resident} at {one.kiosk} was told {one.told or one.light}")
            continue
        free.remove(fits[0])
    return lost, free


def _promised(one: Sight) -> bool:
    return one.told in RECORDED or "green" in one.light


def _near(row: CheckIn, one: Sight) -> bool:
    return row.at_ms is None or one.at_ms - NEAR_MS <= row.at_ms <= one.until_ms + NEAR_MS


def _said(residence: Residence, sights: list[Sight], rows: list[CheckIn], board: dict[str, str]) -> list[str]:
    """What the store says of people that is not so."""
    wrong = []
    for one in sights:
        near = [r for r in rows if r.kiosk == one.kiosk and r.person == one.visit.resident and _near(r, one)]
        if one.told in RECORDED and near and not any((r.method, r.witness) == (one.method, one.witness) for r in near):
            wrong.append(f"{one.visit.resident} used {one.method}, kept as {sorted({r.method for r in near})}")
        if one.told == "recorded" and near and all(row.why == "outside" for row in near):
            wrong.append(f"{one.visit.resident} was told recorded by {one.kiosk}, which was out of its place")
        # A flash that a slow machine drew too long for an eye is none: the display stands, and the result counts it.
        if one.told in RECORDED and one.light and one.light != LIGHTS[one.told]:
            wrong.append(f"{one.visit.resident} was told {one.told} and shown {one.light}: {one.story}")
        if one.visit.why == "stranger" and one.told in RECORDED:
            wrong.append(f"{one.visit.other} was let in with the card of {one.visit.resident}")
    counted = Counter(row.person for row in rows if row.counts)
    wrong += [f"{person} counted {n} times" for person, n in sorted(counted.items()) if n > 1]
    surely = {s.visit.resident for s in sights if s.told == "recorded"}
    perhaps = {s.visit.resident for s in sights if s.told in ("kept", "outside", "")} | surely
    wrong += [f"{person} was told recorded and does not count" for person in sorted(surely - set(counted))]
    wrong += [f"{person} counts and was never here" for person in sorted(set(counted) - perhaps)]
    for person, resident in sorted(residence.residents.items()):
        state = board.get(person, "nowhere")
        if (state in IN) != (person in counted):
            wrong.append(f"the board has {person} as {state}, counted: {person in counted}")
        elif person not in board or (state not in IN and (state == LEAVE) != resident.away):
            wrong.append(f"the board has {person} as {state}, on leave: {resident.away}")
    wrong += [
        f"the board has {person}, who lives elsewhere" for person in sorted(set(board) - set(residence.residents))
    ]
    return wrong
