"""Questions of misuse of cards: whether a person is shown something, and how far back is looked."""

from itertools import count

from server.policy import misuse
from server.policy.misuse import Tap
from tests.server.policy.given import LONDON, STARTS, at, said

DAY_MS, HOUR_MS = 24 * 3_600_000, 3_600_000
#: where a second tap is, beside one at reader 1 in room 1 of site 1: (reader, room, site)
PLACES = {"another site": (2, 2, 2), "another room": (2, 2, 1), "another door of the room": (2, 1, 1)}


def _tap(numbers, at_ms, person=1, place=(1, 1, 1)):
    reader, room, site = place
    return Tap(
        record=next(numbers), person_id=person, reader_id=reader, site_id=site, room_id=room, at_ms=at_ms, unsure_ms=0
    )


def _two(profile, given):
    """One person's card at one door, and `after_s` later somewhere else."""
    numbers, begins = count(1), at(STARTS)
    there = _tap(numbers, begins + given("after_s") * 1000, place=PLACES[given("at")])
    found = misuse.two_places(lambda _at: profile.misuse, [_tap(numbers, begins), there], LONDON)
    return {"shown": [one.kind for one in found]}


def _pair(profile, given):
    """Two persons at one door, `apart_s` after each other, so many `times`, on so many `days`; and one of them `alone`."""
    numbers, begins, days, apart_s = count(1), at(STARTS), given("days"), given("apart_s")
    when = [begins + n % days * DAY_MS + n // days * HOUR_MS for n in range(given("times"))]
    one = [_tap(numbers, at_ms) for at_ms in when]
    other = [_tap(numbers, at_ms + apart_s * 1000, person=2) for at_ms in when]
    one += [_tap(numbers, begins + (days + n) * DAY_MS) for n in range(given("alone", 0))]
    found = misuse.pair(profile.misuse, one, other, LONDON)
    return {"shown": [found.kind] if found else []}


def _looked(profile, given):
    return {"from": said(misuse.looked_from(profile.misuse, given.ms("now", STARTS)))}


MISUSE = {"two places": _two, "pair": _pair, "looked back": _looked}
