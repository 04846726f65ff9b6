"""Whatever truly was within the uncertainties that are stated: what is credited was, and silence speaks of nobody else."""

import random

from firmware.contract.decide import Moment, Window
from server.derive.credits import Candidate, Judged, Tap, fold, placed

MIN = 60_000
LONG_AGO_MS = -(10**9)
#: worlds in which something was once said for sure that was not so
FOUND = (9403, 12206, 15937, 93429)
WORLDS = 3000

#: true time, reader, boot, how wrong it was placed, within what
Planned = tuple[int, int, str, int, int]


def sessions(rng: random.Random) -> list[Candidate]:
    """Sessions of one person that lie near one another: back to back, at once, in one room or in two."""
    found = []
    for number in range(1, rng.randint(1, 3) + 1):
        starts, length = rng.randint(-30, 60) * MIN, rng.choice([5, 30, 60]) * MIN
        opens, closes = starts - rng.choice([0, 1, 30]) * MIN, starts + length + rng.choice([0, 5]) * MIN
        rooms, left = rng.choice([(1,), (2,), (1, 2)]), rng.randint(-10, 60)
        member: tuple = ((LONG_AGO_MS, None),)
        if rng.random() >= 0.8:
            member = ((LONG_AGO_MS, left * MIN), ((left + 1) * MIN, None))
        window = Window(number, opens, starts, starts + length, closes)
        found.append(Candidate(window=window, rooms=frozenset(rooms), member=member))
    return found


def taps(rng: random.Random) -> list[Planned]:
    """Taps of one person at two readers that are started again now and then, in the order in which they truly were."""
    found, second, boots = [], rng.randint(-40 * 60, 60 * 60), {1: 0, 2: 0}
    for _ in range(rng.randint(1, 5)):
        unsure = rng.choice([0, 10, 2000, 30000, 5 * MIN, 40 * MIN])
        wrong, reader = rng.randint(-unsure, unsure), rng.choice([1, 1, 2])
        if rng.random() < 0.3:
            boots[reader] += 1
        found.append((second * 1000, reader, str(boots[reader]), wrong, unsure))
        second += rng.randint(1, 300) if rng.random() < 0.5 else rng.randint(1, 2400)
    return found


def judged(planned: list[Planned], mine: list[Candidate], *, truly: bool) -> list[Judged]:
    """What the fold says of these taps: as they were, or as they were placed."""
    made = [
        placed(
            swipe_id=number,
            reader_id=reader,
            room_id=reader,
            moment=Moment(f"{reader}{boot}", at_ms, at_ms + (0 if truly else wrong), 0 if truly else unsure),
            shown="check",
            session_shown=None,
        )
        for number, (at_ms, reader, boot, wrong, unsure) in enumerate(planned)
    ]
    return fold(sorted(made, key=lambda tap: (tap.at_ms, tap.reader_id, tap.moment.journal, tap.swipe_id)), mine, {})


def credited(found: list[Judged]) -> dict[int, Tap]:
    return {one.session: one.tap for one in found if one.credits and one.session is not None}


def test_what_is_said_for_sure_is_never_against_what_truly_was():
    seen = 0
    for seed in (*FOUND, *range(WORLDS)):
        rng = random.Random(seed)
        mine, planned = sessions(rng), taps(rng)
        true = credited(judged(planned, mine, truly=True))
        said = judged(planned, mine, truly=False)
        assert credited(said).keys() <= true.keys(), f"{seed}: a credit that was none"
        may = {session for one in said for session in one.may}
        assert true.keys() <= credited(said).keys() | may, f"{seed}: silence about somebody who was there"
        for one in said:
            if one.credits:
                assert one.session is not None and one.since_ms <= true[one.session].at_ms <= one.tap.hi_ms, (
                    f"{seed}: recorded at another time"
                )
        seen += len(may)
    assert seen > WORLDS // 10, "and that something is open happens"


def test_taps_of_one_boot_stay_in_its_order_however_they_were_placed():
    window = Window(1, 0, 0, 60 * MIN, 60 * MIN)
    mine = [Candidate(window=window, rooms=frozenset({1}), member=((LONG_AGO_MS, None),))]
    planned = [(10 * MIN, 1, "a", 4 * MIN, 5 * MIN), (13 * MIN, 1, "a", 0, 5 * MIN)]
    assert [one.tap.swipe_id for one in judged(planned, mine, truly=False)] == [0, 1]
    assert [one.credits for one in judged(planned, mine, truly=False)] == [True, False]
