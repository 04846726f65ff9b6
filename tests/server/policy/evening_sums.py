"""Questions of the residence's evenings: which one, what counts, who is missing, how much was availed of, what is odd."""

from datetime import date, time

from server.policy import downtime, evenings, moments, oddities
from tests.server.policy.given import LONDON, at, said

HERE, THERE, PERSON = 1, 2, 7


def _evening(profile, given):
    found = evenings.around(profile.residence, given.ms("at"), LONDON)
    return {"date": f"{found.day:%a %Y-%m-%d}", "opens": said(found.opens_ms), "closes": said(found.closes_ms)}


def _check_ins(profile, given):
    """Each check-in by its place in the list; `method`, `place` and so on hold for all of them."""
    method, place = given("method", "finger"), given("place", "fixed")
    lives, known, witnessed = given("lives", "here"), given("known", True), given("witnessed", True)
    unsure = given("uncertainty_s", 0) * 1000
    rows = [
        evenings.CheckIn(
            key=(n,),
            at_ms=at(one) if one else None,
            uncertainty_ms=unsure,
            method=method,
            place=place,
            person_id=PERSON if known else None,
            house_id=HERE,
            lives_in={"here": HERE, "elsewhere": THERE, "nowhere": None}[lives],
            witnessed=witnessed,
            surely=given("surely", True),
        )
        for n, one in enumerate(given("at"))
    ]
    judged = evenings.judge(profile.residence, rows, LONDON)
    found = [judged[one.key] for one in rows]
    return {
        "counts": [one.counts for one in found],
        "why": [one.why for one in found],
        "dates": [one.day.isoformat() if one.day else "" for one in found],
    }


def _board(profile, given):
    """`down`: of each kiosk of the house when it was: `18:00-18:15 21:00-22:00`."""
    day = date.fromisoformat(given("date", "2026-10-12"))
    evening = evenings.evening(profile.residence, day, LONDON)
    kiosks = [
        [(instant(day, one), instant(day, other)) for one, _, other in (span.partition("-") for span in spans.split())]
        for spans in given("down", [""])
    ]
    least_ms = profile.residence.outage_min * 60_000
    down = downtime.together(kiosks, evening.opens_ms, evening.closes_ms, least_ms)
    found = evenings.state(
        method=given("method"),
        entry=given("entry", False),
        leave=given("leave", False),
        excused=given("excused", False),
        unplaced=given("unplaced", False),
        doubted=bool(down),
        closes_ms=evening.closes_ms,
        known_up_to_ms=given.ms("known_up_to"),
        now_ms=given.ms("now", "Mon 2026-10-12 23:00"),
    )
    return {"state": found, "availed": found in evenings.AVAILED}


def instant(day, text):
    return moments.instant(day, time.fromisoformat(text), LONDON)


def _availed(profile, given):
    """`17 in, 1 missing`: evenings from 2026-10-01 on."""
    rows = []
    for part in given("evenings").split(","):
        many, _, state = part.strip().rpartition(" ")
        assert state in evenings.STATES, state
        rows += [(date.fromordinal(date(2026, 10, 1).toordinal() + len(rows) + n), state) for n in range(int(many))]
    found = evenings.availed(profile.residence, rows)
    return {
        "sum": found.sum,
        "text": found.text,
        "reached": found.reached,
        "why": {row.code: row.why for row in found.rows},
        "effects": {row.code: row.effect for row in found.rows},
    }


def _flags(profile, given):
    """`refused`: when fingers were refused at one kiosk, and with whose card: `19:00 a`; `check_in` and `tap`: when a
    card checked in and when it was held to a door, `far` or on the same site."""
    found = []
    people = {"a": 1, "b": 2, "c": 3, "d": 4, "": None}
    rows = []
    for n, one in enumerate(given("refused", ())):
        when, _, whose = one.partition(" ")
        rows.append(_seen("finger-refused", at(f"Mon 2026-10-12 {when}"), people[whose], n))
    found += oddities.of_house(profile.residence.odd, rows)
    tapped = given.ms("tap")
    if tapped is not None:
        site = THERE if given("far", True) else HERE
        tap = oddities.Tap(at_ms=tapped, uncertainty_ms=given("uncertainty_s", 0) * 1000, site_id=site, reader_id=9)
        odd = oddities.elsewhere(profile.residence.odd, _seen("check-in", given.ms("check_in"), PERSON), HERE, [tap])
        found += [] if odd is None else [odd]
    return {"flags": [one.kind for one in found]}


def _seen(what, at_ms, person_id, key=0):
    day = date(2026, 10, 12)
    return oddities.Seen(key=key, what=what, at_ms=at_ms, day=day, house_id=HERE, reader_id=1, person_id=person_id)


EVENINGS = {
    "flags": _flags,
    "evening": _evening,
    "check-ins": _check_ins,
    "board": _board,
    "availed": _availed,
}
